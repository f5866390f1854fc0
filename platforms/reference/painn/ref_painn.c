/* PaiNN on the reference platform: the stages in order, and the same in reverse. */
#include "ref_painn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------------- weights -- */

/* A dense layer whose tensors the model's switches may leave out. */
static mlff_status load_dense(ref_dense *dense, const mlff_tensor *w, const mlff_tensor *b,
                              mlff_error *err) {
    return w ? ref_dense_new(dense, w, b, err) : MLFF_OK;
}

/* A copy of a tensor's values; NULL stays NULL. */
static mlff_status load_values(double **values, const mlff_tensor *tensor, mlff_error *err) {
    if (!tensor)
        return MLFF_OK;
    MLFF_TRY(mlff_resize((void **)values, (size_t)tensor->n_values, sizeof(double), tensor->name,
                         err));
    mlff_tensor_to_double(tensor, *values);
    return MLFF_OK;
}

static mlff_status load_block(ref_painn_block *block, const mlff_painn_layer *layer,
                              mlff_error *err) {
    MLFF_TRY(load_dense(&block->ctx_w0, layer->ctx_w0, layer->ctx_b0, err));
    MLFF_TRY(load_dense(&block->ctx_w1, layer->ctx_w1, layer->ctx_b1, err));
    MLFF_TRY(load_dense(&block->mix_v, layer->mix_v, NULL, err));
    MLFF_TRY(load_dense(&block->mix_w, layer->mix_w, NULL, err));
    if (layer->mix_m)
        mlff_tensor_to_double(layer->mix_m, &block->mix_m[0][0]);
    MLFF_TRY(load_dense(&block->upd_w0, layer->upd_w0, layer->upd_b0, err));
    return load_dense(&block->upd_w1, layer->upd_w1, layer->upd_b1, err);
}

static mlff_status load_weights(ref_painn_weights *weights, const mlff_painn *model,
                                mlff_error *err) {
    MLFF_TRY(load_values(&weights->embedding, model->embedding, err));
    MLFF_TRY(load_values(&weights->mu, model->rbf_mu, err));
    MLFF_TRY(load_values(&weights->beta, model->rbf_beta, err));
    MLFF_TRY(load_values(&weights->freq, model->rbf_freq, err));

    weights->n_filters = model->shared_filters ? 1 : model->n_layers;
    for (int l = 0; l < weights->n_filters; l++) {
        const mlff_painn_layer *layer = &model->layer[l];
        MLFF_TRY(load_dense(&weights->filter[l].w0, layer->filter_w0, layer->filter_b0, err));
        MLFF_TRY(load_dense(&weights->filter[l].w1, layer->filter_w1, layer->filter_b1, err));
    }
    weights->n_blocks = model->shared_interactions ? 1 : model->n_layers;
    for (int l = 0; l < weights->n_blocks; l++)
        MLFF_TRY(load_block(&weights->block[l], &model->layer[l], err));
    for (int k = 0; k < model->n_readout; k++)
        MLFF_TRY(load_dense(&weights->readout[k], model->readout_w[k], model->readout_b[k], err));
    return MLFF_OK;
}

static void free_weights(ref_painn_weights *weights) {
    free(weights->embedding);
    free(weights->mu);
    free(weights->beta);
    free(weights->freq);
    for (int l = 0; l < MLFF_PAINN_MAX_LAYERS; l++) {
        ref_painn_block *block = &weights->block[l];
        ref_dense_free(&weights->filter[l].w0);
        ref_dense_free(&weights->filter[l].w1);
        ref_dense_free(&block->ctx_w0);
        ref_dense_free(&block->ctx_w1);
        ref_dense_free(&block->mix_v);
        ref_dense_free(&block->mix_w);
        ref_dense_free(&block->upd_w0);
        ref_dense_free(&block->upd_w1);
    }
    for (int k = 0; k < MLFF_PAINN_MAX_READOUT; k++)
        ref_dense_free(&weights->readout[k]);
}

/* ------------------------------------------------------------------------ state, trace -- */

static void ref_painn_destroy(void *state) {
    ref_painn *painn = state;
    if (!painn)
        return;
    free_weights(&painn->weights);
    ref_arena_free(&painn->pair_arena);
    ref_arena_free(&painn->arena);
    free(painn);
}

static mlff_status ref_painn_create(const mlff_model *model, const mlff_parallel *parallel,
                                    void **state, mlff_error *err) {
    (void)parallel;  /* one thread */
    *state = NULL;
    ref_painn *painn = calloc(1, sizeof *painn);
    if (!painn)
        return mlff_fail(err, MLFF_ERROR_MEMORY, "no memory for a PaiNN evaluation");
    painn->model = mlff_model_description(model);
    const mlff_status status = load_weights(&painn->weights, painn->model, err);
    if (status != MLFF_OK) {
        ref_painn_destroy(painn);
        return status;
    }
    *state = painn;
    return MLFF_OK;
}

void ref_painn_set_trace(void *state, ref_painn_trace trace, void *ctx) {
    ref_painn *painn = state;
    painn->trace = trace;
    painn->trace_ctx = ctx;
}

static void trace(const ref_painn *painn, const char *stage, int l, const double *v) {
    if (painn->trace)
        painn->trace(painn->trace_ctx, stage, l, painn->work.layer[l].n_rows, painn->work.s, v);
}

/* ---------------------------------------------------------------------------- scratch -- */

/* Carve (or count) what the forward pass of one layer keeps. */
static void layer_layout(const ref_painn *painn, int l, ref_painn_kept *kept, ref_arena *arena) {
    const mlff_painn *model = painn->model;
    const size_t F = (size_t)model->n_features, real = sizeof(double);
    const size_t n_rows = (size_t)kept->n_rows, n_sources = (size_t)kept->n_sources;
    const bool own_filters = !model->shared_filters || l == 0;
    const size_t n_pairs = own_filters ? (size_t)kept->n_pairs : 0;

    kept->g = ref_arena_take(arena, model->filter_layers == 2 ? n_pairs*F : 0, real);
    kept->W = ref_arena_take(arena, n_pairs*3*F, real);
    kept->hc = ref_arena_take(arena, model->context ? n_sources*F : 0, real);
    kept->x = ref_arena_take(arena, n_sources*3*F, real);
    kept->v_mid = ref_arena_take(arena, n_rows*3*F, real);
    kept->q = ref_arena_take(arena, n_rows*3*F, real);
    kept->p = model->update == MLFF_PAINN_CHANNEL ? ref_arena_take(arena, n_rows*3*F, real)
                                                  : kept->v_mid;
    kept->c = ref_arena_take(arena, n_rows*2*F, real);
    kept->h = ref_arena_take(arena, n_rows*F, real);
    kept->y = ref_arena_take(arena, n_rows*3*F, real);
    kept->v_out = ref_arena_take(arena, (size_t)painn->work.n_all*3*F, real);
}

/* Carve (or count) the arrays of the reverse pass. */
static void backward_layout(const ref_painn *painn, ref_painn_work *work, ref_arena *arena) {
    const size_t F = (size_t)painn->model->n_features, real = sizeof(double);
    const size_t n_all = (size_t)work->n_all, n_pairs = (size_t)work->n_pairs;
    work->grad_s = ref_arena_take(arena, n_all*F, real);
    work->grad_v = ref_arena_take(arena, n_all*3*F, real);
    work->grad_v_in = ref_arena_take(arena, n_all*3*F, real);
    work->grad_x = ref_arena_take(arena, n_all*3*F, real);
    work->grad_p = ref_arena_take(arena, n_all*3*F, real);
    work->grad_q = ref_arena_take(arena, n_all*3*F, real);
    work->grad_W = ref_arena_take(arena, n_pairs*3*F, real);
    work->grad_d = ref_arena_take(arena, n_pairs, real);
    work->grad_u = ref_arena_take(arena, (size_t)work->n_edges, sizeof *work->grad_u);
    work->force = ref_arena_take(arena, n_all, sizeof *work->force);
}

static void work_layout(ref_painn *painn, bool want_force, ref_arena *arena) {
    const mlff_painn *model = painn->model;
    ref_painn_work *work = &painn->work;
    const size_t F = (size_t)model->n_features, K = (size_t)model->n_rbf, real = sizeof(double);
    const size_t n_all = (size_t)work->n_all, n_pairs = (size_t)work->n_pairs;

    work->u = ref_arena_take(arena, (size_t)work->n_edges, sizeof *work->u);
    work->d = ref_arena_take(arena, n_pairs, real);
    work->psi = ref_arena_take(arena, n_pairs*K, real);
    work->dpsi = ref_arena_take(arena, n_pairs*K, real);
    work->fc = ref_arena_take(arena, n_pairs, real);
    work->dfc = ref_arena_take(arena, n_pairs, real);

    work->s = ref_arena_take(arena, n_all*F, real);
    for (int l = 0; l < model->n_layers; l++)
        layer_layout(painn, l, &work->layer[l], arena);
    size_t widest = 2*F;
    for (int k = 0; k < model->n_readout; k++) {
        const size_t width = (size_t)model->readout_width[k + 1];
        work->readout[k] = ref_arena_take(arena, (size_t)work->n_local*width, real);
        widest = width > widest ? width : widest;
    }

    const size_t pair_width = F > K ? F : K;
    work->pair_a = ref_arena_take(arena, n_pairs*pair_width, real);
    work->pair_b = ref_arena_take(arena, n_pairs*pair_width, real);
    work->atom_a = ref_arena_take(arena, n_all*widest, real);
    work->atom_b = ref_arena_take(arena, n_all*widest, real);
    if (want_force)
        backward_layout(painn, work, arena);
}

/* -------------------------------------------------------------------------- one graph -- */

/* Rows and sources of every layer; mlff_evaluate() has checked the graph. */
static void read_rows(ref_painn *painn, const mlff_graph *graph, bool exchanged) {
    ref_painn_work *work = &painn->work;
    work->n_local = graph->n_local;
    work->n_all = graph->n_all;
    for (int l = 0; l < painn->model->n_layers; l++) {
        const bool complete = l == 0 || exchanged;
        work->layer[l].n_rows = graph->n_row ? graph->n_row[l] : graph->n_local;
        work->layer[l].n_sources = complete ? graph->n_all : work->layer[l - 1].n_rows;
    }
    work->n_edges = graph->n_all > 0 ? graph->message.first[work->layer[0].n_rows] : 0;
}

/* Sizes, scratch, distances. */
static mlff_status ref_painn_prepare(void *state, const mlff_task *task, int *n_charged,
                                     mlff_error *err) {
    ref_painn *painn = state;
    ref_painn_work *work = &painn->work;
    const mlff_graph *graph = task->graph;
    const bool want_force = task->want_force;
    *n_charged = 0;
    painn->task = task;
    read_rows(painn, graph, task->exchange->forward != NULL);
    const size_t n_edges = (size_t)work->n_edges;
    MLFF_TRY(ref_arena_reserve(&painn->pair_arena, 2*n_edges*sizeof(int) + 128, err));
    work->pair = ref_arena_take(&painn->pair_arena, n_edges, sizeof(int));
    work->pair_edge = ref_arena_take(&painn->pair_arena, n_edges, sizeof(int));
    ref_painn_geometry_pairs(painn, graph);

    ref_arena count = {0};
    work_layout(painn, want_force, &count);
    MLFF_TRY(ref_arena_reserve(&painn->arena, count.used, err));
    work_layout(painn, want_force, &painn->arena);
    ref_painn_geometry_forward(painn, graph);
    return MLFF_OK;
}

static mlff_status stopped(const char *name, int answer, int l, mlff_error *err) {
    return mlff_fail(err, MLFF_ERROR_ARGUMENT, "the %s exchange of layer %d answered %d and so "
                     "stopped the evaluation", name, l, answer);
}

/* Fill the ghost rows of the state before the messages of layer l. */
static mlff_status exchange_state(ref_painn *painn, const mlff_exchange *exchange, int l,
                                  mlff_error *err) {
    const int F = painn->model->n_features;
    int answer = exchange->forward(exchange->ctx, MLFF_FLOAT64, painn->work.s, F);
    if (answer == 0)
        answer = exchange->forward(exchange->ctx, MLFF_FLOAT64, painn->work.layer[l - 1].v_out,
                                   3*F);
    return answer == 0 ? MLFF_OK : stopped("forward", answer, l, err);
}

/* Bring the ghosts' gradients of that state home. */
static mlff_status exchange_gradient(ref_painn *painn, const mlff_exchange *exchange, int l,
                                     mlff_error *err) {
    const int F = painn->model->n_features;
    int answer = exchange->reverse(exchange->ctx, MLFF_FLOAT64, painn->work.grad_s, F);
    if (answer == 0)
        answer = exchange->reverse(exchange->ctx, MLFF_FLOAT64, painn->work.grad_v, 3*F);
    return answer == 0 ? MLFF_OK : stopped("reverse", answer, l, err);
}

static mlff_status forward_pass(ref_painn *painn, mlff_error *err) {
    ref_painn_work *work = &painn->work;
    const mlff_graph *graph = painn->task->graph;
    const mlff_exchange *exchange = painn->task->exchange;
    ref_painn_embed_forward(painn, graph->species);
    for (int l = 0; l < painn->model->n_layers; l++) {
        if (exchange->forward && l > 0)
            MLFF_TRY(exchange_state(painn, exchange, l, err));
        ref_painn_filter_forward(painn, l);
        ref_painn_message_forward(painn, graph, l);
        trace(painn, "msg", l, work->layer[l].v_mid);
        ref_painn_update_forward(painn, l);
        trace(painn, "upd", l, work->layer[l].v_out);
    }
    ref_painn_readout_forward(painn, painn->task->atom_energy);
    return MLFF_OK;
}

static mlff_status backward_pass(ref_painn *painn, mlff_error *err) {
    ref_painn_work *work = &painn->work;
    const mlff_graph *graph = painn->task->graph;
    const mlff_exchange *exchange = painn->task->exchange;
    const size_t F = (size_t)painn->model->n_features, real = sizeof(double);
    memset(work->grad_v, 0, (size_t)work->n_all*3*F*real);
    memset(work->grad_W, 0, (size_t)work->n_pairs*3*F*real);
    memset(work->grad_d, 0, (size_t)work->n_pairs*real);
    memset(work->grad_u, 0, (size_t)work->n_edges*sizeof *work->grad_u);

    ref_painn_readout_backward(painn);
    for (int l = painn->model->n_layers - 1; l >= 0; l--) {
        ref_painn_update_backward(painn, l);
        ref_painn_message_backward(painn, graph, l);
        ref_painn_filter_backward(painn, l);
        if (exchange->forward && l > 0)
            MLFF_TRY(exchange_gradient(painn, exchange, l, err));
    }
    ref_painn_geometry_backward(painn, graph, work->strain);
    return MLFF_OK;
}

/* ------------------------------------------------------------------------------ driver -- */

static void ref_painn_forward(void *state, mlff_member *member) {
    mlff_error err;
    if (member->thread == 0)
        mlff_team_check(member, forward_pass(state, &err), &err);
}

static void ref_painn_backward(void *state, mlff_member *member) {
    mlff_error err;
    if (member->thread == 0 && !mlff_team_failed(member))
        mlff_team_check(member, backward_pass(state, &err), &err);
}

static void ref_painn_add_force(void *state, double (*force)[3], double *strain) {
    const ref_painn_work *work = &((const ref_painn *)state)->work;
    for (int i = 0; i < work->n_all; i++)
        for (int a = 0; a < 3; a++)
            force[i][a] += work->force[i][a];
    for (int k = 0; k < 9 && strain; k++)
        strain[k] += work->strain[k];
}

const mlff_network_type ref_painn_network = {
    .architecture = "painn",
    .create = ref_painn_create,
    .destroy = ref_painn_destroy,
    .prepare = ref_painn_prepare,
    .forward = ref_painn_forward,
    .backward = ref_painn_backward,
    .add_force = ref_painn_add_force,
};
