#include "MLFFTestSupport.h"

using namespace mlfftest;

// Without a driver our CUDA plugin is one more that OpenMM could not load, and says why.
static void testFailureIsReported() {
    const string plugin = folder("MLFF_PLUGINS") + "/libOpenMMMLFFCUDA.so";
    CHECK(std::filesystem::exists(plugin));
    int count = 0;
    for (const string& failure : Platform::getPluginLoadFailures())
        if (failure.find("libOpenMMMLFFCUDA.so") != string::npos) {
            count++;
            CHECK(failure.find("cannot open shared object file") != string::npos);
        }
    CHECK(count == 1);
    CHECK_THROWS("cannot open shared object file", Platform::loadPluginLibrary(plugin));
}

// The other platforms are there and compute the force.
static void testOthersWork() {
    const Golden g = testData("painn-hcno-distilled.formamide");
    for (const char* name : {"Reference", "CPU"}) {
        if (!hasPlatform(name))
            continue;
        System system;
        addParticles(system, g);
        system.addForce(makeForce(g));
        VerletIntegrator integrator(0.001);
        Context context(system, integrator, Platform::getPlatformByName(name));
        context.setPositions(g.positions);
        CHECK_NEAR(g.energy, context.getState(State::Energy).getPotentialEnergy(), 0.01);
    }
}

int main() {
    loadPlugins();
    if (hasPlatform("CUDA")) {
        printf("skipped: this machine has a CUDA driver\n");
        return CHECK_SKIPPED;
    }
    RUN(testFailureIsReported);
    RUN(testOthersWork);
    return check_report("CUDA plugin without a driver");
}
