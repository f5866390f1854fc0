/* PaiNN on the CPU platform: the driver. Twin: platforms/reference/painn/ref_painn.c. */
#include "cpu_painn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    B = CPU_FEATURE_BLOCK,
    CHUNK = 24,          /* rows that go through an update together, at most */
    MESSAGE_CHUNK = 8    /* rows of one piece of message work */
};

typedef cpu_painn_pass pass;

/*
 * A piece of work: rows row0 ... row1-1. Its own rows of hidden, grad_y, grad_cat and grad_pq begin
 * at `scratch`: few enough to stay in the cache.
 */
typedef struct span {
    const pass *pass;
    int piece;         /* of its thread's rows; -1 before the first */
    int row0, row1;
    size_t scratch;
} span;

/* ---------------------------------------------------------------------- create, destroy -- */

static void destroy(void *state) {
    cpu_painn *p = state;
    if (!p)
        return;
    cpu_painn_weights_free(p->painn, &p->weights);
    cpu_buffer_free(&p->scratch);
    cpu_buffer_free(&p->rows);
    free(p);
}

static mlff_status create(const mlff_model *model, const mlff_parallel *parallel, void **state,
                          mlff_error *err) {
    cpu_painn *p = calloc(1, sizeof *p);
    if (!p)
        return mlff_fail(err, MLFF_ERROR_MEMORY, "no memory for PaiNN's state");
    p->painn = mlff_model_description(model);
    p->kernels = cpu_kernels_best();
    p->parallel = parallel;
    const mlff_status status = cpu_painn_weights_new(p->painn, p->kernels, &p->weights, err);
    if (status != MLFF_OK) {
        destroy(p);
        return status;
    }
    *state = p;
    return MLFF_OK;
}

/* Rows that are computed in layer l, and rows whose state its messages read. */
static int rows_of(const mlff_graph *g, int l) {
    return g->n_row ? g->n_row[l] : g->n_local;
}

static int sources_of(const pass *a, int l) {
    const bool all = l == 0 || a->exchange;
    return all ? a->graph->n_all : rows_of(a->graph, l - 1);
}

/* ------------------------------------------------------------------------------ scratch -- */

static void carve_layer(cpu_painn *p, cpu_carver *c, int l, size_t n) {
    const size_t F = (size_t) p->weights.n_features, row = F * sizeof(float);
    const bool channel = p->painn->update == MLFF_PAINN_CHANNEL;
    cpu_painn_kept *k = &p->kept[l];
    k->s = cpu_carve(c, n, row);
    k->v = l > 0 ? cpu_carve(c, n, 3 * row) : NULL;
    k->x = p->painn->context ? cpu_carve(c, n, 3 * row) : NULL;
    k->ctx_slope = p->painn->context && l > 0 ? cpu_carve(c, n, row) : NULL;
    k->cat = cpu_carve(c, n, 2 * row);
    k->v_mid = cpu_carve(c, n, 3 * row);
    k->pq = cpu_carve(c, n, (channel ? 6 : 3) * row);
    k->t = channel ? cpu_carve(c, n, row) : NULL;
    k->upd_slope = cpu_carve(c, n, row);
    k->y = cpu_carve(c, n, 3 * row);
}

/* Floats of a context row, in units of F: x^s, x^r, x^v, or only the gradient of s. */
static int context_width(const cpu_painn *p) {
    return p->painn->context ? 3 : 1;
}

/* Lay out all scratch for n rows and n_edges pairs; returns the bytes. */
static size_t carve(const pass *a, char *base, size_t n, size_t n_edges) {
    cpu_painn *p = a->p;
    cpu_carver c = {base, 0};
    const size_t F = (size_t) p->weights.n_features, row = F * sizeof(float);
    const bool channel = p->painn->update == MLFF_PAINN_CHANNEL;
    for (int l = 0; l < p->painn->n_layers; l++)
        carve_layer(p, &c, l, n);
    p->s_final = cpu_carve(&c, n, row);
    p->readout_y = cpu_carve(&c, n, a->n_hidden * sizeof(float));
    p->readout_d = cpu_carve(&c, n, a->n_hidden * sizeof(float));
    for (int k = 0; k < 2; k++) {
        p->grad_s[k] = cpu_carve(&c, n, row);
        p->grad_v[k] = cpu_carve(&c, n, 3 * row);
    }
    p->grad_x = cpu_carve(&c, n, context_width(p) * row);
    p->hidden = cpu_carve(&c, a->n_scratch, row);
    p->grad_y = cpu_carve(&c, a->n_scratch, 3 * row);
    p->grad_cat = cpu_carve(&c, a->n_scratch, 2 * row);
    p->grad_pq = channel ? cpu_carve(&c, a->n_scratch, 6 * row) : NULL;
    p->force = cpu_carve(&c, n * (F / B), 3 * sizeof(double));
    p->strain = cpu_carve(&c, n * (F / B), 9 * sizeof(double));
    p->edges = cpu_carve(&c, n_edges, sizeof(cpu_edge));
    return c.used;
}

/* ------------------------------------------------------------------------ stages of spans -- */

/* n rows: y = epilogue(x W^T + b), all outputs. */
static void dense(const span *s, const cpu_dense *layer, cpu_epilogue epilogue, int n,
                  const float *x, size_t x_stride, float *y, float *d, size_t y_stride) {
    s->pass->p->kernels->dense(layer, epilogue, n, x, x_stride, y, d, y_stride, 0, layer->n_panels);
}

static void elementwise(const span *s, cpu_update_stage stage, const cpu_update *u) {
    stage(u, s->row1 - s->row0);
}

static const cpu_painn_layer *layer_weights(const cpu_painn *p, int l) {
    return &p->weights.layer[p->painn->shared_interactions ? 0 : l];
}

static cpu_message message_of(const cpu_painn *p, int l, int grad) {
    const cpu_painn_kept *k = &p->kept[l];
    return (cpu_message) {
        .n_features = p->weights.n_features,
        .filter = &p->weights.filter[p->painn->shared_filters ? 0 : l],
        .x = k->x, .s = k->s, .v = k->v,
        .grad_s = p->grad_s[grad], .grad_v = p->grad_v[grad],
    };
}

static bool is_last(const cpu_painn *p, int l) {
    return l + 1 == p->painn->n_layers;
}

/* The update's second dense layer, and its reverse, without the outputs that only v needs: the
   last layer's v is not used. */
static cpu_dense update_outputs(const cpu_painn *p, int l) {
    cpu_dense layer = layer_weights(p, l)->upd1;
    if (is_last(p, l))
        layer.n_panels = p->weights.n_outputs_of_s / B;
    return layer;
}

static cpu_dense update_outputs_reverse(const cpu_painn *p, int l) {
    const cpu_dense *layer = &layer_weights(p, l)->upd1_t;
    return is_last(p, l) ? cpu_dense_first(layer, p->weights.n_outputs_of_s) : *layer;
}

/* Update of layer l for the rows of a span. */
static cpu_update update_of(const span *span, int l, int grad) {
    const cpu_painn *p = span->pass->p;
    const cpu_painn_kept *k = &p->kept[l];
    const bool last = is_last(p, l), channel = p->painn->update == MLFF_PAINN_CHANNEL;
    const size_t F = (size_t) p->weights.n_features, i = (size_t) span->row0, own = span->scratch;
    cpu_update u = {
        .n_features = p->weights.n_features,
        .channel = channel,
        .last = last,
        .norm_eps = (float) p->painn->norm_eps,
        .cat = k->cat + i * 2 * F, .v_mid = k->v_mid + i * 3 * F, .y = k->y + i * 3 * F,
        .pq = k->pq + i * (channel ? 6 : 3) * F, .t = channel ? k->t + i * F : NULL,
        .s = (last ? p->s_final : p->kept[l + 1].s) + i * F,
        .v = last ? NULL : p->kept[l + 1].v + i * 3 * F,
        .grad_s = p->grad_s[grad] + i * F, .grad_v = p->grad_v[grad] + i * 3 * F,
        .grad_y = p->grad_y + own * 3 * F, .grad_cat = p->grad_cat + own * 2 * F,
        .grad_pq = channel ? p->grad_pq + own * 6 * F : NULL,
    };
    memcpy(u.m, layer_weights(p, l)->m, sizeof u.m);
    return u;
}

/* s = embedding, x = context of the element: layer 0 starts from tables. */
static void embed(const pass *a, int i) {
    const cpu_painn *p = a->p;
    const size_t F = (size_t) p->weights.n_features, z = (size_t) a->graph->species[i];
    memcpy(p->kept[0].s + i * F, p->weights.embedding + z * F, F * sizeof(float));
    if (p->painn->context)
        memcpy(p->kept[0].x + i * 3 * F, p->weights.context0 + z * 3 * F, 3 * F * sizeof(float));
}

static void update_forward(const span *s, int l) {
    const cpu_painn *p = s->pass->p;
    const cpu_painn_layer *w = layer_weights(p, l);
    const cpu_update u = update_of(s, l, 0);
    const size_t F = (size_t) u.n_features;
    const int n = s->row1 - s->row0;
    float *hidden = p->hidden + s->scratch * F, *slope = p->kept[l].upd_slope + s->row0 * F;
    if (u.channel)
        dense(s, &w->mix, CPU_PLAIN, 3 * n, u.v_mid, F, u.pq, NULL, 2 * F);
    elementwise(s, p->kernels->painn_norms[u.channel], &u);
    dense(s, &w->upd0, CPU_SILU, n, u.cat, 2 * F, hidden, slope, F);
    const cpu_dense outputs = update_outputs(p, l);
    dense(s, &outputs, CPU_PLAIN, n, hidden, F, u.y, NULL, 3 * F);
    elementwise(s, p->kernels->painn_update[u.channel], &u);
}

static void context_forward(const span *s, int l) {
    const cpu_painn *p = s->pass->p;
    const cpu_painn_layer *w = layer_weights(p, l);
    const cpu_painn_kept *k = &p->kept[l];
    const size_t F = (size_t) p->weights.n_features, i = (size_t) s->row0;
    const int n = s->row1 - s->row0;
    float *hidden = p->hidden + s->scratch * F;
    if (!p->painn->context)
        return;
    dense(s, &w->ctx0, CPU_SILU, n, k->s + i * F, F, hidden, k->ctx_slope + i * F, F);
    dense(s, &w->ctx1, CPU_PLAIN, n, hidden, F, k->x + i * 3 * F, NULL, 3 * F);
}

/* e_i = scale (w . h + b), h from the hidden layers; owned rows. */
static void readout_forward(const span *s) {
    const pass *a = s->pass;
    const cpu_painn *p = a->p;
    const cpu_painn_weights *w = &p->weights;
    const size_t F = (size_t) w->n_features, i0 = (size_t) s->row0;
    const int n = s->row1 - s->row0;
    const float *h = p->s_final + i0 * F;
    size_t stride = F, column = i0 * a->n_hidden;
    for (int k = 0; k + 1 < p->painn->n_readout; k++) {
        float *y = p->readout_y + column;
        dense(s, &w->readout[k], CPU_SILU, n, h, stride, y, p->readout_d + column, a->n_hidden);
        h = y;
        stride = a->n_hidden;
        column += (size_t) w->readout[k].n_panels * B;
    }
    const int width = p->painn->readout_width[p->painn->n_readout - 1];
    for (int i = 0; i < n; i++) {
        double sum = w->readout_bias;
        for (int f = 0; f < width; f++)
            sum += (double) w->readout_last[f] * h[i * stride + f];
        a->task->atom_energy[i0 + i] = sum * w->scale;
    }
}

/* grad_s behind the last layer, in units of scale. readout_y is reused for gradients. */
static void readout_reverse(const span *s) {
    const pass *a = s->pass;
    const cpu_painn *p = a->p;
    const cpu_painn_weights *w = &p->weights;
    const size_t F = (size_t) w->n_features, i0 = (size_t) s->row0, hidden = a->n_hidden;
    const int last = p->painn->n_readout - 1, n = s->row1 - s->row0;
    float *grad_s = p->grad_s[0] + i0 * F;
    if (last == 0) {
        for (int i = 0; i < n; i++)
            memcpy(grad_s + i * F, w->readout_last, F * sizeof(float));
        return;
    }
    const size_t width = (size_t) w->readout[last - 1].n_panels * B;
    float *y = p->readout_y + i0 * hidden + hidden - width;
    const float *slope = p->readout_d + i0 * hidden + hidden - width;
    for (int i = 0; i < n; i++)
        for (size_t f = 0; f < width; f++)
            y[i * hidden + f] = w->readout_last[f] * slope[i * hidden + f];
    for (int k = last - 1; k > 0; k--) {
        const size_t below = (size_t) w->readout[k - 1].n_panels * B;
        float *d = p->readout_d + (y - p->readout_y) - below;
        dense(s, &w->readout_t[k], CPU_TIMES, n, y, hidden, y - below, d, hidden);
        y -= below;
    }
    dense(s, &w->readout_t[0], CPU_PLAIN, n, y, hidden, grad_s, NULL, F);
}

static void update_reverse(const span *s, int l, int grad) {
    const cpu_painn *p = s->pass->p;
    const cpu_painn_layer *w = layer_weights(p, l);
    const cpu_update u = update_of(s, l, grad);
    const size_t F = (size_t) u.n_features;
    const int n = s->row1 - s->row0;
    float *hidden = p->hidden + s->scratch * F, *slope = p->kept[l].upd_slope + s->row0 * F;
    float *grad_cat = p->grad_cat + s->scratch * 2 * F;
    elementwise(s, p->kernels->painn_reverse_y[u.channel], &u);
    const cpu_dense outputs = update_outputs_reverse(p, l);
    dense(s, &outputs, CPU_TIMES, n, u.grad_y, 3 * F, hidden, slope, F);
    dense(s, &w->upd0_t, CPU_PLAIN, n, hidden, F, grad_cat, NULL, 2 * F);
    elementwise(s, p->kernels->painn_reverse_update[u.channel], &u);
    if (u.channel)
        dense(s, &w->mix_t, u.last ? CPU_PLAIN : CPU_ADD, 3 * n, u.grad_pq, 2 * F, u.grad_v, NULL,
              F);
}

/* grad_s in front of layer l: that behind its messages, and what comes back through the context. */
static void context_reverse(const span *s, int l, int grad) {
    const cpu_painn *p = s->pass->p;
    const cpu_painn_layer *w = layer_weights(p, l);
    const size_t F = (size_t) p->weights.n_features, i0 = (size_t) s->row0;
    const int n = s->row1 - s->row0;
    const float *grad_x = p->grad_x + i0 * context_width(p) * F;
    const float *behind = p->grad_s[!grad] + i0 * F;
    float *hidden = p->hidden + s->scratch * F, *grad_s = p->grad_s[grad] + i0 * F;
    if (p->painn->context) {
        float *slope = p->kept[l].ctx_slope + i0 * F;
        memcpy(grad_s, behind, n * F * sizeof(float));
        dense(s, &w->ctx1_t, CPU_TIMES, n, grad_x, 3 * F, hidden, slope, F);
        dense(s, &w->ctx0_t, CPU_ADD, n, hidden, F, grad_s, NULL, F);
        return;
    }
    for (size_t f = 0; f < n * F; f++)
        grad_s[f] = behind[f] + grad_x[f];
}

/* --------------------------------------------------------------------------------- driver -- */

/* The rows of 0 ... n_rows-1 that a thread works on: its own, or whatever it gets of all. */
static void rows_for(const pass *a, const mlff_member *member, int n_rows, int *row0, int *row1) {
    const long thread = a->own_rows ? member->thread : 0;
    const long n_shares = a->own_rows ? member->team->n_threads : 1;
    *row0 = (int) (n_rows * thread / n_shares);
    *row1 = (int) (n_rows * (thread + 1) / n_shares);
}

/* Its next piece of them, after piece `last`. */
static int next_piece(const pass *a, mlff_member *member, int last) {
    return a->own_rows ? last + 1 : mlff_team_take(member);
}

/* Behind a stage whose rows the next one takes row by row: threads with rows of their own go on. */
static void settle(const pass *a, mlff_member *member) {
    if (!a->own_rows)
        mlff_team_barrier(member);
}

/* Give rows 0 ... n_rows-1 to the team; returns false when nothing is left for this thread. */
static bool next_span(const pass *a, mlff_member *member, int n_rows, span *s) {
    int first, end;
    rows_for(a, member, n_rows, &first, &end);
    const int piece = next_piece(a, member, s->piece);
    const int row0 = first + a->chunk * piece;
    *s = (span) {a, piece, row0, row0 + a->chunk < end ? row0 + a->chunk : end,
                 (size_t) member->thread * CHUNK};
    return row0 < end;
}

/* for each span of rows 0 ... n-1 */
#define FOR_SPANS(n)                                                                              \
    for (span s = {.piece = -1}; next_span(a, member, (n), &s);)

/* A piece of message work: rows row0 ... row1-1 of a feature block. */
typedef struct message_piece {
    int piece, block, row0, row1;
} message_piece;

/*
 * The next piece of the message work on n_rows rows. Blocks come one after the other, so that the
 * threads share one block of the filter table and of the features in the cache.
 */
static bool next_message(const pass *a, mlff_member *member, int n_rows, message_piece *m) {
    int first, end;
    rows_for(a, member, n_rows, &first, &end);
    const int n_chunks = (end - first + MESSAGE_CHUNK - 1) / MESSAGE_CHUNK;
    m->piece = next_piece(a, member, m->piece);
    if (n_chunks == 0 || m->piece / n_chunks >= a->p->weights.n_features / B)
        return false;
    m->block = m->piece / n_chunks;
    m->row0 = first + m->piece % n_chunks * MESSAGE_CHUNK;
    m->row1 = m->row0 + MESSAGE_CHUNK < end ? m->row0 + MESSAGE_CHUNK : end;
    return true;
}

/* for each piece w of the message work on rows 0 ... n-1 */
#define FOR_MESSAGES(n)                                                                           \
    for (message_piece w = {.piece = -1}; next_message(a, member, (n), &w);)

/* State at the start of layer l -> after its messages. */
static void message_forward(const pass *a, mlff_member *member, int l) {
    const cpu_painn *p = a->p;
    const cpu_message m = message_of(p, l, 0);
    const size_t F = (size_t) m.n_features;
    FOR_MESSAGES(rows_of(a->graph, l))
        for (int i = w.row0; i < w.row1; i++)
            p->kernels->painn_message(&m, i, w.block, p->incident[i + 1] - p->incident[i],
                                      p->edges + p->incident[i], p->kept[l].cat + i * 2 * F,
                                      p->kept[l].v_mid + i * 3 * F);
    settle(a, member);
}

/* grad_v behind the messages in grad -> in front of them in !grad; grad_x; forces. */
static void message_reverse(const pass *a, mlff_member *member, int l, int grad) {
    const cpu_painn *p = a->p;
    const cpu_message m = message_of(p, l, grad);
    const size_t F = (size_t) m.n_features, n = (size_t) a->graph->n_all;
    const size_t x_width = context_width(p) * F;
    FOR_MESSAGES(sources_of(a, l))
        for (int i = w.row0; i < w.row1; i++) {
            const size_t at = w.block * n + i;
            p->kernels->painn_message_reverse(
                &m, i, w.block, p->incident[i + 1] - p->incident[i], p->edges + p->incident[i],
                p->grad_x + i * x_width, p->grad_v[!grad] + i * 3 * F, p->force + 3 * at,
                a->task->want_strain ? p->strain + 9 * at : NULL);
        }
    settle(a, member);
}

/*
 * Let the host fill or collect ghost rows; one thread talks, the others wait. An answer other than
 * 0 stops the evaluation: the host is not called again.
 */
static void talk(const pass *a, mlff_member *member, const char *name,
                 int (*call)(void *ctx, mlff_real type, void *array, int width), int l,
                 float *array, int width) {
    if (member->thread == 0 && !mlff_team_failed(member)) {
        const int answer = call(a->exchange->ctx, MLFF_FLOAT32, array, width);
        if (answer != 0) {
            mlff_error err;
            mlff_fail(&err, MLFF_ERROR_ARGUMENT, "the %s exchange of layer %d answered %d and so "
                      "stopped the evaluation", name, l, answer);
            mlff_team_fail(member, MLFF_ERROR_ARGUMENT, &err);
        }
    }
    mlff_team_barrier(member);
}

/* Ghost rows of what layer l's messages read. */
static void exchange_forward(const pass *a, mlff_member *member, int l) {
    if (!a->exchange)
        return;
    const cpu_painn *p = a->p;
    const int F = p->weights.n_features, width = context_width(p) * F;
    float *context = p->painn->context ? p->kept[l].x : p->kept[l].s;
    talk(a, member, "forward", a->exchange->forward, l, context, width);
    talk(a, member, "forward", a->exchange->forward, l, p->kept[l].v, 3 * F);
}

/* Bring the ghosts' gradients of the same home. */
static void exchange_reverse(const pass *a, mlff_member *member, int l, int grad) {
    if (!a->exchange)
        return;
    const cpu_painn *p = a->p;
    const int F = p->weights.n_features, width = context_width(p) * F;
    talk(a, member, "reverse", a->exchange->reverse, l, p->grad_x, width);
    talk(a, member, "reverse", a->exchange->reverse, l, p->grad_v[grad], 3 * F);
}

/* Layer 0's state, and the pairs. */
static void embed_rows(const pass *a, mlff_member *member) {
    cpu_painn *p = a->p;
    const int n_rows = rows_of(a->graph, 0);
    FOR_SPANS(a->graph->n_all)
        for (int i = s.row0; i < s.row1; i++) {
            embed(a, i);
            if (i < n_rows)
                cpu_painn_edges_row(p, a->graph, i);
        }
    if (member->thread == 0)
        cpu_painn_edges_ghosts(p, a->graph, n_rows, p->filled);
    mlff_team_barrier(member);
}

/* Rows that layer l - 1 did not compute: the message kernels multiply them by zero gradients. */
static void clear_state(const pass *a, int l) {
    const cpu_painn_kept *k = &a->p->kept[l];
    const size_t F = (size_t) a->p->weights.n_features, row0 = (size_t) rows_of(a->graph, l - 1);
    const size_t n_bytes = (a->graph->n_all - row0) * F * sizeof(float);
    memset(k->s + row0 * F, 0, n_bytes);
    memset(k->v + row0 * 3 * F, 0, 3 * n_bytes);
    if (k->x)
        memset(k->x + row0 * 3 * F, 0, 3 * n_bytes);
}

static void forward_layers(const pass *a, mlff_member *member) {
    const int last = a->p->painn->n_layers - 1;
    for (int l = 0; l <= last; l++) {
        message_forward(a, member, l);
        FOR_SPANS(rows_of(a->graph, l)) {
            update_forward(&s, l);
            if (l < last)
                context_forward(&s, l + 1);
        }
        if (l == last)
            break;
        if (member->thread == 0)
            clear_state(a, l + 1);
        mlff_team_barrier(member);
        exchange_forward(a, member, l + 1);
    }
    settle(a, member);
}

/* Energies, and where the reverse pass begins. */
static void readout(const pass *a, mlff_member *member) {
    FOR_SPANS(a->graph->n_local) {
        readout_forward(&s);
        if (a->task->want_force)
            readout_reverse(&s);
    }
}

/* Rows that receive no messages in layer l have no gradient there. */
static void clear_rest(const pass *a, mlff_member *member, int row0, int row1, int grad) {
    const size_t F = (size_t) a->p->weights.n_features;
    if (row1 > row0 && member->thread == 0) {
        memset(a->p->grad_s[grad] + row0 * F, 0, (row1 - row0) * F * sizeof(float));
        memset(a->p->grad_v[grad] + row0 * 3 * F, 0, (row1 - row0) * 3 * F * sizeof(float));
    }
}

static void reverse_layers(const pass *a, mlff_member *member) {
    int grad = 0, rows = a->graph->n_local;
    for (int l = a->p->painn->n_layers - 1; l >= 0; l--) {
        clear_rest(a, member, rows, a->graph->n_all, grad);
        settle(a, member);
        rows = rows_of(a->graph, l);
        FOR_SPANS(rows)
            update_reverse(&s, l, grad);
        mlff_team_barrier(member);
        rows = sources_of(a, l);
        message_reverse(a, member, l, grad);
        grad = !grad;
        if (l == 0)
            break;
        exchange_reverse(a, member, l, grad);
        if (a->exchange)
            rows = a->graph->n_local;
        FOR_SPANS(rows)
            context_reverse(&s, l, grad);
    }
}

/* ---------------------------------------------------------------------------- host's side -- */

/* Scratch for this graph. */
static mlff_status reserve(pass *a, mlff_error *err) {
    cpu_painn *p = a->p;
    const size_t n = (size_t) a->graph->n_all, blocks = (size_t) p->weights.n_features / B;
    const int n_rows = rows_of(a->graph, 0);
    MLFF_TRY(cpu_buffer_reserve(&p->rows, 2 * (n + 1) * sizeof(int), err));
    p->incident = p->rows.data;
    p->filled = p->incident + n + 1;
    MLFF_TRY(cpu_painn_edges_count(a->graph, n_rows, p->incident, err));
    const size_t n_edges = (size_t) p->incident[n];
    MLFF_TRY(cpu_buffer_reserve(&p->scratch, carve(a, NULL, n, n_edges), err));
    carve(a, p->scratch.data, n, n_edges);
    memset(p->force, 0, n * blocks * 3 * sizeof(double));
    if (a->task->want_strain)
        memset(p->strain, 0, n * blocks * 9 * sizeof(double));
    return MLFF_OK;
}

/* How the threads share the work. */
static void divide(pass *a, int n_threads) {
    const mlff_graph *g = a->graph;
    const int n = rows_of(g, 0), most = CHUNK * n_threads;
    const bool alone = g->n_all == g->n_local && !a->exchange;
    a->own_rows = alone && (n_threads == 1 || n < 2 * most);
    const int rounds = (n + most - 1) / most, pieces = (rounds > 0 ? rounds : 1) * n_threads;
    a->chunk = n > 0 ? (n + pieces - 1) / pieces : 1;
    a->n_scratch = (size_t) most;
}

static mlff_status prepare(void *state, const mlff_task *task, int *n_charged, mlff_error *err) {
    cpu_painn *p = state;
    const int n_threads = p->parallel && p->parallel->n_threads > 1 ? p->parallel->n_threads : 1;
    *n_charged = 0;
    p->pass = (pass) {.p = p, .task = task, .graph = task->graph,
                      .exchange = task->exchange->forward ? task->exchange : NULL};
    for (int k = 0; k + 1 < p->painn->n_readout; k++)
        p->pass.n_hidden += (size_t) p->weights.readout[k].n_panels * B;
    divide(&p->pass, n_threads);
    return reserve(&p->pass, err);
}

static void forward(void *state, mlff_member *member) {
    const pass *a = &((const cpu_painn *) state)->pass;
    embed_rows(a, member);
    forward_layers(a, member);
    readout(a, member);
}

static void backward(void *state, mlff_member *member) {
    reverse_layers(&((const cpu_painn *) state)->pass, member);
}

/* Sums over the feature blocks in fixed order, in double. */
static void add_force(void *state, double (*force)[3], double *strain) {
    const cpu_painn *p = state;
    const size_t n = (size_t) p->pass.graph->n_all, blocks = (size_t) p->weights.n_features / B;
    for (size_t i = 0; i < n; i++)
        for (int c = 0; c < 3; c++) {
            double sum = 0;
            for (size_t b = 0; b < blocks; b++)
                sum += p->force[3 * (b * n + i) + c];
            force[i][c] += sum * p->weights.scale;
        }
    for (int c = 0; strain && c < 9; c++) {
        double sum = 0;
        for (size_t i = 0; i < n * blocks; i++)
            sum += p->strain[9 * i + c];
        strain[c] += sum * p->weights.scale;
    }
}

const mlff_network_type cpu_painn_network = {
    .architecture = "painn",
    .create = create,
    .destroy = destroy,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
    .add_force = add_force,
};
