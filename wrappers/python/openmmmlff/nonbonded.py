"""The nonbonded terms of a force field that a network replaces."""
import copy
import itertools
import re

import openmm

# Name of the force that subtracts what removeImages() takes out. MLFFImageCheck.cpp looks for it in
# front of the MLFFForce and compares its copies with the NonbondedForce.
IMAGES = "ImagesOfRegions"


def removeNonbonded(system, regions):
    """Take the nonbonded interactions within regions out of a System.

    Atoms of different regions meet each other, and all others, as the force field says. So do atoms
    and the periodic images of their own region: removeImages() takes them out as well.
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


def removeAllNonbonded(system):
    """Remove the nonbonded forces of a System of which a network describes everything."""
    for i in reversed(range(system.getNumForces())):
        if isinstance(system.getForce(i), (openmm.NonbondedForce, openmm.CustomNonbondedForce)):
            system.removeForce(i)


def removeImages(system, regions):
    """Take out what removeNonbonded() leaves of a region: its interaction with its own images.

    These are the Ewald sums and the corrections for Lennard-Jones terms beyond the cutoff, both
    sums over pairs of particles. A pair of a region within the cutoff is an exception already, and
    no image of it is, since the cutoff is at most half the box.
    """
    for force in system.getForces():
        if isinstance(force, openmm.NonbondedForce):
            _subtractImages(system, force, regions)
        elif isinstance(force, openmm.CustomNonbondedForce):
            _excludeFromCorrection(force, regions)


def _subtractImages(system, force, regions):
    """Subtract for each region a copy of the force in which only its atoms interact.

    With a plain cutoff and no correction the copies have no energy; they are there so that a later
    change of the method is noticed.
    """
    if not force.usesPeriodicBoundaryConditions():
        return
    names = [f"region{k}" for k in range(len(regions))]
    images = openmm.CustomCVForce("-(" + "+".join(names) + ")")
    for name, region in zip(names, regions):
        images.addCollectiveVariable(name, _onlyRegion(force, set(region)))
    images.setName(IMAGES)
    reciprocal = force.getReciprocalSpaceForceGroup()
    images.setForceGroup(force.getForceGroup() if reciprocal < 0 else reciprocal)
    system.addForce(images)


def _onlyRegion(force, region):
    """A copy of a NonbondedForce in which particles outside of a region do not interact."""
    result = copy.deepcopy(force)
    result.setForceGroup(0)
    result.setReciprocalSpaceForceGroup(-1)
    for p in range(result.getNumParticles()):
        if p not in region:
            result.setParticleParameters(p, 0, 1, 0)
    for i in range(result.getNumParticleParameterOffsets()):
        parameter, p, *_ = result.getParticleParameterOffset(i)
        if p not in region:
            result.setParticleParameterOffset(i, parameter, p, 0, 0, 0)
    outside = set()
    for i in range(result.getNumExceptions()):
        p1, p2, *_ = result.getExceptionParameters(i)
        if not (p1 in region and p2 in region):
            outside.add(i)
            result.setExceptionParameters(i, p1, p2, 0, 1, 0)
    for i in range(result.getNumExceptionParameterOffsets()):
        parameter, exception, *_ = result.getExceptionParameterOffset(i)
        if exception in outside:
            result.setExceptionParameterOffset(i, parameter, exception, 0, 0, 0)
    return result


def findSubtracted(system, chosen):
    """The first of the chosen particles whose images an earlier removeImages() subtracts, or None."""
    for force in system.getForces():
        if not isinstance(force, openmm.CustomCVForce) or force.getName() != IMAGES:
            continue
        for i in range(force.getNumCollectiveVariables()):
            region = force.getCollectiveVariable(i)
            for p in sorted(chosen):
                charge, _, epsilon = region.getParticleParameters(p)
                if charge._value != 0 or epsilon._value != 0:
                    return p
    return None


def _excludeFromCorrection(force, regions):
    """Let a CustomNonbondedForce know regions, whose pairs then have no energy at any distance.

    Without the correction that changes nothing; it may be switched on later.
    """
    energy, *definitions = force.getEnergyFunction().split(";")
    name = "region"
    while re.search(name, force.getEnergyFunction()):
        name += "_"
    factor = f"1-delta({name}1-{name}2)*step({name}1-0.5)"
    force.setEnergyFunction(";".join([f"({factor})*({energy})", *definitions]))
    force.addPerParticleParameter(name)
    regionOf = {p: k + 1 for k, region in enumerate(regions) for p in region}
    for p in range(force.getNumParticles()):
        force.setParticleParameters(p, [*force.getParticleParameters(p), regionOf.get(p, 0)])
