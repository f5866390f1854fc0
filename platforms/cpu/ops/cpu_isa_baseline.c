/* SSE2 on x86-64, NEON on AArch64: what every such processor has. 16 registers. */
#define CPU_LANES 4
#define CPU_ROWS 6
#define CPU_TABLE cpu_kernels_baseline
#define CPU_NAME "baseline"
#include "cpu_kernels_body.h"
#include "cpu_painn_body.h"
#include "cpu_aimnet2_body.h"
#include "cpu_longrange_body.h"
#include "cpu_isa_table.h"
