/* Checks of a host's graph. */
#ifndef MLFF_GRAPH_H_
#define MLFF_GRAPH_H_

#include "mlff_internal.h"

/* MLFF_OK or what mlff_evaluate() says of a graph. exchange may be NULL. */
mlff_status mlff_graph_check(const mlff_graph *graph, const mlff_model *model,
                             const mlff_exchange *exchange, mlff_error *err);

/* The same of counts, regions and cell alone: what a graph has before its pairs are found. */
mlff_status mlff_graph_check_outline(const mlff_graph *graph, mlff_error *err);

#endif
