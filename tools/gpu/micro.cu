/* Micro-benchmarks of a device, compiled by NVRTC without an include, run by micro.py.
 *
 * Names of fragments (g, q) and their places are those of the PTX manual's mma.m16n8k16 and
 * mma.m16n8k8: lane = 4 g + q. */

typedef unsigned int u32;

extern "C" __global__ void copyWords(const float4* from, float4* to, u32 count) {
    for (u32 i = blockIdx.x*blockDim.x+threadIdx.x; i < count; i += gridDim.x*blockDim.x)
        to[i] = from[i];
}

extern "C" __global__ void empty() {
}

/* Starts when the kernel before it has begun, goes on when that has ended. */
extern "C" __global__ void emptyProgrammatic() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
    asm volatile("griddepcontrol.launch_dependents;");
#endif
}

/* Every block reads all words, again and again, past L1, four loads of a thread in flight; their
 * number is a power of two and a multiple of 4 blockDim.x. One word is written if all are zero:
 * they are not. */
extern "C" __global__ void readWords(const float4* words, u32 count, u32 rounds, float* sink) {
    enum { LOADS = 4 };
    float4 sum = make_float4(0, 0, 0, 0);
    for (u32 r = 0; r < rounds; r++)
        for (u32 k = threadIdx.x; k < count; k += LOADS*blockDim.x) {
            float4 x[LOADS];
            #pragma unroll
            for (u32 j = 0; j < LOADS; j++) {
                const u32 i = (k+j*blockDim.x+blockIdx.x*4096+r) & (count-1);
                asm volatile("ld.global.cg.v4.f32 {%0, %1, %2, %3}, [%4];"
                             : "=f"(x[j].x), "=f"(x[j].y), "=f"(x[j].z), "=f"(x[j].w)
                             : "l"(words+i));
            }
            #pragma unroll
            for (u32 j = 0; j < LOADS; j++) {
                sum.x += x[j].x;
                sum.y += x[j].y;
                sum.z += x[j].z;
                sum.w += x[j].w;
            }
        }
    if (sum.x+sum.y+sum.z+sum.w == 0)
        sink[0] = 1;
}

/* All blocks of a cooperative launch meet; *count begins at 0. */
extern "C" __global__ void gridBarriers(u32* count, u32 rounds) {
    for (u32 r = 1; r <= rounds; r++) {
        __syncthreads();
        if (threadIdx.x == 0) {
            u32 seen;
            asm volatile("red.release.gpu.global.add.u32 [%0], 1;" :: "l"(count) : "memory");
            do
                asm volatile("ld.acquire.gpu.global.u32 %0, [%1];"
                             : "=r"(seen) : "l"(count) : "memory");
            while (seen < r*gridDim.x);
        }
        __syncthreads();
    }
}

extern "C" __global__ void clusterBarriers(u32 rounds) {
#if __CUDA_ARCH__ >= 900
    for (u32 r = 0; r < rounds; r++) {
        asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
        asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
    }
#endif
}

/* Each block writes its share of `words` words into the shared memory of all blocks; barrier. */
extern "C" __global__ void clusterExchange(u32 words, u32 rounds) {
#if __CUDA_ARCH__ >= 900
    extern __shared__ u32 shared[];
    u32 rank, size;
    asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
    asm volatile("mov.u32 %0, %%cluster_nctarank;" : "=r"(size));
    const u32 share = words/size, mine = (u32) __cvta_generic_to_shared(shared)+4*share*rank;
    for (u32 r = 0; r < rounds; r++) {
        asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
        asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
        for (u32 to = 0; to < size; to++) {
            u32 there;
            asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(mine), "r"(to));
            for (u32 i = 4*threadIdx.x; i < share; i += 4*blockDim.x)
                asm volatile("st.shared::cluster.v4.u32 [%0], {%1, %1, %1, %1};"
                             :: "r"(there+4*i), "r"(r) : "memory");
        }
        asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
        asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
    }
#endif
}

static __device__ u32 packHalves(float low, float high) {
    u32 word;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
    return word;
}

static __device__ u32 toTF32(float x) {
    u32 word;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(word) : "f"(x));
    return word;
}

static __device__ void multiplyHalves(float* c, const u32* a, const u32* b) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, "
                 "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

static __device__ void multiplyTF32(float* c, const u32* a, const u32* b) {
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, "
                 "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

enum { CHAINS = 8 };    /* independent accumulators of a warp */

#define RATE_KERNEL(name, multiply, pack)                                                  \
    extern "C" __global__ void name(u32 rounds, float* sink) {                             \
        float c[CHAINS][4] = {};                                                           \
        const float x = 1e-3f*(1+threadIdx.x);                                             \
        const u32 a[4] = {pack(x), pack(2*x), pack(3*x), pack(4*x)};                       \
        const u32 b[2] = {pack(5*x), pack(6*x)};                                           \
        for (u32 r = 0; r < rounds; r++)                                                   \
            _Pragma("unroll")                                                              \
            for (int k = 0; k < CHAINS; k++)                                               \
                multiply(c[k], a, b);                                                      \
        float sum = 0;                                                                     \
        for (int k = 0; k < CHAINS; k++)                                                   \
            sum += c[k][0]+c[k][1]+c[k][2]+c[k][3];                                        \
        if (sum == -1)                                                                     \
            sink[0] = sum;                                                                 \
    }

#define PACK_TWICE(x) packHalves(x, x)
RATE_KERNEL(rateHalves, multiplyHalves, PACK_TWICE)
RATE_KERNEL(rateTF32, multiplyTF32, toTF32)

/* out[0] = c + sum_k a[k] b[k] by one mma of fp16, k < 16; out[1] by one of TF32, k < 8 */
extern "C" __global__ void oneProduct(const float* a, const float* b, float c, float* out) {
    const int q = threadIdx.x%4;
    float half[4] = {c, c, c, c}, tf32[4] = {c, c, c, c};
    const u32 a0 = packHalves(a[2*q], a[2*q+1]), a8 = packHalves(a[2*q+8], a[2*q+9]);
    const u32 aHalf[4] = {a0, a0, a8, a8};
    const u32 bHalf[2] = {packHalves(b[2*q], b[2*q+1]), packHalves(b[2*q+8], b[2*q+9])};
    multiplyHalves(half, aHalf, bHalf);
    const u32 aTF32[4] = {toTF32(a[q]), toTF32(a[q]), toTF32(a[q+4]), toTF32(a[q+4])};
    const u32 bTF32[2] = {toTF32(b[q]), toTF32(b[q+4])};
    multiplyTF32(tf32, aTF32, bTF32);
    if (threadIdx.x == 0) {
        out[0] = half[0];
        out[1] = tf32[0];
    }
}
