/* What the CPU platform offers: one line an architecture. */
#include "mlff_cpu.h"

#include "cpu_aimnet2.h"
#include "cpu_kernels.h"
#include "cpu_painn.h"

static const mlff_backend *const backends[] = {
    &cpu_painn_backend,
    &cpu_aimnet2_backend,
};

static const mlff_platform platform = {
    .name = "CPU",
    .n_backends = sizeof backends / sizeof *backends,
    .backends = backends,
};

const mlff_platform *mlff_cpu_platform(void) {
    return &platform;
}

const char *mlff_cpu_instruction_set(void) {
    return cpu_kernels_best()->name;
}
