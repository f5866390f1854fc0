/* A small AIMNet2 file in memory, with its D3 table; the numbers mean nothing. */
#ifndef MLFF_AIMNET2_BUILDER_H_
#define MLFF_AIMNET2_BUILDER_H_

#include "safetensors_builder.h"

/* A = 2 channels, G = 3 Gaussians, C = 2 combinations, 9 rows of elements, aim size 4 */
static const char aimnet2_small[] =
    "{\"architecture\": \"aimnet2\", \"variant\": \"test\", \"nfeature\": 2, \"nshifts\": 3, "
    "\"d2features\": true, \"ncomb_v\": 2, \"rc\": 5.0, \"rmin\": 0.8, \"eta\": 2.0, "
    "\"num_charge_channels\": 1, \"aim_size\": 4, \"mlp_hidden\": [[5], [5], [5, 3]], "
    "\"mlp_last_linear\": [true, false, false], \"activation\": \"gelu_erf\", "
    "\"energy_mlp_hidden\": [3], \"nse_epsilon\": 1e-06, "
    "\"sr_coulomb\": {\"rc\": 4.6, \"envelope\": \"exp\"}, "
    "\"d3\": {\"kind\": \"d3bj\", \"s6\": 1.0, \"s8\": 0.4, \"a1\": 0.5, \"a2\": 3.0, "
    "\"k1\": 16.0, \"k3\": -4.0, \"cutoff\": 15.0, \"smoothing_on\": 12.0}, "
    "\"elements\": [8, 1], \"hartree_eV\": 27.211386024367243, \"bohr_A\": 0.5291772105638411, "
    "\"energy_unit\": \"eV\", \"length_unit\": \"angstrom\", \"member\": 0}";

/* F32 of up to three dimensions; an extent of 0 ends the shape. Eighths, none 0. */
static inline void aimnet2_add(st_builder *b, const char *name, int n0, int n1, int n2) {
    const int64_t shape[] = {n0, n1, n2};
    const int n_dims = n0 == 0 ? 0 : n1 == 0 ? 1 : n2 == 0 ? 2 : 3;
    int n = 1;
    for (int k = 0; k < n_dims; k++)
        n *= (int) shape[k];
    float *value = calloc((size_t) n, sizeof *value);
    for (int k = 0; k < n; k++)
        value[k] = (float) ((k%7 + 1)/8.0*(k%2 ? -1 : 1));
    st_add(b, name, "F32", n_dims, shape, value);
    free(value);
}

static inline void aimnet2_add_scalar(st_builder *b, const char *name, double value) {
    const float narrow = (float) value;
    st_add(b, name, "F32", 0, NULL, &narrow);
}

/* prefix.0, prefix.2, ... of widths that end with 0 */
static inline void aimnet2_add_mlp(st_builder *b, const char *prefix, const int *width) {
    for (int k = 0; width[k + 1] > 0; k++) {
        char name[64];
        snprintf(name, sizeof name, "%s.%d.weight", prefix, 2*k);
        aimnet2_add(b, name, width[k + 1], width[k], 0);
        snprintf(name, sizeof name, "%s.%d.bias", prefix, 2*k);
        aimnet2_add(b, name, width[k + 1], 0, 0);
    }
}

/* d3.* of H and O; every reference in use. */
static inline void aimnet2_add_table(st_builder *b) {
    const int32_t numbers[] = {1, 8};
    const int64_t n[] = {2}, square[] = {2, 2, 5, 5};
    float value[100];
    for (int k = 0; k < 100; k++)
        value[k] = 2;
    st_add(b, "d3.numbers", "I32", 1, n, numbers);
    st_add(b, "d3.c6ref", "F32", 4, square, value);
    st_add(b, "d3.cnref", "F32", 4, square, value);
    st_add(b, "d3.rcov", "F32", 1, n, value);
    st_add(b, "d3.r4r2", "F32", 1, n, value);
}

/* The builder must be all zeros, or cleared. Inputs: A (2 G + C) = 16, then 6 more for charges. */
static inline void aimnet2_fill(st_builder *b) {
    const float shifts[] = {0.8f, 2.2f, 3.6f};
    const int64_t n_shifts[] = {3};
    st_metadata(b, "architecture", aimnet2_small);
    st_metadata(b, "license", "MIT");
    aimnet2_add(b, "afv.weight", 9, 6, 0);
    aimnet2_add(b, "atomic_shift.shifts.weight", 9, 1, 0);
    aimnet2_add(b, "conv_a.agh", 2, 3, 2);
    aimnet2_add(b, "conv_q.agh", 1, 3, 2);
    aimnet2_add_scalar(b, "aev.rc_s", 5);
    aimnet2_add_scalar(b, "aev.rc_v", 5);
    aimnet2_add_scalar(b, "aev.eta_s", 2);
    aimnet2_add_scalar(b, "aev.eta_v", 2);
    aimnet2_add_scalar(b, "srcoulomb.rc", 4.6);
    st_add(b, "aev.shifts_s", "F32", 1, n_shifts, shifts);
    st_add(b, "aev.shifts_v", "F32", 1, n_shifts, shifts);
    aimnet2_add_mlp(b, "mlps.0", (int[]) {16, 5, 8, 0});
    aimnet2_add_mlp(b, "mlps.1", (int[]) {22, 5, 8, 0});
    aimnet2_add_mlp(b, "mlps.2", (int[]) {22, 5, 3, 4, 0});
    aimnet2_add_mlp(b, "energy_mlp.mlp", (int[]) {4, 3, 1, 0});
    aimnet2_add_table(b);
}

#endif
