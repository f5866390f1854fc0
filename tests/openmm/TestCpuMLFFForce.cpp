#include "TestMLFFForce.h"

using namespace mlfftest;

// Any number of threads gives the same bits, step after step.
static void testThreads() {
    vector<Golden> goldens = {testData("painn-hcno-distilled.formamide_4water"),
                              testData("painn-hcno-distilled.box_triclinic"),
                              chargedGolden("published-4x4", "two_regions_box dsf"),
                              chargedGolden("published-4x4", "box_triclinic ewald")};
    for (const Golden& g : goldens) {
        vector<State> ends;
        for (const char* threads : {"1", "2", "3"}) {
            testPlatform.properties["Threads"] = threads;
            Molecule molecule(g);
            molecule.context().setVelocitiesToTemperature(300, 1);
            checkGolden(g, molecule.evaluate(), threads);
            molecule.simulation->integrator.step(5);
            ends.push_back(molecule.context().getState(State::Positions | State::Energy));
        }
        for (const State& end : ends) {
            CHECK(end.getPotentialEnergy() == ends[0].getPotentialEnergy());
            CHECK(largestDifference(end.getPositions(), ends[0].getPositions()) == 0);
        }
        CHECK(largestDifference(ends[0].getPositions(), g.positions) > 0);
    }
}

// All else on one thread: waiting for others takes most of the time of small systems, above all
// when the machine has other work.
int main() {
    loadPlugins();
    if (!hasPlatform("CPU")) {
        printf("skipped: this OpenMM has no platform CPU (OPENMM_PLUGINS)\n");
        return CHECK_SKIPPED;
    }
    testPlatform = {"CPU", {}, 0, 2e-6, 2e-5, 2e-5, 5e-6, true};
    RUN(testThreads);
    testPlatform.properties["Threads"] = "1";
    return runPlatformTests();
}
