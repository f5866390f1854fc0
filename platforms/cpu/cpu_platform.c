/* What the CPU platform offers: one line per architecture. */
#include "mlff_cpu.h"

#include "cpu_aimnet2.h"
#include "cpu_kernels.h"
#include "cpu_longrange.h"
#include "cpu_painn.h"

static const mlff_network_type *const networks[] = {
    &cpu_painn_network,
    &cpu_aimnet2_network,
};

static const mlff_platform platform = {
    .name = "CPU",
    .n_networks = sizeof networks / sizeof *networks,
    .networks = networks,
    .longrange = &cpu_longrange_type,
};

const mlff_platform *mlff_cpu_platform(void) {
    return &platform;
}

const char *mlff_cpu_instruction_set(void) {
    return cpu_kernels_best()->name;
}
