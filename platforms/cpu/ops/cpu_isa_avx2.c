/* Compiled with -mavx2 -mfma. 16 registers: 6 x 2 sums, 2 weights, 1 input. */
#if defined(__x86_64__)
#define CPU_LANES 8
#define CPU_ROWS 6
#define CPU_TABLE cpu_kernels_avx2
#define CPU_NAME "AVX2"
#include "cpu_kernels_body.h"
#include "cpu_painn_body.h"
#include "cpu_aimnet2_body.h"
#include "cpu_longrange_body.h"
#include "cpu_isa_table.h"
#endif
