/*
 * The text of the kernels of dense layers, as a device gets it, compiled for one tile.
 *   SHIM_NAME                  of the set
 *   SHIM_ARITHMETIC            REAL, PAIRS or TF32
 *   TILE_ROWS, TILE_COLUMNS    and TILE_DEPTH for REAL
 *   TENSOR_PAIRS               1 or 0; not for REAL
 */
#include "shim.h"
#include "dense_kernels.h"

#define A MODEL_A
#define G MODEL_G
#define C MODEL_C
#define Q MODEL_Q
#define CHARGE_EPSILON MODEL_EPSILON
#define SQRT_HALF 0.70710678118654752440f
#define INV_SQRT_2PI 0.39894228040143267794f
#define DENSE_THREADS 256

#define KERNEL static
#include "dialect.h"
#include "support.cc"
#ifdef TENSOR_PAIRS
#include "tensor.cu"
#include "tensorTile.cu"
#else
#include "denseTile.cc"
#endif
#include "dense.cc"
#include "aimnet2.cc"
#include "aimnet2Dense.cc"

extern const DenseKernels SHIM_NAME;
const DenseKernels SHIM_NAME = {
    TILE_ROWS, TILE_COLUMNS, DENSE_THREADS, SHIM_ARITHMETIC, mlffDenseForward, mlffDenseReverse,
    mlffAimnet2Update, mlffAimnet2UpdateReverse, mlffAimnet2Readout};
