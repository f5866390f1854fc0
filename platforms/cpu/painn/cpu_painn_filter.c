/*
 * Radial filters as tables of cubic Hermite interpolants.
 *
 * W(d) of a layer is 3F smooth functions of the distance alone, so whatever the basis, the envelope
 * and the filter network are, an edge costs three multiply-adds a value, not K or F. The force
 * uses the derivative of the interpolant: it stays the exact gradient of the energy. The grid is
 * refined until the table agrees with the filter in between its knots to float32 accuracy.
 */
#include "cpu_painn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    B = CPU_FEATURE_BLOCK,
    BATCH = 3,           /* distances that go through the network together */
    ROWS = 2 * BATCH,    /* of each a row of values and one of derivatives by d */
    COLUMNS = 4          /* outputs of a tile of the network; widths are padded to whole tiles */
};

typedef double pair __attribute__((vector_size(2 * sizeof(double))));

/* One filter network in double precision, and its scratch. */
typedef struct net {
    const mlff_painn *painn;
    int n_hidden, n_out;        /* widths of the first and the last linear, padded */
    double *w0, *b0, *w1, *b1;  /* weights transposed, [in][padded out]; w1 NULL with one layer */
    double *basis;              /* [ROWS][K] */
    double *hidden;             /* [ROWS][n_hidden] */
    double *filter;             /* [ROWS][n_out] */
    double *mu, *beta;          /* [K]: centers and widths, or frequencies in mu */
} net;

static int padded(int n) {
    return (n + COLUMNS - 1) / COLUMNS * COLUMNS;
}

static double *copy(const mlff_tensor *tensor, int n) {
    double *values = tensor ? calloc((size_t) n, sizeof *values) : NULL;
    if (values)
        mlff_tensor_to_double(tensor, values);
    return values;
}

/* [in][padded out] from the file's [out][in]. */
static double *copy_transposed(const mlff_tensor *tensor) {
    if (!tensor)
        return NULL;
    const int64_t n_out = tensor->shape[0], n_in = tensor->shape[1];
    const size_t width = (size_t) padded((int) n_out);
    double *values = calloc((size_t) n_in * width, sizeof *values);
    for (int64_t o = 0; values && o < n_out; o++)
        for (int64_t i = 0; i < n_in; i++)
            values[i * width + o] = mlff_tensor_value(tensor, o * n_in + i);
    return values;
}

static void net_free(net *n) {
    double *all[] = {n->w0, n->b0, n->w1, n->b1, n->basis, n->hidden, n->filter, n->mu, n->beta};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        free(all[k]);
}

static mlff_status net_new(const mlff_painn *painn, int l, net *n, mlff_error *err) {
    const mlff_painn_layer *layer = &painn->layer[l];
    const int K = painn->n_rbf, F = painn->n_features;
    const bool deep = painn->filter_layers == 2, gaussian = painn->rbf == MLFF_PAINN_GAUSSIAN;
    *n = (net) {.painn = painn, .n_hidden = padded(deep ? F : 3 * F), .n_out = padded(3 * F)};
    n->w0 = copy_transposed(layer->filter_w0);
    n->b0 = copy(layer->filter_b0, n->n_hidden);
    n->w1 = copy_transposed(layer->filter_w1);
    n->b1 = copy(layer->filter_b1, n->n_out);
    n->mu = copy(gaussian ? painn->rbf_mu : painn->rbf_freq, K);
    n->beta = copy(painn->rbf_beta, K);
    n->basis = malloc(ROWS * (size_t) K * sizeof(double));
    n->hidden = malloc(ROWS * (size_t) n->n_hidden * sizeof(double));
    n->filter = malloc(ROWS * (size_t) n->n_out * sizeof(double));
    if (n->w0 && n->b0 && n->mu && n->basis && n->hidden && n->filter &&
        (!deep || (n->w1 && n->b1)) && (!gaussian || n->beta))
        return MLFF_OK;
    net_free(n);
    return mlff_fail(err, MLFF_ERROR_MEMORY, "no memory for a filter network of %d features", F);
}

/* fc and dfc/dd. */
static void envelope(const mlff_painn *painn, double d, double *fc, double *slope) {
    const double pi = 3.14159265358979323846, rc = painn->cutoff, x = d / rc;
    if (x >= 1) {
        *fc = *slope = 0;
    } else if (painn->cutoff_fn == MLFF_PAINN_COSINE) {
        *fc = 0.5 * (1 + cos(pi * x));
        *slope = -0.5 * pi / rc * sin(pi * x);
    } else {
        const double p = painn->poly_p, xp = pow(x, p - 1);
        *fc = 1 - x * xp * ((p + 1) * (p + 2) / 2 - p * (p + 2) * x + p * (p + 1) / 2 * x * x);
        *slope = -p * (p + 1) * (p + 2) / 2 * xp * (1 - x) * (1 - x) / rc;
    }
}

/* phi_k and their derivatives; sin(w d)/d and its limit at d = 0. */
static void radial(const net *n, double d, double *phi, double *slope) {
    for (int k = 0; k < n->painn->n_rbf; k++) {
        if (n->painn->rbf == MLFF_PAINN_GAUSSIAN) {
            const double x = d - n->mu[k];
            phi[k] = exp(-n->beta[k] * x * x);
            slope[k] = -2 * n->beta[k] * x * phi[k];
        } else {
            const double w = n->mu[k], wd = w * d;
            phi[k] = fabs(wd) < 1e-4 ? w * (1 - wd * wd / 6) : sin(wd) / d;
            slope[k] = fabs(wd) < 1e-4 ? -w * w * wd / 3 : (w * cos(wd) - phi[k]) / d;
        }
    }
}

/* y [ROWS][n_out] = x [ROWS][stride] W of n_in inputs; b [n_out] is added to the rows of values. */
static void linear(int n_in, int stride, int n_out, const double *w, const double *b,
                   const double *x, double *y) {
    for (int o = 0; o < n_out; o += COLUMNS) {
        pair sum[ROWS][2];
        for (int r = 0; r < ROWS; r++)
            for (int c = 0; c < 2; c++)
                sum[r][c] = r % 2 ? (pair) {0, 0} : (pair) {b[o + 2 * c], b[o + 2 * c + 1]};
        for (int i = 0; i < n_in; i++) {
            const double *row = w + (size_t) i * n_out + o;
            const pair w0 = {row[0], row[1]}, w1 = {row[2], row[3]};
            for (int r = 0; r < ROWS; r++) {
                sum[r][0] += x[r * stride + i] * w0;
                sum[r][1] += x[r * stride + i] * w1;
            }
        }
        for (int r = 0; r < ROWS; r++)
            for (int c = 0; c < COLUMNS; c++)
                y[r * n_out + o + c] = sum[r][c / 2][c % 2];
    }
}

/* Basis at distance d, with the envelope where it belongs on the basis; x [2][K]. */
static void basis(const net *n, double d, double fc, double dfc, double *x) {
    const int K = n->painn->n_rbf;
    radial(n, d, x, x + K);
    if (n->painn->envelope == MLFF_PAINN_ENVELOPE_RBF)
        for (int k = 0; k < K; k++) {
            x[K + k] = x[K + k] * fc + x[k] * dfc;
            x[k] *= fc;
        }
}

static void silu(int n, double *h, double *dh) {
    for (int o = 0; o < n; o++) {
        const double g = 1 / (1 + exp(-h[o]));
        dh[o] *= g * (1 + h[o] * (1 - g));
        h[o] *= g;
    }
}

/* W(d) and dW/dd of the unpadded filter at BATCH distances: out [BATCH][2][3F]. */
static void evaluate(net *n, const double d[BATCH], double *out) {
    const mlff_painn *painn = n->painn;
    const int K = painn->n_rbf, width = 3 * painn->n_features, H = n->n_hidden;
    const bool deep = painn->filter_layers == 2;
    double fc[BATCH], dfc[BATCH];
    for (int k = 0; k < BATCH; k++) {
        envelope(painn, d[k], &fc[k], &dfc[k]);
        basis(n, d[k], fc[k], dfc[k], n->basis + 2 * k * K);
    }
    linear(K, K, H, n->w0, n->b0, n->basis, deep ? n->hidden : n->filter);
    for (int k = 0; deep && k < BATCH; k++)
        silu(painn->n_features, n->hidden + 2 * k * H, n->hidden + (2 * k + 1) * H);
    if (deep)
        linear(painn->n_features, H, n->n_out, n->w1, n->b1, n->hidden, n->filter);
    for (int k = 0; k < BATCH; k++) {
        const double *value = n->filter + 2 * k * n->n_out, *slope = value + n->n_out;
        const bool outside = painn->envelope == MLFF_PAINN_ENVELOPE_FILTER;
        const double c = outside ? fc[k] : 1, dc = outside ? dfc[k] : 0;
        for (int o = 0; o < width; o++) {
            out[2 * k * width + o] = value[o] * c;
            out[(2 * k + 1) * width + o] = slope[o] * c + value[o] * dc;
        }
    }
}

/*
 * How far the cubics of a grid are off: half way between knots, where their values err most, and at
 * a quarter for the derivatives, which err most at about 0.21 and 0.79. Relative to the largest
 * value and derivative; TESTED intervals, evenly spread, tell it for smooth functions. The bounds
 * keep forces within about 3e-6 of the largest; finer tables leave the cache and cost more time.
 *   scratch   [2 BATCH][2][3F]
 */
static bool accurate(net *n, int n_intervals, double *scratch) {
    enum { TESTED = 64 };
    const size_t width = 3 * (size_t) n->painn->n_features;
    const double h = n->painn->cutoff / n_intervals;
    double error = 0, slope_error = 0, largest = 1e-30, largest_slope = 1e-30;
    for (int k = 0; k < TESTED; k++) {
        const double d = (int) ((k + 0.5) * n_intervals / TESTED) * h;
        const double *left = scratch, *right = left + 2 * width, *middle = right + 2 * width;
        const double *quarter = middle + 2 * width + width;
        evaluate(n, (const double[BATCH]) {d, d + h, d + 0.5 * h}, scratch);
        evaluate(n, (const double[BATCH]) {d + 0.25 * h, d, d}, scratch + BATCH * 2 * width);
        for (size_t o = 0; o < width; o++) {
            const double m0 = left[width + o], m1 = right[width + o], rise = right[o] - left[o];
            const double guess = left[o] + 0.5 * rise + 0.125 * h * (m0 - m1);
            const double slope = 1.125 * rise / h + 0.1875 * m0 - 0.3125 * m1;
            error = fmax(error, fabs(guess - middle[o]));
            slope_error = fmax(slope_error, fabs(slope - quarter[o]));
            largest = fmax(largest, fabs(middle[o]));
            largest_slope = fmax(largest_slope, fabs(quarter[o]));
        }
    }
    return error <= 1e-7 * largest && slope_error <= 1e-5 * largest_slope;
}

/*
 * The largest error of the table's value and slope at distance d, and the largest value and slope
 * there. The cubic is that of the interval around d.
 */
typedef struct deviation {
    double value, slope, largest, largest_slope;
} deviation;

static void compare_at(net *n, int n_intervals, double d, double *scratch, deviation *worst) {
    const size_t width = 3 * (size_t) n->painn->n_features;
    const double h = n->painn->cutoff / n_intervals, left_end = fmin(floor(d / h), n_intervals - 1);
    const double t = d / h - left_end, *left = scratch, *right = left + 2 * width,
                 *exact = right + 2 * width;
    evaluate(n, (const double[BATCH]) {left_end * h, (left_end + 1) * h, d}, scratch);
    for (size_t o = 0; o < width; o++) {
        const double rise = right[o] - left[o], m0 = left[width + o] * h, m1 = right[width + o] * h;
        const double c2 = 3 * rise - 2 * m0 - m1, c3 = m0 + m1 - 2 * rise;
        const double value = left[o] + t * (m0 + t * (c2 + t * c3));
        const double slope = (m0 + t * (2 * c2 + 3 * t * c3)) / h;
        const bool finite = isfinite(value - exact[o]) && isfinite(slope - exact[width + o]);
        worst->value = finite ? fmax(worst->value, fabs(value - exact[o])) : INFINITY;
        worst->slope = finite ? fmax(worst->slope, fabs(slope - exact[width + o])) : INFINITY;
        worst->largest = fmax(worst->largest, fabs(exact[o]));
        worst->largest_slope = fmax(worst->largest_slope, fabs(exact[width + o]));
    }
}

/*
 * Whether the grid also holds what lies between the places that accurate() looks at: at distances
 * that are no multiple of an interval (fractions of the golden ratio), so that no wave hides, and
 * around the centers of Gaussians, which may be narrower than an interval. Returns the larger of the
 * two errors in units of twice what is allowed: at most 1 is fine.
 */
static double search_gaps(net *n, int n_intervals, double *scratch) {
    enum { PLACES = 192 };
    static const double golden = 0.61803398874989484820;
    static const double offset[] = {-2, -1, -0.5, -0.1, 0.1, 0.5, 1, 2};  // standard deviations
    const mlff_painn *painn = n->painn;
    deviation worst = {.largest = 1e-30, .largest_slope = 1e-30};
    for (int k = 0; k < PLACES; k++) {
        const double t = fmod((k + 1) * golden, 1);
        compare_at(n, n_intervals, painn->cutoff * (k + t) / PLACES, scratch, &worst);
    }
    for (int k = 0; k < painn->n_rbf && painn->rbf == MLFF_PAINN_GAUSSIAN; k++)
        for (size_t i = 0; i < sizeof offset / sizeof *offset; i++) {
            const double d = n->mu[k] + offset[i] / sqrt(2 * fabs(n->beta[k]) + 1e-30);
            if (d > 0 && d < painn->cutoff)
                compare_at(n, n_intervals, d, scratch, &worst);
        }
    if (!isfinite(worst.value) || !isfinite(worst.largest) || !isfinite(worst.largest_slope))
        return INFINITY;
    return fmax(worst.value / (2e-7 * worst.largest), worst.slope / (2e-5 * worst.largest_slope));
}

/* Filter values and slopes (per interval) at all knots: [n_intervals + 1, whole batches][2][3F]. */
static void sample(net *n, int n_intervals, double *knots) {
    const size_t width = 3 * (size_t) n->painn->n_features;
    const double h = n->painn->cutoff / n_intervals;
    for (int i = 0; i <= n_intervals; i += BATCH) {
        double d[BATCH], *out = knots + 2 * width * i;
        for (int k = 0; k < BATCH; k++)
            d[k] = (i + k) * h;
        evaluate(n, d, out);
        for (int k = 0; k < BATCH; k++)
            for (size_t o = 0; o < width; o++)
                out[(2 * k + 1) * width + o] *= h;
    }
}

/* Cubics of the intervals from values and slopes (m, per interval) at their ends:
   c = f0, m0, 3 (f1 - f0) - 2 m0 - m1, 2 (f0 - f1) + m0 + m1. Padding features are zero. */
static void arrange(const mlff_painn *painn, int n_features, int n_intervals, const double *knots,
                    float *table) {
    const size_t F = (size_t) painn->n_features, width = 3 * F, n = (size_t) n_intervals;
    memset(table, 0, 12 * (size_t) n_features * n * sizeof *table);
    for (size_t i = 0; i < n; i++)
        for (size_t q = 0; q < 3; q++)
            for (size_t f = 0; f < F; f++) {
                const double *left = knots + 2 * width * i + q * F + f, *right = left + 2 * width;
                const double rise = *right - *left, m0 = left[width], m1 = right[width];
                float *c = table + ((f / B * n + i) * 3 + q) * 4 * B + f % B;
                c[0] = (float) *left;
                c[B] = (float) m0;
                c[2 * B] = (float) (3 * rise - 2 * m0 - m1);
                c[3 * B] = (float) (m0 + m1 - 2 * rise);
            }
}

/* The number of intervals that layer l needs, at least *n_intervals. A filter that the finest grid
   does not hold is refused. */
static mlff_status refine(const mlff_painn *painn, int l, int n_features, int *n_intervals,
                          mlff_error *err) {
    // the finest grid: 64 MB a layer, or what wide models with ordinary filters may need
    enum { LARGEST = 64 << 20, FINEST = 1 << 17, FINEST_IN_ANY_CASE = 8192 };
    int last = FINEST_IN_ANY_CASE;
    while (last < FINEST && 2 * (size_t) last * 12 * n_features * sizeof(float) <= LARGEST)
        last *= 2;
    net n;
    MLFF_TRY(net_new(painn, l, &n, err));
    double *scratch = malloc(2 * BATCH * 2 * 3 * (size_t) painn->n_features * sizeof *scratch);
    bool good = false;
    double error = 0;
    while (scratch && !good) {
        error = search_gaps(&n, *n_intervals, scratch);
        good = error <= 1 && accurate(&n, *n_intervals, scratch);
        if (!good && *n_intervals >= last)
            break;
        *n_intervals *= good ? 1 : 2;
    }
    net_free(&n);
    if (!scratch)
        return mlff_fail(err, MLFF_ERROR_MEMORY, "no memory for the filter of layer %d", l);
    free(scratch);
    if (!good)
        return mlff_fail(err, MLFF_ERROR_UNSUPPORTED, "the radial filters of layer %d change too "
                         "fast with the distance for the CPU platform's tables: with %d intervals "
                         "over the cutoff of %g angstrom they are off by %.2g of the largest "
                         "slope, expected at most 2e-05; use the Reference platform, which has no "
                         "tables, or check the model's cutoff and radial basis", l, *n_intervals,
                         painn->cutoff, 2e-5 * error);
    return MLFF_OK;
}

static mlff_status make_table(const mlff_painn *painn, int l, int n_features, int n_intervals,
                              cpu_filter_table *out, mlff_error *err) {
    const size_t width = 3 * (size_t) painn->n_features;
    cpu_buffer table = {0}, knots = {0};
    net n;
    MLFF_TRY(cpu_buffer_reserve(&table, 12 * (size_t) n_features * n_intervals * sizeof(float),
                                err));
    *out = (cpu_filter_table) {n_intervals, n_intervals / painn->cutoff, table.data};
    MLFF_TRY(net_new(painn, l, &n, err));
    const size_t n_knots = (size_t) n_intervals + BATCH;
    const mlff_status status =
        cpu_buffer_reserve(&knots, n_knots * 2 * width * sizeof(double), err);
    if (status == MLFF_OK) {
        sample(&n, n_intervals, knots.data);
        arrange(painn, n_features, n_intervals, knots.data, out->table);
    }
    cpu_buffer_free(&knots);
    net_free(&n);
    return status;
}

mlff_status cpu_painn_filters_new(const mlff_painn *painn, int n_tables, int n_features,
                                  cpu_filter_table *out, mlff_error *err) {
    int n_intervals = 256;
    for (int l = 0; l < n_tables; l++)
        MLFF_TRY(refine(painn, l, n_features, &n_intervals, err));
    for (int l = 0; l < n_tables; l++)
        MLFF_TRY(make_table(painn, l, n_features, n_intervals, &out[l], err));
    return MLFF_OK;
}

void cpu_painn_filter_free(cpu_filter_table *filter) {
    free(filter->table);
    *filter = (cpu_filter_table) {0};
}

void cpu_painn_filter_locate(const cpu_filter_table *filter, double d, cpu_edge *edge) {
    const double position = d * filter->inv_spacing;
    const int last = filter->n_intervals - 1;
    edge->interval = position < last ? (int) position : last;
    edge->t = (float) (position - edge->interval);
}
