/*
 * Coulomb and dispersion beyond the network: what a model file asks for, what the settings choose,
 * and the parameters that follow. Every platform reads the resolved values; none decides anew.
 *
 * Total energy of a model with charges q:
 *   E = E_network + E_elements + E_short + E_full + E_dispersion
 *   E_short  what the network's Coulomb holds inside the short-range radius, taken out
 *   E_full   Coulomb by the chosen method
 */
#ifndef MLFF_LONGRANGE_H_
#define MLFF_LONGRANGE_H_

#include "mlff_dispersion.h"
#include "mlff_internal.h"

#ifdef __cplusplus
extern "C" {
#endif

/* CODATA 2014 values as the published models use them. */
#define MLFF_HARTREE 27.211386024367243  /* eV */
#define MLFF_BOHR 0.5291772105638411     /* angstrom */

typedef enum mlff_envelope {
    MLFF_ENVELOPE_EXP = 0,    /* h(d) = exp(1 - 1/(1 - (d/rc)^2)) */
    MLFF_ENVELOPE_COSINE = 1  /* h(d) = (cos(pi d/rc) + 1)/2 */
} mlff_envelope;

/*
 * What a model file asks for; a member of the architecture's description, which fills it. All
 * zeros: a model without charges and dispersion.
 */
typedef struct mlff_longrange_model {
    bool coulomb;                        /* the energy needs a Coulomb sum over the charges */
    double coulomb_constant;             /* eV angstrom/e^2: MLFF_HARTREE*MLFF_BOHR; kh is half */
    double short_range_radius;           /* angstrom, at most the message cutoff; 0: no E_short */
    mlff_envelope short_range_envelope;
    bool dispersion;                     /* the energy needs D3(BJ) */
    mlff_dispersion_damping damping;     /* s6, s8, a1, a2 */
    double dispersion_cutoff;            /* angstrom; 15 */
    const mlff_dispersion_table *table;  /* borrowed from the description; NULL: not in the file */
} mlff_longrange_model;

/* The choices of one evaluation, complete: no defaults left. */
typedef struct mlff_longrange {
    mlff_longrange_model model;
    bool periodic;
    mlff_coulomb coulomb;        /* never MLFF_COULOMB_DEFAULT */
    double dsf_cutoff;           /* angstrom   DSF only */
    double dsf_alpha;            /* 1/angstrom DSF only */
    double ewald_tolerance;      /* Ewald and PME only */
    bool dispersion;
    double dispersion_cutoff;    /* angstrom */
    double dispersion_on;        /* angstrom; the switch goes from 1 here to 0 at the cutoff */
    double dispersion_list;      /* angstrom; pairs that count in coordination numbers; INFINITY:
                                    all */
} mlff_longrange;

/* What a model asks for, whatever its architecture; all zeros for one without charges. Borrowed. */
MLFF_API const mlff_longrange_model *mlff_model_longrange(const mlff_model *model);

/*
 * Apply the published rule. Default Coulomb: Simple for open systems (what AIMNet2 was trained
 * with), DSF in a cell (alpha 0.2/A, cutoff 15 A). Ewald and PME (tolerance 1e-6) need a cell,
 * Simple needs none. None leaves E_full out and keeps E_short, which is part of the model. D3:
 * cutoff 15 A, switched off from 0.8 cutoff; coordination numbers from all pairs with Simple, else
 * from pairs within the cutoff.
 *
 *   settings   as mlff_evaluator_new() lets them pass; NULL: defaults
 *   periodic   the graph has a cell
 *   out        overwritten; borrows model->table
 *
 * Returns MLFF_OK, MLFF_ERROR_ARGUMENT (a value out of range, or one that cannot take effect),
 * MLFF_ERROR_BOX (a method that does not go with the boundary), MLFF_ERROR_UNSUPPORTED (dispersion
 * wanted from a model that has none, or whose file has no reference table).
 */
MLFF_API mlff_status mlff_longrange_resolve(const mlff_longrange_model *model,
                                            const mlff_settings *settings, bool periodic,
                                            mlff_longrange *out, mlff_error *err);

/* The checks of mlff_longrange_resolve() that need no boundary: for create(). */
MLFF_API mlff_status mlff_longrange_check(const mlff_longrange_model *model,
                                          const mlff_settings *settings, mlff_error *err);

/*
 * What the chosen terms need of a graph and its host.
 *
 *   exchange   NULL: one process
 *
 * Returns MLFF_OK or MLFF_ERROR_ARGUMENT: a boundary that is not lr's, pairs, positions or callbacks
 * that are missing.
 */
MLFF_API mlff_status mlff_longrange_check_graph(const mlff_longrange *lr, const mlff_graph *graph,
                                                const mlff_exchange *exchange, bool want_force,
                                                mlff_error *err);

/* Whether the method is Ewald or PME. */
MLFF_API bool mlff_longrange_is_ewald(const mlff_longrange *lr);

/* Largest range of DSF, Simple and dispersion, angstrom: INFINITY all pairs, 0 no list. Ewald's
   real-space range comes on top: mlff_ewald_choose(). */
MLFF_API double mlff_longrange_range(const mlff_longrange *lr);

/* "Simple" and so on, a static string. */
MLFF_API const char *mlff_coulomb_name(mlff_coulomb coulomb);

/* ------------------------------------------------------------------------- Ewald -- */

/* Splitting of one region's Ewald sum. */
typedef struct mlff_ewald {
    double volume;  /* angstrom^3 */
    double alpha;   /* 1/angstrom; screening: erfc(alpha d)/d */
    double r_cut;   /* angstrom; real-space range */
    double k_cut;   /* 1/angstrom; reciprocal range */
} mlff_ewald;

/*
 * Balance both sums for n_atoms in a cell at accuracy t:
 *   L = (V^2/N)^(1/6)/sqrt(2 pi), alpha = 1/(sqrt(2) L), r_cut = sqrt(-2 ln t) L,
 *   k_cut = sqrt(-2 ln t)/L
 */
MLFF_API mlff_ewald mlff_ewald_choose(double tolerance, double n_atoms, const double (*cell)[3]);

/* The splittings of a graph's regions. Start from all zeros, reuse it, free it once. */
typedef struct mlff_ewald_list {
    mlff_ewald *region;  /* [n_regions]; alpha 0: a region without atoms */
    double *n_atoms;     /* [n_regions] of all ranks */
    int room;
} mlff_ewald_list;

/*
 * Choose the splitting of every region from its number of atoms on all ranks.
 *
 *   graph   n_local, regions and cell are read; the cell must be there
 *   range   out, angstrom: the largest real-space range; may be NULL
 *
 * Returns MLFF_OK, MLFF_ERROR_BOX (a cell without volume), MLFF_ERROR_ARGUMENT (the exchange stopped
 * the evaluation), MLFF_ERROR_MEMORY.
 */
MLFF_API mlff_status mlff_ewald_list_choose(mlff_ewald_list *list, double tolerance,
                                            const mlff_graph *graph, const mlff_exchange *exchange,
                                            double *range, mlff_error *err);

MLFF_API void mlff_ewald_list_free(mlff_ewald_list *list);  /* leaves all zeros */

/*
 * The wave vectors of an Ewald sum: the smallest box of integer multiples -largest ... largest of
 * the reciprocal vectors that holds the sphere k_cut. The published code's choice; its corners cost
 * little and make the sum tighter. Returns MLFF_OK, or MLFF_ERROR_BOX for more than 2^26 of them.
 */
MLFF_API mlff_status mlff_ewald_waves(const mlff_ewald *ewald, const double (*cell)[3],
                                      int largest[3], mlff_error *err);

/* Mesh of order-5 PME: at least 2 alpha L/(3 t^(1/5)) per axis, no prime factor above 7. */
MLFF_API void mlff_pme_mesh(double tolerance, double alpha, const double (*cell)[3], int mesh[3]);

/* MLFF_ERROR_ARGUMENT for a mesh of more than 2^26 points, 1 GiB in double precision. */
MLFF_API mlff_status mlff_pme_check_mesh(double tolerance, const int mesh[3], mlff_error *err);

/* Rows b of the reciprocal cell without 2 pi: a_i . b_j = delta_ij. Returns the volume. */
MLFF_API double mlff_cell_reciprocal(const double (*cell)[3], double reciprocal[3][3]);

#ifdef __cplusplus
}
#endif
#endif
