"""The periodic box of a Topology, boxes that cannot be meant, createSystem()."""
import io
import json
import subprocess
import sys

import numpy as np
import openmm
import pytest
from conftest import EXAMPLES
from openmm import app, unit
from openmmmlff import MLFFForce, createSystem

PLATFORMS = ("Reference", "CPU")
METHANOL = [("C", -0.0503, 0.6685, 0), ("O", -0.0503, -0.7585, 0), ("H", -1.0807, 1.0417, 0),
            ("H", 0.4650, 1.0417, 0.8924), ("H", 0.4650, 1.0417, -0.8924),
            ("H", 0.8544, -1.0417, 0)]     # angstrom


def pdb(cryst=None):
    """Methanol around (15, 15, 15) A, with a CRYST1 record of these edges."""
    lines = []
    if cryst is not None:
        lines.append("CRYST1{:9.3f}{:9.3f}{:9.3f}  90.00  90.00  90.00 P 1           1".format(*cryst))
    for i, (symbol, *x) in enumerate(METHANOL):
        x = np.array(x) + 15
        lines.append(f"HETATM{i+1:5d} {symbol + str(i):<4s} MOH A   1    {x[0]:8.3f}{x[1]:8.3f}"
                     f"{x[2]:8.3f}  1.00  0.00          {symbol:>2s}")
    lines += [f"CONECT{a:5d}{b:5d}" for a, b in ((1, 2), (1, 3), (1, 4), (1, 5), (2, 6))]
    return app.PDBFile(io.StringIO("\n".join([*lines, "END", ""])))


def byHand(topology, **kwargs):
    """A System whose box nobody sets."""
    system = openmm.System()
    for atom in topology.atoms():
        system.addParticle(atom.element.mass)
    force = MLFFForce.fromTopology("painn-hcno", topology, **kwargs)
    system.addForce(force)
    return system, force


def contextOf(system, positions, platform="Reference"):
    context = openmm.Context(system, openmm.VerletIntegrator(0.0001),
                             openmm.Platform.getPlatformByName(platform))
    context.setPositions(positions)
    return context


def energy(context):
    return context.getState(energy=True).getPotentialEnergy()._value


# ------------------------------------------------------------------ createSystem
def test_create_system():
    file = pdb((30, 31, 32))
    system = createSystem(file.topology, "painn-hcno")
    assert system.getNumParticles() == 6
    assert [system.getParticleMass(i) for i in range(6)] == \
        [a.element.mass for a in file.topology.atoms()]
    box = np.array([[x for x in v.value_in_unit(unit.nanometer)]
                    for v in system.getDefaultPeriodicBoxVectors()])
    assert box == pytest.approx(np.diag([3.0, 3.1, 3.2]))
    force = MLFFForce.cast(system.getForce(0))
    assert force.usesPeriodicBoundaryConditions() and force.getNumBonds() == 5
    assert isinstance(system.getForce(1), openmm.CMMotionRemover) and system.getNumForces() == 2
    assert system.getNumConstraints() == 0
    # the molecule reaches no image: as in vacuum
    alone = createSystem(pdb().topology, "painn-hcno", removeCMMotion=False)
    assert alone.getNumForces() == 1
    assert energy(contextOf(system, file.positions)) == pytest.approx(
        energy(contextOf(alone, file.positions)), abs=1e-6)


def test_create_system_passes_its_arguments_on():
    from conftest import DATA
    model = DATA/"aimnet2"/"published-4x4.safetensors"
    file = pdb((30, 30, 30))
    system = createSystem(file.topology, model, charge=1*unit.elementary_charge, periodic=False,
                          coulomb="simple")
    force = MLFFForce.cast(system.getForce(0))
    assert force.getRegionParameters(0) == (1*unit.elementary_charge, 1)
    assert force.getCoulombMethod() == MLFFForce.Simple
    assert not force.usesPeriodicBoundaryConditions()
    with pytest.raises(TypeError, match="topology, model"):
        createSystem("painn-hcno", file.topology)
    with pytest.raises(ValueError, match="has no box"):
        createSystem(pdb().topology, "painn-hcno", periodic=True)


def test_liquid_in_its_own_box():
    """The same liquid by createSystem() and by hand, in a box that OpenMM's default is not."""
    forceField = app.ForceField("amber14/spce.xml")
    modeller = app.Modeller(app.Topology(), [])
    modeller.addSolvent(forceField, model="spce", boxSize=openmm.Vec3(1.3, 1.3, 1.3)*unit.nanometer)
    topology, positions = modeller.topology, modeller.positions
    expected, _ = byHand(topology)
    expected.setDefaultPeriodicBoxVectors(*topology.getPeriodicBoxVectors())
    value = energy(contextOf(expected, positions))
    assert energy(contextOf(createSystem(topology, "painn-hcno"), positions)) == value
    forgotten, force = byHand(topology)
    context = contextOf(forgotten, positions)
    for question in (lambda: energy(context), lambda: context.getIntegrator().step(1),
                     lambda: force.getEnergyComponents(context)):
        with pytest.raises(openmm.OpenMMException,
                           match=r"default box of 2 x 2 x 2 nm.*box of 1\.3 x 1\.3 x 1\.3 nm.*"
                                 r"setDefaultPeriodicBoxVectors.*createSystem"):
            question()
    context.setPeriodicBoxVectors(*topology.getPeriodicBoxVectors())
    assert energy(context) == value


# ------------------------------------------------------------------ the Topology's box
@pytest.mark.parametrize("platform", PLATFORMS)
def test_forgotten_box(platform):
    file = pdb((30, 30, 30))
    system, force = byHand(file.topology)
    vectors = force.getIntendedBoxVectors()
    assert vectors.unit == unit.nanometer
    assert np.array([[x for x in v] for v in vectors._value]) == pytest.approx(3*np.eye(3))
    context = contextOf(system, file.positions, platform)
    with pytest.raises(openmm.OpenMMException, match="made for a box of 3 x 3 x 3 nm"):
        energy(context)
    context.setPeriodicBoxVectors(*4*np.eye(3))     # another one is fine
    assert np.isfinite(energy(context))
    context.setPeriodicBoxVectors(*2*np.eye(3))     # it has been set
    assert np.isfinite(energy(context))


def test_default_box_that_is_meant():
    file = pdb((20, 20, 20))
    system, force = byHand(file.topology)
    assert np.isfinite(energy(contextOf(system, file.positions)))
    file = pdb((30, 30, 30))
    system, force = byHand(file.topology)
    force.setCheckGeometry(False)
    assert np.isfinite(energy(contextOf(system, file.positions)))
    system, force = byHand(file.topology, periodic=False)
    assert force.getIntendedBoxVectors() is None
    assert np.isfinite(energy(contextOf(system, file.positions)))


def test_intended_box_survives_copies():
    _, force = byHand(pdb((30, 31, 32)).topology)
    for copy in (force.__copy__(), openmm.XmlSerializer.clone(force)):
        vectors = MLFFForce.cast(copy).getIntendedBoxVectors()
        assert vectors == force.getIntendedBoxVectors() and vectors is not None
    force.setIntendedBoxVectors([10, 0, 0]*unit.angstrom, openmm.Vec3(0, 2, 0), (0, 0, 3))
    assert [v[k] for k, v in enumerate(force.getIntendedBoxVectors()._value)] == [1, 2, 3]


@pytest.mark.parametrize("edges", [(1, 1, 1), (1e-3, 10, 10)])
def test_topology_with_a_dummy_box(edges):
    topology = pdb((1, 1, 1)).topology
    topology.setPeriodicBoxVectors(0.1*np.diag(edges))
    if edges == (1, 1, 1):
        for make in (lambda: MLFFForce.fromTopology("painn-hcno", topology),
                     lambda: createSystem(topology, "painn-hcno")):
            with pytest.raises(ValueError, match=r"dummy CRYST1.*setPeriodicBoxVectors.*"
                                                 r"periodic=False"):
                make()
    else:  # refused as soon as it is used
        with pytest.raises(openmm.OpenMMException, match="0.001 A from its own periodic image"):
            energy(contextOf(createSystem(topology, "painn-hcno"), pdb().positions))
    system = createSystem(topology, "painn-hcno", periodic=False)
    assert energy(contextOf(system, pdb().positions)) == pytest.approx(
        energy(contextOf(createSystem(pdb().topology, "painn-hcno"), pdb().positions)), abs=1e-9)


@pytest.mark.parametrize("box", [1e-120*np.eye(3), np.diag([1, np.nan, 1]), np.diag([1, 1, np.inf])])
def test_topology_with_no_volume(box):
    topology = pdb().topology
    topology.setPeriodicBoxVectors(box)
    with pytest.raises(ValueError, match="volume"):
        MLFFForce.fromTopology("painn-hcno", topology)
    assert createSystem(topology, "painn-hcno", periodic=False).getNumParticles() == 6


# ------------------------------------------------------------------ the command
def write(path, edges, atoms=METHANOL):
    lattice = " ".join(f"{x:g}" for x in np.diag(edges).ravel())
    rows = [" ".join(map(str, a)) for a in atoms]
    path.write_text(f"{len(rows)}\nLattice=\"{lattice}\"\n" + "\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("edges, message", [
    ((0.01, 0.01, 0.01), "only 0.01 A from"), ((0.1, 0.1, 0.1), "only 0.1 A from"),
    ((1e-100, 1e-100, 1e-100), "only 1e-100 A from"), ((1e-120, 1e-120, 1e-120), "volume"),
    ((10, 10, 0.01), "only 0.01 A from"), ((1, 1, 1), "dummy CRYST1"),
    ((1.1, 1.1, 4), "A^3 per atom")])
def test_evaluate_refuses(command, tmp_path, platform, edges, message):
    path = write(tmp_path/"x.xyz", edges)
    status, out, err = command("evaluate", "painn-hcno", path, "--platform", platform)
    assert status == 1 and message in err and "frame 1" in err


def test_evaluate_insisted(command, tmp_path):
    path = write(tmp_path/"x.xyz", (1.1, 9, 9), METHANOL[:1])
    flat = write(tmp_path/"flat.xyz", (0.9, 9, 9), METHANOL[:1])
    status, out, err = command("evaluate", "painn-hcno", path, "--json", "-")
    assert status == 0, err
    status, out, err = command("evaluate", "painn-hcno", flat, "--json", "-")
    assert status == 1 and "--no-geometry-check" in err
    status, out, err = command("evaluate", "painn-hcno", flat, "--no-geometry-check", "--json", "-")
    assert status == 0 and np.isfinite(json.loads(out)[0]["energy"]), err
    tiny = write(tmp_path/"tiny.xyz", (1e-3, 1e-3, 1e-3))
    status, out, err = command("evaluate", "painn-hcno", tiny, "--no-geometry-check")
    assert status == 1 and "periodic cells" in err


def test_evaluate_a_cube_of_20_angstrom(command, tmp_path):
    """OpenMM's default box, written in a file on purpose; the first frame or a later one."""
    for name, edges in (("first", [20, 25]), ("later", [25, 20])):
        path = tmp_path/f"{name}.xyz"
        path.write_text("".join(write(tmp_path/"one.xyz", (e, e, e)).read_text() for e in edges))
        status, out, err = command("evaluate", "painn-hcno", path, "--json", "-")
        assert status == 0, err
        a, b = (frame["energy"] for frame in json.loads(out))
        assert a == pytest.approx(b, abs=1e-9)
    status, out, err = command("compare", "painn-hcno", path, "--platforms", "Reference", "CPU")
    assert status == 0, err


# ------------------------------------------------------------------ memory
LIMITED = """
import resource, sys
import numpy as np, openmm
from openmmmlff import MLFFForce
platform, insist = sys.argv[1], sys.argv[2] == "True"
system, force = openmm.System(), MLFFForce("painn-hcno")
if insist:
    force.setCheckGeometry(False)
x = []
for c in np.ndindex(2, 2, 2):
    for z, w in zip((8, 1, 1), ((0, 0, .0119), (0, .0763, -.0477), (0, -.0763, -.0477))):
        force.addAtom(system.addParticle(1.0), z)
        x.append(np.array(w) + 0.31*(np.array(c) + 0.5))
force.setUsesPeriodicBoundaryConditions(True)
system.setDefaultPeriodicBoxVectors(*0.62*np.eye(3))
system.addForce(force)
context = openmm.Context(system, openmm.VerletIntegrator(0.001),
                         openmm.Platform.getPlatformByName(platform))
context.setPositions(x)
energy = lambda: context.getState(energy=True).getPotentialEnergy()._value
before = energy()
used = int(open("/proc/self/statm").read().split()[0])*resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 200*2**20,)*2)
for edges in ([1e-3]*3, [1e-2]*3, [2e-2]*3, [0.62, 0.62, 1e-4], [1e-3, 0.62, 1e-3], [1e-100]*3):
    context.setPeriodicBoxVectors(*np.diag(edges))
    try:
        print("computed", edges, energy())
    except openmm.OpenMMException as error:
        print("refused" if "box" in str(error) or "cell" in str(error) else f"odd: {error}")
context.setPeriodicBoxVectors(*0.62*np.eye(3))
print("same" if abs(energy() - before) < 1e-6*abs(before) else "changed")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc and RLIMIT_AS")
@pytest.mark.parametrize("insist", [False, True])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_memory_of_tiny_boxes(platform, insist):
    """Boxes far smaller than the cutoff, with 200 MB to spare."""
    done = subprocess.run([sys.executable, "-c", LIMITED, platform, str(insist)],
                          capture_output=True, text=True, timeout=60, cwd=EXAMPLES)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n") == 6*["refused"] + ["same", ""]
