/* Pair lists with a skin: always what the reference platform's search finds, searched seldom. */
#include "check.h"
#include "count_allocations.h"
#include "mlff_cpu_neighbors.h"
#include "mlff_reference.h"
#include "random_numbers.h"
#include "test_threads.h"

enum { MAX_ATOMS = 400 };

typedef struct box {
    int n_atoms;
    bool periodic, with_regions;
    double cell[3][3], cutoff, skin;
    double position[MAX_ATOMS][3];
    int region[MAX_ATOMS];
} box;

static box here;
static mlff_error err;

/* kind 0 open, 1 orthorhombic, 2 triclinic, 3 the same lattice in long vectors, 4 smaller than the
   cutoff, 5 open, all pairs */
static void random_box(box *b, random_numbers *random, int kind) {
    const double size = kind == 4 ? 2.5 : random_real(random, 4, 9);
    memset(b->cell, 0, sizeof b->cell);
    b->periodic = kind != 0 && kind != 5;
    for (int a = 0; a < 3; a++)
        b->cell[a][a] = size * random_real(random, 0.8, 1.5);
    if (kind >= 2)
        for (int a = 1; a < 3; a++)
            for (int k = 0; k < a; k++)
                b->cell[a][k] = random_real(random, -0.5, 0.5) * b->cell[k][k];
    if (kind == 3)
        for (int d = 0; d < 3; d++) {
            b->cell[1][d] += b->cell[0][d];
            b->cell[2][d] += 2 * b->cell[1][d] - b->cell[0][d];
        }
    b->cutoff = kind == 5 ? INFINITY : random_real(random, 2, 5);
    b->skin = random_int(random, 0, 4) == 0 ? 0 : random_real(random, 0.2, 1.5);
    b->n_atoms = random_int(random, 1, kind == 4 ? 4 : 12);
    b->with_regions = random_int(random, 0, 3) == 0;
    const double outside = random_int(random, 0, 3) ? 0 : 2;
    for (int i = 0; i < b->n_atoms; i++) {
        b->region[i] = random_int(random, 0, 2);
        for (int d = 0; d < 3; d++)
            b->position[i][d] = 0;
        for (int a = 0; a < 3; a++) {
            const double f = random_real(random, -outside, 1 + outside);
            for (int d = 0; d < 3; d++)
                b->position[i][d] += f * b->cell[a][d];
        }
    }
}

/* Nobody further than distance, each along a direction of its own. */
static void move(box *b, random_numbers *random, double distance) {
    for (int i = 0; i < b->n_atoms; i++) {
        double step[3], length = 0;
        for (int d = 0; d < 3; d++) {
            step[d] = random_real(random, -1, 1);
            length += step[d] * step[d];
        }
        const double scale = distance * random_real(random, 0, 1) / sqrt(length + 1e-30);
        for (int d = 0; d < 3; d++)
            b->position[i][d] += step[d] * scale;
    }
}

static mlff_status update(cpu_neighbors *list, const box *b, mlff_pairs *pairs) {
    return cpu_neighbors_update(list, b->n_atoms, b->position, b->with_regions ? b->region : NULL,
                                b->periodic ? b->cell : NULL, pairs, &err);
}

/* The same pairs in the same order with the same vectors, to the bit; returns their number. */
static int compare(cpu_neighbors *list, const box *b) {
    static ref_pair_list want;
    mlff_pairs pairs = {0};
    CHECK_OK(update(list, b, &pairs), err);
    CHECK_OK(ref_neighbors_build(b->n_atoms, b->position, b->with_regions ? b->region : NULL,
                                 b->periodic ? b->cell : NULL, b->cutoff, &want, &err), err);
    const size_t n = (size_t) want.n_pairs;
    const bool same_rows = pairs.first &&
        memcmp(pairs.first, want.first, ((size_t) b->n_atoms + 1) * sizeof(int)) == 0;
    CHECK(same_rows);
    if (same_rows && n > 0) {
        CHECK(memcmp(pairs.neighbor, want.neighbor, n * sizeof(int)) == 0);
        CHECK(memcmp(pairs.rij, want.rij, n * sizeof *want.rij) == 0);
    }
    ref_pair_list_free(&want);
    return (int) n;
}

/* 1,000 boxes of every kind, each moved a little five times. */
static void test_random_boxes(void) {
    random_numbers random = {1};
    long n_pairs = 0, n_searches = 0, n_updates = 0;
    for (int k = 0; k < 1000; k++) {
        cpu_neighbors *list = NULL;
        random_box(&here, &random, k % 6);
        CHECK_OK(cpu_neighbors_new(here.cutoff, here.skin, NULL, &list, &err), err);
        for (int step = 0; step < 6; step++) {
            n_pairs += compare(list, &here);
            n_updates++;
            move(&here, &random, 0.1 * here.skin);
        }
        const long searches = cpu_neighbors_searches(list);
        n_searches += searches;
        /* five moves of at most a tenth of the skin stay within half of it */
        CHECK(searches == (here.skin > 0 ? 1 : 6));
        cpu_neighbors_free(list);
    }
    printf("1000 boxes, %ld updates, %ld searches, %ld pairs\n", n_updates, n_searches, n_pairs);
    CHECK(n_pairs > 50000 && n_searches < n_updates / 2);
}

/* What makes a list out of date: far moves, another cell, other regions, another size, jumps. */
static void test_changes(void) {
    random_numbers random = {2};
    long n_searches = 0;
    for (int k = 0; k < 300; k++) {
        cpu_neighbors *list = NULL;
        random_box(&here, &random, k % 6);
        here.skin = 1;
        CHECK_OK(cpu_neighbors_new(here.cutoff, here.skin, NULL, &list, &err), err);
        compare(list, &here);
        CHECK(cpu_neighbors_searches(list) == 1);

        /* far moves: as often as it takes, never too late */
        for (int step = 0; step < 10; step++) {
            move(&here, &random, 0.3);
            compare(list, &here);
        }
        long searches = cpu_neighbors_searches(list);
        CHECK(searches <= 11);
        n_searches += searches;

        /* one atom just below half the skin stays, just above does not */
        compare(list, &here);
        cpu_neighbors_free(list);
        CHECK_OK(cpu_neighbors_new(here.cutoff, here.skin, NULL, &list, &err), err);
        compare(list, &here);
        here.position[0][1] += 0.4999;
        compare(list, &here);
        CHECK(cpu_neighbors_searches(list) == 1);
        here.position[0][1] += 0.0002;
        compare(list, &here);
        CHECK(cpu_neighbors_searches(list) == 2);

        /* a jump by a lattice vector changes the images, not the vectors */
        for (int d = 0; here.periodic && d < 3; d++)
            here.position[here.n_atoms - 1][d] += here.cell[k % 3][d] - here.cell[2][d] * (k % 2);
        compare(list, &here);

        /* regions come, change, go */
        searches = cpu_neighbors_searches(list);
        here.with_regions = !here.with_regions;
        compare(list, &here);
        CHECK(cpu_neighbors_searches(list) == searches + 1);
        here.with_regions = true;
        compare(list, &here);
        here.region[0] ^= 1;
        compare(list, &here);
        CHECK(cpu_neighbors_searches(list) >= searches + 2);

        /* the cell breathes, opens, closes */
        searches = cpu_neighbors_searches(list);
        if (here.cutoff < INFINITY) {
            here.cell[0][0] *= 1 + 1e-12;
            compare(list, &here);
            CHECK(cpu_neighbors_searches(list) == searches + here.periodic);
            here.periodic = !here.periodic;
            compare(list, &here);
        }

        /* an atom less, and all of them again */
        here.n_atoms--;
        compare(list, &here);
        here.n_atoms++;
        compare(list, &here);
        cpu_neighbors_free(list);
    }
    printf("far moves: %.1f searches in 11 updates\n", n_searches / 300.0);
    CHECK(n_searches > 300 * 2 && n_searches < 300 * 8);
}

/* Two near atoms meet halfway, within the skin: the search's error, and the list works on. */
static void meet(cpu_neighbors *list) {
    double nearest = INFINITY, kept[2][3];
    int pair[2] = {0, 0};
    for (int i = 0; i < here.n_atoms; i++)
        for (int j = 0; j < i; j++) {
            double d2 = 0;
            for (int d = 0; d < 3; d++)
                d2 += pow(here.position[i][d] - here.position[j][d], 2);
            if (d2 < nearest) {
                nearest = d2;
                pair[0] = j;
                pair[1] = i;
            }
        }
    CHECK(sqrt(nearest) < 0.7 * here.skin);
    compare(list, &here);
    for (int k = 0; k < 2; k++)
        memcpy(kept[k], here.position[pair[k]], sizeof kept[k]);
    for (int k = 0; k < 2; k++)
        for (int d = 0; d < 3; d++)
            here.position[pair[k]][d] = 0.5 * (kept[0][d] + kept[1][d]);
    mlff_pairs pairs;
    CHECK_FAILS(update(list, &here, &pairs), MLFF_ERROR_NUMBER, err, "are at the same place");
    for (int k = 0; k < 2; k++)
        memcpy(here.position[pair[k]], kept[k], sizeof kept[k]);
    compare(list, &here);
}

/* Many atoms, where the search works by bins; 20 steps with few searches. The last is large enough
   for threads. */
static void test_larger_box(int n_threads) {
    random_numbers random = {3};
    test_threads threads;
    test_threads_start(&threads, n_threads);
    for (int kind = 0; kind < 3; kind++) {
        const int periodic = kind > 0;
        cpu_neighbors *list = NULL;
        memset(&here, 0, sizeof here);
        here.n_atoms = MAX_ATOMS;
        here.periodic = periodic;
        here.cutoff = kind == 2 ? 7 : 5;
        here.skin = 1;
        for (int a = 0; a < 3; a++)
            here.cell[a][a] = 16;
        here.cell[2][0] = -5;
        for (int i = 0; i < here.n_atoms; i++)
            for (int d = 0; d < 3; d++)
                here.position[i][d] = random_real(&random, -3, 20);
        CHECK_OK(cpu_neighbors_new(here.cutoff, here.skin, &threads.parallel, &list, &err), err);
        long n_pairs = 0;
        for (int step = 0; step < 20; step++) {
            n_pairs += compare(list, &here);
            move(&here, &random, 0.12);
        }
        printf("%d atoms, %s, %d threads: 20 updates, %ld searches, %ld pairs an update\n",
               here.n_atoms, periodic ? "periodic" : "open", n_threads,
               cpu_neighbors_searches(list), n_pairs / 20);
        CHECK(cpu_neighbors_searches(list) <= 7);
        CHECK(n_pairs > 20 * (kind == 2 ? 50000 : 1000));
        meet(list);

        /* an update allocates nothing, with or without a search */
        mlff_pairs pairs;
        move(&here, &random, 0.01);
        size_t before = allocation_count;
        CHECK_OK(update(list, &here, &pairs), err);
        CHECK(allocation_count == before);
        const long searches = cpu_neighbors_searches(list);
        here.position[7][0] += 0.6;
        before = allocation_count;
        CHECK_OK(update(list, &here, &pairs), err);
        CHECK(allocation_count == before && cpu_neighbors_searches(list) == searches + 1);
        cpu_neighbors_free(list);
    }
    test_threads_stop(&threads);
    CHECK(!allocations_are_counted || allocation_count > 0);
}

/* The same errors as the search, whether it is due or not; the list works on afterwards. */
static void test_errors(void) {
    cpu_neighbors *list = NULL;
    mlff_pairs pairs;
    CHECK_FAILS(cpu_neighbors_new(0, 1, NULL, &list, &err), MLFF_ERROR_ARGUMENT, err, "cutoff 0");
    CHECK_FAILS(cpu_neighbors_new(5, -1, NULL, &list, &err), MLFF_ERROR_ARGUMENT, err, "skin -1");
    CHECK_FAILS(cpu_neighbors_new(5, INFINITY, NULL, &list, &err), MLFF_ERROR_ARGUMENT, err,
                "skin inf");
    CHECK_FAILS(cpu_neighbors_new(NAN, 1, NULL, &list, &err), MLFF_ERROR_ARGUMENT, err, "cutoff");
    CHECK(list == NULL);
    cpu_neighbors_free(NULL);

    memset(&here, 0, sizeof here);
    here.n_atoms = 4;
    here.cutoff = 5;
    for (int i = 0; i < 4; i++)
        for (int d = 0; d < 3; d++)
            here.position[i][d] = 1.5 * i + 0.3 * d;
    for (int a = 0; a < 3; a++)
        here.cell[a][a] = 12;
    for (int periodic = 0; periodic < 2; periodic++) {
        here.periodic = periodic;
        CHECK_OK(cpu_neighbors_new(5, 4, NULL, &list, &err), err);
        compare(list, &here);

        /* two atoms meet within the skin, no search is due */
        double kept[3];
        memcpy(kept, here.position[2], sizeof kept);
        here.position[1][0] += 0.1;
        memcpy(here.position[2], here.position[1], sizeof kept);
        here.position[2][0] += 1e-9;
        CHECK_FAILS(update(list, &here, &pairs), MLFF_ERROR_NUMBER, err,
                    "atoms 1 and 2 are at the same place");
        CHECK_FAILS(update(list, &here, &pairs), MLFF_ERROR_NUMBER, err,
                    "atoms 1 and 2 are at the same place");
        memcpy(here.position[2], kept, sizeof kept);
        compare(list, &here);

        here.position[3][2] += NAN;
        CHECK_FAILS(update(list, &here, &pairs), MLFF_ERROR_NUMBER, err, "atom 3");
        here.position[3][2] = INFINITY;
        CHECK_FAILS(update(list, &here, &pairs), MLFF_ERROR_NUMBER, err, "atom 3");
        here.position[3][2] = 4.4;
        compare(list, &here);
        compare(list, &here);

        const double flat[3][3] = {{10, 0, 0}, {0, 10, 0}, {10, 10, 0}};
        CHECK_FAILS(cpu_neighbors_update(list, 4, here.position, NULL, flat, &pairs, &err),
                    MLFF_ERROR_BOX, err, "volume");
        CHECK_FAILS(cpu_neighbors_update(list, -1, here.position, NULL, NULL, &pairs, &err),
                    MLFF_ERROR_ARGUMENT, err, "-1 atoms");
        compare(list, &here);
        CHECK_OK(cpu_neighbors_update(list, 0, NULL, NULL, NULL, &pairs, &err), err);
        CHECK(pairs.first[0] == 0);
        CHECK_OK(cpu_neighbors_update(list, 0, NULL, NULL, NULL, &pairs, &err), err);
        compare(list, &here);
        cpu_neighbors_free(list);
    }
}

int main(void) {
    test_random_boxes();
    test_changes();
    test_larger_box(1);
    test_larger_box(3);
    test_errors();
    return check_report("test_cpu_neighbors");
}
