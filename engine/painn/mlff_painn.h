/*
 * PaiNN as a file describes it: hyper-parameters, switches and tensors, checked. Read by every
 * platform; docs/math/painn.md has the equations in these symbols.
 *
 * Schuett, Unke, Gastegger, ICML 2021 (arXiv 2102.03150); variants: SchNetPack 2, MLFF_Distiller.
 */
#ifndef MLFF_PAINN_H_
#define MLFF_PAINN_H_

#include "mlff_internal.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum mlff_painn_rbf { MLFF_PAINN_GAUSSIAN, MLFF_PAINN_BESSEL } mlff_painn_rbf;
typedef enum mlff_painn_cutoff { MLFF_PAINN_COSINE, MLFF_PAINN_POLY } mlff_painn_cutoff;
typedef enum mlff_painn_envelope {
    MLFF_PAINN_ENVELOPE_FILTER,  /* W = fc(d) net(phi(d)) */
    MLFF_PAINN_ENVELOPE_RBF      /* W = net(fc(d) phi(d)) */
} mlff_painn_envelope;
typedef enum mlff_painn_update {
    MLFF_PAINN_CHANNEL,  /* p = V v, q = U v, F x F */
    MLFF_PAINN_SPATIAL   /* p = v, q = M v, M 3 x 3 over x y z */
} mlff_painn_update;

enum { MLFF_PAINN_MAX_LAYERS = 64, MLFF_PAINN_MAX_READOUT = 16 };

/* Tensors of one layer; those that the switches leave out are NULL. W is row-major [out][in]. */
typedef struct mlff_painn_layer {
    const mlff_tensor *filter_w0, *filter_b0;  /* [3F][K],[3F]; two layers: [F][K],[F] */
    const mlff_tensor *filter_w1, *filter_b1;  /* two layers only: [3F][F],[3F] */
    const mlff_tensor *ctx_w0, *ctx_b0;        /* [F][F],[F]     context only */
    const mlff_tensor *ctx_w1, *ctx_b1;        /* [3F][F],[3F]   context only; blocks s, r, v */
    const mlff_tensor *mix_v, *mix_w;          /* [F][F]         channel: p = mix_v v, q = mix_w v */
    const mlff_tensor *mix_m;                  /* [3][3]         spatial */
    const mlff_tensor *upd_w0, *upd_b0;        /* [F][2F],[F]    columns 0..F-1 act on s, rest on n */
    const mlff_tensor *upd_w1, *upd_b1;        /* [3F][F],[3F]   ss, vv, sv; spatial: s, g1, g2 */
} mlff_painn_layer;

typedef struct mlff_painn {
    int n_features;        /* F */
    int n_layers;          /* L */
    int n_rbf;             /* K */
    int n_z;               /* rows of the embedding */
    double cutoff;         /* angstrom */

    mlff_painn_rbf rbf;
    mlff_painn_cutoff cutoff_fn;
    int poly_p;
    mlff_painn_envelope envelope;
    int filter_layers;     /* 1 or 2 */
    bool shared_filters, shared_interactions;
    bool context;
    mlff_painn_update update;
    double norm_eps;       /* n = sqrt(p.p + norm_eps); 0: derivative 0 where n = 0 */
    double dir_eps;        /* u = r / (d + dir_eps), angstrom */

    double energy_scale, energy_shift;  /* in the file's unit */
    double unit_to_ev;                  /* eV per energy unit of the file */

    const mlff_tensor *embedding;       /* [n_z][F] */
    const mlff_tensor *rbf_mu, *rbf_beta;  /* [K] angstrom, 1/angstrom^2; gaussian */
    const mlff_tensor *rbf_freq;        /* [K] 1/angstrom; bessel */
    const mlff_tensor *atomref;         /* [n_z] file's unit, or NULL */

    /* shared sets already resolved: layer[l] is complete for every l */
    mlff_painn_layer layer[MLFF_PAINN_MAX_LAYERS];

    int n_readout;                      /* linear layers of the readout */
    int readout_width[MLFF_PAINN_MAX_READOUT + 1];  /* F ... 1 */
    const mlff_tensor *readout_w[MLFF_PAINN_MAX_READOUT];  /* [out][in] */
    const mlff_tensor *readout_b[MLFF_PAINN_MAX_READOUT];  /* [out] */
} mlff_painn;

extern const mlff_architecture mlff_painn_architecture;

#ifdef __cplusplus
}
#endif
#endif
