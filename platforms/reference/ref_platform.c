/* What the reference platform offers: one line per architecture. */
#include "mlff_reference.h"
#include "ref_aimnet2.h"
#include "ref_painn.h"
#include "ref_terms.h"

static const mlff_network_type *const networks[] = {
    &ref_painn_network,
    &ref_aimnet2_network,
};

static const mlff_platform platform = {
    .name = "Reference",
    .n_networks = sizeof networks/sizeof networks[0],
    .networks = networks,
    .longrange = &ref_longrange,
};

const mlff_platform *mlff_reference_platform(void) {
    return &platform;
}
