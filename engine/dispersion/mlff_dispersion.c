#include "mlff_dispersion.h"
#include "mlff_model_private.h"

#include <stdlib.h>
#include <string.h>

enum { N_REF = MLFF_D3_REFERENCES*MLFF_D3_REFERENCES };

/* d3.numbers: ascending atomic numbers. */
static mlff_status read_numbers(mlff_model *model, const mlff_tensor *numbers,
                                mlff_dispersion_table *table, mlff_error *err) {
    if (numbers->dtype != MLFF_I32 || numbers->n_dims != 1 || numbers->n_values < 1 ||
        numbers->n_values > MLFF_D3_MAX_Z)
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: tensor 'd3.numbers' should hold the 1 ... %d "
                         "atomic numbers of the dispersion table as int32", model->name,
                         MLFF_D3_MAX_Z);
    model->tensor_used[numbers - model->file.tensors] = true;
    for (int z = 0; z <= MLFF_D3_MAX_Z; z++)
        table->row[z] = -1;
    table->n = (int) numbers->n_values;
    const int32_t *z = numbers->data;
    for (int k = 0; k < table->n; k++) {
        if (z[k] < 1 || z[k] > MLFF_D3_MAX_Z || (k > 0 && z[k] <= z[k-1]))
            return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: tensor 'd3.numbers' has %d at %d: "
                             "expected ascending atomic numbers", model->name, (int) z[k], k);
        table->row[z[k]] = k;
    }
    return MLFF_OK;
}

static mlff_status read_values(mlff_model *model, const char *name, int n_dims, int n,
                               double **out, mlff_error *err) {
    const int64_t shape[4] = {n, n, MLFF_D3_REFERENCES, MLFF_D3_REFERENCES};
    const mlff_tensor *tensor;
    MLFF_TRY(mlff_model_require(model, name, n_dims, shape, &tensor, err));
    void *values = NULL;
    MLFF_TRY(mlff_resize(&values, (size_t) tensor->n_values, sizeof(double), name, err));
    *out = values;
    mlff_tensor_to_double(tensor, values);
    return MLFF_OK;
}

/* Every pair of the model's elements needs a coefficient: else C6 would be 0/0. */
static mlff_status check_elements(const mlff_model *model, const mlff_dispersion_table *table,
                                  mlff_error *err) {
    const int n = model->info.n_elements;
    const int *z = model->info.elements;
    for (int a = 0; a < n; a++) {
        const int ra = table->row[z[a]];
        if (ra < 0 || !(table->rcov[ra] > 0) || !(table->r4r2[ra] > 0))
            return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: its dispersion table has no data of %s",
                             model->name, mlff_element_symbol(z[a]));
        for (int b = 0; b < n; b++) {
            const int rb = table->row[z[b]];
            bool any = false;
            for (int p = 0; p < N_REF && rb >= 0; p++)
                any |= table->c6ref[((size_t) ra*(size_t) table->n + (size_t) rb)*N_REF + p] != 0;
            if (!any)
                return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: its dispersion table has no "
                                 "coefficient of %s with %s", model->name,
                                 mlff_element_symbol(z[a]), mlff_element_symbol(z[b]));
        }
    }
    return MLFF_OK;
}

static mlff_status read_table(mlff_model *model, const mlff_tensor *numbers,
                              mlff_dispersion_table *table, mlff_error *err) {
    MLFF_TRY(read_numbers(model, numbers, table, err));
    MLFF_TRY(read_values(model, "d3.c6ref", 4, table->n, &table->c6ref, err));
    MLFF_TRY(read_values(model, "d3.cnref", 4, table->n, &table->cnref, err));
    MLFF_TRY(read_values(model, "d3.rcov", 1, table->n, &table->rcov, err));
    MLFF_TRY(read_values(model, "d3.r4r2", 1, table->n, &table->r4r2, err));
    return check_elements(model, table, err);
}

mlff_status mlff_dispersion_table_new(mlff_model *model, mlff_dispersion_table **out,
                                      mlff_error *err) {
    *out = NULL;
    const mlff_tensor *numbers = mlff_model_tensor(model, "d3.numbers");
    if (!numbers)
        return MLFF_OK;
    mlff_dispersion_table *table = calloc(1, sizeof *table);
    if (!table)
        return mlff_fail(err, MLFF_ERROR_MEMORY, "%s: no memory for the dispersion table",
                         model->name);
    const mlff_status status = read_table(model, numbers, table, err);
    if (status != MLFF_OK) {
        mlff_dispersion_table_free(table);
        return status;
    }
    *out = table;
    return MLFF_OK;
}

void mlff_dispersion_table_free(mlff_dispersion_table *table) {
    if (!table)
        return;
    free(table->c6ref);
    free(table->cnref);
    free(table->rcov);
    free(table->r4r2);
    free(table);
}
