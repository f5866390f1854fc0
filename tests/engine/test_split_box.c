/*
 * A periodic box cut into k pieces must give what it gives undivided (PaiNN, on every platform that
 * evaluates a given graph).
 *
 * Each piece is one thread with an evaluator of its own, as a rank of a distributed host would be:
 * it owns the atoms of a slab, holds ghosts (copies of atoms, periodic images among them) around
 * it, and exchanges by copying, in step with the others.
 *
 *   exchange    ghosts of one hop; their state is refreshed before layers 1 ... L-1
 *   redundant   ghosts of L hops; layer l computes what the later layers need, no exchange
 *   both        ghosts of L hops, redundant rows, and the exchange
 */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "mlff_cpu.h"
#include "mlff_platform.h"
#include "mlff_reference.h"
#include "random_numbers.h"

#include <pthread.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

enum {
    MAX_ATOMS = 64,
    MAX_PIECES = 4,
    MAX_LAYERS = 64,
    IMAGES = 9,               /* cells -4 ... 4 along each vector */
    MAX_COPIES = MAX_ATOMS*IMAGES*IMAGES*IMAGES
};

typedef enum mode { EXCHANGE, REDUNDANT, BOTH } mode;
static const char *const mode_names[] = {"exchange", "redundant", "both"};

/* A platform and how well its pieces agree with its whole. */
typedef struct platform_case {
    const mlff_platform *(*platform)(void);
    mlff_real real;           /* what it hands to the callbacks */
    double energy_per_atom;   /* eV, absolute; an atom's own may be off by five times that */
    double relative;          /* of the energy, the largest force, the largest strain derivative */
} platform_case;

static const platform_case platforms[] = {
    {mlff_reference_platform, MLFF_FLOAT64, 0, 1e-12},
    {mlff_cpu_platform, MLFF_FLOAT32, 2e-6, 2e-5},
};
enum { N_PLATFORMS = sizeof platforms/sizeof platforms[0] };

static size_t size_of(mlff_real real) {
    return real == MLFF_FLOAT64 ? sizeof(double) : sizeof(float);
}

/* --------------------------------------------------------------------------- the box -- */

/* The undivided system; a neighbor is atom j in cell image. */
typedef struct whole_box {
    int n_atoms;
    int species[MAX_ATOMS];
    double cell[3][3], position[MAX_ATOMS][3];
    ref_pair_list list;
    int (*image)[3];          /* [n_pairs] */
    double energy, strain[9], atom_energy[MAX_ATOMS], force[MAX_ATOMS][3];
} whole_box;

/* Atoms on a jittered grid of a triclinic box, none closer than about 0.9 A. */
static void fill_box(whole_box *box, random_numbers *random) {
    const double cell[3][3] = {{11.5, 0, 0}, {1.7, 8.3, 0}, {-1.1, 0.9, 6.6}};
    static const int elements[4] = {1, 1, 6, 8};
    memcpy(box->cell, cell, sizeof cell);
    box->n_atoms = 0;
    for (int a = 0; a < 6; a++)
        for (int b = 0; b < 4; b++)
            for (int c = 0; c < 2; c++) {
                const int i = box->n_atoms++;
                const double f[3] = {(a + random_real(random, 0.25, 0.75))/6,
                                     (b + random_real(random, 0.25, 0.75))/4,
                                     (c + random_real(random, 0.25, 0.75))/2};
                box->species[i] = elements[random_int(random, 0, 3)];
                for (int d = 0; d < 3; d++)
                    box->position[i][d] = f[0]*cell[0][d] + f[1]*cell[1][d] + f[2]*cell[2][d];
            }
}

/* The cell that pair e of row i reaches into, from its vector. */
static void find_images(whole_box *box) {
    box->image = calloc((size_t)box->list.n_pairs, sizeof *box->image);
    for (int i = 0; i < box->n_atoms; i++)
        for (int e = box->list.first[i]; e < box->list.first[i + 1]; e++) {
            const int j = box->list.neighbor[e];
            double rest[3];
            for (int d = 0; d < 3; d++)
                rest[d] = box->list.rij[e][d] - (box->position[j][d] - box->position[i][d]);
            for (int a = 2; a >= 0; a--) {  /* the cell is lower triangular */
                const double n = round(rest[a]/box->cell[a][a]);
                box->image[e][a] = (int)n;
                for (int d = 0; d < 3; d++)
                    rest[d] -= n*box->cell[a][d];
            }
            CHECK_NEAR(0, fabs(rest[0]) + fabs(rest[1]) + fabs(rest[2]), 1e-12);
        }
}

static void evaluate_whole(whole_box *box, const mlff_model *model, const platform_case *on) {
    mlff_error err;
    mlff_evaluator *evaluator = NULL;
    const double cutoff = mlff_model_get_info(model)->cutoff;
    CHECK_OK(ref_neighbors_build(box->n_atoms, (const double (*)[3])box->position, NULL,
                                 (const double (*)[3])box->cell, cutoff, &box->list, &err), err);
    find_images(box);
    CHECK_OK(mlff_evaluator_new(on->platform(), model, NULL, &evaluator, &err), err);
    const mlff_graph graph = {.n_local = box->n_atoms, .n_all = box->n_atoms,
                              .species = box->species, .n_regions = 1,
                              .message = ref_pair_list_view(&box->list)};
    memset(box->force, 0, sizeof box->force);
    mlff_result result = {.atom_energy = box->atom_energy, .force = box->force,
                          .strain = box->strain};
    CHECK_OK(mlff_evaluate(evaluator, &graph, NULL, &result, &err), err);
    box->energy = result.energy;
    mlff_evaluator_free(evaluator);
}

/* ------------------------------------------------------------------------- one piece -- */

struct cluster;

typedef struct piece {
    struct cluster *cluster;
    int rank;
    int n_local, n_all;
    int n_row[MAX_LAYERS];
    int *atom;                      /* [n_all] index in the box */
    int (*cell)[3];                 /* [n_all] image */
    int *species;
    int *first, *neighbor;
    double (*rij)[3];

    mlff_status status;
    mlff_error err;
    double energy, strain[9];
    double *atom_energy, (*force)[3];
    int n_forward, n_reverse;       /* calls */
    void *shared;                   /* array that this piece shows the others */
} piece;

typedef struct cluster {
    const whole_box *box;
    const mlff_model *model;
    const platform_case *on;
    mode mode;
    int n_pieces;
    piece pieces[MAX_PIECES];
    int owner[MAX_ATOMS];           /* piece of an atom */
    int owner_row[MAX_ATOMS];       /* its row there */
    pthread_barrier_t barrier;
} cluster;

/* Row of every copy of an atom in the piece that is being built; -1: none yet. */
static int row_of_copy[MAX_COPIES];

static int *copy_slot(int atom, const int cell[3]) {
    int slot = atom;
    for (int a = 0; a < 3; a++) {
        if (abs(cell[a]) > IMAGES/2) {
            CHECK_SAY("a ghost lies %d cells away: IMAGES is too small", cell[a]);
            return &row_of_copy[0];
        }
        slot = slot*IMAGES + cell[a] + IMAGES/2;
    }
    return &row_of_copy[slot];
}

static void add_row(piece *p, int atom, const int cell[3]) {
    *copy_slot(atom, cell) = p->n_all;
    p->atom[p->n_all] = atom;
    memcpy(p->cell[p->n_all], cell, sizeof p->cell[0]);
    p->species[p->n_all++] = p->cluster->box->species[atom];
}

/* The copy that pair e of row i reaches. */
static void neighbor_copy(const piece *p, int i, int e, int cell[3]) {
    for (int a = 0; a < 3; a++)
        cell[a] = p->cell[i][a] + p->cluster->box->image[e][a];
}

/* Owned atoms, then the ghosts hop by hop; rows_within[h]: rows at most h hops away. */
static void add_rows(piece *p, int n_hops, int *rows_within) {
    const whole_box *box = p->cluster->box;
    const int home[3] = {0, 0, 0};
    for (int slot = 0; slot < MAX_COPIES; slot++)
        row_of_copy[slot] = -1;
    for (int atom = 0; atom < box->n_atoms; atom++)
        if (p->cluster->owner[atom] == p->rank) {
            p->cluster->owner_row[atom] = p->n_all;
            add_row(p, atom, home);
        }
    rows_within[0] = p->n_local = p->n_all;
    for (int h = 0; h < n_hops; h++) {
        const int end = p->n_all;
        for (int i = 0; i < end; i++)
            for (int e = box->list.first[p->atom[i]]; e < box->list.first[p->atom[i] + 1]; e++) {
                int cell[3];
                neighbor_copy(p, i, e, cell);
                if (*copy_slot(box->list.neighbor[e], cell) < 0)
                    add_row(p, box->list.neighbor[e], cell);
            }
        rows_within[h + 1] = p->n_all;
    }
}

/* Pairs of the computed rows; the last hop's rows are only seen. */
static void add_pairs(piece *p, int n_computed) {
    const whole_box *box = p->cluster->box;
    int n_pairs = 0;
    for (int i = 0; i < n_computed; i++)
        n_pairs += box->list.first[p->atom[i] + 1] - box->list.first[p->atom[i]];
    p->first = calloc((size_t)p->n_all + 1, sizeof *p->first);
    p->neighbor = calloc((size_t)n_pairs, sizeof *p->neighbor);
    p->rij = calloc((size_t)n_pairs, sizeof *p->rij);
    int k = 0;
    for (int i = 0; i < p->n_all; i++) {
        for (int e = box->list.first[p->atom[i]];
             i < n_computed && e < box->list.first[p->atom[i] + 1]; e++, k++) {
            int cell[3];
            neighbor_copy(p, i, e, cell);
            p->neighbor[k] = *copy_slot(box->list.neighbor[e], cell);
            memcpy(p->rij[k], box->list.rij[e], sizeof p->rij[k]);
        }
        p->first[i + 1] = k;
    }
}

static void build_piece(piece *p) {
    const int n_layers = mlff_model_get_info(p->cluster->model)->n_layers;
    const bool deep = p->cluster->mode != EXCHANGE;
    const int n_hops = deep ? n_layers : 1;
    int rows_within[MAX_LAYERS + 1];
    p->atom = calloc(MAX_COPIES, sizeof *p->atom);
    p->cell = calloc(MAX_COPIES, sizeof *p->cell);
    p->species = calloc(MAX_COPIES, sizeof *p->species);
    add_rows(p, n_hops, rows_within);
    for (int l = 0; l < n_layers; l++)
        p->n_row[l] = deep ? rows_within[n_layers - 1 - l] : p->n_local;
    add_pairs(p, p->n_row[0]);
    p->atom_energy = calloc((size_t)p->n_local + 1, sizeof *p->atom_energy);
    p->force = calloc((size_t)p->n_all + 1, sizeof *p->force);
}

static void free_piece(piece *p) {
    free(p->atom);
    free(p->cell);
    free(p->species);
    free(p->first);
    free(p->neighbor);
    free(p->rij);
    free(p->atom_energy);
    free(p->force);
}

/* -------------------------------------------------------------------------- exchange -- */

static int exchange_forward(void *ctx, mlff_real type, void *array, int width) {
    piece *p = ctx;
    cluster *c = p->cluster;
    const size_t row = (size_t)width*size_of(type);
    p->n_forward++;
    p->shared = array;
    pthread_barrier_wait(&c->barrier);
    for (int i = p->n_local; i < p->n_all; i++) {
        const char *theirs = c->pieces[c->owner[p->atom[i]]].shared;
        memcpy((char *)array + (size_t)i*row, theirs + (size_t)c->owner_row[p->atom[i]]*row, row);
    }
    pthread_barrier_wait(&c->barrier);
    return type == c->on->real ? 0 : 1;
}

static void add(mlff_real type, void *mine, size_t to, const void *theirs, size_t from) {
    if (type == MLFF_FLOAT64)
        ((double *)mine)[to] += ((const double *)theirs)[from];
    else
        ((float *)mine)[to] += ((const float *)theirs)[from];
}

static int exchange_reverse(void *ctx, mlff_real type, void *array, int width) {
    piece *p = ctx;
    cluster *c = p->cluster;
    const size_t n = (size_t)width;
    p->n_reverse++;
    p->shared = array;
    pthread_barrier_wait(&c->barrier);
    for (int k = 0; k < c->n_pieces; k++) {
        const piece *other = &c->pieces[k];
        for (int g = other->n_local; g < other->n_all; g++)
            if (c->owner[other->atom[g]] == p->rank)
                for (size_t f = 0; f < n; f++)
                    add(type, array, (size_t)c->owner_row[other->atom[g]]*n + f, other->shared,
                        (size_t)g*n + f);
    }
    pthread_barrier_wait(&c->barrier);
    memset((char *)array + (size_t)p->n_local*n*size_of(type), 0,
           (size_t)(p->n_all - p->n_local)*n*size_of(type));
    return type == c->on->real ? 0 : 1;
}

static int no_sum(void *ctx, double *values, int n) {
    (void)ctx, (void)values, (void)n;
    return 1;  /* PaiNN has nothing to sum */
}

/* ------------------------------------------------------------------------ evaluation -- */

static void *run_piece(void *argument) {
    piece *p = argument;
    const cluster *c = p->cluster;
    mlff_evaluator *evaluator = NULL;
    p->status = mlff_evaluator_new(c->on->platform(), c->model, NULL, &evaluator, &p->err);
    if (p->status != MLFF_OK)
        return NULL;
    const mlff_graph graph = {
        .n_local = p->n_local, .n_all = p->n_all, .species = p->species,
        .n_layers = mlff_model_get_info(c->model)->n_layers, .n_row = p->n_row,
        .message = {p->first, p->neighbor, (const double (*)[3])p->rij}, .n_regions = 1,
    };
    const mlff_exchange exchange = {p, exchange_forward, exchange_reverse, no_sum};
    mlff_result result = {.atom_energy = p->atom_energy, .force = p->force, .strain = p->strain};
    p->status = mlff_evaluate(evaluator, &graph, c->mode == REDUNDANT ? NULL : &exchange, &result,
                              &p->err);
    p->energy = result.energy;
    mlff_evaluator_free(evaluator);
    return NULL;
}

static void run_cluster(cluster *c) {
    pthread_t threads[MAX_PIECES];
    CHECK(pthread_barrier_init(&c->barrier, NULL, (unsigned)c->n_pieces) == 0);
    for (int k = 0; k < c->n_pieces; k++)
        CHECK(pthread_create(&threads[k], NULL, run_piece, &c->pieces[k]) == 0);
    for (int k = 0; k < c->n_pieces; k++)
        CHECK(pthread_join(threads[k], NULL) == 0);
    pthread_barrier_destroy(&c->barrier);
}

static void compare(const cluster *c, const char *model) {
    const whole_box *box = c->box;
    double energy = 0, strain[9] = {0}, force[MAX_ATOMS][3] = {{0}};
    double largest_force = 0, largest_strain = 0, worst_atom = 0, worst_force = 0, worst_strain = 0;
    for (int k = 0; k < c->n_pieces; k++) {
        const piece *p = &c->pieces[k];
        energy += p->energy;
        for (int s = 0; s < 9; s++)
            strain[s] += p->strain[s];
        for (int i = 0; i < p->n_all; i++)
            for (int d = 0; d < 3; d++)
                force[p->atom[i]][d] += p->force[i][d];
        for (int i = 0; i < p->n_local; i++)
            worst_atom = fmax(worst_atom, fabs(p->atom_energy[i] - box->atom_energy[p->atom[i]]));
    }
    for (int i = 0; i < box->n_atoms; i++)
        for (int d = 0; d < 3; d++) {
            largest_force = fmax(largest_force, fabs(box->force[i][d]));
            worst_force = fmax(worst_force, fabs(force[i][d] - box->force[i][d]));
        }
    for (int s = 0; s < 9; s++) {
        largest_strain = fmax(largest_strain, fabs(box->strain[s]));
        worst_strain = fmax(worst_strain, fabs(strain[s] - box->strain[s]));
    }
    printf("%s %s, %d pieces, %s: energy %.2g of %.3g, atom %.2g, force %.2g of %.3g, strain "
           "%.2g of %.3g\n", c->on->platform()->name, model, c->n_pieces, mode_names[c->mode],
           fabs(energy - box->energy),
           box->energy, worst_atom, worst_force, largest_force, worst_strain, largest_strain);
    CHECK(fabs(box->energy) > 0.1 && largest_force > 0.01 && largest_strain > 0.01);
    const platform_case *on = c->on;
    const double relative = on->relative, absolute = on->energy_per_atom;
    if (on->real == MLFF_FLOAT64) {
        CHECK_NEAR(box->energy, energy, relative*fabs(box->energy));
        CHECK_NEAR(0, worst_atom, relative*fmax(1, fabs(box->energy)/box->n_atoms));
        CHECK_NEAR(0, worst_force, relative*largest_force);
        CHECK_NEAR(0, worst_strain, relative*largest_strain);
    } else {
        CHECK_NEAR(box->energy, energy, absolute*box->n_atoms);
        CHECK_NEAR(0, worst_atom, 5*absolute);
        CHECK_NEAR(0, worst_force, relative*fmax(1, largest_force));
        CHECK_NEAR(0, worst_strain, fmax(relative*largest_strain, absolute*box->n_atoms));
    }
}

static void test_pieces(const whole_box *box, const mlff_model *model, const platform_case *on,
                        const char *name, int n_pieces, mode mode) {
    static cluster c;
    const int n_layers = mlff_model_get_info(model)->n_layers;
    c = (cluster){.box = box, .model = model, .on = on, .mode = mode, .n_pieces = n_pieces};
    for (int i = 0; i < box->n_atoms; i++) {
        /* slabs along the first vector: 8 atoms of the grid share its coordinate */
        const int slab = i/8;
        c.owner[i] = slab*n_pieces/6;
    }
    for (int k = 0; k < n_pieces; k++) {
        c.pieces[k].cluster = &c;
        c.pieces[k].rank = k;
        build_piece(&c.pieces[k]);
    }
    run_cluster(&c);
    for (int k = 0; k < n_pieces; k++) {
        const piece *p = &c.pieces[k];
        const int n_calls = mode == REDUNDANT ? 0 : 2*(n_layers - 1);
        CHECK_OK(p->status, p->err);
        CHECK(p->n_local > 0 && p->n_all > p->n_local);
        CHECK(p->n_forward == n_calls && p->n_reverse == n_calls);
    }
    compare(&c, name);
    for (int k = 0; k < n_pieces; k++)
        free_piece(&c.pieces[k]);
}

/* ------------------------------------------------------------------ callbacks that stop -- */

typedef struct stopper {
    int calls, stop_at;
} stopper;

static int stop(void *ctx, mlff_real type, void *array, int width) {
    (void)type, (void)array, (void)width;
    stopper *s = ctx;
    return ++s->calls == s->stop_at ? 42 : 0;
}

/* A callback that does not answer 0 ends the evaluation, in either direction. */
static void test_stopped_exchange(const whole_box *box, const mlff_model *model,
                                  const platform_case *on) {
    mlff_error err;
    mlff_evaluator *evaluator = NULL;
    CHECK_OK(mlff_evaluator_new(on->platform(), model, NULL, &evaluator, &err), err);
    double force[MAX_ATOMS][3] = {{0}}, strain[9], atom_energy[MAX_ATOMS];
    const mlff_graph graph = {.n_local = box->n_atoms, .n_all = box->n_atoms,
                              .species = box->species, .n_regions = 1,
                              .message = ref_pair_list_view(&box->list)};
    mlff_result result = {.atom_energy = atom_energy, .force = force, .strain = strain};
    stopper s = {.stop_at = 2};
    const mlff_exchange exchange = {&s, stop, stop, no_sum};
    CHECK_FAILS(mlff_evaluate(evaluator, &graph, &exchange, &result, &err), MLFF_ERROR_ARGUMENT,
                err, "forward exchange of layer 1 answered 42");
    const int n_layers = mlff_model_get_info(model)->n_layers;
    s = (stopper){.stop_at = 2*(n_layers - 1) + 1};
    CHECK_FAILS(mlff_evaluate(evaluator, &graph, &exchange, &result, &err), MLFF_ERROR_ARGUMENT,
                err, "reverse exchange of layer");
    for (int i = 0; i < box->n_atoms; i++)
        CHECK(force[i][0] == 0 && force[i][1] == 0 && force[i][2] == 0);
    /* without ghosts the exchange changes nothing */
    s = (stopper){.stop_at = -1};
    CHECK_OK(mlff_evaluate(evaluator, &graph, &exchange, &result, &err), err);
    CHECK(result.energy == box->energy && memcmp(force, box->force, sizeof force) == 0);
    CHECK(memcmp(strain, box->strain, sizeof strain) == 0);
    mlff_evaluator_free(evaluator);
}

/* One model on one platform, cut in every way. */
static void test_model(const mlff_model *model, const platform_case *on, const char *name) {
    static whole_box box;
    random_numbers random = {11};
    box = (whole_box){0};
    fill_box(&box, &random);
    evaluate_whole(&box, model, on);
    for (int n_pieces = 1; n_pieces <= MAX_PIECES; n_pieces++)
        for (mode mode = EXCHANGE; mode <= BOTH; mode++)
            test_pieces(&box, model, on, name, n_pieces, mode);
    test_stopped_exchange(&box, model, on);
    ref_pair_list_free(&box.list);
    free(box.image);
}

int main(void) {
    static const char *const models[] = {"schnet-16x3", "student-16x2", "shared-both-7x3",
                                         "spatial-context-7x2"};
#if defined(__GLIBC__)
    /* fresh memory is all ones, not a number: a row that nobody has computed shows */
    mallopt(M_PERTURB, 0x100);
#endif
    for (size_t m = 0; m < sizeof models/sizeof models[0]; m++) {
        char file[128];
        mlff_error err;
        mlff_model *model = NULL;
        snprintf(file, sizeof file, "painn/%s.safetensors", models[m]);
        CHECK_OK(mlff_model_load(check_path("MLFF_TEST_DATA", file), &model, &err), err);
        for (int p = 0; model && p < N_PLATFORMS; p++)
            test_model(model, &platforms[p], models[m]);
        mlff_model_free(model);
    }
    return check_report("test_split_box");
}
