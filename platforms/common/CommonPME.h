#ifndef OPENMM_COMMONPME_H_
#define OPENMM_COMMONPME_H_

#include "CommonEwald.h"
#include "openmm/common/FFT3D.h"
#include <array>
#include <map>

namespace OpenMM {

/**
 * Reciprocal part of Ewald's sum by smooth particle mesh Ewald, region by region on the same
 * arrays: spread, two transforms with the convolution between them, gather.
 */
class CommonPME {
public:
    CommonPME(CommonDevice& device, CommonAtoms& atoms, const mlff_longrange& choices);
    /**
     * As CommonLongRange::initialize().
     */
    void initialize(ComputeArray& charge, ComputeArray& chargeGradient, ComputeArray& energies);
    void execute(const CommonRequest& request, const CommonReciprocal& reciprocal);
    size_t getMemory() const;
private:
    typedef std::array<int, 3> Size;
    Size chooseMesh(double alpha, const CommonReciprocal& reciprocal) const;
    FFT3D prepare(const Size& size);
    void setMesh(const CommonRequest& request, const CommonReciprocal& reciprocal, int first,
                 int last, const Size& size, double alpha);

    CommonDevice& device;
    CommonAtoms& atoms;
    const mlff_longrange& choices;
    ComputeArray sums;                  // mm_ulong [points] charges in fixed point
    ComputeArray mesh, wave;            // real2 [points]
    std::map<Size, FFT3D> transforms;   // of the meshes seen; a changing box returns to them
    ComputeKernel spreadKernel, chargesKernel, convolveKernel, rowsKernel;
};

} // namespace OpenMM

#endif /*OPENMM_COMMONPME_H_*/
