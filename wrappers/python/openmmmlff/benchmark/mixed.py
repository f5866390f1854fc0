"""A molecule in water: what the network costs inside a force field's System."""
import os

import numpy as np

# Alanine dipeptide in an extended form, angstrom: name, residue, position.
DIPEPTIDE = """
H1 ACE 2.000 1.000 0.000    CH3 ACE 2.000 2.090 0.000    H2 ACE 1.486 2.454 0.890
H3 ACE 1.486 2.454 -0.890   C ACE 3.427 2.641 0.000      O ACE 4.391 1.877 0.000
N ALA 3.555 3.970 0.000     H ALA 2.733 4.556 0.000      CA ALA 4.853 4.614 0.000
HA ALA 5.408 4.316 0.890    CB ALA 5.661 4.221 -1.232    HB1 ALA 5.123 4.521 -2.131
HB2 ALA 6.630 4.719 -1.206  HB3 ALA 5.809 3.141 -1.241   C ALA 4.713 6.129 0.000
O ALA 3.601 6.653 0.000     N NME 5.846 6.835 0.000      H NME 6.737 6.359 0.000
C NME 5.846 8.284 0.000     H1 NME 4.819 8.648 0.000     H2 NME 6.360 8.648 0.890
H3 NME 6.360 8.648 -0.890
""".split()
FORCE_FIELD = ("amber14-all.xml", "amber14/tip3p.xml")
BOX = 3.0   # nm


class MixedSystems:
    """Alanine dipeptide in TIP3P water as files that workers read.

    folder   where to write them
    """

    def __init__(self, folder):
        import openmm
        from openmm import app, unit
        self.folder = folder
        topology, positions = _dipeptide()
        self.n_ligand = topology.getNumAtoms()
        forceField = app.ForceField(*FORCE_FIELD)
        modeller = app.Modeller(topology, positions*unit.nanometer)
        modeller.addSolvent(forceField, model="tip3p",
                            boxSize=openmm.Vec3(BOX, BOX, BOX)*unit.nanometer)
        self.topology = modeller.topology
        self.positions = 10*np.array(modeller.positions.value_in_unit(unit.nanometer))
        self.system = forceField.createSystem(
            self.topology, nonbondedMethod=app.PME, nonbondedCutoff=0.9*unit.nanometer,
            constraints=None, rigidWater=True)
        self.mm = self._write("mm.xml", self.system)

    @property
    def n_atoms(self):
        return len(self.positions)

    def withNetwork(self, model):
        """(file of the mixed System, file of the molecule alone) with a model."""
        import openmm
        from openmmmlff import MLFFForce, createMixedSystem
        ligand = range(self.n_ligand)
        mixed = createMixedSystem(self.topology, self.system, ligand, model.path)
        alone, force = openmm.System(), MLFFForce(model.path)
        for atom in list(self.topology.atoms())[:self.n_ligand]:
            force.addAtom(alone.addParticle(atom.element.mass), atom.element.atomic_number)
        alone.addForce(force)
        return (self._write(f"{model.name}-mixed.xml", mixed),
                self._write(f"{model.name}-alone.xml", alone))

    def _write(self, name, system):
        import openmm
        path = os.path.join(self.folder, name.replace(os.sep, "_"))
        with open(path, "w", encoding="utf-8") as file:
            file.write(openmm.XmlSerializer.serialize(system))
        return path


def _dipeptide():
    """Topology and positions (nm) [22][3]."""
    from openmm import app
    topology, positions = app.Topology(), []
    chain, residue = topology.addChain(), None
    for k in range(0, len(DIPEPTIDE), 5):
        name, of, *xyz = DIPEPTIDE[k:k + 5]
        if residue is None or residue.name != of:
            residue = topology.addResidue(of, chain)
        topology.addAtom(name, app.Element.getBySymbol(name[0]), residue)
        positions.append([0.1*float(x) for x in xyz])
    topology.createStandardBonds()
    return topology, np.array(positions)
