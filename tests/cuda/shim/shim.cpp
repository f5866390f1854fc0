// A fortified longjmp() does not leave its stack for another.
#undef _FORTIFY_SOURCE
#include "shim.h"
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <ucontext.h>
#include <vector>

Index threadIdx, blockIdx, gridDim;

static const int WARP = 32;
static const size_t STACK = 128*1024;

static void fail(const char* text) {
    printf("shim: thread %d of block %d: %s\n", threadIdx.x, blockIdx.x, text);
    exit(1);
}

// ---------------------------------------------------------------------------------- fibers

// A system call for each turn is what swapcontext() costs and longjmp() saves; sanitizers know
// stacks only by the former.
#ifdef __SANITIZE_ADDRESS__
#define TURN_BY_CONTEXT 1
#else
#define TURN_BY_CONTEXT 0
#endif

struct Fiber {
    ucontext_t context;
    jmp_buf place;
    std::vector<char> stack;
    bool started, done;
};

static std::vector<Fiber> fibers;
static const std::function<void()>* kernel;
static ucontext_t launcher;
static int numThreads, numDone, idleTurns;

static void go(int from, int to) {
    threadIdx.x = to;
    Fiber& next = fibers[to];
    if (TURN_BY_CONTEXT || !next.started) {
        next.started = true;
        if (TURN_BY_CONTEXT || _setjmp(fibers[from].place) == 0)
            swapcontext(&fibers[from].context, &next.context);
    }
    else if (_setjmp(fibers[from].place) == 0)
        _longjmp(next.place, 1);
}

// The next of these threads that is not done.
static void takeTurns(int first, int size) {
    const int from = threadIdx.x;
    int to = from;
    do
        to = first+(to-first+1)%size;
    while (fibers[to].done && to != from);
    if (++idleTurns > 4*numThreads)
        fail("waits for threads that do not come");
    if (to != from)
        go(from, to);
}

static void runFiber() {
    (*kernel)();
    fibers[threadIdx.x].done = true;
    idleTurns = 0;
    if (++numDone == numThreads)
        setcontext(&launcher);
    takeTurns(0, numThreads);
}

// ------------------------------------------------------------------------------- meetings

// Threads that wait for each other: all of a block, or of a warp. A warp takes turns in itself, as
// long as it can: so it gets ahead of others as far as barriers allow.
struct Meeting {
    int first, size, arrived;
    long number;

    // The last one to arrive does what is to be done for all.
    template <class Do> void wait(Do act) {
        const long mine = number;
        idleTurns = 0;
        if (++arrived == size) {
            act();
            arrived = 0;
            number++;
            return;
        }
        while (number == mine)
            takeTurns(first, size);
    }
};

static Meeting block;
static std::vector<Meeting> warps;

void __syncthreads() {
    block.wait([] {});
}

void launch(int numBlocks, int threads, const std::function<void()>& call) {
    kernel = &call;
    numThreads = threads;
    gridDim.x = numBlocks;
    fibers.resize(threads);
    for (blockIdx.x = 0; blockIdx.x < numBlocks; blockIdx.x++) {
        block = {0, threads, 0, 0};
        warps.clear();
        for (int first = 0; first < threads; first += WARP)
            warps.push_back({first, WARP, 0, 0});
        numDone = idleTurns = 0;
        for (Fiber& fiber : fibers) {
            fiber.started = fiber.done = false;
            fiber.stack.resize(STACK);
            getcontext(&fiber.context);
            fiber.context.uc_stack.ss_sp = fiber.stack.data();
            fiber.context.uc_stack.ss_size = fiber.stack.size();
            fiber.context.uc_link = nullptr;
            makecontext(&fiber.context, runFiber, 0);
        }
        threadIdx.x = 0;
        fibers[0].started = true;
        swapcontext(&launcher, &fibers[0].context);
    }
}

// ---------------------------------------------------------------------------------- numbers

static float halfToFloat(unsigned int half) {
    const int exponent = (int) (half >> 10 & 31);
    const int fraction = (int) (half & 1023);
    float size = std::ldexp((float) (exponent > 0 ? 1024+fraction : fraction),
                            exponent > 0 ? exponent-25 : -24);
    if (exponent == 31)
        size = fraction == 0 ? INFINITY : NAN;
    return half & 0x8000 ? -size : size;
}

static const std::vector<float>& halves() {
    static std::vector<float> values;
    for (unsigned int half = (unsigned int) values.size(); half < 65536; half++)
        values.push_back(halfToFloat(half));
    return values;
}

// The nearest of all halves that there are; of two, the even one.
static unsigned int floatToHalf(float value) {
    const unsigned int sign = std::signbit(value) ? 0x8000 : 0;
    const float size = std::fabs(value);
    const float* first = halves().data();
    if (std::isnan(value))
        return sign | 0x7fff;
    if (size >= 65520)
        return sign | 0x7c00;
    const unsigned int above = (unsigned int) (std::lower_bound(first, first+0x7c00, size)-first);
    if (above == 0 || (above < 0x7c00 && first[above] == size))
        return sign | above;
    const unsigned int below = above-1;
    const double down = (double) size-first[below];
    const double up = (above < 0x7c00 ? first[above] : 65536.0)-(double) size;
    return sign | (down < up || (down == up && below%2 == 0) ? below : above);
}

unsigned int packHalves(float first, float second) {
    return floatToHalf(first) | floatToHalf(second) << 16;
}

float firstHalf(unsigned int word) {
    return halves()[word & 0xffff];
}

float secondHalf(unsigned int word) {
    return halves()[word >> 16];
}

unsigned int roundToTF32(float value) {
    return (__float_as_uint(value)+0x1000) & ~0x1fffu;
}

static float cutOff(double value) {
    const float nearest = (float) value;
    return std::fabs((double) nearest) > std::fabs(value) ? std::nextafterf(nearest, 0) : nearest;
}

// -------------------------------------------------------------------------------- fragments

// What the lanes of a warp brought: all that a product needs.
struct Operands {
    unsigned int a[4], b[2];
    float* sum;
    bool halves;
};

static Operands operands[1024];

// A[row][k] and B[k][column] of 16 x K and K x 8.
static double valueA(const Operands* lanes, int row, int k) {
    const bool pairs = lanes->halves;
    const Operands& lane = lanes[row%8*4+(pairs ? k%8/2 : k%4)];
    const unsigned int word = lane.a[row/8+(pairs ? k/8 : k/4)*2];
    return pairs ? halves()[word >> k%2*16 & 0xffff] : __uint_as_float(word & ~0x1fffu);
}

static double valueB(const Operands* lanes, int k, int column) {
    const bool pairs = lanes->halves;
    const Operands& lane = lanes[column*4+(pairs ? k%8/2 : k%4)];
    const unsigned int word = lane.b[pairs ? k/8 : k/4];
    return pairs ? halves()[word >> k%2*16 & 0xffff] : __uint_as_float(word & ~0x1fffu);
}

static void multiplyWarp(const Operands* lanes) {
    const int K = lanes->halves ? 16 : 8;
    double a[16][16], b[16][8];
    for (int lane = 1; lane < WARP; lane++)
        if (lanes[lane].halves != lanes->halves)
            fail("lanes of a warp multiply different kinds of numbers");
    for (int k = 0; k < K; k++) {
        for (int row = 0; row < 16; row++)
            a[row][k] = valueA(lanes, row, k);
        for (int column = 0; column < 8; column++)
            b[k][column] = valueB(lanes, k, column);
    }
    for (int lane = 0; lane < WARP; lane++)
        for (int i = 0; i < 4; i++) {
            const int row = lane/4+i/2*8, column = lane%4*2+i%2;
            double sum = lanes[lane].sum[i];
            for (int k = 0; k < K; k++)
                sum += a[row][k]*b[k][column];
            lanes[lane].sum[i] = cutOff(sum);
        }
}

static void multiply(float* sum, const unsigned int* a, unsigned int b0, unsigned int b1,
                     bool pairs) {
    const int thread = threadIdx.x, warp = thread/WARP;
    operands[thread] = {{a[0], a[1], a[2], a[3]}, {b0, b1}, sum, pairs};
    warps[warp].wait([warp] {
        multiplyWarp(operands+warp*WARP);
    });
}

void multiplyHalves(float* sum, const unsigned int* a, unsigned int b0, unsigned int b1) {
    multiply(sum, a, b0, b1, true);
}

void multiplyTF32(float* sum, const unsigned int* a, unsigned int b0, unsigned int b1) {
    multiply(sum, a, b0, b1, false);
}
