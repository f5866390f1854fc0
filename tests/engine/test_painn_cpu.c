/*
 * PaiNN on the CPU platform, float32: against values of other codes (tests/data/painn/README.md,
 * and those of the original codes where they are at hand) in every instruction set of this machine,
 * against the reference platform, and what must hold whatever the numbers: the same bits on any
 * number of threads, no allocation on the step path, errors that name the atom.
 */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "count_allocations.h"
#include "cpu_painn.h"
#include "finite_difference.h"
#include "golden.h"
#include "mlff_cpu.h"
#include "mlff_reference.h"
#include "random_numbers.h"
#include "test_threads.h"

#include <dirent.h>

/* What the platform promises, element constants apart. */
static const double energy_tolerance = 2e-6;  /* eV per atom; strain derivatives likewise */
static const double relative_tolerance = 2e-5;  /* of the largest force or strain derivative; a
                                                   force of less than 1 eV/angstrom counts as 1 */

/* eV; one atom's energy, where the errors of several do not cancel. */
static const double atom_tolerance = 5e-6;

enum { MAX_ATOMS = 192 };

static mlff_error err;

/* --------------------------------------------------------------------------- systems -- */

typedef struct particles {
    int n_atoms;
    int species[MAX_ATOMS], region[MAX_ATOMS];
    double position[MAX_ATOMS][3], cell[3][3];
    bool periodic, with_regions;
} particles;

typedef struct outcome {
    double energy, component[MLFF_N_COMPONENTS], strain[9];
    double atom_energy[MAX_ATOMS], force[MAX_ATOMS][3];
} outcome;

static ref_pair_list list;

/* The graph of a system; borrows the list above. */
static mlff_graph graph_of(const particles *s, double cutoff) {
    CHECK_OK(ref_neighbors_build(s->n_atoms, s->position, s->with_regions ? s->region : NULL,
                                 s->periodic ? s->cell : NULL, cutoff, &list, &err), err);
    return (mlff_graph) {.n_local = s->n_atoms, .n_all = s->n_atoms, .species = s->species,
                         .message = ref_pair_list_view(&list),
                         .n_regions = s->with_regions ? 3 : 1,
                         .region = s->with_regions ? s->region : NULL};
}

static mlff_result result_into(outcome *out) {
    *out = (outcome) {0};
    return (mlff_result) {.force = out->force, .strain = out->strain,
                          .atom_energy = out->atom_energy};
}

static void keep(const mlff_result *result, outcome *out) {
    out->energy = result->energy;
    memcpy(out->component, result->component, sizeof out->component);
}

static void evaluate(mlff_evaluator *evaluator, const mlff_graph *graph, outcome *out) {
    mlff_result result = result_into(out);
    CHECK_OK(mlff_evaluate(evaluator, graph, NULL, &result, &err), err);
    keep(&result, out);
}

static double largest_of(int n, const double *x) {
    double largest = 0;
    for (int k = 0; k < n; k++)
        largest = fmax(largest, fabs(x[k]));
    return largest;
}

static double largest_difference(int n, const double *x, const double *y) {
    double worst = 0;
    for (int k = 0; k < n; k++) {
        const double difference = fabs(x[k] - y[k]);
        worst = difference > worst || difference != difference ? difference : worst;
    }
    return worst;
}

/* How far a result is off, in units of what is allowed. */
typedef struct errors {
    double energy, force, strain;
} errors;

static errors compare(int n, const outcome *found, double network, const double *force,
                      const double *strain) {
    const double force_allowed = relative_tolerance * fmax(1, largest_of(3 * n, force));
    const double strain_allowed =
        fmax(energy_tolerance * n, relative_tolerance * largest_of(9, strain));
    const errors e = {
        fabs(found->component[MLFF_NETWORK] - network) / (energy_tolerance * n),
        largest_difference(3 * n, &found->force[0][0], force) / force_allowed,
        largest_difference(9, found->strain, strain) / strain_allowed,
    };
    CHECK(e.energy <= 1);
    CHECK(e.force <= 1);
    CHECK(e.strain <= 1);
    return e;
}

static void worse(errors *worst, errors e) {
    worst->energy = fmax(worst->energy, e.energy);
    worst->force = fmax(worst->force, e.force);
    worst->strain = fmax(worst->strain, e.strain);
}

/* n atoms on a jittered grid, about as dense as water; few atoms stand free. */
static void fill_particles(particles *s, int n_atoms, uint64_t seed) {
    static const int elements[4] = {1, 1, 6, 8};
    random_numbers random = {seed};
    *s = (particles) {.n_atoms = n_atoms, .periodic = n_atoms > 20};
    int n[3] = {1, 1, 1};
    for (int a = 0; n[0] * n[1] * n[2] < n_atoms; a = (a + 1) % 3)
        n[a]++;
    const double spacing = 2.15;
    for (int a = 0; a < 3; a++)
        s->cell[a][a] = n[a] * spacing;
    s->cell[1][0] = 0.3 * spacing;
    s->cell[2][1] = -0.2 * spacing;
    for (int i = 0; i < n_atoms; i++) {
        const int grid[3] = {i / (n[1] * n[2]), i / n[2] % n[1], i % n[2]};
        s->species[i] = elements[random_int(&random, 0, 3)];
        s->region[i] = random_int(&random, 0, 2);
        for (int d = 0; d < 3; d++)
            s->position[i][d] = spacing * (grid[d] + random_real(&random, -0.28, 0.28));
    }
}

/* A model's path: the test data's, the bundled, or those of ../shared; NULL if it is not there. */
static const char *model_path(const char *model) {
    static const char *const places[][2] = {
        {"MLFF_TEST_DATA", "painn/"}, {"MLFF_MODELS", ""}, {"MLFF_SHARED", "models/"}};
    for (size_t k = 0; k < sizeof places / sizeof *places; k++) {
        char file[256];
        snprintf(file, sizeof file, "%s%s.safetensors", places[k][1], model);
        const char *path = check_path(places[k][0], file);
        if (check_file_exists(path))
            return path;
    }
    return NULL;
}

/* NULL, with a message, if the model is not there. */
static mlff_model *open_model(const char *name) {
    const char *path = model_path(name);
    mlff_model *model = NULL;
    if (!path)
        printf("skipped: model %s is not there\n", name);
    else
        CHECK_OK(mlff_model_load(path, &model, &err), err);
    return model;
}

static mlff_evaluator *open_evaluator(const mlff_platform *platform, const mlff_model *model,
                                      const mlff_parallel *parallel) {
    const mlff_settings settings = {.parallel = parallel};
    mlff_evaluator *evaluator = NULL;
    CHECK_OK(mlff_evaluator_new(platform, model, &settings, &evaluator, &err), err);
    return evaluator;
}

static mlff_evaluator *open_cpu(const mlff_model *model) {
    return open_evaluator(mlff_cpu_platform(), model, NULL);
}

/* What both small and large models, with few and many features, stand for. */
static const char *const various_models[] = {
    "schnet-16x3", "student-16x2", "paper-7x2", "shared-both-7x3", "spatial-context-7x2",
    "spatial-shared-8x3", "single-layer-7x1", "hartree-16x1", "painn-hcno-distilled",
    "painn-random-128x3", "painn-student-427k"};
enum { N_VARIOUS = sizeof various_models / sizeof *various_models };

/* ---------------------------------------------------------------------- golden values -- */

/* One file of golden values, with every instruction set. */
static void compare_golden(const char *path, errors worst[4]) {
    static particles s;
    golden g;
    CHECK(golden_read(path, &g));
    mlff_model *model = open_model(g.model);
    if (!model || g.n_atoms > MAX_ATOMS) {
        CHECK(!model);
        golden_free(&g);
        return;
    }
    s = (particles) {.n_atoms = g.n_atoms, .periodic = g.periodic};
    memcpy(s.species, g.species, (size_t) g.n_atoms * sizeof *g.species);
    memcpy(s.position, g.position, (size_t) g.n_atoms * sizeof *g.position);
    memcpy(s.cell, g.cell, sizeof g.cell);
    const mlff_graph graph = graph_of(&s, mlff_model_get_info(model)->cutoff);
    CHECK(list.n_pairs == g.n_edges);

    mlff_evaluator *evaluator = NULL;
    const cpu_kernels *kernels[4];
    CHECK_OK(mlff_evaluator_new(mlff_cpu_platform(), model, NULL, &evaluator, &err), err);
    for (int k = 0; k < cpu_kernels_available(kernels); k++) {
        static outcome found;
        mlff_result result = result_into(&found);
        ((cpu_painn *) mlff_evaluator_network(evaluator))->kernels = kernels[k];
        CHECK_OK(mlff_evaluate(evaluator, &graph, NULL, &result, &err), err);
        keep(&result, &found);
        double network = 0, atom = 0;
        const double constants = found.component[MLFF_ELEMENTS];
        for (int i = 0; i < g.n_atoms; i++) {
            network += g.atom_energy[i] - constants / g.n_atoms;
            atom = fmax(atom, fabs(found.atom_energy[i] - g.atom_energy[i]));
        }
        CHECK(found.energy == found.component[MLFF_NETWORK] + constants);
        CHECK_NEAR(0, atom, atom_tolerance);
        worse(&worst[k], compare(g.n_atoms, &found, network, &g.force[0][0], g.strain));
    }
    mlff_evaluator_free(evaluator);
    mlff_model_free(model);
    golden_free(&g);
}

/* Every <model>.<system>.txt of a folder that is such a file; returns their number. */
static int compare_folder(const char *variable, const char *folder) {
    const char *place = check_path(variable, folder);
    DIR *directory = place ? opendir(place) : NULL;
    errors worst[4] = {{0, 0, 0}};
    int n = 0;
    for (struct dirent *entry; directory && (entry = readdir(directory)) != NULL;) {
        const size_t length = strlen(entry->d_name);
        if (length < 4 || strcmp(entry->d_name + length - 4, ".txt") != 0 ||
            strstr(entry->d_name, ".dimer_scan."))
            continue;
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", check_path(variable, folder), entry->d_name);
        compare_golden(path, worst);
        n++;
    }
    if (directory)
        closedir(directory);
    const cpu_kernels *kernels[4];
    for (int k = 0; n > 0 && k < cpu_kernels_available(kernels); k++)
        printf("%s, %s: %d systems, worst energy %.2f, force %.2f, strain derivative %.2f of what "
               "is allowed\n", folder, kernels[k]->name, n, worst[k].energy, worst[k].force,
               worst[k].strain);
    CHECK(!directory || n > 20);
    return n;
}

static void test_golden_values(void) {
    CHECK(compare_folder("MLFF_TEST_DATA", "painn") > 0);
    if (compare_folder("MLFF_SHARED", "golden/painn") == 0)
        printf("skipped: values of the original codes, MLFF_SHARED/golden/painn is not there\n");
}

/* --------------------------------------------------------------------------- derivatives -- */

/* Random systems of several sizes: what the reference platform gives. */
static void test_against_reference(void) {
    static const int sizes[] = {2, 5, 12, 23, 100};
    static particles s;
    static outcome found, want;
    errors worst = {0, 0, 0};
    for (int m = 0; m < N_VARIOUS; m++) {
        mlff_model *model = open_model(various_models[m]);
        if (!model)
            continue;
        mlff_evaluator *cpu = open_cpu(model);
        mlff_evaluator *reference = open_evaluator(mlff_reference_platform(), model, NULL);
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            fill_particles(&s, sizes[k], 100 + k);
            const mlff_graph graph = graph_of(&s, mlff_model_get_info(model)->cutoff);
            evaluate(cpu, &graph, &found);
            evaluate(reference, &graph, &want);
            CHECK(largest_of(3 * s.n_atoms, &want.force[0][0]) > 1e-4);
            worse(&worst, compare(s.n_atoms, &found, want.component[MLFF_NETWORK],
                                  &want.force[0][0], want.strain));
            CHECK(found.component[MLFF_ELEMENTS] == want.component[MLFF_ELEMENTS]);
        }
        mlff_evaluator_free(cpu);
        mlff_evaluator_free(reference);
        mlff_model_free(model);
    }
    printf("random systems: energy %.2f, force %.2f, strain derivative %.2f of what is allowed\n",
           worst.energy, worst.force, worst.strain);
}

typedef struct displaced {
    mlff_evaluator *evaluator;
    particles *s;
    double cutoff, start;
    int atom, axis;
} displaced;

static double energy_moved(void *ctx, double x) {
    displaced *at = ctx;
    static outcome out;
    at->s->position[at->atom][at->axis] = at->start + x;
    const mlff_graph graph = graph_of(at->s, at->cutoff);
    evaluate(at->evaluator, &graph, &out);
    at->s->position[at->atom][at->axis] = at->start;
    return out.component[MLFF_NETWORK];
}

/* Forces are the derivative of this platform's own energy, as far as its rounding lets one see. */
static void test_finite_differences(void) {
    static particles s;
    static outcome found;
    for (int m = 0; m < N_VARIOUS; m++) {
        mlff_model *model = open_model(various_models[m]);
        if (!model)
            continue;
        displaced at = {open_cpu(model), &s, mlff_model_get_info(model)->cutoff, 0, 0, 0};
        fill_particles(&s, 5, 7);
        const mlff_graph graph = graph_of(&s, at.cutoff);
        evaluate(at.evaluator, &graph, &found);
        const double rounding = 1e-7 * (fabs(found.component[MLFF_NETWORK]) + s.n_atoms);
        double worst = 0, resolved = 0;
        for (int k = 0; k < 6; k++) {
            at.atom = k % s.n_atoms;
            at.axis = k % 3;
            at.start = s.position[at.atom][at.axis];
            const finite_difference want = finite_difference_of(energy_moved, &at, 1e-2, rounding);
            CHECK_NEAR(-want.value, found.force[at.atom][at.axis], want.error);
            worst = fmax(worst, fabs(want.value + found.force[at.atom][at.axis]));
            resolved = fmax(resolved, fabs(want.value) / want.error);
        }
        printf("%s: differences agree within %.2g eV/A\n", various_models[m], worst);
        CHECK(resolved > 10);
        mlff_evaluator_free(at.evaluator);
        mlff_model_free(model);
    }
}

/* ------------------------------------------------------------------------------- threads -- */

static bool same_bits(const outcome *x, const outcome *y) {
    return memcmp(x, y, sizeof *x) == 0;
}

/* 1, 2, 3, 5 and 8 threads, few atoms and many: the same bits. */
static void test_thread_counts(void) {
    static const int sizes[] = {12, 192}, counts[] = {1, 2, 3, 5, 8};
    static particles s;
    static outcome want, found;
    int n_compared = 0;
    for (int m = 0; m < N_VARIOUS; m++) {
        mlff_model *model = open_model(various_models[m]);
        if (!model)
            continue;
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            fill_particles(&s, sizes[k], 40 + k);
            const mlff_graph graph = graph_of(&s, mlff_model_get_info(model)->cutoff);
            mlff_evaluator *alone = open_cpu(model);
            evaluate(alone, &graph, &want);
            mlff_evaluator_free(alone);
            for (size_t t = 0; t < sizeof counts / sizeof *counts; t++) {
                test_threads threads;
                test_threads_start(&threads, counts[t]);
                mlff_evaluator *evaluator =
                    open_evaluator(mlff_cpu_platform(), model, &threads.parallel);
                for (int again = 0; again < 2; again++) {
                    evaluate(evaluator, &graph, &found);
                    CHECK(same_bits(&want, &found));
                    n_compared++;
                }
                mlff_evaluator_free(evaluator);
                test_threads_stop(&threads);
            }
        }
        mlff_model_free(model);
    }
    printf("%d evaluations on 1 to 8 threads: the same bits\n", n_compared);
}

/* Every instruction set has its own rounding, but the same results on any number of threads. */
static void test_threads_of_every_instruction_set(void) {
    static particles s;
    static outcome want, found;
    const cpu_kernels *kernels[4];
    mlff_model *model = open_model("painn-hcno-distilled");
    test_threads threads;
    if (!model)
        return;
    test_threads_start(&threads, 3);
    fill_particles(&s, 45, 3);
    const mlff_graph graph = graph_of(&s, mlff_model_get_info(model)->cutoff);
    for (int k = 0; k < cpu_kernels_available(kernels); k++) {
        const mlff_settings settings[2] = {{0}, {.parallel = &threads.parallel}};
        for (int t = 0; t < 2; t++) {
            outcome *out = t ? &found : &want;
            mlff_result result = result_into(out);
            mlff_evaluator *evaluator = NULL;
            CHECK_OK(mlff_evaluator_new(mlff_cpu_platform(), model, &settings[t], &evaluator, &err),
                     err);
            ((cpu_painn *) mlff_evaluator_network(evaluator))->kernels = kernels[k];
            CHECK_OK(mlff_evaluate(evaluator, &graph, NULL, &result, &err), err);
            keep(&result, out);
            mlff_evaluator_free(evaluator);
        }
        CHECK(same_bits(&want, &found));
    }
    test_threads_stop(&threads);
    mlff_model_free(model);
}

/* ----------------------------------------------------------------- the call's contract -- */

/*
 * The same bits again, nothing allocated, forces added to. Only equal requests have equal bits: the
 * compiler may contract the code for forces with strain otherwise than that for forces alone.
 */
static void repeat(const mlff_model *model, const mlff_parallel *parallel, const particles *s) {
    static outcome want, found, bare;
    mlff_evaluator *evaluator = open_evaluator(mlff_cpu_platform(), model, parallel);
    const mlff_graph graph = graph_of(s, mlff_model_get_info(model)->cutoff);
    evaluate(evaluator, &graph, &want);
    const size_t before = allocation_count;
    evaluate(evaluator, &graph, &found);
    CHECK(allocation_count == before);
    CHECK(same_bits(&want, &found));

    /* a smaller graph in between, then the first one again */
    mlff_graph smaller = graph;
    const int n_pairs_first_row = list.first[1];
    smaller.n_local = smaller.n_all = 1;
    const int first[2] = {0, 0};
    smaller.message.first = first;
    evaluate(evaluator, &smaller, &found);
    CHECK(n_pairs_first_row > 0 && found.force[0][0] == 0);
    evaluate(evaluator, &graph, &found);
    CHECK(allocation_count == before);
    CHECK(same_bits(&want, &found));

    mlff_result added = {.force = found.force, .strain = found.strain,
                         .atom_energy = found.atom_energy};
    CHECK_OK(mlff_evaluate(evaluator, &graph, NULL, &added, &err), err);
    CHECK(added.energy == want.energy);
    for (int i = 0; i < 3 * s->n_atoms; i++) {
        const double once = want.force[i / 3][i % 3];
        CHECK_NEAR(2 * once, found.force[i / 3][i % 3], 1e-15 * fabs(once));
    }

    /* fewer outputs: the same, as far as the precision goes */
    bare = want;
    memset(bare.force, 0, sizeof bare.force);
    mlff_result forces_only = {.force = bare.force}, energy_only = {0};
    CHECK_OK(mlff_evaluate(evaluator, &graph, NULL, &forces_only, &err), err);
    keep(&forces_only, &bare);
    compare(s->n_atoms, &bare, want.component[MLFF_NETWORK], &want.force[0][0], want.strain);
    CHECK_OK(mlff_evaluate(evaluator, &graph, NULL, &energy_only, &err), err);
    CHECK_NEAR(want.energy, energy_only.energy, energy_tolerance * s->n_atoms);
    for (int k = 0; k < MLFF_N_COMPONENTS; k++)
        CHECK_NEAR(want.component[k], energy_only.component[k], energy_tolerance * s->n_atoms);
    CHECK(allocation_count == before);
    mlff_evaluator_free(evaluator);
}

static void test_repeated_evaluation(void) {
    static particles s;
    test_threads threads;
    test_threads_start(&threads, 3);
    for (int m = 0; m < N_VARIOUS; m++) {
        mlff_model *model = open_model(various_models[m]);
        if (!model)
            continue;
        for (int n_atoms = 12; n_atoms <= 192; n_atoms += 180) {
            fill_particles(&s, n_atoms, 50);
            repeat(model, NULL, &s);
            repeat(model, &threads.parallel, &s);
        }
        mlff_model_free(model);
    }
    CHECK(!allocations_are_counted || allocation_count > 0);
    test_threads_stop(&threads);
}

/* Three molecules in the same place, in three regions, atoms mixed: the sum of each alone. */
static void test_regions(void) {
    static particles s, one;
    static outcome all, alone, mixed;
    mlff_model *model = open_model("schnet-16x3");
    if (!model)
        return;
    const double cutoff = mlff_model_get_info(model)->cutoff;
    mlff_evaluator *evaluator = open_cpu(model);
    fill_particles(&s, 18, 60);
    s.with_regions = true;
    mlff_graph graph = graph_of(&s, cutoff);
    evaluate(evaluator, &graph, &all);
    double energy = 0;
    for (int r = 0; r < 3; r++) {
        one = (particles) {0};
        int from[MAX_ATOMS];
        for (int i = 0; i < s.n_atoms; i++)
            if (s.region[i] == r) {
                from[one.n_atoms] = i;
                one.species[one.n_atoms] = s.species[i];
                memcpy(one.position[one.n_atoms++], s.position[i], sizeof s.position[i]);
            }
        CHECK(one.n_atoms > 1);
        graph = graph_of(&one, cutoff);
        evaluate(evaluator, &graph, &alone);
        energy += alone.energy;
        for (int i = 0; i < one.n_atoms; i++) {
            CHECK_NEAR(alone.atom_energy[i], all.atom_energy[from[i]], energy_tolerance);
            CHECK_NEAR(0, largest_difference(3, alone.force[i], all.force[from[i]]),
                       relative_tolerance);
        }
    }
    CHECK_NEAR(energy, all.energy, energy_tolerance * s.n_atoms);
    /* and in one region they do see each other */
    s.with_regions = false;
    graph = graph_of(&s, cutoff);
    evaluate(evaluator, &graph, &mixed);
    CHECK(fabs(mixed.energy - all.energy) > 1e-3);
    mlff_evaluator_free(evaluator);
    mlff_model_free(model);
}

/* No atoms; one; two that do not see each other: on one thread and on three. */
static void test_few_atoms(void) {
    static particles none, one, two;
    static outcome out, first, second;
    mlff_model *model = open_model("schnet-16x3");
    test_threads threads;
    if (!model)
        return;
    const double cutoff = mlff_model_get_info(model)->cutoff;
    one = (particles) {.n_atoms = 1, .species = {6}, .position = {{1, 2, 3}}};
    two = (particles) {.n_atoms = 2, .species = {8, 6}, .position = {{1, 2, 3000}, {1, 2, 3}}};
    test_threads_start(&threads, 3);
    const mlff_parallel *const hosts[2] = {NULL, &threads.parallel};
    for (int h = 0; h < 2; h++) {
        mlff_evaluator *evaluator = open_evaluator(mlff_cpu_platform(), model, hosts[h]);
        mlff_graph graph = graph_of(&none, cutoff);
        evaluate(evaluator, &graph, &out);
        CHECK(out.energy == 0 && out.strain[0] == 0);
        graph = (mlff_graph) {.n_regions = 1};
        evaluate(evaluator, &graph, &out);
        CHECK(out.energy == 0 && out.strain[8] == 0);
        graph = graph_of(&one, cutoff);
        evaluate(evaluator, &graph, &first);
        CHECK(first.energy != 0 && first.atom_energy[0] == first.energy);
        CHECK(largest_of(3, first.force[0]) == 0 && largest_of(9, first.strain) == 0);
        graph = graph_of(&two, cutoff);
        evaluate(evaluator, &graph, &second);
        CHECK(second.atom_energy[1] == first.energy && largest_of(6, &second.force[0][0]) == 0);
        mlff_evaluator_free(evaluator);
    }
    test_threads_stop(&threads);
    mlff_model_free(model);
}

/* A callback that does not answer 0 stops the evaluation; the host is not called again. */
typedef struct stopper {
    int calls, stop_at;
} stopper;

static int answer(void *ctx, mlff_real type, void *array, int width) {
    stopper *s = ctx;
    CHECK(type == MLFF_FLOAT32 && array && width > 0);
    return ++s->calls == s->stop_at ? 42 : 0;
}

static void test_failing_exchange(void) {
    static particles s;
    static outcome out, want;
    test_threads threads;
    test_threads_start(&threads, 3);
    const mlff_parallel *const hosts[2] = {NULL, &threads.parallel};
    static const char *const models[] = {"schnet-16x3", "student-16x2"};
    for (int m = 0; m < 2; m++)
        for (int h = 0; h < 2; h++) {
            mlff_model *model = open_model(models[m]);
            if (!model)
                continue;
            mlff_evaluator *evaluator = open_evaluator(mlff_cpu_platform(), model, hosts[h]);
            const int n_calls = 2 * (mlff_model_get_info(model)->n_layers - 1);
            fill_particles(&s, 12, 70);
            const mlff_graph graph = graph_of(&s, mlff_model_get_info(model)->cutoff);
            evaluate(evaluator, &graph, &want);
            for (int stop_at = 1; stop_at <= 2 * n_calls + 1; stop_at++) {
                stopper stop = {0, stop_at};
                const mlff_exchange exchange = {&stop, answer, answer, NULL};
                mlff_result result = result_into(&out);
                if (stop_at > 2 * n_calls) {  /* nobody stops; without ghosts nothing changes */
                    CHECK_OK(mlff_evaluate(evaluator, &graph, &exchange, &result, &err), err);
                    keep(&result, &out);
                    CHECK(stop.calls == 2 * n_calls && same_bits(&out, &want));
                    continue;
                }
                CHECK_FAILS(mlff_evaluate(evaluator, &graph, &exchange, &result, &err),
                            MLFF_ERROR_ARGUMENT, err,
                            stop_at <= n_calls ? "the forward exchange of layer"
                                               : "the reverse exchange of layer");
                CHECK(strstr(err.message, "answered 42") && stop.calls == stop_at);
                CHECK(largest_of(3 * s.n_atoms, &out.force[0][0]) == 0);
            }
            mlff_evaluator_free(evaluator);
            mlff_model_free(model);
        }
    test_threads_stop(&threads);
}

/* A copy of a model in which one float32 value of a tensor is replaced. */
static mlff_model *with_value(const mlff_model *model, const mlff_tensor *tensor, int index,
                              float value) {
    size_t n_bytes;
    const unsigned char *bytes = mlff_model_get_bytes(model, &n_bytes);
    unsigned char *copy = malloc(n_bytes);
    memcpy(copy, bytes, n_bytes);
    const ptrdiff_t at = (const unsigned char *) tensor->data - bytes;
    memcpy(copy + at + index * (ptrdiff_t) sizeof value, &value, sizeof value);
    mlff_model *changed = NULL;
    CHECK_OK(mlff_model_load_memory(copy, n_bytes, "changed", &changed, &err), err);
    free(copy);
    return changed;
}

/* Positions that are no numbers are refused; numbers that leave the range of a float are found at
   the atom where they do; the evaluator works on afterwards. */
static void test_not_finite(void) {
    static particles s;
    static outcome out;
    mlff_model *model = open_model("schnet-16x3");
    if (!model)
        return;
    const mlff_painn *painn = mlff_model_description(model);
    const double cutoff = mlff_model_get_info(model)->cutoff;
    mlff_model *bad = with_value(model, painn->embedding, 8 * painn->n_features, 3e38f);
    mlff_evaluator *evaluator = open_cpu(bad);
    s = (particles) {.n_atoms = 4, .species = {6, 1, 1, 8},
                     .position = {{0, 0, 0}, {1, 0, 0}, {0, 1.1, 0}, {0, 0, 1.2}}};
    mlff_graph graph = graph_of(&s, cutoff);
    mlff_result result = result_into(&out);
    CHECK_FAILS(mlff_evaluate(evaluator, &graph, NULL, &result, &err), MLFF_ERROR_NUMBER, err,
                "of atom 0 (C)");
    graph.n_local = graph.n_all = 1;
    const int first[2] = {0, 0};
    graph.message.first = first;
    evaluate(evaluator, &graph, &out);

    double r[2][3] = {{0, 0, NAN}, {0, 0, NAN}};
    const int two_first[3] = {0, 1, 2}, neighbor[2] = {1, 0};
    graph = (mlff_graph) {.n_local = 2, .n_all = 2, .species = s.species, .n_regions = 1,
                          .message = {two_first, neighbor, (const double (*)[3]) r}};
    result = result_into(&out);
    CHECK_FAILS(mlff_evaluate(evaluator, &graph, NULL, &result, &err), MLFF_ERROR_NUMBER, err,
                "is not finite");
    r[0][2] = r[1][2] = 0;
    CHECK_FAILS(mlff_evaluate(evaluator, &graph, NULL, &result, &err), MLFF_ERROR_NUMBER, err,
                "its length is 0");
    /* so near that a float has no room for 1/d */
    r[0][2] = 1e-150;
    r[1][2] = -1e-150;
    CHECK_FAILS(mlff_evaluate(evaluator, &graph, NULL, &result, &err), MLFF_ERROR_NUMBER, err,
                "expected a finite number");
    r[0][2] = 1.1;
    r[1][2] = -1.1;
    evaluate(evaluator, &graph, &out);
    CHECK(fabs(out.force[0][2]) > 0);
    mlff_evaluator_free(evaluator);
    mlff_model_free(bad);
    mlff_model_free(model);
}

int main(void) {
    test_golden_values();
    test_against_reference();
    test_finite_differences();
    test_thread_counts();
    test_threads_of_every_instruction_set();
    test_repeated_evaluation();
    test_regions();
    test_few_atoms();
    test_failing_exchange();
    test_not_finite();
    ref_pair_list_free(&list);
    return check_report("test_painn_cpu");
}
