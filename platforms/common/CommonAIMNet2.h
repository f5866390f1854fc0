#ifndef OPENMM_COMMONAIMNET2_H_
#define OPENMM_COMMONAIMNET2_H_

#include "CommonDense.h"
#include "CommonLongRange.h"
#include "CommonNetwork.h"
#include "mlff_aimnet2.h"
#include <memory>
#include <vector>

namespace OpenMM {

/**
 * AIMNet2 on the device: convolutions (kernels/aimnet2Conv.cc), networks (kernels/dense.cc and
 * aimnet2Dense.cc), charges that add up to those of their region, Coulomb and dispersion; and the
 * same in reverse.  docs/math/aimnet2.md has the equations, kernels/aimnet2.cc the layout.
 *
 * A pass is its convolution and its layers.  What happens between them rides along: the last layer
 * of passes 0 and 1 adds to the features and to the sums over the charges, the convolution behind
 * it reads the sums and shifts the charges; in reverse the convolution adds up, the layer before
 * it reads.  The sums are in fixed point.  The head continues the layers of the last pass, and the
 * energy is added up by its last layer but one.
 */
class CommonAIMNet2 : public CommonNetwork {
public:
    /**
     * @param device      outlives this object
     * @param atoms       outlives this object
     * @param file        the model, shared
     * @param settings    as mlff_evaluator_new() takes them
     */
    CommonAIMNet2(CommonDevice& device, CommonAtoms& atoms, const mlff_model& file,
                  const mlff_settings& settings);
    double getMessageRange() const;
    double getLongRange() const;
    void initialize(const CommonPairs& message, const CommonPairs* longRange);
    void updateParameters();
    void execute(const CommonRequest& request);
    bool canBeRepeated(bool& boxMatters, std::string& whyNot) const;
    CommonDevice::MatrixMode getMatrixMode() const;
    ComputeArray& getEnergies();
    double getElementEnergy() const;
    ComputeArray* getCharges();
    size_t getMemory() const;
private:
    static const int NUM_PASSES = MLFF_AIMNET2_PASSES, LAST = MLFF_AIMNET2_PASSES-1;
    typedef std::vector<std::unique_ptr<CommonDense> > Layers;
    // What a pass t works on. Rows of n atoms.
    struct Pass {
        Layers layers;          // of the last pass: with the head's, but for its last
        ComputeArray a;         // real [n][G A] at the start of the pass; pass 0: [n_z][G A]
        ComputeArray charge;    // real [n][Q] e, likewise; not in pass 0
        ComputeArray v;         // real [n][3][A C + Q C], pass 0 [n][3][A C]
        ComputeArray state;     // real [n][2 Q] q~ and w behind the pass; not in the last
        ComputeArray sums;      // mm_ulong [n_regions][3 Q] see aimnet2.cc; not in the last
    };
    // The convolution of a pass as its kernels are compiled.
    struct Shape;

    void checkSize() const;
    std::vector<int> getInputOrder(int pass) const;
    std::vector<int> getOutputOrder() const;
    void addLayers(Layers& layers, const mlff_aimnet2_mlp& mlp, int numLayers, int pass);
    void createLayers();
    void createConstants();
    void createRows();
    void uploadOrdered(ComputeArray& array, const mlff_tensor& tensor, int numTables, int numInner,
                       const char* name);
    void createReal(ComputeArray& array, size_t size, const char* name);
    template <class T> void createArray(ComputeArray& array, size_t size, const char* name);

    KernelDefines getDefines() const;
    ComputeProgram compileConvolution(bool first);
    void addConvolution(int pass, const ComputeProgram& program, const CommonPairs& message);
    CommonLaunch startForward(const char* name, CommonDenseKernels& kernels, CommonDense& layer,
                              ComputeArray& x, int stride);
    void addForward(int pass, CommonDenseKernels& kernels);
    void addUpdate(int pass, CommonDenseKernels& kernels, CommonDense& layer, ComputeArray& x,
                   int stride);
    void addReadout(CommonDenseKernels& kernels, CommonDense& layer, ComputeArray& x, int stride);
    void addReverse(int pass, CommonDenseKernels& kernels);
    void addUpdateReverse(int pass, CommonDenseKernels& kernels, CommonDense& layer,
                          ComputeArray& gradX, int stride);
    void addConvolutionReverse(int pass, const ComputeProgram& program,
                               const CommonPairs& message);
    void uploadParameters();
    void setRequest(const CommonRequest& request);

    CommonDevice& device;
    CommonAtoms& atoms;
    const mlff_aimnet2& model;
    const int A, G, C, Q;
    const CommonDevice::MatrixMode matrixMode;
    int inputStride, hiddenStride;      // words of a row of x and of hidden
    mlff_longrange choices;
    std::unique_ptr<CommonLongRange> longRange;     // null: nothing to do
    const CommonPairs* message;

    Pass passes[NUM_PASSES];
    ComputeArray shifts;                // real [G] angstrom
    ComputeArray agh, aghT;             // real [G][A][C], [C][G][A]
    ComputeArray aghQ, aghQT;           // real [G][Q][C], [C][G][Q]
    ComputeArray readout, readoutBias;  // real [inputs of the head's last layer], [1]
    ComputeArray species;               // int [n]
    ComputeArray regionScale;           // real [n_regions] of fixed-point sums
    ComputeArray regionTotal;           // mm_long [n_regions][Q] fixed point, e
    ComputeArray x;                     // real [n][inputStride] input of a pass, then its gradient
    ComputeArray hidden[2];             // real [n][hiddenStride] layers, in turn
    ComputeArray gradO;                 // real [n][4][G A + G Q] gradient of the convolution's sums
    ComputeArray gradA, gradCharge;     // real [n][G A], [n][Q] behind the pass at work
    ComputeArray energies;              // mm_ulong [MLFF_N_COMPONENTS]
    ComputeArray charges;               // real [n] e
    ComputeArray chargeGradient;        // real [n] eV/e of the final charges, of the long range
    std::vector<ComputeArray*> arrays;  // all that this object allocated itself

    // In the order of their launches; and which arguments change.
    std::vector<CommonLaunch> forward, reverse;
    std::vector<std::pair<ComputeKernel, int> > keepArguments, capacityArguments, weightArguments;
    bool keep;                          // what the arguments are
    int capacity;
    double weight;
};

std::unique_ptr<CommonNetwork> createCommonAIMNet2(CommonDevice& device, CommonAtoms& atoms,
                                                   const mlff_model& model,
                                                   const mlff_settings& settings);

} // namespace OpenMM

#endif /*OPENMM_COMMONAIMNET2_H_*/
