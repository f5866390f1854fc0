#ifndef OPENMM_COMMONDEVICE_H_
#define OPENMM_COMMONDEVICE_H_

#include "openmm/common/ComputeArray.h"
#include "openmm/common/ComputeContext.h"
#include "openmm/common/ComputeKernel.h"
#include "openmm/common/ComputeProgram.h"
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace OpenMM {

typedef std::map<std::string, std::string> KernelDefines;

/**
 * Launches that were recorded, and that the device repeats as one.
 */
class CommonGraph {
public:
    virtual ~CommonGraph() {
    }
    /**
     * Queue all of them, behind what has been queued.
     */
    virtual void launch() = 0;
    virtual int getNumNodes() const = 0;
    /**
     * Nodes that may begin before the one before them has ended: their kernels wait for it.
     */
    virtual int getNumProgrammatic() const {
        return 0;
    }
};

/**
 * Kernel texts for tensor cores, for `real` a float: base stands before the others.
 */
struct CommonTensorTexts {
    const char* base;
    const char* tile;       // a tile of a dense layer (kernels/dense.cc)
    const char* rows;       // the layers of rows (kernels/painnNode.cc)
};

/**
 * A device as our kernels see it: OpenMM's ComputeContext and what OpenCL and CUDA do differently.
 * The platforms derive from it where the default does not serve.
 *
 * Kernels are written once, in the folder kernels, in OpenMM's compute dialect (C99 with KERNEL,
 * GLOBAL, LOCAL ...; no references, overloads or includes).  `real` is float, in double precision
 * double; `mixed` is double in mixed precision too; `exact` (positions) is double wherever the
 * device has it.  OpenMM limits the number of blocks of a
 * launch: every kernel loops over its work in strides of the grid.
 */
class CommonDevice {
public:
    explicit CommonDevice(ComputeContext& cc);
    virtual ~CommonDevice();
    /**
     * How dense layers are computed: in real arithmetic, or on tensor cores with operands as pairs
     * of halves (as exact as float) or as TF32 (as exact as 11 bits allow).
     */
    enum MatrixMode {Float, HalfPairs, TF32};
    /**
     * What is wanted, for the networks that are made from now on; Float is the default.
     */
    MatrixMode matrixMode;
    /**
     * What is done: what is wanted, or Float where that cannot be.
     */
    MatrixMode getMatrixMode() const;
    /**
     * Why not what is wanted; empty where it is.
     */
    std::string getMatrixRefusal() const;
    /**
     * How tensor cores are used; null without them.
     */
    virtual const CommonTensorTexts* getTensorTexts() const;
    /**
     * Compile kernels/support.cc with these texts behind it.
     */
    ComputeProgram compile(const std::vector<const char*>& texts, const KernelDefines& defines);
    /**
     * Host memory that non-blocking copies may write to.
     */
    virtual std::shared_ptr<void> allocateStaging(size_t bytes);

    /**
     * Whether this kind of device can record at all.
     */
    virtual bool canRecord() const {
        return false;
    }
    /**
     * Record what a function queues, instead of queueing it.  Each of its kernels has been executed
     * before.
     *
     * @param queue          launches kernels and does nothing else with the device
     * @param replaced       a graph of the same kind that is not needed any more, or null
     * @param[out] whyNot    what prevents it
     * @return null if it was not possible; nothing is lost then
     */
    virtual std::unique_ptr<CommonGraph> record(const std::function<void()>& queue,
                                                std::unique_ptr<CommonGraph> replaced,
                                                std::string& whyNot);

    // Arrays and arguments of type real, mixed and exact, whatever they are in this precision.
    void initializeReal(ComputeArray& array, size_t size, const std::string& name) const;
    void uploadReal(ComputeArray& array, const std::vector<double>& values) const;
    void downloadReal(const ComputeArray& array, std::vector<double>& values) const;
    void addReal(ComputeKernel kernel, double value) const;
    void setReal(ComputeKernel kernel, int index, double value) const;
    void setMixed(ComputeKernel kernel, int index, double value) const;
    void addExact(ComputeKernel kernel, double value) const;
    void setExact(ComputeKernel kernel, int index, double value) const;
    void setExact4(ComputeKernel kernel, int index, const Vec3& xyz, double w = 0) const;
    /**
     * Bytes of a real, and of an exact.
     */
    int getRealSize() const;
    int getExactSize() const;
    /**
     * A number as a literal of type real, for defines.
     */
    std::string literal(double value) const;

    ComputeContext& cc;
protected:
    virtual ComputeProgram compileText(const std::string& text, const KernelDefines& defines);
};

} // namespace OpenMM

#endif /*OPENMM_COMMONDEVICE_H_*/
