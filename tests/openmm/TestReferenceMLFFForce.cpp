#include "TestMLFFForce.h"

int main() {
    mlfftest::loadPlugins();
    mlfftest::testPlatform = {"Reference", {}, 1e-8, 0, 1e-8, 0, 1e-9, false};
    return mlfftest::runPlatformTests();
}
