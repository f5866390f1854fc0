#ifndef OPENMM_COMMONLONGRANGE_H_
#define OPENMM_COMMONLONGRANGE_H_

#include "CommonNetwork.h"
#include "mlff_longrange.h"

namespace OpenMM {

/**
 * Coulomb and dispersion on the device, for a network with charges: what
 * ref_longrange_evaluate() computes.
 */
class CommonLongRange {
public:
    /**
     * @param device     outlives this object
     * @param atoms      outlives this object
     * @param choices    resolved settings (mlff_longrange_resolve())
     */
    CommonLongRange(CommonDevice& device, CommonAtoms& atoms, const mlff_longrange& choices);
    ~CommonLongRange();
    /**
     * As CommonNetwork::getLongRange().
     */
    double getRange() const;
    /**
     * Compile, allocate, bind; called once.
     *
     * @param message           message pairs, for E_short
     * @param longRange         null where getRange() is 0
     * @param charge            real [n] e; read by execute()
     * @param chargeGradient    real [n] eV/e; execute() overwrites it with dE/dq
     * @param energies          mm_ulong [MLFF_N_COMPONENTS] fixed point, eV; execute() adds to
     *                          those of its components
     */
    void initialize(const CommonPairs& message, const CommonPairs* longRange, ComputeArray& charge,
                    ComputeArray& chargeGradient, ComputeArray& energies);
    /**
     * Species have changed.
     */
    void updateParameters();
    /**
     * Queue all terms: energies, dE/dq, and, if wanted, forces at fixed charges.
     */
    void execute(const CommonRequest& request);
    /**
     * As CommonNetwork::canBeRepeated().
     */
    bool canBeRepeated(bool& boxMatters, std::string& whyNot) const;
    size_t getMemory() const;
private:
    class Impl;
    std::unique_ptr<Impl> impl;
};

} // namespace OpenMM

#endif /*OPENMM_COMMONLONGRANGE_H_*/
