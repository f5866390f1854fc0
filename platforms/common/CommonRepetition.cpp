#include "CommonRepetition.h"
#include "internal/MLFFException.h"
#include <algorithm>
#include <cmath>

using namespace OpenMM;
using std::string;
using std::vector;

static const double ANGSTROM_PER_NM = 10.0;

// Flat arrays as the engine wants them.
static double (*rows(vector<double>& v))[3] {
    return reinterpret_cast<double (*)[3]>(v.data());
}
static const double (*rows(const vector<double>& v))[3] {
    return reinterpret_cast<const double (*)[3]>(v.data());
}

CommonRepetition::CommonRepetition(const vector<const mlff_model*>& models,
                                   const mlff_settings& settings) :
        numLayers(mlff_model_get_info(models[0])->n_layers), message(), longRange() {
    for (const mlff_model* model : models) {
        mlff_evaluator* created;
        mlff_error err;
        checkMLFFStatus(mlff_evaluator_new(mlff_reference_platform(), model, &settings, &created,
                                           &err), err);
        evaluators.emplace_back(created);
    }
}

CommonRepetition::~CommonRepetition() {
    ref_pair_list_free(&message);
    ref_pair_list_free(&longRange);
}

double CommonRepetition::evaluate(const CommonAtoms& atoms, const vector<int>& row,
                                  const vector<double>& position, bool wantForces,
                                  vector<double>& force, const string& where) {
    mlff_error err;
    const auto check = [&](mlff_status status) {
        checkMLFFStatus(status, err, where);
    };
    // the atoms in the order of the force
    const int n = atoms.numAtoms;
    vector<int> species(n), region(n);
    for (int i = 0; i < n; i++) {
        species[i] = atoms.species[row[i]];
        region[i] = atoms.region[row[i]];
    }
    double cell[3][3];
    for (int a = 0; a < 3; a++)
        for (int d = 0; d < 3; d++)
            cell[a][d] = ANGSTROM_PER_NM*atoms.box[a][d];
    mlff_graph graph = {};
    graph.n_local = graph.n_all = n;
    graph.species = species.data();
    graph.n_layers = numLayers;
    graph.n_regions = atoms.numRegions;
    graph.region = region.data();
    graph.total_charge = atoms.totalCharge.data();
    graph.multiplicity = atoms.multiplicity.data();
    graph.position = rows(position);
    graph.cell = atoms.periodic ? cell : nullptr;

    // their pairs
    double messageCutoff = 0, longRangeCutoff = 0;
    for (const auto& evaluator : evaluators) {
        double cutoff;
        check(mlff_evaluator_pair_cutoffs(evaluator.get(), &graph, nullptr, &messageCutoff,
                                          &cutoff, &err));
        longRangeCutoff = std::max(longRangeCutoff, cutoff);
    }
    check(ref_neighbors_build(n, graph.position, graph.region, graph.cell, messageCutoff, &message,
                              &err));
    graph.message = ref_pair_list_view(&message);
    if (longRangeCutoff > 0) {
        check(ref_neighbors_build(n, graph.position, graph.region, graph.cell, longRangeCutoff,
                                  &longRange, &err));
        graph.long_range = ref_pair_list_view(&longRange);
    }

    // the mean of the members
    mlff_result result = {};
    force.assign(3*(size_t) n, 0.0);
    if (wantForces)
        result.force = rows(force);  // the members add to it
    double energy = 0;
    for (const auto& evaluator : evaluators) {
        check(mlff_evaluate(evaluator.get(), &graph, nullptr, &result, &err));
        energy += result.energy/evaluators.size();
    }
    for (double& f : force)
        f /= evaluators.size();
    return energy;
}
