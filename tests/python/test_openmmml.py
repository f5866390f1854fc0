"""The potential 'mlff' of openmmml; skipped where openmmml is not installed."""
import numpy as np
import openmm
import pytest
from conftest import DATA, EXAMPLES
from openmm import app, unit
from openmmmlff import MLFFForce, createMixedSystem, createSystem

MLPotential = pytest.importorskip("openmmml").MLPotential


def energyOf(system, positions, **parameters):
    context = openmm.Context(system, openmm.VerletIntegrator(0.001),
                             openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions)
    for name, value in parameters.items():
        context.setParameter(name, value)
    return context.getState(energy=True).getPotentialEnergy()._value


@pytest.fixture(scope="module")
def peptide():
    return app.PDBFile(str(EXAMPLES/"alanine_dipeptide.pdb"))


@pytest.fixture(scope="module")
def solution(peptide):
    forceField = app.ForceField("amber14-all.xml", "amber14/tip3p.xml")
    modeller = app.Modeller(peptide.topology, peptide.positions)
    modeller.addSolvent(forceField, model="tip3p",
                        boxSize=openmm.Vec3(1.9, 1.9, 1.9)*unit.nanometer)
    system = forceField.createSystem(modeller.topology, nonbondedMethod=app.PME,
                                     nonbondedCutoff=0.9*unit.nanometer)
    return modeller, system


def test_create_system(peptide):
    system = MLPotential("mlff", modelPath="painn-hcno").createSystem(peptide.topology)
    force = MLFFForce.cast(system.getForce(0))
    assert force.getNumAtoms() == 22 and force.getNumBonds() == 21
    assert force.getRegionParameters(0)[0]._value == 0
    expected = openmm.System()
    for _ in range(22):
        expected.addParticle(1.0)
    expected.addForce(MLFFForce.fromTopology("painn-hcno", peptide.topology))
    assert energyOf(system, peptide.positions) == energyOf(expected, peptide.positions)


def test_box(peptide):
    """openmmml gives the System the Topology's box; one it cannot mean is refused."""
    topology = app.PDBFile(str(EXAMPLES/"alanine_dipeptide.pdb")).topology
    topology.setPeriodicBoxVectors(3*np.eye(3)*unit.nanometer)
    potential = MLPotential("mlff", modelPath="painn-hcno")
    system = potential.createSystem(topology)
    assert MLFFForce.cast(system.getForce(0)).usesPeriodicBoundaryConditions()
    expected = createSystem(topology, "painn-hcno")
    assert system.getDefaultPeriodicBoxVectors() == expected.getDefaultPeriodicBoxVectors()
    assert energyOf(system, peptide.positions) == energyOf(expected, peptide.positions)
    topology.setPeriodicBoxVectors(0.1*np.eye(3)*unit.nanometer)
    with pytest.raises(ValueError, match="dummy CRYST1"):
        potential.createSystem(topology)
    assert energyOf(potential.createSystem(topology, periodic=False), peptide.positions) < 0


def test_mixed_system_equals_ours(solution):
    modeller, system = solution
    theirs = MLPotential("mlff", modelPath="painn-hcno").createMixedSystem(
        modeller.topology, system, range(22), forceGroup=2)
    assert MLFFForce.cast(theirs.getForces()[-1]).getForceGroup() == 2
    ours = createMixedSystem(modeller.topology, system, range(22), "painn-hcno")
    assert energyOf(theirs, modeller.positions) == pytest.approx(
        energyOf(ours, modeller.positions), abs=1e-6)


def test_two_calls(solution):
    """A water beside the peptide: each is a region, and they meet as the force field says."""
    modeller, system = solution
    water = next([a.index for a in r.atoms()] for r in modeller.topology.residues()
                 if r.name == "HOH")
    potential = MLPotential("mlff", modelPath="painn-hcno")
    theirs = potential.createMixedSystem(modeller.topology, potential.createMixedSystem(
        modeller.topology, system, range(22)), water)
    ours = createMixedSystem(modeller.topology, createMixedSystem(
        modeller.topology, system, range(22), "painn-hcno"), water, "painn-hcno")
    assert sum(MLFFForce.isinstance(force) for force in theirs.getForces()) == 2
    assert energyOf(theirs, modeller.positions) == pytest.approx(
        energyOf(ours, modeller.positions), abs=1e-6)


def test_interpolation(solution):
    modeller, system = solution
    mixed = MLPotential("mlff", modelPath="painn-hcno").createMixedSystem(
        modeller.topology, system, range(22), interpolate=True)
    ours = createMixedSystem(modeller.topology, system, range(22), "painn-hcno")
    ends = [energyOf(mixed, modeller.positions, lambda_interpolate=x) for x in (0, 0.5, 1)]
    assert ends[2] == pytest.approx(energyOf(ours, modeller.positions), abs=1e-6)
    assert ends[0] == pytest.approx(energyOf(system, modeller.positions), abs=1e-4)
    assert ends[1] == pytest.approx((ends[0] + ends[2])/2, abs=1e-6)


def test_cut_bonds_get_openmmml_caps(solution):
    """A System with openmmml's link atoms: caps are ordinary atoms of our force."""
    modeller, system = solution
    mixed = MLPotential("mlff", modelPath="painn-hcno").createMixedSystem(
        modeller.topology, system, range(6), linkAtomDistances=[])
    force = MLFFForce.cast(mixed.getForces()[-1])
    assert force.getNumAtoms() == 7 and force.getAtomParameters(6)[1] == 1
    context = openmm.Context(mixed, openmm.VerletIntegrator(0.001),
                             openmm.Platform.getPlatformByName("Reference"))
    x = np.array(modeller.positions.value_in_unit(unit.nanometer))
    context.setPositions(np.vstack([x, [[0, 0, 0]]]))
    context.computeVirtualSites()
    assert np.isfinite(context.getState(energy=True).getPotentialEnergy()._value)


AIMNET2 = DATA/"aimnet2"/"published-4x4.safetensors"


def test_charge_and_coulomb(peptide, solution):
    potential = MLPotential("mlff", modelPath=[AIMNET2, AIMNET2])
    system = potential.createSystem(peptide.topology, charge=-1, coulomb="dsf")
    force = MLFFForce.cast(system.getForce(0))
    assert force.getCoulombMethod() == MLFFForce.DSF and force.getNumEnsembleMembers() == 2
    assert force.getRegionParameters(0) == (-1*unit.elementary_charge, 1)

    modeller, mm = solution
    potential = MLPotential("mlff", modelPath=AIMNET2)
    ours = createMixedSystem(modeller.topology, mm, range(22), AIMNET2, charge=2,
                             checkCharge=False)
    expected = energyOf(ours, modeller.positions)
    for coulomb in (None, "simple"):
        theirs = potential.createMixedSystem(modeller.topology, mm, range(22), charge=2,
                                             coulomb=coulomb, checkCharge=False)
        assert energyOf(theirs, modeller.positions) == pytest.approx(expected, abs=1e-6)
    for interpolate in (False, True):
        with pytest.raises(ValueError, match="is 2 e, but the force field's charges"):
            potential.createMixedSystem(modeller.topology, mm, range(22), charge=2,
                                        interpolate=interpolate)
    with pytest.raises(ValueError, match="coulomb='pme' in a mixed System"):
        potential.createMixedSystem(modeller.topology, mm, range(22), coulomb="pme")


def test_periodic_images(solution):
    """A whole box is the network's alone; part of it with periodic images is as ours."""
    modeller, system = solution
    potential = MLPotential("mlff", modelPath="painn-hcno")
    everything = range(modeller.topology.getNumAtoms())
    whole = potential.createMixedSystem(modeller.topology, system, everything)
    network = potential.createSystem(modeller.topology)
    assert energyOf(whole, modeller.positions) == pytest.approx(
        energyOf(network, modeller.positions), abs=1e-6)
    theirs = potential.createMixedSystem(modeller.topology, system, range(22), periodic=True)
    ours = createMixedSystem(modeller.topology, system, range(22), "painn-hcno", periodic=True)
    assert energyOf(theirs, modeller.positions) == energyOf(ours, modeller.positions)
    with pytest.raises(ValueError, match="interpolate"):
        potential.createMixedSystem(modeller.topology, system, range(22), periodic=True,
                                    interpolate=True)
    with pytest.raises(ValueError, match="already"):
        potential.createMixedSystem(modeller.topology, theirs, range(22))


def test_what_is_refused(peptide):
    with pytest.raises(ValueError, match="needs modelPath.*painn-hcno"):
        MLPotential("mlff")
    with pytest.raises(TypeError, match="modelIndex"):
        MLPotential("mlff", modelPath="painn-hcno", modelIndex=1)
    with pytest.raises(ValueError, match="known names"):
        MLPotential("mlff", modelPath="nonesuch")
    potential = MLPotential("mlff", modelPath="painn-hcno")
    with pytest.raises(TypeError, match="precision.*charge, multiplicity, periodic, coulomb"):
        potential.createSystem(peptide.topology, precision="double")
    with pytest.raises(ValueError, match="charge is -1, but the PaiNN model"):
        potential.createSystem(peptide.topology, charge=-1)
    charged = MLPotential("mlff", modelPath=DATA/"aimnet2"/"published-4x4.safetensors")
    with pytest.raises(ValueError, match="coulomb is 'pme', .* needs a periodic box"):
        charged.createSystem(peptide.topology, periodic=False, coulomb="pme")
