"""A molecule in water: what the network costs inside a force field's System."""
import os

import numpy as np

from openmmmlff.benchmark.systems import molecule
from openmmmlff.convert.elements import SYMBOLS

LIGANDS = ("caffeine", "citalopram")    # 24 and 45 atoms
BOX, QUICK_BOX = 6.2, 3.0               # nm; the larger one has about 23,500 atoms
CUTOFF = 0.9                            # nm
CLEARANCE = 2.4                         # angstrom, from the molecule to the water's atoms
WATER_MODEL = "amber14/tip3p.xml"

# The molecule's own force field, for the System without a network. Its terms are those that a force
# field for small molecules has, as many of them; the numbers are of the usual size, lengths and
# angles those of the geometry. No time depends on them.
BOND, ANGLE, TORSION = 250000.0, 400.0, 4.0     # kJ/mol/nm^2, kJ/mol/rad^2, kJ/mol
LENNARD_JONES = {1: (0.26, 0.07), 6: (0.34, 0.36), 7: (0.325, 0.71), 8: (0.3, 0.75),
                 9: (0.31, 0.26)}               # nm, kJ/mol
SCALE_14 = 1/1.2, 0.5                           # charges, Lennard-Jones


class MixedSystems:
    """A molecule in TIP3P water as files that workers read: PME, constrained bonds of hydrogen.

    folder   where to write them
    name     of molecules.xyz
    box      nm, the edge of the cube
    """

    def __init__(self, folder, name, box):
        from openmm import app
        self.folder, self.name = folder, name
        ligand, charges, bonds = molecule(name)
        self.numbers, self.n_ligand = ligand.numbers, ligand.size
        water, positions = _water(box, ligand.positions + 5*box)
        self.n_water = water.getNumAtoms()
        self.ligand_atoms = slice(self.n_water, self.n_water + self.n_ligand)
        self.positions = np.vstack([positions, ligand.positions + 5*box])
        self.topology = _join(water, ligand, bonds)
        forceField = app.ForceField(WATER_MODEL)
        self.system = forceField.createSystem(
            water, nonbondedMethod=app.PME, nonbondedCutoff=CUTOFF, constraints=app.HBonds,
            rigidWater=True, removeCMMotion=False)
        _addLigand(self.system, ligand, charges, bonds)
        self.mm = self._write(f"{name}-mm.xml", self.system)

    @property
    def n_atoms(self):
        return len(self.positions)

    def missing(self, model):
        """Symbols of the molecule's elements that a model does not know."""
        return [SYMBOLS[z] for z in sorted(set(self.numbers) - set(model.info["elements"]))]

    def withNetwork(self, model):
        """(file of the mixed System, file of the molecule alone) with a model."""
        import openmm
        from openmm.app import Element
        from openmmmlff import MLFFForce, createMixedSystem
        ligand = range(self.n_water, self.n_atoms)
        mixed = createMixedSystem(self.topology, self.system, ligand, model.path)
        MLFFForce.cast(mixed.getForces()[-1]).setCheckGeometry(False)  # weights may be random
        alone, force = openmm.System(), MLFFForce(model.path)
        force.setCheckGeometry(False)
        for number in self.numbers.tolist():
            mass = Element.getByAtomicNumber(number).mass
            force.addAtom(alone.addParticle(mass), number)
        alone.addForce(force)
        return (self._write(f"{self.name}-{model.name}-mixed.xml", mixed),
                self._write(f"{self.name}-{model.name}-alone.xml", alone))

    def _write(self, name, system):
        import openmm
        path = os.path.join(self.folder, name.replace(os.sep, "_"))
        with open(path, "w", encoding="utf-8") as file:
            file.write(openmm.XmlSerializer.serialize(system))
        return path


def _water(box, ligand):
    """Topology and positions (angstrom) of a cube of water with room for the ligand."""
    import openmm
    from openmm import app, unit
    modeller = app.Modeller(app.Topology(), []*unit.nanometer)
    modeller.addSolvent(app.ForceField(WATER_MODEL), model="tip3p",
                        boxSize=openmm.Vec3(box, box, box)*unit.nanometer)
    x = 10*np.array(modeller.positions.value_in_unit(unit.nanometer)).reshape(-1, 3, 3)
    near = np.zeros(len(x), bool)
    for atom in ligand:
        apart = x - atom
        apart -= 10*box*np.rint(apart/(10*box))
        near |= ((apart**2).sum(axis=2) < CLEARANCE**2).any(axis=1)
    modeller.delete([residue for residue, out in zip(modeller.topology.residues(), near) if out])
    return modeller.topology, x[~near].reshape(-1, 3)


def _join(water, ligand, bonds):
    """The Topology of the water and, behind it, the ligand."""
    from openmm import app
    topology = app.Topology()
    topology.setPeriodicBoxVectors(water.getPeriodicBoxVectors())
    new = {}
    for chain in water.chains():
        of = topology.addChain(chain.id)
        for residue in chain.residues():
            to = topology.addResidue(residue.name, of)
            for atom in residue.atoms():
                new[atom] = topology.addAtom(atom.name, atom.element, to)
    for one, other in water.bonds():
        topology.addBond(new[one], new[other])
    residue = topology.addResidue("LIG", topology.addChain())
    atoms = []
    for k, number in enumerate(ligand.numbers.tolist()):
        element = app.Element.getByAtomicNumber(number)
        atoms.append(topology.addAtom(f"{element.symbol}{k + 1}", element, residue))
    for i, j in bonds:
        topology.addBond(atoms[i], atoms[j])
    return topology


# ------------------------------------------------------------------ the molecule's force field
def _addLigand(system, ligand, charges, bonds):
    """Particles and terms of the ligand behind those of the water."""
    import openmm
    from openmm.app import Element
    first = system.getNumParticles()
    nonbonded = next(f for f in system.getForces() if isinstance(f, openmm.NonbondedForce))
    for number, charge in zip(ligand.numbers.tolist(), charges.tolist()):
        system.addParticle(Element.getByAtomicNumber(number).mass)
        nonbonded.addParticle(charge, *LENNARD_JONES[number])
    nonbonded.createExceptionsFromBonds([(first + i, first + j) for i, j in bonds], *SCALE_14)
    stretch, bend, turn = (openmm.HarmonicBondForce(), openmm.HarmonicAngleForce(),
                           openmm.PeriodicTorsionForce())
    x = 0.1*ligand.positions
    for i, j in bonds:
        length = float(np.linalg.norm(x[i] - x[j]))
        if 1 in (ligand.numbers[i], ligand.numbers[j]):
            system.addConstraint(first + i, first + j, length)
        else:
            stretch.addBond(first + i, first + j, length, BOND)
    for i, j, k in _chains(bonds, 3):
        bend.addAngle(first + i, first + j, first + k, _angle(x[i] - x[j], x[k] - x[j]), ANGLE)
    for i, j, k, l in _chains(bonds, 4):
        normal = np.cross(x[j] - x[i], x[k] - x[j])
        if np.linalg.norm(normal) > 1e-3:    # not beside a triple bond
            turn.addTorsion(first + i, first + j, first + k, first + l, 3, 0.0, TORSION/9)
    for force in (stretch, bend, turn):
        system.addForce(force)


def _angle(one, other):
    return float(np.arccos(np.clip(one @ other/np.linalg.norm(one)/np.linalg.norm(other), -1, 1)))


def _chains(bonds, n):
    """Chains of n bonded atoms, each in one direction."""
    bonded = {}
    for i, j in bonds:
        bonded.setdefault(i, []).append(j)
        bonded.setdefault(j, []).append(i)
    chains = [(i,) for i in bonded]
    for _ in range(n - 1):
        chains = [(*chain, k) for chain in chains for k in bonded[chain[-1]] if k not in chain]
    return [chain for chain in chains if chain[0] < chain[-1]]
