/* Small PaiNN files ("mlff-painn-1") in memory, for every switch; the numbers mean nothing. */
#ifndef MLFF_PAINN_BUILDER_H_
#define MLFF_PAINN_BUILDER_H_

#include "safetensors_builder.h"

#include <stdbool.h>

typedef struct painn_spec {
    int F, L, K, n_z;
    bool bessel, poly, envelope_rbf, two_filter_layers, shared_filters, shared_interactions;
    bool no_context, spatial, atomref;
    const char *energy_unit;
    int n_widths, width[8];  /* readout */
} painn_spec;

static const painn_spec painn_small = {
    .F = 2, .L = 2, .K = 3, .n_z = 9, .energy_unit = "eV", .n_widths = 3, .width = {2, 2, 1}};

/* F32, or F64 for rbf.*; n_in = 0: a vector. Values are eighths, no two neighbors alike, none 0. */
static inline void painn_add(st_builder *b, const char *prefix, const char *name, int n_out,
                             int n_in) {
    char full[64];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    const int64_t shape[] = {n_out, n_in};
    const int n = n_out*(n_in > 0 ? n_in : 1);
    const bool wide = strncmp(full, "rbf.", 4) == 0;
    float *narrow_value = calloc((size_t) n, sizeof(float));
    double *wide_value = calloc((size_t) n, sizeof(double));
    for (int k = 0; k < n; k++) {
        wide_value[k] = (k%7 + 1)/8.0*(k%2 ? -1 : 1);
        narrow_value[k] = (float) wide_value[k];
    }
    st_add(b, full, wide ? "F64" : "F32", n_in > 0 ? 2 : 1, shape,
           wide ? (const void *) wide_value : narrow_value);
    free(narrow_value);
    free(wide_value);
}

static inline void painn_add_layer(st_builder *b, const painn_spec *s, int l) {
    const int F = s->F;
    char prefix[32];
    snprintf(prefix, sizeof prefix, "layer.%d.", l);
    if (l == 0 || !s->shared_filters) {
        const int n_first = s->two_filter_layers ? F : 3*F;
        painn_add(b, prefix, "filter.w0", n_first, s->K);
        painn_add(b, prefix, "filter.b0", n_first, 0);
        if (s->two_filter_layers) {
            painn_add(b, prefix, "filter.w1", 3*F, F);
            painn_add(b, prefix, "filter.b1", 3*F, 0);
        }
    }
    if (l > 0 && s->shared_interactions)
        return;
    if (!s->no_context) {
        painn_add(b, prefix, "ctx.w0", F, F);
        painn_add(b, prefix, "ctx.b0", F, 0);
        painn_add(b, prefix, "ctx.w1", 3*F, F);
        painn_add(b, prefix, "ctx.b1", 3*F, 0);
    }
    if (s->spatial) {
        painn_add(b, prefix, "mix.m", 3, 3);
    } else {
        painn_add(b, prefix, "mix.v", F, F);
        painn_add(b, prefix, "mix.w", F, F);
    }
    painn_add(b, prefix, "upd.w0", F, 2*F);
    painn_add(b, prefix, "upd.b0", F, 0);
    painn_add(b, prefix, "upd.w1", 3*F, F);
    painn_add(b, prefix, "upd.b1", 3*F, 0);
}

static inline void painn_add_config(st_builder *b, const painn_spec *s) {
    char readout[100] = "", config[ST_TEXT];
    for (int k = 0; k < s->n_widths; k++)
        sprintf(readout + strlen(readout), "%s%d", k ? ", " : "", s->width[k]);
    snprintf(config, sizeof config,
             "{\"format\": \"mlff-painn-1\", \"n_features\": %d, \"n_layers\": %d, \"n_rbf\": %d, "
             "\"cutoff\": 5.0, \"n_z\": %d, \"rbf\": \"%s\", \"cutoff_fn\": \"%s\", \"poly_p\": 6, "
             "\"envelope_on\": \"%s\", \"filter_layers\": %d, \"shared_filters\": %s, "
             "\"shared_interactions\": %s, \"context\": %s, \"update\": \"%s\", "
             "\"norm_eps\": 1e-08, \"dir_eps\": 0.001, \"readout\": [%s], "
             "\"energy_shift\": -10.25, \"energy_scale\": 1.5, \"energy_unit\": \"%s\", "
             "\"length_unit\": \"angstrom\", \"has_atomref\": %s}",
             s->F, s->L, s->K, s->n_z, s->bessel ? "bessel" : "gaussian",
             s->poly ? "poly" : "cosine", s->envelope_rbf ? "rbf" : "filter",
             s->two_filter_layers ? 2 : 1, s->shared_filters ? "true" : "false",
             s->shared_interactions ? "true" : "false", s->no_context ? "false" : "true",
             s->spatial ? "spatial" : "channel", readout, s->energy_unit,
             s->atomref ? "true" : "false");
    st_metadata(b, "config", config);
    st_metadata(b, "elements", "[1, 6, 8]");
    st_metadata(b, "licence", "MIT");
    st_metadata(b, "source", "a test");
}

/* The builder must be all zeros, or cleared. */
static inline void painn_fill(st_builder *b, const painn_spec *s) {
    painn_add_config(b, s);
    painn_add(b, "", "embedding", s->n_z, s->F);
    if (s->bessel) {
        painn_add(b, "", "rbf.freq", s->K, 0);
    } else {
        painn_add(b, "", "rbf.beta", s->K, 0);
        painn_add(b, "", "rbf.mu", s->K, 0);
    }
    for (int l = 0; l < s->L; l++)
        painn_add_layer(b, s, l);
    for (int k = 0; k + 1 < s->n_widths; k++) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "readout.%d.", k);
        painn_add(b, prefix, "w", s->width[k + 1], s->width[k]);
        painn_add(b, prefix, "b", s->width[k + 1], 0);
    }
    if (s->atomref)
        painn_add(b, "", "atomref", s->n_z, 0);
}

#endif
