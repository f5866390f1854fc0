#ifndef OPENMM_MLFFMESSAGES_H_
#define OPENMM_MLFFMESSAGES_H_

#include "mlff.h"
#include "mlff_overlap.h"
#include "openmm/OpenMMException.h"
#include <cstdio>
#include <string>

namespace OpenMM {

/*
 * Messages about evaluations that fail, the same on all platforms.
 */

/**
 * Say which evaluation it is.
 *
 * @param evaluation    counts from 1
 */
inline std::string describeMLFFEvaluation(long long evaluation) {
    return "evaluation " + std::to_string(evaluation) + " of this Context";
}

/**
 * The same of an evaluation at positions that no sound simulation comes to, with the likely causes
 * and remedies.  At the first evaluation there are none: nothing has moved the positions yet.
 */
inline std::string describeMLFFInstability(long long evaluation) {
    if (evaluation <= 1)
        return describeMLFFEvaluation(evaluation);
    return describeMLFFEvaluation(evaluation) + ": most likely the simulation has become unstable, "
           "by too large a time step or by atoms that overlapped at its start (take a smaller time "
           "step, minimize the energy before the first step), or a minimization has ended where the "
           "model has no repulsion (begin it with other positions)";
}

/**
 * Throw what the engine reports of an evaluation.
 */
inline void checkMLFFEvaluation(mlff_status status, const mlff_error& err, long long evaluation) {
    if (status == MLFF_OK)
        return;
    const bool unstable = (status == MLFF_ERROR_NUMBER || status == MLFF_ERROR_SPAN);
    throw OpenMMException("MLFFForce: " + (unstable ? describeMLFFInstability(evaluation) :
                          describeMLFFEvaluation(evaluation)) + ": " + err.message +
                          " (atoms are counted as in addAtom())");
}

/**
 * The sentence about two atoms that overlap.
 *
 * @param overlap     its atoms count as in MLFFForce::addAtom()
 * @param species     [2] atomic numbers of its atoms
 * @param particle    [2] their particles
 */
inline std::string describeMLFFOverlap(const mlff_overlap& overlap, const int species[2],
                                       const int particle[2]) {
    auto name = [&](int atom, int k) {
        return std::to_string(atom) + " (" + mlff_element_symbol(species[k]) + ", particle " +
               std::to_string(particle[k]) + ")";
    };
    char numbers[200];
    snprintf(numbers, sizeof numbers, "%.3f A apart, less than %g of the sum of their covalent "
             "radii (%.2f A): no model was made for such an overlap", overlap.distance,
             MLFF_OVERLAP_SHARE, overlap.radii);
    const std::string what = (overlap.distance == 0 ? "at the same place" : numbers);
    if (overlap.first == overlap.second)
        return "atom " + name(overlap.first, 0) + " and a periodic image of it are " + what;
    return "atoms " + name(overlap.first, 0) + " and " + name(overlap.second, 1) + " are " + what;
}

/**
 * Throw that atoms overlap in a step.
 *
 * @param overlap    of describeMLFFOverlap()
 */
[[noreturn]] inline void refuseMLFFOverlap(long long evaluation, const std::string& overlap) {
    throw OpenMMException("MLFFForce: " + describeMLFFInstability(evaluation) + ": " + overlap +
                          (evaluation <= 1 ? "; minimize the energy before the first step" : "") +
                          "; setCheckGeometry(false) goes on in spite of it, unless they are at the "
                          "same place");
}

} // namespace OpenMM

#endif /*OPENMM_MLFFMESSAGES_H_*/
