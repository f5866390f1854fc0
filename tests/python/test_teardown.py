"""A Context may outlive its forces and its System, as with OpenMM's own forces; Python's garbage
collector destroys the parts of a cycle in any order. Each platform and model has a process of its
own, in which freed memory is overwritten (MALLOC_PERTURB_), so that a crash or a wrong energy shows
what was read too late. tests/openmm/TestMLFFForceLifetime.h does the same in C++ under sanitizers.

Expected energies: an independent implementation (tests/data)."""
import json
import os
import pathlib
import subprocess
import sys

import openmm
import pytest
from conftest import DATA, MODELS, readGolden

EV = 96.48533212331002  # kJ/mol
KINDS = {"reporter": [1], "systemFirst": [1], "metadynamics": [1], "tempering": [1],
         "expandedEnsemble": [1], "removed": [1, 1, 0], "replaced": [1, 0.5], "exit": [1]}


def painn():
    golden = readGolden(DATA/"painn"/"painn-hcno-distilled.formamide.txt")
    return (MODELS/"painn-hcno-distilled.safetensors", [int(z) for z in golden.symbols],
            [[float(x) for x in row] for row in golden.coordinates], golden.energy)


def aimnet2():
    with open(DATA/"aimnet2"/"published-4x4.json", encoding="utf-8") as file:
        system = json.load(file)["systems"][0]
    method = system["methods"][0]
    assert system["name"] == "formamide" and method["coulomb"] == "simple"
    return (DATA/"aimnet2"/"published-4x4.safetensors", system["numbers"], system["coord"],
            sum(method["components"].values()))


def skipWithoutDevice(name):
    system = openmm.System()
    for _ in range(2):
        system.addParticle(1)
    try:
        openmm.Context(system, openmm.VerletIntegrator(0.001),
                       openmm.Platform.getPlatformByName(name))
    except openmm.OpenMMException as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("platform", ["Reference", "CPU", "OpenCL"])
@pytest.mark.parametrize("molecule", [painn, aimnet2])
def test_every_order(molecule, platform):
    if platform == "OpenCL":
        skipWithoutDevice(platform)
    model, numbers, coordinates, energy = molecule()
    data = {"numbers": numbers, "positions": [[0.1*x for x in row] for row in coordinates]}
    script = pathlib.Path(__file__).with_name("teardown.py")
    run = subprocess.run([sys.executable, script, model, platform, json.dumps(data)],
                         capture_output=True, text=True, timeout=600,
                         env={**os.environ, "MALLOC_PERTURB_": "165"})
    assert run.returncode == 0, f"after: {run.stdout}\n{run.stderr}"
    lines = [line.split() for line in run.stdout.splitlines()
             if not line.startswith("WARNING: Using an unsupported OpenCL")]  # OpenMM about PoCL
    assert {line[0] for line in lines} == set(KINDS)
    # the platforms' promises: 1e-8 eV, or 2e-6 eV per atom in single precision
    tolerance = EV*(1e-8 if platform == "Reference" else 2e-6*len(numbers))
    for kind, *found in lines:
        expected = [share*EV*energy for share in KINDS[kind]]
        assert [float(x) for x in found] == pytest.approx(expected, rel=0, abs=tolerance), kind
