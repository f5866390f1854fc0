/* AIMNet2 on the CPU platform: the driver. Twin: platforms/reference/aimnet2/ref_aimnet2.c. */
#include "cpu_aimnet2.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    LAST = CPU_AIMNET2_LAST,
    DENSE_CHUNK = 96,    /* rows of one piece of dense work, at most; each reads all weights */
    PAIR_CHUNK = 4       /* rows of one piece of pair work */
};

typedef cpu_aimnet2_run run;
typedef cpu_aimnet2_span span;

/* ---------------------------------------------------------------------- create, destroy -- */

static void destroy(void *state) {
    cpu_aimnet2 *p = state;
    if (!p)
        return;
    cpu_aimnet2_weights_free(&p->weights);
    cpu_buffer_free(&p->scratch);
    cpu_buffer_free(&p->rows);
    free(p);
}

static mlff_status create(const mlff_model *model, const mlff_parallel *parallel, void **state,
                          mlff_error *err) {
    *state = NULL;
    cpu_aimnet2 *p = calloc(1, sizeof *p);
    if (!p)
        return mlff_fail(err, MLFF_ERROR_MEMORY, "no memory for AIMNet2's state");
    p->model = mlff_model_description(model);
    p->parallel = parallel;
    p->kernels = cpu_kernels_best();
    const mlff_status status = cpu_aimnet2_weights_new(p->model, p->kernels, &p->weights, err);
    if (status != MLFF_OK) {
        destroy(p);
        return status;
    }
    *state = p;
    return MLFF_OK;
}

/* ------------------------------------------------------------------------------ scratch -- */

static void carve_pass(cpu_aimnet2 *p, cpu_carver *c, int t, const run *r) {
    const cpu_conv *v = &p->weights.conv;
    const size_t n = (size_t) r->graph->n_all, Q = (size_t) v->n_charges, real = sizeof(float);
    const size_t n_sums = (size_t) r->graph->n_regions * Q;
    cpu_aimnet2_kept *k = &p->kept[t];
    k->a = cpu_carve(c, n * p->weights.n_a, real);
    k->v = cpu_carve(c, n * 3 * v->n_combinations * v->n_features, real);
    k->q = t > 0 ? cpu_carve(c, n * Q, real) : NULL;
    k->v_q = t > 0 ? cpu_carve(c, n * 3 * Q * v->n_mixes, real) : NULL;
    for (int l = 0; l < p->weights.pass[t].n_linear; l++) {
        const bool linear = l == p->weights.pass[t].n_linear - 1 && p->weights.pass[t].last_linear;
        k->slope[l] = r->task->want_force && !linear ? cpu_carve(c, n * p->weights.n_hidden, real) : NULL;
    }
    if (t < LAST) {
        k->w = cpu_carve(c, n * Q, real);
        k->D = cpu_carve(c, n_sums, sizeof(double));
        k->F = cpu_carve(c, n_sums, sizeof(double));
    }
}

static void carve_reverse(cpu_aimnet2 *p, cpu_carver *c, size_t n) {
    const cpu_conv *v = &p->weights.conv;
    const size_t real = sizeof(float);
    p->grad_a = cpu_carve(c, n * p->weights.n_a, real);
    p->grad_q = cpu_carve(c, n * v->n_charges, real);
    p->grad_o = cpu_carve(c, n * 4 * p->weights.n_a, real);
    p->grad_oq = cpu_carve(c, n * 4 * v->n_charges * v->n_lanes, real);
    p->force = cpu_carve(c, n, 3 * sizeof(double));
    p->strain = cpu_carve(c, n, 9 * sizeof(double));
}

/* Lay out all scratch; returns the bytes. */
static size_t carve(cpu_aimnet2 *p, char *base, const run *r, size_t n_pairs, size_t n_threads) {
    cpu_carver c = {base, 0};
    const cpu_conv *v = &p->weights.conv;
    const size_t n = (size_t) r->graph->n_all, real = sizeof(float);
    const size_t hidden = (size_t) p->weights.n_hidden;
    for (int t = 0; t < MLFF_AIMNET2_PASSES; t++)
        carve_pass(p, &c, t, r);
    p->x = cpu_carve(&c, n * p->weights.n_input, real);
    for (int k = 0; k < 2; k++)
        p->y[k] = cpu_carve(&c, n * hidden, real);
    for (int k = 0; k < p->weights.head.n_linear; k++)
        p->head_slope[k] = r->task->want_force ? cpu_carve(&c, n * hidden, real) : NULL;
    p->sums = cpu_carve(&c, (size_t) r->graph->n_regions * 2 * v->n_charges, sizeof(double));
    if (r->task->want_force)
        carve_reverse(p, &c, n);
    p->thread_floats = cpu_conv_scratch(v);
    p->thread_scratch = cpu_carve(&c, n_threads * p->thread_floats, real);
    p->pairs = cpu_carve(&c, n_pairs, sizeof(cpu_pair));
    p->gauss = cpu_carve(&c, n_pairs * 2 * v->n_lanes, real);
    return c.used;
}

/* ------------------------------------------------------------------------- work for threads -- */

/* The next piece of n rows of pair work; false when nothing is left. */
static bool next_rows(mlff_member *member, int n, int *row0, int *row1) {
    *row0 = PAIR_CHUNK * mlff_team_take(member);
    *row1 = *row0 + PAIR_CHUNK < n ? *row0 + PAIR_CHUNK : n;
    return *row0 < n;
}

/* for each row i of 0 ... n-1 that this thread takes */
#define FOR_ROWS(i, n)                                                                            \
    for (int row0_, row1_; next_rows(member, (n), &row0_, &row1_);)                               \
        for (int i = row0_; i < row1_; i++)

/* Give rows 0 ... n-1 of dense work to the team. */
static bool next_span(const run *r, mlff_member *member, int n, span *s) {
    if (!r->split_rows) {
        const bool first = s->row1 < 0;
        *s = (span) {r, member, 0, n, member->thread, member->team->n_threads};
        return first;
    }
    const int row0 = r->chunk * mlff_team_take(member);
    *s = (span) {r, member, row0, row0 + r->chunk < n ? row0 + r->chunk : n, 0, 1};
    return row0 < n;
}

#define FOR_SPANS(n)                                                                              \
    for (span s = {.row1 = -1}; next_span(r, member, (n), &s);)

/* This part's rows of a span, for elementwise work. */
static void part_rows(const span *s, int *row0, int *row1) {
    const int n = s->row1 - s->row0;
    *row0 = s->row0 + (int) ((long) n * s->part / s->n_parts);
    *row1 = s->row0 + (int) ((long) n * (s->part + 1) / s->n_parts);
}

static cpu_conv conv_of(const cpu_aimnet2 *p, int t) {
    cpu_conv v = p->weights.conv;
    v.a = p->kept[t].a;
    v.q = p->kept[t].q;
    v.v = p->kept[t].v;
    v.v_q = p->kept[t].v_q;
    v.x = p->x;
    v.x_stride = (size_t) p->weights.n_input;
    v.grad_o = p->grad_o;
    v.grad_oq = p->grad_oq;
    v.grad_a = p->grad_a;
    v.grad_q = p->grad_q;
    return v;
}

static float *scratch_of(const cpu_aimnet2 *p, const mlff_member *member) {
    return p->thread_scratch + member->thread * p->thread_floats;
}

static int n_pairs_of(const cpu_aimnet2 *p, int i) {
    return p->incident[i + 1] - p->incident[i];
}

static const float *gauss_of(const cpu_aimnet2 *p, int i) {
    return p->gauss + 2 * (size_t) p->incident[i] * p->weights.conv.n_lanes;
}

/* One thread works on what the others wait for. */
#define ONE_THREAD(call)                                                                          \
    do {                                                                                          \
        if (member->thread == 0 && !mlff_team_failed(member)) {                                   \
            mlff_error err_;                                                                      \
            const mlff_status status_ = (call);                                                   \
            if (status_ != MLFF_OK)                                                               \
                mlff_team_fail(member, status_, &err_);                                            \
        }                                                                                         \
        mlff_team_barrier(member);                                                                 \
    } while (0)

/* -------------------------------------------------------------------------------- forward -- */

static mlff_status stopped(const char *name, int answer, int t, mlff_error *err) {
    return mlff_fail(err, MLFF_ERROR_ARGUMENT, "the %s exchange behind pass %d answered %d and so "
                     "stopped the evaluation", name, t, answer);
}

/* Fill the ghost rows of the state behind pass t. */
static mlff_status exchange_state(const run *r, int t, mlff_error *err) {
    const mlff_exchange *e = r->exchange;
    const cpu_aimnet2_kept *next = &r->p->kept[t + 1];
    if (!e->forward)
        return MLFF_OK;
    int answer = e->forward(e->ctx, MLFF_FLOAT32, next->a, r->p->weights.n_a);
    if (answer == 0)
        answer = e->forward(e->ctx, MLFF_FLOAT32, next->q, r->p->model->n_charges);
    return answer == 0 ? MLFF_OK : stopped("forward", answer, t, err);
}

/* Bring the ghosts' gradients of that state home. */
static mlff_status exchange_gradient(const run *r, int t, mlff_error *err) {
    const mlff_exchange *e = r->exchange;
    if (!e->forward)
        return MLFF_OK;
    int answer = e->reverse(e->ctx, MLFF_FLOAT32, r->p->grad_a, r->p->weights.n_a);
    if (answer == 0)
        answer = e->reverse(e->ctx, MLFF_FLOAT32, r->p->grad_q, r->p->model->n_charges);
    return answer == 0 ? MLFF_OK : stopped("reverse", answer, t, err);
}

/* Pairs, and a of pass 0: the row of the element, in ghosts as well. */
static void embed_rows(const run *r, mlff_member *member) {
    const cpu_aimnet2 *p = r->p;
    const size_t n_a = (size_t) p->weights.n_a;
    FOR_ROWS(i, r->graph->n_all) {
        memcpy(p->kept[0].a + i * n_a, p->weights.afv + r->graph->species[i] * n_a,
               n_a * sizeof(float));
        if (i < r->n_rows[0])
            cpu_aimnet2_pairs_row(p, r->graph, i);
    }
    if (member->thread == 0)
        cpu_aimnet2_pairs_ghosts(p, r->graph, r->n_rows[0]);
    mlff_team_barrier(member);
}

/* Behind pass t: a_new = a + increment, q~ and w from the output y. */
static void update_rows(const run *r, int t, const float *y, int row0, int row1) {
    const cpu_aimnet2_kept *k = &r->p->kept[t], *next = k + 1;
    const size_t n_a = (size_t) r->p->weights.n_a, Q = (size_t) r->p->model->n_charges;
    for (size_t i = (size_t) row0; i < (size_t) row1; i++) {
        const float *out = y + i * r->p->weights.n_hidden;
        for (size_t f = 0; f < n_a; f++)
            next->a[i * n_a + f] = k->a[i * n_a + f] + out[f];
        for (size_t c = 0; c < Q; c++) {
            next->q[i * Q + c] = (t > 0 ? k->q[i * Q + c] : 0) + out[n_a + c];
            k->w[i * Q + c] = out[n_a + Q + c];
        }
    }
}

/* Rows that are not computed here come by exchange, or nobody reads them. */
static void clear_state(const run *r, int t) {
    const cpu_aimnet2_kept *next = &r->p->kept[t + 1];
    const size_t n_a = (size_t) r->p->weights.n_a, Q = (size_t) r->p->model->n_charges;
    const size_t row0 = (size_t) r->n_rows[t], n = (size_t) r->graph->n_all - row0;
    memset(next->a + row0 * n_a, 0, n * n_a * sizeof(float));
    memset(next->q + row0 * Q, 0, n * Q * sizeof(float));
}

/* e_i = w . h + b, h from the hidden layers; owned rows. */
static void head_rows(const run *r, const float *h, int row0, int row1) {
    const cpu_aimnet2_weights *w = &r->p->weights;
    for (int i = row0; i < row1; i++) {
        double sum = w->head_bias;
        for (int f = 0; f < w->head_width; f++)
            sum += (double) w->head_last[f] * h[(size_t) i * w->n_hidden + f];
        r->task->atom_energy[i] = sum;
    }
}

static void convolve(const run *r, mlff_member *member, int t) {
    const cpu_aimnet2 *p = r->p;
    const cpu_conv v = conv_of(p, t);
    FOR_ROWS(i, r->n_rows[t])
        p->kernels->aimnet2_conv(&v, i, n_pairs_of(p, i), p->pairs + p->incident[i],
                                 gauss_of(p, i), scratch_of(p, member));
    mlff_team_barrier(member);
}

/* Charges of the atoms: the sum of the channels after the last update. */
static void add_channels(const run *r) {
    const size_t Q = (size_t) r->p->model->n_charges;
    const float *q = r->p->kept[LAST].q;
    for (size_t i = 0; i < (size_t) r->graph->n_all; i++)
        r->task->charge[i] = Q == 2 ? (double) q[2 * i] + q[2 * i + 1] : q[i];
}

static void forward_passes(const run *r, mlff_member *member) {
    cpu_aimnet2 *p = r->p;
    const size_t width = (size_t) p->weights.n_hidden;
    for (int t = 0; t <= LAST; t++) {
        if (t == LAST && member->thread == 0)
            add_channels(r);
        convolve(r, member, t);
        FOR_SPANS(r->n_rows[t]) {
            int row0, row1;
            const float *y = cpu_aimnet2_mlp_forward(&s, &p->weights.pass[t], p->kept[t].slope,
                                                     p->x, (size_t) p->weights.n_input, 0);
            if (t == LAST)
                y = cpu_aimnet2_mlp_forward(&s, &p->weights.head, p->head_slope, y, width,
                                            y == p->y[1]);
            part_rows(&s, &row0, &row1);
            if (t == LAST)
                head_rows(r, y, row0, row1);
            else
                update_rows(r, t, y, row0, row1);
        }
        if (t < LAST && member->thread == 0)
            clear_state(r, t);
        mlff_team_barrier(member);
        if (t == LAST)
            break;
        ONE_THREAD(cpu_aimnet2_charge_forward(r, t, &err_));
        if (r->exchange->forward)
            ONE_THREAD(exchange_state(r, t, &err_));
    }
}

/* -------------------------------------------------------------------------------- reverse -- */

/* Start: the long-range terms' gradient acts on every channel's charge. */
static void clear_gradients(const run *r, int i) {
    const cpu_aimnet2 *p = r->p;
    const size_t n_a = (size_t) p->weights.n_a, Q = (size_t) p->model->n_charges;
    const double *grad_charge = r->task->grad_charge;
    memset(p->grad_a + i * n_a, 0, n_a * sizeof(float));
    for (size_t c = 0; c < Q; c++)
        p->grad_q[i * Q + c] = grad_charge ? (float) grad_charge[i] : 0;
    memset(p->force + 3 * i, 0, 3 * sizeof(double));
    if (r->task->want_strain)
        memset(p->strain + 9 * i, 0, 9 * sizeof(double));
}

static void times(float *y, const float *d, size_t n) {
    for (size_t f = 0; d && f < n; f++)
        y[f] *= d[f];
}

/* Gradient of the energy with respect to the head's last hidden layer, before its GELU. */
static void head_rows_reverse(const run *r, float *y, int row0, int row1) {
    const cpu_aimnet2_weights *w = &r->p->weights;
    const size_t width = (size_t) w->n_hidden, n = (size_t) cpu_padded(w->head_width);
    const int last = w->head.n_linear - 1;
    for (size_t i = (size_t) row0; i < (size_t) row1; i++) {
        memcpy(y + i * width, w->head_last, n * sizeof(float));
        times(y + i * width, last < 0 ? NULL : r->p->head_slope[last] + i * width, n);
    }
}

/* Gradient of the output of pass t, columns [a | p, w are there | 0], before its GELU. */
static void output_rows_reverse(const run *r, int t, float *y, int row0, int row1) {
    const cpu_aimnet2_weights *w = &r->p->weights;
    const cpu_aimnet2_mlp *mlp = &w->pass[t];
    const size_t width = (size_t) w->n_hidden, n_a = (size_t) w->n_a;
    const size_t used = n_a + 2 * (size_t) r->p->model->n_charges;
    const size_t n = (size_t) cpu_padded((int) used);
    const float *slope = r->p->kept[t].slope[mlp->n_linear - 1];
    for (size_t i = (size_t) row0; i < (size_t) row1; i++) {
        float *out = y + i * width;
        memcpy(out, r->p->grad_a + i * n_a, n_a * sizeof(float));
        memset(out + used, 0, (n - used) * sizeof(float));
        times(out, slope ? slope + i * width : NULL, n);
    }
}

static void meet(const span *s) {
    if (s->n_parts > 1)
        mlff_team_barrier(s->member);
}

/* From the energy to grad_x of the last pass. */
static void last_pass_reverse(const span *s) {
    const cpu_aimnet2 *p = s->run->p;
    const cpu_aimnet2_mlp *mlp = &p->weights.pass[LAST];
    const size_t width = (size_t) p->weights.n_hidden;
    int row0, row1, at = p->weights.head.n_linear % 2;  // the head ends in y[0]
    part_rows(s, &row0, &row1);
    head_rows_reverse(s->run, p->y[at], row0, row1);
    meet(s);
    if (p->weights.head.n_linear > 0)
        cpu_aimnet2_mlp_reverse(s, &p->weights.head, p->head_slope, at, p->y[0], width);
    const float *slope = p->kept[LAST].slope[mlp->n_linear - 1];
    for (int i = row0; i < row1 && slope; i++)
        times(p->y[0] + i * width, slope + i * width, (size_t) cpu_padded(p->model->n_aim));
    meet(s);
    cpu_aimnet2_mlp_reverse(s, mlp, p->kept[LAST].slope, 0, p->x, (size_t) p->weights.n_input);
}

static void pass_reverse(const span *s, int t) {
    const cpu_aimnet2 *p = s->run->p;
    int row0, row1;
    part_rows(s, &row0, &row1);
    output_rows_reverse(s->run, t, p->y[0], row0, row1);
    meet(s);
    cpu_aimnet2_mlp_reverse(s, &p->weights.pass[t], p->kept[t].slope, 0, p->x,
                            (size_t) p->weights.n_input);
}

/* grad_o of row i, and what the pass' input passes on to a and q directly. */
static void reverse_mix(const run *r, const cpu_conv *v, int t, int i, float *scratch) {
    const cpu_aimnet2 *p = r->p;
    const size_t n_a = (size_t) p->weights.n_a, Q = (size_t) v->n_charges;
    if (i >= r->n_rows[t]) {  // receives nothing
        memset(v->grad_o + i * 4 * n_a, 0, 4 * n_a * sizeof(float));
        memset(v->grad_oq + i * 4 * Q * v->n_lanes, 0, 4 * Q * v->n_lanes * sizeof(float));
        return;
    }
    p->kernels->aimnet2_reverse_mix(v, i, scratch);
    const float *grad_x = p->x + (size_t) i * p->weights.n_input;
    const float *grad_q = grad_x + 2 * n_a + (size_t) v->n_combinations * v->n_features;
    for (size_t f = 0; t > 0 && f < n_a; f++)
        v->grad_a[i * n_a + f] += grad_x[f];
    for (size_t c = 0; t > 0 && c < Q; c++)
        v->grad_q[i * Q + c] += grad_q[c];
}

static void convolve_reverse(const run *r, mlff_member *member, int t) {
    const cpu_aimnet2 *p = r->p;
    const cpu_conv v = conv_of(p, t);
    FOR_ROWS(i, r->graph->n_all)
        reverse_mix(r, &v, t, i, scratch_of(p, member));
    mlff_team_barrier(member);
    FOR_ROWS(i, r->graph->n_all)
        p->kernels->aimnet2_reverse(&v, i, n_pairs_of(p, i), p->pairs + p->incident[i],
                                    gauss_of(p, i), p->force + 3 * i,
                                    r->task->want_strain ? p->strain + 9 * i : NULL);
    mlff_team_barrier(member);
}

static void reverse_passes(const run *r, mlff_member *member) {
    cpu_aimnet2 *p = r->p;
    FOR_ROWS(i, r->graph->n_all)
        clear_gradients(r, i);
    mlff_team_barrier(member);
    for (int t = LAST; t >= 0; t--) {
        if (t < LAST) {
            if (r->exchange->forward)
                ONE_THREAD(exchange_gradient(r, t, &err_));
            ONE_THREAD(cpu_aimnet2_charge_reverse(r, t, p->y[0], &err_));
        }
        FOR_SPANS(r->n_rows[t]) {
            if (t == LAST)
                last_pass_reverse(&s);
            else
                pass_reverse(&s, t);
        }
        mlff_team_barrier(member);
        convolve_reverse(r, member, t);
    }
}

/* --------------------------------------------------------------------------------- driver -- */

/* Few rows: all threads share the outputs of each layer, so that each reads its part of the
   weights; many rows: pieces of equal size, as many as threads or a multiple. */
static void divide(run *r, int n_threads) {
    const int n = r->graph->n_local;
    r->split_rows = n_threads == 1 || n >= 4 * n_threads;
    const int rounds = (n + DENSE_CHUNK * n_threads - 1) / (DENSE_CHUNK * n_threads);
    const int pieces = (rounds > 0 ? rounds : 1) * n_threads;
    r->chunk = n > 0 ? (n + pieces - 1) / pieces : 1;
}

static mlff_status prepare(void *state, const mlff_task *task, int *n_charged, mlff_error *err) {
    cpu_aimnet2 *p = state;
    run *r = &p->run;
    const mlff_graph *graph = task->graph;
    const size_t n = (size_t) graph->n_all;
    *r = (run) {.p = p, .task = task, .graph = graph, .exchange = task->exchange};
    for (int t = 0; t < MLFF_AIMNET2_PASSES; t++)
        r->n_rows[t] = graph->n_row && t < LAST ? graph->n_row[t] : graph->n_local;
    *n_charged = task->exchange->forward ? graph->n_all : r->n_rows[LAST - 1];
    MLFF_TRY(mlff_aimnet2_check_graph(p->model, graph, err));
    const int n_threads = p->parallel && p->parallel->n_threads > 1 ? p->parallel->n_threads : 1;
    divide(r, n_threads);
    MLFF_TRY(cpu_buffer_reserve(&p->rows, 2 * (n + 1) * sizeof(int), err));
    p->incident = p->rows.data;
    p->filled = p->incident + n + 1;
    MLFF_TRY(cpu_aimnet2_pairs_count(graph, r->n_rows[0], p->incident, err));
    const size_t n_pairs = (size_t) p->incident[n];
    MLFF_TRY(cpu_buffer_reserve(&p->scratch, carve(p, NULL, r, n_pairs, (size_t) n_threads), err));
    carve(p, p->scratch.data, r, n_pairs, (size_t) n_threads);
    return MLFF_OK;
}

static void forward(void *state, mlff_member *member) {
    const run *r = &((const cpu_aimnet2 *) state)->run;
    embed_rows(r, member);
    forward_passes(r, member);
}

static void backward(void *state, mlff_member *member) {
    reverse_passes(&((const cpu_aimnet2 *) state)->run, member);
}

static void add_force(void *state, double (*force)[3], double *strain) {
    const cpu_aimnet2 *p = state;
    for (int i = 0; i < p->run.graph->n_all; i++) {
        for (int b = 0; b < 3; b++)
            force[i][b] += p->force[3 * i + b];
        for (int b = 0; strain && b < 9; b++)
            strain[b] += p->strain[9 * i + b];
    }
}

const mlff_network_type cpu_aimnet2_network = {
    .architecture = "aimnet2",
    .create = create,
    .destroy = destroy,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
    .add_force = add_force,
};
