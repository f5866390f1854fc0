#include "CommonRepetition.h"
#include "internal/MLFFException.h"
#include "internal/MLFFMessages.h"
#include <algorithm>
#include <utility>

using namespace OpenMM;
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
        numLayers(mlff_model_get_info(models[0])->n_layers), evaluation(0), cell(), periodic(false),
        message(), longRange(), graph() {
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

void CommonRepetition::check(mlff_status status, const mlff_error& err) const {
    checkMLFFEvaluation(status, err, evaluation);
}

// The atoms in the order of the force.
void CommonRepetition::setAtoms(const CommonAtoms& atoms, const vector<int>& row,
                                long long evaluation) {
    this->evaluation = evaluation;
    const int n = atoms.numAtoms;
    species.resize(n);
    region.resize(n);
    for (int i = 0; i < n; i++) {
        species[i] = atoms.species[row[i]];
        region[i] = atoms.region[row[i]];
    }
    charge = atoms.totalCharge;
    multiplicity = atoms.multiplicity;
    periodic = atoms.periodic;
    for (int a = 0; a < 3; a++)
        for (int d = 0; d < 3; d++)
            cell[a][d] = ANGSTROM_PER_NM*atoms.box[a][d];
}

void CommonRepetition::setPositions(const vector<double>& where) {
    position = where;
    const int n = (int) species.size();
    graph = {};
    graph.n_local = graph.n_all = n;
    graph.species = species.data();
    graph.n_layers = numLayers;
    graph.n_regions = (int) charge.size();
    graph.region = region.data();
    graph.total_charge = charge.data();
    graph.multiplicity = multiplicity.data();
    graph.position = rows(std::as_const(position));
    graph.cell = periodic ? cell : nullptr;

    mlff_error err;
    double messageCutoff = 0, longRangeCutoff = 0;
    for (const auto& evaluator : evaluators) {
        double cutoff;
        check(mlff_evaluator_pair_cutoffs(evaluator.get(), &graph, nullptr, &messageCutoff,
                                          &cutoff, &err), err);
        longRangeCutoff = std::max(longRangeCutoff, cutoff);
    }
    check(ref_neighbors_build(n, graph.position, graph.region, graph.cell, messageCutoff, &message,
                              &err), err);
    graph.message = ref_pair_list_view(&message);
    if (longRangeCutoff > 0) {
        check(ref_neighbors_build(n, graph.position, graph.region, graph.cell, longRangeCutoff,
                                  &longRange, &err), err);
        graph.long_range = ref_pair_list_view(&longRange);
    }
}

mlff_result CommonRepetition::evaluate(size_t member, vector<double>* force,
                                       vector<double>* charge) {
    mlff_result result = {};
    if (force != nullptr) {
        force->assign(position.size(), 0.0);
        result.force = rows(*force);
    }
    if (charge != nullptr) {
        charge->assign(species.size(), 0.0);
        result.charge = charge->data();
    }
    mlff_error err;
    check(mlff_evaluate(evaluators[member].get(), &graph, nullptr, &result, &err), err);
    return result;
}

double CommonRepetition::evaluateMean(vector<double>* force) {
    const size_t n = evaluators.size();
    vector<double> ofMember;
    double energy = 0;
    if (force != nullptr)
        force->assign(position.size(), 0.0);
    for (size_t k = 0; k < n; k++) {
        energy += evaluate(k, force != nullptr ? &ofMember : nullptr, nullptr).energy/n;
        for (size_t c = 0; c < ofMember.size(); c++)
            (*force)[c] += ofMember[c]/n;
    }
    return energy;
}
