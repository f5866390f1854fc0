"""The SWIG class: it behaves as OpenMM's own forces do."""
import ast
import copy
import gc
import hashlib
import inspect
import pathlib
import pickle
import subprocess
import sys

import numpy as np
import openmm
import openmmmlff
import pytest
from conftest import DATA, MODELS
from openmm import unit
from openmmmlff import MLFFForce

WATER = ((8, 1, 1), np.array([[0, 0, 0.0119], [0, 0.0763, -0.0477], [0, -0.0763, -0.0477]]))


def waterForce(cls=MLFFForce):
    force = cls("painn-hcno")
    for i, z in enumerate(WATER[0]):
        force.addAtom(i, z)
    return force


def waterSystem():
    system = openmm.System()
    for z in WATER[0]:
        system.addParticle(16.0 if z == 8 else 1.0)
    system.addForce(waterForce())
    return system


def energyOf(system, platform="Reference", **kwargs):
    context = openmm.Context(system, openmm.VerletIntegrator(0.001),
                             openmm.Platform.getPlatformByName(platform))
    context.setPositions(WATER[1])
    for name, value in kwargs.items():
        context.setParameter(name, value)
    return context.getState(energy=True).getPotentialEnergy()


# ------------------------------------------------------------------ model
def test_model_facts():
    path = MODELS/"painn-hcno-distilled.safetensors"
    force = MLFFForce("painn-hcno")
    assert force.getModelArchitecture() == "PaiNN"
    assert force.getModelElements() == (1, 6, 7, 8, 16)
    assert force.getModelCutoff() == 5*unit.angstrom
    assert force.getModelHasCharges() is False
    assert force.getModelHash() == hashlib.sha256(path.read_bytes()).hexdigest()
    info = openmmmlff.modelInfo("painn-hcno")
    assert info["sha256"] == force.getModelHash()
    assert info["cutoff"] == 5.0 and info["layers"] == 3 and info["elements"] == [1, 6, 7, 8, 16]
    assert info["bytes"] == path.stat().st_size


def test_model_by_path_name_and_content():
    path = MODELS/"painn-hcno-distilled.safetensors"
    byName = MLFFForce("painn-hcno")
    assert pathlib.Path(byName.getModelFile()).name == path.name
    for force in (MLFFForce(path), MLFFForce(str(path)), MLFFForce(model=path)):
        assert force.getModelFile() == str(path)
        assert force.getModelHash() == byName.getModelHash()
    content = path.read_bytes()
    for given in (content, bytearray(content), memoryview(content)):
        force = MLFFForce("from memory", content=given)
        assert force.getModelFile() == "from memory"
        assert force.getModelHash() == byName.getModelHash()


def test_model_errors(tmp_path):
    with pytest.raises(ValueError, match="no model of that name; known names: .*painn-hcno"):
        MLFFForce("painn-hcnoo")
    with pytest.raises(openmm.OpenMMException, match="nowhere.safetensors"):
        MLFFForce(tmp_path/"nowhere.safetensors")
    with pytest.raises(openmm.OpenMMException, match="nowhere.safetensors"):
        MLFFForce("nowhere.safetensors")
    broken = tmp_path/"broken.safetensors"
    broken.write_bytes(b"not a model")
    with pytest.raises(openmm.OpenMMException, match="broken.safetensors"):
        MLFFForce(broken)
    with pytest.raises(openmm.OpenMMException):
        MLFFForce("broken", content=b"")
    with pytest.raises(TypeError):
        MLFFForce("broken", content="text")
    with pytest.raises(TypeError):
        MLFFForce(3)


def test_models_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENMMMLFF_CACHE", str(tmp_path))
    assert openmmmlff.knownModels() == ["painn-hcno"]
    with pytest.raises(ValueError, match="openmm-mlff get aimnet2"):
        MLFFForce("aimnet2")
    # the cache has the file: then the name stands for it
    (tmp_path/"aimnet2_1.safetensors").write_bytes(
        (DATA/"painn"/"schnet-16x3.safetensors").read_bytes())
    assert openmmmlff.knownModels() == ["aimnet2_1", "painn-hcno"]
    assert MLFFForce("aimnet2_1").getModelFile() == str(tmp_path/"aimnet2_1.safetensors")


# ------------------------------------------------------------------ parameters and units
def test_parameters():
    force = waterForce()
    assert force.getNumAtoms() == 3
    assert force.getAtomParameters(1) == (1, 1, 0)
    force.setAtomParameters(1, 7, 6)
    assert force.getAtomParameters(1) == (7, 6, 0)
    assert force.addBond(0, 1) == 0
    assert force.getBondParameters(0) == (0, 1)
    force.setBondParameters(0, 0, 2)
    assert force.getBondParameters(0) == (0, 2) and force.getNumBonds() == 1
    for method in (force.getAtomParameters, force.getBondParameters, force.getRegionParameters):
        with pytest.raises(openmm.OpenMMException, match="out of range"):
            method(99)
    assert force.usesPeriodicBoundaryConditions() is False
    force.setUsesPeriodicBoundaryConditions(True)
    assert force.usesPeriodicBoundaryConditions() is True
    assert force.getScaleParameter() == "" and force.getNumGlobalParameters() == 0
    force.setScaleParameter("lambda")
    assert force.getNumGlobalParameters() == 1 and force.getGlobalParameterName(0) == "lambda"
    force.setGlobalParameterDefaultValue(0, 0.25)
    assert force.getGlobalParameterDefaultValue(0) == 0.25
    for method in (force.getGlobalParameterName, force.getGlobalParameterDefaultValue):
        with pytest.raises(openmm.OpenMMException, match="global parameter index 1"):
            method(1)
    force.setScaleParameterDefaultValue(0.5)
    force.addEnergyParameterDerivative("lambda")
    assert force.getNumEnergyParameterDerivatives() == 1
    assert force.getEnergyParameterDerivativeName(0) == "lambda"
    assert force.getScaleParameterDefaultValue() == 0.5
    force.setEnergyFactor(-1)
    assert force.getEnergyFactor() == -1
    assert (MLFFForce.Embedded, MLFFForce.Path) == (0, 1)
    assert force.getModelStorage() == MLFFForce.Embedded
    force.setModelStorage(MLFFForce.Path)
    assert force.getModelStorage() == MLFFForce.Path
    with pytest.raises(ValueError, match="MLFFForce.Embedded"):
        force.setModelStorage(7)


def test_units_are_converted():
    force = MLFFForce("painn-hcno")
    region = force.addRegion(1.602176634e-19*unit.coulomb, 2)
    charge, multiplicity = force.getRegionParameters(region)
    assert region == 1 and multiplicity == 2 and force.getNumRegions() == 2
    assert unit.is_quantity(charge) and charge.unit == unit.elementary_charge
    assert charge.value_in_unit(unit.elementary_charge) == pytest.approx(1, rel=1e-6)
    force.setRegionParameters(0, -2*unit.elementary_charge)
    assert force.getRegionParameters(0) == (-2*unit.elementary_charge, 1)
    with pytest.raises(Exception):
        force.addRegion("one")


def test_refused_by_the_context():
    system = waterSystem()
    force = MLFFForce.cast(system.getForce(0))
    force.setRegionParameters(0, 1)
    with pytest.raises(openmm.OpenMMException, match="charge"):
        energyOf(system)
    force.setRegionParameters(0, 0)
    force.setAtomParameters(0, 0, 9)
    with pytest.raises(openmm.OpenMMException, match="F"):
        energyOf(system)


# ------------------------------------------------------------------ ownership
def test_system_takes_the_force_over():
    system = openmm.System()
    force = MLFFForce("painn-hcno")
    assert force.thisown
    system.addForce(force)
    assert not force.thisown
    with pytest.raises(Exception, match="does not own"):
        system.addForce(force)
    del force
    gc.collect()
    assert MLFFForce.cast(system.getForce(0)).getModelArchitecture() == "PaiNN"


def test_cast_and_isinstance():
    system = waterSystem()
    system.addForce(openmm.HarmonicBondForce())
    first, second = system.getForces()
    assert MLFFForce.isinstance(first) and not MLFFForce.isinstance(second)
    force = MLFFForce.cast(first)
    assert isinstance(force, MLFFForce) and not force.thisown and force.getNumAtoms() == 3
    force.setEnergyFactor(2)  # the same object, not a copy
    assert MLFFForce.cast(system.getForce(0)).getEnergyFactor() == 2
    with pytest.raises(openmm.OpenMMException, match="not an MLFFForce"):
        MLFFForce.cast(second)


def test_cast_hands_ownership_on():
    plain = openmm.XmlSerializer._deserializeForce(openmm.XmlSerializer.serialize(waterForce()))
    assert type(plain) is openmm.Force and plain.thisown
    force = MLFFForce.cast(plain)
    assert force.thisown and not plain.thisown
    del plain
    gc.collect()
    assert force.getNumAtoms() == 3


# ------------------------------------------------------------------ copies
def full(force):
    force.setName("a name")
    force.setForceGroup(3)
    force.addRegion(0, 1)
    force.addBond(0, 1)
    force.setUsesPeriodicBoundaryConditions(True)
    force.setEnergyFactor(0.25)
    return force


@pytest.mark.parametrize("duplicate", [
    copy.copy, copy.deepcopy, lambda force: pickle.loads(pickle.dumps(force))])
def test_copies_of_a_force(duplicate):
    original = full(waterForce())
    result = duplicate(original)
    assert type(result) is MLFFForce and result.thisown
    assert openmm.XmlSerializer.serialize(result) == openmm.XmlSerializer.serialize(original)
    result.setAtomParameters(0, 5, 6)
    assert original.getAtomParameters(0) == (0, 8, 0)
    openmm.System().addForce(result)


@pytest.mark.parametrize("duplicate", [
    copy.deepcopy, lambda system: pickle.loads(pickle.dumps(system)),
    lambda system: openmm.XmlSerializer.clone(system)])
def test_copies_of_a_system(duplicate):
    original = waterSystem()
    assert energyOf(duplicate(original)) == energyOf(original)


def test_system_loads_where_only_openmm_is_imported(tmp_path):
    """The XML carries the model, and OpenMM finds our plugin by itself."""
    system = waterSystem()
    (tmp_path/"system.xml").write_text(openmm.XmlSerializer.serialize(system))
    script = f"""
import openmm, sys
system = openmm.XmlSerializer.deserialize(open("system.xml").read())
context = openmm.Context(system, openmm.VerletIntegrator(0.001),
                         openmm.Platform.getPlatformByName("Reference"))
context.setPositions({WATER[1].tolist()})
print(repr(context.getState(energy=True).getPotentialEnergy()._value))
assert "openmmmlff" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == energyOf(system)._value


def test_plugin_is_found_in_spite_of_openmm_plugin_dir(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", "import openmm, openmmmlff; print(openmm.Platform.getPlatformByName("
         "'Reference').supportsKernels(['CalcMLFFForce']))"],
        env={"OPENMM_PLUGIN_DIR": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.stdout == "True\n", done.stderr


# ------------------------------------------------------------------ in a Context
@pytest.mark.parametrize("platform", ["Reference", "CPU"])
def test_forces_are_the_derivative(platform):
    """Finite differences of the energy, through OpenMM's Python interface."""
    context = openmm.Context(waterSystem(), openmm.VerletIntegrator(0.001),
                             openmm.Platform.getPlatformByName(platform))
    context.setPositions(WATER[1])
    force = context.getState(forces=True).getForces(asNumpy=True)._value

    def energy(h):
        moved = WATER[1].copy()
        moved[1, 1] += h
        context.setPositions(moved)
        return context.getState(energy=True).getPotentialEnergy()._value
    h = 1e-5 if platform == "Reference" else 1e-4
    numeric = -(8*(energy(h) - energy(-h)) - (energy(2*h) - energy(-2*h)))/(12*h)
    tolerance = 2e-5 if platform == "Reference" else 0.5  # kJ/mol/nm; float energies allow no more
    assert abs(force).max() > 100 and force[1, 1] == pytest.approx(numeric, abs=tolerance)


def test_scale_parameter_and_derivative():
    system = waterSystem()
    plain = energyOf(system)._value
    force = MLFFForce.cast(system.getForce(0))
    force.setScaleParameter("lambda_ml")
    force.addEnergyParameterDerivative("lambda_ml")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001),
                             openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(WATER[1])
    context.setParameter("lambda_ml", 0.25)
    state = context.getState(energy=True, parameterDerivatives=True)
    assert state.getPotentialEnergy()._value == pytest.approx(0.25*plain, rel=1e-12)
    assert state.getEnergyParameterDerivatives()["lambda_ml"] == pytest.approx(plain, rel=1e-12)


def test_update_parameters_in_context():
    system = waterSystem()
    force = MLFFForce.cast(system.getForce(0))
    context = openmm.Context(system, openmm.VerletIntegrator(0.001),
                             openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(WATER[1])
    before = context.getState(energy=True).getPotentialEnergy()
    force.setEnergyFactor(2)
    force.updateParametersInContext(context)
    assert context.getState(energy=True).getPotentialEnergy()/before == pytest.approx(2, rel=1e-12)


# ------------------------------------------------------------------ documentation
def publicMembers():
    own = {name: value for name, value in vars(MLFFForce).items()
           if not name.startswith("__") and name not in ("thisown", "this")}
    assert "addAtom" in own
    return own


def test_help_teaches():
    doc = inspect.getdoc(MLFFForce)
    assert "force.addAtom(particle, atomicNumber)" in doc and "new MLFFForce" not in doc
    for name, value in publicMembers().items():
        if callable(getattr(MLFFForce, name)) and not name.startswith("_"):
            assert len(inspect.getdoc(getattr(MLFFForce, name)) or "") > 20, name
    assert "measured in units of the proton charge" in inspect.getdoc(MLFFForce.addRegion)


def test_type_stub_is_complete():
    """The stub names every method with its arguments, and no others."""
    stub = pathlib.Path(openmmmlff.__file__).with_name("mlffforce.pyi").read_text(encoding="utf-8")
    body = next(node for node in ast.parse(stub).body if isinstance(node, ast.ClassDef)).body
    methods = {node.name: [a.arg for a in node.args.args] for node in body
               if isinstance(node, ast.FunctionDef)}
    real = {name for name in publicMembers() if callable(getattr(MLFFForce, name))}
    assert {name for name in methods if not name.startswith("__")} == real
    for name, names in methods.items():
        parameters = list(inspect.signature(vars(MLFFForce)[name].__func__ if isinstance(
            vars(MLFFForce)[name], (staticmethod, classmethod)) else getattr(MLFFForce, name))
            .parameters)
        assert parameters == names, name
