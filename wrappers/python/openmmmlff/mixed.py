"""Systems in which the network describes some molecules and a force field the rest."""
import copy
import itertools
import xml.etree.ElementTree as ElementTree

import openmm

from openmmmlff.mlffforce import MLFFForce
from openmmmlff.topology import atomIndices, describe


def createMixedSystem(topology, system, atoms, model, charge=0, multiplicity=1,
                      removeConstraints=True, forceGroup=0, coulomb=None):
    """Create a System in which a network describes some molecules and a force field the rest.

    The molecules meet the rest as the force field says (mechanical embedding): with its charges
    and Lennard-Jones parameters. Within them the network takes over, so these go:

    - bonds whose atoms are all among the chosen; angles, torsions and CMAP terms likewise
    - constraints between chosen atoms
    - nonbonded interactions of chosen atoms with each other

    That is what openmmml's createMixedSystem() does with a short-range model, and the energies are
    equal. Implicit solvent, barostats and the removal of center of mass motion are left alone.

    topology      openmm.app.Topology with the bonds of the molecules
    system        System that describes the whole Topology with a force field; is not changed
    atoms         indices or Atom objects, any iterable: whole molecules
    model         path or name of a model as for MLFFForce(), several for an ensemble, or an
                  MLFFForce made for just these atoms (a copy is added, its force group is kept)
    charge, multiplicity
                  of the chosen atoms, e and 2S+1; not with an MLFFForce
    removeConstraints
                  False keeps constraints between chosen atoms
    forceGroup    of the MLFFForce that is added; not with an MLFFForce
    coulomb       how the network's own charges interact with each other, as for
                  MLFFForce.fromTopology(); the molecules are as in vacuum, so None means 'simple'
                  for AIMNet2; not with an MLFFForce

    Returns a new System; the last of its forces is the MLFFForce.
    """
    if not hasattr(topology, "atoms") or not isinstance(system, openmm.System):
        raise TypeError("createMixedSystem() takes (topology, system, atoms, model), in this order")
    if system.getNumParticles() != topology.getNumAtoms():
        raise ValueError(f"the System has {system.getNumParticles()} particles, "
                         f"the Topology {topology.getNumAtoms()} atoms")
    indices = atomIndices(topology, atoms)
    if isinstance(model, openmm.Force):
        force = _copyForce(model, indices, charge, multiplicity, forceGroup, coulomb)
    else:
        force = MLFFForce.fromTopology(model, topology, indices, charge, multiplicity,
                                       periodic=False, coulomb=coulomb)
        force.setForceGroup(forceGroup)

    chosen = set(indices)
    _checkWholeMolecules(topology, system, chosen)
    _checkForces(system, chosen)
    result = _withoutBondedTerms(topology, system, chosen)
    _removeNonbonded(result, indices)
    if removeConstraints:
        for i in reversed(range(result.getNumConstraints())):
            p1, p2, _ = result.getConstraintParameters(i)
            if p1 in chosen and p2 in chosen:
                result.removeConstraint(i)
    result.addForce(force)
    return result


def _copyForce(force, indices, charge, multiplicity, forceGroup, coulomb):
    """A copy of the MLFFForce that the caller made, which must be for these atoms."""
    if not MLFFForce.isinstance(force):
        raise TypeError(f"model is a {type(force).__name__}, not an MLFFForce")
    if charge != 0 or multiplicity != 1 or forceGroup != 0 or coulomb is not None:
        raise ValueError("charge, multiplicity, forceGroup and coulomb have no effect with an "
                         "MLFFForce: set them on the force itself")
    if not isinstance(force, MLFFForce):
        force = MLFFForce.cast(force)
    described = {force.getAtomParameters(i)[0] for i in range(force.getNumAtoms())}
    if described != set(indices):
        some = sorted(described ^ set(indices))[0]
        raise ValueError(f"the MLFFForce and atoms must name the same particles; particle {some} "
                         "is in one of them only")
    return copy.deepcopy(force)


def _checkWholeMolecules(topology, system, chosen):
    """Refuse a molecule of which the network would describe a part."""
    known = list(topology.atoms())

    def cut(particles):
        return 0 < sum(p in chosen for p in particles) < len(particles)

    def refuse(what, particles):
        names = " and ".join(describe(known[p]) for p in particles)
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


def _checkForces(system, chosen):
    for force in system.getForces():
        name = type(force).__name__
        if name.startswith(_INSEPARABLE):
            raise ValueError(f"the System has a {name}: the interactions within the chosen "
                             "molecules cannot be taken out of it")
        if isinstance(force, openmm.NonbondedForce):
            for i in range(force.getNumExceptionParameterOffsets()):
                exception = force.getExceptionParameterOffset(i)[1]
                p1, p2 = force.getExceptionParameters(exception)[:2]
                if p1 in chosen and p2 in chosen:
                    raise ValueError("the NonbondedForce has a parameter offset for the pair "
                                     f"{p1}, {p2} of chosen atoms, which would come back on top "
                                     "of the network's energy: remove it")


def _withoutBondedTerms(topology, system, chosen):
    """A copy of the System without the bonded terms that the network replaces.

    Which terms those are is openmmml's rule, written for any chosen atoms: an angle goes with its
    center and neighbors of chosen atoms around it, a torsion with its central atoms.
    """
    bonded = [set() for _ in topology.atoms()]
    for bond in topology.bonds():
        bonded[bond.atom1.index].add(bond.atom2.index)
        bonded[bond.atom2.index].add(bond.atom1.index)
    extended = chosen.union(*(bonded[p] for p in chosen))

    def replacesTorsion(p1, p2, p3, p4):
        if chosen.isdisjoint((p1, p2, p3, p4)):
            return False
        if p2 in bonded[p1] and p3 in bonded[p2] and p4 in bonded[p3]:
            return p2 in chosen and p3 in chosen
        for center in (p1, p2, p3, p4):
            if bonded[center].issuperset({p1, p2, p3, p4} - {center}):
                return center in chosen
        raise ValueError(f"the torsion of particles {p1}, {p2}, {p3}, {p4} is neither proper nor "
                         "improper by the bonds of the Topology: are bonds missing?")

    def replacesCmap(p):
        return (chosen.issuperset(p[1:3] + p[5:7]) and
                extended.issuperset((p[0], p[3], p[4], p[7])))

    def replaces(term):
        if term.tag == "Bond":  # two particles, or more in a CustomCompoundBondForce
            particles = [int(v) for k, v in term.attrib.items() if k[0] == "p" and k[1:].isdigit()]
            return bool(particles) and chosen.issuperset(particles)
        if term.tag == "Angle":
            p1, p2, p3 = (int(term.attrib[k]) for k in ("p1", "p2", "p3"))
            return p2 in chosen and p1 in extended and p3 in extended
        if "p1" in term.attrib:
            return replacesTorsion(*(int(term.attrib[k]) for k in ("p1", "p2", "p3", "p4")))
        return replacesCmap([int(term.attrib[x + k]) for x in "ab" for k in "1234"])

    root = ElementTree.fromstring(openmm.XmlSerializer.serialize(system))
    for group, tag in (("Bonds", "Bond"), ("Angles", "Angle"), ("Torsions", "Torsion")):
        for terms in root.findall(f"./Forces/Force/{group}"):
            terms[:] = [term for term in terms if term.tag != tag or not replaces(term)]
    return openmm.XmlSerializer.deserialize(ElementTree.tostring(root, encoding="unicode"))


def _removeNonbonded(system, indices):
    """Take the nonbonded interactions of the chosen atoms with each other out of a System."""
    periodic = system.usesPeriodicBoundaryConditions()
    for force in system.getForces():
        if isinstance(force, openmm.NonbondedForce):
            for p1, p2 in itertools.combinations(indices, 2):
                force.addException(p1, p2, 0, 1, 0, True)
            force.setExceptionsUsePeriodicBoundaryConditions(periodic)
        elif isinstance(force, openmm.CustomNonbondedForce):
            present = {frozenset(force.getExclusionParticles(i))
                       for i in range(force.getNumExclusions())}
            for pair in itertools.combinations(indices, 2):
                if frozenset(pair) not in present:
                    force.addExclusion(*pair)
