/*
 * The engine: what all platforms agree on. Plain C11, no OpenMM, no CUDA.
 *
 *   model file -> mlff_model -> mlff_evaluator (one platform, one architecture) -> mlff_evaluate()
 *
 * Units everywhere in the engine: angstrom, eV, e (elementary charge). Hosts convert.
 *
 * Errors: a function that can fail returns an mlff_status and fills *err (which may be NULL) with
 * one sentence: what, where, found, expected, remedy. Nothing here prints, exits or keeps global
 * mutable state; any number of models and evaluators may live side by side.
 */
#ifndef MLFF_H_
#define MLFF_H_

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define MLFF_API
#else
#define MLFF_API __attribute__((visibility("default")))
#endif

/* ------------------------------------------------------------------------------ status -- */

typedef enum mlff_status {
    MLFF_OK = 0,
    MLFF_ERROR_ARGUMENT = 1,     /* a caller's value makes no sense */
    MLFF_ERROR_MEMORY = 2,       /* out of memory */
    MLFF_ERROR_FILE = 3,         /* cannot open or read a file */
    MLFF_ERROR_FORMAT = 4,       /* the model file is broken or contradicts itself */
    MLFF_ERROR_UNSUPPORTED = 5,  /* known but not available: a switch, an architecture, a platform */
    MLFF_ERROR_ELEMENT = 6,      /* an atom's element is not in the model */
    MLFF_ERROR_BOX = 7,          /* the periodic box is degenerate, or unusable here */
    MLFF_ERROR_CHARGE = 8,       /* a charge or multiplicity that the model cannot honour */
    MLFF_ERROR_NUMBER = 9,       /* a position, energy or force is not finite */
    MLFF_ERROR_OVERLAP = 10,     /* two atoms are closer than any model was made for */
    MLFF_ERROR_SPAN = 11         /* a bond, or a region without bonds, spans half the periodic box */
} mlff_status;

enum { MLFF_MESSAGE_SIZE = 1024 };

typedef struct mlff_error {
    mlff_status status;
    char message[MLFF_MESSAGE_SIZE];  /* one sentence, UTF-8, always terminated */
} mlff_error;

/* "MLFF_ERROR_ELEMENT" and so on; a static string. */
MLFF_API const char *mlff_status_name(mlff_status status);

/* ------------------------------------------------------------------------------- model -- */

/*
 * A checked model file; immutable, may be shared by threads, evaluators and Contexts. It lives as
 * long as anyone owns it: who loaded it, who called mlff_model_retain(), every evaluator of it.
 */
typedef struct mlff_model mlff_model;

/* All strings and arrays belong to the model; a missing text is "". */
typedef struct mlff_model_info {
    const char *architecture;  /* "painn" or "aimnet2" */
    const char *display_name;  /* "PaiNN" or "AIMNet2" */
    const char *format;        /* "mlff-painn-1", "aimnet2" */
    const char *licence, *source, *citation;
    const char *scope;         /* what the model was trained on, and what it was not: a text */
    const char *charge, *multiplicity;  /* of the systems it was trained on, as texts: "0", "1" */
    int trained_atoms[2];      /* fewest and most atoms of those systems; 0, 0 where not stated */
    const char *energy_unit;   /* unit of the file; the engine returns eV whatever it is */
    char sha256[65];           /* of the file's content, lower-case hex */
    size_t n_bytes;            /* size of the file's content */
    double cutoff;             /* angstrom: message range of one layer */
    int n_layers;              /* message layers: range of the network is n_layers * cutoff */
    long n_parameters;         /* trained numbers; radial basis and element constants not counted */
    int n_elements;
    const int *elements;       /* [n_elements] atomic numbers the model was made for, ascending */
    bool has_charges;          /* gives atomic charges and honours a total charge */
    bool has_spin;             /* honours a multiplicity (AIMNet2-NSE) */
    bool rotation_invariant;   /* the energy does not depend on the orientation */
    bool neutral_only;         /* has charges, but refuses a total charge other than 0 */
} mlff_model_info;

/*
 * Read and check a model file (docs/model-file.md). The file is read once and not kept open.
 * A model that needs D3 dispersion and holds no reference table takes the rows of its elements from
 * dftd3_reference_z94.safetensors in the same folder, where that exists; content and hash are then
 * those of one file with both. Without, dispersion must be switched off.
 *
 *   path        file name
 *   out         the model, owned by the caller; NULL on failure; give up with mlff_model_free()
 *
 * Returns MLFF_OK, MLFF_ERROR_FILE, MLFF_ERROR_FORMAT, MLFF_ERROR_UNSUPPORTED, MLFF_ERROR_MEMORY.
 */
MLFF_API mlff_status mlff_model_load(const char *path, mlff_model **out, mlff_error *err);

/* The same from memory; bytes are copied. name stands for the path in messages. */
MLFF_API mlff_status mlff_model_load_memory(const void *bytes, size_t n_bytes, const char *name,
                                            mlff_model **out, mlff_error *err);

/*
 * Become a further owner: the model lives until every owner has called mlff_model_free() once.
 * Whoever owns a model may do so on any thread. Returns model; NULL is fine.
 */
MLFF_API const mlff_model *mlff_model_retain(const mlff_model *model);

/* Give up ownership; the last owner's call frees the model and all it lent. NULL is fine. */
MLFF_API void mlff_model_free(const mlff_model *model);

MLFF_API const mlff_model_info *mlff_model_get_info(const mlff_model *model);

/* The file's content, byte for byte: what a saved System carries. Owned by the model. */
MLFF_API const void *mlff_model_get_bytes(const mlff_model *model, size_t *n_bytes);

/* MLFF_OK if the model knows atomic number z, else MLFF_ERROR_ELEMENT with the list it knows. */
MLFF_API mlff_status mlff_model_check_element(const mlff_model *model, int z, mlff_error *err);

/* "H" for 1 ... "Og" for 118; "?" outside. Static strings. */
MLFF_API const char *mlff_element_symbol(int z);

/* 1 for "H" ... 118 for "Og", 0 if unknown. Case-sensitive. */
MLFF_API int mlff_element_number(const char *symbol);

/* ------------------------------------------------------------------------------- graph -- */

/*
 * Directed pairs i <- j with r = x_j + image - x_i, row by row: the pairs of row i are
 * first[i] ... first[i+1]-1. Every pair stands in both directions, all images count, an atom is
 * never its own neighbor at image 0.
 */
typedef struct mlff_pairs {
    const int *first;          /* [n_all + 1]; rows that are not computed may be empty */
    const int *neighbor;       /* [n_pairs] j */
    const double (*rij)[3];    /* [n_pairs][3] angstrom, ghosts and images resolved */
} mlff_pairs;

/*
 * What one evaluation works on. Owned atoms come first, then ghosts (copies of atoms that another
 * piece of the system owns) by hops. OpenMM's hosts have no ghosts: n_all = n_local.
 */
typedef struct mlff_graph {
    int n_local, n_all;
    const int *species;             /* [n_all] atomic numbers, known to the model */
    int n_layers;                   /* length of n_row */
    const int *n_row;               /* [n_layers] rows to compute in each layer, not increasing,
                                       n_local ... n_all; NULL: n_local in every layer */
    mlff_pairs message;             /* pairs within the model's cutoff */
    mlff_pairs long_range;          /* pairs for Coulomb and dispersion; first = NULL: not wanted */

    int n_regions;                  /* molecules with their own charge sum; at least 1 */
    const int *region;              /* [n_all] region of each atom; NULL: all in region 0 */
    const double *total_charge;     /* [n_regions] e; NULL: all 0 */
    const double *multiplicity;     /* [n_regions] 2S+1; NULL: all 1 */

    const double (*position)[3];    /* [n_all][3] angstrom; only reciprocal sums read it; may be NULL */
    const double (*cell)[3];        /* [3][3] rows a b c; likewise; NULL: not periodic */

    bool refuse_overlaps;           /* MLFF_ERROR_OVERLAP for a message pair closer than a share of
                                       the sum of its covalent radii (mlff_overlap.h) */
} mlff_graph;

typedef enum mlff_real { MLFF_FLOAT64 = 0, MLFF_FLOAT32 = 1 } mlff_real;

/*
 * Callbacks of a distributed host; all NULL in one process. Each returns 0, or another number to
 * stop the evaluation.
 */
typedef struct mlff_exchange {
    void *ctx;
    /* array [n_all][width]: copy owned rows to their ghosts elsewhere, fill own ghost rows */
    int (*forward)(void *ctx, mlff_real type, void *array, int width);
    /* array [n_all][width]: add ghost rows to their owners, then set ghost rows to zero */
    int (*reverse)(void *ctx, mlff_real type, void *array, int width);
    /* values [n]: replace by the sums over all ranks */
    int (*sum)(void *ctx, double *values, int n);
} mlff_exchange;

/* -------------------------------------------------------------------------- evaluation -- */

typedef enum mlff_coulomb {
    MLFF_COULOMB_DEFAULT = 0,  /* the published rule of the model */
    MLFF_COULOMB_NONE = 1,
    MLFF_COULOMB_SIMPLE = 2,   /* all pairs, open systems */
    MLFF_COULOMB_DSF = 3,      /* damped shifted force */
    MLFF_COULOMB_EWALD = 4,
    MLFF_COULOMB_PME = 5
} mlff_coulomb;

/*
 * Threads lent by the host. run() calls body(arg, thread) once for each thread 0 ... n_threads-1,
 * all at the same time (they may wait for each other), and returns when all have returned.
 */
typedef struct mlff_parallel {
    void *ctx;
    int n_threads;
    void (*run)(void *ctx, void (*body)(void *arg, int thread), void *arg);
} mlff_parallel;

/* What can be chosen about an evaluation beyond the model; zeros mean the model's defaults. */
typedef struct mlff_settings {
    mlff_coulomb coulomb;
    double coulomb_cutoff;       /* angstrom; DSF */
    double coulomb_alpha;        /* 1/angstrom; DSF */
    double ewald_tolerance;      /* Ewald and PME */
    int dispersion;              /* 0 the model's default, 1 on, -1 off */
    double dispersion_cutoff;    /* angstrom */
    const mlff_parallel *parallel;  /* NULL: one thread. Results do not depend on it. An evaluator
                                       copies it, but not what ctx points to */
} mlff_settings;

typedef enum mlff_component {
    MLFF_NETWORK = 0,            /* the network's own sum */
    MLFF_ELEMENTS = 1,           /* constants per atom: shift and atomic reference energies */
    MLFF_COULOMB_SHORT = 2,      /* short-range part that is taken out of the network's Coulomb */
    MLFF_COULOMB_FULL = 3,
    MLFF_DISPERSION = 4,
    MLFF_N_COMPONENTS = 5
} mlff_component;

/* Arrays belong to the caller; NULL: not wanted. Forces cost the reverse pass. */
typedef struct mlff_result {
    double energy;                          /* eV, owned rows, sum of the components */
    double component[MLFF_N_COMPONENTS];    /* eV */
    double *atom_energy;                    /* [n_local] eV: network + constants of each atom */
    double (*force)[3];                     /* [n_all][3] eV/angstrom, ADDED to; ghosts included */
    double *strain;                         /* [9] eV: dE/d(strain), row-major, overwritten; needs
                                               force. Minus the virial. Not symmetric for models
                                               that are not rotation invariant */
    double *charge;                         /* [n_all] e; models with charges only */
} mlff_result;

typedef struct mlff_evaluator mlff_evaluator;

/* Code that evaluates: mlff_reference_platform(), mlff_cpu_platform(). */
typedef struct mlff_platform mlff_platform;

/*
 * Prepare a model for evaluation on a platform. One evaluator serves one thread at a time.
 *
 *   model       the evaluator becomes a further owner: the caller may free it at once
 *   settings    NULL: the model's defaults; copied. What parallel->ctx points to must live as long
 *               as the evaluator is asked, but not until it is freed
 *
 * Returns MLFF_OK, MLFF_ERROR_UNSUPPORTED ("PaiNN is not available on X", a term that the model lacks),
 * MLFF_ERROR_ARGUMENT (a setting out of range or without effect), MLFF_ERROR_MEMORY.
 */
MLFF_API mlff_status mlff_evaluator_new(const mlff_platform *platform, const mlff_model *model,
                                        const mlff_settings *settings, mlff_evaluator **out,
                                        mlff_error *err);

MLFF_API void mlff_evaluator_free(mlff_evaluator *evaluator);  /* NULL is fine */

/*
 * Ranges of the pair lists that a host must build before mlff_evaluate().
 *
 *   graph        as for mlff_evaluate(), but without its pairs: n_local, regions and cell are read
 *                (Ewald's real-space range depends on the number of atoms and the volume)
 *   exchange     as for mlff_evaluate(); may be NULL
 *   message      out, angstrom: the model's cutoff
 *   long_range   out, angstrom: 0 no list is wanted, INFINITY all pairs
 *
 * Returns MLFF_OK or the status of settings that do not go with the graph's boundary.
 */
MLFF_API mlff_status mlff_evaluator_pair_cutoffs(mlff_evaluator *evaluator, const mlff_graph *graph,
                                                 const mlff_exchange *exchange, double *message,
                                                 double *long_range, mlff_error *err);

/*
 * Energy, forces, charges of one graph. exchange may be NULL.
 *
 * Returns MLFF_OK, MLFF_ERROR_ARGUMENT (a graph that contradicts itself, an array the model cannot
 * fill), MLFF_ERROR_BOX (a cell without volume), MLFF_ERROR_ELEMENT, MLFF_ERROR_NUMBER (not finite:
 * names the atom), MLFF_ERROR_OVERLAP (on request: names both atoms), MLFF_ERROR_MEMORY.
 * After an error the outputs have no meaning; the evaluator stays usable.
 */
MLFF_API mlff_status mlff_evaluate(mlff_evaluator *evaluator, const mlff_graph *graph,
                                   const mlff_exchange *exchange, mlff_result *result,
                                   mlff_error *err);

#ifdef __cplusplus
}
#endif
#endif
