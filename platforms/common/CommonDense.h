#ifndef OPENMM_COMMONDENSE_H_
#define OPENMM_COMMONDENSE_H_

#include "CommonDevice.h"
#include "mlff_internal.h"
#include <map>
#include <string>
#include <vector>

namespace OpenMM {

/**
 * A kernel with its arguments, and the threads it takes.
 */
struct CommonLaunch {
    ComputeKernel kernel;
    int threads, blockSize;
    void execute() const {
        kernel->execute(threads, blockSize);
    }
};

/**
 * One linear map on the device, y = W x + b: the weights as the forward and the reverse kernel read
 * them, on tensor cores in the order of CommonTensor.h; and the derivative of the activation
 * behind it.
 */
class CommonDense {
public:
    /**
     * @param weight      [numOut][numIn]
     * @param bias        [numOut]
     * @param inOrder     [numIn] place in the file's rows of each input here; empty: the same
     * @param outOrder    [numOut] likewise of each output
     * @param activate    GELU behind the map
     */
    CommonDense(CommonDevice& device, const mlff_tensor& weight, const mlff_tensor& bias,
                const std::vector<int>& inOrder, const std::vector<int>& outOrder, bool activate);
    /**
     * Room for the derivatives of so many rows.
     */
    void allocateSlope(CommonDevice& device, int numRows);
    /**
     * Device memory held, bytes.
     */
    size_t getMemory() const;
    /**
     * Words from one row to the next for a width: rows start at whole sectors of memory.
     */
    static int getStride(int width) {
        return (width+7)/8*8;
    }
    const int numIn, numOut;
    const bool activate;
    ComputeArray forward;       // real [numIn][numOut], or packed: columns numOut
    ComputeArray reverse;       // real [numOut][numIn], or packed: columns numIn
    ComputeArray bias;          // real [numOut]
    ComputeArray slope;         // real [numRows][getStride(numOut)]; one word without activation
private:
    void uploadWeights(CommonDevice& device, const std::vector<double>& w,
                       const std::vector<double>& wT);
};

/**
 * Kernels on tiles of rows and columns (kernels/dense.cc), compiled for the tiles that are used and
 * for the device's matrix mode.
 */
class CommonDenseKernels {
public:
    /**
     * @param texts      what stands behind dense.cc
     * @param defines    for these
     */
    CommonDenseKernels(CommonDevice& device, const std::vector<const char*>& texts,
                       const KernelDefines& defines);
    /**
     * A kernel that computes so many rows and columns, without arguments yet.  Tiles are as large
     * as leaves no multiprocessor idle.
     */
    CommonLaunch create(const std::string& name, int numRows, int numColumns);
private:
    struct Tile {
        int rows, columns, depth;
        int getNumBlocks(int numRows, int numColumns) const;
    };
    static const std::vector<Tile> TILES, TENSOR_TILES;
    int chooseTile(int numRows, int numColumns) const;
    CommonDevice& device;
    const CommonDevice::MatrixMode mode;
    const std::vector<Tile>& tiles;
    std::vector<const char*> texts;
    KernelDefines defines;
    std::map<int, ComputeProgram> programs;
};

} // namespace OpenMM

#endif /*OPENMM_COMMONDENSE_H_*/
