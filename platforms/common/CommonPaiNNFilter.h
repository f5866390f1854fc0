#ifndef OPENMM_COMMONPAINNFILTER_H_
#define OPENMM_COMMONPAINNFILTER_H_

#include "mlff_painn.h"
#include <vector>

namespace OpenMM {

/**
 * PaiNN's radial filters as kernels read them: W(d) of a layer is a sum of numTerms rows of 3F
 * coefficients, each times a function of the distance.
 *
 * A linear filter network is such a sum as it stands: the radial basis, and a last row for the
 * bias.  Of a network of two layers, and of a wide basis, a table is made: in each of numIntervals
 * equal intervals of 0 ... cutoff a polynomial of degree 5 in the place within, 0 ... 1, which has
 * the filter's value, slope and curvature at both ends.  The force uses the derivative of the
 * polynomial, so that it is the exact gradient of the energy.
 */
struct CommonPaiNNFilter {
    bool table;
    int numIntervals;                   // of a table, else 0
    int numTerms;                       // a table's: 6
    int numSets;                        // 1 where layers share them, else one a layer
    std::vector<double> coefficients;   // [set][interval][term][3][F]
    double slopeError;                  // of the largest slope, estimated; 0 without a table

    /**
     * @param painn        the description
     * @param tolerance    largest error of a table's slopes, of the largest slope
     */
    CommonPaiNNFilter(const mlff_painn& painn, double tolerance);
    size_t getSetSize() const;
};

} // namespace OpenMM

#endif /*OPENMM_COMMONPAINNFILTER_H_*/
