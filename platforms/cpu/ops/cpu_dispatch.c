#include "cpu_kernels.h"

int cpu_kernels_available(const cpu_kernels *list[4]) {
    int n = 0;
    list[n++] = &cpu_kernels_baseline;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        list[n++] = &cpu_kernels_avx2;
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
            list[n++] = &cpu_kernels_avx512;
    }
#endif
    return n;
}

const cpu_kernels *cpu_kernels_best(void) {
    const cpu_kernels *list[4];
    return list[cpu_kernels_available(list) - 1];
}
