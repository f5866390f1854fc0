"""Every golden value through `openmm-mlff evaluate`, on every platform and precision of the host.

A file holds all frames of a model, molecules and boxes in turns, the first again at its end: what
a Context was made for must not reach the next frame.
"""
import json

import numpy as np
import openmm
import pytest
from conftest import DATA, goldenFiles, readGolden
from openmmmlff import MLFFForce, cli
from openmmmlff.evaluate import KERNEL
from test_aimnet2 import fits, xyz

PLATFORMS = [("Reference", "double"), ("CPU", None), ("OpenCL", "single"), ("OpenCL", "double")]


def available(name):
    """Whether the platform is here, with our plugin and a device."""
    names = [openmm.Platform.getPlatform(i).getName()
             for i in range(openmm.Platform.getNumPlatforms())]
    if name not in names:
        return False
    platform = openmm.Platform.getPlatformByName(name)
    if not platform.supportsKernels([KERNEL]):
        return False
    system = openmm.System()
    for _ in range(2):
        system.addParticle(1.0)
    try:
        openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    except openmm.OpenMMException:
        return False
    return True


@pytest.fixture(params=PLATFORMS, ids=lambda p: "-".join(filter(None, p)))
def platform(request):
    name, precision = request.param
    if not available(name):
        pytest.skip(f"{name}: no such platform, no plugin for it, or no device")
    return name, precision


def evaluate(folder, platform, model, frames, *options):
    """The results of the command, which must succeed."""
    name, precision = platform
    (folder/"f.xyz").write_text("".join(frames))
    arguments = ["evaluate", str(model), str(folder/"f.xyz"), "--json", str(folder/"out.json"),
                 "--platform", name, *options]
    if precision:
        arguments += ["--precision", precision]
    assert cli.main(arguments) == 0
    results = json.loads((folder/"out.json").read_text())
    assert len(results) == len(frames)
    return results


def check(result, energy, forces, elements=0.0, charges=None):
    """By the project's tolerances; elements: the part of the energy that is constant, eV."""
    forces = np.array(forces)
    largest = np.abs(forces).max()
    tolerance = {("Reference", "double"): (1e-8, 1e-8, 1e-9),
                 ("OpenCL", "double"): (1e-7, 1e-7, 1e-8)}.get(
        (result["platform"], result["precision"]),
        (2e-6*len(forces), max(2e-5, 2e-5*largest), 5e-6))
    # element constants, which are exact in double, make up most of a large energy
    assert abs(result["energy"] - energy) < tolerance[0] + 3e-15*max(abs(energy), abs(elements))
    assert np.abs(np.array(result["forces"]) - forces).max() < tolerance[1]
    if charges is not None:
        assert np.abs(np.array(result["charges"]) - charges).max() < tolerance[2]


def painnModels():
    """The golden files of PaiNN by model."""
    found = {}
    for path in goldenFiles(DATA/"painn"):
        found.setdefault(path.name.split(".")[0], []).append(path)
    return found


@pytest.mark.parametrize("name", painnModels())
def test_painn(tmp_path, platform, name):
    goldens = [readGolden(path) for path in painnModels()[name]]
    goldens.sort(key=lambda g: g.cell is None)
    goldens.append(goldens[0])
    results = evaluate(tmp_path, platform, goldens[0].model, [g.xyz() for g in goldens])
    for golden, result in zip(goldens, results, strict=True):
        check(result, golden.energy, golden.forces)


@pytest.mark.parametrize("name", ["poly5-7x2", "shared-interactions-8x3"])
def test_a_box_that_must_be_turned(tmp_path, platform, name):
    """Rotated, unreduced and left-handed cells between molecules: forces come back turned."""
    box = readGolden(DATA/"painn"/f"{name}.box_triclinic.txt")
    molecule = readGolden(DATA/"painn"/f"{name}.formamide.txt")
    assert MLFFForce(box.model)._isRotationInvariant()
    rotation, _ = np.linalg.qr(np.random.default_rng(11).normal(size=(3, 3)))
    rotation *= np.linalg.det(rotation)
    x = np.array(box.coordinates, dtype=float) @ rotation.T
    box.coordinates = [[repr(v) for v in row] for row in x.tolist()]
    box.forces = box.forces @ rotation.T
    a, b, c = box.cell @ rotation.T
    frames, expected = [], []
    for cell in ((a, b, c), (b, a, c - 2*a), (-a, b + c, c)):
        box.cell = np.array(cell)
        frames += [box.xyz(), molecule.xyz()]
        expected += [box, molecule]
    for golden, result in zip(expected, evaluate(tmp_path, platform, box.model, frames),
                              strict=True):
        check(result, golden.energy, golden.forces)


def aimnet2Files():
    """(model, Coulomb method, [(system, values)]) of what evaluate can express."""
    for path in sorted((DATA/"aimnet2").glob("*.json")):
        found = {}
        for system in filter(fits, json.loads(path.read_text())["systems"]):
            for values in system["methods"]:
                if not any("cutoff" in key for key in values):
                    key = values["coulomb"], values.get("dispersion", True)
                    found.setdefault(key, []).append((system, values))
        for (method, dispersion), systems in found.items():
            yield pytest.param(path.with_suffix(".safetensors"), method, dispersion, systems,
                               id=f"{path.stem}-{method}" + ("" if dispersion else "-no-d3"))


@pytest.mark.parametrize("model, method, dispersion, systems", list(aimnet2Files()))
def test_aimnet2(tmp_path, platform, model, method, dispersion, systems):
    frames = [xyz(s["numbers"], s["coord"], s["cell"], s["total_charge"][0], s["multiplicity"][0])
              for s, _ in systems]
    # an option that has no effect is refused
    force = MLFFForce(model)
    options = ["--no-electron-check"]   # the networks are random: any number of electrons will do
    options += ["--coulomb", method] if force._hasCoulomb() else []
    options += ["--no-dispersion"] if force._hasDispersion() and not dispersion else []
    results = evaluate(tmp_path, platform, model, [*frames, frames[0]], *options)
    for (_, values), result in zip([*systems, systems[0]], results, strict=True):
        parts = values["components"]
        check(result, sum(parts[name] for name in ("network", "elements", "coulomb_short",
                                                   "coulomb_full", "dispersion")),
              values["forces"], parts["elements"], values["charges"])
