#include "hard_models.h"
#include "painn_builder.h"

unsigned char *hard_model_build(const hard_filters *f, size_t *n) {
    static st_builder b;
    painn_spec spec = painn_small;
    spec.bessel = f->bessel;
    spec.two_filter_layers = f->two_layers;
    painn_fill(&b, &spec);
    char text[40];
    snprintf(text, sizeof text, "\"cutoff\": %.17g", f->cutoff);
    st_edit_metadata(&b, "config", "\"cutoff\": 5.0", text);
    memcpy(b.tensor[st_find(&b, f->bessel ? "rbf.freq" : "rbf.mu")].data, f->basis,
           sizeof f->basis);
    if (!f->bessel)
        memcpy(b.tensor[st_find(&b, "rbf.beta")].data, f->beta, sizeof f->beta);
    st_bytes bytes = st_build(&b);
    st_clear(&b);
    *n = bytes.n;
    if (check_failures > 0)
        st_bytes_free(&bytes);
    return bytes.data;
}
