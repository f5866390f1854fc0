/*
 * The text of PaiNN's node kernels, as a device gets it, compiled for one form of the model.
 *   SHIM_NAME          of the set
 *   SHIM_ARITHMETIC    REAL, PAIRS or TF32
 *   FEATURES           and CONTEXT, CHANNEL where the model has them
 *   TENSOR_PAIRS       1 or 0; not for REAL
 */
#include "shim.h"
#include "painn_kernels.h"
#include "CommonPaiNNWeights.h"
#include "mlff_internal.h"

using OpenMM::CommonDevice;
using OpenMM::CommonPaiNNWeights;
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
#define SHIM_MODE (TENSOR_PAIRS ? CommonDevice::HalfPairs : CommonDevice::TF32)
#define WIDE
#define ROWS 16
#define QUARTERS 4
#define ROOM (7*FEATURES*QUARTERS)
#else
#define SHIM_DOUBLE
#define SHIM_MODE CommonDevice::Float
#define ROWS 1
#define ROOM (7*FEATURES)
#define JOIN (3*BLOCK)
#endif

/* Where weights stand in a set: known when there is a model. */
#define PLACES(DO) DO(CTX_W0_T) DO(CTX_W0) DO(CTX_B0) DO(CTX_W1_T) DO(CTX_W1) DO(CTX_B1) DO(MIX_T)    \
    DO(MIX) DO(MIX_M) DO(UPD_W0_T) DO(UPD_W0) DO(UPD_B0) DO(UPD_W1_T) DO(UPD_W1) DO(UPD_B1)          \
    DO(WEIGHTS)
#define DECLARE(name) [[maybe_unused]] static int name;
PLACES(DECLARE)

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

/* In double, or as a vector of floats that may be packed. */
[[maybe_unused]] static void take(const CommonPaiNNWeights& block, vector<double>& weights) {
    weights = block.values;
}

[[maybe_unused]] static void take(const CommonPaiNNWeights& block, vector<float>& weights) {
    weights = block.getFloats();
}

/* As the host places them. */
static vector<real> placeWeights(const PainnModel& model) {
    std::map<std::string, mlff_tensor> tensors;
    const auto find = [&](const char* name) -> const mlff_tensor* {
        const auto found = model.find(name);
        if (found == model.end())
            return nullptr;
        const PainnMatrix& m = found->second;
        mlff_tensor& tensor = tensors[name];
        tensor = {};
        tensor.dtype = MLFF_F64;
        tensor.n_dims = 2;
        tensor.shape[0] = m.numOut;
        tensor.shape[1] = m.numIn;
        tensor.n_values = (int64_t) m.values.size();
        tensor.data = m.values.data();
        return &tensor;
    };
    mlff_painn_layer layer = {};
    layer.ctx_w0 = find("CTX_W0");
    layer.ctx_b0 = find("CTX_B0");
    layer.ctx_w1 = find("CTX_W1");
    layer.ctx_b1 = find("CTX_B1");
    layer.mix_v = find("MIX_V");
    layer.mix_w = find("MIX_W");
    layer.mix_m = find("MIX_M");
    layer.upd_w0 = find("UPD_W0");
    layer.upd_b0 = find("UPD_B0");
    layer.upd_w1 = find("UPD_W1");
    layer.upd_b1 = find("UPD_B1");
    CommonPaiNNWeights block(&layer, 1, SHIM_MODE);
#define FILL(name) name = block.places[#name];
    PLACES(FILL)
    vector<real> weights;
    take(block, weights);
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
