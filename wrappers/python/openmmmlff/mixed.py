"""Systems in which the network describes some molecules and a force field the rest."""
import copy
import os
import warnings
from collections.abc import Iterable, Sequence

import openmm
from openmm.app import Atom, Topology

from openmmmlff import quantities
from openmmmlff.bonded import BondedTerms, withoutBondedTerms
from openmmmlff.mlffforce import MLFFForce
from openmmmlff.nonbonded import (IMAGES, findSubtracted, removeAllNonbonded, removeImages,
                                  removeNonbonded)
from openmmmlff.quantities import Bool, Float, Int
from openmmmlff.topology import atomIndices, checkCoulomb, checkTopology, describe


def createMixedSystem(
        topology: Topology, system: openmm.System, atoms: Iterable[Int | Atom] | None,
        model: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | MLFFForce,
        charge: Float = 0, multiplicity: Int = 1, removeConstraints: Bool = True,
        forceGroup: Int = 0, coulomb: str | Int | None = None, periodic: Bool | None = None,
        customForces: str | Iterable[str | Int] | None = None,
        checkCharge: Bool = True) -> openmm.System:
    """Create a System in which a network describes some molecules and a force field the rest.

    The molecules meet the rest as the force field says (mechanical embedding): with its charges
    and Lennard-Jones parameters. Within them the network takes over, so these go:

    - bonds whose atoms are all among the chosen; angles, torsions and CMAP terms likewise
    - constraints between chosen atoms
    - nonbonded interactions of chosen atoms with each other

    That is what openmmml's createMixedSystem() does with a short-range model, and the energies are
    equal. Implicit solvent, barostats and the removal of center of mass motion are left alone.

    In a periodic System the chosen molecules are as in vacuum for the network, and meet the
    periodic images of themselves as the force field says. With periodic=True, or a periodic
    MLFFForce, the network sees the images, and the force field's terms between atoms of a region
    and its images go too: those of the Ewald sum, and the correction for Lennard-Jones terms beyond
    the cutoff. In a box of which all atoms are chosen, nothing but the network is left then. That
    is the default for all atoms of a periodic System, as it is for MLFFForce.fromTopology(). For
    a part of a System with PME, a second PME sum over the chosen atoms is subtracted in each step
    (the CustomCVForce 'ImagesOfRegions'). It has the charges, Lennard-Jones parameters and settings
    that the NonbondedForce has now: change those of the force field's System and call this again.
    If those of the result are changed instead (parameters of chosen atoms, the method, cutoffs, PME
    parameters), the creation or reinitialization of a Context is an error; after a change of chosen
    atoms' parameters, so is the next evaluation of a Context that exists. Parameters of other atoms,
    exceptions and global parameters may change. Keep the MLFFForce in the System: inside another
    CustomCVForce it cannot see the NonbondedForce.

    The chosen atoms are one region: the network sees all of them together. With an MLFFForce of
    several regions, each region is taken over on its own, and regions meet each other as the force
    field says; so do the atoms of several calls, one after the other.

    topology      openmm.app.Topology with the bonds of the molecules
    system        System that describes the whole Topology with a force field; is not changed
    atoms         indices or Atom objects, any iterable: whole molecules that no network describes
                  yet
    model         path or name of a model as for MLFFForce(), several for an ensemble, or an
                  MLFFForce made for just these atoms (a copy is added, its force group is kept)
    charge, multiplicity
                  of the chosen atoms, e and 2S+1; not with an MLFFForce
    removeConstraints
                  False keeps constraints between chosen atoms
    forceGroup    of the MLFFForce that is added; not with an MLFFForce
    coulomb       how the network's own charges interact with each other, as for
                  MLFFForce.fromTopology(); None means 'simple' for AIMNet2, and 'dsf' where the
                  network sees periodic images; not with an MLFFForce
    periodic      whether the network sees periodic images; None: if all atoms of a periodic System
                  with a box are chosen; not with an MLFFForce
    customForces  what becomes of custom forces that act among the chosen atoms only: terms of the
                  force field have to go, biases and restraints of the user stay. None takes out
                  what OpenMM's readers of force fields are known to make (CHARMM's impropers,
                  Lennard-Jones 1-4 pairs, GROMOS) and keeps the rest with a warning. 'keep' keeps
                  all, 'remove' takes all out, a list of indices or names keeps these forces only.
                  Centroid bonds, external forces, collective variables and RMSD are kept always
    checkCharge   False accepts a charge other than the sum of the force field's charges

    Returns a new System; the last of its forces is the MLFFForce.
    """
    where = "createMixedSystem(), which takes (topology, system, atoms, model) in this order: "
    checkTopology(topology, where + "topology")
    if not isinstance(system, openmm.System):
        quantities.refuse(system, "an openmm.System", where + "system")
    if system.getNumParticles() != topology.getNumAtoms():
        raise ValueError(f"the System has {system.getNumParticles()} particles, "
                         f"the Topology {topology.getNumAtoms()} atoms")
    removeConstraints = quantities.boolean(removeConstraints, "removeConstraints")
    checkCharge = quantities.boolean(checkCharge, "checkCharge")
    indices = atomIndices(topology, atoms)
    checkNotDescribed(topology, system, set(indices))
    if isinstance(model, openmm.Force):
        force = _copyForce(model, indices, charge, multiplicity, forceGroup, coulomb, periodic)
    else:
        force = MLFFForce.fromTopology(model, topology, indices, charge, multiplicity,
                                       seesImages(topology, system, indices, periodic), coulomb)
        checkCoulomb(force, coulomb)
        force.setForceGroup(forceGroup)

    regions = _regionsOf(force)
    everything = len(indices) == system.getNumParticles()
    _checkImages(system, force, everything)
    _checkWholeMolecules(topology, system, regions)
    _checkForces(system, regions)
    if checkCharge:
        checkCharges(system, force, regions)
    if isinstance(model, openmm.Force):
        force.validate(system)  # the arguments of others are checked, and may still be added to
    terms = BondedTerms(topology, regions)
    result = withoutBondedTerms(system, terms, customForces)
    if force.usesPeriodicBoundaryConditions() and everything and len(regions) == 1:
        removeAllNonbonded(result)
    else:
        removeNonbonded(result, regions)
        if force.usesPeriodicBoundaryConditions():
            removeImages(result, regions)
    if removeConstraints:
        for i in reversed(range(result.getNumConstraints())):
            if terms.inOneRegion(result.getConstraintParameters(i)[:2]):
                result.removeConstraint(i)
    result.addForce(force)
    return result


def seesImages(topology, system, indices, periodic):
    """Whether a network sees periodic images: as was said, or if it describes a whole box."""
    if periodic is not None:
        return quantities.boolean(periodic, "periodic")
    return (len(indices) == topology.getNumAtoms() and
            topology.getPeriodicBoxVectors() is not None and
            system.usesPeriodicBoundaryConditions())


def _copyForce(force, indices, charge, multiplicity, forceGroup, coulomb, periodic):
    """A copy of the MLFFForce that the caller made, which must be for these atoms."""
    if not MLFFForce.isinstance(force):
        raise TypeError(f"model is a {type(force).__name__}, not an MLFFForce")
    if charge != 0 or multiplicity != 1 or forceGroup != 0 or coulomb is not None or \
            periodic is not None:
        raise ValueError("charge, multiplicity, forceGroup, coulomb and periodic have no effect "
                         "with an MLFFForce: set them on the force itself")
    force = MLFFForce.cast(force)
    described = {force.getAtomParameters(i)[0] for i in range(force.getNumAtoms())}
    if described != set(indices):
        some = sorted(described ^ set(indices))[0]
        raise ValueError(f"the MLFFForce and atoms must name the same particles; particle {some} "
                         "is in one of them only")
    return copy.deepcopy(force)


def _regionsOf(force):
    """The particles of each region of an MLFFForce, in the order of its atoms."""
    regions = [[] for _ in range(force.getNumRegions())]
    for i in range(force.getNumAtoms()):
        particle, _, region = force.getAtomParameters(i)
        regions[region].append(particle)
    return regions


def _checkImages(system, force, everything):
    """Refuse a network that sees images which the rest of the System does not have."""
    if force.usesPeriodicBoundaryConditions() and not everything and \
            not system.usesPeriodicBoundaryConditions():
        raise ValueError("the network would see periodic images of the chosen atoms, but the "
                         "System's forces are not periodic, so the other atoms would not: create "
                         "the System with a periodic nonbondedMethod, or leave out periodic=True")


def networks(forces):
    """The MLFFForces among forces and the variables of CustomCVForces."""
    for force in forces:
        if MLFFForce.isinstance(force):
            yield MLFFForce.cast(force)
        elif isinstance(force, openmm.CustomCVForce):
            yield from networks(force.getCollectiveVariable(i)
                                 for i in range(force.getNumCollectiveVariables()))


def checkNotDescribed(topology, system, chosen):
    """Refuse atoms that an MLFFForce of the System describes already."""
    known = list(topology.atoms())
    for network in networks(system.getForces()):
        twice = sorted(chosen.intersection(network.getAtomParameters(i)[0]
                                           for i in range(network.getNumAtoms())))
        if twice:
            names = ", ".join(describe(known[p]) for p in twice[:3])
            more = f" and {len(twice) - 3} more" if len(twice) > 3 else ""
            raise ValueError(f"an MLFFForce of the System describes {names}{more} already; a "
                             "second network would come on top: choose other atoms, or start from "
                             "the force field's System")
    left = findSubtracted(system, chosen)
    if left is not None:
        raise ValueError(f"the force '{IMAGES}' of the System subtracts the periodic images of "
                         f"{describe(known[left])}, but the MLFFForce that it was made for is gone: "
                         "start from the force field's System")


def _checkWholeMolecules(topology, system, regions):
    """Refuse a molecule of which the network, or a region, would describe a part."""
    known = list(topology.atoms())
    regionOf = {p: k for k, region in enumerate(regions) for p in region}
    chosen = set(regionOf)

    def cut(pair):
        return regionOf.get(pair[0]) != regionOf.get(pair[1])

    def refuse(what, pair):
        names = " and ".join(describe(known[p]) for p in pair)
        if chosen.issuperset(pair):
            raise ValueError(f"{what} {names} would be cut: they are in regions "
                             f"{regionOf[pair[0]]} and {regionOf[pair[1]]} of the MLFFForce. A "
                             "region takes whole molecules: put both into one")
        raise ValueError(f"{what} {names} would be cut: only one of them is among the chosen "
                         "atoms. Whole molecules are needed: choose both or neither")

    for bond in topology.bonds():
        pair = (bond.atom1.index, bond.atom2.index)
        if cut(pair):
            refuse("the bond between", pair)
    # what holds a molecule together in the System, in case the Topology lacks bonds
    for i in range(system.getNumConstraints()):
        pair = tuple(system.getConstraintParameters(i)[:2])
        if cut(pair):
            refuse("the System's constraint between", pair)
    for force in system.getForces():
        if isinstance(force, openmm.HarmonicBondForce):
            for i in range(force.getNumBonds()):
                pair = tuple(force.getBondParameters(i)[:2])
                if cut(pair):
                    refuse("the System's harmonic bond between", pair)
    for p in range(system.getNumParticles()):
        if system.isVirtualSite(p):
            site = system.getVirtualSite(p)
            parents = {site.getParticle(i) for i in range(site.getNumParticles())}
            if p in chosen or parents & chosen:
                raise ValueError(f"{describe(known[p])} is a virtual site of a molecule among the "
                                 "chosen atoms: the network describes real atoms only, so the "
                                 "force field must not put charges elsewhere in this molecule")


# Forces of which the part within the chosen molecules cannot be taken out here.
_INSEPARABLE = ("Amoeba", "Hippo", "Drude", "GayBerne", "ConstantPotential", "ATM")


def _checkForces(system, regions):
    """Refuse forces out of which the part within the regions cannot be taken."""
    regionOf = {p: k for k, region in enumerate(regions) for p in region}
    for force in system.getForces():
        name = type(force).__name__
        if name.startswith(_INSEPARABLE):
            raise ValueError(f"the System has a {name}: the interactions within the chosen "
                             "molecules cannot be taken out of it")
        if isinstance(force, openmm.NonbondedForce):
            for i in range(force.getNumExceptionParameterOffsets()):
                exception = force.getExceptionParameterOffset(i)[1]
                p1, p2 = force.getExceptionParameters(exception)[:2]
                if p1 in regionOf and regionOf[p1] == regionOf.get(p2):
                    raise ValueError("the NonbondedForce has a parameter offset for the pair "
                                     f"{p1}, {p2} of chosen atoms, which would come back on top "
                                     "of the network's energy: remove it")


# Sums of a force field's charges may be off by rounding, e.
_CHARGE_TOLERANCE = 0.05


def checkCharges(system, force, regions):
    """Compare the total charge of each region with the sum of the force field's charges."""
    charges = _forceFieldCharges(system)
    if charges is None:
        return
    for k, region in enumerate(regions):
        if any(charges[p] is None for p in region):
            continue  # a parameter of the Context changes it
        total = round(sum(charges[p] for p in region), 4) + 0.0  # no -0
        wanted = force.getRegionParameters(k)[0]._value
        if abs(total - wanted) <= _CHARGE_TOLERANCE:
            continue
        which = "the chosen atoms" if len(regions) == 1 else f"region {k} of the MLFFForce"
        if not force.getModelHasCharges():
            if wanted != 0:
                continue  # has no effect: createMixedSystem() and Contexts refuse it
            warnings.warn(f"the force field's charges of {which} sum to {total:.4g} e, but the "
                          "model does not depend on the charge: it must have been trained on just "
                          "such ions; checkCharge=False accepts it", stacklevel=3)
            continue
        remedy = f"give charge={round(total)}" if len(regions) == 1 else \
                 f"call setRegionParameters({k}, {round(total)}) on it"
        raise ValueError(f"the total charge of {which} is {wanted:.4g} e, but the force field's "
                         f"charges of these atoms sum to {total:.4g} e: {remedy}, or "
                         "checkCharge=False if the network's charge is meant to differ")


def _forceFieldCharges(system):
    """The force field's charge of each particle; of one that a parameter changes, None.

    None instead of a list where the System has no charges at all.
    """
    charges = [0.0]*system.getNumParticles()
    for force in system.getForces():
        if not isinstance(force, openmm.NonbondedForce):
            continue
        for p in range(force.getNumParticles()):
            if charges[p] is not None:
                charges[p] += force.getParticleParameters(p)[0]._value
        for i in range(force.getNumParticleParameterOffsets()):
            _, p, chargeScale, _, _ = force.getParticleParameterOffset(i)
            if chargeScale != 0:
                charges[p] = None
    return charges if any(q is None or q != 0 for q in charges) else None
