/*
 * AIMNet2 on the CPU platform: float32, vectors, threads. Equations and symbols:
 * docs/math/aimnet2.md; twin: platforms/reference/aimnet2.
 *
 * Features a stand as [G][A], A padded with zeros to whole lane blocks, so that a pair's few
 * radial channels are one piece of memory. Rows of the networks are padded with zeros to whole
 * feature blocks.
 */
#ifndef CPU_AIMNET2_H_
#define CPU_AIMNET2_H_

#include "../ops/cpu_dense.h"
#include "../ops/cpu_kernels.h"
#include "../ops/cpu_memory.h"
#include "mlff_team.h"
#include "mlff_aimnet2.h"
#include "mlff_platform.h"

extern const mlff_network_type cpu_aimnet2_network;

enum { CPU_AIMNET2_LAST = MLFF_AIMNET2_PASSES - 1 };

/* ----------------------------------------------------------------------------- weights -- */

typedef struct cpu_aimnet2_mlp {
    int n_linear;
    bool last_linear;               /* no GELU behind the last linear map */
    cpu_dense forward[MLFF_AIMNET2_MAX_LINEAR], reverse[MLFF_AIMNET2_MAX_LINEAR];
    int n_known;                    /* leading inputs that depend on the element alone */
    float *known;                   /* [n_z][padded width] their part of the first linear map */
} cpu_aimnet2_mlp;

typedef struct cpu_aimnet2_weights {
    cpu_conv conv;                  /* sizes and constants of the convolution; arrays unset */
    int n_a;                        /* G A, padded */
    int n_input;                    /* padded row length of the widest input of a pass */
    int n_hidden;                   /* padded row length of the widest output of a linear map */
    float *afv;                     /* [n_z][G][A] */
    float *constants;               /* conv's shifts, agh, agh_q, agh_qt */
    cpu_aimnet2_mlp pass[MLFF_AIMNET2_PASSES];  /* passes 0, 1 give [a (G A) | p (Q) | w (Q)] */
    cpu_aimnet2_mlp head;           /* all but its last linear map */
    float *head_last;               /* [padded width] the last linear map */
    double head_bias;
    int head_width;                 /* inputs of the last linear map */
} cpu_aimnet2_weights;

mlff_status cpu_aimnet2_weights_new(const mlff_aimnet2 *model, const cpu_kernels *kernels,
                                    cpu_aimnet2_weights *out, mlff_error *err);
void cpu_aimnet2_weights_free(cpu_aimnet2_weights *weights);

/* ------------------------------------------------------------------------------- state -- */

/* What pass t keeps for the reverse pass; [n_all] rows. */
typedef struct cpu_aimnet2_kept {
    float *a;                       /* [n][G][A] at the start of the pass */
    float *q;                       /* [n][Q] likewise; NULL in pass 0 */
    float *v, *v_q;                 /* see cpu_conv */
    float *slope[MLFF_AIMNET2_MAX_LINEAR];  /* [n][n_hidden] GELU's derivative; NULL: not needed */
    float *w;                       /* [n][Q] charge weights are f = w^2; not in the last pass */
    double *D, *F;                  /* [n_regions][Q] e missing; sum of f */
} cpu_aimnet2_kept;

/* One evaluation as all threads see it. */
typedef struct cpu_aimnet2_run {
    struct cpu_aimnet2 *p;
    const mlff_task *task;
    const mlff_graph *graph;        /* the task's */
    const mlff_exchange *exchange;  /* the task's: never NULL; its members may be */
    bool split_rows;                /* threads take chunks of rows; else shares of the outputs */
    int n_rows[MLFF_AIMNET2_PASSES];
    int chunk;                      /* rows of one piece of dense work */
} cpu_aimnet2_run;

typedef struct cpu_aimnet2 {
    const mlff_aimnet2 *model;      /* borrowed */
    const mlff_parallel *parallel;  /* borrowed, may be NULL */
    const cpu_kernels *kernels;
    cpu_aimnet2_weights weights;
    cpu_aimnet2_run run;            /* the evaluation in progress */

    cpu_buffer scratch, rows;       /* one block each, carved for n_all rows and n_edges pairs */
    cpu_aimnet2_kept kept[MLFF_AIMNET2_PASSES];
    float *x;                       /* [n][n_input] input of a pass, then its gradient */
    float *y[2];                    /* [n][n_hidden] */
    float *head_slope[MLFF_AIMNET2_MAX_LINEAR];
    double *sums;                   /* [n_regions][2][Q] */
    float *grad_a, *grad_q;         /* [n][G][A], [n][Q] */
    float *grad_o, *grad_oq;        /* see cpu_conv */
    double *force, *strain;         /* [n][3], [n][9] */
    float *thread_scratch;          /* [n_threads][thread_floats] */
    size_t thread_floats;

    int *incident, *filled;         /* [n_all + 1] first pair of each row in pairs; scratch */
    cpu_pair *pairs;                /* [n_edges] pairs of every row that can send or receive */
    float *gauss;                   /* [n_edges][2][n_lanes] */
} cpu_aimnet2;

/*
 * A piece of dense work: rows row0 ... row1-1, share part of n_parts of the outputs of each stage.
 * With more than one part all threads work on the same rows and meet after each stage.
 */
typedef struct cpu_aimnet2_span {
    const cpu_aimnet2_run *run;
    mlff_member *member;
    int row0, row1, part, n_parts;
} cpu_aimnet2_span;

/* ------------------------------------------------------------------------------ stages -- */

/*
 * Networks (cpu_aimnet2_mlp.c). An MLP goes from x [n][x_stride] to the returned one of p->y; the
 * reverse goes from grad in p->y[from], behind the last GELU if there is one, to grad_x, where
 * columns before n_known are left out.
 *   slope   [n_linear] arrays that are filled, or read
 */
const float *cpu_aimnet2_mlp_forward(const cpu_aimnet2_span *s, const cpu_aimnet2_mlp *mlp,
                                     float *const *slope, const float *x, size_t x_stride,
                                     int from);
void cpu_aimnet2_mlp_reverse(const cpu_aimnet2_span *s, const cpu_aimnet2_mlp *mlp,
                             float *const *slope, int from, float *grad_x, size_t x_stride);

/*
 * Pairs of every row that can send or receive, for both directions (cpu_aimnet2_pairs.c).
 *   n_rows   rows of the graph that are complete: those of pass 0
 */
mlff_status cpu_aimnet2_pairs_count(const mlff_graph *graph, int n_rows, int *incident,
                                    mlff_error *err);
void cpu_aimnet2_pairs_row(const cpu_aimnet2 *p, const mlff_graph *graph, int i);
void cpu_aimnet2_pairs_ghosts(const cpu_aimnet2 *p, const mlff_graph *graph, int n_rows);

/* Behind pass t: q of pass t + 1 from q~, which is there already, and w (cpu_aimnet2_charge.c). One
   thread. */
mlff_status cpu_aimnet2_charge_forward(const cpu_aimnet2_run *run, int t, mlff_error *err);

/* Gradients of q~ and w from grad_q, into columns n_a ... of out [n][n_hidden]. One thread. */
mlff_status cpu_aimnet2_charge_reverse(const cpu_aimnet2_run *run, int t, float *out,
                                       mlff_error *err);

#endif
