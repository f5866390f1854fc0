/* The reference platform's shared operations: dense layers, activations, radial basis, cutoffs. */
#include "check.h"
#include "finite_difference.h"
#include "random_numbers.h"
#include "../../platforms/reference/ops/ref_ops.h"

static void fill(random_numbers *random, size_t n, double *x) {
    for (size_t k = 0; k < n; k++)
        x[k] = random_real(random, -1, 1);
}

/* Every remainder of the tiles against the sum written down, forward and transposed. */
static void test_dense(void) {
    enum { MOST = 13 };
    random_numbers random = {1};
    mlff_error err;
    for (int rows = 0; rows <= 9; rows++)
        for (int in = 1; in <= MOST; in += 3)
            for (int out = 1; out <= MOST; out++) {
                double w[MOST*MOST], b[MOST], x[9*MOST], y[9*MOST], grad[9*MOST], back[9*MOST];
                fill(&random, MOST*MOST, w);
                fill(&random, MOST, b);
                fill(&random, 9*MOST, x);
                fill(&random, 9*MOST, grad);
                const bool biased = out % 2;
                const mlff_tensor tw = {.name = "w", .dtype = MLFF_F64, .n_dims = 2,
                                        .shape = {out, in}, .n_values = out*in, .data = w};
                const mlff_tensor tb = {.name = "b", .dtype = MLFF_F64, .n_dims = 1,
                                        .shape = {out}, .n_values = out, .data = b};
                ref_dense dense = {0};
                CHECK_OK(ref_dense_new(&dense, &tw, biased ? &tb : NULL, &err), err);
                ref_dense_forward(&dense, (size_t)rows, x, y);
                for (int r = 0; r < rows; r++)
                    for (int o = 0; o < out; o++) {
                        double want = biased ? b[o] : 0;
                        for (int i = 0; i < in; i++)
                            want += w[o*in + i]*x[r*in + i];
                        CHECK_NEAR(want, y[r*out + o], 1e-14);
                    }
                ref_dense_backward(&dense, (size_t)rows, grad, back);
                ref_dense_backward_add(&dense, (size_t)rows, grad, back);
                for (int r = 0; r < rows; r++)
                    for (int i = 0; i < in; i++) {
                        double want = 0;
                        for (int o = 0; o < out; o++)
                            want += 2*grad[r*out + o]*w[o*in + i];
                        CHECK_NEAR(want, back[r*in + i], 1e-14);
                    }
                ref_dense_free(&dense);
            }
    const double one = 1;
    const mlff_tensor vector = {.name = "layer.0.w", .dtype = MLFF_F64, .n_dims = 1, .shape = {1},
                                .n_values = 1, .data = &one};
    ref_dense dense = {0};
    CHECK_FAILS(ref_dense_new(&dense, &vector, NULL, &err), MLFF_ERROR_FORMAT, err, "layer.0.w");
}

typedef struct function {
    double (*value)(double x, double *derivative);
    double at;
} function;

static double shifted(void *ctx, double x) {
    const function *f = ctx;
    double derivative;
    return f->value(f->at + x, &derivative);
}

/* The derivative a function gives is that of its value. */
static void check_derivative(double (*value)(double, double *), double x, double h) {
    function f = {value, x};
    double derivative;
    f.value(x, &derivative);
    const finite_difference want = finite_difference_of(shifted, &f, h, 1e-15);
    CHECK(want.error < 1e-8);
    CHECK_NEAR(want.value, derivative, want.error);
}

static double silu(double x, double *derivative) {
    const double one = 1;
    double y;
    ref_silu_forward(1, &x, &y);
    ref_silu_backward(1, &x, &one, derivative);
    return y;
}

static double gelu(double x, double *derivative) {
    const double one = 1;
    double y;
    ref_gelu_forward(1, &x, &y);
    ref_gelu_backward(1, &x, &one, derivative);
    return y;
}

/* Values to 40 digits by mpmath: x/(1+exp(-x)) and x*(1+erf(x/sqrt(2)))/2. */
static void test_activations(void) {
    double derivative;
    CHECK_NEAR(0.73105857863000487925, silu(1, &derivative), 1e-15);
    CHECK_NEAR(-0.2384058440442351, silu(-2, &derivative), 1e-15);
    CHECK_NEAR(0.84134474606854294859, gelu(1, &derivative), 1e-15);
    CHECK_NEAR(-0.04550026389635841, gelu(-2, &derivative), 1e-15);
    for (double x = -6; x <= 6; x += 0.37) {
        check_derivative(silu, x, 1e-3);
        check_derivative(gelu, x, 1e-3);
    }
    /* far out: finite, and the limits */
    CHECK(silu(800, &derivative) == 800 && derivative == 1);
    CHECK(silu(-800, &derivative) == 0 && derivative == 0);
    CHECK(gelu(800, &derivative) == 800 && derivative == 1);
    CHECK(gelu(-800, &derivative) == 0 && derivative == 0);
    /* in place, with a factor */
    const double x[3] = {-1, 0, 2};
    double grad[3] = {2, 2, 2};
    ref_silu_backward(3, x, grad, grad);
    CHECK(grad[1] == 1);
    silu(2, &derivative);
    CHECK(grad[2] == 2*derivative);
}

static double gaussian(double d, double *derivative) {
    const double mu = 1.5, beta = 2.25;
    double phi;
    ref_radial_gaussian(1, &mu, &beta, d, &phi, derivative);
    return phi;
}

static double bessel(double d, double *derivative) {
    const double freq = 3.0;
    double phi;
    ref_radial_bessel(1, &freq, d, &phi, derivative);
    return phi;
}

static double cosine(double d, double *derivative) {
    return ref_cutoff_cosine(d, 5, derivative);
}

static double poly(double d, double *derivative) {
    return ref_cutoff_poly(d, 5, 5, derivative);
}

static double poly1(double d, double *derivative) {
    return ref_cutoff_poly(d, 5, 1, derivative);
}

static void test_radial_and_cutoff(void) {
    double derivative;
    for (double d = 0.3; d < 4.9; d += 0.31) {
        check_derivative(gaussian, d, 1e-3);
        check_derivative(bessel, d, 1e-3);
        check_derivative(cosine, d, 1e-3);
        check_derivative(poly, d, 1e-3);
        check_derivative(poly1, d, 1e-3);
    }
    CHECK_NEAR(1, gaussian(1.5, &derivative), 0);
    CHECK_NEAR(exp(-2.25), gaussian(2.5, &derivative), 1e-16);
    CHECK_NEAR(sin(6.0)/2, bessel(2, &derivative), 1e-16);
    /* half the cutoff, at the start, at and behind the cutoff */
    CHECK_NEAR(0.5, cosine(2.5, &derivative), 1e-15);
    CHECK_NEAR(0.7734375, poly(2.5, &derivative), 1e-15);  /* 1 - 21/32 + 35/64 - 15/128 */
    CHECK(cosine(0, &derivative) == 1 && derivative == 0);
    CHECK(poly(0, &derivative) == 1 && derivative == 0);
    double (*const functions[])(double, double *) = {cosine, poly, poly1};
    for (int k = 0; k < 3; k++) {
        CHECK(functions[k](5, &derivative) == 0 && derivative == 0);
        CHECK(functions[k](7, &derivative) == 0 && derivative == 0);
        CHECK_NEAR(0, functions[k](5 - 1e-9, &derivative), 1e-14);
    }
}

static void test_arena(void) {
    mlff_error err;
    ref_arena arena = {0};
    CHECK(ref_arena_take(&arena, 3, sizeof(double)) == NULL && arena.used == 64);
    CHECK(ref_arena_take(&arena, 9, sizeof(double)) == NULL && arena.used == 192);
    CHECK_OK(ref_arena_reserve(&arena, arena.used, &err), err);
    char *a = ref_arena_take(&arena, 3, sizeof(double));
    char *b = ref_arena_take(&arena, 9, sizeof(double));
    CHECK(a && b == a + 64 && (size_t)a % 64 == 0 && arena.used <= arena.capacity);
    CHECK_OK(ref_arena_reserve(&arena, 100, &err), err);
    CHECK(arena.block == a && arena.used == 0);
    ref_arena_free(&arena);

    CHECK(ref_arena_take(&arena, SIZE_MAX/4, sizeof(double)) == NULL && arena.used == SIZE_MAX);
    CHECK(ref_arena_take(&arena, 1, 1) == NULL && arena.used == SIZE_MAX);
    CHECK_FAILS(ref_arena_reserve(&arena, arena.used, &err), MLFF_ERROR_MEMORY, err, "smaller");
}

int main(void) {
    test_dense();
    test_activations();
    test_radial_and_cutoff();
    test_arena();
    return check_report("test_ops");
}
