#ifndef OPENMM_COMMONPAIRS_H_
#define OPENMM_COMMONPAIRS_H_

#include "CommonDevice.h"

namespace OpenMM {

/**
 * Directed pairs i <- j of the rows of a region, as networks read them.  Row i has room for
 * `capacity` pairs; its pair k stands at i*capacity+k.  Every pair stands in both directions, all
 * images count.  Rows are in an order that does not depend on how threads were scheduled.  If a row
 * is longer than the capacity, its count says so and the evaluation is repeated: kernels take
 * min(count, capacity) and need not care.
 *
 *   Message   pairs closer than the range at this evaluation, with their vectors
 *   List      pairs that may be closer than the range: those within a skin are in it too, so that
 *             the kernel computes the vector with pairVector() and leaves out what is beyond
 *   All       open systems: no arrays; row i meets every other row of its region
 */
struct CommonPairs {
    enum Kind {Message, List, All};
    Kind kind;
    int capacity;               // a kernel argument of every execute(): it may change

    // Message
    ComputeArray count;         // int [n]
    ComputeArray neighbor;      // int [n*capacity] row j
    ComputeArray vector;        // real4 [n*capacity] x_j + image - x_i, angstrom, and its length
    // Message of many rows; not initialized else
    ComputeArray order;         // int [n] rows along a path through the box
    bool isOrdered() const {
        return order.isInitialized();
    }
    // List
    ComputeArray listCount;     // int [n]
    ComputeArray entry;         // int2 [n*capacity] row j, packed image (support.cc)
};

} // namespace OpenMM

#endif /*OPENMM_COMMONPAIRS_H_*/
