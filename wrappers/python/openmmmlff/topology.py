"""From a Topology to the atoms of an MLFFForce."""
from collections.abc import Iterable

from openmm.app import Atom

from openmmmlff import quantities
from openmmmlff.convert.elements import symbols


def describe(atom):
    """How messages name an atom: 'atom 5 (CA of ALA 2)'."""
    return f"atom {atom.index} ({atom.name} of {atom.residue.name} {atom.residue.id})"


def checkTopology(topology, what):
    """Refuse what is no Topology; what: how the message names it."""
    if not hasattr(topology, "atoms"):
        quantities.refuse(topology, "an openmm.app.Topology", what)


def atomIndices(topology, atoms):
    """The indices of atoms in a Topology, in the order given.

    atoms is any iterable of indices or Atom objects, each once; None means all.
    """
    known = list(topology.atoms())
    if atoms is None:
        return list(range(len(known)))
    if isinstance(atoms, (str, bytes)) or not isinstance(atoms, Iterable):
        quantities.refuse(atoms, "an iterable of indices or Atom objects, or None for all", "atoms")
    indices = []
    for atom in atoms:
        if isinstance(atom, Atom):
            if not (0 <= atom.index < len(known)) or known[atom.index] is not atom:
                raise ValueError(f"{describe(atom)} belongs to another Topology")
            index = atom.index
        elif isinstance(atom, bool) or type(atom).__name__ in ("bool", "bool_"):
            raise TypeError("atoms must be indices or Atom objects, not a mask of booleans")
        else:
            try:
                index = quantities.integer(atom, "an index in atoms")
            except TypeError:
                raise TypeError(f"atoms must be indices or Atom objects, not {atom!r}") from None
        if not 0 <= index < len(known):
            raise ValueError(f"there is no atom {index}: the Topology has {len(known)}, "
                             "counted from 0")
        indices.append(index)
    if not indices:
        raise ValueError("no atoms were given")
    if len(set(indices)) != len(indices):
        twice = next(i for i in indices if indices.count(i) > 1)
        raise ValueError(f"{describe(known[twice])} was given twice")
    return indices


def _whyNoBox(topology):
    """What is wrong with the Topology's box whatever is in it; '' if nothing is."""
    # imported late: the module of MLFFForce imports this one
    from openmmmlff.mlffforce import MLFFForce
    return MLFFForce._whyNoBox(*topology.getPeriodicBoxVectors())


def usableBox(topology):
    """The Topology's box vectors; None if it has none, or one that is no box (a dummy)."""
    box = topology.getPeriodicBoxVectors()
    return None if box is None or _whyNoBox(topology) else box


def checkCoulomb(force, coulomb):
    """Refuse a Coulomb method that a model, or the force's use of images, cannot have."""
    why = force._whyNoCoulomb()
    if why:
        raise ValueError(f"coulomb is {coulomb!r}, which cannot be used here with the "
                         f"{_describeModel(force)}: {why}")


def _describeModel(force):
    return f"{force.getModelArchitecture()} model {force.getModelFile()}"


def _checkRegion(force):
    """Refuse a charge or multiplicity of region 0 that would have no effect on the model."""
    charge, multiplicity = force.getRegionParameters(0)
    model = _describeModel(force)
    if charge._value != 0 and not force.getModelHasCharges():
        raise ValueError(f"charge is {charge._value:g}, but the {model} does not depend on the total "
                         "charge, so it would have no effect: leave it at 0 or use a model with "
                         "charges")
    if charge._value != 0 and force._isNeutralOnly():
        raise ValueError(f"charge is {charge._value:g}, but the {model} was made for neutral "
                         "molecules only: leave it at 0 or use another model")
    if multiplicity != 1 and not force._modelInfo()["has_spin"]:
        raise ValueError(f"multiplicity is {multiplicity}, but the {model} does not depend on the "
                         "spin, so it would have no effect: leave it at 1 or use a model with spin")


def forceFromTopology(cls, model, topology, atoms, charge, multiplicity, periodic, coulomb):
    """MLFFForce.fromTopology()."""
    checkTopology(topology, "MLFFForce.fromTopology(): topology")
    indices = atomIndices(topology, atoms)
    hasBox = topology.getPeriodicBoxVectors() is not None
    if periodic is None:
        periodic = hasBox and len(indices) == topology.getNumAtoms()
    elif quantities.boolean(periodic, "periodic") and not hasBox:
        raise ValueError("periodic=True, but the Topology has no box: "
                         "call topology.setPeriodicBoxVectors() first")
    if periodic and (why := _whyNoBox(topology)):
        raise ValueError(f"the Topology's box cannot be meant: {why}; set the right one by "
                         "topology.setPeriodicBoxVectors(), or None for a molecule in vacuum, or "
                         "pass periodic=False")

    force = cls(model)
    force.setRegionParameters(0, quantities.number(charge, "charge", "charge"),
                              quantities.integer(multiplicity, "multiplicity"))
    force.setUsesPeriodicBoundaryConditions(bool(periodic))
    if periodic:
        force.setIntendedBoxVectors(*topology.getPeriodicBoxVectors())
    force.setCoulombMethod(coulomb)
    _checkRegion(force)
    if not force._hasCoulomb():
        checkCoulomb(force, coulomb)  # of others, what fits depends on the use of images
    known = list(topology.atoms())
    elements = set(force.getModelElements())
    for index in indices:
        atom = known[index]
        if atom.element is None:
            raise ValueError(f"{describe(atom)} has no element (a virtual site, or an unknown "
                             "name): the network can only describe real atoms")
        if atom.element.atomic_number not in elements:
            raise ValueError(f"{describe(atom)} is {atom.element.symbol}, which the model does "
                             f"not know; it knows {symbols(sorted(elements))}")
        force.addAtom(index, atom.element.atomic_number)
    chosen = set(indices)
    for bond in topology.bonds():
        if bond.atom1.index in chosen and bond.atom2.index in chosen:
            force.addBond(bond.atom1.index, bond.atom2.index)
    return force
