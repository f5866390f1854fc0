#ifndef OPENMM_COMMONTENSOR_H_
#define OPENMM_COMMONTENSOR_H_

#include <vector>

namespace OpenMM {

/**
 * Weights as platforms/cuda/kernels/tensorTile.cu reads them: what a lane multiplies by stands
 * together, 16 bytes for each fragment of 16 terms and 8 columns,
 *
 *     uint4 [columns/8][terms/16][lane]      lane: column lane/4 of the 8, words lane%4 and lane%4+4
 *
 * with zeros up to whole eights of columns and whole groups of 32 terms.
 *
 * Pairs of halves: {high, high, low, low}, of both words; word w = 0 ... 15 of a group has its terms
 * w and w+16.  TF32: the lane's terms lane%4, +4, +8 and +12 of the fragment, rounded.
 */
class CommonTensor {
public:
    /**
     * @param values        [numColumns][numTerms]
     * @param pairs         else TF32
     * @throws OpenMMException    if a number is outside the range of a pair of halves
     */
    static std::vector<unsigned int> pack(const std::vector<double>& values, int numColumns,
                                          int numTerms, bool pairs);
    /**
     * Whether all values are in the range of a pair of halves.
     */
    static bool fitsHalves(const std::vector<double>& values);
    /**
     * A number as IEEE's half, rounded to nearest, ties to even.
     */
    static unsigned int toHalf(double value);
    /**
     * The number that a half is.
     */
    static double fromHalf(unsigned int half);
    /**
     * A number rounded to the 11 bits of TF32, ties away from zero, as a float's bits.
     */
    static unsigned int toTF32(double value);
};

} // namespace OpenMM

#endif /*OPENMM_COMMONTENSOR_H_*/
