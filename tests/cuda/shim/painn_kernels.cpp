/*
 * The text of PaiNN's node kernels, as a device gets it, compiled for one form of the model.
 *   SHIM_NAME          of the set
 *   SHIM_ARITHMETIC    REAL, PAIRS or TF32
 *   FEATURES           and CONTEXT, CHANNEL where the model has them
 *   TENSOR_PAIRS       1 or 0; not for REAL
 */
#include "shim.h"
#include "painn_kernels.h"
#include "CommonTensor.h"

using OpenMM::CommonTensor;
using std::vector;

#define MULTIPLE(n, of) (((n)+(of)-1)/(of)*(of))
#define OUT_LANES (FEATURES > 96 ? 128 : MULTIPLE(FEATURES, 32))
#define OUT_GROUPS 2
#define OUT_COLUMNS OUT_LANES
#define BLOCK (OUT_LANES*OUT_GROUPS)
#define WIDTH 1
#define DEPTH 1
#define STATE_ARG GLOBAL
#define READOUT_WIDTH 12
#define READOUT_WIDEST FEATURES
#define READOUT_HIDDEN READOUT_WIDTH
#define READOUT_STEPS 2
#define READOUT_BACK_STEPS (1+(FEATURES+OUT_COLUMNS-1)/OUT_COLUMNS)
#define NORM_EPS 1e-8f
#ifdef CONTEXT
#define SENT 3
#else
#define SENT 1
#endif
#ifdef TENSOR_PAIRS
#define WIDE
#define ROWS 16
#define QUARTERS 4
#define ROOM (7*FEATURES*QUARTERS)
#define STAGE_TERMS (FEATURES > 128 ? 384 : MULTIPLE(3*FEATURES, 32))
#define OPERANDS (4*(STAGE_TERMS+8))
#define JOIN ((OPERANDS > 15*OUT_LANES ? OPERANDS : 15*OUT_LANES)+1)
#else
#define SHIM_DOUBLE
#define ROWS 1
#define ROOM (7*FEATURES)
#define JOIN (3*BLOCK)
#endif

/* Where weights stand: a place for each that has room for the largest, packed or not. */
#define PLACE (MULTIPLE(3*FEATURES, 8)*MULTIPLE(3*FEATURES, 32))
#define CTX_W0_T 0
#define CTX_W0 (1*PLACE)
#define CTX_B0 (2*PLACE)
#define CTX_W1_T (3*PLACE)
#define CTX_W1 (4*PLACE)
#define CTX_B1 (5*PLACE)
#define MIX_T (6*PLACE)
#define MIX (7*PLACE)
#define MIX_M (8*PLACE)
#define UPD_W0_T (9*PLACE)
#define UPD_W0 (10*PLACE)
#define UPD_B0 (11*PLACE)
#define UPD_W1_T (12*PLACE)
#define UPD_W1 (13*PLACE)
#define UPD_B1 (14*PLACE)
#define WEIGHTS (15*PLACE)

#define KERNEL static
#include "dialect.h"
#include "support.cc"
#ifdef TENSOR_PAIRS
#include "tensor.cu"
#include "tensorRows.cu"
#endif
#include "painnNode.cc"

static const int BLOCKS = 2;

// --------------------------------------------------------------------------------- weights

/* columns numOut of numTerms, m [numOut][numTerms], to where kernels have them */
static void placeMatrix(vector<real>& weights, size_t place, const vector<double>& m, int columns,
                        int terms) {
#ifdef TENSOR_PAIRS
    const vector<unsigned int> packed = CommonTensor::pack(m, columns, terms, TENSOR_PAIRS == 1);
    std::memcpy(&weights[place], packed.data(), packed.size()*sizeof(real));
#else
    for (int k = 0; k < terms; k++)
        for (int o = 0; o < columns; o++)
            weights[place+k*columns+o] = m[o*terms+k];
#endif
}

static void place(vector<real>& weights, size_t forward, size_t reverse, const PainnMatrix& m) {
    vector<double> turned(m.values.size());
    for (int o = 0; o < m.numOut; o++)
        for (int i = 0; i < m.numIn; i++)
            turned[(size_t) i*m.numOut+o] = m.values[(size_t) o*m.numIn+i];
    placeMatrix(weights, forward, m.values, m.numOut, m.numIn);
    placeMatrix(weights, reverse, turned, m.numIn, m.numOut);
}

static void place(vector<real>& weights, size_t at, const PainnMatrix& m) {
    for (size_t k = 0; k < m.values.size(); k++)
        weights[at+k] = (real) m.values[k];
}

static vector<real> placeWeights(const PainnModel& model) {
    vector<real> weights(WEIGHTS);
#ifdef CONTEXT
    place(weights, CTX_W0_T, CTX_W0, model.at("CTX_W0"));
    place(weights, CTX_B0, model.at("CTX_B0"));
    place(weights, CTX_W1_T, CTX_W1, model.at("CTX_W1"));
    place(weights, CTX_B1, model.at("CTX_B1"));
#endif
#ifdef CHANNEL
    const PainnMatrix& mix = model.at("MIX");       // [2F][F]
    place(weights, MIX_T, MIX, mix);
#ifndef TENSOR_PAIRS
    // one behind the other
    for (int k = 0; k < 2; k++) {
        const auto first = mix.values.begin()+k*FEATURES*FEATURES;
        placeMatrix(weights, MIX_T+k*FEATURES*FEATURES,
                    vector<double>(first, first+FEATURES*FEATURES), FEATURES, FEATURES);
    }
#endif
#else
    place(weights, MIX_M, model.at("MIX_M"));
#endif
    place(weights, UPD_W0_T, UPD_W0, model.at("UPD_W0"));
    place(weights, UPD_B0, model.at("UPD_B0"));
    place(weights, UPD_W1_T, UPD_W1, model.at("UPD_W1"));
    place(weights, UPD_B1, model.at("UPD_B1"));
    return weights;
}

// Each set has its own of these.
namespace {

/* F -> READOUT_WIDTH -> 1; what stands where is in the plan. */
struct Readout {
    vector<real> values;
    vector<int> plan;

    void add(int inputs, int outputs, const vector<double>& columns, int kept) {
        const int first = (int) values.size();
        for (int i = 0; i < inputs; i++)
            for (int o = 0; o < outputs; o++)
                values.push_back((real) columns[o*inputs+i]);
        for (int o = 0; o < outputs; o += OUT_COLUMNS)
            plan.insert(plan.end(), {inputs, outputs, o, first, (int) values.size(), kept,
                                     o+OUT_COLUMNS >= outputs, 0});
    }
    explicit Readout(const PainnModel& model) {
        const vector<double>& w0 = model.at("OUT_W0").values;
        const vector<double>& w1 = model.at("OUT_W1").values;
        vector<double> turned(w0.size());
        for (int o = 0; o < READOUT_WIDTH; o++)
            for (int i = 0; i < FEATURES; i++)
                turned[i*READOUT_WIDTH+o] = w0[o*FEATURES+i];
        add(FEATURES, READOUT_WIDTH, w0, 0);
        for (double b : model.at("OUT_B0").values)
            values.push_back((real) b);
        add(READOUT_WIDTH, 1, w1, -1);
        values.push_back((real) model.at("OUT_B1").values[0]);
        add(1, READOUT_WIDTH, w1, 0);
        add(READOUT_WIDTH, FEATURES, turned, -1);
    }
};

/* An array of the state as the kernels have it; goes back when it ends. */
struct Lent {
    vector<double>& values;
    vector<real> own;
    explicit Lent(vector<double>& values) : values(values), own(values.begin(), values.end()) {
    }
    ~Lent() {
        values.assign(own.begin(), own.end());
    }
    operator real*() {
        return own.data();
    }
};

} // namespace

// --------------------------------------------------------------------------------- kernels

static vector<rows> makeScratch() {
    return vector<rows>((size_t) BLOCKS*ROOM);
}

static void node(const PainnModel& model, PainnState& state, int n, vector<int>& status) {
    const vector<real> weights = placeWeights(model);
    vector<rows> scratch = makeScratch();
    Lent s(state["s"]), vMid(state["vMid"]), pq(state["pq"]), hidden(state["hidden"]);
    Lent gate(state["gate"]), vOut(state["vOut"]), xHidden(state["xHidden"]), x(state["x"]);
    launch(BLOCKS, BLOCK, [&] {
        mlffPainnNode(weights.data(), 0, 0, s, vMid, pq, hidden, gate, vOut, xHidden, x,
                      status.data(), scratch.data(), n);
    });
}

static void last(const PainnModel& model, PainnState& state, int n, vector<int>& status,
                 double& energy) {
    const vector<real> weights = placeWeights(model);
    const Readout readout(model);
    vector<rows> scratch = makeScratch();
    mm_ulong sum = 0;
    Lent s(state["s"]), vMid(state["vMid"]), pq(state["pq"]), hidden(state["hidden"]);
    Lent gate(state["gate"]), readoutHidden(state["readoutHidden"]);
    launch(BLOCKS, BLOCK, [&] {
        mlffPainnNodeLast(weights.data(), 0, readout.plan.data(), readout.values.data(), s, vMid,
                          pq, hidden, gate, readoutHidden, &sum, status.data(), scratch.data(), n,
                          1, 1);
    });
    energy = (double) (mm_long) sum/ENERGY_SCALE;
}

static void backward(const PainnModel& model, PainnState& state, int n, vector<int>& status) {
    const vector<real> weights = placeWeights(model);
    vector<rows> scratch = makeScratch();
    Lent vMid(state["vMid"]), pq(state["pq"]), hidden(state["hidden"]), gate(state["gate"]);
    Lent xHidden(state["xHidden"]), sent(state["sent"]), gs(state["gs"]), gv(state["gv"]);
    launch(BLOCKS, BLOCK, [&] {
        mlffPainnNodeBackward(weights.data(), 0, 0, vMid, pq, hidden, gate, xHidden, sent, gs, gv,
                              status.data(), scratch.data(), n);
    });
}

#ifdef CONTEXT
static const bool HAS_CONTEXT = true;
#else
static const bool HAS_CONTEXT = false;
#endif
#ifdef CHANNEL
static const bool HAS_CHANNEL = true;
#else
static const bool HAS_CHANNEL = false;
#endif

extern const PainnKernels SHIM_NAME;
const PainnKernels SHIM_NAME = {FEATURES, HAS_CONTEXT, HAS_CHANNEL, SHIM_ARITHMETIC, READOUT_WIDTH,
                                node, last, backward};
