#ifndef OPENMM_COMMONNETWORK_H_
#define OPENMM_COMMONNETWORK_H_

#include "CommonDevice.h"
#include "CommonPairs.h"
#include "internal/MLFFModel.h"
#include <memory>
#include <string>
#include <vector>

namespace OpenMM {

/**
 * The atoms of a force on the device, in rows: ordered by region, within a region as in addAtom().
 * Shared by all parts of the platform; the kernel fills positions and clears sums at the start of
 * each evaluation.
 */
struct CommonAtoms {
    int numAtoms, numRegions;
    int largestRegion;                  // atoms
    bool periodic;
    std::vector<int> species;           // [n] atomic numbers
    std::vector<int> region;            // [n] ascending
    std::vector<int> regionFirst;       // [n_regions + 1] first row of each region
    std::vector<double> totalCharge;    // [n_regions] e
    std::vector<double> multiplicity;   // [n_regions] 2S+1
    Vec3 box[3];                        // of this evaluation; nm, rows a b c

    // device memory
    ComputeArray position;      // mixed4 [n] nm, in the frame of the pair lists; w unused
    ComputeArray regionOfRow;   // int [n]
    ComputeArray regionRange;   // int2 [n_regions] first row, row behind the last
    ComputeArray force;         // mm_ulong [3][n] fixed-point sum (support.cc), eV/angstrom
    ComputeArray frame;         // exact [4*FRAME_SIZE], see support.cc
    ComputeArray status;        // int [STATUS_SIZE], see support.cc
    static const int STATUS_SIZE = 20, FRAME_SIZE = 7;
};

/**
 * What an evaluation asks a network for.
 */
struct CommonRequest {
    bool forces;        // add weight times the forces to atoms.force
    double weight;      // share of this member in the mean
};

/**
 * One model on the device: an architecture with its weights, buffers and kernels.  All methods but
 * execute() may wait for the device; execute() only queues kernels, allocates nothing and copies
 * nothing, unless a buffer must grow because the capacity of the pairs has (or a box has changed
 * the size of a reciprocal mesh).
 */
class CommonNetwork {
public:
    /**
     * @param model    shared: it lives as long as this object
     */
    explicit CommonNetwork(const mlff_model& model) : share(shareMLFFModel(model)) {
    }
    virtual ~CommonNetwork() {
    }
    /**
     * Range of the message pairs, angstrom.
     */
    virtual double getMessageRange() const = 0;
    /**
     * Range of the long-range pairs, angstrom: 0 none are wanted, infinity all pairs of a region.
     * Ewald's depends on the box of the atoms.
     */
    virtual double getLongRange() const = 0;
    /**
     * Compile the kernels, allocate, and bind the pairs; called once, before the rest.  The objects
     * stay where they are; capacities change.
     *
     * @param message     message pairs
     * @param longRange   long-range pairs (kinds List or All, which does not change); null where
     *                    getLongRange() is 0
     */
    virtual void initialize(const CommonPairs& message, const CommonPairs* longRange) = 0;
    /**
     * Species, regions' charges or multiplicities have changed: copy them to the device.
     */
    virtual void updateParameters() = 0;
    /**
     * Queue the evaluation of the present positions and pairs.
     */
    virtual void execute(const CommonRequest& request) = 0;
    /**
     * Whether a recorded execute() may be repeated: with the same pairs, capacities and request.
     * Positions and all that stands in device memory may differ.
     *
     * @param[out] boxMatters    whether the box may not
     * @param[out] whyNot        if not
     */
    virtual bool canBeRepeated(bool& boxMatters, std::string& whyNot) const = 0;
    /**
     * How it multiplies matrices.
     */
    virtual CommonDevice::MatrixMode getMatrixMode() const {
        return CommonDevice::Float;
    }
    /**
     * Energies of the last execute(): mm_ulong [MLFF_N_COMPONENTS], fixed-point sums in eV in the
     * order of mlff_component, not weighted.  Each execute() starts from zero; MLFF_ELEMENTS is
     * left at zero.
     */
    virtual ComputeArray& getEnergies() = 0;
    /**
     * Constants of the elements of all atoms, eV: what MLFF_ELEMENTS is.
     */
    virtual double getElementEnergy() const = 0;
    /**
     * Charges of the last execute(), real [n] in rows, e; null for a model without charges.
     */
    virtual ComputeArray* getCharges() = 0;
    /**
     * Device memory held, bytes.
     */
    virtual size_t getMemory() const = 0;
private:
    const MLFFModelShare share;
};

/**
 * Create the network of a model: of its architecture.
 *
 * @param device      outlives the network
 * @param atoms       outlives the network
 * @param model       shared by the network
 * @param settings    as mlff_evaluator_new() takes them
 */
std::unique_ptr<CommonNetwork> createCommonNetwork(CommonDevice& device, CommonAtoms& atoms,
                                                   const mlff_model& model,
                                                   const mlff_settings& settings);

} // namespace OpenMM

#endif /*OPENMM_COMMONNETWORK_H_*/
