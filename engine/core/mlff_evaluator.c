/*
 * Evaluators: a model on a platform. An evaluation composes the platform's network and its long-range
 * terms (mlff_platform.h), and adds what is the same for all of them.
 */
#include "mlff_graph.h"
#include "mlff_model_private.h"
#include "mlff_overlap.h"
#include "mlff_platform.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct mlff_evaluator {
    const mlff_model *model;               // owned, with others
    const mlff_platform *platform;
    mlff_settings settings;                // settings.parallel: the member below, or NULL
    mlff_parallel parallel;
    const mlff_network_type *network_type;
    void *network;
    const mlff_longrange_model *terms;     // of the model
    void *longrange;                       // NULL: neither Coulomb nor dispersion
    double constant[MLFF_N_ELEMENTS + 1];  // eV per element

    /* one evaluation */
    double *atom_energy, *charge, *grad_charge;  // [room], see mlff_task
    int room;
};

/* ---------------------------------------------------------------------------- settings -- */

static mlff_status check_positive_or_default(const char *name, double value, mlff_error *err) {
    if (isfinite(value) && value >= 0)
        return MLFF_OK;
    return mlff_fail(err, MLFF_ERROR_ARGUMENT, "%s is %g, expected a positive number, or 0 for the "
                     "model's default", name, value);
}

static mlff_status check_settings(const mlff_settings *s, mlff_error *err) {
    if ((int) s->coulomb < MLFF_COULOMB_DEFAULT || (int) s->coulomb > MLFF_COULOMB_PME)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "coulomb is %d, which is no Coulomb method",
                         (int) s->coulomb);
    if (s->dispersion < -1 || s->dispersion > 1)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "dispersion is %d, expected 0 (default), 1 (on) "
                         "or -1 (off)", s->dispersion);
    MLFF_TRY(check_positive_or_default("coulomb_cutoff", s->coulomb_cutoff, err));
    MLFF_TRY(check_positive_or_default("coulomb_alpha", s->coulomb_alpha, err));
    MLFF_TRY(check_positive_or_default("ewald_tolerance", s->ewald_tolerance, err));
    return check_positive_or_default("dispersion_cutoff", s->dispersion_cutoff, err);
}

/* ---------------------------------------------------------------------------- new, free -- */

static const mlff_network_type *find_network(const mlff_platform *platform,
                                             const char *architecture) {
    for (int k = 0; k < platform->n_networks; k++)
        if (strcmp(platform->networks[k]->architecture, architecture) == 0)
            return platform->networks[k];
    return NULL;
}

static void read_constants(mlff_evaluator *e) {
    const mlff_architecture *architecture = e->model->architecture;
    for (int k = 0; k < e->model->info.n_elements; k++) {
        const int z = e->model->info.elements[k];
        e->constant[z] = architecture->element_energy(e->model->description, z);
    }
}

/* The states of the platform. */
static mlff_status create_states(mlff_evaluator *e, mlff_error *err) {
    const mlff_model_info *info = mlff_model_get_info(e->model);
    const bool wanted = e->terms->coulomb || e->terms->dispersion;
    if (wanted && !e->platform->longrange)
        return mlff_fail(err, MLFF_ERROR_UNSUPPORTED, "%s needs Coulomb or dispersion terms, which "
                         "%s does not have", info->display_name, e->platform->name);
    MLFF_TRY(e->network_type->create(e->model, e->settings.parallel, &e->network, err));
    return wanted ? e->platform->longrange->create(e->terms, &e->longrange, err) : MLFF_OK;
}

mlff_status mlff_evaluator_new(const mlff_platform *platform, const mlff_model *model,
                               const mlff_settings *settings, mlff_evaluator **out,
                               mlff_error *err) {
    if (!out)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "mlff_evaluator_new: out is NULL");
    *out = NULL;
    if (!platform || !model)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "mlff_evaluator_new: %s is NULL",
                         platform ? "model" : "platform");
    const mlff_model_info *info = mlff_model_get_info(model);
    const mlff_network_type *network_type = find_network(platform, info->architecture);
    if (!network_type)
        return mlff_fail(err, MLFF_ERROR_UNSUPPORTED, "%s is not available on %s",
                         info->display_name, platform->name);
    mlff_settings chosen = {0};
    if (settings)
        chosen = *settings;
    MLFF_TRY(check_settings(&chosen, err));
    MLFF_TRY(mlff_longrange_check(mlff_model_longrange(model), &chosen, err));

    mlff_evaluator *e = calloc(1, sizeof *e);
    if (!e)
        return mlff_fail(err, MLFF_ERROR_MEMORY, "no memory for an evaluator");
    e->model = mlff_model_retain(model);
    e->platform = platform;
    e->network_type = network_type;
    e->terms = mlff_model_longrange(model);
    e->settings = chosen;
    if (chosen.parallel) {
        e->parallel = *chosen.parallel;
        e->settings.parallel = &e->parallel;
    }
    read_constants(e);
    const mlff_status status = create_states(e, err);
    if (status != MLFF_OK) {
        mlff_evaluator_free(e);
        return status;
    }
    *out = e;
    return MLFF_OK;
}

void mlff_evaluator_free(mlff_evaluator *e) {
    if (!e)
        return;
    // the states may read the model
    if (e->network)
        e->network_type->destroy(e->network);
    if (e->longrange)
        e->platform->longrange->destroy(e->longrange);
    free(e->atom_energy);
    free(e->charge);
    free(e->grad_charge);
    mlff_model_free(e->model);
    free(e);
}

void *mlff_evaluator_network(mlff_evaluator *e) {
    return e->network;
}

void *mlff_evaluator_longrange(mlff_evaluator *e) {
    return e->longrange;
}

/* -------------------------------------------------------------------------- pair cutoffs -- */

static mlff_status resolve(const mlff_evaluator *e, const mlff_graph *graph, mlff_longrange *lr,
                           mlff_error *err) {
    return mlff_longrange_resolve(e->terms, &e->settings, graph->cell != NULL, lr, err);
}

mlff_status mlff_evaluator_pair_cutoffs(mlff_evaluator *evaluator, const mlff_graph *graph,
                                        const mlff_exchange *exchange, double *message,
                                        double *long_range, mlff_error *err) {
    if (!evaluator || !graph || !message || !long_range)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "mlff_evaluator_pair_cutoffs: %s is NULL",
                         !evaluator ? "evaluator" : !graph ? "graph" :
                         !message ? "message" : "long_range");
    *message = evaluator->model->info.cutoff;
    *long_range = 0;
    if (!evaluator->longrange)
        return MLFF_OK;
    MLFF_TRY(mlff_graph_check_outline(graph, err));
    mlff_longrange lr;
    MLFF_TRY(resolve(evaluator, graph, &lr, err));
    return evaluator->platform->longrange->pair_cutoff(evaluator->longrange, &lr, graph, exchange,
                                                       long_range, err);
}

/* ------------------------------------------------------------------------------ result -- */

static mlff_status check_result(const mlff_model_info *info, const mlff_exchange *exchange,
                                const mlff_result *result, mlff_error *err) {
    if (result->charge && !info->has_charges)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "charges are wanted, but %s models have none: "
                         "leave result->charge NULL", info->display_name);
    if (result->strain && !result->force)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "the strain derivative is wanted without "
                         "forces: it comes with the reverse pass, so give result->force too");
    if (exchange && exchange->forward && result->force && !exchange->reverse)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "forces are wanted with a forward exchange but "
                         "without a reverse one");
    return MLFF_OK;
}

/* What is not finite, of which atom; `along` is " along x" for a vector. */
static mlff_status fail_number(const char *what, const mlff_graph *g, int i, double value,
                               const char *along, mlff_error *err) {
    return mlff_fail(err, MLFF_ERROR_NUMBER, "the %s atom %d (%s) is %g%s, expected a finite number: "
                     "its neighborhood may be far from what the model was trained on", what, i,
                     mlff_element_symbol(g->species[i]), value, along);
}

/* The network's energies and charges, and the constants of the elements. */
static mlff_status report_network(const mlff_evaluator *e, const mlff_task *task, int n_charged,
                                  mlff_result *result, mlff_error *err) {
    const mlff_graph *g = task->graph;
    double network = 0, elements = 0;
    for (int i = 0; i < g->n_local; i++) {
        const double energy = task->atom_energy[i], constant = e->constant[g->species[i]];
        if (task->charge && !isfinite(task->charge[i]))
            return fail_number("charge of", g, i, task->charge[i], "", err);
        if (!isfinite(energy))
            return fail_number("energy of", g, i, energy, "", err);
        network += energy;
        elements += constant;
        if (result->atom_energy)
            result->atom_energy[i] = energy + constant;
    }
    result->component[MLFF_NETWORK] = network;
    result->component[MLFF_ELEMENTS] = elements;
    for (int i = 0; result->charge && i < g->n_all; i++)
        result->charge[i] = i < n_charged ? task->charge[i] : NAN;
    return MLFF_OK;
}

static mlff_status sum_components(mlff_result *result, mlff_error *err) {
    static const char *const names[MLFF_N_COMPONENTS] = {
        "network", "elements", "short-range Coulomb", "Coulomb", "dispersion"};
    result->energy = 0;
    for (int k = 0; k < MLFF_N_COMPONENTS; k++) {
        if (!isfinite(result->component[k]))
            return mlff_fail(err, MLFF_ERROR_NUMBER, "the %s term of the energy is not finite",
                             names[k]);
        result->energy += result->component[k];
    }
    return isfinite(result->energy) ? MLFF_OK :
        mlff_fail(err, MLFF_ERROR_NUMBER, "the energy is not finite");
}

static mlff_status check_forces(const mlff_graph *g, const mlff_result *result, mlff_error *err) {
    static const char *const along[3] = {" along x", " along y", " along z"};
    for (int i = 0; i < g->n_all; i++)
        for (int a = 0; a < 3; a++)
            if (!isfinite(result->force[i][a]))
                return fail_number("force on", g, i, result->force[i][a], along[a], err);
    return MLFF_OK;
}

/*
 * Messages carry a number that is not finite to all atoms in range, so that the first atom that has
 * one is not the one to blame: atoms that overlap are.
 */
static mlff_status explain(const mlff_graph *g, mlff_status status, mlff_error *err) {
    if (status != MLFF_ERROR_NUMBER || !err || !g->message.first)
        return status;
    mlff_overlap o = MLFF_NO_OVERLAP;
    for (int i = 0; i < g->n_all; i++)
        mlff_overlap_find_in_row(&g->message, i, g->species, &o);
    if (o.first < 0)
        return status;
    return mlff_fail(err, status, "atoms %d (%s) and %d (%s) are %.3g A apart, less than %g of the "
                     "sum of their covalent radii (%.2f A), and no model was made for such an "
                     "overlap: %s", o.first, mlff_element_symbol(g->species[o.first]), o.second,
                     mlff_element_symbol(g->species[o.second]), o.distance, MLFF_OVERLAP_SHARE,
                     o.radii, err->message);
}

/* ---------------------------------------------------------------------------- evaluate -- */

static mlff_status make_room(mlff_evaluator *e, int n_atoms, mlff_error *err) {
    double **const arrays[] = {&e->atom_energy, &e->charge, &e->grad_charge};
    if (e->atom_energy && n_atoms <= e->room)
        return MLFF_OK;
    e->room = 0;
    for (size_t k = 0; k < sizeof arrays/sizeof *arrays; k++)
        MLFF_TRY(mlff_resize((void **) arrays[k], (size_t) n_atoms + 1, sizeof(double),
                             "energies and charges of atoms", err));
    e->room = n_atoms;
    return MLFF_OK;
}

/* Ghosts of the long-range list need charges: computed here, or exchanged. */
static mlff_status check_ghost_charges(const mlff_graph *g, int n_charged, mlff_error *err) {
    const mlff_pairs *pairs = &g->long_range;
    if (!pairs->first || n_charged == g->n_all)
        return MLFF_OK;
    for (int k = 0; k < pairs->first[g->n_local]; k++)
        if (pairs->neighbor[k] >= n_charged)
            return mlff_fail(err, MLFF_ERROR_ARGUMENT, "the long-range pairs read the charge of "
                             "ghost %d, but charges are computed in the first %d rows only: enlarge "
                             "n_row or give exchange callbacks", pairs->neighbor[k], n_charged);
    return MLFF_OK;
}

static mlff_status prepare_longrange(mlff_evaluator *e, const mlff_task *task, int n_charged,
                                     mlff_error *err) {
    mlff_longrange lr;
    MLFF_TRY(resolve(e, task->graph, &lr, err));
    MLFF_TRY(mlff_longrange_check_graph(&lr, task->graph, task->exchange, task->want_force, err));
    if (task->charge)
        MLFF_TRY(check_ghost_charges(task->graph, n_charged, err));
    return e->platform->longrange->prepare(e->longrange, &lr, task, err);
}

typedef struct evaluation {
    const mlff_evaluator *evaluator;
    const mlff_task *task;
} evaluation;

/* One thread's part of an evaluation. */
static void run_thread(void *arg, mlff_member *member) {
    const evaluation *run = arg;
    const mlff_evaluator *e = run->evaluator;
    e->network_type->forward(e->network, member);
    if (e->longrange)
        e->platform->longrange->run(e->longrange, member);
    if (run->task->want_force)
        e->network_type->backward(e->network, member);
}

static mlff_status evaluate(mlff_evaluator *e, const mlff_task *task, mlff_result *result,
                            mlff_error *err) {
    int n_charged = 0;
    MLFF_TRY(e->network_type->prepare(e->network, task, &n_charged, err));
    if (e->longrange)
        MLFF_TRY(prepare_longrange(e, task, n_charged, err));
    evaluation run = {e, task};
    MLFF_TRY(mlff_team_run(e->settings.parallel, run_thread, &run, err));

    // energies first: they name the atom where it went wrong
    memset(result->component, 0, sizeof result->component);
    if (result->strain)
        memset(result->strain, 0, 9*sizeof *result->strain);
    MLFF_TRY(report_network(e, task, n_charged, result, err));
    if (e->longrange)
        e->platform->longrange->report(e->longrange, result);
    MLFF_TRY(sum_components(result, err));
    if (!result->force)
        return MLFF_OK;
    e->network_type->add_force(e->network, result->force, result->strain);
    return check_forces(task->graph, result, err);
}

mlff_status mlff_evaluate(mlff_evaluator *evaluator, const mlff_graph *graph,
                          const mlff_exchange *exchange, mlff_result *result, mlff_error *err) {
    static const mlff_exchange alone;
    if (!evaluator || !graph || !result)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "mlff_evaluate: %s is NULL",
                         !evaluator ? "evaluator" : !graph ? "graph" : "result");
    const mlff_model_info *info = &evaluator->model->info;
    MLFF_TRY(mlff_graph_check(graph, evaluator->model, exchange, err));
    MLFF_TRY(check_result(info, exchange, result, err));
    MLFF_TRY(make_room(evaluator, graph->n_all, err));
    const mlff_task task = {
        .graph = graph, .exchange = exchange ? exchange : &alone,
        .want_force = result->force != NULL, .want_strain = result->strain != NULL,
        .atom_energy = evaluator->atom_energy,
        .charge = info->has_charges ? evaluator->charge : NULL,
        .grad_charge = info->has_charges && evaluator->longrange ? evaluator->grad_charge : NULL,
    };
    return explain(graph, evaluate(evaluator, &task, result, err), err);
}
