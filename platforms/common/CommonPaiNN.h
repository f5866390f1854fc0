#ifndef OPENMM_COMMONPAINN_H_
#define OPENMM_COMMONPAINN_H_

#include "CommonNetwork.h"
#include "mlff_painn.h"

namespace OpenMM {

/**
 * PaiNN on the device: what platforms/reference/painn computes, in one of two forms.
 *
 *   message    a block per row sums what the neighbors send            painnMessage.cc
 *   node       a block takes several rows through update and context   painnNode.cc
 *              of the next layer; in the last layer through update and readout, and both in reverse
 *   reverse    the same in reverse order.  Rows gather what they have sent, so that sums have a
 *              fixed order and nothing is kept of a pair.
 *
 * Split, these are kernels of their own: 4 L - 1 launches with forces and 2 L without, for L
 * layers.  Fused (painnFused.cc), a block takes its row through messages and node part in one
 * kernel: 2 L and L launches.  Few rows are fused: see chooseFused().
 */
class CommonPaiNN : public CommonNetwork {
public:
    CommonPaiNN(CommonDevice& device, CommonAtoms& atoms, const mlff_model& model);
    double getMessageRange() const override;
    double getLongRange() const override;
    void initialize(const CommonPairs& message, const CommonPairs* longRange) override;
    void updateParameters() override;
    void execute(const CommonRequest& request) override;
    bool canBeRepeated(bool& boxMatters, std::string& whyNot) const override;
    CommonDevice::MatrixMode getMatrixMode() const override;
    ComputeArray& getEnergies() override;
    double getElementEnergy() const override;
    ComputeArray* getCharges() override;
    size_t getMemory() const override;
private:
    /** Rows a block, threads and local memory of the node kernels; see painnNode.cc. */
    struct NodeShape {
        int rows, width, lanes, groups, block, room, join;
        bool wide;
    };
    /** A kernel, and the places of arguments that each evaluation sets; -1: it has none. */
    struct Launch {
        ComputeKernel kernel;
        int threads, block;
        int numArgs = 0, capacity = -1, scale = -1, forces = -1;
        void add(const std::vector<ComputeArray*>& arrays);
        void add(int value);
        void addPairs(int numAtoms);
        int reserve();
    };
    int chooseMessageGroups() const;
    NodeShape chooseNodeShape() const;
    NodeShape chooseFusedShape() const;
    NodeShape chooseTensorShape() const;
    int getNodeBlocks() const;
    /**
     * Whether kernels are fused.  A block then works for one row and streams a layer's weights
     * alone; that beats more launches as long as each row has a multiprocessor of its own.  So:
     * as many rows as there are multiprocessors, at least 64; models of at least two layers (the
     * second form of one layer would clear the energies while they are added to), of at most 256
     * features and small enough for local memory.
     */
    bool chooseFused() const;
    int getReadoutWidth(int k) const;
    int getReadoutWidest() const;
    int getReadoutHidden() const;
    int getRoom() const;
    int getKept() const;
    int getState() const;
    int getShared() const;
    void uploadFilters(KernelDefines& defines);
    void uploadWeights(KernelDefines& defines);
    void uploadReadout(KernelDefines& defines);
    void uploadSpeciesTables();
    void allocate();
    void allocateFused();
    void allocateSplit();
    void initializeReal(ComputeArray& array, size_t size, const char* name);
    void uploadReal(ComputeArray& array, const std::vector<double>& values, const char* name);
    bool isOrdered() const;
    void defineMessage(KernelDefines& defines) const;
    void defineNode(KernelDefines& defines) const;
    void defineFused(KernelDefines& defines) const;
    void compileKernels(const KernelDefines& common);
    Launch createMessage(ComputeProgram program, const std::string& name, int layer);
    Launch createNode(ComputeProgram program, const std::string& name);
    Launch createLast(ComputeProgram program, ComputeArray& gs, ComputeArray& gv);
    void addScale(Launch& launch);
    void bindMessage(ComputeProgram program);
    void bindNode(ComputeProgram program);
    void bindFused(ComputeProgram program);
    void bindFusedBackward(ComputeProgram program);
    int getBlock(int layer) const;
    ComputeArray& getFilter(int layer);
    ComputeArray& getPQ(int layer);
    ComputeArray& getVMid(int layer);
    ComputeArray& getGradV();

    CommonDevice& device;
    CommonAtoms& atoms;
    const mlff_painn& painn;
    const int F, L;
    const int sent;                     // blocks of x that are stored: 3 with context, else 1
    const bool channel;
    const int messageLanes, messageGroups;
    int numTerms;                       // of the filters
    bool fused;
    CommonDevice::MatrixMode matrixMode;
    NodeShape shape;
    const CommonPairs* pairs;
    size_t memory;

    // of the model
    ComputeArray weights;               // [set][WEIGHTS]
    ComputeArray readout, readoutPlan;  // all linear layers; int [step][8], see painnReadout()
    ComputeArray radial;                // [2][K] of the basis
    std::vector<ComputeArray> filter;   // [set] CommonPaiNNFilter
    ComputeArray embedding;             // [n_z][F]
    ComputeArray firstX;                // [n_z][3][F] x of layer 0, with context
    ComputeArray species;               // int [n]
    ComputeArray energies;

    // of each row; those of a layer have a place for each
    ComputeArray s;                     // [F]; reverse, split: its gradient
    std::vector<ComputeArray> v, x;     // [3][F], [sent][F] at the start of layers 1 ...
    // split
    std::vector<ComputeArray> vMid;     // [3][F] v after the messages; one for all if channel
    std::vector<ComputeArray> xHidden;  // [F] context of layers 1 ...
    std::vector<ComputeArray> pq;       // [6][F] channel, all layers but the last
    std::vector<ComputeArray> hidden;   // [F] update
    std::vector<ComputeArray> gate;     // [2][F] update
    ComputeArray sentGradient;          // [sent+3][F] reverse; channel: p and q of the last layer
    ComputeArray readoutHidden;
    ComputeArray scratch;               // of blocks, for models too wide for local memory
    // fused
    std::vector<ComputeArray> kept;     // what the reverse pass needs, see painnFused.cc
    ComputeArray gradS[2], gradV[2];    // [F], [3][F] gradients after the messages, to and fro

    std::vector<Launch> forward, backward;
};

/**
 * @param settings    about charges and dispersion, which PaiNN does not have
 */
std::unique_ptr<CommonNetwork> createCommonPaiNN(CommonDevice& device, CommonAtoms& atoms,
                                                 const mlff_model& model,
                                                 const mlff_settings& settings);

} // namespace OpenMM

#endif /*OPENMM_COMMONPAINN_H_*/
