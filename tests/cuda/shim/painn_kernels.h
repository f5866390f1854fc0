/*
 * The node kernels of PaiNN as painn_kernels.cpp compiles them, a set for each form of the model and
 * each arithmetic: REAL in double, one row a block; PAIRS and TF32 on tensor cores.
 */
#ifndef MLFF_PAINN_KERNELS_H_
#define MLFF_PAINN_KERNELS_H_

#include "dense_kernels.h"
#include <map>
#include <string>
#include <vector>

/* A map [numOut][numIn] or, with numIn 1, a vector. */
struct PainnMatrix {
    int numOut, numIn;
    std::vector<double> values;
};

/* Weights of a layer and of the context of the next, by the names that painnNode.cc has for them;
   the readout has one hidden layer. */
typedef std::map<std::string, PainnMatrix> PainnModel;

/* What kernels read and write, by their names for it: [n][...]. */
typedef std::map<std::string, std::vector<double>> PainnState;

struct PainnKernels {
    int features;
    bool context, channel;
    Arithmetic arithmetic;
    int readoutWidth;
    /* Each takes n rows; status [11]; the energy is that of the last execution, eV. */
    void (*node)(const PainnModel& model, PainnState& state, int n, std::vector<int>& status);
    void (*last)(const PainnModel& model, PainnState& state, int n, std::vector<int>& status,
                 double& energy);
    void (*backward)(const PainnModel& model, PainnState& state, int n, std::vector<int>& status);
};

#endif
