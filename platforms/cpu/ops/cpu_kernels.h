/*
 * The inner loops of the CPU platform. Each instruction set has its own table of functions, made
 * from the same source (cpu_kernels_body.h); cpu_kernels_best() picks one for the machine at hand.
 *
 * Results do not depend on how rows and features are divided among threads: every output element
 * is one sum in a fixed order.
 *
 * Feature arrays are padded with zeros to F = a multiple of CPU_FEATURE_BLOCK floats.
 */
#ifndef CPU_KERNELS_H_
#define CPU_KERNELS_H_

#include <stdbool.h>
#include <stddef.h>

enum { CPU_FEATURE_BLOCK = 32 };  /* a multiple of every vector length and panel */

/* ------------------------------------------------------------------------- dense layers -- */

typedef enum cpu_epilogue {
    CPU_PLAIN,  /* y  = sum + bias */
    CPU_ADD,    /* y += sum + bias */
    CPU_SILU,   /* y  = silu(sum + bias), d = its derivative there */
    CPU_GELU,   /* y  = gelu(sum + bias), d = its derivative there */
    CPU_ADD_GELU,  /* y = gelu(y + sum + bias), d likewise */
    CPU_TIMES   /* y  = (sum + bias) d: an activation's reverse pass */
} cpu_epilogue;

/*
 * A dense layer's weights, packed for the microkernel: panels of CPU_FEATURE_BLOCK outputs, inside
 * a panel input by input. n_out is padded to whole panels; rows of y must have that room.
 */
typedef struct cpu_dense {
    int n_in;       /* K, inputs as they stand in x, padding included; those after are left out */
    int n_stored;   /* inputs that are there, at least n_in */
    int n_panels;   /* outputs / CPU_FEATURE_BLOCK */
    float *packed;  /* [n_panels][n_stored][CPU_FEATURE_BLOCK] */
    float *bias;    /* [n_panels * CPU_FEATURE_BLOCK] */
} cpu_dense;

/* -------------------------------------------------------------------------- PaiNN message -- */

/*
 * Radial filters of one layer as cubics on the intervals of a uniform grid over 0 ... cutoff:
 *     W = c0 + t (c1 + t (c2 + t c3)),  t = 0 ... 1 inside the interval,
 * for the three filter blocks s, r, v. An edge reads one row of a feature block:
 *     table[F/B][n_intervals][3][4][B],  B = CPU_FEATURE_BLOCK
 */
typedef struct cpu_filter_table {
    int n_intervals;
    double inv_spacing;  /* intervals per angstrom */
    float *table;
} cpu_filter_table;

/*
 * One pair as the message kernels read it, from row k to its neighbor m, r = x_m - x_k + image.
 * The kernels handle both directions, k <- m and m <- k, in row k: no two rows write to one place.
 */
typedef struct cpu_edge {
    int neighbor;   /* m */
    int interval;   /* of the filter tables */
    float t;        /* 0 ... 1, place inside the interval */
    float u[3];     /* r/(d + dir_eps) */
    float n[3];     /* r/d times the intervals per angstrom: filters are derived by t */
    float r[3];     /* angstrom */
    float inv;      /* 1/(d + dir_eps) over the intervals per angstrom */
} cpu_edge;

/* What the message kernels of one layer work on; F is the padded number of features. */
typedef struct cpu_message {
    int n_features;                  /* F */
    const cpu_filter_table *filter;
    const float *x;                  /* [n][3][F] context of the senders; NULL: x = (s, 1, 1) */
    const float *s;                  /* [n][F] at the start of the layer */
    const float *v;                  /* [n][3][F] at the start of the layer; NULL: all zero, the
                                        first layer */
    const float *grad_s, *grad_v;    /* [n][F], [n][3][F] after the message; reverse pass only;
                                        zero in rows that receive no messages */
} cpu_message;

/* Arrays of one layer's update, from the first of the n rows that go through it together; F padded
   features. What a stage writes is not const. */
typedef struct cpu_update {
    int n_features;       /* F */
    bool channel;         /* else spatial */
    bool last;            /* v after the update is not used: y has the blocks of s alone, v is not
                             written, grad_v not read */
    float norm_eps;
    float m[9];           /* [3][3] M, spatial */
    float *cat;           /* [n][2F]: s after the message, then n */
    const float *v_mid;   /* [n][3][F]: v after the message */
    float *pq;            /* channel [n][3][2F]: p then q of each component; spatial [n][3][F]: q */
    float *t;             /* [n][F], channel */
    float *y;             /* [n][3][F]: channel (ss, sv, vv), spatial (s, g1, g2) */
    float *s, *v;         /* [n][F], [n][3][F] after the update */
    float *grad_s, *grad_v;       /* in: after the update; out: after the message (channel: what
                                     goes through p and q is still missing in grad_v) */
    float *grad_y;                /* [n][3][F] */
    const float *grad_cat;        /* [n][2F] */
    float *grad_pq;               /* [n][3][2F], channel */
} cpu_update;

typedef void (*cpu_update_stage)(const cpu_update *update, int n_rows);

/* -------------------------------------------------------------------- AIMNet2 convolution -- */

enum { CPU_LANE_BLOCK = 16 };  /* a multiple of every vector length */

/* One pair as the convolution reads it, from row k to its neighbor m, r = x_m - x_k + image. Its
   Gaussians stand apart: gauss [n_pairs][2][n_lanes], values, then derivatives by d. */
typedef struct cpu_pair {
    int neighbor;    /* m */
    int window;      /* first of the n_window radial channels that can be felt at this distance */
    float u[3];      /* r/d */
    float d, inv;    /* angstrom; 1/d */
} cpu_pair;

/*
 * Convolution of one pass (docs/math/aimnet2.md), symbols as there. A features and G Gaussians
 * stand as [G][A], A = n_features padded with zeros to whole lane blocks. Rows of x and grad_x:
 *     [a (G A) | S (G A) | V (C A)], behind pass 0 also [q (Q) | S_q (Q G) | V_q (Q C)]
 */
typedef struct cpu_conv {
    int n_features;       /* A, padded */
    int n_radial;         /* G */
    int n_lanes;          /* G padded to whole lane blocks */
    int n_combinations;   /* C */
    int n_mixes;          /* C padded to whole lane blocks */
    int n_charges;        /* Q */
    int n_window;         /* W radial channels that a pair feels at most */
    float eta, cutoff, reach;     /* reach: distance from a center beyond which exp(-eta t^2) = 0 */
    const float *shifts;          /* [n_lanes] angstrom, padded with a huge value */
    const float *agh;             /* [G][C][A] */
    const float *agh_q, *agh_qt;  /* [Q][G][n_mixes], [Q][C][n_lanes] */

    const float *a;               /* [n][G][A] */
    const float *q;               /* [n][Q]; NULL in pass 0 */
    float *v, *v_q;               /* [n][C][3][A], [n][Q][3][n_mixes] */
    float *x;                     /* [n][x_stride]; reverse: grad_x */
    size_t x_stride;
    float *grad_o, *grad_oq;      /* [n][G][4][A], [n][Q][4][n_lanes] */
    float *grad_a, *grad_q;       /* [n][G][A], [n][Q]; added to */
} cpu_conv;

/* Floats of scratch that one thread needs. */
static inline size_t cpu_conv_scratch(const cpu_conv *v) {
    return (4 * (size_t) v->n_radial + 3 * (size_t) v->n_combinations) * v->n_features +
           4 * ((size_t) v->n_lanes + v->n_mixes);
}

/* ---------------------------------------------------------------------------- long range -- */

/* phi(d) of the charge interaction c q_k q_m phi. */
typedef enum cpu_coulomb_form {
    CPU_COULOMB_NONE,
    CPU_COULOMB_PLAIN,         /* 1/d */
    CPU_COULOMB_SCREENED,      /* erfc(alpha d)/d - shift + (d - range) slope */
    CPU_COULOMB_SHORT_EXP,     /* h(d)/d, h = exp(1 - 1/(1 - (d/range)^2)) */
    CPU_COULOMB_SHORT_COSINE   /* h(d)/d, h = (1 + cos(pi d/range))/2 */
} cpu_coulomb_form;

enum { CPU_D3_REFERENCES = 5, CPU_D3_RECORD = 8 };

/*
 * Dispersion of one evaluation. References stand atom by atom: w_p = exp(-4 (CN - cnref_p)^2), the
 * largest scaled to 1, and the weights of a pair are products w_p w_s, of which those below
 * `smallest` are dropped. Where a pair drops none, C6 is a sum over the references of one side:
 *     C6 = sum_p weight_k[p] T_m[p],  T_m[p] = sum_s weight_m[s] c6ref[p][s],  sum of weights = 1
 * A table in which a reference of an element has another CN beside another partner has no such
 * products: then cnref is set, and every pair sums over all pairs of references.
 */
typedef struct cpu_dispersion {
    float s6, s8, a1, a2, bohr;    /* a2 in bohr; angstrom */
    float on, cutoff, list;        /* angstrom: switch from 1 to 0; pairs in coordination numbers */
    float smallest;
    int n_atoms, n_kinds;          /* kinds: elements of the graph */
    const int *kind;               /* [n] */
    const float *rcov;             /* [n] bohr */
    const float *record;           /* [n_kinds][n][8] as element `kind` sees atom m: T [5], root
                                      sqrt(sqrt(3) r4r2), charge, smallest w that is not 0 */
    const float *w, *offset;       /* [n][8] w_p before the sum is 1; CN - cnref_p */
    const float *weight, *slope;   /* [n][8] its sum 1; d(weight)/dCN */
    const float *c6ref;            /* [n_kinds][n_kinds][5][5] Hartree bohr^6 */
    const float *cn;               /* [n] coordination numbers */
    const float *cnref;            /* [n_kinds][n_kinds][5][5] CN of the first kind; NULL: products */
} cpu_dispersion;

typedef struct cpu_longrange_terms {
    cpu_coulomb_form form;
    float range, alpha, shift, slope;
    const float *q;                /* [n] e */
    const cpu_dispersion *dispersion;  /* NULL: none */
    double coulomb, hartree;       /* factors of a directed pair: c, -Hartree/2 */
} cpu_longrange_terms;

/* One row's sums over its directed pairs; factors included. */
typedef struct cpu_longrange_row {
    double coulomb, dispersion;    /* eV */
    double grad_q, grad_cn;        /* eV/e, eV: both directions of the pairs */
    double force[3], strain[9];    /* both directions; one direction */
} cpu_longrange_row;

/* ------------------------------------------------------------------------------- kernels -- */

typedef struct cpu_kernels {
    const char *name;   /* "AVX-512" */

    /*
     * y[m][n] = epilogue(sum_k x[m][k] W[n][k] + bias[n]) for m < n_rows and the outputs of panels
     * panel0 <= p < panel1. x [n_rows][x_stride], y and d [n_rows][y_stride]; d is written by
     * CPU_SILU, CPU_GELU and CPU_ADD_GELU (unless NULL), read by CPU_TIMES.
     */
    void (*dense)(const cpu_dense *layer, cpu_epilogue epilogue, int n_rows, const float *x,
                  size_t x_stride, float *y, float *d, size_t y_stride, int panel0, int panel1);

    /*
     * Messages into row k, features of block b (docs/math/painn.md, message):
     *   s_out [F], v_out [3][F]: block b of the state after the message
     */
    void (*painn_message)(const cpu_message *message, int k, int block, int n_edges,
                          const cpu_edge *edges, float *s_out, float *v_out);

    /*
     * Reverse of both directions of row k's pairs, features of block b:
     *   grad_x_out [3][F]  block b: gradient of row k's context; without a context [F], that of s;
     *                      not touched in the first layer
     *   grad_v_out [3][F]  block b: gradient of row k's v at the start of the layer; likewise
     *   force      [3]     added to: force on atom k
     *   strain     [9]     added to: half the sum of r (x) force over the pairs; may be NULL
     */
    void (*painn_message_reverse)(const cpu_message *message, int k, int block, int n_edges,
                                  const cpu_edge *edges, float *grad_x_out, float *grad_v_out,
                                  double *force, double *strain);

    /* Elementwise stages of the update of n_rows rows; two entries: [0] spatial, [1] channel. */
    cpu_update_stage painn_norms[2];           /* p, q -> n, t; spatial also makes q */
    cpu_update_stage painn_update[2];          /* y -> s, v */
    cpu_update_stage painn_reverse_y[2];       /* grad_s, grad_v -> grad_y */
    cpu_update_stage painn_reverse_update[2];  /* grad_cat -> grad_s, grad_pq | grad_v */

    /* pairs [n] and gauss [n][2][n_lanes] from neighbors and vectors sign r, sorted by window. */
    void (*aimnet2_pairs)(const cpu_conv *conv, int n, const int *neighbor, const double (*r)[3],
                          double sign, cpu_pair *pairs, float *gauss);

    /* a, q of row k and its neighbors -> x, v, v_q of row k. */
    void (*aimnet2_conv)(const cpu_conv *conv, int k, int n_pairs, const cpu_pair *pairs,
                         const float *gauss, float *scratch);

    /* grad_x, v, v_q -> grad_o, grad_oq of row k. */
    void (*aimnet2_reverse_mix)(const cpu_conv *conv, int k, float *scratch);

    /*
     * Reverse of both directions of row k's pairs.
     *   grad_a, grad_q   row k added to, in pass 0 (q = NULL) left alone
     *   force [3], strain [9]   added to, see painn_message_reverse
     */
    void (*aimnet2_reverse)(const cpu_conv *conv, int k, int n_pairs, const cpu_pair *pairs,
                            const float *gauss, double *force, double *strain);

    /* Energy, force, gradients and, where wanted, strain of row k's pairs; adds to *row. */
    void (*longrange_pairs)(const cpu_longrange_terms *terms, int k, int n, const int *neighbor,
                            const double (*r)[3], bool strained, cpu_longrange_row *row);

    /* Coordination number of row k. */
    float (*longrange_count)(const cpu_dispersion *d3, int k, int n, const int *neighbor,
                             const double (*r)[3]);

    /* Reverse of it, grad_cn [n]: force and strain of *row. */
    void (*longrange_count_reverse)(const cpu_dispersion *d3, const float *grad_cn, int k, int n,
                                    const int *neighbor, const double (*r)[3], bool strained,
                                    cpu_longrange_row *row);
} cpu_kernels;

extern const cpu_kernels cpu_kernels_baseline;  /* SSE2 on x86-64, NEON on AArch64 */
#if defined(__x86_64__)
extern const cpu_kernels cpu_kernels_avx2;
extern const cpu_kernels cpu_kernels_avx512;
#endif

/* The fastest table that this machine can run. */
const cpu_kernels *cpu_kernels_best(void);

/* All tables that this machine can run; returns their number, at most 4. For tests. */
int cpu_kernels_available(const cpu_kernels *list[4]);

#endif
