#ifndef OPENMM_REFERENCEMLFFPLUGIN_H_
#define OPENMM_REFERENCEMLFFPLUGIN_H_

#include "HostMLFFKernel.h"
#include "mlff_reference.h"
#include <memory>

namespace OpenMM {

/**
 * Pairs by a search at every call.
 */
class ReferencePairFinder : public HostPairFinder {
public:
    ReferencePairFinder() : list() {
    }
    ~ReferencePairFinder() {
        ref_pair_list_free(&list);
    }
    mlff_status find(double range, int numAtoms, const double (*position)[3], const int* region,
                     const double (*cell)[3], mlff_pairs& pairs, mlff_error& err);
private:
    ref_pair_list list;
};

/**
 * MLFFForce in double precision, on one thread.
 */
class ReferenceCalcMLFFForceKernel : public HostCalcMLFFForceKernel {
public:
    using HostCalcMLFFForceKernel::HostCalcMLFFForceKernel;
protected:
    const mlff_platform* getEnginePlatform() const {
        return mlff_reference_platform();
    }
    const mlff_parallel* getThreads() {
        return nullptr;
    }
    std::unique_ptr<HostPairFinder> createPairFinder() const {
        return std::make_unique<ReferencePairFinder>();
    }
    double getHessianStep() const {
        return 5e-4;
    }
    const char* getPrecision() const {
        return "double";
    }
};

} // namespace OpenMM

#endif /*OPENMM_REFERENCEMLFFPLUGIN_H_*/
