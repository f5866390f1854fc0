"""PaiNN with more features than a device has local memory for: node kernels then take their inputs
from scratch memory, and the atoms are more than the blocks that run at a time. Against Reference."""

import numpy as np
import openmm
import pytest
from openmmmlff import MLFFForce
from openmmmlff.benchmark import models
from openmmmlff.evaluate import KERNEL

FEATURES, ATOMS = 300, 150
FORM = {**models.STANDARD["painn-128x3"][2], "n_features": FEATURES, "n_layers": 2,
        "readout": [FEATURES, 20, 1]}


def evaluate(path, platform, properties):
    """(energy, forces) of atoms on a distorted lattice; kJ/mol, nm."""
    random = np.random.default_rng(6)
    side = int(np.ceil(ATOMS**(1/3)))
    lattice = np.array([(i % side, i//side % side, i//side**2) for i in range(ATOMS)])
    system, force = openmm.System(), MLFFForce(str(path))
    for element in random.choice([1, 6, 7, 8], ATOMS):
        force.addAtom(system.addParticle(1), int(element))
    system.addForce(force)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform, properties)
    context.setPositions(0.17*lattice + random.uniform(-0.02, 0.02, (ATOMS, 3)))
    state = context.getState(energy=True, forces=True)
    return state.getPotentialEnergy()._value, state.getForces(asNumpy=True)._value


def skipWithout(name, properties):
    """Skip where OpenMM has no such device, or this installation no plugin for it."""
    system = openmm.System()
    for _ in range(2):
        system.addParticle(1)
    try:
        platform = openmm.Platform.getPlatformByName(name)
        openmm.Context(system, openmm.VerletIntegrator(0.001), platform, properties)
        if not platform.supportsKernels([KERNEL]):
            pytest.skip(f"MLFFForce is not available on {name}")
    except openmm.OpenMMException as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", ["CPU", "OpenCL", "CUDA"])
@pytest.mark.parametrize("kind", [{"context": True, "update": "channel"},
                                  {"context": False, "update": "spatial"}])
def test_wide_model(tmp_path, name, kind):
    path = tmp_path/"wide.safetensors"
    models._writeRandom(path, {**FORM, **kind})
    properties = {} if name == "CPU" else {"Precision": "double"}
    if name != "CPU":
        skipWithout(name, properties)
    platform = openmm.Platform.getPlatformByName(name)
    energy, forces = evaluate(path, openmm.Platform.getPlatformByName("Reference"), {})
    found, found_forces = evaluate(path, platform, properties)
    largest = np.abs(forces).max()
    assert largest > 10
    # eV an atom and of the largest force: CPU computes in single precision
    energy_tolerance, force_tolerance = (2e-6, 2e-5) if name == "CPU" else (1e-9, 1e-9)
    assert found == pytest.approx(energy, abs=96.5*ATOMS*energy_tolerance)
    assert np.abs(found_forces - forces).max() < force_tolerance*largest
