/*
 * AIMNet2 on a box cut into pieces, as a distributed host would do it: each piece owns some atoms
 * and holds copies (ghosts) of all others that it sees, periodic images included. Pieces are
 * threads that meet at barriers. The sum of the pieces must equal the undivided box to the platform's
 * precision, with ghosts refreshed by exchange callbacks and with ghosts computed redundantly.
 */
#define _POSIX_C_SOURCE 200809L
#include "../../platforms/cpu/include/mlff_cpu.h"
#include "aimnet2_run.h"
#include "mlff_json.h"

#include <pthread.h>

enum { MAX_ATOMS = 32, MAX_PIECES = 4, MAX_ROWS = 4096, MAX_PAIRS = 1 << 18, MAX_HOPS = 3 };

static mlff_error err;

/* ---------------------------------------------------------------------------- the box -- */

typedef struct box {
    int n_atoms, n_regions;
    int species[MAX_ATOMS], region[MAX_ATOMS];
    double position[MAX_ATOMS][3], cell[3][3], inverse[3][3];
    double total_charge[4], multiplicity[4];
} box;

static void invert(const double m[3][3], double out[3][3]) {
    double det = 0;
    for (int a = 0; a < 3; a++)
        det += m[0][a]*(m[1][(a + 1)%3]*m[2][(a + 2)%3] - m[1][(a + 2)%3]*m[2][(a + 1)%3]);
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++)
            out[b][a] = (m[(a + 1)%3][(b + 1)%3]*m[(a + 2)%3][(b + 2)%3] -
                         m[(a + 1)%3][(b + 2)%3]*m[(a + 2)%3][(b + 1)%3])/det;
}

static void read_numbers(const mlff_json_value *array, double *out) {
    for (int k = 0; k < array->n; k++)
        out[k] = array->item[k]->number;
}

/* A periodic system of the test data. */
static void read_box(const char *model, const char *name, box *b) {
    char file[128];
    snprintf(file, sizeof file, "aimnet2/%s.json", model);
    size_t n;
    unsigned char *text = aimnet2_read_file(check_path("MLFF_TEST_DATA", file), &n);
    mlff_json *json = NULL;
    if (!text || mlff_json_parse((const char *) text, n, file, &json, &err) != MLFF_OK) {
        CHECK_SAY("cannot read %s", file);
        exit(check_report("test_aimnet2_split_box"));
    }
    free(text);
    memset(b, 0, sizeof *b);
    const mlff_json_value *systems = mlff_json_get(mlff_json_root(json), "systems");
    for (int k = 0; k < systems->n; k++) {
        const mlff_json_value *s = systems->item[k];
        if (strcmp(mlff_json_get(s, "name")->string, name) != 0)
            continue;
        b->n_atoms = mlff_json_get(s, "numbers")->n;
        b->n_regions = mlff_json_get(s, "total_charge")->n;
        for (int i = 0; i < b->n_atoms; i++) {
            b->species[i] = (int) mlff_json_get(s, "numbers")->item[i]->integer;
            b->region[i] = (int) mlff_json_get(s, "region")->item[i]->integer;
            read_numbers(mlff_json_get(s, "coord")->item[i], b->position[i]);
        }
        for (int a = 0; a < 3; a++)
            read_numbers(mlff_json_get(s, "cell")->item[a], b->cell[a]);
        read_numbers(mlff_json_get(s, "total_charge"), b->total_charge);
        read_numbers(mlff_json_get(s, "multiplicity"), b->multiplicity);
        invert((const double (*)[3]) b->cell, b->inverse);
    }
    CHECK(b->n_atoms > 0);
    mlff_json_free(json);
}

static aimnet2_system whole(const box *b) {
    return (aimnet2_system) {
        .n_atoms = b->n_atoms, .species = b->species,
        .position = (const double (*)[3]) b->position, .cell = (const double (*)[3]) b->cell,
        .region = b->region, .n_regions = b->n_regions, .total_charge = b->total_charge,
        .multiplicity = b->multiplicity};
}

/* -------------------------------------------------------------------------- the pieces -- */

/* A row of a piece is an atom at an image: 0 0 0 for owned atoms, any for ghosts. */
typedef struct row {
    int atom, image[3];
} row;

typedef struct piece_pairs {
    int first[MAX_ROWS + 1];
    int *neighbor;          /* [MAX_PAIRS] */
    double (*rij)[3];       /* [MAX_PAIRS] */
} piece_pairs;

typedef struct piece {
    int n_local, n_all;
    int n_within[MAX_HOPS + 1];   /* rows within so many hops of message pairs */
    row rows[MAX_ROWS];
    int species[MAX_ROWS], region[MAX_ROWS];
    double position[MAX_ROWS][3];
    piece_pairs message, long_range;
    /* results */
    mlff_status status;
    mlff_error err;
    mlff_result result;
    double force[MAX_ROWS][3], strain[9], charge[MAX_ROWS], atom_energy[MAX_ROWS];
} piece;

/* The split: owner[atom], and what the threads share. */
typedef struct split {
    const box *box;
    const mlff_model *model;
    mlff_settings settings;
    bool cpu;                         /* the platform */
    const aimnet2_run *undivided;     /* its lists are cut up */
    bool exchanged;
    int n_pieces, owner[MAX_ATOMS], local_row[MAX_ATOMS];
    piece piece[MAX_PIECES];
    pthread_barrier_t barrier;
    void *array[MAX_PIECES];          /* what each piece offers in a callback */
    int n_calls[3];                   /* of piece 0: forward, reverse, sum */
} split;

typedef struct member {
    split *split;
    int rank;
} member;

/* The row of an atom at an image; added as a ghost where it is new. */
static int find_row(split *s, int rank, int atom, const int image[3]) {
    piece *p = &s->piece[rank];
    for (int k = 0; k < p->n_all; k++)
        if (p->rows[k].atom == atom && memcmp(p->rows[k].image, image, 3*sizeof(int)) == 0)
            return k;
    if (p->n_all == MAX_ROWS) {
        CHECK_SAY("more than %d rows", MAX_ROWS);
        return 0;
    }
    row *r = &p->rows[p->n_all];
    r->atom = atom;
    memcpy(r->image, image, 3*sizeof(int));
    p->species[p->n_all] = s->box->species[atom];
    p->region[p->n_all] = s->box->region[atom];
    for (int b = 0; b < 3; b++) {
        p->position[p->n_all][b] = s->box->position[atom][b];
        for (int a = 0; a < 3; a++)
            p->position[p->n_all][b] += image[a]*s->box->cell[a][b];
    }
    return p->n_all++;
}

/* The neighbor of row k in pair e of the undivided list. */
static int neighbor_row(split *s, int rank, const ref_pair_list *list, const row *r, int e) {
    const int j = list->neighbor[e];
    int image[3];
    for (int a = 0; a < 3; a++) {
        double n = 0;
        for (int b = 0; b < 3; b++)
            n += (list->rij[e][b] - s->box->position[j][b] + s->box->position[r->atom][b])*
                 s->box->inverse[b][a];
        image[a] = r->image[a] + (int) lround(n);
    }
    return find_row(s, rank, j, image);
}

/* Copy the pairs of rows 0 ... n_rows - 1; their neighbors become rows where they are not yet. */
static void cut_pairs(split *s, int rank, const ref_pair_list *list, int n_rows, piece_pairs *out) {
    piece *p = &s->piece[rank];
    int n = 0;
    for (int k = 0; k < n_rows; k++) {
        out->first[k] = n;
        const row r = p->rows[k];
        for (int e = list->first[r.atom]; e < list->first[r.atom + 1] && n < MAX_PAIRS; e++) {
            out->neighbor[n] = neighbor_row(s, rank, list, &r, e);
            memcpy(out->rij[n++], list->rij[e], sizeof list->rij[e]);
        }
    }
    CHECK(n < MAX_PAIRS);
    for (int k = n_rows; k <= MAX_ROWS; k++)
        out->first[k] = n;
}

/* Owned rows, then ghosts by hops of message pairs, then those of the long-range list. */
static void make_piece(split *s, int rank) {
    static const int origin[3] = {0};
    piece *p = &s->piece[rank];
    p->n_all = 0;
    for (int i = 0; i < s->box->n_atoms; i++)
        if (s->owner[i] == rank)
            s->local_row[i] = find_row(s, rank, i, origin);
    p->n_local = p->n_within[0] = p->n_all;
    const int n_hops = s->exchanged ? 1 : MAX_HOPS;
    for (int hop = 1; hop <= n_hops; hop++) {
        cut_pairs(s, rank, &s->undivided->message, p->n_within[hop - 1], &p->message);
        p->n_within[hop] = p->n_all;
    }
    if (s->undivided->long_range.first)
        cut_pairs(s, rank, &s->undivided->long_range, p->n_local, &p->long_range);
}

/* --------------------------------------------------------------------------- callbacks -- */

/* Bytes of a number, of which the platform has one type; 0: not that. */
static size_t size_of(const split *s, mlff_real type) {
    const mlff_real expected = s->cpu ? MLFF_FLOAT32 : MLFF_FLOAT64;
    return type != expected ? 0 : type == MLFF_FLOAT32 ? sizeof(float) : sizeof(double);
}

static int forward(void *ctx, mlff_real type, void *array, int width) {
    const member *me = ctx;
    split *s = me->split;
    const piece *p = &s->piece[me->rank];
    const size_t row = (size_t) width*size_of(s, type);
    if (row == 0)
        return 1;
    if (me->rank == 0)
        s->n_calls[0]++;
    s->array[me->rank] = array;
    pthread_barrier_wait(&s->barrier);
    for (int k = p->n_local; k < p->n_all; k++) {
        const int atom = p->rows[k].atom;
        memcpy((char *) array + (size_t) k*row, (const char *) s->array[s->owner[atom]] +
               (size_t) s->local_row[atom]*row, row);
    }
    pthread_barrier_wait(&s->barrier);
    return 0;
}

static void add_to(mlff_real type, void *array, int k, const void *more, int m, int width) {
    for (int b = 0; b < width; b++)
        if (type == MLFF_FLOAT32)
            ((float *) array)[k*width + b] += ((const float *) more)[m*width + b];
        else
            ((double *) array)[k*width + b] += ((const double *) more)[m*width + b];
}

static int reverse(void *ctx, mlff_real type, void *array, int width) {
    const member *me = ctx;
    split *s = me->split;
    const piece *p = &s->piece[me->rank];
    const size_t row = (size_t) width*size_of(s, type);
    if (row == 0)
        return 1;
    if (me->rank == 0)
        s->n_calls[1]++;
    s->array[me->rank] = array;
    pthread_barrier_wait(&s->barrier);
    for (int rank = 0; rank < s->n_pieces; rank++) {
        const piece *other = &s->piece[rank];
        for (int k = other->n_local; k < other->n_all; k++) {
            const int atom = other->rows[k].atom;
            if (s->owner[atom] == me->rank)
                add_to(type, array, s->local_row[atom], s->array[rank], k, width);
        }
    }
    pthread_barrier_wait(&s->barrier);
    memset((char *) array + (size_t) p->n_local*row, 0, (size_t) (p->n_all - p->n_local)*row);
    return 0;
}

static int sum(void *ctx, double *values, int n) {
    const member *me = ctx;
    split *s = me->split;
    if (me->rank == 0)
        s->n_calls[2]++;
    s->array[me->rank] = values;
    pthread_barrier_wait(&s->barrier);
    double *total = calloc((size_t) n + 1, sizeof *total);
    for (int rank = 0; rank < s->n_pieces; rank++)
        for (int k = 0; k < n; k++)
            total[k] += ((const double *) s->array[rank])[k];
    pthread_barrier_wait(&s->barrier);
    memcpy(values, total, (size_t) n*sizeof *values);
    free(total);
    return 0;
}

/* ---------------------------------------------------------------------------- running -- */

static mlff_graph piece_graph(const split *s, const piece *p, const int *n_row) {
    mlff_graph graph = {
        .n_local = p->n_local, .n_all = p->n_all, .species = p->species, .n_layers = 3,
        .n_row = n_row,
        .message = {p->message.first, p->message.neighbor,
                    (const double (*)[3]) p->message.rij},
        .n_regions = s->box->n_regions, .region = p->region,
        .total_charge = s->box->total_charge, .multiplicity = s->box->multiplicity,
        .position = p->position, .cell = (const double (*)[3]) s->box->cell};
    if (s->undivided->long_range.first)
        graph.long_range = (mlff_pairs) {p->long_range.first, p->long_range.neighbor,
                                         (const double (*)[3]) p->long_range.rij};
    return graph;
}

static const mlff_platform *platform_of(bool cpu) {
    return cpu ? mlff_cpu_platform() : mlff_reference_platform();
}

static void *run_piece(void *argument) {
    member *me = argument;
    split *s = me->split;
    piece *p = &s->piece[me->rank];
    const int n_row[] = {p->n_within[2], p->n_within[1], p->n_within[0]};
    const mlff_graph graph = piece_graph(s, p, s->exchanged ? NULL : n_row);
    const mlff_exchange exchange = {.ctx = me, .sum = sum, .forward = s->exchanged ? forward : NULL,
                                    .reverse = s->exchanged ? reverse : NULL};
    memset(p->force, 0, sizeof p->force);
    p->result = (mlff_result) {.force = p->force, .strain = p->strain, .charge = p->charge,
                               .atom_energy = p->atom_energy};
    mlff_evaluator *evaluator = NULL;
    p->status = mlff_evaluator_new(platform_of(s->cpu), s->model, &s->settings, &evaluator,
                                   &p->err);
    if (p->status == MLFF_OK)
        p->status = mlff_evaluate(evaluator, &graph, &exchange, &p->result, &p->err);
    mlff_evaluator_free(evaluator);
    return NULL;
}

static void run_split(split *s) {
    pthread_t thread[MAX_PIECES];
    member members[MAX_PIECES];
    memset(s->n_calls, 0, sizeof s->n_calls);
    pthread_barrier_init(&s->barrier, NULL, (unsigned) s->n_pieces);
    for (int rank = 0; rank < s->n_pieces; rank++) {
        members[rank] = (member) {.split = s, .rank = rank};
        pthread_create(&thread[rank], NULL, run_piece, &members[rank]);
    }
    for (int rank = 0; rank < s->n_pieces; rank++)
        pthread_join(thread[rank], NULL);
    pthread_barrier_destroy(&s->barrier);
    for (int rank = 0; rank < s->n_pieces; rank++)
        CHECK_OK(s->piece[rank].status, s->piece[rank].err);
}

/* ---------------------------------------------------------------------------- checking -- */

/* 1 rounding of some hundred terms in double; in float, of forces and charges of some eV. */
static double tolerance_of(const split *s) {
    return s->cpu ? 5e-6 : 1e-12;
}

static void check_near(const split *s, double expected, double found) {
    CHECK_NEAR(expected, found, tolerance_of(s)*fmax(1, fabs(expected)));
}

/* Sums over pieces: energies, forces of all copies, strain; charges of the owners. */
static void check_sums(const split *s) {
    const aimnet2_run *one = s->undivided;
    double component[MLFF_N_COMPONENTS] = {0}, force[MAX_ATOMS][3] = {{0}}, strain[9] = {0};
    for (int rank = 0; rank < s->n_pieces; rank++) {
        const piece *p = &s->piece[rank];
        for (int k = 0; k < MLFF_N_COMPONENTS; k++)
            component[k] += p->result.component[k];
        for (int k = 0; k < 9; k++)
            strain[k] += p->strain[k];
        for (int k = 0; k < p->n_all; k++)
            for (int b = 0; b < 3; b++)
                force[p->rows[k].atom][b] += p->force[k][b];
        for (int k = 0; k < p->n_local; k++)
            check_near(s, one->atom_energy[p->rows[k].atom], p->atom_energy[k]);
        for (int k = 0; k < p->n_all; k++) {
            const bool known = s->exchanged || k < p->n_within[1];
            CHECK(known || isnan(p->charge[k]));
            if (known)
                check_near(s, one->charge[p->rows[k].atom], p->charge[k]);
        }
    }
    for (int k = 0; k < MLFF_N_COMPONENTS; k++)
        check_near(s, one->component[k], component[k]);
    for (int i = 0; i < s->box->n_atoms; i++)
        for (int b = 0; b < 3; b++)
            check_near(s, one->force[i][b], force[i][b]);
    for (int k = 0; k < 9; k++)
        CHECK_NEAR(one->strain[k], strain[k], 10*tolerance_of(s)*fmax(1, fabs(one->strain[k])));
}

/* What was split, for the message below a failure. */
static void report(const split *s, const char *what, int failures) {
    if (check_failures > failures)
        printf("  %s, %s, %d pieces, %s, %s\n", what, mlff_coulomb_name(s->settings.coulomb),
               s->n_pieces, s->exchanged ? "exchange" : "redundant rows",
               s->cpu ? "CPU" : "Reference");
}

static split *split_new(const box *b, const mlff_model *model, mlff_settings settings,
                        const aimnet2_run *undivided) {
    split *s = calloc(1, sizeof *s);
    s->box = b;
    s->model = model;
    s->settings = settings;
    s->undivided = undivided;
    for (int rank = 0; rank < MAX_PIECES; rank++)
        for (int list = 0; list < 2; list++) {
            piece_pairs *pairs = list ? &s->piece[rank].long_range : &s->piece[rank].message;
            pairs->neighbor = calloc(MAX_PAIRS, sizeof *pairs->neighbor);
            pairs->rij = calloc(MAX_PAIRS, sizeof *pairs->rij);
        }
    return s;
}

static void split_free(split *s) {
    for (int rank = 0; rank < MAX_PIECES; rank++)
        for (int list = 0; list < 2; list++) {
            piece_pairs *pairs = list ? &s->piece[rank].long_range : &s->piece[rank].message;
            free(pairs->neighbor);
            free(pairs->rij);
        }
    free(s);
}

/* Slabs along the first cell vector; the last of four pieces owns nothing. */
static void slabs(split *s, int n_pieces) {
    const int n_used = n_pieces == MAX_PIECES ? n_pieces - 1 : n_pieces;
    s->n_pieces = n_pieces;
    for (int i = 0; i < s->box->n_atoms; i++) {
        double f = 0;
        for (int b = 0; b < 3; b++)
            f += s->box->position[i][b]*s->box->inverse[b][0];
        s->owner[i] = (int) ((f - floor(f))*n_used);
    }
}

static void check_split_on(bool cpu, const char *model_name, const char *system,
                           mlff_settings settings, bool exchanged) {
    char file[128];
    snprintf(file, sizeof file, "aimnet2/%s.safetensors", model_name);
    mlff_model *model = NULL;
    CHECK_OK(mlff_model_load(check_path("MLFF_TEST_DATA", file), &model, &err), err);
    box b;
    read_box(model_name, system, &b);
    aimnet2_run one = {0};
    CHECK_OK(mlff_evaluator_new(platform_of(cpu), model, &settings, &one.evaluator, &one.err),
             one.err);
    const aimnet2_system all = whole(&b);
    CHECK_OK(aimnet2_evaluate(&one, &all), one.err);

    split *s = split_new(&b, model, settings, &one);
    s->exchanged = exchanged;
    s->cpu = cpu;
    for (int n_pieces = 1; n_pieces <= MAX_PIECES; n_pieces++) {
        const int failures = check_failures;
        slabs(s, n_pieces);
        for (int rank = 0; rank < n_pieces; rank++)
            make_piece(s, rank);
        run_split(s);
        check_sums(s);
        report(s, system, failures);
    }
    split_free(s);
    aimnet2_close(&one);
    mlff_model_free(model);
}

static void check_split(const char *model_name, const char *system, mlff_settings settings,
                        bool exchanged) {
    for (int cpu = 0; cpu < 2; cpu++)
        check_split_on(cpu, model_name, system, settings, exchanged);
}

/* Exchanges and sums of one evaluation without long-range terms: a and q behind two updates, and
   their gradients; two sums forward, two backward. */
static void test_traffic(void) {
    mlff_model *model = NULL;
    CHECK_OK(mlff_model_load(check_path("MLFF_TEST_DATA", "aimnet2/published-4x4.safetensors"),
                             &model, &err), err);
    box b;
    read_box("published-4x4", "box_triclinic", &b);
    aimnet2_run one;
    const mlff_settings settings = {.coulomb = MLFF_COULOMB_NONE, .dispersion = -1};
    CHECK_OK(aimnet2_open(&one, model, settings), one.err);
    const aimnet2_system all = whole(&b);
    CHECK_OK(aimnet2_evaluate(&one, &all), one.err);
    split *s = split_new(&b, model, settings, &one);
    s->exchanged = true;
    slabs(s, 2);
    make_piece(s, 0);
    make_piece(s, 1);
    run_split(s);
    CHECK(s->n_calls[0] == 4 && s->n_calls[1] == 4 && s->n_calls[2] == 4);
    split_free(s);
    aimnet2_close(&one);
    mlff_model_free(model);
}

/* ---------------------------------------------------------------------------- refusals -- */

static int stop_forward(void *ctx, mlff_real type, void *array, int width) {
    (void) ctx, (void) type, (void) array, (void) width;
    return 7;
}

static int pass_by(void *ctx, mlff_real type, void *array, int width) {
    (void) ctx, (void) type, (void) array, (void) width;
    return 0;
}

static int stop_sum(void *ctx, double *values, int n) {
    (void) ctx, (void) values, (void) n;
    return 9;
}

/* A callback that fails stops the evaluation; ghosts that nobody computes are refused. */
static void test_refusals(void) {
    mlff_model *model = NULL;
    CHECK_OK(mlff_model_load(check_path("MLFF_TEST_DATA", "aimnet2/published-4x4.safetensors"),
                             &model, &err), err);
    box b;
    read_box("published-4x4", "box_triclinic", &b);
    aimnet2_run one;
    const mlff_settings settings = {.coulomb = MLFF_COULOMB_DSF, .coulomb_cutoff = 9,
                                    .dispersion = -1};
    CHECK_OK(aimnet2_open(&one, model, settings), one.err);
    const aimnet2_system all = whole(&b);
    CHECK_OK(aimnet2_evaluate(&one, &all), one.err);
    split *s = split_new(&b, model, settings, &one);
    slabs(s, 2);
    make_piece(s, 0);
    const piece *p = &s->piece[0];
    const int n_row[] = {p->n_within[2], p->n_within[1], p->n_within[0]};
    const mlff_graph graph = piece_graph(s, p, n_row);
    mlff_result result = {.force = s->piece[0].force};

    const mlff_exchange bad_forward = {.forward = stop_forward, .reverse = pass_by};
    CHECK_FAILS(mlff_evaluate(one.evaluator, &graph, &bad_forward, &result, &err),
                MLFF_ERROR_ARGUMENT, err, "forward exchange behind pass 0 answered 7");
    const mlff_exchange bad_reverse = {.forward = pass_by, .reverse = stop_forward};
    CHECK_FAILS(mlff_evaluate(one.evaluator, &graph, &bad_reverse, &result, &err),
                MLFF_ERROR_ARGUMENT, err, "reverse exchange behind pass 1 answered 7");
    const mlff_exchange bad_sum = {.forward = pass_by, .reverse = pass_by, .sum = stop_sum};
    CHECK_FAILS(mlff_evaluate(one.evaluator, &graph, &bad_sum, &result, &err),
                MLFF_ERROR_ARGUMENT, err, "answered 9");
    CHECK_FAILS(mlff_evaluate(one.evaluator, &graph, NULL, &result, &err), MLFF_ERROR_ARGUMENT, err,
                "the long-range pairs read the charge of ghost");
    split_free(s);
    aimnet2_close(&one);
    mlff_model_free(model);
}

int main(void) {
    const mlff_settings network = {.coulomb = MLFF_COULOMB_NONE, .dispersion = -1};
    const mlff_settings dsf = {.coulomb = MLFF_COULOMB_DSF, .coulomb_cutoff = 8,
                               .dispersion_cutoff = 8};
    const mlff_settings ewald = {.coulomb = MLFF_COULOMB_EWALD, .dispersion = -1};
    const mlff_settings pme = {.coulomb = MLFF_COULOMB_PME, .dispersion = -1};
    /* within one hop: redundant rows know all charges */
    const mlff_settings near = {.coulomb = MLFF_COULOMB_DSF, .coulomb_cutoff = 4.9,
                                .dispersion = -1};
    check_split("published-4x4", "box_triclinic", network, true);
    check_split("published-4x4", "box_triclinic", dsf, true);
    check_split("published-4x4", "two_regions_box", dsf, true);
    check_split("published-4x4", "two_regions_box", ewald, true);
    check_split("published-4x4", "two_regions_box", pme, true);
    check_split("open-shell-3x5", "small_cell", (mlff_settings) {.coulomb_cutoff = 8}, true);

    check_split("published-4x4", "box_triclinic", network, false);
    check_split("published-4x4", "box_triclinic", near, false);
    check_split("published-4x4", "two_regions_box", near, false);
    check_split("published-4x4", "small_cell", near, false);
    check_split("open-shell-3x5", "small_cell", (mlff_settings) {.coulomb = MLFF_COULOMB_NONE},
                false);
    test_traffic();
    test_refusals();
    return check_report("test_aimnet2_split_box");
}
