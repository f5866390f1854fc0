"""Numbers, Quantities and truth values: every method takes what OpenMM's own forces take, and refuses
what has no meaning."""
import ast
import copy
import decimal
import fractions
import inspect
import pathlib

import numpy as np
import openmm
import openmmmlff
import pytest
from conftest import DATA, EXAMPLES
from openmm import app, unit
from openmmmlff import (MLFFForce, createMixedSystem, createSystem, quantities,
                        vibrationalWavenumbers)

# Every method with numbers or truth values: its arguments, each with what it is and a good value.
INDEX = ("int", 0)
METHODS = {
    "getEnsembleMemberFile": {"index": INDEX},
    "getEnsembleMemberHash": {"index": INDEX},
    "addRegion": {"totalCharge": ("charge", -1), "multiplicity": ("int", 3)},
    "getRegionParameters": {"index": INDEX},
    "setRegionParameters": {"index": INDEX, "totalCharge": ("charge", -1),
                            "multiplicity": ("int", 3)},
    "addAtom": {"particle": ("int", 2), "atomicNumber": ("int", 8), "region": INDEX},
    "getAtomParameters": {"index": INDEX},
    "setAtomParameters": {"index": INDEX, "particle": ("int", 2), "atomicNumber": ("int", 8),
                          "region": ("int", 1)},
    "addBond": {"particle1": ("int", 3), "particle2": ("int", 4)},
    "getBondParameters": {"index": INDEX},
    "setBondParameters": {"index": INDEX, "particle1": ("int", 3), "particle2": ("int", 4)},
    "setUsesPeriodicBoundaryConditions": {"periodic": ("bool", True)},
    "setCoulombMethod": {"method": ("choice", MLFFForce.PME)},
    "setCoulombCutoff": {"cutoff": ("length", 2)},
    "setCoulombAlpha": {"alpha": ("inverse length", 2)},
    "setEwaldErrorTolerance": {"tolerance": ("number", 1)},
    "setUseDispersion": {"use": ("bool", False)},
    "setDispersionCutoff": {"cutoff": ("length", 2)},
    "setScaleParameterDefaultValue": {"value": ("number", 3)},
    "getGlobalParameterName": {"index": INDEX},
    "getGlobalParameterDefaultValue": {"index": INDEX},
    "setGlobalParameterDefaultValue": {"index": INDEX, "defaultValue": ("number", 3)},
    "getEnergyParameterDerivativeName": {"index": INDEX},
    "setEnergyFactor": {"factor": ("number", 3)},
    "setForceGroup": {"group": ("int", 3)},
    "setModelStorage": {"storage": ("choice", MLFFForce.Path)},
    "setEvaluationMode": {"mode": ("choice", MLFFForce.Sparse)},
    "setDenseThreshold": {"numAtoms": ("int", 7)},
    "setMatrixPrecision": {"precision": ("choice", MLFFForce.TF32)},
    "setUseDeviceGraph": {"use": ("bool", False)},
    "setCheckGeometry": {"check": ("bool", False)},
    "setCheckElectrons": {"check": ("bool", False)},
}
CASES = [(method, argument) for method, arguments in METHODS.items() for argument in arguments]

CHARGES = DATA/"aimnet2"/"published-4x4.safetensors"
SPIN = DATA/"aimnet2"/"open-shell-3x5.safetensors"

INTEGERS = (int, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64,
            np.intp, np.array)
FLOATS = (float, np.float16, np.float32, np.float64, np.longdouble, fractions.Fraction,
          decimal.Decimal, lambda x: np.array(float(x)))

UNITS = {  # in what else a value may be given: the unit, and how many of it make one of OpenMM's
    "charge": (unit.coulomb, 1.602176634e-19),
    "length": (unit.angstrom, 10),
    "inverse length": (unit.angstrom**-1, 0.1),
    "number": (unit.dimensionless, 1),
    "int": (unit.dimensionless, 1),
    "choice": (unit.dimensionless, 1),
}
WRONG = {
    "charge": (unit.nanometer, unit.kelvin, unit.coulomb/unit.second),
    "length": (unit.kelvin, unit.kilocalorie_per_mole, unit.angstrom**-1, unit.dimensionless),
    "inverse length": (unit.angstrom, unit.picosecond**-1, unit.dimensionless),
    "number": (unit.kilojoule_per_mole, unit.kelvin, unit.nanometer, unit.degree),
    "int": (unit.nanometer, unit.elementary_charge),
    "choice": (unit.nanometer, unit.elementary_charge),
    "bool": (unit.nanometer, unit.dimensionless),
}


@pytest.fixture(scope="module")
def template():
    """A force with one of everything that an index can mean."""
    force = MLFFForce(CHARGES)
    force.setModelStorage(MLFFForce.Path)
    force.addAtom(5, 6)
    force.addBond(0, 1)
    force.addRegion()
    force.setScaleParameter("lambda")
    force.addEnergyParameterDerivative("lambda")
    return force


def outcome(template, method, argument, value):
    """What a call returns, and the force afterwards as XML."""
    force = copy.copy(template)
    values = {name: good for name, (_, good) in METHODS[method].items()}
    result = getattr(force, method)(**{**values, argument: value})
    return result, openmm.XmlSerializer.serialize(force)


def test_every_method_is_here():
    """The table has all that the stub says takes Int, Float or Bool."""
    path = pathlib.Path(openmmmlff.__file__).with_name("mlffforce.pyi")
    body = next(node for node in ast.parse(path.read_text(encoding="utf-8")).body
                if isinstance(node, ast.ClassDef)).body
    found = {}
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name != "fromTopology":
            arguments = {a.arg for a in node.args.args if a.annotation is not None
                         and {"Int", "Float", "Bool"}.intersection(
                             n.id for n in ast.walk(a.annotation) if isinstance(n, ast.Name))}
            if arguments:
                found[node.name] = arguments
    assert found == {name: set(arguments) for name, arguments in METHODS.items()}


@pytest.mark.parametrize("method, argument", CASES)
def test_numbers_of_every_type(template, method, argument):
    what, good = METHODS[method][argument]
    expected = outcome(template, method, argument, good)
    kinds = {"bool": (bool, np.bool_)}.get(what, INTEGERS + FLOATS)
    for kind in kinds:
        if good < 0 and getattr(kind, "__name__", "").startswith("uint"):
            continue
        assert outcome(template, method, argument, kind(good)) == expected, kind
    other = not good if what == "bool" else 0
    if not method.startswith("get") and other != good:
        assert expected[1] != outcome(template, method, argument, other)[1]  # it has an effect


@pytest.mark.parametrize("method, argument", [
    case for case in CASES if METHODS[case[0]][case[1]][0] != "bool"])
def test_other_units_convert(template, method, argument):
    what, good = METHODS[method][argument]
    other, factor = UNITS[what]
    result, xml = outcome(template, method, argument, good*factor*other)
    force = copy.copy(template)
    if what in ("number", "int", "choice"):
        assert (result, xml) == outcome(template, method, argument, good)
        return
    values = {name: value for name, (_, value) in METHODS[method].items()}
    values[argument] = good*factor*other
    getattr(force, method)(**values)
    read = {"addRegion": lambda: force.getRegionParameters(2)[0],
            "setRegionParameters": lambda: force.getRegionParameters(0)[0]}.get(
                method, lambda: getattr(force, method.replace("set", "get"))())()
    units = {"charge": unit.elementary_charge, "length": unit.nanometer,
             "inverse length": unit.nanometer**-1}
    assert read.value_in_unit(units[what]) == pytest.approx(good, rel=1e-6)


@pytest.mark.parametrize("method, argument", [
    case for case in CASES if METHODS[case[0]][case[1]][0] in ("charge", "int", "number", "choice")])
def test_quantities_without_a_dimension(template, method, argument):
    """Pure numbers: whole ones, factors, and how many proton charges; a ratio of lengths is one, too."""
    good = METHODS[method][argument][1]
    expected = outcome(template, method, argument, good)
    for value in (unit.Quantity(good, unit.dimensionless), good*unit.nanometer/unit.nanometer,
                  unit.Quantity(np.float64(good), unit.dimensionless),
                  unit.Quantity(good/10, unit.nanometer/unit.angstrom)):
        assert outcome(template, method, argument, value) == expected


@pytest.mark.parametrize("method, argument", CASES)
def test_what_has_no_meaning_is_refused(template, method, argument):
    what, good = METHODS[method][argument]
    before = openmm.XmlSerializer.serialize(template)
    special = (method == "setCoulombMethod")  # takes names, and None for Default; its own words
    refused = ["1", b"1", "one", None, 1j, np.complex128(1), [1], (1,), {}, np.array([1.0]),
               np.array(["1"]), np.datetime64(1, "s"), object()]
    refused += [good*one for one in WRONG[what] if one != unit.dimensionless]
    refused += [unit.Quantity(good, one) for one in WRONG[what] if one == unit.dimensionless]
    refused += [unit.Quantity([1, 2], UNITS[what][0])] if what in UNITS else []
    if what in ("int", "choice"):
        refused += [0.5, np.float32(1.5), fractions.Fraction(1, 2), float("nan"), float("inf"),
                    2**31, -2**31 - 1, 2**80, np.uint64(2**63), 1e10]
    if what == "choice":
        refused += [True, np.True_, -1, 99]
    if what == "bool":
        refused += [0, 1, 1.0, np.int64(1), "True"]
    if special:
        refused.remove(None)
    for value in refused:
        with pytest.raises((TypeError, ValueError)) as caught:
            outcome(template, method, argument, value)
        if not special:
            assert f"MLFFForce.{method}(): {argument}" in str(caught.value), value
        assert "expected" in str(caught.value)
    assert openmm.XmlSerializer.serialize(template) == before


def test_truth_values_are_numbers(template):
    """As OpenMM takes them: 0 and 1."""
    for one in (True, np.True_):
        assert outcome(template, "addBond", "particle1", one) == \
            outcome(template, "addBond", "particle1", 1)
        assert outcome(template, "setEnergyFactor", "factor", one) == \
            outcome(template, "setEnergyFactor", "factor", 1)


def test_limits_of_an_int(template):
    force = copy.copy(template)
    for value in (2**31 - 1, -2**31, np.int64(2**31 - 1), float(2**31 - 1)):
        force.setAtomParameters(0, value, 1)
        assert force.getAtomParameters(0)[0] == value


def test_as_openmm_does():
    """What OpenMM's own forces take and refuse, for comparison: the same here."""
    for kind in INTEGERS + FLOATS:
        if kind is not fractions.Fraction:
            assert openmm.HarmonicBondForce().addBond(kind(0), kind(1), 0.1, 1) == 0
    openmm.NonbondedForce().setEwaldErrorTolerance(unit.Quantity(1e-4, unit.dimensionless))
    for value in (12*unit.kelvin, "1", None, unit.Quantity(1, unit.dimensionless)):
        with pytest.raises((TypeError, ValueError)):
            openmm.NonbondedForce().setCutoffDistance(value)


@pytest.mark.parametrize("vector", [
    (1, 2, 3), [1.0, np.float32(2), np.int64(3)], np.array([1, 2, 3]), np.float32([1, 2, 3]),
    openmm.Vec3(1, 2, 3), openmm.Vec3(1, 2, 3)*unit.nanometer, [10, 20, 30]*unit.angstrom,
    np.array([10, 20, 30])*unit.angstrom, [1*unit.nanometer, 20*unit.angstrom, 3]])
def test_vectors_of_every_type(template, vector):
    force = copy.copy(template)
    force.setIntendedBoxVectors((5, 0, 0), (0, 5, 0), vector)
    found = force.getIntendedBoxVectors()[2].value_in_unit(unit.nanometer)
    assert list(found) == pytest.approx([1, 2, 3], rel=1e-12)


@pytest.mark.parametrize("vector", [
    (1, 2), (1, 2, 3, 4), 1, "123", ("1", "2", "3"), None, (1, 2, None), (1, 2, 3j),
    [1, 2, 3]*unit.kelvin, openmm.Vec3(1, 2, 3)/unit.nanometer, [1, 2, 3*unit.picosecond],
    np.eye(3), [1, 2, 3]*unit.dimensionless])
def test_vectors_that_are_refused(template, vector):
    force = copy.copy(template)
    with pytest.raises((TypeError, ValueError), match=r"MLFFForce.setIntendedBoxVectors\(\): b"):
        force.setIntendedBoxVectors((5, 0, 0), vector, (0, 0, 5))
    assert force.getIntendedBoxVectors() is None


# ------------------------------------------------------------------ functions of the package
@pytest.fixture
def methanol():
    topology = app.Topology()
    residue = topology.addResidue("MOH", topology.addChain())
    for symbol in "COHHHH":
        topology.addAtom(symbol, app.Element.getBySymbol(symbol), residue)
    return topology


@pytest.mark.parametrize("charge", [
    -1, -1.0, np.int64(-1), np.float32(-1), np.array(-1), -1*unit.elementary_charge,
    -1.602176634e-19*unit.coulomb, fractions.Fraction(-1), decimal.Decimal(-1),
    unit.Quantity(-1, unit.dimensionless)])
def test_charge_of_a_topology(methanol, charge):
    for two in (np.int8(2), unit.Quantity(2, unit.dimensionless)):
        force = MLFFForce.fromTopology(SPIN, methanol, charge=charge, multiplicity=two)
        found, multiplicity = force.getRegionParameters(0)
        assert found._value == pytest.approx(-1, rel=1e-6) and multiplicity == 2


@pytest.mark.parametrize("arguments", [
    {"charge": -1*unit.nanometer}, {"charge": "1"}, {"charge": None}, {"charge": 1j},
    {"charge": np.array([1.0])}, {"multiplicity": 2*unit.elementary_charge}, {"multiplicity": 1.5},
    {"multiplicity": "1"}, {"multiplicity": 1*unit.kelvin}, {"multiplicity": None},
    {"periodic": "no"}, {"periodic": 0}, {"coulomb": 2.5}, {"coulomb": 3*unit.nanometer},
    {"coulomb": True}, {"coulomb": "cutoff"}, {"atoms": [0.5]}, {"atoms": ["0"]},
    {"atoms": [0*unit.nanometer]}, {"atoms": [True]}])
def test_what_a_topology_refuses(methanol, arguments):
    name = next(iter(arguments))
    with pytest.raises((TypeError, ValueError), match="Coulomb" if name == "coulomb" else name):
        MLFFForce.fromTopology("painn-hcno", methanol, **arguments)


def test_atoms_of_a_topology_of_every_type(methanol):
    expected = [(i, 6 if i == 0 else 8, 0) for i in range(2)]
    for kind in INTEGERS + FLOATS:
        force = MLFFForce.fromTopology("painn-hcno", methanol, [kind(0), kind(1)])
        assert [force.getAtomParameters(i) for i in range(2)] == expected
    for atoms in (np.arange(2), np.arange(2, dtype=np.uint8), np.arange(2.0)):
        assert MLFFForce.fromTopology("painn-hcno", methanol, atoms).getNumAtoms() == 2
    for method in (5, np.int64(5), 5.0, "pme", "PME", np.str_("pme")):
        force = MLFFForce.fromTopology(CHARGES, methanol, coulomb=method)
        assert force.getCoulombMethod() == MLFFForce.PME
    assert not MLFFForce.fromTopology("painn-hcno", methanol,
                                      periodic=np.False_).usesPeriodicBoundaryConditions()


@pytest.fixture(scope="module")
def acetate():
    pdb = app.PDBFile(str(EXAMPLES/"acetate.pdb"))
    forceField = app.ForceField(str(EXAMPLES/"acetate.xml"))
    return pdb.topology, forceField.createSystem(pdb.topology)


@pytest.mark.parametrize("arguments", [
    {"charge": -1*unit.nanometer}, {"charge": "-1"}, {"multiplicity": 1.5},
    {"multiplicity": 1*unit.elementary_charge}, {"forceGroup": 1*unit.kelvin}, {"forceGroup": "1"}, {"forceGroup": 0.5},
    {"removeConstraints": "no"}, {"checkCharge": "no"}, {"coulomb": "cutoff"}])
def test_what_a_mixed_system_refuses(acetate, arguments):
    topology, system = acetate
    with pytest.raises((TypeError, ValueError)):
        createMixedSystem(topology, system, range(topology.getNumAtoms()),
                          CHARGES,
                          **{"charge": -1, **arguments})


@pytest.mark.parametrize("arguments", [
    {"charge": -1*unit.nanometer}, {"charge": "1"}, {"multiplicity": 1.5}, {"periodic": "no"},
    {"removeCMMotion": "no"}, {"removeCMMotion": 1}])
def test_what_create_system_refuses(methanol, arguments):
    with pytest.raises((TypeError, ValueError), match=next(iter(arguments))):
        createSystem(methanol, "painn-hcno", **arguments)


def test_a_mixed_system_of_numpy_numbers(acetate):
    topology, system = acetate
    mixed = createMixedSystem(topology, system, np.arange(topology.getNumAtoms(), dtype=np.int16),
                              CHARGES, charge=np.float32(-1),
                              multiplicity=np.int64(1), forceGroup=np.int64(3),
                              removeConstraints=np.True_)
    force = mixed.getForces()[-1]
    assert force.getRegionParameters(0) == (-1*unit.elementary_charge, 1)
    assert force.getForceGroup() == 3


def test_openmmml_takes_the_same(methanol):
    MLPotential = pytest.importorskip("openmmml").MLPotential
    potential = MLPotential("mlff", modelPath=SPIN)
    system = potential.createSystem(methanol, charge=np.int64(-1), multiplicity=np.int8(2),
                                    periodic=np.False_)
    assert system.getForce(0).getRegionParameters(0) == (-1*unit.elementary_charge, 2)
    for arguments in ({"charge": -1*unit.nanometer}, {"charge": "1"}, {"multiplicity": 1.5},
                      {"periodic": "no"}):
        with pytest.raises((TypeError, ValueError), match=next(iter(arguments))):
            potential.createSystem(methanol, **arguments)


# ------------------------------------------------------------------ arrays
SPRING = 1e5*np.array([[1.0, -1], [-1, 1]])
HESSIAN = np.kron(SPRING, np.diag([1, 0, 0]))
LINE = np.array([[0, 0, 0], [0.1, 0, 0]])


def test_arrays_of_every_type_and_unit():
    """Two atoms of 2 dalton and a spring of 1e5 kJ/mol/nm^2: omega = sqrt(1e5)/ps."""
    expected = np.sqrt(1e5)/(2*np.pi*0.0299792458)
    kilocalories = unit.kilocalorie_per_mole/unit.angstrom**2
    for hessian in (HESSIAN, HESSIAN.tolist(), HESSIAN.astype(np.int64), HESSIAN.astype(np.float32),
                    HESSIAN*unit.kilojoule_per_mole/unit.nanometer**2,
                    unit.Quantity(HESSIAN/418.4, kilocalories),
                    unit.Quantity((HESSIAN/418.4).tolist(), kilocalories)):
        for masses in ([2, 2], np.array([2, 2], dtype=np.uint8), [2*unit.dalton, 2*unit.dalton],
                       [2*unit.dalton, 2], np.array([2, 2])*unit.dalton,
                       [fractions.Fraction(2), 2.0]):
            found = vibrationalWavenumbers(hessian, masses, LINE)
            assert found._value == pytest.approx([expected], rel=1e-6)
    for positions in (LINE.tolist(), 10*LINE*unit.angstrom, LINE.astype(np.float32),
                      [openmm.Vec3(0, 0, 0), openmm.Vec3(0.1, 0, 0)],
                      [openmm.Vec3(0, 0, 0), openmm.Vec3(0.1, 0, 0)]*unit.nanometer,
                      [openmm.Vec3(0, 0, 0)*unit.nanometer, openmm.Vec3(1, 0, 0)*unit.angstrom]):
        found = vibrationalWavenumbers(HESSIAN, [2, 2], positions)
        assert found._value == pytest.approx([expected], rel=1e-6)


@pytest.mark.parametrize("hessian, masses, positions", [
    (HESSIAN*unit.kilojoule_per_mole, [2, 2], None),
    (HESSIAN, [2, 2]*unit.kelvin, None), (HESSIAN, [2*unit.kelvin, 2], None),
    (HESSIAN, [2, 2], LINE*unit.dalton), (HESSIAN, [2, 2], LINE/unit.nanometer),
    (HESSIAN, ["2", "2"], None), (HESSIAN, np.array(["2", "2"]), None), (HESSIAN, [2, None], None),
    (HESSIAN.astype(complex), [2, 2], None), (HESSIAN, [2, 2], LINE.astype(str)),
    (HESSIAN, [[2], [2, 2]], None), (HESSIAN, 2, None), (HESSIAN, "22", None),
    (HESSIAN, [2, 2], np.full((2, 3), np.nan)), (HESSIAN, [2, np.inf], None)])
def test_arrays_that_are_refused(hessian, masses, positions):
    with pytest.raises((TypeError, ValueError)):
        vibrationalWavenumbers(hessian, masses, positions)


def test_the_kinds_have_units_and_words():
    for kind, (one, words) in quantities.KINDS.items():
        assert quantities.number(1.5*one, kind, "x") == 1.5 and words
    assert inspect.getdoc(quantities)
