/*
 * What OpenMM's CUDA platform puts before a kernel in single precision, as far as our kernels for
 * CUDA alone use it. For kernels that are compiled without OpenMM: by the shim, or by CUDA's
 * compiler to see what it makes of them. With SHIM_DOUBLE in double precision, scalars only.
 */
#ifndef KERNEL
#define KERNEL extern "C" __global__
#endif
#define DEVICE __device__
#define LOCAL __shared__
#define LOCAL_ARG
#define GLOBAL
#define RESTRICT __restrict__
#define LOCAL_ID threadIdx.x
#define GROUP_ID blockIdx.x
#define NUM_GROUPS gridDim.x
#define SYNC_THREADS __syncthreads()
#define ATOMIC_ADD(place, value) atomicAdd(place, value)

typedef long long mm_long;
typedef unsigned long long mm_ulong;
#ifdef SHIM_DOUBLE
typedef double real;
typedef double4 real4;
#define make_real4 make_double4
#define SQRT sqrt
#define EXP exp
#else
typedef float real;
typedef float2 real2;
typedef float4 real4;
#define make_real2 make_float2
#define make_real4 make_float4
#define SQRT sqrtf
#define EXP expf
#define ERF erff
#endif

#define EXACT_DOUBLE

DEVICE inline float4 operator*(float a, float4 b) {
    return make_float4(a*b.x, a*b.y, a*b.z, a*b.w);
}

DEVICE inline void operator+=(float4& a, float4 b) {
    a = make_float4(a.x+b.x, a.y+b.y, a.z+b.z, a.w+b.w);
}

DEVICE inline float4 operator*(float4 a, float b) {
    return b*a;
}

DEVICE inline float4 operator*(float4 a, float4 b) {
    return make_float4(a.x*b.x, a.y*b.y, a.z*b.z, a.w*b.w);
}

DEVICE inline float4 operator+(float4 a, float4 b) {
    return make_float4(a.x+b.x, a.y+b.y, a.z+b.z, a.w+b.w);
}
