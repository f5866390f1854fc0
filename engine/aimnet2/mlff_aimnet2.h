/*
 * AIMNet2 as a file describes it: hyper-parameters and tensors, checked. Read by every platform;
 * docs/math/aimnet2.md has the equations in these symbols.
 *
 * Anstine, Zubatyuk, Isayev, Chem. Sci. 2025, doi:10.1039/D4SC08572H.
 */
#ifndef MLFF_AIMNET2_H_
#define MLFF_AIMNET2_H_

#include "mlff_internal.h"
#include "mlff_longrange.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    MLFF_AIMNET2_PASSES = 3,
    MLFF_AIMNET2_UPDATES = MLFF_AIMNET2_PASSES - 1,  /* all but the last pass change a and q */
    MLFF_AIMNET2_MAX_LINEAR = 8,                     /* linear maps of one MLP */
    MLFF_AIMNET2_MAX_CHARGES = 2
};

/* Linear maps with GELU (the exact erf form) between them; W is row-major [out][in]. */
typedef struct mlff_aimnet2_mlp {
    int n_linear;
    int width[MLFF_AIMNET2_MAX_LINEAR + 1];           /* input ... output */
    const mlff_tensor *w[MLFF_AIMNET2_MAX_LINEAR];    /* [width[k+1]][width[k]] */
    const mlff_tensor *b[MLFF_AIMNET2_MAX_LINEAR];    /* [width[k+1]] */
    bool last_linear;                                 /* false: GELU behind the last map too */
} mlff_aimnet2_mlp;

typedef struct mlff_aimnet2 {
    int n_features;        /* A: feature channels */
    int n_radial;          /* G: radial Gaussians; an atom carries a [A][G] */
    int n_combinations;    /* C: vector combinations */
    int n_charges;         /* Q: charge channels; 1, or 2 (alpha, beta) for open shells */
    int n_aim;             /* width of the last pass' output */
    int n_z;               /* rows of afv and atomic_shift */
    double cutoff;         /* angstrom */
    double eta;            /* 1/angstrom^2 */
    double charge_epsilon; /* added to the sum of charge weights */
    bool charged;          /* false: made for neutral molecules only */

    const mlff_tensor *afv;           /* [n_z][A G] a before pass 0 */
    const mlff_tensor *shifts;        /* [G] angstrom: centers of the Gaussians */
    const mlff_tensor *agh_a;         /* [A][G][C] vector combinations of the features */
    const mlff_tensor *agh_q;         /* [Q][G][C] of the charges */
    const mlff_tensor *atomic_shift;  /* [n_z][1] eV */

    /*
     * Input of pass 0: [a (A G) | S (A G) | V (A C)];
     * later passes:    the same, then [q (Q) | S of q (Q G) | V of q (Q C)].
     * Output of passes 0 and 1: [charge (Q) | weight (Q) | increment of a (A G)]; of pass 2: n_aim.
     */
    mlff_aimnet2_mlp pass[MLFF_AIMNET2_PASSES];
    mlff_aimnet2_mlp head;            /* n_aim ... 1, eV */

    mlff_longrange_model longrange;   /* its table is longrange_table */
    mlff_dispersion_table *longrange_table;  /* owned; NULL where the file has none */
} mlff_aimnet2;

extern const mlff_architecture mlff_aimnet2_architecture;

/*
 * What mlff_evaluate() cannot know about regions: a total charge for a model of neutral molecules.
 *
 * Returns MLFF_OK or MLFF_ERROR_CHARGE.
 */
MLFF_API mlff_status mlff_aimnet2_check_graph(const mlff_aimnet2 *aimnet2, const mlff_graph *graph,
                                              mlff_error *err);

#ifdef __cplusplus
}
#endif
#endif
