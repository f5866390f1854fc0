/* Systems with charges for the tests of Coulomb and dispersion: goldens, lists, differences. */
#ifndef LONGRANGE_SUPPORT_H_
#define LONGRANGE_SUPPORT_H_

#include "../../platforms/reference/longrange/ref_longrange.h"
#include "check.h"
#include "mlff_json.h"
#include "mlff_internal.h"
#include "mlff_reference.h"

#include <pthread.h>

enum { MAX_ATOMS = 256 };

typedef struct lr_system {
    char name[64];
    int n;
    int species[MAX_ATOMS];
    double x[MAX_ATOMS][3];   /* angstrom */
    double q[MAX_ATOMS];      /* e */
    int region[MAX_ATOMS];
    int n_regions;            /* 1 after loading */
    bool periodic;
    double cell[3][3];        /* rows */
} lr_system;

/* What one evaluation gives; starts from zeros. */
typedef struct lr_result {
    double component[MLFF_N_COMPONENTS];
    double force[MAX_ATOMS][3];
    double strain[9];
    double gq[MAX_ATOMS];
} lr_result;

static mlff_error lr_error;

/* ----------------------------------------------------------------------------- goldens -- */

/* A whole file, from malloc. */
static inline unsigned char *lr_read_file(const char *path, size_t *n) {
    FILE *file = path ? fopen(path, "rb") : NULL;
    *n = 0;
    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    *n = (size_t) ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*n + 1);
    const size_t found = fread(bytes, 1, *n, file);
    fclose(file);
    CHECK(found == *n);
    return bytes;
}

static const char *const lr_golden_names[] = {
    "acetate_m1", "alanine_dipeptide", "ammonium_p1", "b_se_as", "benzene", "br_i_p_si",
    "citalopram_45", "cl_minus_atom", "h2", "methanol", "s_cl_f", "three_far_waters", "water",
    "water64_box", "water8_cluster", "water8_triclinic"};
enum { LR_N_GOLDEN = 16 };

/* NULL where the golden data are absent; else free with mlff_json_free(). */
static inline mlff_json *lr_golden(const char *name) {
    char file[128];
    snprintf(file, sizeof file, "golden/aimnet2/%s.json", name);
    size_t n;
    unsigned char *text = lr_read_file(check_path("MLFF_SHARED", file), &n);
    if (!text)
        return NULL;
    mlff_json *json = NULL;
    CHECK_OK(mlff_json_parse((const char *) text, n, file, &json, &lr_error), lr_error);
    free(text);
    return json;
}

static inline void lr_vectors(const mlff_json_value *rows, double (*out)[3]) {
    for (int i = 0; i < rows->n; i++)
        for (int d = 0; d < 3; d++)
            out[i][d] = rows->item[i]->item[d]->number;
}

/* The golden system with the charges of one method. */
static inline void lr_golden_system(const mlff_json *json, const mlff_json_value *method,
                                    lr_system *s) {
    const mlff_json_value *root = mlff_json_root(json), *cell = mlff_json_get(root, "cell");
    *s = (lr_system) {.n = mlff_json_get(root, "numbers")->n, .n_regions = 1};
    snprintf(s->name, sizeof s->name, "%s", mlff_json_get(root, "name")->string);
    CHECK(s->n <= MAX_ATOMS);
    for (int i = 0; i < s->n; i++) {
        s->species[i] = (int) mlff_json_get(root, "numbers")->item[i]->number;
        s->q[i] = mlff_json_get(method, "charges")->item[i]->number;
    }
    lr_vectors(mlff_json_get(root, "coord"), s->x);
    s->periodic = cell->type == MLFF_JSON_ARRAY;
    if (s->periodic)
        lr_vectors(cell, s->cell);
}

static inline double lr_golden_component(const mlff_json_value *method, const char *name) {
    const mlff_json_value *components = mlff_json_get(method, "components");
    return mlff_json_get(mlff_json_get(components, name), "energy")->number;
}

/* A made-up system of eight atoms without symmetry; a small triclinic cell if periodic. */
static inline void lr_made_up(bool periodic, double net_charge, lr_system *s) {
    static const double cell[3][3] = {{5.3, 0, 0}, {0.9, 5.9, 0}, {-1.1, 0.7, 6.4}};
    static const double x[8][3] = {{0.1, 0.2, 0.3}, {1.4, 0.3, -0.4}, {2.9, 2.2, 1.5},
                                   {0.4, 2.7, 2.6}, {3.7, 0.5, 3.3}, {2.2, 4.1, 0.8},
                                   {1.3, 1.9, 4.6}, {4.1, 3.4, 4.4}};
    static const double q[8] = {0.43, -0.61, 0.27, -0.35, 0.52, -0.18, 0.31, -0.39};
    static const int z[8] = {1, 8, 6, 7, 1, 17, 16, 1};
    *s = (lr_system) {.n = 8, .n_regions = 1, .periodic = periodic, .name = "made up"};
    memcpy(s->x, x, sizeof x);
    memcpy(s->cell, cell, sizeof cell);
    memcpy(s->species, z, sizeof z);
    for (int i = 0; i < 8; i++)
        s->q[i] = q[i] + net_charge/8;
}

/* --------------------------------------------------------------------------- evaluation -- */

/* AIMNet2's terms; a table makes dispersion the default. */
static inline mlff_longrange_model lr_aimnet2(const mlff_dispersion_table *table) {
    return (mlff_longrange_model) {
        .coulomb = true, .coulomb_constant = MLFF_HARTREE*MLFF_BOHR,
        .short_range_radius = 4.6f,  // float32 in the file
        .dispersion = table != NULL, .dispersion_cutoff = 15, .table = table,
        .damping = {.s6 = 1, .s8 = 0.3908, .a1 = 0.566, .a2 = 3.128},
    };
}

static inline mlff_longrange lr_resolve(const lr_system *s, const mlff_dispersion_table *table,
                                        mlff_settings settings) {
    const mlff_longrange_model model = lr_aimnet2(table);
    mlff_longrange lr;
    CHECK_OK(mlff_longrange_resolve(&model, &settings, s->periodic, &lr, &lr_error), lr_error);
    return lr;
}

/* One rank's piece: rows of owned atoms first, then all others as ghosts. Owner: i % n_ranks. */
typedef struct lr_piece {
    int n_local, n;
    int atom[MAX_ATOMS];      /* index in the system */
    int species[MAX_ATOMS], region[MAX_ATOMS];
    double x[MAX_ATOMS][3], q[MAX_ATOMS];
} lr_piece;

static inline void lr_make_piece(const lr_system *s, int rank, int n_ranks, lr_piece *p) {
    *p = (lr_piece) {.n = s->n};
    int at = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < s->n; i++)
            if ((i % n_ranks == rank) == (pass == 0)) {
                p->atom[at] = i;
                p->species[at] = s->species[i];
                p->region[at] = s->region[i];
                p->q[at] = s->q[i];
                memcpy(p->x[at], s->x[i], sizeof p->x[at]);
                at++;
                p->n_local += pass == 0;
            }
}

/* Evaluate one piece; atoms of the outputs are numbered as in the piece. */
static inline mlff_status lr_evaluate_piece(const mlff_longrange *lr, const lr_system *s,
                                            const lr_piece *p, const mlff_exchange *exchange,
                                            bool want_force, lr_result *out, mlff_error *err) {
    static _Thread_local ref_longrange_work work;  // kept on purpose: scratch is reused
    const double (*cell)[3] = s->periodic ? s->cell : NULL;
    mlff_graph graph = {
        .n_local = p->n_local, .n_all = p->n, .species = p->species, .n_regions = s->n_regions,
        .region = s->n_regions > 1 ? p->region : NULL, .position = p->x, .cell = cell,
    };
    double cutoff;
    MLFF_TRY(ref_longrange_pair_cutoff(lr, &work, &graph, exchange, &cutoff, err));
    ref_pair_list message = {0}, far = {0};
    mlff_status status = ref_neighbors_build(p->n, p->x, graph.region, cell, 5.0, &message, err);
    if (status == MLFF_OK && cutoff > 0)
        status = ref_neighbors_build(p->n, p->x, graph.region, cell, cutoff, &far, err);
    graph.message = ref_pair_list_view(&message);
    if (cutoff > 0)
        graph.long_range = ref_pair_list_view(&far);

    memset(out, 0, sizeof *out);
    mlff_result result = {.force = want_force ? out->force : NULL,
                          .strain = want_force ? out->strain : NULL};
    if (status == MLFF_OK)
        status = ref_longrange_evaluate(lr, &work, &graph, exchange, p->q,
                                        want_force ? out->gq : NULL, &result, err);
    memcpy(out->component, result.component, sizeof out->component);
    ref_pair_list_free(&message);
    ref_pair_list_free(&far);
    ref_longrange_work_free(&work);
    return status;
}

static inline void lr_evaluate(const mlff_longrange *lr, const lr_system *s, bool want_force,
                               lr_result *out) {
    lr_piece *p = malloc(sizeof *p);
    lr_make_piece(s, 0, 1, p);
    CHECK_OK(lr_evaluate_piece(lr, s, p, NULL, want_force, out, &lr_error), lr_error);
    free(p);
}

static inline double lr_energy(const mlff_longrange *lr, const lr_system *s) {
    static lr_result r;
    lr_evaluate(lr, s, false, &r);
    double sum = 0;
    for (int k = 0; k < MLFF_N_COMPONENTS; k++)
        sum += r.component[k];
    return sum;
}

/* ------------------------------------------------------------------------- differences -- */

/* dE/dp at *p by central differences of fourth order. */
static inline double lr_slope(const mlff_longrange *lr, lr_system *s, double *p, double h) {
    const double p0 = *p;
    double e[4];
    static const int step[4] = {-2, -1, 1, 2};
    for (int k = 0; k < 4; k++) {
        *p = p0 + step[k]*h;
        e[k] = lr_energy(lr, s);
    }
    *p = p0;
    return (e[0] - 8*e[1] + 8*e[2] - e[3])/(12*h);
}

/* Energy under x -> (1 + eps) x, cell too, with eps[a][b] = value. */
static inline double lr_strained(const mlff_longrange *lr, const lr_system *s, int a, int b,
                                 double value) {
    static lr_system t;
    t = *s;
    for (int i = 0; i < t.n; i++)
        t.x[i][a] += value*s->x[i][b];
    for (int d = 0; d < 3; d++)
        t.cell[d][a] += value*s->cell[d][b];
    return lr_energy(lr, &t);
}

/* Forces, dE/dq and strain of the first n_checked atoms against differences of the energy. */
static inline void lr_check_derivatives(const mlff_longrange *lr, const lr_system *system,
                                        int n_checked, double tolerance) {
    static lr_system s;
    static lr_result r;
    s = *system;
    const double h = 1e-3, e = 1e-4;  // a strain moves far pairs by more than e
    const int failures = check_failures;
    lr_evaluate(lr, &s, true, &r);
    for (int i = 0; i < n_checked && i < s.n; i++) {
        for (int d = 0; d < 3; d++)
            CHECK_NEAR(-lr_slope(lr, &s, &s.x[i][d], h), r.force[i][d], tolerance);
        CHECK_NEAR(lr_slope(lr, &s, &s.q[i], h), r.gq[i], tolerance);
    }
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++) {
            const double near = lr_strained(lr, &s, a, b, e) - lr_strained(lr, &s, a, b, -e);
            const double far = lr_strained(lr, &s, a, b, 2*e) - lr_strained(lr, &s, a, b, -2*e);
            CHECK_NEAR((8*near - far)/(12*e), r.strain[3*a + b], 10*tolerance);
        }
    if (check_failures > failures)
        printf("  of %s, %s%s\n", s.name, mlff_coulomb_name(lr->coulomb),
               lr->dispersion ? ", dispersion" : "");
}

/* -------------------------------------------------------------------------------- ranks -- */

enum { MAX_RANKS = 4 };

/* Ranks are threads; exchanges meet at a barrier and copy through the shared arrays. */
typedef struct lr_ranks {
    const mlff_longrange *lr;
    const lr_system *system;
    int n;
    pthread_barrier_t barrier;
    lr_piece piece[MAX_RANKS];
    lr_result result[MAX_RANKS];
    mlff_status status[MAX_RANKS];
    const double *array[MAX_RANKS];
} lr_ranks;

typedef struct lr_rank {
    lr_ranks *all;
    int rank;
} lr_rank;

static inline int lr_find(const lr_piece *p, int atom) {
    int at = 0;
    while (p->atom[at] != atom)
        at++;
    return at;
}

static int lr_forward(void *ctx, mlff_real type, void *array, int width) {
    const lr_rank *me = ctx;
    lr_ranks *all = me->all;
    const lr_piece *p = &all->piece[me->rank];
    double *mine = array;
    if (type != MLFF_FLOAT64)
        return 1;
    all->array[me->rank] = mine;
    pthread_barrier_wait(&all->barrier);
    for (int g = p->n_local; g < p->n; g++) {
        const int owner = p->atom[g] % all->n, at = lr_find(&all->piece[owner], p->atom[g]);
        memcpy(mine + g*width, all->array[owner] + at*width, (size_t) width*sizeof *mine);
    }
    pthread_barrier_wait(&all->barrier);
    return 0;
}

static int lr_reverse(void *ctx, mlff_real type, void *array, int width) {
    const lr_rank *me = ctx;
    lr_ranks *all = me->all;
    const lr_piece *p = &all->piece[me->rank];
    double *mine = array;
    if (type != MLFF_FLOAT64)
        return 1;
    all->array[me->rank] = mine;
    pthread_barrier_wait(&all->barrier);
    for (int i = 0; i < p->n_local; i++)
        for (int rank = 0; rank < all->n; rank++) {
            const int at = lr_find(&all->piece[rank], p->atom[i]);
            for (int k = 0; k < width && rank != me->rank; k++)
                mine[i*width + k] += all->array[rank][at*width + k];
        }
    pthread_barrier_wait(&all->barrier);
    memset(mine + p->n_local*width, 0, (size_t) ((p->n - p->n_local)*width)*sizeof *mine);
    return 0;
}

static int lr_sum(void *ctx, double *values, int n) {
    const lr_rank *me = ctx;
    lr_ranks *all = me->all;
    all->array[me->rank] = values;
    pthread_barrier_wait(&all->barrier);
    double *sum = malloc((size_t) n*sizeof *sum);
    for (int k = 0; k < n; k++) {
        sum[k] = 0;
        for (int rank = 0; rank < all->n; rank++)
            sum[k] += all->array[rank][k];
    }
    pthread_barrier_wait(&all->barrier);
    memcpy(values, sum, (size_t) n*sizeof *sum);
    free(sum);
    return 0;
}

static void *lr_run_rank(void *argument) {
    lr_rank *me = argument;
    lr_ranks *all = me->all;
    const mlff_exchange exchange = {.ctx = me, .forward = lr_forward, .reverse = lr_reverse,
                                    .sum = lr_sum};
    mlff_error err;
    lr_result *r = &all->result[me->rank];
    all->status[me->rank] = lr_evaluate_piece(all->lr, all->system, &all->piece[me->rank],
                                              &exchange, true, r, &err);
    lr_reverse(me, MLFF_FLOAT64, r->force, 3);
    lr_reverse(me, MLFF_FLOAT64, r->gq, 1);
    return NULL;
}

/* A system split over ranks equals the undivided one. */
static inline void lr_check_ranks(const mlff_longrange *lr, const lr_system *s, int n_ranks,
                                  double tolerance) {
    static lr_result whole;
    lr_evaluate(lr, s, true, &whole);
    lr_ranks *all = calloc(1, sizeof *all);
    all->lr = lr;
    all->system = s;
    all->n = n_ranks;
    pthread_barrier_init(&all->barrier, NULL, (unsigned) n_ranks);
    pthread_t thread[MAX_RANKS];
    lr_rank rank[MAX_RANKS];
    for (int r = 0; r < n_ranks; r++)
        lr_make_piece(s, r, n_ranks, &all->piece[r]);
    for (int r = 0; r < n_ranks; r++) {
        rank[r] = (lr_rank) {.all = all, .rank = r};
        CHECK(pthread_create(&thread[r], NULL, lr_run_rank, &rank[r]) == 0);
    }
    for (int r = 0; r < n_ranks; r++)
        pthread_join(thread[r], NULL);

    for (int r = 0; r < n_ranks; r++)
        CHECK(all->status[r] == MLFF_OK);
    for (int k = 0; k < MLFF_N_COMPONENTS + 9; k++) {
        double sum = 0;
        for (int r = 0; r < n_ranks; r++)
            sum += k < 9 ? all->result[r].strain[k] : all->result[r].component[k-9];
        CHECK_NEAR(k < 9 ? whole.strain[k] : whole.component[k-9], sum, tolerance);
    }
    for (int r = 0; r < n_ranks; r++)
        for (int i = 0; i < all->piece[r].n_local; i++) {
            const int atom = all->piece[r].atom[i];
            CHECK_NEAR(whole.gq[atom], all->result[r].gq[i], tolerance);
            for (int d = 0; d < 3; d++)
                CHECK_NEAR(whole.force[atom][d], all->result[r].force[i][d], tolerance);
        }
    pthread_barrier_destroy(&all->barrier);
    free(all);
}

#endif
