/*
 * Every function of a distance, from contact to any distance: the CPU platform's pair kernels and
 * the reference platform's against closed forms in long double, then two atoms through whole
 * networks, 1e-5 to 1e10 angstrom apart.
 */
#define _POSIX_C_SOURCE 200809L
#include "../../platforms/reference/longrange/ref_longrange_private.h"
#include "cpu_kernels.h"
#include "longrange_support.h"
#include "mlff_cpu.h"
#include "mlff_cpu_neighbors.h"

static const double nearest = 1e-5, farthest = 1e10;  // angstrom

/* -------------------------------------------------------------------------- closed forms -- */

typedef struct form {
    const char *name;
    cpu_coulomb_form cpu;
    ref_kernel ref;
} form;

/* phi(d), and its derivative; 0 from the range on. */
static long double exact_phi(const form *f, long double d, long double *slope) {
    const long double R = f->ref.range, a = f->ref.alpha, pi = acosl(-1.0L);
    long double h, dh;
    *slope = 0;
    if (!(d < R))
        return 0;
    switch (f->cpu) {
    case CPU_COULOMB_PLAIN:
        *slope = -1/(d*d);
        return 1/d;
    case CPU_COULOMB_SCREENED:
        *slope = -erfcl(a*d)/(d*d) - 2*a/sqrtl(pi)*expl(-a*a*d*d)/d + f->ref.slope;
        return erfcl(a*d)/d - f->ref.shift + (d - R)*f->ref.slope;
    case CPU_COULOMB_SHORT_EXP:
        h = expl(1 - 1/(1 - d*d/(R*R)));
        dh = -2*d/(R*R)/((1 - d*d/(R*R))*(1 - d*d/(R*R)))*h;
        break;
    default:
        h = 0.5L*(1 + cosl(pi*d/R));
        dh = -0.5L*pi/R*sinl(pi*d/R);
    }
    *slope = (dh - h/d)/d;
    return h/d;
}

/* D(r) sw(r) of one reference with C6 = 40, and its derivative by d; on = cutoff: no switch. */
static long double exact_dispersion(long double d, long double on, long double cutoff,
                                    long double *slope) {
    const long double bohr = 0.5291772105638411L, r = d/bohr, rr = 3*2.5L*2.5L;
    const long double r0 = 0.566L*sqrtl(rr) + 3.128L;
    const long double i6 = 1/(powl(r, 6) + powl(r0, 6)), i8 = 1/(powl(r, 8) + powl(r0, 8));
    const long double D = i6 + 0.3908L*rr*i8;
    const long double dD = -(6*powl(r, 5)*i6*i6 + 0.3908L*rr*8*powl(r, 7)*i8*i8)/bohr;
    const long double t = fminl(fmaxl((d - on)/(cutoff - on), 0), 1);
    const long double sw = 1 - t*t*t*(10 - 15*t + 6*t*t);
    const long double dsw = -30*t*t*(1 - t)*(1 - t)/(cutoff - on);
    *slope = 40*(dD*sw + D*dsw);
    return 40*D*sw;
}

/* --------------------------------------------------------------------------------- stages -- */

/* The distances to look at: 20 per decade, and those around a range, where things end. */
static int distances(double range, double *d) {
    int n = 0;
    for (double x = nearest; x < farthest*1.01; x *= pow(10, 0.05))
        d[n++] = x;
    if (isfinite(range)) {
        static const double step[] = {-1e-3, -1e-5, -1e-6, -2e-7, -1e-7, -5e-8, 0, 1e-7, 1e-3};
        for (size_t k = 0; k < sizeof step/sizeof *step; k++)
            d[n++] = range*(1 + step[k]);
        d[n++] = nextafter(range, 0);
        d[n++] = nextafterf((float)range, 0);
        d[n++] = nextafterf(nextafterf((float)range, 0), 0);
    }
    return n;
}

static const cpu_kernels *each_isa(int k) {
    const cpu_kernels *list[4];
    return k < cpu_kernels_available(list) ? list[k] : NULL;
}

static void test_coulomb_forms(void) {
    form forms[] = {
        {"1/d", CPU_COULOMB_PLAIN, {REF_KERNEL_PLAIN, INFINITY, 0, 0, 0}},
        {"Ewald", CPU_COULOMB_SCREENED, {REF_KERNEL_SCREENED, 9, 0.6, 0, 0}},
        {"DSF", CPU_COULOMB_SCREENED, {REF_KERNEL_SHIFTED, 15, 0.2, 0, 0}},
        {"exp", CPU_COULOMB_SHORT_EXP, {REF_KERNEL_SHORT_EXP, 4.6f, 0, 0, 0}},
        {"cosine", CPU_COULOMB_SHORT_COSINE, {REF_KERNEL_SHORT_COSINE, 4.6f, 0, 0, 0}}};
    static double d[1000];
    const int first[3] = {0, 1, 1}, neighbor[1] = {1};
    const float qf[2] = {1, 1};
    const double q[2] = {1, 1};
    long double shift_slope;
    const double shift = (double)exact_phi(&forms[2], 15*(1 - 1e-19L), &shift_slope);
    forms[2].ref.shift = shift;
    forms[2].ref.slope = -(double)shift_slope;
    for (size_t f = 0; f < sizeof forms/sizeof *forms; f++) {
        const int n = distances(forms[f].ref.range, d);
        for (int k = 0; k < n; k++) {
            long double slope;
            const long double phi = exact_phi(&forms[f], d[k], &slope);
            const double r[1][3] = {{d[k]/3, -2*d[k]/3, 2*d[k]/3}};
            double force[2][3] = {{0}};
            const mlff_graph graph = {.n_local = 2, .n_all = 2, .n_regions = 1};
            const mlff_pairs pairs = {first, neighbor, r};
            const ref_charges charges = {.graph = &graph, .q = q, .force = force};
            const double E = ref_coulomb_pairs(&charges, &pairs, 1, &forms[f].ref, false);
            CHECK_NEAR((double)phi, E, 1e-13/d[k]);
            CHECK_NEAR((double)slope*d[k]/3, force[0][0]*d[k], 1e-12/d[k]);

            for (int isa = 0; each_isa(isa); isa++) {
                const cpu_longrange_terms terms = {
                    .form = forms[f].cpu, .range = (float)forms[f].ref.range,
                    .alpha = (float)forms[f].ref.alpha, .shift = (float)forms[f].ref.shift,
                    .slope = (float)forms[f].ref.slope, .q = qf, .coulomb = 1};
                cpu_longrange_row row = {0};
                each_isa(isa)->longrange_pairs(&terms, 0, 1, neighbor, r, true, &row);
                CHECK_NEAR((double)phi, row.coulomb, 1e-6/d[k]);
                CHECK_NEAR(2*(double)slope*d[k]/3, row.force[0]*d[k], 1e-5/d[k]);
            }
        }
    }
}

static void test_dispersion_forms(void) {
    static double d[1000];
    static const double ranges[2][2] = {{12, 15}, {9e9, 1.1e10}};  // on, cutoff
    static const int kind[2] = {0, 0}, neighbor[1] = {1};
    static const float rcov[2] = {1.5f, 1.5f}, ones[16] = {1, 0, 0, 0, 0, 0, 0, 0, 1};
    static const float none[16] = {0};
    float record[16] = {0}, c6ref[25] = {40};
    for (int i = 0; i < 2; i++) {
        record[8*i] = 40;
        record[8*i + 5] = (float)sqrt(sqrt(3.0)*2.5);
        record[8*i + 7] = 1;
    }
    for (int c = 0; c < 2; c++) {
        const cpu_dispersion d3 = {
            .s6 = 1, .s8 = 0.3908f, .a1 = 0.566f, .a2 = 3.128f, .bohr = 0.52917721f,
            .on = (float)ranges[c][0], .cutoff = (float)ranges[c][1], .list = INFINITY,
            .smallest = 6e-6f, .n_atoms = 2, .n_kinds = 1, .kind = kind, .rcov = rcov,
            .record = record, .w = ones, .offset = none, .weight = ones, .slope = none,
            .c6ref = c6ref};
        const cpu_longrange_terms terms = {.form = CPU_COULOMB_NONE, .dispersion = &d3,
                                           .hartree = 1};
        const int n = distances(ranges[c][1], d);
        for (int k = 0; k < n; k++) {
            const double r[1][3] = {{d[k]/3, -2*d[k]/3, 2*d[k]/3}};
            long double slope;
            const double E = (double)exact_dispersion(d[k], ranges[c][0], ranges[c][1], &slope);
            const double cn = 1/(1 + exp(-16*(3.0*0.52917721/d[k] - 1)));
            for (int isa = 0; each_isa(isa); isa++) {
                cpu_longrange_row row = {0};
                each_isa(isa)->longrange_pairs(&terms, 0, 1, neighbor, r, true, &row);
                CHECK_NEAR(E, row.dispersion, 2e-6*fabs(E) + 2e-10);
                CHECK_NEAR(2*(double)slope/3, row.force[0], 1e-5*fabs((double)slope) + 1e-9);
                CHECK_NEAR(cn, each_isa(isa)->longrange_count(&d3, 0, 1, neighbor, r), 3e-6*cn);
            }
        }
    }
}

/* ------------------------------------------------------------------------------- networks -- */

typedef struct dimer {
    double energy, force[2][3], charge[2];
} dimer;

/* Two atoms, d apart in a direction that is no axis, or only the first. */
static mlff_status evaluate_dimer(mlff_evaluator *e, bool cpu, const int z[2], int n_atoms,
                                  double d, bool charges, const mlff_settings *settings, dimer *out,
                                  mlff_error *err) {
    const double x[2][3] = {{0.3, -0.2, 0.1}, {0.3 + d/3, -0.2 - 2*d/3, 0.1 + 2*d/3}};
    mlff_graph graph = {.n_local = n_atoms, .n_all = n_atoms, .species = z, .n_regions = 1};
    double range[2];
    (void) settings;
    MLFF_TRY(mlff_evaluator_pair_cutoffs(e, &graph, NULL, &range[0], &range[1], err));
    ref_pair_list list[2] = {{0}, {0}};
    cpu_neighbors *skin[2] = {NULL, NULL};
    mlff_pairs *pairs[2] = {&graph.message, &graph.long_range};
    mlff_status status = MLFF_OK;
    for (int k = 0; k < 2 && status == MLFF_OK; k++) {
        if (range[k] == 0)
            continue;
        if (cpu) {
            status = cpu_neighbors_new(range[k], 1, NULL, &skin[k], err);
            if (status == MLFF_OK)
                status = cpu_neighbors_update(skin[k], n_atoms, x, NULL, NULL, pairs[k], err);
        } else {
            status = ref_neighbors_build(n_atoms, x, NULL, NULL, range[k], &list[k], err);
            *pairs[k] = ref_pair_list_view(&list[k]);
        }
    }
    *out = (dimer){0};
    mlff_result result = {.force = out->force, .charge = charges ? out->charge : NULL};
    if (status == MLFF_OK)
        status = mlff_evaluate(e, &graph, NULL, &result, err);
    out->energy = result.energy;
    for (int k = 0; k < 2; k++) {
        ref_pair_list_free(&list[k]);
        cpu_neighbors_free(skin[k]);
    }
    return status;
}

/* Finite everywhere, the same on both platforms, the slope of the energy, and apart at the end. */
static void walk(const char *path, mlff_coulomb coulomb, double dispersion_cutoff) {
    mlff_error err;
    mlff_model *model = NULL;
    mlff_evaluator *e[2] = {NULL, NULL};
    CHECK_OK(mlff_model_load(path, &model, &err), err);
    const mlff_model_info *info = mlff_model_get_info(model);
    const mlff_settings settings = {.coulomb = coulomb, .dispersion_cutoff = dispersion_cutoff};
    CHECK_OK(mlff_evaluator_new(mlff_reference_platform(), model, &settings, &e[0], &err), err);
    CHECK_OK(mlff_evaluator_new(mlff_cpu_platform(), model, &settings, &e[1], &err), err);
    const int z[2] = {info->elements[info->n_elements - 1], info->elements[0]};
    const bool charges = info->has_charges;
    static double d[1000];
    const int n = distances(info->cutoff, d);
    dimer at[2], near, alone[2];
    for (int k = 0; k < n && e[0] && e[1]; k++) {
        for (int p = 0; p < 2; p++)
            CHECK_OK(evaluate_dimer(e[p], p, z, 2, d[k], charges, &settings, &at[p], &err), err);
        const int before = check_failures;
        const double *f = at[0].force[1], scale = 1 + fabs(f[0]) + fabs(f[1]) + fabs(f[2]);
        // float's rounding, 6e-8: of a direction, over the length that it turns on; of the Coulomb
        // energy that is taken out and the one put in, which cancel at short range
        const double turn = 6e-8/(d[k] + 1e-3);
        const double coulomb = MLFF_HARTREE*MLFF_BOHR*fabs(at[0].charge[0]*at[0].charge[1])/d[k];
        CHECK_NEAR(at[0].energy, at[1].energy, 2e-5*scale + 2e-7*fabs(at[0].energy) +
                   4*6e-8*coulomb);
        for (int a = 0; a < 3; a++)
            CHECK_NEAR(f[a], at[1].force[1][a], (5e-5 + 20*turn)*scale + 4*6e-8*coulomb/d[k]);
        const double step = 1e-6*d[k];
        if (d[k] < info->cutoff && d[k] + 2*step > info->cutoff)
            continue;  // some models are not continuous there: their filters have a bias
        CHECK_OK(evaluate_dimer(e[0], false, z, 2, d[k] + step, charges, &settings, &near, &err), err);
        const double rise = -(f[0] - 2*f[1] + 2*f[2])/3*step;
        CHECK_NEAR(at[0].energy + rise, near.energy, 1e-4*fabs(rise) + 1e-6*step*scale +
                   1e-13*(1 + fabs(at[0].energy)));
        if (check_failures > before)
            printf("    %s, %.17g angstrom\n", path, d[k]);
    }
    for (int p = 0; p < 2 && e[p]; p++) {
        dimer far;
        for (int k = 0; k < 2; k++)
            CHECK_OK(evaluate_dimer(e[p], p, &z[k], 1, 1, charges, &settings, &alone[k], &err), err);
        CHECK_OK(evaluate_dimer(e[p], p, z, 2, farthest, charges, &settings, &far, &err), err);
        if (!charges)  // with charges, those of two atoms together sum to 0
            CHECK_NEAR(alone[0].energy + alone[1].energy, far.energy,
                       (p ? 1e-6 : 1e-12)*(1 + fabs(far.energy)));
        for (int a = 0; a < 3; a++)
            CHECK_NEAR(0, far.force[1][a], 1e-15);
    }
    mlff_evaluator_free(e[0]);
    mlff_evaluator_free(e[1]);
    mlff_model_free(model);
}

static void test_networks(void) {
    static const char *const painn[] = {"kj-7x2", "poly5-7x2", "poly6-rbf-8x2", "rbf-linear-7x2",
                                        "schnet-16x3", "student-16x2", "spatial-context-7x2"};
    char file[200];
    for (size_t k = 0; k < sizeof painn/sizeof *painn; k++) {
        snprintf(file, sizeof file, "painn/%s.safetensors", painn[k]);
        walk(check_path("MLFF_TEST_DATA", file), MLFF_COULOMB_DEFAULT, 0);
    }
    for (int method = 0; method < 3; method++) {
        static const mlff_coulomb coulomb[] = {MLFF_COULOMB_SIMPLE, MLFF_COULOMB_DSF,
                                               MLFF_COULOMB_NONE};
        walk(check_path("MLFF_TEST_DATA", "aimnet2/published-4x4.safetensors"), coulomb[method], 0);
    }
    walk(check_path("MLFF_TEST_DATA", "aimnet2/published-4x4.safetensors"), MLFF_COULOMB_SIMPLE, 2e10);
}

int main(void) {
    test_coulomb_forms();
    test_dispersion_forms();
    test_networks();
    return check_report("distances");
}
