#include "TestDeviceMLFFForce.h"

int main(int argc, char** argv) {
    return mlfftest::runDeviceTests("OpenCL", argc, argv);
}
