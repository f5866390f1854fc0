#ifndef OPENMM_COMMONREGIONS_H_
#define OPENMM_COMMONREGIONS_H_

#include "CommonNetwork.h"
#include <vector>

namespace OpenMM {

/**
 * Places the molecules of regions beside each other (kernels/regions.cc), after each of them has
 * been put together.  Exists only where an open region in a periodic System has several molecules.
 */
class CommonRegions {
public:
    /**
     * @param device      outlives this object, as atoms do
     * @param molecule    [n] the first row of the molecule of each row; -1 in regions of one
     *                    molecule, or without bonds
     * @param cutoff      nm: two molecules within it in a second copy are reported in the status;
     *                    0: are not looked for
     * @param lists       whether pairs are kept in lists, which are to be built when a molecule
     *                    takes another copy
     */
    CommonRegions(CommonDevice& device, CommonAtoms& atoms, const std::vector<int>& molecule,
                  double cutoff, bool lists);
    /**
     * Set the box, nm, if it is another than the device has.
     */
    void setBox(const Vec3* box);
    /**
     * Queue the placement of the present positions.
     *
     * @param second    with lists: whether it is known already if they are built
     */
    void queue(bool second);
    size_t getMemory() const;
private:
    void createArrays(const std::vector<int>& molecule);
    void createKernels(bool lists);

    CommonDevice& device;
    CommonAtoms& atoms;
    double cutoff;
    int numPlaced;
    Vec3 box[3];
    ComputeArray molecule, member, memberStart, placed, distance, move, saved, lattice;
    ComputeKernel latticeKernel, placeKernel[2];
};

} // namespace OpenMM

#endif /*OPENMM_COMMONREGIONS_H_*/
