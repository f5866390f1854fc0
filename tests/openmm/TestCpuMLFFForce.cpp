#include "TestMLFFForce.h"

int main() {
    mlfftest::loadPlugins();
    if (!mlfftest::hasPlatform("CPU")) {
        printf("skipped: this OpenMM has no platform CPU (OPENMM_PLUGINS)\n");
        return CHECK_SKIPPED;
    }
    mlfftest::testPlatform = {"CPU", {{"Threads", "2"}}, 0, 2e-6, 2e-5, 2e-5, 5e-6, true};
    return mlfftest::runPlatformTests();
}
