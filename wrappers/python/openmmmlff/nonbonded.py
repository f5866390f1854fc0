"""The nonbonded terms of a force field that a network replaces."""
import copy
import itertools

import openmm


def removeNonbonded(system, regions):
    """Take the nonbonded interactions within regions out of a System.

    Atoms of different regions meet each other, and all others, as the force field says.
    """
    periodic = system.usesPeriodicBoundaryConditions()
    for force in system.getForces():
        if isinstance(force, openmm.NonbondedForce):
            for region in regions:
                for p1, p2 in itertools.combinations(region, 2):
                    force.addException(p1, p2, 0, 1, 0, True)
            force.setExceptionsUsePeriodicBoundaryConditions(periodic)
        elif isinstance(force, openmm.CustomNonbondedForce):
            present = {frozenset(force.getExclusionParticles(i))
                       for i in range(force.getNumExclusions())}
            for region in regions:
                for pair in itertools.combinations(region, 2):
                    if frozenset(pair) not in present:
                        force.addExclusion(*pair)
