/*
 * Inside of a model: what the architectures' describe() functions read and fill. Platforms do not
 * need it: they read the description.
 */
#ifndef MLFF_MODEL_PRIVATE_H_
#define MLFF_MODEL_PRIVATE_H_

#include "mlff_elements.h"
#include "mlff_internal.h"
#include "mlff_json.h"
#include "mlff_safetensors.h"

#include <stdatomic.h>

struct mlff_model {
    atomic_int n_owners;       /* mlff_model_retain(), mlff_model_free() */
    char *name;                /* file name for messages, shortened if very long */
    unsigned char *bytes;      /* the file's content, info.n_bytes */
    mlff_safetensors file;     /* tensors (borrow from bytes) and metadata */
    bool *tensor_used;         /* [file.n_tensors] set by mlff_model_require() */

    /*
     * Filled before describe(): n_bytes, sha256, architecture, display_name; licence, source,
     * citation, scope, charge, multiplicity from the metadata of these names ("" where absent),
     * trained_atoms (0, 0 where absent).
     * describe() fills: format, energy_unit, cutoff, n_layers, n_parameters, has_charges, has_spin,
     * rotation_invariant, and the elements by mlff_model_set_elements() or
     * mlff_model_parse_elements().
     * Strings are static or live in the model (metadata).
     */
    mlff_model_info info;
    int element[MLFF_N_ELEMENTS];            /* storage of info.elements */
    bool knows_element[MLFF_N_ELEMENTS + 1]; /* by atomic number */

    const mlff_architecture *architecture;
    void *description;         /* of describe(), freed by the architecture */

    bool wants_dispersion_table;  /* set by describe(): the energy needs D3, the file has no d3.* */
};

/* A text of the file's __metadata__; NULL if absent. */
const char *mlff_model_metadata(const mlff_model *model, const char *key);

/*
 * The tensor of this name, which must be F32 or F64 and have this shape; marks it as used.
 *
 *   shape    [n_dims]; -1 stands for any extent
 *
 * Returns MLFF_OK or MLFF_ERROR_FORMAT: missing, wrong shape, wrong dtype.
 */
mlff_status mlff_model_require(mlff_model *model, const char *name, int n_dims,
                               const int64_t *shape, const mlff_tensor **out, mlff_error *err);

/* MLFF_ERROR_FORMAT naming the first tensor that no mlff_model_require() asked for. */
mlff_status mlff_model_check_all_used(const mlff_model *model, mlff_error *err);

/* Set the elements, in any order; refuses an empty list, unknown numbers and repetitions. */
mlff_status mlff_model_set_elements(mlff_model *model, int n, const int *z, mlff_error *err);

/* The same from a text: "[1, 6, 7]", or "H C N" (spaces, commas) with a "(remark)" at its end. */
mlff_status mlff_model_parse_elements(mlff_model *model, const char *text, mlff_error *err);

#endif
