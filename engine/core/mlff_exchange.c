#include "mlff_exchange.h"

mlff_status mlff_exchange_sum(const mlff_exchange *exchange, double *values, size_t n,
                              mlff_error *err) {
    const size_t most = 1 << 24;  // the callback counts in int
    if (!exchange || !exchange->sum)
        return MLFF_OK;
    for (size_t k = 0; k < n; k += most) {
        const size_t part = n - k < most ? n - k : most;
        const int answer = exchange->sum(exchange->ctx, values + k, (int) part);
        if (answer != 0)
            return mlff_fail(err, MLFF_ERROR_ARGUMENT, "the sum over all ranks answered %d and so "
                             "stopped the evaluation", answer);
    }
    return MLFF_OK;
}
