/* The kernels of dense layers as kernels.cpp compiles them: one set for each tile and arithmetic. */
#ifndef MLFF_DENSE_KERNELS_H_
#define MLFF_DENSE_KERNELS_H_

enum Arithmetic {REAL, PAIRS, TF32};

/* Sizes of the model that the kernels are compiled for: nothing a multiple of anything. */
enum {MODEL_A = 9, MODEL_G = 5, MODEL_C = 2, MODEL_Q = 2};
#define MODEL_EPSILON 1e-6f

typedef unsigned long long Fixed;

struct DenseKernels {
    int rows, columns, threads;
    Arithmetic arithmetic;
    void (*forward)(int numRows, int numIn, int numOut, const float* x, int xStride,
                    const float* weight, const float* bias, int activate, int keep, float* y,
                    int yStride, float* slope, int slopeStride, int* status);
    void (*reverse)(int numRows, int numIn, int numOut, int firstColumn, const float* gradY,
                    int yStride, int hasSlope, const float* slope, int slopeStride,
                    const float* weight, float* gradX, int xStride, int* status);
    void (*update)(int numRows, int numIn, const float* x, int xStride, const float* weight,
                   const float* bias, int activate, int keep, float* slope, int slopeStride,
                   const float* a, int fromTable, const int* species, const float* charge,
                   int addCharge, float* newA, float* state, const int* regionOfRow,
                   const float* regionScale, Fixed* sums, int* status);
    void (*updateReverse)(int numRows, int numIn, int firstColumn, const float* gradA,
                          const float* gradCharge, int hasSlope, const float* slope,
                          int slopeStride, const float* weight, float* gradX, int xStride,
                          const float* state, const int* regionOfRow, const float* regionScale,
                          const long long* regionTotal, const Fixed* sums, int* status);
    void (*readout)(int numRows, int numIn, int numOut, const float* x, int xStride,
                    const float* weight, const float* bias, int activate, int keep, float* slope,
                    int slopeStride, const float* readout, const float* readoutBias,
                    Fixed* energy, int* status);
};

#endif
