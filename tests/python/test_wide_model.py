"""PaiNN with more features than a device has local memory for: node kernels then take their inputs
from scratch memory, and the atoms are more than the blocks that run at a time. Against Reference."""

import json

import numpy as np
import openmm
import pytest
from openmmmlff import MLFFForce
from openmmmlff.convert import safetensors_file

FEATURES, ATOMS = 300, 150
FORM = {"format": "mlff-painn-1", "n_features": FEATURES, "n_layers": 2, "n_rbf": 8, "cutoff": 4.0,
        "n_z": 9, "rbf": "bessel", "cutoff_fn": "cosine", "envelope_on": "filter",
        "filter_layers": 1, "shared_filters": False, "shared_interactions": False,
        "norm_eps": 1e-8, "dir_eps": 0.0, "readout": [FEATURES, 20, 1], "energy_shift": 0.0,
        "energy_scale": 1.0, "energy_unit": "eV", "length_unit": "angstrom"}


def writeModel(path, form):
    """Random weights; form: config, with context and update."""
    random = np.random.default_rng(5)
    f, k = form["n_features"], form["n_rbf"]
    tensors = {"embedding": random.uniform(-1, 1, (form["n_z"], f)),
               "rbf.freq": np.pi/form["cutoff"]*np.arange(1, k + 1)}

    def linear(name, n, n_in, n_out):
        tensors[f"{name}.w{n}"] = random.uniform(-1, 1, (n_out, n_in))*np.sqrt(3/n_in)
        tensors[f"{name}.b{n}"] = random.uniform(-0.3, 0.3, n_out)

    for layer in (f"layer.{l}" for l in range(form["n_layers"])):
        linear(f"{layer}.filter", 0, k, 3*f)
        if form["context"]:
            linear(f"{layer}.ctx", 0, f, f)
            linear(f"{layer}.ctx", 1, f, 3*f)
        mix = {"m": (3, 3)} if form["update"] == "spatial" else {"v": (f, f), "w": (f, f)}
        for name, shape in mix.items():
            tensors[f"{layer}.mix.{name}"] = random.uniform(-1, 1, shape)/np.sqrt(shape[0])
        linear(f"{layer}.upd", 0, 2*f, f)
        linear(f"{layer}.upd", 1, f, 3*f)
    for n, (n_in, n_out) in enumerate(zip(form["readout"], form["readout"][1:])):
        tensors[f"readout.{n}.w"] = random.uniform(-1, 1, (n_out, n_in))/np.sqrt(n_in)
        tensors[f"readout.{n}.b"] = random.uniform(-0.3, 0.3, n_out)
    tensors = {name: value.astype(np.float64 if name.startswith("rbf") else np.float32)
               for name, value in tensors.items()}
    safetensors_file.write(path, tensors, {"config": json.dumps(form)})


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
    """Skip where OpenMM has no such device."""
    system = openmm.System()
    for _ in range(2):
        system.addParticle(1)
    try:
        openmm.Context(system, openmm.VerletIntegrator(0.001),
                       openmm.Platform.getPlatformByName(name), properties)
    except openmm.OpenMMException as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", ["CPU", "OpenCL", "CUDA"])
@pytest.mark.parametrize("kind", [{"context": True, "update": "channel"},
                                  {"context": False, "update": "spatial"}])
def test_wide_model(tmp_path, name, kind):
    path = tmp_path/"wide.safetensors"
    writeModel(path, {**FORM, **kind})
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
