/*
 * PaiNN on the CPU platform: float32, vectors, threads. Equations and symbols: docs/math/painn.md;
 * twin: platforms/reference/painn.
 *
 * F is the number of features padded to whole blocks of CPU_FEATURE_BLOCK; padding is zero and
 * stays zero. Vectors are [n][3][F].
 */
#ifndef CPU_PAINN_H_
#define CPU_PAINN_H_

#include "cpu_dense.h"
#include "cpu_kernels.h"
#include "cpu_memory.h"
#include "mlff_team.h"
#include "mlff_painn.h"
#include "mlff_platform.h"

extern const mlff_network_type cpu_painn_network;

/* ----------------------------------------------------------------------------- weights -- */

/* Packed weights of one layer; with shared interactions several layers use one set. */
typedef struct cpu_painn_layer {
    cpu_dense ctx0, ctx1, ctx0_t, ctx1_t;  /* F -> F -> 3F and transposed; context only */
    cpu_dense mix, mix_t;                  /* F -> 2F (p, q) and transposed; channel only */
    float m[9];                            /* M, spatial only */
    cpu_dense upd0, upd1, upd0_t, upd1_t;  /* 2F -> F -> 3F (see cpu_update: y) and transposed */
} cpu_painn_layer;

typedef struct cpu_painn_weights {
    int n_features;                        /* F, padded */
    int n_outputs_of_s;                    /* leading outputs of an update that change s */
    float *embedding;                      /* [n_z][F] */
    float *context0;                       /* [n_z][3][F] layer 0's context of each element */
    cpu_painn_layer *layer;                /* [n_layers or 1] */
    cpu_filter_table *filter;              /* [n_layers or 1] */
    cpu_dense readout[MLFF_PAINN_MAX_READOUT], readout_t[MLFF_PAINN_MAX_READOUT];  /* but last */
    float *readout_last;                   /* [padded width] the last linear's weights */
    double readout_bias, scale;            /* its bias; energy_scale in eV */
} cpu_painn_weights;

mlff_status cpu_painn_weights_new(const mlff_painn *painn, const cpu_kernels *kernels,
                                  cpu_painn_weights *out, mlff_error *err);
void cpu_painn_weights_free(const mlff_painn *painn, cpu_painn_weights *weights);

/* Tables of n_tables layers' filters, accurate to float32; one grid serves all of them, so that an
   edge is located once. On failure those already made stay in out. */
mlff_status cpu_painn_filters_new(const mlff_painn *painn, int n_tables, int n_features,
                                  cpu_filter_table *out, mlff_error *err);
void cpu_painn_filter_free(cpu_filter_table *filter);

/* Fill interval and t of an edge at distance d. */
void cpu_painn_filter_locate(const cpu_filter_table *filter, double d, cpu_edge *edge);

/* ------------------------------------------------------------------------------- state -- */

/* What the forward pass keeps of one layer for the reverse pass; [n_all] rows. */
typedef struct cpu_painn_kept {
    float *s, *v;        /* [n][F], [n][3][F] at the start of the layer; v NULL in layer 0 */
    float *x;            /* [n][3][F] context, NULL without */
    float *ctx_slope;    /* [n][F] activation's derivative in the context, NULL in layer 0 */
    float *cat;          /* [n][2F] s after the message, n */
    float *v_mid;        /* [n][3][F] */
    float *pq, *t;       /* see cpu_update */
    float *upd_slope;    /* [n][F] activation's derivative in the update */
    float *y;            /* [n][3][F] */
} cpu_painn_kept;

/* One evaluation as all threads see it. */
typedef struct cpu_painn_pass {
    struct cpu_painn *p;
    const mlff_task *task;
    const mlff_graph *graph;        /* the task's */
    const mlff_exchange *exchange;  /* NULL: ghosts, if any, are computed here */
    bool own_rows;     /* few atoms: each thread keeps its rows through all stages */
    int chunk;         /* rows of a span, at most CHUNK */
    size_t n_scratch;  /* rows of the arrays that a span needs for itself */
    size_t n_hidden;   /* sum of the padded widths of the readout's hidden layers */
} cpu_painn_pass;

typedef struct cpu_painn {
    const mlff_painn *painn;        /* borrowed from the model */
    const cpu_kernels *kernels;
    const mlff_parallel *parallel;  /* borrowed, may be NULL */
    cpu_painn_weights weights;
    cpu_painn_pass pass;            /* the evaluation in progress */

    /* scratch: one block, carved for n_all rows and n_edges pairs */
    cpu_buffer scratch, rows;
    cpu_painn_kept kept[MLFF_PAINN_MAX_LAYERS];
    float *s_final;                 /* [n][F] after the last layer */
    float *readout_y, *readout_d;   /* [n][sum of padded hidden widths] */
    float *grad_s[2], *grad_v[2];   /* [n][F], [n][3][F]; layers alternate */
    float *grad_x;                  /* [n][3][F]; without a context [n][F], that of s */
    float *hidden;                  /* [CHUNK a thread][F] activations of the small networks */
    float *grad_y, *grad_cat, *grad_pq;     /* likewise, see cpu_update */
    double *force, *strain;         /* [n_blocks][n][3], [n_blocks][n][9] before unit and scale */

    int *incident, *filled;         /* [n_all + 1] first pair of each row in edges; scratch */
    cpu_edge *edges;                /* [n_edges] pairs of every row that can send or receive */
} cpu_painn;

/*
 * The pairs of every row that can send or receive, see cpu_painn_edges.c.
 *   n_rows     rows of the graph that are complete: those of the first layer
 *   incident   [n_all + 1] out
 *   filled     [n_all] scratch
 */
mlff_status cpu_painn_edges_count(const mlff_graph *graph, int n_rows, int *incident,
                                  mlff_error *err);
void cpu_painn_edges_row(cpu_painn *p, const mlff_graph *graph, int i);  /* i < n_rows */
void cpu_painn_edges_ghosts(cpu_painn *p, const mlff_graph *graph, int n_rows, int *filled);

#endif
