/*
 * Long-range kernels; see cpu_kernels_body.h for what must be set. A row's pairs go through in
 * blocks: first what is scattered in memory is gathered, then whole vectors are worked on.
 */
enum { PAIR_BLOCK = 64 };  /* a multiple of every vector length */

/* 1/sqrt(x), x > 0: a first guess from the exponent, three steps of Newton; error 1e-7. */
CPU_INLINE vf vrsqrt(vf x) {
    vf y = (vf) (0x5f375a86 - ((vi) x >> 1));
    for (int step = 0; step < 3; step++)
        y = y * (1.5f - 0.5f * x * y * y);
    return y;
}

/*
 * erfc(x) and exp(-x^2), x >= 0: erfc = t P(t) exp(-x^2), t = 1/(1 + 0.4 x), with P fitted to
 * 6e-9 relative on 0 ... 6.
 */
CPU_INLINE vf verfc(vf x, vf *gaussian) {
    const vf t = 1.0f / (1.0f + 0.4f * x);
    vf p = vset(-0.02862812578678131f);
    p = p * t + 0.1372523307800293f;
    p = p * t - 0.22801126539707184f;
    p = p * t + 0.12754735350608826f;
    p = p * t - 0.03858308121562004f;
    p = p * t + 0.0794612467288971f;
    p = p * t + 0.12055441737174988f;
    p = p * t + 0.17140047252178192f;
    p = p * t + 0.20765790343284607f;
    p = p * t + 0.22567282617092133f;
    p = p * t + 0.22567591071128845f;
    *gaussian = vexp(-x * x);
    return p * t * *gaussian;
}

/* sin(x), 0 <= x <= pi/2. */
CPU_INLINE vf vquarter_sine(vf x) {
    const vf t = x * x;
    vf p = vset(-2.50521084e-8f);
    p = p * t + 2.75573192e-6f;
    p = p * t - 1.98412698e-4f;
    p = p * t + 8.33333333e-3f;
    p = p * t - 1.66666667e-1f;
    return x + x * t * p;
}

/* ------------------------------------------------------------------------------- blocks -- */

/* Up to PAIR_BLOCK pairs of one row; behind the last one stand pairs without effect. */
typedef struct pair_block {
    float x[3][PAIR_BLOCK];                     /* angstrom */
    float q[PAIR_BLOCK];                        /* charge of the neighbor */
    float record[CPU_D3_RECORD][PAIR_BLOCK];    /* see cpu_dispersion */
    float c6[PAIR_BLOCK], dc6[PAIR_BLOCK];      /* C6, its derivative by the row's CN */
} pair_block;

/* Pads to whole vectors; returns the padded number of pairs. */
CPU_INLINE int load_vectors(pair_block *b, int n, const double (*r)[3]) {
    for (int l = 0; l < n; l++)
        for (int a = 0; a < 3; a++)
            b->x[a][l] = (float) r[l][a];
    int l = n;
    for (; l % CPU_LANES; l++) {
        b->x[0][l] = 1e3f;
        b->x[1][l] = b->x[2][l] = 0;
    }
    return l;
}

CPU_INLINE void load_floats(float *out, int n, int n_padded, const float *from, const int *neighbor,
                            float padding) {
    for (int l = 0; l < n; l++)
        out[l] = from[neighbor[l]];
    for (int l = n; l < n_padded; l++)
        out[l] = padding;
}

CPU_INLINE void load_records(pair_block *b, int n, int n_padded, const float *record,
                             const int *neighbor) {
    for (int l = 0; l < n; l++)
        for (int c = 0; c < CPU_D3_RECORD; c++)
            b->record[c][l] = record[(size_t) neighbor[l] * CPU_D3_RECORD + c];
    for (int c = 0; c < CPU_D3_RECORD; c++)
        for (int l = n; l < n_padded; l++)
            b->record[c][l] = c == CPU_D3_RECORD - 1;
}

/* ------------------------------------------------------------------------------ Coulomb -- */

/* phi and its derivative, form a constant after inlining. */
CPU_INLINE vf coulomb_phi(const cpu_longrange_terms *t, const cpu_coulomb_form form, vf d, vf inv,
                          vf *dphi) {
    const vf zero = vset(0);
    if (form == CPU_COULOMB_PLAIN) {
        *dphi = -inv * inv;
        return inv;
    }
    const vi inside = d < t->range;
    vf phi, slope;
    if (form == CPU_COULOMB_SCREENED) {
        vf gaussian;
        phi = verfc(t->alpha * d, &gaussian) * inv;
        slope = t->slope - (phi + 1.12837916709551257f * t->alpha * gaussian) * inv;
        phi += (d - t->range) * t->slope - t->shift;
    } else {
        const vf x = d * (1 / t->range);
        vf h, dh;
        if (form == CPU_COULOMB_SHORT_EXP) {
            // below 1/60 h is 0; d just below the range may round to x = 1
            const vf room = 1.0f - x * x, rest = 1.0f / vselect(room > 0.01f, room, vset(0.01f));
            h = vselect(rest > 60.0f, zero, vexp(1.0f - rest));
            dh = -2.0f / t->range * x * rest * rest * h;
        } else {
            const vf half_pi = vset(1.57079632679489662f);
            const vf s = vquarter_sine(half_pi * x), c = vquarter_sine(half_pi * (1.0f - x));
            h = c * c;
            dh = -2.0f / t->range * half_pi * s * c;
        }
        phi = h * inv;
        slope = (dh - phi) * inv;
    }
    *dphi = vselect(inside, slope, zero);
    return vselect(inside, phi, zero);
}

/* --------------------------------------------------------------------------- dispersion -- */

/*
 * D(r) sw(r) in atomic units, *slope its derivative by d, 1/angstrom. The powers of r stop growing at
 * 10^4 bohr, before r^8 overflows: D is 10^-24 there, 10^-18 of its value at contact.
 */
CPU_INLINE vf dispersion_damped(const cpu_dispersion *d3, float root_k, vf root, vf d, vf inv,
                                vf *slope) {
    const vf far = vset(1e4f), at = d * (1 / d3->bohr), r = vselect(at < far, at, far);
    const vf r2 = r * r, r6 = r2 * r2 * r2, r8 = r6 * r2;
    const vf root_rr = root_k * root, rr = root_rr * root_rr;
    const vf R0 = d3->a1 * root_rr + d3->a2, R2 = R0 * R0, R6 = R2 * R2 * R2, R8 = R6 * R2;
    const vf i6 = 1.0f / (r6 + R6), i8 = 1.0f / (r8 + R8);
    const vf e6 = d3->s6 * i6, e8 = d3->s8 * rr * i8, D = e6 + e8;
    const vf dD = -(6.0f * r6 * i6 * e6 + 8.0f * r8 * i8 * e8) * inv;

    const float width = 1 / (d3->cutoff - d3->on);
    vf t = (d - d3->on) * width;
    t = vselect(t > 0.0f, t, vset(0));
    t = vselect(t < 1.0f, t, vset(1));
    const vf sw = 1.0f - t * t * t * (10.0f - 15.0f * t + 6.0f * t * t);
    const vf dsw = -30.0f * width * t * t * (1.0f - t) * (1.0f - t);
    *slope = dD * sw + D * dsw;
    return D * sw;
}

/* C6 of pair (k, m), and its derivative by CN_k, reference by reference. */
static void pair_c6(const cpu_dispersion *d3, int k, int m, float *c6, float *dc6) {
    enum { N = CPU_D3_REFERENCES };
    const float *w_k = d3->w + (size_t) k * CPU_D3_RECORD;
    const float *w_m = d3->w + (size_t) m * CPU_D3_RECORD;
    const float *offset = d3->offset + (size_t) k * CPU_D3_RECORD;
    const float *ref = d3->c6ref + ((size_t) d3->kind[k] * d3->n_kinds + d3->kind[m]) * N * N;
    float sum = 0, mean = 0, sum_c6 = 0, mean_c6 = 0;
    for (int p = 0; p < N; p++)
        for (int s = 0; s < N; s++) {
            const float w = w_k[p] * w_m[s];
            if (!(w >= d3->smallest))
                continue;
            sum += w;
            mean += w * offset[p];
            sum_c6 += w * ref[p * N + s];
            mean_c6 += w * ref[p * N + s] * offset[p];
        }
    *c6 = sum_c6 / sum;
    *dc6 = -8 * (mean_c6 - *c6 * mean) / sum;
}

/* The same from a table without products. */
static void pair_c6_table(const cpu_dispersion *d3, int k, int m, float *c6, float *dc6) {
    enum { N = CPU_D3_REFERENCES };
    const size_t km = ((size_t) d3->kind[k] * d3->n_kinds + d3->kind[m]) * N * N;
    const size_t mk = ((size_t) d3->kind[m] * d3->n_kinds + d3->kind[k]) * N * N;
    const float *ref = d3->c6ref + km, *cn_k = d3->cnref + km, *cn_m = d3->cnref + mk;

    // exponents of the weights; references without a coefficient are unused
    float exponent[N * N], largest = -INFINITY;
    for (int p = 0; p < N; p++)
        for (int s = 0; s < N; s++) {
            const float a = d3->cn[k] - cn_k[p * N + s], b = d3->cn[m] - cn_m[s * N + p];
            exponent[p * N + s] = ref[p * N + s] == 0 ? -INFINITY : -4 * (a * a + b * b);
            largest = fmaxf(largest, exponent[p * N + s]);
        }
    float sum = 0, mean = 0, sum_c6 = 0, mean_c6 = 0;
    for (int e = 0; e < N * N; e++) {
        const float w = expf(exponent[e] - largest), offset = d3->cn[k] - cn_k[e];
        if (!(w >= d3->smallest))
            continue;
        sum += w;
        mean += w * offset;
        sum_c6 += w * ref[e];
        mean_c6 += w * ref[e] * offset;
    }
    *c6 = sum_c6 / sum;
    *dc6 = -8 * (mean_c6 - *c6 * mean) / sum;
}

/* A pair of row k and an atom with a w below this drops some references. */
CPU_INLINE float weight_limit(const cpu_dispersion *d3, int k) {
    const float *w = d3->w + (size_t) k * CPU_D3_RECORD;
    float least = 1;
    if (d3->cnref)
        return 0;
    for (int p = 0; p < CPU_D3_REFERENCES; p++)
        least = w[p] > 0 && w[p] < least ? w[p] : least;
    return d3->smallest / least;
}

/* C6 and dC6 of a block. */
CPU_INLINE void block_c6(const cpu_dispersion *d3, float limit, int k, int n, int n_padded,
                         const int *neighbor, pair_block *b) {
    const float *weight = d3->weight + (size_t) k * CPU_D3_RECORD;
    const float *slope = d3->slope + (size_t) k * CPU_D3_RECORD;
    vi any = (vi) vset(0);
    for (int l = 0; d3->cnref && l < n_padded; l++) {
        b->c6[l] = b->dc6[l] = 0;
        if (l < n)
            pair_c6_table(d3, k, neighbor[l], &b->c6[l], &b->dc6[l]);
    }
    if (d3->cnref)
        return;
    for (int l = 0; l < n_padded; l += CPU_LANES) {
        vf c6 = vset(0), dc6 = vset(0);
        for (int p = 0; p < CPU_D3_REFERENCES; p++) {
            const vf T = vload(b->record[p] + l);
            c6 += weight[p] * T;
            dc6 += slope[p] * T;
        }
        vstore(b->c6 + l, c6);
        vstore(b->dc6 + l, dc6);
        any |= vload(b->record[7] + l) < limit;
    }
    int32_t lanes[CPU_LANES], found = 0;
    memcpy(lanes, &any, sizeof lanes);
    for (int l = 0; l < CPU_LANES; l++)
        found |= lanes[l];
    for (int l = 0; found && l < n; l++)
        if (b->record[7][l] < limit)
            pair_c6(d3, k, neighbor[l], &b->c6[l], &b->dc6[l]);
}

/* -------------------------------------------------------------------------------- pairs -- */

/* Sums of one row, lane by lane; f r is the force of a directed pair on its neighbor's side. */
typedef struct row_sums {
    vf potential, energy, grad_cn, force[3], stress[6];
} row_sums;

CPU_INLINE void clear_sums(row_sums *sums) {
    sums->potential = sums->energy = sums->grad_cn = vset(0);
    for (int a = 0; a < 3; a++)
        sums->force[a] = vset(0);
    for (int a = 0; a < 6; a++)
        sums->stress[a] = vset(0);
}

CPU_INLINE void add_force(row_sums *sums, const bool strained, vf f, const vf x[3]) {
    for (int a = 0; a < 3; a++)
        sums->force[a] += f * x[a];
    if (!strained)
        return;
    static const int row[6] = {0, 1, 2, 0, 0, 1}, column[6] = {0, 1, 2, 1, 2, 2};
    for (int a = 0; a < 6; a++)
        sums->stress[a] += f * x[row[a]] * x[column[a]];
}

static void report_force(const row_sums *sums, bool strained, double force, double strain,
                         cpu_longrange_row *row) {
    static const int place[9] = {0, 3, 4, 3, 1, 5, 4, 5, 2};
    for (int a = 0; a < 3; a++)
        row->force[a] += force * vsum(sums->force[a]);
    for (int a = 0; strained && a < 9; a++)
        row->strain[a] += strain * vsum(sums->stress[place[a]]);
}

CPU_INLINE void pairs_of(const cpu_longrange_terms *t, const cpu_coulomb_form form,
                         const bool dispersion, const bool strained, int k, int n_pairs,
                         const int *neighbor, const double (*r)[3], row_sums *sums) {
    const cpu_dispersion *d3 = t->dispersion;
    const float *record = dispersion
        ? d3->record + (size_t) d3->kind[k] * d3->n_atoms * CPU_D3_RECORD : NULL;
    const float root_k = dispersion ? record[(size_t) k * CPU_D3_RECORD + 5] : 0;
    const float limit = dispersion ? weight_limit(d3, k) : 0;
    const float c_k = form != CPU_COULOMB_NONE ? (float) (t->coulomb * t->q[k]) : 0;
    const float hartree = (float) t->hartree;
    for (int e = 0; e < n_pairs; e += PAIR_BLOCK) {
        pair_block b;
        const int n = n_pairs - e < PAIR_BLOCK ? n_pairs - e : PAIR_BLOCK;
        const int n_padded = load_vectors(&b, n, r + e);
        const float *q = b.record[6];
        if (dispersion) {
            load_records(&b, n, n_padded, record, neighbor + e);
            block_c6(d3, limit, k, n, n_padded, neighbor + e, &b);
        } else {
            load_floats(b.q, n, n_padded, t->q, neighbor + e, 0);
            q = b.q;
        }
        for (int l = 0; l < n_padded; l += CPU_LANES) {
            const vf x[3] = {vload(b.x[0] + l), vload(b.x[1] + l), vload(b.x[2] + l)};
            const vf d2 = x[0] * x[0] + x[1] * x[1] + x[2] * x[2], inv = vrsqrt(d2), d = d2 * inv;
            vf f = vset(0);
            if (form != CPU_COULOMB_NONE) {
                vf dphi;
                sums->potential += vload(q + l) * coulomb_phi(t, form, d, inv, &dphi);
                f += c_k * vload(q + l) * dphi;
            }
            if (dispersion) {
                vf slope;
                const vf D = dispersion_damped(d3, root_k, vload(b.record[5] + l), d, inv, &slope);
                const vf c6 = vload(b.c6 + l);
                sums->energy += c6 * D;
                sums->grad_cn += vload(b.dc6 + l) * D;
                f += hartree * c6 * slope;
            }
            add_force(sums, strained, f * inv, x);
        }
    }
}

#define PAIRS(form, dispersion)                                                                   \
    do {                                                                                          \
        if (strained)                                                                             \
            pairs_of(t, form, dispersion, true, k, n, neighbor, r, &sums);                        \
        else                                                                                      \
            pairs_of(t, form, dispersion, false, k, n, neighbor, r, &sums);                       \
    } while (0)

static void longrange_pairs(const cpu_longrange_terms *t, int k, int n, const int *neighbor,
                            const double (*r)[3], bool strained, cpu_longrange_row *row) {
    row_sums sums;
    clear_sums(&sums);
    const bool d3 = t->dispersion != NULL;
    switch (t->form) {
    case CPU_COULOMB_NONE:
        if (d3)
            PAIRS(CPU_COULOMB_NONE, true);
        break;
    case CPU_COULOMB_PLAIN:
        if (d3)
            PAIRS(CPU_COULOMB_PLAIN, true);
        else
            PAIRS(CPU_COULOMB_PLAIN, false);
        break;
    case CPU_COULOMB_SCREENED:
        if (d3)
            PAIRS(CPU_COULOMB_SCREENED, true);
        else
            PAIRS(CPU_COULOMB_SCREENED, false);
        break;
    case CPU_COULOMB_SHORT_EXP:
        PAIRS(CPU_COULOMB_SHORT_EXP, false);
        break;
    case CPU_COULOMB_SHORT_COSINE:
        PAIRS(CPU_COULOMB_SHORT_COSINE, false);
        break;
    }
    const double potential = t->form != CPU_COULOMB_NONE ? t->coulomb * vsum(sums.potential) : 0;
    row->coulomb += t->form != CPU_COULOMB_NONE ? potential * t->q[k] : 0;
    row->grad_q += 2 * potential;
    row->dispersion += t->hartree * vsum(sums.energy);
    row->grad_cn += 2 * t->hartree * vsum(sums.grad_cn);
    report_force(&sums, strained, 2, 1, row);
}
#undef PAIRS

/* ---------------------------------------------------------------- coordination numbers -- */

/* n = 1/(1 + exp(-16 (rcov/r - 1))); *slope its derivative by d over d, 1/angstrom^2. */
CPU_INLINE vf count_pairs(const cpu_dispersion *d3, float rcov_k, vf rcov, vf d2, vf *slope) {
    const vf inv = vrsqrt(d2), ratio = d3->bohr * (rcov_k + rcov) * inv;
    const vf n = 1.0f / (1.0f + vexp(16.0f - 16.0f * ratio));
    const vi inside = d2 * inv < d3->list;
    *slope = vselect(inside, -16.0f * n * (1.0f - n) * ratio * inv * inv, vset(0));
    return vselect(inside, n, vset(0));
}

static float longrange_count(const cpu_dispersion *d3, int k, int n_pairs, const int *neighbor,
                             const double (*r)[3]) {
    vf cn = vset(0);
    for (int e = 0; e < n_pairs; e += PAIR_BLOCK) {
        pair_block b;
        const int n = n_pairs - e < PAIR_BLOCK ? n_pairs - e : PAIR_BLOCK;
        const int n_padded = load_vectors(&b, n, r + e);
        load_floats(b.q, n, n_padded, d3->rcov, neighbor + e, -1e6f);
        for (int l = 0; l < n_padded; l += CPU_LANES) {
            const vf x = vload(b.x[0] + l), y = vload(b.x[1] + l), z = vload(b.x[2] + l);
            vf slope;
            cn += count_pairs(d3, d3->rcov[k], vload(b.q + l), x * x + y * y + z * z, &slope);
        }
    }
    return vsum(cn);
}

CPU_INLINE void count_reverse(const cpu_dispersion *d3, const float *grad_cn, const bool strained,
                              int k, int n_pairs, const int *neighbor, const double (*r)[3],
                              row_sums *sums) {
    for (int e = 0; e < n_pairs; e += PAIR_BLOCK) {
        pair_block b;
        const int n = n_pairs - e < PAIR_BLOCK ? n_pairs - e : PAIR_BLOCK;
        const int n_padded = load_vectors(&b, n, r + e);
        load_floats(b.q, n, n_padded, d3->rcov, neighbor + e, -1e6f);
        load_floats(b.c6, n, n_padded, grad_cn, neighbor + e, 0);
        for (int l = 0; l < n_padded; l += CPU_LANES) {
            const vf x[3] = {vload(b.x[0] + l), vload(b.x[1] + l), vload(b.x[2] + l)};
            vf slope;
            count_pairs(d3, d3->rcov[k], vload(b.q + l), x[0] * x[0] + x[1] * x[1] + x[2] * x[2],
                        &slope);
            add_force(sums, strained, (grad_cn[k] + vload(b.c6 + l)) * slope, x);
        }
    }
}

static void longrange_count_reverse(const cpu_dispersion *d3, const float *grad_cn, int k, int n,
                                    const int *neighbor, const double (*r)[3], bool strained,
                                    cpu_longrange_row *row) {
    row_sums sums;
    clear_sums(&sums);
    if (strained)
        count_reverse(d3, grad_cn, true, k, n, neighbor, r, &sums);
    else
        count_reverse(d3, grad_cn, false, k, n, neighbor, r, &sums);
    report_force(&sums, strained, 1, 0.5, row);
}
