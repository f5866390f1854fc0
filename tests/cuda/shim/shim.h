/*
 * A CUDA device of ordinary C++: kernels written for CUDA run on the CPU, with the indices, barriers
 * and products of fragments that they have on a device. For tests of their arithmetic; it says
 * nothing of time, and of races only that a missing barrier may show.
 *
 * Blocks run one after another. A thread is a fiber that runs until it waits: at __syncthreads() or
 * in a product of fragments, for the other lanes of its warp. Where threads wait for what cannot
 * come, because others have gone another way, the program ends with a message.
 *
 * Fragments are laid out as the PTX ISA says (mma.m16n8k16 for .f16, mma.m16n8k8 for .tf32). Products
 * and their sum are exact, then cut off to a float, towards zero: what is known of tensor cores.
 */
#ifndef MLFF_CUDA_SHIM_H_
#define MLFF_CUDA_SHIM_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>

// ------------------------------------------------------------------------- CUDA's language

#define __global__
#define __device__ [[maybe_unused]] static
#define __shared__ alignas(16) static

// aligned as there: what is read at once must stand at a multiple of its size
struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(16) double4 {
    double x, y, z, w;
};
struct alignas(16) uint4 {
    unsigned int x, y, z, w;
};
struct Index {
    int x;
};

inline float2 make_float2(float x, float y) {
    return {x, y};
}

inline float4 make_float4(float x, float y, float z, float w) {
    return {x, y, z, w};
}

inline double4 make_double4(double x, double y, double z, double w) {
    return {x, y, z, w};
}

inline float __uint_as_float(unsigned int bits) {
    float value;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
}

inline unsigned int __float_as_uint(float value) {
    unsigned int bits;
    std::memcpy(&bits, &value, sizeof(bits));
    return bits;
}

using std::floor;
using std::fma;
using std::min;

// ------------------------------------------------------------------------------ the device

/* Of the thread that runs. */
extern Index threadIdx, blockIdx, gridDim;

void __syncthreads();

/* Threads take turns only where they wait. */
template <class T> T atomicAdd(T* sum, T value) {
    const T before = *sum;
    *sum += value;
    return before;
}

/* Run a kernel's call, with its arguments bound, in blocks of so many threads: whole warps. */
void launch(int numBlocks, int numThreads, const std::function<void()>& call);

// --------------------------------------------------- the instructions of tensor.cu

#define TENSOR_INSTRUCTIONS

unsigned int packHalves(float first, float second);
float firstHalf(unsigned int word);
float secondHalf(unsigned int word);
unsigned int roundToTF32(float value);
void multiplyHalves(float* sum, const unsigned int* a, unsigned int b0, unsigned int b1);
void multiplyTF32(float* sum, const unsigned int* a, unsigned int b0, unsigned int b1);

#endif
