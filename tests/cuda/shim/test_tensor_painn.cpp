/*
 * PaiNN's node kernels with tensor cores, executed by the shim, against the same kernels in double,
 * which the OpenCL platform executes on every golden. Models of every form; sizes that are no
 * multiples of anything, one that takes two rounds of outputs and of inputs.
 */
#include "check.h"
#include "painn_kernels.h"
#include <algorithm>
#include <cmath>
#include <random>

using std::string;
using std::vector;

#define SET(name) extern const PainnKernels name;
#include "painn_sets.h"
#undef SET
#define SET(name) &name,
static const PainnKernels* const SETS[] = {
#include "painn_sets.h"
};

enum {NUM_STATUS = 11, RANGE = 10};

static std::mt19937 generator(7);

static vector<double> randoms(size_t size, double range) {
    std::uniform_real_distribution<double> uniform(-range, range);
    vector<double> values(size);
    for (double& value : values)
        value = (float) uniform(generator);
    return values;
}

static PainnMatrix randomMatrix(int numOut, int numIn) {
    return {numOut, numIn, randoms((size_t) numOut*numIn, numIn > 1 ? 1.7/std::sqrt(numIn) : 0.5)};
}

static PainnModel randomModel(const PainnKernels& set) {
    const int F = set.features;
    PainnModel model;
    if (set.context) {
        model["CTX_W0"] = randomMatrix(F, F);
        model["CTX_B0"] = randomMatrix(F, 1);
        model["CTX_W1"] = randomMatrix(3*F, F);
        model["CTX_B1"] = randomMatrix(3*F, 1);
    }
    if (set.channel) {
        model["MIX_V"] = randomMatrix(F, F);
        model["MIX_W"] = randomMatrix(F, F);
    }
    else
        model["MIX_M"] = randomMatrix(3, 3);
    model["UPD_W0"] = randomMatrix(F, 2*F);
    model["UPD_B0"] = randomMatrix(F, 1);
    model["UPD_W1"] = randomMatrix(3*F, F);
    model["UPD_B1"] = randomMatrix(3*F, 1);
    model["OUT_W0"] = randomMatrix(set.readoutWidth, F);
    model["OUT_B0"] = randomMatrix(set.readoutWidth, 1);
    model["OUT_W1"] = randomMatrix(1, set.readoutWidth);
    model["OUT_B1"] = randomMatrix(1, 1);
    return model;
}

static PainnState randomState(const PainnKernels& set, int n) {
    const size_t row = (size_t) n*set.features;
    const int sent = set.context ? 3 : 1;
    PainnState state;
    for (const char* name : {"s", "hidden", "xHidden", "gs"})
        state[name] = randoms(row, 1);
    for (const char* name : {"vMid", "vOut", "gv"})
        state[name] = randoms(3*row, 1);
    state["x"] = randoms(sent*row, 1);
    state["sent"] = randoms((sent+3)*row, 1);
    state["gate"] = randoms(2*row, 1);
    state["pq"] = randoms(6*row, 1);
    state["readoutHidden"] = randoms((size_t) n*set.readoutWidth, 1);
    return state;
}

/* Largest difference, of the largest value. Kernels that do not touch an array leave it equal. */
static void compare(const PainnKernels& set, const char* kernel, const PainnState& expected,
                    const PainnState& found) {
    const double allowed = set.arithmetic == TF32 ? 2e-3 : 1e-6;
    for (const auto& array : expected) {
        double worst = 0, largest = 0;
        for (size_t k = 0; k < array.second.size(); k++) {
            const double difference = std::fabs(found.at(array.first)[k]-array.second[k]);
            worst = difference <= worst ? worst : difference;
            largest = std::max(largest, std::fabs(array.second[k]));
        }
        check_count++;
        if (!(worst <= allowed*largest))
            CHECK_SAY("%s, %d features, context %d, channel %d, arithmetic %d: %s differs by %.3g "
                      "of %.3g", kernel, set.features, set.context, set.channel,
                      (int) set.arithmetic, array.first.c_str(), worst, largest);
        if (getenv("MLFF_VERBOSE"))
            printf("%s F %d arithmetic %d: %-14s %.2g\n", kernel, set.features,
                   (int) set.arithmetic, array.first.c_str(), worst/largest);
    }
}

static const PainnKernels& twinOf(const PainnKernels& set) {
    for (const PainnKernels* other : SETS)
        if (other->arithmetic == REAL && other->features == set.features &&
                other->context == set.context && other->channel == set.channel)
            return *other;
    CHECK(false);
    return set;
}

static void testKernels(const PainnKernels& set, int n) {
    const PainnKernels& twin = twinOf(set);
    const PainnModel model = randomModel(set);
    const PainnState start = randomState(set, n);
    vector<int> status(NUM_STATUS, 0), twinStatus(NUM_STATUS, 0);

    PainnState expected(start), found(start);
    twin.node(model, expected, n, twinStatus);
    set.node(model, found, n, status);
    compare(set, "node", expected, found);
    CHECK(expected["s"] != start.at("s") && expected["vOut"] != start.at("vOut"));

    expected = found = start;
    double energy = 0, twinEnergy = 0;
    twin.last(model, expected, n, twinStatus, twinEnergy);
    set.last(model, found, n, status, energy);
    compare(set, "last", expected, found);
    CHECK_NEAR(twinEnergy, energy, n*(set.arithmetic == TF32 ? 1e-3 : 1e-6));
    CHECK(expected["s"] != start.at("s") && expected["vMid"] != start.at("vMid"));

    expected = found = start;
    twin.backward(model, expected, n, twinStatus);
    set.backward(model, found, n, status);
    compare(set, "backward", expected, found);
    CHECK(expected["gs"] != start.at("gs") && expected["gv"] != start.at("gv"));

    CHECK(status == vector<int>(NUM_STATUS, 0) && twinStatus == status);
}

/* An operand that halves cannot hold is noted, wherever it is; one that they can is not. */
static void testRange(const PainnKernels& set) {
    const int n = 19, F = set.features;
    const PainnModel model = randomModel(set);
    const int noted = set.arithmetic == PAIRS ? 1 : 0;
    const auto rangeAfter = [&](const char* array, size_t place, double value, bool reverse) {
        PainnState state = randomState(set, n);
        vector<int> status(NUM_STATUS, 0);
        state[array][place] = value;
        if (reverse)
            set.backward(model, state, n, status);
        else
            set.node(model, state, n, status);
        return status[RANGE];
    };
    const size_t s = (size_t) (n-1)*F+F-1;      // of the last row, the last feature
    CHECK(rangeAfter("s", s, 29999, false) == 0);
    for (double value : {30001.0, -1e30, (double) NAN})
        CHECK(rangeAfter("s", s, value, false) == noted);
    if (set.channel)
        CHECK(rangeAfter("vMid", 3*s, 30001, false) == noted);
    CHECK(rangeAfter("gs", s, 30001, true) == noted);
    if (set.context)
        CHECK(rangeAfter("sent", (size_t) (n-1)*6*F+17, 30001, true) == noted);
}

int main(void) {
    int tested = 0;
    for (const PainnKernels* set : SETS) {
        if (set->arithmetic == REAL)
            continue;
        testKernels(*set, 37);
        testKernels(*set, 1);
        testRange(*set);
        tested++;
    }
    CHECK(tested == 8);
    return check_report("cuda.shim_painn");
}
