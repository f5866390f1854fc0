/*
 * A pretend cuFFT: OpenMM's CUDA platform needs the library to be loaded. Every function succeeds
 * and does nothing; pretend_cufft.map gives the symbols their versions.
 */
#define PRETEND(name)                                                                             \
    __attribute__((visibility("default"))) int name(void);                                        \
    int name(void) {                                                                              \
        return 0;                                                                                 \
    }

PRETEND(cufftDestroy)
PRETEND(cufftExecC2C)
PRETEND(cufftExecC2R)
PRETEND(cufftExecD2Z)
PRETEND(cufftExecR2C)
PRETEND(cufftExecZ2D)
PRETEND(cufftExecZ2Z)
PRETEND(cufftPlan3d)
PRETEND(cufftSetStream)
