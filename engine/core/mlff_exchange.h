/* What evaluations ask of a distributed host. */
#ifndef MLFF_EXCHANGE_H_
#define MLFF_EXCHANGE_H_

#include "mlff_internal.h"

/*
 * Replace values [n] by their sums over all ranks; nothing to do in one process.
 *
 *   exchange   NULL, or without sum: one process
 *
 * Returns MLFF_OK, or MLFF_ERROR_ARGUMENT if the host stops the evaluation.
 */
MLFF_API mlff_status mlff_exchange_sum(const mlff_exchange *exchange, double *values, size_t n,
                                       mlff_error *err);

#endif
