#include "tensor_dense.h"
#include "CommonTensor.h"
#include "dense_kernels.h"
#include "shim.h"
#include "../../../platforms/reference/ops/ref_ops.h"
#include <map>
#include <vector>

using OpenMM::CommonTensor;
using std::vector;

extern const DenseKernels pairs_16x32, pairs_32x64, tf32_16x32, tf32_32x64;

static tensor_dense_mode mode;
static int count;
static vector<int> status(11);
static std::map<const double*, vector<unsigned int>> packed;    // by the weights' address

void tensor_dense_set_mode(tensor_dense_mode wanted) {
    mode = wanted;
    count = status[10] = 0;
    packed.clear();
}

int tensor_dense_count(void) {
    return count;
}

int tensor_dense_out_of_range(void) {
    return status[10];
}

// w [numColumns][numTerms]
static const float* pack(const double* w, int numColumns, int numTerms) {
    vector<unsigned int>& words = packed[w];
    if (words.empty())
        words = CommonTensor::pack(vector<double>(w, w+(size_t) numColumns*numTerms), numColumns,
                                   numTerms, mode == TENSOR_DENSE_PAIRS);
    return (const float*) words.data();
}

static const DenseKernels& kernelsFor(int rows) {
    if (mode == TENSOR_DENSE_PAIRS)
        return rows > 16 ? pairs_32x64 : pairs_16x32;
    return rows > 16 ? tf32_32x64 : tf32_16x32;
}

extern "C" {

void __real_ref_dense_forward(const ref_dense* dense, size_t rows, const double* x, double* y);
void __real_ref_dense_backward(const ref_dense* dense, size_t rows, const double* gradY,
                               double* gradX);
void __wrap_ref_dense_forward(const ref_dense* dense, size_t rows, const double* x, double* y);
void __wrap_ref_dense_backward(const ref_dense* dense, size_t rows, const double* gradY,
                               double* gradX);

void __wrap_ref_dense_forward(const ref_dense* dense, size_t rows, const double* x, double* y) {
    if (mode == TENSOR_DENSE_DOUBLE)
        return __real_ref_dense_forward(dense, rows, x, y);
    const int numIn = dense->n_in, numOut = dense->n_out;
    const DenseKernels& kernels = kernelsFor((int) rows);
    const vector<float> in(x, x+rows*numIn), bias(dense->b, dense->b+numOut);
    vector<float> out(rows*numOut), slope(1);
    const float* weights = pack(dense->w, numOut, numIn);
    launch(4, kernels.threads, [&] {
        kernels.forward((int) rows, numIn, numOut, in.data(), numIn, weights, bias.data(), 0, 0,
                        out.data(), numOut, slope.data(), 1, status.data());
    });
    std::copy(out.begin(), out.end(), y);
    count++;
}

void __wrap_ref_dense_backward(const ref_dense* dense, size_t rows, const double* gradY,
                               double* gradX) {
    if (mode == TENSOR_DENSE_DOUBLE)
        return __real_ref_dense_backward(dense, rows, gradY, gradX);
    const int numIn = dense->n_in, numOut = dense->n_out;
    const DenseKernels& kernels = kernelsFor((int) rows);
    const vector<float> in(gradY, gradY+rows*numOut), slope(1);
    vector<float> out(rows*numIn);
    const float* weights = pack(dense->wt, numIn, numOut);
    launch(4, kernels.threads, [&] {
        kernels.reverse((int) rows, numIn, numOut, 0, in.data(), numOut, 0, slope.data(), 1,
                        weights, out.data(), numIn, status.data());
    });
    std::copy(out.begin(), out.end(), gradX);
    count++;
}

}
