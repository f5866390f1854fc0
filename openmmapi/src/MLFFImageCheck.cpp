#include "internal/MLFFImageCheck.h"
#include "openmm/CustomCVForce.h"
#include "openmm/OpenMMException.h"
#include "openmm/System.h"
#include <algorithm>
#include <sstream>

using namespace OpenMM;
using std::string;
using std::to_string;
using std::vector;

// Of the force that createMixedSystem() adds: IMAGES in openmmmlff/nonbonded.py.
static const char* const IMAGES = "ImagesOfRegions";

[[noreturn]] static void refuse(const string& what) {
    throw OpenMMException(string("MLFFForce: the CustomCVForce '") + IMAGES + "' no longer fits the "
        "System: " + what + ". It subtracts copies of the NonbondedForce as that was when "
        "createMixedSystem() was called: make the change in the force field's System, call "
        "createMixedSystem() for that, and create a new Context");
}

// ------------------------------------------------------------------ what a copy has

// All that changes the energy of a region with its images, but not the reaction field: pairs of a
// region are exceptions, which have none.
MLFFImageCheck::Values MLFFImageCheck::readSettings(const NonbondedForce& force) {
    double alpha, ljAlpha;
    int n[3], ljN[3];
    force.getPMEParameters(alpha, n[0], n[1], n[2]);
    force.getLJPMEParameters(ljAlpha, ljN[0], ljN[1], ljN[2]);
    const bool switched = force.getUseSwitchingFunction();
    Values values = {
        {"number of particles", force.getNumParticles()},
        {"nonbonded method", force.getNonbondedMethod()},
        {"cutoff distance in nm", force.getCutoffDistance()},
        {"use of a switching function", switched},
        {"switching distance in nm", switched ? force.getSwitchingDistance() : 0},
        {"Ewald error tolerance", force.getEwaldErrorTolerance()},
        {"PME parameter alpha in 1/nm", alpha},
        {"LJPME parameter alpha in 1/nm", ljAlpha},
        {"use of a dispersion correction", force.getUseDispersionCorrection()},
        {"use of periodic boundary conditions for exceptions",
         force.getExceptionsUsePeriodicBoundaryConditions()},
        {"inclusion of the direct space", force.getIncludeDirectSpace()}};
    for (int k = 0; k < 3; k++) {
        const string axis(1, "xyz"[k]);
        values.emplace_back("PME grid size along " + axis, n[k]);
        values.emplace_back("LJPME grid size along " + axis, ljN[k]);
    }
    return values;
}

// Calls visit(particle, global parameter of an offset or null, charge, sigma, epsilon) for all
// parameters and offsets of a region's particles.
template <class Visit>
static void forEachParameter(const NonbondedForce& force, const vector<int>& particles,
                             const Visit& visit) {
    double charge, sigma, epsilon;
    for (int p : particles) {
        force.getParticleParameters(p, charge, sigma, epsilon);
        visit(p, nullptr, charge, sigma, epsilon);
    }
    for (int i = 0; i < force.getNumParticleParameterOffsets(); i++) {
        string parameter;
        int p;
        force.getParticleParameterOffset(i, parameter, p, charge, sigma, epsilon);
        if (std::binary_search(particles.begin(), particles.end(), p))
            visit(p, &parameter, charge, sigma, epsilon);
    }
}

MLFFImageCheck::Values MLFFImageCheck::readParameters(const NonbondedForce& force,
                                                      const vector<int>& particles) {
    Values values;
    forEachParameter(force, particles, [&](int particle, const string* offset, double charge,
                                           double sigma, double epsilon) {
        const string of = (offset == nullptr ? "" : " offset by '" + *offset + "'") +
                          string(" of particle ") + to_string(particle);
        values.emplace_back("charge" + of + " in e", charge);
        values.emplace_back("sigma" + of + " in nm", sigma);
        values.emplace_back("epsilon" + of + " in kJ/mol", epsilon);
    });
    return values;
}

// The same without names, which each evaluation asks for.
static vector<double> readNumbers(const NonbondedForce& force, const vector<int>& particles) {
    vector<double> numbers;
    numbers.reserve(3*particles.size());
    forEachParameter(force, particles, [&](int, const string*, double charge, double sigma,
                                           double epsilon) {
        numbers.insert(numbers.end(), {charge, sigma, epsilon});
    });
    return numbers;
}

// Empty if there is none.
string MLFFImageCheck::findDifference(const Values& found, const Values& copied) {
    if (found == copied)
        return "";
    // values are compared as far as both have the same names; what has none is an offset
    for (size_t i = 0; i < std::min(found.size(), copied.size()) &&
                       found[i].first == copied[i].first; i++)
        if (found[i].second != copied[i].second) {
            std::stringstream text;
            text.precision(12);
            text << "the " << found[i].first << " is " << found[i].second << ", in the copy "
                 << copied[i].second;
            return text.str();
        }
    return "the parameter offsets of its atoms are others than in the copy";
}

// ------------------------------------------------------------------ comparison

static vector<vector<int> > readRegions(const MLFFForce& force) {
    vector<vector<int> > particles(force.getNumRegions());
    for (int i = 0; i < force.getNumAtoms(); i++) {
        int particle, atomicNumber, region;
        force.getAtomParameters(i, particle, atomicNumber, region);
        particles[region].push_back(particle);
    }
    for (vector<int>& region : particles)
        std::sort(region.begin(), region.end());
    return particles;
}

// Whether a force is a network, or has one among its collective variables.
static bool isNetwork(const Force& force) {
    if (dynamic_cast<const MLFFForce*>(&force) != nullptr)
        return true;
    const CustomCVForce* variables = dynamic_cast<const CustomCVForce*>(&force);
    for (int i = 0; variables != nullptr && i < variables->getNumCollectiveVariables(); i++)
        if (isNetwork(variables->getCollectiveVariable(i)))
            return true;
    return false;
}

// createMixedSystem() adds the copies first, then their MLFFForce: they lie between the network
// before this one and this one.
void MLFFImageCheck::initialize(const System& system, const MLFFForce& force) {
    regions.clear();
    vector<const CustomCVForce*> images;
    for (int i = 0; i < system.getNumForces(); i++) {
        const Force& other = system.getForce(i);
        if (&other == &force) {
            const vector<vector<int> > particles = readRegions(force);
            for (const CustomCVForce* one : images)
                addCopies(system, *one, particles);
            return;
        }
        if (isNetwork(other))
            images.clear();
        const CustomCVForce* variables = dynamic_cast<const CustomCVForce*>(&other);
        if (variables != nullptr && other.getName() == IMAGES)
            images.push_back(variables);
    }
}

// A copy must agree with one of the NonbondedForces, of which there is rarely more than one.
void MLFFImageCheck::addCopies(const System& system, const CustomCVForce& images,
                               const vector<vector<int> >& particles) {
    if (images.getNumCollectiveVariables() != (int) particles.size())
        refuse("the number of regions of the MLFFForce is " + to_string(particles.size()) + ", that of "
               "the copies " + to_string(images.getNumCollectiveVariables()));
    for (int k = 0; k < (int) particles.size(); k++) {
        const NonbondedForce* copy =
            dynamic_cast<const NonbondedForce*>(&images.getCollectiveVariable(k));
        if (copy == nullptr)
            refuse("its variable " + to_string(k) + " is no NonbondedForce");
        string difference = "the System has no NonbondedForce";
        const NonbondedForce* source = nullptr;
        for (int i = 0; i < system.getNumForces() && !difference.empty(); i++) {
            const NonbondedForce* next = dynamic_cast<const NonbondedForce*>(&system.getForce(i));
            if (next == nullptr)
                continue;
            source = next;
            difference = findDifference(readSettings(*source), readSettings(*copy));
            if (difference.empty())
                difference = findDifference(readParameters(*source, particles[k]),
                                            readParameters(*copy, particles[k]));
        }
        if (!difference.empty())
            refuse("for region " + to_string(k) + " of the MLFFForce, " + difference);
        regions.push_back({k, particles[k], source, readParameters(*copy, particles[k]),
                           readNumbers(*copy, particles[k])});
    }
}

// The NonbondedForce is looked up, because it may have been removed.
void MLFFImageCheck::judge(const System& system) const {
    for (const Region& region : regions)
        for (int i = 0; i < system.getNumForces(); i++)
            if (&system.getForce(i) == region.source &&
                    readNumbers(*region.source, region.particles) != region.numbers)
                refuse("for region " + to_string(region.index) + " of the MLFFForce, " +
                       findDifference(readParameters(*region.source, region.particles),
                                      region.parameters));
}
