/*
 * The CPU platform: float32, vector instructions chosen at run time, threads of the host
 * (mlff_settings.parallel). Results are the same bits at any number of threads.
 */
#ifndef MLFF_CPU_H_
#define MLFF_CPU_H_

#include "mlff.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The platform for mlff_evaluator_new(). */
const mlff_platform *mlff_cpu_platform(void);

/* "AVX-512", "AVX2" or "baseline": what this machine runs. A static string. */
const char *mlff_cpu_instruction_set(void);

#ifdef __cplusplus
}
#endif
#endif
