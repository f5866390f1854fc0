#ifndef OPENMM_MLFFMESSAGES_H_
#define OPENMM_MLFFMESSAGES_H_

#include "mlff.h"
#include "mlff_overlap.h"
#include <cstdio>
#include <string>

namespace OpenMM {

/**
 * Say of an evaluation that failed which one it is and, after the first one of a Context, what has
 * most likely happened: a simulation that was fine at its start has become unstable.
 *
 * @param evaluation    counts from 1
 */
inline std::string describeMLFFEvaluation(long long evaluation) {
    const std::string which = "evaluation " + std::to_string(evaluation) + " of this Context";
    if (evaluation <= 1)
        return which;
    return which + ": if the positions come from a simulation, it has become unstable, most likely "
           "by a time step that is too large or by atoms that overlapped at the start (take a "
           "smaller time step, minimize the energy first)";
}

/**
 * The sentence about two atoms that overlap.
 *
 * @param overlap     its atoms count as in MLFFForce::addAtom()
 * @param species     [number of atoms] atomic numbers
 * @param particle    [number of atoms] particles
 */
inline std::string describeMLFFOverlap(const mlff_overlap& overlap, const int* species,
                                       const int* particle) {
    auto name = [&](int i) {
        return std::to_string(i) + " (" + mlff_element_symbol(species[i]) + ", particle " +
               std::to_string(particle[i]) + ")";
    };
    char numbers[200];
    snprintf(numbers, sizeof numbers, "%.3f A apart, less than half the sum of their covalent radii "
             "(%.2f A): no model was made for such an overlap", overlap.distance, overlap.radii);
    if (overlap.first == overlap.second)
        return "atom " + name(overlap.first) + " and a periodic image of it are " + numbers;
    return "atoms " + name(overlap.first) + " and " + name(overlap.second) + " are " + numbers;
}

} // namespace OpenMM

#endif /*OPENMM_MLFFMESSAGES_H_*/
