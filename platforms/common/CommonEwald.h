#ifndef OPENMM_COMMONEWALD_H_
#define OPENMM_COMMONEWALD_H_

#include "CommonNetwork.h"
#include "mlff_longrange.h"

namespace OpenMM {

/**
 * The reciprocal cell of a box.
 */
struct CommonReciprocal {
    explicit CommonReciprocal(const Vec3 box[3]);
    /**
     * Three arguments of a kernel from this index on: wave as real4, per as exact4.
     */
    void setWave(const CommonDevice& device, ComputeKernel kernel, int index) const;
    void setPer(const CommonDevice& device, ComputeKernel kernel, int index) const;

    double cell[3][3];      // angstrom
    double volume;          // angstrom^3
    Vec3 per[3];            // rows of the reciprocal cell without 2 pi, 1/nm
    Vec3 wave[3];           // 2 pi times them, 1/angstrom
};

/**
 * Reciprocal part of Ewald's sum, region by region, with its neutralising background: two kernels
 * a region.
 */
class CommonEwald {
public:
    CommonEwald(CommonDevice& device, CommonAtoms& atoms, const mlff_longrange& choices);
    /**
     * As CommonLongRange::initialize().
     *
     * @param fraction    real4 [n] coordinates in the box, and charge
     */
    void initialize(ComputeArray& fraction, ComputeArray& chargeGradient, ComputeArray& energies);
    void execute(const CommonRequest& request, const CommonReciprocal& reciprocal);
    size_t getMemory() const;
private:
    CommonDevice& device;
    CommonAtoms& atoms;
    const mlff_longrange& choices;
    ComputeArray structure;     // real2 [vectors] weight times structure factor of one region
    ComputeKernel structureKernel, rowsKernel;
};

} // namespace OpenMM

#endif /*OPENMM_COMMONEWALD_H_*/
