#ifndef OPENMM_COMMONDISPERSION_H_
#define OPENMM_COMMONDISPERSION_H_

#include "CommonNetwork.h"
#include "mlff_longrange.h"

namespace OpenMM {

/**
 * D3(BJ) on the device: tables of the elements that occur, and coordination numbers with what
 * follows from them for each atom.  The sum over pairs is CommonLongRange's.
 */
class CommonDispersion {
public:
    CommonDispersion(CommonDevice& device, CommonAtoms& atoms, const mlff_longrange& choices);
    /**
     * What kernels/dispersion.cc needs to know.
     */
    void addDefines(KernelDefines& defines) const;
    /**
     * Allocate and fill the tables.
     */
    void initialize();
    /**
     * Make the kernels; their last arguments are those of the pairs (FAR_ARGUMENTS), left open.
     */
    void createKernels(ComputeProgram program, ComputeArray& charge);
    /**
     * Species have changed.
     */
    void updateParameters();
    size_t getMemory() const;
    int getNumKinds() const {
        return (int) rows.size();
    }

    ComputeArray kind;          // int [n]
    ComputeArray c6ref;         // real [kinds][kinds][25] Hartree bohr^6
    ComputeArray cnref;         // real [kinds][5], or as c6ref
    ComputeArray own, record;   // see kernels/dispersion.cc
    ComputeArray gradCN;        // real [n] eV
    ComputeKernel countKernel, forceKernel;
    static const int COUNT_PAIRS = 11, FORCE_PAIRS = 7;     // their first argument of the pairs
private:
    void findFactors();
    void findKinds(std::vector<int>& kinds);
    void fillTables();

    CommonDevice& device;
    CommonAtoms& atoms;
    const mlff_longrange& choices;
    bool factors;
    std::vector<double> numbers;    // [table][5] reference coordination numbers, where factors
    std::vector<int> rows;          // [kinds] of the table
    ComputeArray radius, root;      // real [n] angstrom; real [kinds]
};

} // namespace OpenMM

#endif /*OPENMM_COMMONDISPERSION_H_*/
