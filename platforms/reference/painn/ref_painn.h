/*
 * PaiNN in double precision, stage by stage; docs/math/painn.md has the equations in these symbols.
 *
 *   geometry    edge vectors          -> d, u, one pair of each two opposite edges
 *   filter      d of a pair           -> W, one set a layer
 *   embed       species               -> s
 *   message     s_j, v_j, W, u        -> s_i, v_i
 *   update      s_i, v_i              -> s_i, v_i
 *   readout     s_i                   -> energy of atom i
 *
 * Sizes: F features, K radial functions, L layers. Vector features are [atom][3][F].
 * grad_x is dE/dx in eV per unit of x. An edge i <- j has i as receiver and j as sender.
 */
#ifndef REF_PAINN_H_
#define REF_PAINN_H_

#include "mlff_painn.h"
#include "mlff_platform.h"
#include "../ops/ref_ops.h"

extern const mlff_network_type ref_painn_network;

/* Called with the features of the n_rows computed rows: "msg" after a message, "upd" after an
   update. s [n_rows][F], v [n_rows][3][F]. */
typedef void (*ref_painn_trace)(void *ctx, const char *stage, int layer, int n_rows,
                                const double *s, const double *v);

/* Ask for the features of every layer, or with NULL no longer; state is the network's. For
   tests. */
void ref_painn_set_trace(void *state, ref_painn_trace trace, void *ctx);

/* ---------------------------------------------------------------------------- weights -- */

typedef struct ref_painn_filter_net {
    ref_dense w0, w1;           /* K -> 3F, or K -> F -> 3F */
} ref_painn_filter_net;

typedef struct ref_painn_block {
    ref_dense ctx_w0, ctx_w1;   /* F -> F -> 3F */
    ref_dense mix_v, mix_w;     /* F -> F; channel */
    double mix_m[3][3];         /* spatial */
    ref_dense upd_w0, upd_w1;   /* 2F -> F -> 3F */
} ref_painn_block;

typedef struct ref_painn_weights {
    double *embedding;                            /* [n_z][F] */
    double *mu, *beta, *freq;                     /* [K] gaussian; bessel */
    int n_filters, n_blocks;                      /* 1 where the layers share them, else L */
    ref_painn_filter_net filter[MLFF_PAINN_MAX_LAYERS];
    ref_painn_block block[MLFF_PAINN_MAX_LAYERS];
    ref_dense readout[MLFF_PAINN_MAX_READOUT];
} ref_painn_weights;

/* ------------------------------------------------------------------------------- work -- */

/* What a layer keeps for the reverse pass. */
typedef struct ref_painn_kept {
    int n_rows;                 /* receivers of this layer: rows 0 ... n_rows-1 */
    int n_sources;              /* rows whose state at the layer's start is known */
    int n_pairs;                /* pairs of the receivers' edges: 0 ... n_pairs-1 */

    double *g;                  /* [n_pairs][F]      filter: pre-activation; two-layer nets */
    double *W;                  /* [n_pairs][3][F]   filter, blocks s, r, v */
    double *hc;                 /* [n_sources][F]    context: pre-activation */
    double *x;                  /* [n_sources][3][F] message: sender's part, blocks s, r, v */
    double *v_mid;              /* [n_rows][3][F]    v after the message */
    double *p, *q;              /* [n_rows][3][F]    update; spatial: p is v_mid */
    double *c;                  /* [n_rows][2][F]    update: s and the norm n */
    double *h;                  /* [n_rows][F]       update: pre-activation */
    double *y;                  /* [n_rows][3][F]    update: blocks ss, vv, sv or s, g1, g2 */
    double *v_out;              /* [n_all][3][F]     v after the update */
} ref_painn_kept;

typedef struct ref_painn_work {
    int n_local, n_all;
    int n_edges;                /* of the rows of layer 0 */
    int n_pairs;

    /* geometry */
    double (*u)[3];             /* [n_edges] r / (d + dir_eps) */
    int *pair;                  /* [n_edges] its pair: edges i <- j and j <- i share one */
    int *pair_edge;             /* [n_pairs] the first edge of the pair */
    double *d;                  /* [n_pairs] angstrom */
    double *psi, *dpsi;         /* [n_pairs][K] input of the filter net and its derivative by d */
    double *fc, *dfc;           /* [n_pairs] cutoff function and its derivative */

    /* features */
    double *s;                  /* [n_all][F] */
    ref_painn_kept layer[MLFF_PAINN_MAX_LAYERS];
    double *readout[MLFF_PAINN_MAX_READOUT];  /* [n_local][width] pre-activations */

    /* reverse pass */
    double *grad_s;             /* [n_all][F] */
    double *grad_v;             /* [n_all][3][F] */
    double *grad_v_in;          /* [n_all][3][F] the next grad_v */
    double *grad_x;             /* [n_all][3][F] also grad of y */
    double *grad_p, *grad_q;    /* [n_all][3][F] */
    double *grad_W;             /* [n_pairs][3][F] */
    double *grad_d;             /* [n_pairs] eV/angstrom */
    double (*grad_u)[3];        /* [n_edges] */
    double (*force)[3];         /* [n_all] eV/angstrom */
    double strain[9];           /* eV */

    /* short-lived rows */
    double *pair_a, *pair_b;    /* [n_pairs][max(F, K)] */
    double *atom_a, *atom_b;    /* [n_all][max(2F, widths of the readout)] */
} ref_painn_work;

/* A model ready for evaluation, with its scratch. */
typedef struct ref_painn {
    const mlff_painn *model;    /* borrowed */
    ref_painn_weights weights;
    ref_arena pair_arena;       /* work.pair, work.pair_edge */
    ref_arena arena;            /* all other arrays of work */
    ref_painn_work work;
    const mlff_task *task;      /* of the evaluation in progress */
    ref_painn_trace trace;
    void *trace_ctx;
} ref_painn;

/* ----------------------------------------------------------------------------- stages -- */

/* ref_painn_geometry.c */

/* pair, pair_edge and n_pairs, also of every layer */
void ref_painn_geometry_pairs(ref_painn *painn, const mlff_graph *graph);
void ref_painn_geometry_forward(ref_painn *painn, const mlff_graph *graph);
/* force and strain [9] from grad_d and grad_u; both overwritten */
void ref_painn_geometry_backward(ref_painn *painn, const mlff_graph *graph, double *strain);

/* ref_painn_filter.c; layers that share a filter set compute it once */
void ref_painn_filter_forward(ref_painn *painn, int l);
void ref_painn_filter_backward(ref_painn *painn, int l);

/* ref_painn_embed.c; no backward: species do not depend on positions */
void ref_painn_embed_forward(ref_painn *painn, const int *species);

/* ref_painn_message.c */
void ref_painn_message_forward(ref_painn *painn, const mlff_graph *graph, int l);
void ref_painn_message_backward(ref_painn *painn, const mlff_graph *graph, int l);

/* ref_painn_update.c */
void ref_painn_update_forward(ref_painn *painn, int l);
void ref_painn_update_backward(ref_painn *painn, int l);

/* ref_painn_readout.c */
/* energy [n_local] eV, overwritten */
void ref_painn_readout_forward(ref_painn *painn, double *energy);
/* grad_s of all rows, overwritten */
void ref_painn_readout_backward(ref_painn *painn);

/* ---------------------------------------------------------------------------- helpers -- */

static inline const ref_painn_block *ref_painn_block_of(const ref_painn *painn, int l) {
    return &painn->weights.block[painn->model->shared_interactions ? 0 : l];
}

/* v at the start of layer l, [n_all][3][F]; NULL stands for zeros. */
static inline const double *ref_painn_v_in(const ref_painn *painn, int l) {
    return l > 0 ? painn->work.layer[l - 1].v_out : NULL;
}

#endif
