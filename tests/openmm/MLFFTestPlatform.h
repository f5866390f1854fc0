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

/* A Context on the platform under test, with what it needs to live. */
struct Simulation {
    System& system;
    VerletIntegrator integrator;
    Context context;
    Simulation(System& system, const vector<Vec3>& positions, double stepSize = 1e-4) :
            system(system), integrator(stepSize),
            context(system, integrator, Platform::getPlatformByName(testPlatform.name),
                    testPlatform.properties) {
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

static void checkGolden(const Golden& g, const State& state, const char* what) {
    const double tolerance = energyTolerance(g.size());
    const double forceTol = forceTolerance(largest(g.forces));
    const double energyError = fabs(state.getPotentialEnergy()-g.energy);
    const double forceError = largestDifference(state.getForces(), g.forces);
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

static bool isSinglePrecision() {
    return testPlatform.energyPerAtom > 0;
}

} // namespace mlfftest

#endif
