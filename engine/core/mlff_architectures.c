#include "mlff_aimnet2.h"
#include "mlff_internal.h"
#include "mlff_painn.h"

/* A new architecture is one line here. */
static const mlff_architecture *const architectures[] = {
    &mlff_painn_architecture,
    &mlff_aimnet2_architecture,
};

const mlff_architecture *const *mlff_architectures(int *n) {
    *n = (int) (sizeof architectures/sizeof architectures[0]);
    return architectures;
}
