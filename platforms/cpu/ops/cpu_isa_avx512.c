/* Compiled with -mavx512f. 32 registers: 12 x 2 sums, 2 weights, 1 input. */
#if defined(__x86_64__)
#define CPU_LANES 16
#define CPU_ROWS 12
#define CPU_TABLE cpu_kernels_avx512
#define CPU_NAME "AVX-512"
#include "cpu_kernels_body.h"
#include "cpu_painn_body.h"
#include "cpu_aimnet2_body.h"
#include "cpu_longrange_body.h"
#include "cpu_isa_table.h"
#endif
