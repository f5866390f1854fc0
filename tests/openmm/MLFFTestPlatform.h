/* The platform under test, its tolerances, and a Context on it. */
#ifndef MLFF_TEST_PLATFORM_H_
#define MLFF_TEST_PLATFORM_H_

#include "MLFFTestSupport.h"

namespace mlfftest {

/* Tolerances against the values of other codes, which are in eV. A float platform is allowed
   2e-6 eV an atom, 2e-5 of the largest force or 2e-5 eV/angstrom, and 5e-6 e. */
struct TestPlatform {
    string name;
    std::map<string, string> properties;
    double energy;           // eV
    double energyPerAtom;    // eV, added
    double force;            // eV/angstrom
    double forceRelative;    // of the largest force; the larger of the two holds
    double charge;           // e
    bool checksPositions;    // OpenMM itself refuses NaN there, before any force sees it
};

static TestPlatform testPlatform;

static double energyTolerance(int numAtoms) {
    return KJMOL_PER_EV*(testPlatform.energy + numAtoms*testPlatform.energyPerAtom);
}

static double forceTolerance(double largestForce) {
    return std::max(10*KJMOL_PER_EV*testPlatform.force, testPlatform.forceRelative*largestForce);
}

/* PoCL crashes in OpenMM's own kernels when a System has one particle: give it company there. */
static System& withCompany(System& system) {
    if (testPlatform.name == "OpenCL" && system.getNumParticles() == 1)
        system.addParticle(1);
    return system;
}

/* A Context on the platform under test, with what it needs to live. */
struct Simulation {
    System& system;
    VerletIntegrator integrator;
    Context context;
    Simulation(System& system, vector<Vec3> positions, double stepSize = 1e-4) :
            system(withCompany(system)), integrator(stepSize),
            context(system, integrator, Platform::getPlatformByName(testPlatform.name),
                    testPlatform.properties) {
        if (positions.size() == 1)
            positions.resize(system.getNumParticles());
        context.setPositions(positions);
    }
    State evaluate(int groups = -1) {
        return context.getState(State::Energy | State::Forces | State::ParameterDerivatives, false,
                                groups);
    }
    double energy(int groups = -1) {
        return context.getState(State::Energy, false, groups).getPotentialEnergy();
    }
};

static bool isSinglePrecision() {
    return testPlatform.energyPerAtom > 0;
}

// On GPUs single precision holds for the positions too, in nm.
static bool keepsFloatPositions() {
    const auto precision = testPlatform.properties.find("Precision");
    return precision != testPlatform.properties.end() && precision->second == "single";
}

// In nm: how far from where they were set positions of the order of a few nm may come back. A device
// adds lattice vectors to them in floats when it sorts atoms, in mixed precision too.
static double keptPositionTolerance() {
    const auto precision = testPlatform.properties.find("Precision");
    const bool onDevice = precision != testPlatform.properties.end();
    return onDevice && precision->second != "double" ? 1e-6 : 1e-12;
}

static vector<Vec3> roundToFloat(vector<Vec3> positions) {
    for (Vec3& p : positions)
        p = asFloat(p);
    return positions;
}

/* A Context of the same System on the Reference platform, in its default box. */
struct ReferenceContext {
    VerletIntegrator integrator;
    Context context;
    ReferenceContext(System& system, const vector<Vec3>& positions) : integrator(1e-3),
            context(system, integrator, Platform::getPlatformByName("Reference")) {
        context.setPositions(positions);
    }
};

inline State onReference(System& system, const vector<Vec3>& positions) {
    ReferenceContext reference(system, positions);
    return reference.context.getState(State::Energy | State::Forces);
}

// In the state's box.
inline State onReference(System& system, const State& at, int groups = -1) {
    ReferenceContext reference(system, at.getPositions());
    Vec3 a, b, c;
    at.getPeriodicBoxVectors(a, b, c);
    reference.context.setPeriodicBoxVectors(a, b, c);
    return reference.context.getState(State::Energy | State::Forces, false, groups);
}

static vector<Vec3> minimizeOnReference(System& system, const vector<Vec3>& positions) {
    ReferenceContext reference(system, positions);
    LocalEnergyMinimizer::minimize(reference.context, 10.0);
    return reference.context.getState(State::Positions).getPositions();
}

static bool isOnPoCL(Context& context) {
    Platform& platform = context.getPlatform();
    for (const string& name : platform.getPropertyNames())
        if (name == "OpenCLPlatformName")
            return platform.getPropertyValue(context, name) == "Portable Computing Language";
    return false;
}

/* What an evaluation throws, "" if nothing. */
template <class Function> inline string messageOf(Function function) {
    try {
        function();
        return "";
    }
    catch (const OpenMMException& e) {
        return e.what();
    }
}

inline bool has(const string& text, const string& part) {
    if (text.find(part) != string::npos)
        return true;
    printf("    no \"%s\" in \"%s\"\n", part.c_str(), text.c_str());
    return false;
}

static vector<Vec3> forcesOf(const Golden& g, const State& state) {
    vector<Vec3> forces = state.getForces();
    forces.resize(g.size());
    return forces;
}

/* What to expect where positions are kept in float: the golden's values, moved by what that
   rounding does to Reference's. */
static Golden atKeptPositions(Golden g, System& system) {
    if (!keepsFloatPositions())
        return g;
    vector<Vec3> positions(g.positions);
    positions.resize(system.getNumParticles());
    const State given = onReference(system, positions);
    const State kept = onReference(system, roundToFloat(positions));
    g.energy += kept.getPotentialEnergy()-given.getPotentialEnergy();
    for (int i = 0; i < g.size(); i++)
        g.forces[i] += kept.getForces()[i]-given.getForces()[i];
    return g;
}

static void checkGolden(const Golden& g, const State& state, const char* what) {
    const double tolerance = energyTolerance(g.size());
    const double forceTol = forceTolerance(largest(g.forces));
    const double energyError = fabs(state.getPotentialEnergy()-g.energy);
    const double forceError = largestDifference(forcesOf(g, state), g.forces);
    CHECK(energyError <= tolerance);
    CHECK(forceError <= forceTol);
    if (!(energyError <= tolerance && forceError <= forceTol))
        printf("    %s, %s: energy off by %.3g of %.3g kJ/mol, forces by %.3g of %.3g kJ/mol/nm\n",
               g.name.c_str(), what, energyError, tolerance, forceError, forceTol);
}

// Equal up to the platform's rounding: energies in kJ/mol, forces of the same n atoms.
static void checkSame(const State& expected, const State& found, int numAtoms) {
    CHECK_NEAR(expected.getPotentialEnergy(), found.getPotentialEnergy(),
               energyTolerance(numAtoms));
    CHECK_NEAR(0, largestDifference(expected.getForces(), found.getForces()),
               forceTolerance(largest(expected.getForces())));
}

} // namespace mlfftest

#endif
