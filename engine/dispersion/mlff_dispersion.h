/*
 * D3(BJ) dispersion: reference tables and damping parameters.
 *
 * Grimme, Antony, Ehrlich, Krieg, J. Chem. Phys. 132, 154104 (2010); Grimme, Ehrlich, Goerigk,
 * J. Comput. Chem. 32, 1456 (2011). Two-body terms only.
 */
#ifndef MLFF_DISPERSION_H_
#define MLFF_DISPERSION_H_

#include "mlff_internal.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { MLFF_D3_REFERENCES = 5, MLFF_D3_MAX_Z = 118 };

/* The file beside a model file that mlff_model_load() takes the reference table from. */
#define MLFF_D3_FILE "dftd3_reference_z94.safetensors"

/* Becke-Johnson damping of one density functional. */
typedef struct mlff_dispersion_damping {
    double s6, s8, a1;
    double a2;  /* bohr */
} mlff_dispersion_damping;

/*
 * Reference data of n elements, in atomic units, widened to double. c6ref == 0 marks an unused
 * entry. In entry (p, s) of pair (i, j), the reference coordination number of i is
 * cnref[i][j][p][s], that of j is cnref[j][i][s][p].
 */
typedef struct mlff_dispersion_table {
    int n;
    int row[MLFF_D3_MAX_Z + 1];  /* row of atomic number z, or -1 */
    double *c6ref;               /* [n][n][5][5] Hartree bohr^6 */
    double *cnref;               /* [n][n][5][5] reference CN of the first element */
    double *rcov;                /* [n] bohr, the factor 4/3 included */
    double *r4r2;                /* [n] sqrt(Z^(1/2) <r^4>/<r^2> / 2), atomic units */
} mlff_dispersion_table;

/*
 * The table a model file carries: d3.numbers [n] int32, ascending; d3.c6ref and d3.cnref
 * [n,n,5,5]; d3.rcov and d3.r4r2 [n]. For describe(): marks the tensors as used; call it after the
 * model's elements are set, each of which must be in the table.
 *
 *   out   NULL where the file has no d3.numbers, else free with mlff_dispersion_table_free()
 *
 * Returns MLFF_OK, MLFF_ERROR_FORMAT, MLFF_ERROR_MEMORY.
 */
MLFF_API mlff_status mlff_dispersion_table_new(mlff_model *model, mlff_dispersion_table **out,
                                               mlff_error *err);

MLFF_API void mlff_dispersion_table_free(mlff_dispersion_table *table);  /* NULL is fine */

/*
 * A new model file: the model's content and, as d3.* tensors, the rows of its elements from the
 * content of a table file (c6ref and cnref [n_z,n_z,5,5], rcov and r4r2 [n_z], row = atomic
 * number). The other tensors and the metadata keep their bytes.
 *
 *   table_name   stands for the table file in messages
 *   bytes        out, from malloc: the caller frees it
 *
 * Returns MLFF_OK, MLFF_ERROR_FORMAT (a broken table, or none of one of the elements),
 * MLFF_ERROR_ARGUMENT (the model has a table already), MLFF_ERROR_MEMORY.
 */
MLFF_API mlff_status mlff_dispersion_embed(const mlff_model *model, const void *table,
                                           size_t n_table_bytes, const char *table_name,
                                           unsigned char **bytes, size_t *n_bytes,
                                           mlff_error *err);

/*
 * The model file's content with further tensors at its end.
 *
 *   bytes     [n_bytes] a valid safetensors file
 *   tensors   [n_tensors] names must be new and need no escapes in JSON
 *   out       from malloc: the caller frees it
 */
MLFF_API mlff_status mlff_safetensors_append(const unsigned char *bytes, size_t n_bytes,
                                             const mlff_tensor *tensors, int n_tensors,
                                             unsigned char **out, size_t *n_out, mlff_error *err);

#ifdef __cplusplus
}
#endif
#endif
