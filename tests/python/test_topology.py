"""MLFFForce.fromTopology()."""
import numpy as np
import openmm
import pytest
from conftest import DATA, EXAMPLES
from openmm import app, unit
from openmmmlff import MLFFForce


@pytest.fixture
def topology():
    """Alanine dipeptide, without a box."""
    return app.PDBFile(str(EXAMPLES/"alanine_dipeptide.pdb")).topology


def atomsOf(force):
    return [force.getAtomParameters(i) for i in range(force.getNumAtoms())]


def test_whole_topology(topology):
    force = MLFFForce.fromTopology("painn-hcno", topology)
    assert atomsOf(force) == [(a.index, a.element.atomic_number, 0) for a in topology.atoms()]
    bonds = {force.getBondParameters(i) for i in range(force.getNumBonds())}
    assert bonds == {(b.atom1.index, b.atom2.index) for b in topology.bonds()} and len(bonds) == 21
    assert not force.usesPeriodicBoundaryConditions()
    assert force.getRegionParameters(0) == (0*unit.elementary_charge, 1)


def test_charge_and_multiplicity(topology):
    force = MLFFForce.fromTopology(DATA/"aimnet2"/"open-shell-3x5.safetensors", topology,
                                   charge=-1*unit.elementary_charge, multiplicity=2)
    assert force.getRegionParameters(0) == (-1*unit.elementary_charge, 2)


def test_some_atoms_in_any_form(topology):
    residue = next(topology.residues())
    expected = [(a.index, a.element.atomic_number, 0) for a in residue.atoms()]
    indices = [a.index for a in residue.atoms()]
    for atoms in (indices, tuple(indices), np.array(indices), iter(indices), residue.atoms(),
                  range(6), (i for i in indices)):
        force = MLFFForce.fromTopology("painn-hcno", topology, atoms)
        assert atomsOf(force) == expected
        assert force.getNumBonds() == 5  # the bond to the next residue is left out
    backwards = MLFFForce.fromTopology("painn-hcno", topology, reversed(indices))
    assert atomsOf(backwards) == expected[::-1]


def test_periodicity(topology):
    def periodic(**kwargs):
        return MLFFForce.fromTopology("painn-hcno", topology,
                                      **kwargs).usesPeriodicBoundaryConditions()
    with pytest.raises(ValueError, match="has no box"):
        periodic(periodic=True)
    topology.setPeriodicBoxVectors(np.eye(3)*2)
    assert periodic()
    assert periodic(atoms=range(22))
    assert not periodic(periodic=False)
    assert not periodic(atoms=range(6))
    assert periodic(atoms=range(6), periodic=True)


@pytest.mark.parametrize("atoms, message", [
    ([], "no atoms"), ([0, 1, 0], r"atom 0 \(H1 of ACE 1\) was given twice"),
    ([22], "there is no atom 22"), ([-1], "there is no atom -1"), ([0.5], "0.5"),
    ([True, False], "mask"), (np.ones(22, dtype=bool), "mask"), (["CA"], "'CA'")])
def test_atoms_that_are_refused(topology, atoms, message):
    with pytest.raises((ValueError, TypeError), match=message):
        MLFFForce.fromTopology("painn-hcno", topology, atoms)


def test_atom_of_another_topology(topology):
    other = app.PDBFile(str(EXAMPLES/"alanine_dipeptide.pdb")).topology
    with pytest.raises(ValueError, match="another Topology"):
        MLFFForce.fromTopology("painn-hcno", topology, other.atoms())


def test_elements_that_are_refused(topology):
    residue = topology.addResidue("LIG", topology.addChain(), "7")
    topology.addAtom("M", None, residue)
    with pytest.raises(ValueError, match=r"atom 22 \(M of LIG 7\) has no element"):
        MLFFForce.fromTopology("painn-hcno", topology)
    topology.addAtom("CL1", app.element.chlorine, residue)
    with pytest.raises(ValueError, match=r"atom 23 \(CL1 of LIG 7\) is Cl.*H C N O S"):
        MLFFForce.fromTopology("painn-hcno", topology, [0, 23])
    assert MLFFForce.fromTopology("painn-hcno", topology, range(22)).getNumAtoms() == 22


def test_energy_equals_atom_by_atom():
    pdb = app.PDBFile(str(EXAMPLES/"alanine_dipeptide.pdb"))
    byHand = MLFFForce("painn-hcno")
    for atom in pdb.topology.atoms():
        byHand.addAtom(atom.index, atom.element.atomic_number)
    energies = []
    for force in (byHand, MLFFForce.fromTopology("painn-hcno", pdb.topology)):
        system = openmm.System()
        for _ in range(22):
            system.addParticle(1.0)
        system.addForce(force)
        context = openmm.Context(system, openmm.VerletIntegrator(0.001),
                                 openmm.Platform.getPlatformByName("Reference"))
        context.setPositions(pdb.positions)
        energies.append(context.getState(energy=True).getPotentialEnergy()._value)
    assert energies[0] == energies[1] != 0
