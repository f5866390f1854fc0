#ifndef OPENMM_CUDADEVICE_H_
#define OPENMM_CUDADEVICE_H_

#include "CommonDevice.h"
#include "openmm/cuda/CudaContext.h"

namespace OpenMM {

/**
 * A CUDA device.
 */
class CudaDevice : public CommonDevice {
public:
    explicit CudaDevice(CudaContext& cu);
    ~CudaDevice();
    /**
     * Page-locked memory: the driver would wait for the device before it copies to any other.
     */
    std::shared_ptr<void> allocateStaging(size_t bytes) override;
    bool canRecord() const override {
        return true;
    }
    std::unique_ptr<CommonGraph> record(const std::function<void()>& queue,
                                        std::unique_ptr<CommonGraph> replaced,
                                        std::string& whyNot) override;
    /**
     * Tensor cores before compute capability 8.0 know neither TF32 nor products of 16 terms.
     */
    const CommonTensorTexts* getTensorTexts() const override;
protected:
    /**
     * Divisions, square roots, exponentials and the smallest numbers keep IEEE's or nearly IEEE's
     * accuracy, unlike in the kernels of OpenMM, which has them compiled for speed alone.
     */
    ComputeProgram compileText(const std::string& text, const KernelDefines& defines) override;
private:
    CudaContext& cu;
    const bool programmatic;    // see CudaGraph
    ComputeQueue recorder;      // on which graphs are recorded; null until then
};

} // namespace OpenMM

#endif /*OPENMM_CUDADEVICE_H_*/
