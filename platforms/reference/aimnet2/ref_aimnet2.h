/*
 * AIMNet2 in double precision, stage by stage; docs/math/aimnet2.md has the equations in these
 * symbols.
 *
 *   pairs     pair vectors              -> d, u, Gaussians gs
 *   conv      a_j, q_j, gs, u           -> S_i, V_i: the input of a pass
 *   mlp       input of a pass           -> its output
 *   charge    output of passes 0 and 1  -> a_i, q_i; charges add up to those of their region
 *   head      output of pass 2          -> energy of atom i
 *
 * Sizes: A feature channels, G radial Gaussians, C vector combinations, Q charge channels.
 * grad_x is dE/dx in eV per unit of x. A pair i <- j has i as center and j as neighbor.
 */
#ifndef REF_AIMNET2_H_
#define REF_AIMNET2_H_

#include "mlff_aimnet2.h"
#include "mlff_platform.h"
#include "../ops/ref_ops.h"

extern const mlff_network_type ref_aimnet2_network;

/* Called with what a pass t works on: "in" [n_rows][width[0]], "out" [n_rows][width[n_linear]],
   "charges" [n_rows][Q] behind the update of passes 0 and 1. */
typedef void (*ref_aimnet2_trace)(void *ctx, const char *stage, int t, int n_rows, int width,
                                  const double *values);

/* Ask for these, or with NULL no longer; state is the network's. For tests. */
void ref_aimnet2_set_trace(void *state, ref_aimnet2_trace trace, void *ctx);

/* ---------------------------------------------------------------------------- weights -- */

typedef struct ref_aimnet2_mlp {
    int n_linear;
    bool last_linear;           /* no GELU behind the last linear map */
    ref_dense linear[MLFF_AIMNET2_MAX_LINEAR];
} ref_aimnet2_mlp;

/* Vector combinations of n channels: A for the features, Q for the charges. */
typedef struct ref_aimnet2_combination {
    size_t n;
    double *agh;                /* [n][G][C] as in the file */
    double *agh_t;              /* [n][C][G] its transpose */
} ref_aimnet2_combination;

typedef struct ref_aimnet2_weights {
    double *afv;                /* [n_z][A G] */
    double *shifts;             /* [G] angstrom */
    ref_aimnet2_combination agh_a, agh_q;
    ref_aimnet2_mlp pass[MLFF_AIMNET2_PASSES], head;
} ref_aimnet2_weights;

/* ------------------------------------------------------------------------------- work -- */

/* What a pass keeps for the reverse pass. */
typedef struct ref_aimnet2_kept {
    int n_rows;                 /* centers of this pass: rows 0 ... n_rows-1 */
    double *a;                  /* [n_all][A][G] features at the start of the pass */
    double *q;                  /* [n_all][Q] e, charges at its start; not in pass 0 */
    double *v_a;                /* [n_rows][3][A][C] */
    double *v_q;                /* [n_rows][3][Q][C]; not in pass 0 */
    double *pre[MLFF_AIMNET2_MAX_LINEAR];  /* [n_rows][width] pre-activations */

    /* charge update; not in the last pass */
    double *w;                  /* [n_rows][Q] charge weights are f = w^2 */
    double *D, *F;              /* [n_regions][Q] e missing; sum of f, of all ranks */
} ref_aimnet2_kept;

typedef struct ref_aimnet2_work {
    int n_local, n_all;
    int n_regions;
    int n_pairs;                /* of the rows of pass 0 */

    /* pairs */
    double *d;                  /* [n_pairs] angstrom */
    double (*u)[3];             /* [n_pairs] unit vectors */
    double *gs, *dgs;           /* [n_pairs][G] Gaussians and their derivatives by d; dgs NULL:
                                   no reverse pass follows */

    /* passes */
    ref_aimnet2_kept pass[MLFF_AIMNET2_PASSES];
    double *head[MLFF_AIMNET2_MAX_LINEAR];  /* [n_local][width] pre-activations */
    double *sums;               /* [n_regions][2][Q] what ranks add up */

    /* reverse pass */
    double *grad_a;             /* [n_all][A][G] */
    double *grad_q;             /* [n_all][Q] eV/e */
    double *grad_gs;            /* [n_pairs][G] */
    double (*grad_u)[3];        /* [n_pairs] */
    double (*force)[3];         /* [n_all] eV/angstrom */
    double strain[9];           /* eV */

    /* short-lived */
    double *row_a, *row_b;      /* [max(n_rows)][widest layer] */
    double *q_wide;             /* [n_all][Q][G] charges as features that are equal for every g */
    double *grad_q_wide;        /* [n_all][Q][G] */
    double *o;                  /* [4][max(A, Q)][G] one atom's convolution: scalar, x, y, z */
    double *grad_o;             /* the same; also [4][G] behind it */
} ref_aimnet2_work;

/* A model ready for evaluation, with its scratch. */
typedef struct ref_aimnet2 {
    const mlff_aimnet2 *model;  /* borrowed */
    ref_aimnet2_weights weights;
    ref_arena arena;            /* arrays of work */
    ref_aimnet2_work work;
    const mlff_task *task;      /* of the evaluation in progress */
    ref_aimnet2_trace trace;
    void *trace_ctx;
} ref_aimnet2;

/* ----------------------------------------------------------------------------- stages -- */

/* ref_aimnet2_pairs.c */
void ref_aimnet2_pairs_forward(ref_aimnet2 *aimnet2, const mlff_graph *graph);
/* force and strain, overwritten, from grad_gs and grad_u */
void ref_aimnet2_pairs_backward(ref_aimnet2 *aimnet2, const mlff_graph *graph);

/* ref_aimnet2_conv.c */
/* x [n_rows][width[0]]: input of pass t, overwritten */
void ref_aimnet2_conv_forward(ref_aimnet2 *aimnet2, const mlff_graph *graph, int t, double *x);
/* grad_a, grad_q, grad_gs, grad_u, added to; in pass 0 grad_a and grad_q are left alone */
void ref_aimnet2_conv_backward(ref_aimnet2 *aimnet2, const mlff_graph *graph, int t,
                               const double *grad_x);

/* ref_aimnet2_mlp.c; x and the result live in row_a or row_b */
const double *ref_aimnet2_mlp_forward(ref_aimnet2 *aimnet2, const ref_aimnet2_mlp *mlp, int n_rows,
                                      const double *x, double *const *pre);
double *ref_aimnet2_mlp_backward(ref_aimnet2 *aimnet2, const ref_aimnet2_mlp *mlp, int n_rows,
                                 double *const *pre, double *grad_y);

/* ref_aimnet2_charge.c; exchange may lack its sum */
/* a and q of pass t + 1 from the output of pass t */
mlff_status ref_aimnet2_charge_forward(ref_aimnet2 *aimnet2, const mlff_graph *graph,
                                       const mlff_exchange *exchange, int t, const double *out,
                                       mlff_error *err);
/* grad_out [n_rows][width] of pass t from grad_a and grad_q, which become those of pass t */
mlff_status ref_aimnet2_charge_backward(ref_aimnet2 *aimnet2, const mlff_graph *graph,
                                        const mlff_exchange *exchange, int t, double *grad_out,
                                        mlff_error *err);

/* ref_aimnet2_head.c */
/* energy [n_local] eV, overwritten */
void ref_aimnet2_head_forward(ref_aimnet2 *aimnet2, const double *aim, double *energy);
/* gradient of the last pass' output [n_local][n_aim], in row_a or row_b */
double *ref_aimnet2_head_backward(ref_aimnet2 *aimnet2);

#endif
