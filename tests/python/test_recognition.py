"""OpenMM's methods return our forces as MLFFForce, and everything else as before."""
import copy
import gc
import importlib
import inspect
import pickle
import subprocess
import sys

import numpy as np
import openmm
import pytest
from conftest import EXAMPLES
from openmm import app, unit
from openmmmlff import MLFFForce, _recognition, createMixedSystem

WATER = ((8, 1, 1), np.array([[0, 0, 0.0119], [0, 0.0763, -0.0477], [0, -0.0763, -0.0477]]))


def waterForce():
    force = MLFFForce("painn-hcno")
    for i, z in enumerate(WATER[0]):
        force.addAtom(i, z)
    force.setScaleParameter("lambda_ml")
    return force


@pytest.fixture
def system():
    """A water: the network among forces of OpenMM."""
    system = openmm.System()
    for z in WATER[0]:
        system.addParticle(16.0 if z == 8 else 1.0)
    system.addForce(openmm.HarmonicBondForce())
    system.addForce(waterForce())
    system.addForce(openmm.CMMotionRemover())
    return system


def contextOf(system):
    context = openmm.Context(system, openmm.VerletIntegrator(0.001),
                             openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(WATER[1])
    return context


def energyOf(context):
    return context.getState(energy=True).getPotentialEnergy()._value


def classes(forces):
    return [type(force) for force in forces]


EXPECTED = [openmm.HarmonicBondForce, MLFFForce, openmm.CMMotionRemover]


def test_forces_of_a_system(system):
    assert classes(system.getForces()) == EXPECTED
    assert classes(system.getForce(i) for i in range(3)) == EXPECTED
    force = system.getForce(1)
    assert force.getNumAtoms() == 3 and not force.thisown
    force.setEnergyFactor(2)  # the System's own force, not a copy
    assert system.getForces()[1].getEnergyFactor() == 2
    del force
    gc.collect()
    assert system.getForce(1).getNumAtoms() == 3
    with pytest.raises(openmm.OpenMMException):
        system.getForce(3)


@pytest.mark.parametrize("duplicate", [
    copy.copy, copy.deepcopy, openmm.XmlSerializer.clone,
    lambda system: openmm.XmlSerializer.clone(system),
    lambda system: pickle.loads(pickle.dumps(system)),
    lambda system: openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(system))])
def test_forces_of_copies(system, duplicate):
    result = duplicate(system)
    assert classes(result.getForces()) == EXPECTED
    result.getForce(1).setEnergyFactor(2)
    assert system.getForce(1).getEnergyFactor() == 1


def test_forces_of_a_context(system):
    context = contextOf(system)
    assert classes(context.getSystem().getForces()) == EXPECTED
    before = energyOf(context)
    force = context.getSystem().getForce(1)
    force.setEnergyFactor(2)
    force.updateParametersInContext(context)
    assert energyOf(context) == pytest.approx(2*before, rel=1e-12)
    simulation = app.Simulation(app.Topology(), system, openmm.VerletIntegrator(0.001),
                                openmm.Platform.getPlatformByName("Reference"))
    assert classes(simulation.system.getForces()) == EXPECTED


def test_serialized_forces_belong_to_the_caller(system):
    xml = openmm.XmlSerializer.serialize(system.getForce(1))
    for force in (openmm.XmlSerializer.deserialize(xml),
                  openmm.XmlSerializer.clone(system.getForce(1))):
        assert type(force) is MLFFForce and force.thisown and force.getNumAtoms() == 3
        other = openmm.System()
        other.addForce(force)
        assert not force.thisown and other.getForce(0).getNumAtoms() == 3


def test_variables_of_a_cv_force(system):
    cv = openmm.CustomCVForce("0.5*network + 0*distance")
    cv.addCollectiveVariable("network", copy.copy(system.getForce(1)))
    distance = openmm.CustomBondForce("r")
    distance.addBond(0, 1)
    cv.addCollectiveVariable("distance", distance)
    assert classes(cv.getCollectiveVariable(i) for i in range(2)) == \
        [MLFFForce, openmm.CustomBondForce]
    assert cv.getCollectiveVariable(0).getNumAtoms() == 3
    whole = energyOf(contextOf(system))
    system.removeForce(1)
    system.addForce(cv)
    context = contextOf(system)
    assert energyOf(context) == pytest.approx(0.5*whole, rel=1e-12)
    inner = system.getForces()[-1].getInnerContext(context)
    found = [force for force in inner.getSystem().getForces() if type(force) is MLFFForce]
    assert len(found) == 1 and found[0].getScaleParameter() == "lambda_ml"
    assert classes(system.getForces()) == [openmm.HarmonicBondForce, openmm.CMMotionRemover,
                                           openmm.CustomCVForce]


def test_forces_of_an_atm_force(system):
    atm = openmm.ATMForce("u0 + lambda*(u1 - u0)")
    atm.addGlobalParameter("lambda", 0)
    atm.addForce(copy.copy(system.getForce(1)))
    atm.addForce(openmm.HarmonicBondForce())
    # OpenMM itself does not recognize its own forces there
    assert classes(atm.getForce(i) for i in range(2)) == [MLFFForce, openmm.Force]


def test_methods_look_as_before():
    assert inspect.getdoc(openmm.System.getForce).startswith("getForce(self, index) -> Force")
    assert openmm.System.getForce.__name__ == "getForce"
    assert isinstance(vars(openmm.XmlSerializer)["clone"], staticmethod)
    assert openmm.XmlSerializer.clone(openmm.System()).getNumForces() == 0
    integrator = openmm.VerletIntegrator(0.002)
    xml = openmm.XmlSerializer.serialize(integrator)
    assert type(openmm.XmlSerializer.deserialize(xml)) is openmm.VerletIntegrator
    with pytest.raises(ValueError, match="Unsupported object"):
        openmm.XmlSerializer.clone(3)


def test_installing_again_changes_nothing(system):
    def methods():
        return [vars(owner)[name] for owner, name in _recognition._METHODS]
    before = methods()
    _recognition.install()
    importlib.reload(_recognition).install()
    assert methods() == before
    assert classes(system.getForces()) == EXPECTED


def test_without_our_import_nothing_changes():
    script = """
import openmm
before = openmm.System.getForce
assert not hasattr(before, "_recognizesMLFFForce")
import openmmmlff
assert openmm.System.getForce is not before
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr


# ------------------------------------------------------------------ casts and lifetimes
def test_cast_of_what_is_one_already():
    force = waterForce()
    assert MLFFForce.cast(force) is force
    del force
    force = waterForce()
    MLFFForce.cast(force).getNumAtoms()
    gc.collect()
    assert force.thisown and force.getNumAtoms() == 3


def test_a_plain_force_stays_valid_behind_its_cast():
    plain = openmm.XmlSerializer._deserializeForce(openmm.XmlSerializer.serialize(waterForce()))
    assert type(plain) is openmm.Force and plain.thisown
    assert MLFFForce.cast(plain).getNumAtoms() == 3
    gc.collect()
    assert plain.getName() == "MLFFForce" and not plain.thisown
    force = MLFFForce.cast(plain)
    del plain
    gc.collect()
    assert force.getNumAtoms() == 3


def test_proxies_live_as_those_of_openmm():
    """A proxy of a force that a System owns: through copies of it and while the System lives."""
    system = openmm.System()
    for z in WATER[0]:
        system.addParticle(16.0 if z == 8 else 1.0)
    force = waterForce()
    system.addForce(force)
    again = system.getForce(0)
    assert again is not force and again.this == force.this
    duplicate = copy.deepcopy(again)
    del force
    gc.collect()
    assert again.getNumAtoms() == 3
    del again, system
    gc.collect()
    assert duplicate.thisown and duplicate.getNumAtoms() == 3
    assert pickle.loads(pickle.dumps(duplicate)).getNumAtoms() == 3


# ------------------------------------------------------------------ thermodynamic states
def parametersOf(system):
    """How openmmtools' GlobalParameterState finds the parameters of a System."""
    for force in system.getForces():
        try:
            count = force.getNumGlobalParameters()
        except AttributeError:
            continue
        for i in range(count):
            yield force, i, force.getGlobalParameterName(i)


def test_a_parameter_state_finds_the_scale_parameter():
    """What openmmtools does with a System whose forces depend on global parameters."""
    pdb = app.PDBFile(str(EXAMPLES/"acetate.pdb"))
    forceField = app.ForceField(str(EXAMPLES/"acetate.xml"))
    network = MLFFForce.fromTopology("painn-hcno", pdb.topology)
    network.setScaleParameter("lambda_ml")
    with pytest.warns(UserWarning, match="charges"):
        mixed = createMixedSystem(pdb.topology, forceField.createSystem(pdb.topology),
                                  range(pdb.topology.getNumAtoms()), network)
    energies = []
    for value in (1.0, 0.5, np.float64(0.25)):
        # a copy for each state, as replicas have it
        system = copy.deepcopy(mixed)
        found = [name for _, _, name in parametersOf(system)]
        assert found == ["lambda_ml"]
        for force, i, _ in parametersOf(system):
            force.setGlobalParameterDefaultValue(i, value)
            assert force.getGlobalParameterDefaultValue(i) == value
        context = openmm.Context(system, openmm.VerletIntegrator(0.001),
                                 openmm.Platform.getPlatformByName("Reference"))
        context.setPositions(pdb.positions)
        assert context.getParameter("lambda_ml") == value
        energies.append(context.getState(energy=True).getPotentialEnergy()
                        .value_in_unit(unit.kilojoule_per_mole))
    rest = 2*energies[1] - energies[0]  # the force field's part
    assert energies[2] - rest == pytest.approx((energies[0] - rest)/4, rel=1e-10)
