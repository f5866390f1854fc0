/*
 * A pretend cuFFT: transforms of three dimensions, in double precision whatever the type, when they
 * are called. Unless kernels are executed (PRETEND_CUDA_EXECUTE), they do nothing.
 * pretend_cufft.map.in gives the symbols their versions.
 */
#define _GNU_SOURCE  // RTLD_DEFAULT
#include <complex.h>
#include <dlfcn.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define VISIBLE __attribute__((visibility("default")))

enum {MAX_PLANS = 1024, SUCCESS = 0, INVALID_PLAN = 1, ALLOC_FAILED = 2, INVALID_VALUE = 4};
enum {C2C = 0x29, R2C = 0x2a, C2R = 0x2c, Z2Z = 0x69, D2Z = 0x6a, Z2D = 0x6c};

typedef double complex number;

typedef struct {
    int size[3], type;
    bool used;
} plan;

static plan plans[MAX_PLANS];

static bool executes(void) {
    const char *text = getenv("PRETEND_CUDA_EXECUTE");
    return text != NULL && atoi(text) != 0;
}

/* Of the pretend driver: where an address on the device leads to; NULL: nowhere. */
static void *content(const void *address) {
    void *(*find)(uintptr_t) = NULL;
    void *symbol = dlsym(RTLD_DEFAULT, "pretend_cuda_content");
    if (symbol == NULL) {
        void *driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD);
        symbol = driver != NULL ? dlsym(driver, "pretend_cuda_content") : NULL;
    }
    *(void **) &find = symbol;
    return find != NULL ? find((uintptr_t) address) : NULL;
}

/* ------------------------------------------------------------------------ one dimension -- */

/* out[k] = sum over j of in[j*stride] exp(sign 2 pi i j k/n), by n's smallest factor; work [n] */
static void transform(const number *in, number *out, int n, int stride, int sign, number *work) {
    int f = 2;
    while (f*f <= n && n%f != 0)
        f++;
    if (f*f > n)
        f = n;
    const int rest = n/f;
    for (int r = 0; r < f && n > 1; r++) {
        if (rest == 1)
            work[r] = in[r*stride];
        else
            transform(in+r*stride, work+r*rest, rest, stride*f, sign, out+r*rest);
    }
    if (n == 1)
        out[0] = in[0];
    for (int k = 0; k < n && n > 1; k++) {
        number sum = 0;
        for (int r = 0; r < f; r++) {
            const double turn = (double) ((int64_t) r*k%n)/n;
            sum += work[r*rest+k%rest]*cexp(sign*2*M_PI*I*turn);
        }
        out[k] = sum;
    }
}

/* Along each of three dimensions; false: no memory. */
static bool transform_all(number *grid, const int *size, int sign) {
    size_t longest = 0, total = 1;
    for (int d = 0; d < 3; d++) {
        longest = (size_t) size[d] > longest ? (size_t) size[d] : longest;
        total *= (size_t) size[d];
    }
    number *line = malloc(3*longest*sizeof *line);
    if (line == NULL)
        return false;
    const size_t strides[3] = {(size_t) size[1]*(size_t) size[2], (size_t) size[2], 1};
    for (int d = 0; d < 3; d++)
        for (size_t first = 0; first < total; first++) {
            if (first/strides[d]%(size_t) size[d] != 0)
                continue;
            for (int k = 0; k < size[d]; k++)
                line[k] = grid[first+(size_t) k*strides[d]];
            transform(line, line+longest, size[d], 1, sign, line+2*longest);
            for (int k = 0; k < size[d]; k++)
                grid[first+(size_t) k*strides[d]] = line[longest+(size_t) k];
        }
    free(line);
    return true;
}

/* --------------------------------------------------------------------- three dimensions -- */

static double read_real(const void *from, size_t k, bool is_double) {
    return is_double ? ((const double *) from)[k] : (double) ((const float *) from)[k];
}

static void write_real(void *to, size_t k, double x, bool is_double) {
    if (is_double)
        ((double *) to)[k] = x;
    else
        ((float *) to)[k] = (float) x;
}

static number read_number(const void *from, size_t k, bool is_double) {
    return read_real(from, 2*k, is_double)+I*read_real(from, 2*k+1, is_double);
}

/* Of half a spectrum [x][y][z/2+1]: the other half has the conjugates. */
static number read_half(const void *from, const int *n, size_t k, bool is_double) {
    const size_t nx = (size_t) n[0], ny = (size_t) n[1], nz = (size_t) n[2], half = nz/2+1;
    const size_t x = k/(ny*nz), y = k/nz%ny, z = k%nz;
    if (z < half)
        return read_number(from, (x*ny+y)*half+z, is_double);
    return conj(read_number(from, ((nx-x)%nx*ny+(ny-y)%ny)*half+(nz-z), is_double));
}

static void read_grid(number *grid, const plan *p, const void *from, bool is_double) {
    const size_t total = (size_t) p->size[0]*(size_t) p->size[1]*(size_t) p->size[2];
    const bool real = p->type == R2C || p->type == D2Z, half = p->type == C2R || p->type == Z2D;
    for (size_t k = 0; k < total; k++)
        grid[k] = real ? read_real(from, k, is_double) :
            half ? read_half(from, p->size, k, is_double) : read_number(from, k, is_double);
}

static void write_grid(const number *grid, const plan *p, void *to, bool is_double) {
    const size_t total = (size_t) p->size[0]*(size_t) p->size[1]*(size_t) p->size[2];
    const size_t nz = (size_t) p->size[2], half = nz/2+1;
    const bool real = p->type == C2R || p->type == Z2D, halves = p->type == R2C || p->type == D2Z;
    for (size_t k = 0; k < total; k++) {
        const size_t at = halves ? k/nz*half+k%nz : k;
        if (real)
            write_real(to, k, creal(grid[k]), is_double);
        else if (!halves || k%nz < half) {
            write_real(to, 2*at, creal(grid[k]), is_double);
            write_real(to, 2*at+1, cimag(grid[k]), is_double);
        }
    }
}

static int execute(int handle, const void *in, void *out, int type, int sign) {
    if (!executes())
        return SUCCESS;
    if (handle < 0 || handle >= MAX_PLANS || !plans[handle].used || plans[handle].type != type)
        return INVALID_PLAN;
    const plan *p = &plans[handle];
    const size_t total = (size_t) p->size[0]*(size_t) p->size[1]*(size_t) p->size[2];
    const bool is_double = (type & 0x40) != 0;
    const void *from = content(in);
    void *to = content(out);
    if (from == NULL || to == NULL)
        return INVALID_VALUE;
    number *grid = malloc(total*sizeof *grid);
    if (grid == NULL)
        return ALLOC_FAILED;
    read_grid(grid, p, from, is_double);
    const bool done = transform_all(grid, p->size, sign);
    if (done)
        write_grid(grid, p, to, is_double);
    free(grid);
    return done ? SUCCESS : ALLOC_FAILED;
}

/* ------------------------------------------------------------------------------- calls -- */

VISIBLE int cufftPlan3d(int *handle, int x, int y, int z, int type);
VISIBLE int cufftPlan3d(int *handle, int x, int y, int z, int type) {
    if (x <= 0 || y <= 0 || z <= 0)
        return INVALID_VALUE;
    for (int p = 0; p < MAX_PLANS; p++)
        if (!plans[p].used) {
            plans[p] = (plan) {{x, y, z}, type, true};
            *handle = p;
            return SUCCESS;
        }
    return ALLOC_FAILED;
}

VISIBLE int cufftDestroy(int handle);
VISIBLE int cufftDestroy(int handle) {
    if (handle < 0 || handle >= MAX_PLANS || !plans[handle].used)
        return INVALID_PLAN;
    plans[handle].used = false;
    return SUCCESS;
}

VISIBLE int cufftSetStream(int handle, void *stream);
VISIBLE int cufftSetStream(int handle, void *stream) {
    (void) handle, (void) stream;
    return SUCCESS;
}

#define EXECUTE(name, type, sign)                                                                 \
    VISIBLE int name(int handle, void *in, void *out);                                            \
    int name(int handle, void *in, void *out) {                                                   \
        return execute(handle, in, out, type, sign);                                              \
    }
#define EXECUTE_BOTH(name, type)                                                                  \
    VISIBLE int name(int handle, void *in, void *out, int sign);                                  \
    int name(int handle, void *in, void *out, int sign) {                                         \
        return execute(handle, in, out, type, sign);                                              \
    }
EXECUTE(cufftExecR2C, R2C, -1)
EXECUTE(cufftExecD2Z, D2Z, -1)
EXECUTE(cufftExecC2R, C2R, 1)
EXECUTE(cufftExecZ2D, Z2D, 1)
EXECUTE_BOTH(cufftExecC2C, C2C)
EXECUTE_BOTH(cufftExecZ2Z, Z2Z)
