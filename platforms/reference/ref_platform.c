/* The architectures of the reference platform: one line each. */
#include "mlff_reference.h"
#include "ref_aimnet2.h"
#include "ref_painn.h"

static const mlff_backend *const backends[] = {
    &ref_painn_backend,
    &ref_aimnet2_backend,
};

static const mlff_platform platform = {
    .name = "Reference",
    .n_backends = sizeof backends/sizeof backends[0],
    .backends = backends,
};

const mlff_platform *mlff_reference_platform(void) {
    return &platform;
}
