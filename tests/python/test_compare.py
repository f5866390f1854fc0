"""The command openmm-mlff compare. Platforms other than Reference and CPU may be there or not."""
import importlib.util
import json
import os
import re
from dataclasses import replace

import numpy as np
import openmm
import pytest
from conftest import DATA, EXAMPLES, readGolden
from openmm import app, unit
from openmmmlff import MLFFForce, cli, createMixedSystem, modelInfo
from openmmmlff.compare import contend, figures, inputs
from openmmmlff.convert import safetensors_file
from openmmmlff.evaluate import Evaluator
from openmmmlff.extxyz import readFrames
from openmmmlff.models import modelPath

WATER = "3\nwater\nO 0 0 0.119\nH 0 0.763 -0.477\nH 0 -0.763 -0.477\n"
BENT = "3\nbent\nO 0 0.1 0.1\nH 0.1 0.763 -0.577\nH 0 -0.85 -0.477\n"
AIMNET2 = DATA/"aimnet2"/"published-4x4.safetensors"
CPU = ["--platforms", "Reference", "CPU"]
EV = 96.48533212331002  # kJ/mol


def contenderOf(result, platform):
    return next(c for c in result["contenders"] if c["platform"] == platform)


def energyAndForces(system, positions, platform, groups=-1):
    """eV and eV/angstrom, by a Context of our own."""
    context = openmm.Context(system, openmm.VerletIntegrator(0.001),
                             openmm.Platform.getPlatformByName(platform))
    context.setPositions(positions)
    state = context.getState(energy=True, forces=True, groups=groups)
    return (state.getPotentialEnergy()._value/EV,
            state.getForces(asNumpy=True)._value*(0.1/EV))


def checkFigures(found, base, result, atoms=slice(None)):
    """The figures of a frame against (energy, forces) of base and contender.

    The energy of the CPU platform may be another one in another process: thread by thread.
    """
    (e0, f0), (e1, f1) = base, result
    assert found["energy_base"] == pytest.approx(e0, abs=1e-10, rel=1e-14)
    assert found["energy"] == pytest.approx(e1, abs=1e-10, rel=1e-14)
    assert found["energy_difference"] == abs(found["energy"] - found["energy_base"])
    assert found["energy_difference_per_atom"] == found["energy_difference"]/found["atoms"]
    difference = np.linalg.norm(np.array(f1) - f0, axis=1)[atoms]
    largest = np.linalg.norm(f0, axis=1)[atoms].max()
    assert found["force_largest"] == pytest.approx(largest)
    assert found["force_max"] == pytest.approx(difference.max(), abs=1e-12)
    assert found["force_median"] == pytest.approx(np.median(difference), abs=1e-12)
    assert found["force_rms"] == pytest.approx(np.sqrt(np.mean(difference**2)), abs=1e-12)
    assert found["force_relative"] == pytest.approx(difference.max()/largest, abs=1e-12)
    worst = found["worst_atom"]
    assert worst["force_base"] == pytest.approx(f0[worst["index"]], abs=1e-10)
    assert np.linalg.norm(np.array(worst["force"]) - worst["force_base"]) == pytest.approx(
        difference.max(), abs=1e-12)


# ------------------------------------------------------------------ a model and a structure
def test_figures_against_evaluate(command, tmp_path):
    """Molecules and a box, by a model with charges: each figure from evaluate's own results."""
    box = BENT.replace("bent", 'Lattice="6 0 0 1 6.5 0 0.5 -1 7"')
    (tmp_path/"f.xyz").write_text(WATER + BENT + box)
    plot = ["--plot", "c.png"] if importlib.util.find_spec("matplotlib") else []
    status, out, err = command("compare", AIMNET2, "f.xyz", "--json", "c.json", *CPU, *plot)
    assert (status, err) == (0, ""), err
    result = json.loads((tmp_path/"c.json").read_text())
    assert result["format"] == "mlff-compare-1" and result["steps"] == 0
    assert result["base"]["platform"] == "Reference" and result["failed_frames"] == []
    assert result["models"][0]["sha256"] == modelInfo(AIMNET2)["sha256"]
    cpu, = result["contenders"]
    assert (cpu["platform"], cpu["precision"], cpu["status"]) == ("CPU", "single", "ok")
    for frame, record in zip(readFrames(tmp_path/"f.xyz"), cpu["frames"], strict=True):
        base, other = (Evaluator([str(AIMNET2)], platform=name).evaluate(frame)
                       for name in ("Reference", "CPU"))
        found = record["mlff"]
        assert record["frame"] == frame.index and found["atoms"] == 3
        checkFigures(found, *((r["energy"], r["forces"]) for r in (base, other)))
        assert found["charge_max"] == pytest.approx(
            np.abs(np.subtract(base["charges"], other["charges"])).max(), abs=1e-12)
        for name, value in base["components"].items():
            term = found["components"][name]
            assert term["base"] == pytest.approx(value, abs=1e-10, rel=1e-14)
            assert term["value"] == pytest.approx(other["components"][name], abs=1e-10, rel=1e-14)
        assert found["tolerances"] == {
            "energy": pytest.approx(6e-6), "charge": 5e-6,
            "force": pytest.approx(max(2e-5, 2e-5*found["force_largest"]))}
        assert found["worst_atom"]["element"] == "OHH"[found["worst_atom"]["index"]]
    for key, value in cpu["worst"]["mlff"].items():
        if key not in ("worst_atom", "beyond"):
            assert value == max(r["mlff"][key] for r in cpu["frames"])
    lines = out.splitlines()
    assert max(map(len, lines)) <= 100
    line, = (line for line in lines if line.startswith("CPU"))
    assert line.split()[1] == "single" and line.endswith(" ok")
    assert float(line.split()[6]) == float(f"{cpu['worst']['mlff']['force_max']:.1e}")
    if plot:
        assert (tmp_path/"c.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_json_alone_on_stdout(command, tmp_path):
    """All platforms that are here, whatever their drivers print."""
    (tmp_path/"f.xyz").write_text(WATER)
    status, out, err = command("compare", "painn-hcno", "f.xyz", "--json", "-")
    result = json.loads(out)
    assert contenderOf(result, "CPU")["status"] == "ok"
    found = {c["platform"] for c in result["contenders"]}
    assert {"CPU", "OpenCL", "CUDA"} <= found
    for contender in result["contenders"]:
        if contender["status"] == "unavailable":
            assert contender["message"] and not contender["asked"]
    assert status == any(c["status"] in ("failed", "beyond") for c in result["contenders"])


def test_a_system_that_openmm_wants_turned(command, tmp_path):
    """Against the values of the independent code, in the box of the file and in a turned one."""
    golden = readGolden(DATA/"painn"/"schnet-16x3.small_cell.txt")
    text = golden.xyz()
    golden.cell = golden.cell[[1, 2, 0]]
    (tmp_path/"f.xyz").write_text(text + golden.xyz())
    status, out, err = command("compare", golden.model, "f.xyz", *CPU, "--json", "-")
    assert status == 0, err
    frames = contenderOf(json.loads(out), "CPU")["frames"]
    assert len(frames) == 2
    for record in frames:
        assert record["mlff"]["energy_base"] == pytest.approx(golden.energy, abs=1e-8)
        assert record["mlff"]["force_largest"] == pytest.approx(
            np.linalg.norm(golden.forces, axis=1).max(), abs=1e-8)


def test_frames(command, tmp_path):
    (tmp_path/"f.xyz").write_text(WATER + BENT + WATER + BENT)
    status, out, _ = command("compare", "painn-hcno", "f.xyz", *CPU, "--frames", "1,3-4", "--json",
                             "-")
    result = json.loads(out)
    assert status == 0 and [f["frame"] for f in result["frames"]] == [1, 3, 4]
    first, second, third = (r["mlff"] for r in contenderOf(result, "CPU")["frames"])
    assert first["energy_base"] == second["energy_base"] != third["energy_base"]
    status, _, err = command("compare", "painn-hcno", "f.xyz", *CPU, "--frames", "2,9")
    assert status == 1 and "no frame 9" in err and len(err.splitlines()) == 1


def test_charge_and_coulomb_reach_the_force(command, tmp_path):
    (tmp_path/"f.xyz").write_text(BENT)
    frame, = readFrames(tmp_path/"f.xyz")
    for options, evaluator in (
            (["--charge", -2], Evaluator([str(AIMNET2)], charge=-2)),
            (["--coulomb", "none"], Evaluator([str(AIMNET2)], coulomb="none")),
            (["--no-dispersion"], Evaluator([str(AIMNET2)], dispersion=False)), ):
        status, out, err = command("compare", AIMNET2, "f.xyz", *CPU, *options, "--json", "-")
        assert status == 0, err
        found = contenderOf(json.loads(out), "CPU")["frames"][0]["mlff"]
        assert found["energy_base"] == pytest.approx(evaluator.evaluate(frame)["energy"], abs=1e-9)
    assert found["components"]["dispersion"]["base"] == 0


def test_steps(command, tmp_path):
    """The positions that are compared are those after the steps, and the platform's own."""
    (tmp_path/"f.xyz").write_text(WATER + BENT)
    found = {}
    for steps in (0, 40):
        status, out, err = command("compare", "painn-hcno", "f.xyz", *CPU, "--steps", steps,
                                   "--json", "-")
        assert status == 0, err
        result = json.loads(out)
        assert result["steps"] == steps
        found[steps] = [r["mlff"] for r in contenderOf(result, "CPU")["frames"]]
    for before, after in zip(found[0], found[40], strict=True):
        assert abs(after["energy_base"] - before["energy_base"]) > 1e-4
        assert after["energy_difference"] < 6e-6 and after["force_max"] < 2e-4


# ------------------------------------------------------------------ a System
@pytest.fixture(scope="module")
def solution(tmp_path_factory):
    """Folder with a peptide by PaiNN, a water by AIMNet2, the rest a force field: XML, PDB, State.

    The forces' groups are mixed up on purpose.
    """
    folder = tmp_path_factory.mktemp("solution")
    peptide = app.PDBFile(str(EXAMPLES/"alanine_dipeptide.pdb"))
    modeller = app.Modeller(peptide.topology, peptide.positions)
    field = app.ForceField("amber14-all.xml", "amber14/tip3p.xml")
    modeller.addSolvent(field, model="tip3p", boxSize=openmm.Vec3(1.9, 1.9, 1.9)*unit.nanometer)
    system = field.createSystem(modeller.topology, nonbondedMethod=app.PME,
                                nonbondedCutoff=0.9*unit.nanometer, rigidWater=True)
    water = [a.index for r in modeller.topology.residues() if r.name == "HOH" for a in r.atoms()]
    system = createMixedSystem(modeller.topology, system, range(22), "painn-hcno", forceGroup=3)
    system = createMixedSystem(modeller.topology, system, water[:3], AIMNET2, forceGroup=0)
    (folder/"system.xml").write_text(openmm.XmlSerializer.serialize(system))
    with open(folder/"start.pdb", "w", encoding="utf-8") as file:
        app.PDBFile.writeFile(modeller.topology, modeller.positions, file)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001),
                             openmm.Platform.getPlatformByName("CPU"))
    context.setPositions(modeller.positions)
    state = context.getState(positions=True)
    (folder/"state.xml").write_text(openmm.XmlSerializer.serialize(state))
    return folder, water[:3]


def test_system(command, solution):
    """The MLFFForces' part and the whole against Contexts made here."""
    folder, water = solution
    status, out, err = command("compare", folder/"system.xml", "--positions", folder/"state.xml",
                               *CPU, "--whole", "--json", "-")
    assert status == 0, err
    result = json.loads(out)
    assert result["parts"] == ["mlff", "whole"]
    assert [m["architecture"] for m in result["models"]] == ["PaiNN", "AIMNet2"]
    frame, = contenderOf(result, "CPU")["frames"]
    system = openmm.XmlSerializer.deserialize((folder/"system.xml").read_text())
    positions = openmm.XmlSerializer.deserialize((folder/"state.xml").read_text()).getPositions()
    whole = [energyAndForces(system, positions, name) for name in ("Reference", "CPU")]
    for force in system.getForces():
        force.setForceGroup(7 if MLFFForce.isinstance(force) else 2)
    ml = [energyAndForces(system, positions, name, {7}) for name in ("Reference", "CPU")]
    assert frame["mlff"]["atoms"] == 25 and frame["whole"]["atoms"] == system.getNumParticles()
    checkFigures(frame["mlff"], *ml, atoms=[*range(22), *water])
    assert frame["mlff"]["charge_max"] < 5e-6 and "charge_max" not in frame["whole"]
    # OpenMM's own sums over threads are not the same bits in every process
    assert frame["whole"]["energy_base"] == pytest.approx(whole[0][0], rel=1e-9)
    assert frame["whole"]["energy"] == pytest.approx(whole[1][0], abs=2e-6*frame["whole"]["atoms"])
    assert frame["whole"]["force_largest"] == pytest.approx(
        np.linalg.norm(whole[0][1], axis=1).max(), rel=1e-6)
    assert abs(frame["whole"]["energy_base"] - frame["mlff"]["energy_base"]) > 1


def test_system_with_steps_and_pdb(command, solution):
    folder, _ = solution
    status, out, err = command("compare", folder/"system.xml", "--positions", folder/"start.pdb",
                               *CPU, "--steps", 5)
    assert status == 0, err
    assert "25 of" in out and "5 steps" in out and max(map(len, out.splitlines())) <= 100


def test_system_with_xyz(command, tmp_path, solution):
    """Frames of a file; one with another element or number of atoms is named."""
    system, force = openmm.System(), MLFFForce("painn-hcno")
    for particle, number in enumerate((8, 1, 1)):
        system.addParticle(1.0)
        force.addAtom(particle, number)
    system.addForce(force)
    (tmp_path/"s.xml").write_text(openmm.XmlSerializer.serialize(system))
    swapped = WATER.replace("O", "X").replace("H", "O", 1).replace("X", "H")
    (tmp_path/"f.xyz").write_text(WATER + swapped + BENT + "1\n\nO 0 0 0\n")
    status, out, err = command("compare", "s.xml", "--positions", "f.xyz", *CPU, "--json", "-")
    result = json.loads(out)
    assert status == 1 and [f["frame"] for f in result["frames"]] == [1, 3]
    two, four = err.splitlines()
    assert "frame 2 (f.xyz:6)" in two and "is H, but O in the System" in two
    assert "frame 4 (f.xyz:16)" in four and "3 particles" in four
    assert [f["frame"] for f in result["failed_frames"]] == [2, 4]
    (tmp_path/"w.xyz").write_text(WATER)
    frame, = readFrames(tmp_path/"w.xyz")
    found = contenderOf(result, "CPU")["frames"][0]["mlff"]
    assert found["energy_base"] == pytest.approx(
        Evaluator(["painn-hcno"]).evaluate(frame)["energy"], abs=1e-9)


def test_a_state_sets_parameters(command, tmp_path):
    """The scale parameter in a State reaches the Context."""
    system, force = openmm.System(), MLFFForce("painn-hcno")
    for particle, number in enumerate((8, 1, 1)):
        system.addParticle(1.0)
        force.addAtom(particle, number)
    force.setScaleParameter("lambda")
    system.addForce(force)
    (tmp_path/"s.xml").write_text(openmm.XmlSerializer.serialize(system))
    context = openmm.Context(system, openmm.VerletIntegrator(0.001),
                             openmm.Platform.getPlatformByName("Reference"))
    context.setPositions([[0, 0, 0.0119], [0, 0.0763, -0.0477], [0, -0.0763, -0.0477]])
    energies = []
    for value in (1.0, 0.25):
        context.setParameter("lambda", value)
        state = context.getState(positions=True, parameters=True)
        (tmp_path/"state.xml").write_text(openmm.XmlSerializer.serialize(state))
        status, out, err = command("compare", "s.xml", "--positions", "state.xml", *CPU, "--json",
                                   "-")
        assert status == 0, err
        energies.append(contenderOf(json.loads(out), "CPU")["frames"][0]["mlff"]["energy_base"])
    assert energies[1] == pytest.approx(0.25*energies[0])


# ------------------------------------------------------------------ beyond the tolerance
def test_beyond(command, tmp_path):
    """Tolerances that rounding in single precision cannot keep: named, status 1."""
    (tmp_path/"f.xyz").write_text(BENT)
    for option, name in (("energy", "energy"), ("force", "force"), ("charge", "charge")):
        status, out, _ = command("compare", AIMNET2, "f.xyz", *CPU, f"--tolerance-{option}", 1e-15,
                                 "--json", "c.json")
        cpu = contenderOf(json.loads((tmp_path/"c.json").read_text()), "CPU")
        assert status == 1 and cpu["status"] == "beyond"
        assert cpu["frames"][0]["mlff"]["beyond"] == [name] == cpu["worst"]["mlff"]["beyond"]
        assert "BEYOND" in out and f"the {name} differs by" in out
    status, out, _ = command("compare", "painn-hcno", "f.xyz", *CPU, "--tolerance-force", 1e-15)
    assert status == 1 and "the force differs by" in out


@pytest.fixture
def changedModel(tmp_path):
    """A model, and the same with its largest matrix multiplied by 1.001."""
    source = DATA/"painn"/"schnet-16x3.safetensors"
    tensors, metadata = safetensors_file.read_arrays(source)
    name = max((n for n in tensors if tensors[n].ndim == 2), key=lambda n: tensors[n].size)
    tensors = {**tensors, name: (1.001*tensors[name]).astype(tensors[name].dtype)}
    safetensors_file.write(tmp_path/"changed.safetensors", tensors, metadata)
    return source, tmp_path/"changed.safetensors"


def test_a_wrong_base(tmp_path, monkeypatch, capsys, changedModel):
    """The Reference process is given the changed model: BEYOND, status 1."""
    model, changed = changedModel
    (tmp_path/"f.xyz").write_text(WATER)
    wrong, = inputs.structureCases(tmp_path/"f.xyz", Evaluator([str(changed)]), None, tmp_path,
                                   None)
    run = contend.run

    def runWrong(contender, cases, *arguments):
        if contender.platform == "Reference":
            cases = [replace(case, system=wrong.system) for case in cases]
        run(contender, cases, *arguments)

    command = ["compare", str(model), str(tmp_path/"f.xyz"), *CPU, "--json", str(tmp_path/"c.json")]
    assert cli.main(command) == 0
    assert "BEYOND" not in capsys.readouterr().out
    monkeypatch.setattr(contend, "run", runWrong)
    assert cli.main(command) == 1
    out = capsys.readouterr().out
    assert "BEYOND" in out and "the force differs by" in out
    cpu = contenderOf(json.loads((tmp_path/"c.json").read_text()), "CPU")
    assert cpu["status"] == "beyond" and "force" in cpu["worst"]["mlff"]["beyond"]
    frame, = readFrames(tmp_path/"f.xyz")
    energies = [Evaluator([str(m)]).evaluate(frame)["energy"] for m in (model, changed)]
    assert cpu["frames"][0]["mlff"]["energy_difference"] == pytest.approx(
        abs(energies[0] - energies[1]), abs=1e-6)


# ------------------------------------------------------------------ symmetric points
def turned(symbols, positions, n):
    """n frames of a molecule, turned at random from the second on."""
    rng = np.random.default_rng(0)
    text = ""
    for k in range(n):
        q = np.linalg.qr(rng.normal(size=(3, 3)))[0] if k else np.eye(3)
        text += f"{len(symbols)}\n\n" + "".join(
            f"{s} {x[0]:.10f} {x[1]:.10f} {x[2]:.10f}\n" for s, x in zip(symbols, positions @ q.T))
    return text


TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])/3**0.5
METHANE = "CHHHH", np.vstack([np.zeros(3), 1.09*TETRAHEDRON])
CARBON_DIOXIDE = "COO", np.array([[0, 0, 0], [0, 0, 1.165], [0, 0, -1.165]])
NEOPENTANE = "C" + "CHHH"*4, np.vstack([np.zeros(3), *(
    np.vstack([1.53*d, 1.53*d - 1.09*np.delete(TETRAHEDRON, k, axis=0)])
    for k, d in enumerate(TETRAHEDRON))])


def test_symmetric_points(command, tmp_path):
    """The vectors of PaiNN vanish on the central atom, where their length is curved within 1e-4
    angstrom: a rounding changes forces by more than the tolerance. The forces are right all the
    same, at positions that differ by less than a rounding."""
    (tmp_path/"f.xyz").write_text("".join(turned(*molecule, 4) for molecule in
                                          (METHANE, CARBON_DIOXIDE, NEOPENTANE)))
    status, out, err = command("compare", "painn-hcno", "f.xyz", *CPU, "--json", "c.json")
    assert status == 0 and err == "" and "BEYOND" not in out
    frames = contenderOf(json.loads((tmp_path/"c.json").read_text()), "CPU")["frames"]
    judged = [f["mlff"] for f in frames if "rounding" in f["mlff"]]
    # figures are not touched, and what was looked for was there
    assert judged and "less than single precision resolves" in out.replace("\n  ", " ")
    for found in judged:
        assert found["force_max"] > found["tolerances"]["force"] == pytest.approx(
            max(2e-5, 2e-5*found["force_largest"]))
        assert found["rounding"]["force_max"] <= found["tolerances"]["force"]
        assert 0 < found["rounding"]["displacement"] <= 3.01e-7
    # one's own tolerance is taken literally
    status, out, _ = command("compare", "painn-hcno", "f.xyz", *CPU, "--tolerance-force", 2e-5)
    assert status == 1 and "BEYOND" in out


@pytest.mark.parametrize("name", ["readout.0.w", "layer.1.filter.w0"])
def test_errors_do_not_hide_at_symmetric_points(tmp_path, monkeypatch, capsys, name):
    """A weight matrix that is off by 1e-4 is beyond the tolerance there too."""
    source = modelPath("painn-hcno")
    tensors, metadata = safetensors_file.read_arrays(source)
    changed = {**tensors, name: (1.0001*tensors[name]).astype(tensors[name].dtype)}
    safetensors_file.write(tmp_path/"changed.safetensors", changed, metadata)
    (tmp_path/"f.xyz").write_text("".join(turned(*molecule, 3) for molecule in
                                          (METHANE, CARBON_DIOXIDE, NEOPENTANE)))
    cases = {}
    for case in inputs.structureCases(tmp_path/"f.xyz",
                                      Evaluator([str(tmp_path/"changed.safetensors")]), None,
                                      tmp_path, None):
        cases[case.index] = case
    run = contend.run

    def runWrong(contender, given, *arguments):
        if contender.platform == "CPU":
            given = [replace(case, system=cases[case.index].system) for case in given]
        run(contender, given, *arguments)

    monkeypatch.setattr(contend, "run", runWrong)
    monkeypatch.setattr("openmmmlff.compare.cli.run", runWrong)
    path = str(tmp_path/"c.json")
    assert cli.main(["compare", "painn-hcno", str(tmp_path/"f.xyz"), *CPU, "--json", path]) == 1
    assert "BEYOND" in capsys.readouterr().out
    with open(path, encoding="utf-8") as file:
        frames = contenderOf(json.load(file), "CPU")["frames"]
    beyond = [f["frame"] for f in frames if "force" in f["mlff"]["beyond"]]
    assert beyond
    for frame in frames:
        if frame["frame"] in beyond:
            assert frame["mlff"]["rounding"]["force_max"] > frame["mlff"]["tolerances"]["force"]


def test_positions_that_explain_a_difference():
    """Two springs: a difference along the stiff one is a tiny displacement, along the soft one
    it is not."""
    from openmmmlff.compare import rounding
    stiff, soft = 1000.0, 1.0

    def forces(x):
        f = np.zeros((3, 3))
        f[0] = -10*np.array([stiff, soft, soft])*x[0]
        f[2] = -10*soft*x[2]
        return f

    x = np.array([[0.1, -0.2, 0.05], [9, 9, 9], [0.3, 0.1, 0.2]])
    atoms = [0, 2]
    derivatives = rounding.slopes([forces(y) for y in rounding.displaced(x, atoms)], atoms)
    expected = np.diag([-stiff, -soft, -soft, -soft, -soft, -soft])
    assert np.abs(derivatives - expected).max() < 1e-3
    for axis, left in ((0, 0), (1, 1e-4)):
        difference = np.zeros((2, 3))
        difference[0, axis] = 1e-4
        y = rounding.nearby(x, atoms, derivatives, difference, 2e-5)
        assert 0 < 10*np.abs(y - x).max() <= rounding.LARGEST and (y[1] == x[1]).all()
        remaining = np.abs(difference - (forces(y) - forces(x))[atoms]).max()
        assert remaining == pytest.approx(left, abs=2e-6)


# ------------------------------------------------------------------ files
def test_no_input_is_overwritten(command, tmp_path):
    """Model, frames, System, positions, and the model files that a System names."""
    model = tmp_path/"m.safetensors"
    model.write_bytes((DATA/"painn"/"schnet-16x3.safetensors").read_bytes())
    (tmp_path/"f.xyz").write_text(WATER)
    system, force = openmm.System(), MLFFForce(model)
    for particle, number in enumerate((8, 1, 1)):
        system.addParticle(1.0)
        force.addAtom(particle, number)
    force.setModelStorage(MLFFForce.Path)
    system.addForce(force)
    (tmp_path/"s.xml").write_text(openmm.XmlSerializer.serialize(system))
    names = ("m.safetensors", "f.xyz", "s.xml")
    before = {name: (tmp_path/name).read_bytes() for name in names}
    structure, serialized = ["m.safetensors", "f.xyz"], ["s.xml", "--positions", "f.xyz"]
    for option in ("--json", "--plot"):
        for arguments, targets in ((structure, names[:2]), (serialized, names)):
            for target in targets:
                status, out, err = command("compare", *arguments, *CPU, option, target)
                assert status == 1 and out == "", (target, err)
                assert "is an input file" in err or option == "--plot" and "ends in .png" in err
    assert {name: (tmp_path/name).read_bytes() for name in names} == before
    status, _, err = command("compare", *structure, *CPU, "--json", "x.png", "--plot", "./x.png")
    assert status == 1 and "are the same file" in err


def test_double_precision_on_both_sides(tmp_path, changedModel):
    """The strict tolerances: nothing between equals, a changed weight is beyond all of them."""
    results = []
    (tmp_path/"f.xyz").write_text(WATER)
    for model in changedModel:
        folder = tmp_path/model.stem
        folder.mkdir()
        case, = inputs.structureCases(tmp_path/"f.xyz", Evaluator([str(model)]), None, folder, None)
        contender = contend.Contender("Reference", "double")
        contend.run(contender, [case], 0, False)
        results += contender.results
    own = figures.Tolerances()
    same, _ = figures.compare("mlff", case.system, results[0], results[0], True, own)
    assert same["beyond"] == [] and same["force_max"] == 0 == same["energy_difference"]
    other, points = figures.compare("mlff", case.system, *results, True, own)
    assert other["beyond"] == ["energy", "force"] and points.shape == (3, 2)


def test_tolerances():
    """Those of the project, and what replaces them."""
    of = figures.Tolerances().of
    assert of(True, 100, 50.0) == {"energy": 1e-7, "force": 1e-7, "charge": 1e-8}
    assert of(False, 100, 50.0) == {"energy": pytest.approx(2e-4), "force": pytest.approx(1e-3),
                                    "charge": 5e-6}
    assert of(False, 1, 0.1)["force"] == 2e-5
    assert of(False, 100, 50.0, isTF32=True) == {
        "energy": pytest.approx(0.1), "force": pytest.approx(0.1), "charge": 1e-3}
    own = figures.Tolerances(energy=1e-3, force=0.5, charge=0.1)
    assert own.of(True, 10, 3.0) == {"energy": pytest.approx(1e-2), "force": 0.5, "charge": 0.1}


# ------------------------------------------------------------------ contenders
def test_base(command, tmp_path):
    """Reference is the base, also where it is not among --platforms. CPU as the base: the same
    figures the other way round; Reference is a contender."""
    (tmp_path/"f.xyz").write_text(WATER)
    found = []
    for base, other, arguments in (("Reference", "CPU", []), ("CPU", "Reference", ["--base", "CPU"])):
        status, out, err = command("compare", "painn-hcno", "f.xyz", "--platforms", other,
                                   *arguments, "--json", "-")
        assert status == 0, err
        result = json.loads(out)
        assert result["base"]["platform"] == base
        assert [c["platform"] for c in result["contenders"]] == [other]
        found.append(contenderOf(result, other)["frames"][0]["mlff"])
    assert found[0]["energy"] == pytest.approx(found[1]["energy_base"], abs=1e-9)
    assert found[0]["force_max"] == pytest.approx(found[1]["force_max"], rel=1e-6)
    # single precision on one side is single precision
    assert found[1]["tolerances"]["force"] >= 2e-5


def test_a_platform_that_is_not_there(command, tmp_path):
    """Asked for by name: named, the others are compared, status 1."""
    (tmp_path/"f.xyz").write_text(WATER)
    status, out, err = command("compare", "painn-hcno", "f.xyz", *CPU, "Abacus", "--json", "c.json")
    assert status == 1 and err == ""
    assert re.search(r"Abacus +not compared: there is no such platform", out)
    result = json.loads((tmp_path/"c.json").read_text())
    assert contenderOf(result, "CPU")["status"] == "ok"
    assert contenderOf(result, "Abacus")["status"] == "unavailable"
    status, _, err = command("compare", "painn-hcno", "f.xyz", "--platforms", "Abacus")
    assert status == 1 and "nothing to compare" in err and "Abacus: there is no such" in err


def test_contenders_of_this_machine():
    """Each platform once, or once a precision."""
    found = contend.findContenders(None, ["single", "double"])
    for i in range(openmm.Platform.getNumPlatforms()):
        platform = openmm.Platform.getPlatform(i)
        own = [c for c in found if c.platform == platform.getName()]
        if not platform.supportsKernels(["CalcMLFFForce"]):
            assert len(own) == 1 and own[0].unavailable.startswith(
                f"MLFFForce is not available on {platform.getName()}: ")
        elif "Precision" in platform.getPropertyNames():
            assert [c.precision for c in own] == ["single", "double"]
        else:
            assert len(own) == 1 and not own[0].choice


def someCases(folder):
    (folder/"f.xyz").write_text(WATER + BENT)
    return inputs.structureCases(folder/"f.xyz", Evaluator(["painn-hcno"]), None, folder, None)


def test_a_context_that_cannot_be_made(tmp_path):
    contender = contend.Contender("Reference", "double", choice=True)  # it has no such property
    contend.run(contender, someCases(tmp_path), 0, False)
    assert "Precision" in contender.unavailable and contender.results == []


def test_matrix_precisions(tmp_path, monkeypatch):
    """A contender for each where CUDA computes in single precision; what cannot be is refused."""
    class Card:
        def supportsKernels(self, names):
            return True

        def getPropertyNames(self):
            return ["Precision"]

    monkeypatch.setattr(contend, "platformNames", lambda: ["OpenCL", "CUDA"])
    monkeypatch.setattr(contend.openmm.Platform, "getPlatformByName", lambda name: Card())
    found = contend.findContenders(["OpenCL", "CUDA"], None, ["Full", "TF32"])
    assert [c.name for c in found] == [
        "OpenCL single", "OpenCL mixed", "OpenCL double", "CUDA single Full", "CUDA single TF32",
        "CUDA mixed Full", "CUDA mixed TF32", "CUDA double"]


def test_a_matrix_precision_that_is_not_there(tmp_path):
    contender = contend.Contender("CPU", "single", matrix="TF32")
    contend.run(contender, someCases(tmp_path), 0, False)
    assert contender.unavailable == "matrix precision TF32: not on this platform"


def test_a_process_that_dies(tmp_path, monkeypatch):
    script = tmp_path/"python"
    script.write_text("#!/bin/sh\necho the driver is gone >&2\nexit 9\n")
    script.chmod(0o755)
    monkeypatch.setattr(contend.sys, "executable", str(script))
    contender = contend.Contender("CPU", "single")
    contend.run(contender, someCases(tmp_path), 0, False)
    assert contender.error == "its process ended with status 9: the driver is gone"
    assert contender.results == [contender.error]*2


def test_a_frame_that_only_one_platform_refuses(tmp_path):
    """The frame after it is evaluated; the base is asked for what it has not seen."""
    cases = someCases(tmp_path)
    bad = inputs.Case(1, "bad", cases[0].system, np.full((3, 3), np.nan))
    contender = contend.Contender("Reference", "double")
    contend.run(contender, [bad, cases[1]], 0, False)
    assert isinstance(contender.results[0], str)
    assert isinstance(contender.results[1], contend.Result)
    base = contend.Base(contend.Contender("CPU", "single"), cases, False)
    assert len(base.known) == 2
    moved = inputs.Case(1, "moved", cases[0].system, cases[0].positions + [[0.01, 0, 0]]*3)
    contend.run(contender, [moved, cases[1]], 0, False)
    base.evaluateAt([contender])
    assert len(base.known) == 3
    first, second = (base.at(k, r) for k, r in enumerate(contender.results))
    assert np.array_equal(first.positions, moved.positions)
    assert first.energy["mlff"] == pytest.approx(contender.results[0].energy["mlff"], abs=6e-6)
    base.keep([1])
    assert len(base.known) == 1 and base.at(0, contender.results[1]) is second


# ------------------------------------------------------------------ what goes wrong
def test_frames_that_fail(command, tmp_path):
    """Named once each; the others are compared."""
    (tmp_path/"f.xyz").write_text(WATER.replace("O 0", "Xx 0") + WATER + WATER.replace("O 0", "F 0")
                                  + BENT)
    status, out, err = command("compare", "painn-hcno", "f.xyz", *CPU, "--json", "c.json")
    one, three = err.splitlines()
    assert status == 1 and "frame 1 (f.xyz:1)" in one and "'Xx'" in one
    assert "frame 3 (f.xyz:11)" in three and "F" in three and "2 frames" in out
    result = json.loads((tmp_path/"c.json").read_text())
    assert [f["frame"] for f in result["failed_frames"]] == [1, 3]
    cpu = contenderOf(result, "CPU")
    assert cpu["status"] == "ok" and [f["frame"] for f in cpu["frames"]] == [2, 4]
    (tmp_path/"g.xyz").write_text(WATER.replace("O 0", "F 0"))
    status, out, err = command("compare", "painn-hcno", "g.xyz", *CPU, "--json", "d.json")
    assert status == 1 and out == "" and len(err.splitlines()) == 1
    assert "frame 1 (g.xyz:1)" in err and not (tmp_path/"d.json").exists()


@pytest.mark.parametrize("arguments, message", [
    (["nonesuch", "w.xyz"], "known names: painn-hcno"),
    (["painn-hcno", "none.xyz"], "none.xyz: No such file"),
    (["painn-hcno", "empty.xyz"], "no frames"),
    (["painn-hcno", "w.xyz", "w.xyz"], "found 3 files"),
    (["none.xml"], "none.xml: No such file"),
    (["w.xyz"], "not a serialized System"),
    (["painn-hcno", "bare.xml"], "models inside"),
    (["bare.xml"], "give --positions"),
    (["bare.xml", "--positions", "w.xyz"], "has no MLFFForce"),
    (["force.xml", "--positions", "w.xyz"], "not a System"),
    (["bad.xml", "--positions", "w.xyz"], "bad.xml is not a serialized System"),
    (["s.xml", "--positions", "none.pdb"], "none.pdb: No such file"),
    (["s.xml", "--positions", "w.txt"], "expected a file that ends in"),
    (["s.xml", "--positions", "bare.xml"], "not a State"),
    (["s.xml", "--positions", "bad.pdb"], "bad.pdb"),
    (["s.xml", "--positions", "turned.pdb"], "atom 0 (counted from 0) is H, but O in the System"),
    (["s.xml", "--positions", "xyz.pdb"], "xyz.pdb cannot be read as PDB: no atoms are found in it"),
    (["s.xml", "--positions", "xyz.cif"], "cannot be read as PDBx/mmCIF: no atoms are found in it"),
    (["s.xml", "--positions", "fifo.pdb"], "fifo.pdb: not a regular file"),
    (["s.xml", "--positions", "zero.cif"], "zero.cif: not a regular file"),
    (["s.xml", "--positions", "w.xyz", "--charge", "1"], "--charge has no effect on a System"),
    (["s.xml", "--positions", "w.xyz", "--coulomb", "dsf"], "--coulomb has no effect"),
    (["painn-hcno", "w.xyz", "--positions", "w.xyz"], "--positions is for a System"),
    (["painn-hcno", "w.xyz", "--whole"], "--whole is for a System"),
    (["painn-hcno", "w.xyz", "--charge", "-1"], "--charge -1 has no effect"),
    (["painn-hcno", "w.xyz", "--coulomb", "dsf"], "--coulomb dsf"),
    (["painn-hcno", "w.xyz", "--no-dispersion"], "--no-dispersion"),
    (["painn-hcno", "w.xyz", "--steps", "-1"], "--steps -1"),
    (["painn-hcno", "w.xyz", "--base", "Abacus"], "the base Abacus: there is no such platform"),
    (["painn-hcno", "w.xyz", "--platforms", "Reference"],
     "nothing to compare with Reference double: name another one with --platforms"),
    (["painn-hcno", "w.xyz", "--platforms", "CPU", "--matrix-precision", "TF32"],
     "is about the platform CUDA"),
    (["painn-hcno", "w.xyz", "--json", "no/such.json"], "no folder"),
    (["painn-hcno", "w.xyz", "--plot", "."], "is a folder"),
    (["painn-hcno", "w.xyz", "--plot", "x.foo"], "--plot x.foo: expected a name that ends in .png"),
    (["painn-hcno", "w.xyz", "--plot", "x"], "expected a name that ends in .png"),
    (["painn-hcno", "w.xyz", "--plot", ""], "--plot is an empty text"),
    (["painn-hcno", "w.xyz", "--json", ""], "--json is an empty text"),
    (["painn-hcno", "w.xyz", "--base", ""], "--base is an empty text"),
    (["painn-hcno", "w.xyz", "--platforms", "CPU", ""], "--platforms is an empty text"),
    (["painn-hcno", ""], "FILE is an empty text"),
    (["s.xml", "--positions", ""], "--positions is an empty text"),
    (["painn-hcno", "bohr.xyz"], "length_unit=bohr: positions and Lattice are read in angstrom"),
    (["s.xml", "--positions", "bohr.xyz"], "length_unit=bohr"),
])
def test_refused(tmp_path, monkeypatch, capsys, arguments, message):
    """One line on stderr, status 1, nothing on stdout."""
    monkeypatch.chdir(tmp_path)
    (tmp_path/"w.xyz").write_text(WATER)
    (tmp_path/"w.txt").write_text(WATER)
    (tmp_path/"empty.xyz").write_text("\n")
    (tmp_path/"bohr.xyz").write_text(WATER.replace("\n", "\nlength_unit=bohr ", 1))
    (tmp_path/"bad.xml").write_text("<System")
    (tmp_path/"bad.pdb").write_text("ATOM      1  O   HOH A   1      xx\n")
    for name in ("xyz.pdb", "xyz.cif"):
        (tmp_path/name).write_text(WATER)
    row = "ATOM  {:>5}  {:<3} HOH A   1    {:8.3f}{:8.3f}{:8.3f}  1.00  0.00          {:>2}\n"
    (tmp_path/"turned.pdb").write_text("".join(row.format(*atom) for atom in (
        (1, "H1", 0, 0.763, -0.477, "H"), (2, "O", 0, 0, 0.119, "O"), (3, "H2", 0, -0.763, -0.477, "H"))))
    os.mkfifo("fifo.pdb")
    (tmp_path/"zero.cif").symlink_to("/dev/zero")
    bare = openmm.System()
    bare.addParticle(1.0)
    (tmp_path/"bare.xml").write_text(openmm.XmlSerializer.serialize(bare))
    system, force = openmm.System(), MLFFForce("painn-hcno")
    for particle, number in enumerate((8, 1, 1)):
        system.addParticle(1.0)
        force.addAtom(particle, number)
    (tmp_path/"force.xml").write_text(openmm.XmlSerializer.serialize(force))
    system.addForce(force)
    (tmp_path/"s.xml").write_text(openmm.XmlSerializer.serialize(system))
    status = cli.main(["compare", *arguments])
    out, err = capsys.readouterr()
    assert status == 1 and out == "" and len(err.splitlines()) == 1, err
    assert err.startswith("openmm-mlff compare: ") and message in err


@pytest.mark.parametrize("arguments", [
    [], ["painn-hcno", "w.xyz", "--frames", "0"], ["painn-hcno", "w.xyz", "--frames", "3-1"],
    ["painn-hcno", "w.xyz", "--frames", "1,"], ["painn-hcno", "w.xyz", "--precisions", "half"],
    ["painn-hcno", "w.xyz", "--tolerance-force", "-1"],
    ["painn-hcno", "w.xyz", "--tolerance-energy", "nan"]])
def test_usage_errors(capsys, arguments):
    with pytest.raises(SystemExit) as error:
        cli.main(["compare", *arguments])
    assert error.value.code == 2 and "usage:" in capsys.readouterr().err


def test_help(command):
    status, out, _ = command("compare", "--help")
    assert status == 0
    for option in ("--positions", "--whole", "--frames", "--platforms", "--precisions", "--base",
                   "--steps", "--charge", "--coulomb", "--no-dispersion", "--tolerance-energy",
                   "--tolerance-force", "--json", "--plot"):
        assert option in out
