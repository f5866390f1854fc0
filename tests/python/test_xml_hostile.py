"""XML of a System as a stranger may hand it over: every attribute of the force is checked."""
import json
import os
import re
import struct
import time

import openmm
import pytest
from conftest import DATA
from openmmmlff import MLFFForce

MODEL = DATA/"painn"/"single-layer-7x1.safetensors"
WATER = "3\nwater\nO 0 0 0.119\nH 0 0.763 -0.477\nH 0 -0.763 -0.477\n"


def xml(storage=MLFFForce.Embedded):
    force = MLFFForce(MODEL)
    force.setModelStorage(storage)
    system = openmm.System()
    for i, z in enumerate((8, 1, 1)):
        system.addParticle(1.0)
        force.addAtom(i, z)
    force.addBond(0, 1)
    force.setIntendedBoxVectors([2, 0, 0], [0, 2, 0], [0, 0, 2])
    system.addForce(force)
    return openmm.XmlSerializer.serialize(system)


INTEGERS = ["forceGroup", "coulombMethod", "evaluationMode", "denseThreshold", "matrixPrecision", "multiplicity",
            "particle", "atomicNumber", "region", "particle1", "particle2"]
NUMBERS = ["energyFactor", "scaleParameterDefaultValue", "coulombCutoff", "coulombAlpha", "ewaldErrorTolerance",
           "dispersionCutoff", "charge", "y"]
BOOLS = ["periodic", "useDispersion", "useDeviceGraph", "checkGeometry", "checkElectrons"]


def changed(name, value):
    """The force's XML with one attribute changed, in its own part of the System."""
    text = xml()
    start = text.index('type="MLFFForce"')
    start = text.rindex("<Force", 0, start)
    new, count = re.subn(rf'(\s{name}=")[^"]*"', rf'\g<1>{value}"', text[start:], count=1)
    assert count == 1
    return text[:start] + new


@pytest.mark.parametrize("name, value", [
    *((n, v) for n in INTEGERS for v in ("abc", "", "1.5", "0x1", "99999999999", "9"*30, "-5", "1 ", "\u0661")),
    *((n, v) for n in NUMBERS for v in ("abc", "", "0,5", "nan", "inf", "1e999", "1e", "--1", "0x1p3", "1_0")),
    *((n, v) for n in BOOLS for v in ("abc", "", "2", "true", "-1", "0.0")),
    ("coulombMethod", "6"), ("evaluationMode", "3"), ("matrixPrecision", "3"), ("forceGroup", "32"),
    ("multiplicity", "0"), ("atomicNumber", "0"), ("atomicNumber", "119"), ("region", "1"), ("coulombCutoff", "-1"),
    ("name", None)])
def test_attributes(name, value):
    if value is None:       # a name may be anything
        openmm.XmlSerializer.deserialize(changed(name, "abc"))
        return
    with pytest.raises(openmm.OpenMMException, match=rf'this XML has {name}="'):
        openmm.XmlSerializer.deserialize(changed(name, value))


@pytest.mark.parametrize("name, value", [("energyFactor", "-0.5"), ("energyFactor", "+5E-1"), ("charge", ".5"),
                                         ("energyFactor", "2."), ("particle", "+2"), ("periodic", "1"),
                                         ("coulombCutoff", "1e-300")])
def test_attributes_that_are_fine(name, value):
    system = openmm.XmlSerializer.deserialize(changed(name, value))
    force = MLFFForce.cast(system.getForce(0))
    if name == "energyFactor":
        assert force.getEnergyFactor() == float(value)


def compare(command, tmp_path, text):
    (tmp_path/"w.xyz").write_text(WATER)
    (tmp_path/"s.xml").write_text(text)
    start = time.monotonic()
    status, _, err = command("compare", "s.xml", "--positions", "w.xyz", "--platforms", "Reference", "CPU")
    assert status == 1 and len(err.splitlines()) == 1 and time.monotonic() - start < 60
    return err


@pytest.mark.parametrize("text, message", [
    ('<System type="System" version="1">' + "<a>"*60000 + "</a>"*60000 + "</System>", "nested deeper"),
    ('<!DOCTYPE a [<!ENTITY b "c">]><System type="System" version="1">&b;</System>', "DOCTYPE"),
    ("<System", "well-formed"), ("<a/>", "not a serialized System")])
def test_files_that_are_no_system(command, tmp_path, text, message):
    assert message in compare(command, tmp_path, text)


def test_a_particle_that_is_not_there(command, tmp_path):
    text = changed("particle", "100000")
    assert "atom 0 is particle 100000, which the System does not have" in compare(command, tmp_path, text)
    assert 'has energyFactor="abc"' in compare(command, tmp_path, changed("energyFactor", "abc"))


@pytest.mark.parametrize("file", ["pipe", "/dev/zero", "."])
def test_a_path_to_something_without_an_end(command, tmp_path, file):
    os.mkfifo(tmp_path/"pipe")
    path = file if file.startswith("/") else str(tmp_path/file)
    text = re.sub(r'(<Model[^>]*file=")[^"]*"', lambda m: m.group(1) + path + '"', xml(MLFFForce.Path))
    message = compare(command, tmp_path, text)
    assert "cannot be read" in message and ("not a regular file" in message or "directory" in message)


@pytest.mark.parametrize("config", ["{}", "[1]", "["*100000])
def test_metadata_of_another_kind(command, tmp_path, config):
    """What the engine ignores decides nothing: the options of an AIMNet2 model stay."""
    data = (DATA/"aimnet2"/"published-4x4.safetensors").read_bytes()
    n, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + n])
    header["__metadata__"]["config"] = config
    text = json.dumps(header).encode()
    (tmp_path/"m.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data[8 + n:])
    (tmp_path/"w.xyz").write_text(WATER)
    for option in (["--coulomb", "simple"], ["--no-dispersion"]):
        status, _, err = command("evaluate", "m.safetensors", "w.xyz", *option)
        assert (status, err) == (0, "")
