/*
 * Runs a test of platforms/common (tests/opencl) on a CUDA device. The test is a module, MODULE,
 * since what it calls is in OpenMM's CUDA platform, with which no program can be linked where it is
 * not.
 *
 *   <name>_on_device [PRECISION]
 */
#include "check.h"
#include <dlfcn.h>
#include <string>

static int skip() {
    printf("skipped: %s\n", dlerror());
    return CHECK_SKIPPED;
}

int main(int argc, char** argv) {
    const char* folder = getenv("OPENMM_PLUGINS");
    const std::string platform = std::string(folder == nullptr ? "." : folder)+"/libOpenMMCUDA.so";
    // the module needs a library of that name
    if (dlopen(platform.c_str(), RTLD_LAZY) == nullptr)
        return skip();
    void* module = dlopen(MODULE, RTLD_LAZY);
    void* function = module == nullptr ? nullptr : dlsym(module, "runOnDevice");
    if (function == nullptr) {
        printf("%s\n", dlerror());
        return 1;
    }
    return reinterpret_cast<int (*)(int, char**)>(function)(argc, argv);
}
