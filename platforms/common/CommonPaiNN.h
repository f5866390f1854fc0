#ifndef OPENMM_COMMONPAINN_H_
#define OPENMM_COMMONPAINN_H_

#include "CommonNetwork.h"
#include "mlff_painn.h"

namespace OpenMM {

/**
 * PaiNN on the device: what platforms/reference/painn computes, in 4 L - 1 launches with forces and
 * 2 L without, for L layers.
 *
 *   message    a block per row sums what the neighbors send            painnMessage.cc
 *   node       a block takes several rows through update and context   painnNode.cc
 *              of the next layer; in the last layer through update and readout, and both in reverse
 *   reverse    the same in reverse order.  Rows gather what they have sent, so that sums have a
 *              fixed order and nothing is kept of a pair.
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
    ComputeArray& getEnergies() override;
    double getElementEnergy() const override;
    ComputeArray* getCharges() override;
    size_t getMemory() const override;
private:
    /** Threads and local memory of the node kernels. */
    struct NodeShape {
        int lanes, groups, quarters, room, join;
        bool wide;
    };
    NodeShape chooseNodeShape() const;
    int getReadoutWidest() const;
    void uploadFilters(KernelDefines& defines);
    void uploadWeights(KernelDefines& defines);
    void uploadReadout(KernelDefines& defines);
    void uploadSpeciesTables();
    void allocate();
    void initializeReal(ComputeArray& array, size_t size, const char* name);
    void uploadReal(ComputeArray& array, const std::vector<double>& values, const char* name);
    ComputeProgram compileMessage(KernelDefines defines);
    ComputeProgram compileNode(KernelDefines defines);
    void bindMessage(ComputeProgram program, const CommonPairs& message);
    void bindNode(ComputeProgram program);
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
    NodeShape shape;
    int messageLanes, messageGroups;
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
    ComputeArray s;                     // [F]; reverse: its gradient
    std::vector<ComputeArray> vMid;     // [3][F] v after the messages; one for all if channel
    std::vector<ComputeArray> v, x;     // [3][F], [sent][F] at the start of layers 1 ...
    std::vector<ComputeArray> xHidden;  // [F] context of layers 1 ...
    std::vector<ComputeArray> pq;       // [6][F] channel, all layers but the last
    std::vector<ComputeArray> hidden;   // [F] update
    std::vector<ComputeArray> gate;     // [2][F] update
    ComputeArray sentGradient;          // [sent+3][F] reverse; channel: p and q of the last layer
    ComputeArray readoutHidden;
    ComputeArray scratch;               // of blocks, for models too wide for local memory

    std::vector<ComputeKernel> messageKernels, messageBackwardKernels;  // [layer]
    std::vector<ComputeKernel> nodeKernels, nodeBackwardKernels;        // [layer]
};

/**
 * @param settings    about charges and dispersion, which PaiNN does not have
 */
std::unique_ptr<CommonNetwork> createCommonPaiNN(CommonDevice& device, CommonAtoms& atoms,
                                                 const mlff_model& model,
                                                 const mlff_settings& settings);

} // namespace OpenMM

#endif /*OPENMM_COMMONPAINN_H_*/
