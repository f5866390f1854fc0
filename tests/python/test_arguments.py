"""Wrong arguments: every public method of MLFFForce says method, argument, what was found and expected,
in words of Python."""
import inspect
import warnings

import openmm
import pytest
from conftest import DATA, MODELS
from openmm import app
from openmmmlff import MLFFForce, createMixedSystem, createSystem, modelInfo

MODEL = MODELS/"painn-hcno-distilled.safetensors"
METHODS = sorted(name for name, method in inspect.getmembers(MLFFForce, callable)
                 if not name.startswith("_") and name in vars(MLFFForce))
INHERITED = ("setForceGroup", "setName")

# What each argument can be, by its name; good values for the others of a call.
GOOD = {"content": None, "model": MODEL, "name": "lambda", "index": 0, "particle": 0,
        "atomicNumber": 8, "particle1": 0, "particle2": 1, "region": 0, "totalCharge": 0,
        "multiplicity": 1, "defaultValue": 1, "force": openmm.HarmonicBondForce(),
        "system": openmm.System(), "a": (3, 0, 0), "b": (0, 3, 0), "c": (0, 0, 3),
        "topology": app.Topology(), "atoms": [0], "charge": 0, "periodic": False, "coulomb": None}
NONE_IS_GOOD = {"content", "atoms", "periodic", "coulomb", "method"}
INTERNAL = ("in method", "null reference", "prototype", "overloaded", "std::", "OpenMM::", "argument 2",
            "has no attribute")


def argumentsOf(method):
    parameters = inspect.signature(getattr(MLFFForce, method)).parameters
    return [name for name in parameters if name != "self"]


CASES = [(method, argument) for method in METHODS for argument in argumentsOf(method)]


@pytest.fixture
def force():
    force = MLFFForce(MODEL)
    force.addAtom(0, 8)
    force.addBond(0, 1)
    force.setScaleParameter("lambda")
    force.addEnergyParameterDerivative("lambda")
    return force


def test_the_methods_are_found():
    assert len(METHODS) > 60 and set(INHERITED) <= set(METHODS)
    assert ("setScaleParameter", "name") in CASES and ("validate", "system") in CASES


@pytest.mark.parametrize("method, argument", CASES)
def test_wrong_types(force, method, argument):
    names = argumentsOf(method)
    others = {name: GOOD.get(name) for name in names[:names.index(argument)]}
    for wrong in (None, object(), b"lambda", openmm.State, openmm.CMMotionRemover, [object()]):
        if wrong is None and argument in NONE_IS_GOOD:
            continue
        if wrong == b"lambda" and argument == "content":
            continue
        if method == "fromTopology":
            arguments = {"model": MODEL, "topology": GOOD["topology"], argument: wrong}
        else:
            arguments = {**others, argument: wrong}
            arguments.update({name: GOOD[name] for name in names
                              if name in GOOD and name not in arguments})
        with pytest.raises((TypeError, ValueError)) as caught:
            getattr(force, method)(**arguments)
        text = str(caught.value)
        assert not any(word in text for word in INTERNAL), text
        if method not in ("fromTopology", "setCoulombMethod"):
            assert f"MLFFForce.{method}(): {argument}" in text, text
            assert "expected" in text and type(caught.value) is TypeError, text
        else:
            assert "expected" in text or "must be" in text, text


@pytest.mark.parametrize("method", METHODS)
def test_too_few_and_too_many(force, method):
    names = argumentsOf(method)
    with pytest.raises(TypeError, match=rf"{method}\(\) takes"):
        getattr(force, method)(*range(len(names) + 1))
    with pytest.raises(TypeError, match=rf"{method}\(\) got an unexpected keyword argument 'other'"):
        getattr(force, method)(*(GOOD.get(name) for name in names), other=1)
    signature = inspect.signature(getattr(force, method))
    if any(p.default is p.empty for p in signature.parameters.values()):
        with pytest.raises(TypeError, match=rf"{method}\(\) missing"):
            getattr(force, method)()


@pytest.mark.parametrize("context", [None, openmm.System(), openmm.VerletIntegrator(0.001), app.Simulation])
def test_what_is_no_context(force, context):
    with pytest.raises(TypeError, match=r"MLFFForce.getEnergyComponents\(\): context is .*: expected "
                                        r"an openmm.Context"):
        force.getEnergyComponents(context)


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_texts_that_cannot_be_kept(force, text):
    for method in (force.setScaleParameter, force.addEnergyParameterDerivative, force.setName):
        with pytest.raises(ValueError, match=r"name is .*: expected a text"):
            method(text)
    for make in (MLFFForce, force.addEnsembleMember):
        for arguments in ((text,), (text, b"content")):
            with pytest.raises(ValueError, match="name of the model file"):
                make(*arguments)


@pytest.mark.parametrize("arguments, words", [
    ((None,), "model is None"), ((None, b"x"), "model is None"), ((3,), "model is 3"),
    ((b"name", b"x"), "model is b'name'"), (("x", 3), "content is 3"), (("x", "y"), "content is 'y'")])
def test_models_that_are_none(force, arguments, words):
    with pytest.raises(TypeError, match=rf"MLFFForce\(\): {words}: expected"):
        MLFFForce(*arguments)
    with pytest.raises(TypeError, match=rf"MLFFForce.addEnsembleMember\(\): {words}: expected"):
        force.addEnsembleMember(*arguments)


def test_functions_of_the_package():
    topology, system = app.Topology(), openmm.System()
    for call in (lambda: createSystem(None, MODEL), lambda: createSystem(system, MODEL),
                 lambda: createMixedSystem(None, system, [0], MODEL),
                 lambda: MLFFForce.fromTopology(MODEL, system)):
        with pytest.raises(TypeError, match="topology is .*: expected an openmm.app.Topology"):
            call()
    with pytest.raises(TypeError, match="system is None: expected an openmm.System"):
        createMixedSystem(topology, None, [0], MODEL)
    for atoms in (5, "0", None.__class__):
        with pytest.raises(TypeError, match="atoms is .*: expected an iterable"):
            MLFFForce.fromTopology(MODEL, topology, atoms)
    with pytest.raises(TypeError, match="the model is None: expected the path"):
        modelInfo(None)


# ------------------------------------------------------------------ arguments without an effect
NEUTRAL, SPIN, CHARGES = (DATA/"aimnet2"/f"{name}.safetensors"
                          for name in ("neutral-2x3", "open-shell-3x5", "published-4x4"))


def methanols(box):
    """Two molecules as a Topology, and a System of a force field with charges that sum to 0."""
    topology, system = app.Topology(), openmm.System()
    nonbonded = openmm.NonbondedForce()
    for name in ("MOH", "MOH"):
        residue = topology.addResidue(name, topology.addChain())
        atoms = []
        for symbol, charge in zip("COHHHH", (0.1, -0.6, 0.4, 0.05, 0.05, 0)):
            element = app.Element.getBySymbol(symbol)
            atoms.append(topology.addAtom(symbol, element, residue))
            system.addParticle(element.mass)
            nonbonded.addParticle(charge, 0.3, 0.1)
        for i, j in ((0, 1), (1, 2), (0, 3), (0, 4), (0, 5)):
            topology.addBond(atoms[i], atoms[j])
    if box:
        topology.setUnitCellDimensions((3, 3, 3))
        system.setDefaultPeriodicBoxVectors(*topology.getPeriodicBoxVectors())
        nonbonded.setNonbondedMethod(openmm.NonbondedForce.PME)
    system.addForce(nonbonded)
    return topology, system


def everyWay(model, box, arguments, coulombOnly=False):
    """The calls that take charge, multiplicity, coulomb."""
    topology, system = methanols(box)
    calls = [lambda: createSystem(topology, model, **arguments),
             lambda: createMixedSystem(topology, system, range(6), model, **arguments),
             lambda: createMixedSystem(topology, system, None, model, **arguments)]
    return calls if coulombOnly else \
        [*calls, lambda: MLFFForce.fromTopology(model, topology, **arguments)]


@pytest.mark.parametrize("model, arguments, words", [
    (MODEL, {"charge": 1}, "charge is 1, but the PaiNN model .*distilled.* total charge"),
    (MODEL, {"charge": -0.5}, "charge is -0.5, but the PaiNN model"),
    (MODEL, {"charge": 1, "multiplicity": 2}, "charge is 1, but the PaiNN model"),
    (MODEL, {"multiplicity": 3}, "multiplicity is 3, but the PaiNN model .* spin"),
    (CHARGES, {"multiplicity": 3}, "multiplicity is 3, but the AIMNet2 model .*published.* spin"),
    (NEUTRAL, {"charge": 1}, "charge is 1, but the AIMNet2 model .*neutral-2x3.* neutral molecules"),
    (MODEL, {"coulomb": "pme"}, "coulomb is 'pme', .* PaiNN model .* PME, but this model has no"),
    (MODEL, {"coulomb": MLFFForce.DSF}, "coulomb is 3, .* PaiNN model .* DSF, but this model"),
    (MODEL, {"coulomb": "simple"}, "coulomb is 'simple', .* PaiNN model")])
@pytest.mark.parametrize("box", [False, True])
def test_without_an_effect(model, arguments, words, box):
    """Refused at the call, which names model and argument; no warning about anything else."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for call in everyWay(model, box, arguments):
            with pytest.raises(ValueError, match=words):
                call()


@pytest.mark.parametrize("box, arguments, words", [
    (False, {"coulomb": "pme"}, "coulomb is 'pme', .* AIMNet2 model .* needs a periodic box"),
    (False, {"coulomb": "ewald"}, "coulomb is 'ewald'"),
    (True, {"coulomb": "ewald", "periodic": False}, "coulomb is 'ewald', .* needs a periodic box"),
    (True, {"coulomb": "simple", "periodic": True}, "coulomb is 'simple', .* open system")])
def test_coulomb_methods_of_another_boundary(box, arguments, words):
    for call in everyWay(CHARGES, box, arguments, coulombOnly=True):
        with pytest.raises(ValueError, match=words):
            call()


def test_what_has_an_effect_is_taken():
    for model, box, arguments in ((MODEL, True, {"coulomb": "none"}), (CHARGES, True, {"coulomb": "dsf"}),
                                  (SPIN, False, {"multiplicity": 3, "coulomb": "simple"}),
                                  (NEUTRAL, False, {"charge": 0}), (MODEL, False, {"charge": -0.0})):
        for call in everyWay(model, box, arguments):
            call()
    topology, system = methanols(False)
    createMixedSystem(topology, system, range(6), SPIN, charge=-1, multiplicity=2, checkCharge=False)


@pytest.mark.parametrize("model, change, words", [
    (MODEL, lambda f: f.setRegionParameters(0, 1), "total charge of 1, but the PaiNN model"),
    (MODEL, lambda f: f.setRegionParameters(0, 0, 3), "multiplicity of 3, but the PaiNN model"),
    (MODEL, lambda f: f.setCoulombMethod("pme"), "method is PME, but the PaiNN model"),
    (MODEL, lambda f: f.setCoulombCutoff(1), "Coulomb cutoff is 1 nm, which has no effect"),
    (MODEL, lambda f: f.setCoulombAlpha(1), "Coulomb alpha is 1/nm, which has no effect"),
    (MODEL, lambda f: f.setEwaldErrorTolerance(1e-4), "tolerance is 0.0001, which has no effect"),
    (MODEL, lambda f: f.setDispersionCutoff(1), "dispersion cutoff is 1 nm, which has no effect"),
    (CHARGES, lambda f: (f.setUseDispersion(False), f.setDispersionCutoff(1)), "switched off"),
    (CHARGES, lambda f: f.setCoulombCutoff(1), "cutoff is 1 nm, .* with the Coulomb method Simple"),
    (CHARGES, lambda f: f.setCoulombMethod("pme"), "PME needs periodic boundary conditions")])
def test_settings_of_a_force_without_an_effect(model, change, words):
    """An MLFFForce that createMixedSystem() gets is checked as the creation of a Context does."""
    topology, system = methanols(False)
    force = MLFFForce.fromTopology(model, topology, range(6))
    change(force)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(openmm.OpenMMException, match=words):
            createMixedSystem(topology, system, range(6), force)
