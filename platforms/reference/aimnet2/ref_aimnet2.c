/* AIMNet2 on the reference platform: the stages in order, and the same in reverse. */
#include "ref_aimnet2.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LAST = MLFF_AIMNET2_PASSES - 1 };

/* ---------------------------------------------------------------------------- weights -- */

/* A copy of a tensor's values. */
static mlff_status load_values(double **values, const mlff_tensor *tensor, mlff_error *err) {
    MLFF_TRY(mlff_resize((void **) values, (size_t) tensor->n_values, sizeof(double), tensor->name,
                         err));
    mlff_tensor_to_double(tensor, *values);
    return MLFF_OK;
}

static mlff_status load_combination(ref_aimnet2_combination *agh, const mlff_tensor *tensor,
                                    mlff_error *err) {
    agh->n = (size_t) tensor->shape[0];
    MLFF_TRY(load_values(&agh->agh, tensor, err));
    MLFF_TRY(load_values(&agh->agh_t, tensor, err));
    const size_t G = (size_t) tensor->shape[1], C = (size_t) tensor->shape[2];
    for (size_t c = 0; c < agh->n; c++)
        for (size_t g = 0; g < G; g++)
            for (size_t h = 0; h < C; h++)
                agh->agh_t[(c*C + h)*G + g] = agh->agh[(c*G + g)*C + h];
    return MLFF_OK;
}

static mlff_status load_mlp(ref_aimnet2_mlp *mlp, const mlff_aimnet2_mlp *from, mlff_error *err) {
    mlp->n_linear = from->n_linear;
    mlp->last_linear = from->last_linear;
    for (int k = 0; k < from->n_linear; k++)
        MLFF_TRY(ref_dense_new(&mlp->linear[k], from->w[k], from->b[k], err));
    return MLFF_OK;
}

static mlff_status load_weights(ref_aimnet2_weights *weights, const mlff_aimnet2 *model,
                                mlff_error *err) {
    MLFF_TRY(load_values(&weights->afv, model->afv, err));
    MLFF_TRY(load_values(&weights->shifts, model->shifts, err));
    MLFF_TRY(load_combination(&weights->agh_a, model->agh_a, err));
    MLFF_TRY(load_combination(&weights->agh_q, model->agh_q, err));
    for (int t = 0; t < MLFF_AIMNET2_PASSES; t++)
        MLFF_TRY(load_mlp(&weights->pass[t], &model->pass[t], err));
    return load_mlp(&weights->head, &model->head, err);
}

static void free_mlp(ref_aimnet2_mlp *mlp) {
    for (int k = 0; k < MLFF_AIMNET2_MAX_LINEAR; k++)
        ref_dense_free(&mlp->linear[k]);
}

static void free_weights(ref_aimnet2_weights *weights) {
    free(weights->afv);
    free(weights->shifts);
    free(weights->agh_a.agh);
    free(weights->agh_a.agh_t);
    free(weights->agh_q.agh);
    free(weights->agh_q.agh_t);
    for (int t = 0; t < MLFF_AIMNET2_PASSES; t++)
        free_mlp(&weights->pass[t]);
    free_mlp(&weights->head);
}

/* ------------------------------------------------------------------------ state, trace -- */

static void ref_aimnet2_destroy(void *state) {
    ref_aimnet2 *aimnet2 = state;
    if (!aimnet2)
        return;
    free_weights(&aimnet2->weights);
    ref_arena_free(&aimnet2->arena);
    free(aimnet2);
}

static mlff_status ref_aimnet2_create(const mlff_model *model, const mlff_parallel *parallel,
                                      void **state, mlff_error *err) {
    (void) parallel;  // one thread
    *state = NULL;
    ref_aimnet2 *aimnet2 = calloc(1, sizeof *aimnet2);
    if (!aimnet2)
        return mlff_fail(err, MLFF_ERROR_MEMORY, "no memory for an AIMNet2 evaluation");
    aimnet2->model = mlff_model_description(model);
    const mlff_status status = load_weights(&aimnet2->weights, aimnet2->model, err);
    if (status != MLFF_OK) {
        ref_aimnet2_destroy(aimnet2);
        return status;
    }
    *state = aimnet2;
    return MLFF_OK;
}

void ref_aimnet2_set_trace(void *state, ref_aimnet2_trace trace, void *ctx) {
    ref_aimnet2 *aimnet2 = state;
    aimnet2->trace = trace;
    aimnet2->trace_ctx = ctx;
}

static void trace(const ref_aimnet2 *aimnet2, const char *stage, int t, int width,
                  const double *values) {
    if (aimnet2->trace)
        aimnet2->trace(aimnet2->trace_ctx, stage, t, aimnet2->work.pass[t].n_rows, width, values);
}

/* ---------------------------------------------------------------------------- scratch -- */

static size_t widest_layer(const mlff_aimnet2 *model) {
    int widest = 1;
    for (int t = 0; t < MLFF_AIMNET2_PASSES; t++)
        for (int k = 0; k <= model->pass[t].n_linear; k++)
            if (model->pass[t].width[k] > widest)
                widest = model->pass[t].width[k];
    for (int k = 0; k <= model->head.n_linear; k++)
        if (model->head.width[k] > widest)
            widest = model->head.width[k];
    return (size_t) widest;
}

/* Carve (or count) what pass t keeps. */
static void pass_layout(const ref_aimnet2 *aimnet2, int t, ref_aimnet2_kept *kept,
                        ref_arena *arena) {
    const mlff_aimnet2 *model = aimnet2->model;
    const size_t A = (size_t) model->n_features, G = (size_t) model->n_radial;
    const size_t C = (size_t) model->n_combinations, Q = (size_t) model->n_charges;
    const size_t n_all = (size_t) aimnet2->work.n_all, n_rows = (size_t) kept->n_rows;
    const size_t n_regions = (size_t) aimnet2->work.n_regions, real = sizeof(double);

    kept->a = ref_arena_take(arena, n_all*A*G, real);
    kept->v_a = ref_arena_take(arena, n_rows*3*A*C, real);
    if (t > 0) {
        kept->q = ref_arena_take(arena, n_all*Q, real);
        kept->v_q = ref_arena_take(arena, n_rows*3*Q*C, real);
    }
    for (int k = 0; k < model->pass[t].n_linear; k++)
        kept->pre[k] = ref_arena_take(arena, n_rows*(size_t) model->pass[t].width[k + 1], real);
    if (t < LAST) {
        kept->w = ref_arena_take(arena, n_rows*Q, real);
        kept->D = ref_arena_take(arena, n_regions*Q, real);
        kept->F = ref_arena_take(arena, n_regions*Q, real);
    }
}

/* Carve (or count) the arrays of the reverse pass. */
static void backward_layout(const ref_aimnet2 *aimnet2, ref_aimnet2_work *work, ref_arena *arena) {
    const mlff_aimnet2 *model = aimnet2->model;
    const size_t A = (size_t) model->n_features, G = (size_t) model->n_radial;
    const size_t Q = (size_t) model->n_charges, n = A > Q ? A : Q, real = sizeof(double);
    const size_t n_all = (size_t) work->n_all, n_pairs = (size_t) work->n_pairs;

    work->dgs = ref_arena_take(arena, n_pairs*G, real);
    work->grad_a = ref_arena_take(arena, n_all*A*G, real);
    work->grad_q = ref_arena_take(arena, n_all*Q, real);
    work->grad_gs = ref_arena_take(arena, n_pairs*G, real);
    work->grad_u = ref_arena_take(arena, n_pairs, sizeof *work->grad_u);
    work->force = ref_arena_take(arena, n_all, sizeof *work->force);
    work->grad_q_wide = ref_arena_take(arena, n_all*Q*G, real);
    work->grad_o = ref_arena_take(arena, 4*(n + 1)*G, real);
}

static void work_layout(ref_aimnet2 *aimnet2, bool want_force, ref_arena *arena) {
    const mlff_aimnet2 *model = aimnet2->model;
    ref_aimnet2_work *work = &aimnet2->work;
    const size_t A = (size_t) model->n_features, G = (size_t) model->n_radial;
    const size_t Q = (size_t) model->n_charges, real = sizeof(double);
    const size_t n_local = (size_t) work->n_local, n_all = (size_t) work->n_all;
    const size_t n_pairs = (size_t) work->n_pairs, n_regions = (size_t) work->n_regions;
    const size_t n_widest = (size_t) work->pass[0].n_rows*widest_layer(model);

    work->d = ref_arena_take(arena, n_pairs, real);
    work->u = ref_arena_take(arena, n_pairs, sizeof *work->u);
    work->gs = ref_arena_take(arena, n_pairs*G, real);
    for (int t = 0; t < MLFF_AIMNET2_PASSES; t++)
        pass_layout(aimnet2, t, &work->pass[t], arena);
    for (int k = 0; k < model->head.n_linear; k++)
        work->head[k] = ref_arena_take(arena, n_local*(size_t) model->head.width[k + 1], real);
    work->sums = ref_arena_take(arena, n_regions*2*Q, real);

    work->row_a = ref_arena_take(arena, n_widest, real);
    work->row_b = ref_arena_take(arena, n_widest, real);
    work->q_wide = ref_arena_take(arena, n_all*Q*G, real);
    work->o = ref_arena_take(arena, 4*(A > Q ? A : Q)*G, real);
    work->dgs = NULL;
    if (want_force)
        backward_layout(aimnet2, work, arena);
}

/* -------------------------------------------------------------------------- one graph -- */

/* Rows of every pass; behind the last one only owned rows are read. */
static void read_rows(ref_aimnet2 *aimnet2, const mlff_graph *graph) {
    ref_aimnet2_work *work = &aimnet2->work;
    work->n_local = graph->n_local;
    work->n_all = graph->n_all;
    work->n_regions = graph->n_regions;
    for (int t = 0; t < MLFF_AIMNET2_PASSES; t++)
        work->pass[t].n_rows = graph->n_row && t < LAST ? graph->n_row[t] : graph->n_local;
    work->n_pairs = graph->n_all > 0 ? graph->message.first[work->pass[0].n_rows] : 0;
}

static mlff_status ref_aimnet2_prepare(void *state, const mlff_task *task, int *n_charged,
                                       mlff_error *err) {
    ref_aimnet2 *aimnet2 = state;
    MLFF_TRY(mlff_aimnet2_check_graph(aimnet2->model, task->graph, err));
    aimnet2->task = task;
    read_rows(aimnet2, task->graph);
    *n_charged = task->exchange->forward ? task->graph->n_all : aimnet2->work.pass[LAST - 1].n_rows;
    ref_arena count = {0};
    work_layout(aimnet2, task->want_force, &count);
    MLFF_TRY(ref_arena_reserve(&aimnet2->arena, count.used, err));
    work_layout(aimnet2, task->want_force, &aimnet2->arena);
    return MLFF_OK;
}

/* ------------------------------------------------------------------------------ passes -- */

static mlff_status stopped(const char *name, int answer, int t, mlff_error *err) {
    return mlff_fail(err, MLFF_ERROR_ARGUMENT, "the %s exchange behind pass %d answered %d and so "
                     "stopped the evaluation", name, t, answer);
}

/* Fill the ghost rows of the state behind pass t. */
static mlff_status exchange_state(ref_aimnet2 *aimnet2, const mlff_exchange *exchange, int t,
                                  mlff_error *err) {
    const mlff_aimnet2 *model = aimnet2->model;
    const ref_aimnet2_kept *next = &aimnet2->work.pass[t + 1];
    int answer = exchange->forward(exchange->ctx, MLFF_FLOAT64, next->a,
                                   model->n_features*model->n_radial);
    if (answer == 0)
        answer = exchange->forward(exchange->ctx, MLFF_FLOAT64, next->q, model->n_charges);
    return answer == 0 ? MLFF_OK : stopped("forward", answer, t, err);
}

/* Bring the ghosts' gradients of that state home. */
static mlff_status exchange_gradient(ref_aimnet2 *aimnet2, const mlff_exchange *exchange, int t,
                                     mlff_error *err) {
    const mlff_aimnet2 *model = aimnet2->model;
    const ref_aimnet2_work *work = &aimnet2->work;
    int answer = exchange->reverse(exchange->ctx, MLFF_FLOAT64, work->grad_a,
                                   model->n_features*model->n_radial);
    if (answer == 0)
        answer = exchange->reverse(exchange->ctx, MLFF_FLOAT64, work->grad_q, model->n_charges);
    return answer == 0 ? MLFF_OK : stopped("reverse", answer, t, err);
}

/* a of pass 0: the row of the element, in ghosts as well. */
static void embed(ref_aimnet2 *aimnet2, const int *species) {
    const ref_aimnet2_work *work = &aimnet2->work;
    const size_t n_a = (size_t) aimnet2->model->n_features*(size_t) aimnet2->model->n_radial;
    for (size_t i = 0; i < (size_t) work->n_all; i++)
        memcpy(work->pass[0].a + i*n_a, aimnet2->weights.afv + (size_t) species[i]*n_a,
               n_a*sizeof(double));
}

/* The output of pass t, in scratch. */
static const double *pass_forward(ref_aimnet2 *aimnet2, const mlff_graph *graph, int t) {
    ref_aimnet2_work *work = &aimnet2->work;
    const ref_aimnet2_kept *kept = &work->pass[t];
    const mlff_aimnet2_mlp *mlp = &aimnet2->model->pass[t];
    ref_aimnet2_conv_forward(aimnet2, graph, t, work->row_a);
    trace(aimnet2, "in", t, mlp->width[0], work->row_a);
    const double *out = ref_aimnet2_mlp_forward(aimnet2, &aimnet2->weights.pass[t], kept->n_rows,
                                                work->row_a, kept->pre);
    trace(aimnet2, "out", t, mlp->width[mlp->n_linear], out);
    return out;
}

static mlff_status forward_passes(ref_aimnet2 *aimnet2, mlff_error *err) {
    ref_aimnet2_work *work = &aimnet2->work;
    const mlff_graph *graph = aimnet2->task->graph;
    const mlff_exchange *exchange = aimnet2->task->exchange;
    const size_t Q = (size_t) aimnet2->model->n_charges;
    embed(aimnet2, graph->species);
    for (int t = 0; t < LAST; t++) {
        const double *out = pass_forward(aimnet2, graph, t);
        MLFF_TRY(ref_aimnet2_charge_forward(aimnet2, graph, exchange, t, out, err));
        if (exchange->forward)
            MLFF_TRY(exchange_state(aimnet2, exchange, t, err));
        trace(aimnet2, "charges", t, (int) Q, work->pass[t + 1].q);
    }
    ref_aimnet2_head_forward(aimnet2, pass_forward(aimnet2, graph, LAST),
                             aimnet2->task->atom_energy);

    const double *q = work->pass[LAST].q;
    for (size_t i = 0; i < (size_t) work->n_all; i++)
        aimnet2->task->charge[i] = Q == 2 ? q[2*i] + q[2*i + 1] : q[i];
    return MLFF_OK;
}

static mlff_status backward_passes(ref_aimnet2 *aimnet2, mlff_error *err) {
    ref_aimnet2_work *work = &aimnet2->work;
    const mlff_graph *graph = aimnet2->task->graph;
    const mlff_exchange *exchange = aimnet2->task->exchange;
    double *grad_out = ref_aimnet2_head_backward(aimnet2);
    for (int t = LAST; t >= 0; t--) {
        if (t < LAST) {
            if (exchange->forward)
                MLFF_TRY(exchange_gradient(aimnet2, exchange, t, err));
            grad_out = work->row_a;
            MLFF_TRY(ref_aimnet2_charge_backward(aimnet2, graph, exchange, t, grad_out, err));
        }
        const ref_aimnet2_kept *kept = &work->pass[t];
        const double *grad_x = ref_aimnet2_mlp_backward(aimnet2, &aimnet2->weights.pass[t],
                                                        kept->n_rows, kept->pre, grad_out);
        ref_aimnet2_conv_backward(aimnet2, graph, t, grad_x);
    }
    return MLFF_OK;
}

/* Start of the reverse pass: the long-range terms' gradient acts on every channel's charge. */
static void clear_gradients(ref_aimnet2 *aimnet2) {
    const ref_aimnet2_work *work = &aimnet2->work;
    const size_t G = (size_t) aimnet2->model->n_radial, Q = (size_t) aimnet2->model->n_charges;
    const size_t n_a = (size_t) aimnet2->model->n_features*G, real = sizeof(double);
    const double *grad_charge = aimnet2->task->grad_charge;
    memset(work->grad_a, 0, (size_t) work->n_all*n_a*real);
    memset(work->grad_gs, 0, (size_t) work->n_pairs*G*real);
    memset(work->grad_u, 0, (size_t) work->n_pairs*sizeof *work->grad_u);
    for (size_t i = 0; i < (size_t) work->n_all; i++)
        for (size_t c = 0; c < Q; c++)
            work->grad_q[i*Q + c] = grad_charge ? grad_charge[i] : 0;
}

/* ------------------------------------------------------------------------------ driver -- */

static void ref_aimnet2_forward(void *state, mlff_member *member) {
    ref_aimnet2 *aimnet2 = state;
    mlff_error err;
    if (member->thread != 0)
        return;
    ref_aimnet2_pairs_forward(aimnet2, aimnet2->task->graph);
    mlff_team_check(member, forward_passes(aimnet2, &err), &err);
}

static void ref_aimnet2_backward(void *state, mlff_member *member) {
    ref_aimnet2 *aimnet2 = state;
    mlff_error err;
    if (member->thread != 0 || mlff_team_failed(member))
        return;
    clear_gradients(aimnet2);
    mlff_team_check(member, backward_passes(aimnet2, &err), &err);
    ref_aimnet2_pairs_backward(aimnet2, aimnet2->task->graph);
}

static void ref_aimnet2_add_force(void *state, double (*force)[3], double *strain) {
    const ref_aimnet2_work *work = &((const ref_aimnet2 *) state)->work;
    for (int i = 0; i < work->n_all; i++)
        for (int b = 0; b < 3; b++)
            force[i][b] += work->force[i][b];
    for (int k = 0; k < 9 && strain; k++)
        strain[k] += work->strain[k];
}

const mlff_network_type ref_aimnet2_network = {
    .architecture = "aimnet2",
    .create = ref_aimnet2_create,
    .destroy = ref_aimnet2_destroy,
    .prepare = ref_aimnet2_prepare,
    .forward = ref_aimnet2_forward,
    .backward = ref_aimnet2_backward,
    .add_force = ref_aimnet2_add_force,
};
