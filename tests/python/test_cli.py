"""The command openmm-mlff: info and evaluate."""
import hashlib
import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import openmm
import openmmmlff
import pytest
from conftest import DATA, MODELS, SHARED, goldenFiles, needs_shared, readGolden
from openmmmlff import MLFFForce, evaluate
from openmmmlff.convert import safetensors_file
from openmmmlff.evaluate import EvaluationError, Evaluator, reducedBox
from openmmmlff.extxyz import readFrames

COMMAND = os.path.join(os.path.dirname(sys.executable), "openmm-mlff")
WATER = "3\nwater\nO 0 0 0.119\nH 0 0.763 -0.477\nH 0 -0.763 -0.477\n"
TOLERANCE = 1e-8  # eV and eV/angstrom, Reference


def checkAgainst(golden, result):
    assert result["natoms"] == len(golden.symbols)
    # element constants, which are exact in double, make up most of a large energy
    assert result["energy"] == pytest.approx(golden.energy, rel=3e-15, abs=TOLERANCE)
    assert np.abs(np.array(result["forces"]) - golden.forces).max() < TOLERANCE
    assert (result["platform"], result["precision"]) == ("Reference", "double")


# ------------------------------------------------------------------ values
@pytest.mark.parametrize("path", goldenFiles(DATA/"painn"), ids=lambda p: p.stem)
def test_values_of_the_independent_code(tmp_path, path):
    golden = readGolden(path)
    (tmp_path/"f.xyz").write_text(golden.xyz())
    frame, = readFrames(str(tmp_path/"f.xyz"))
    checkAgainst(golden, Evaluator([golden.model]).evaluate(frame))


@needs_shared
@pytest.mark.parametrize("path", [p for p in goldenFiles(SHARED/"golden"/"painn")
                                  if "hcno" in p.name or "student-427k.w" in p.name],
                         ids=lambda p: p.stem)
def test_values_of_the_original_codes(tmp_path, path):
    golden = readGolden(path)
    (tmp_path/"f.xyz").write_text(golden.xyz())
    frame, = readFrames(str(tmp_path/"f.xyz"))
    checkAgainst(golden, Evaluator([golden.model]).evaluate(frame))


def test_several_frames_as_a_command(command, tmp_path):
    """Molecules and boxes in one file, through the command and its JSON file."""
    goldens = [readGolden(DATA/"painn"/f"schnet-16x3.{name}.txt") for name in
               ("formamide", "small_cell", "single_atom", "box_ortho", "formamide")]
    (tmp_path/"f.xyz").write_text("".join(g.xyz("charge=0") for g in goldens) + "\n\n")
    status, out, err = command("evaluate", goldens[0].model, "f.xyz", "--json", "out.json")
    assert (status, out, err) == (0, "", "")
    results = json.loads((tmp_path/"out.json").read_text())
    assert len(results) == 5
    for golden, result in zip(goldens, results):
        checkAgainst(golden, result)
        assert set(result) == {"natoms", "energy", "forces", "platform", "precision"}


def test_json_to_stdout(command, tmp_path):
    golden = readGolden(DATA/"painn"/"student-16x2.formamide.txt")
    (tmp_path/"f.xyz").write_text(golden.xyz())
    status, out, err = command("evaluate", golden.model, "f.xyz", "--json", "-")
    assert status == 0 and err == ""
    checkAgainst(golden, json.loads(out)[0])


def test_ensemble(command, tmp_path):
    """Mean and unbiased standard deviations, from the goldens of three models."""
    goldens = [readGolden(DATA/"painn"/f"{m}.formamide.txt") for m in
               ("kj-7x2", "rbf-linear-7x2", "poly6-rbf-8x2")]
    assert goldens[0].coordinates == goldens[1].coordinates == goldens[2].coordinates
    (tmp_path/"f.xyz").write_text(goldens[0].xyz())
    a, b, c = (g.model for g in goldens)
    status, out, err = command("evaluate", a, "--model", b, "f.xyz", "--model", c, "--json", "-")
    assert status == 0, err
    result, = json.loads(out)
    energies, forces = [g.energy for g in goldens], np.array([g.forces for g in goldens])
    assert result["energy"] == pytest.approx(np.mean(energies), abs=TOLERANCE)
    assert result["energy_std"] == pytest.approx(np.std(energies, ddof=1), abs=TOLERANCE)
    assert np.abs(np.array(result["forces"]) - forces.mean(axis=0)).max() < TOLERANCE
    variance = forces.var(axis=0, ddof=1).sum(axis=1)  # of each atom's force
    assert result["force_std_max"] == pytest.approx(variance.max()**0.5, abs=TOLERANCE)
    status, out, _ = command("evaluate", a, "f.xyz", "--model", b, "--model", c)
    assert status == 0 and "standard deviation" in out and out.count("model  ") == 3


def test_members_of_different_kinds(command, tmp_path):
    (tmp_path/"w.xyz").write_text(WATER)
    status, _, err = command("evaluate", "painn-hcno", "w.xyz", "--model",
                             DATA/"painn"/"schnet-16x3.safetensors")
    assert status == 1 and "not of the same kind" in err and len(err.splitlines()) == 1


# ------------------------------------------------------------------ second derivatives
def differences(evaluator, frame, h=1e-3):
    """The Hessian from differences of forces (error h^4) in the frame's own orientation."""
    def forces(k, step):
        x = frame.positions.copy()
        x.flat[k] += step
        return np.array(evaluator.evaluate(replace(frame, positions=x))["forces"]).ravel()
    return np.array([(8*(forces(k, -h) - forces(k, h)) - forces(k, -2*h) + forces(k, 2*h))/(12*h)
                     for k in range(frame.positions.size)])


@pytest.mark.parametrize("turned", [False, True])
def test_hessian(tmp_path, turned):
    """Against differences of forces; in a box that OpenMM wants turned, too."""
    golden = readGolden(DATA/"painn"/"schnet-16x3.small_cell.txt")
    if turned:
        golden.cell = golden.cell[[1, 2, 0]]
    (tmp_path/"f.xyz").write_text(golden.xyz())
    frame, = readFrames(str(tmp_path/"f.xyz"))
    result = Evaluator([golden.model], hessian=True).evaluate(frame)
    checkAgainst(golden, result)
    hessian = np.array(result["hessian"])
    n = 3*result["natoms"]
    assert hessian.shape == (n, n) and np.array_equal(hessian, hessian.T)
    expected = differences(Evaluator([golden.model]), frame)
    assert np.abs(hessian - expected).max() < 1e-5*np.abs(expected).max() > 0


def test_hessian_as_a_command(command, tmp_path):
    (tmp_path/"w.xyz").write_text(WATER)
    status, out, err = command("evaluate", "painn-hcno", "w.xyz", "--hessian", "--json", "-")
    assert status == 0
    result, = json.loads(out)
    # 0.64 eV/angstrom: no minimum
    residual = np.linalg.norm(result["forces"], axis=1).max()
    warning, = result["warnings"]
    assert "not those of a minimum" in warning and f"{residual:.3g} eV/angstrom" in warning
    assert "atom 0" in warning and warning in err and len(err.splitlines()) == 1
    assert len(result["hessian"]) == 9 == len(result["hessian"][8])
    # masses in u, eV/angstrom^2: 521.47 1/cm is sqrt(eV/angstrom^2/u)
    root = np.repeat(np.sqrt([15.999, 1.008, 1.008]), 3)
    squares = np.linalg.eigvalsh(np.array(result["hessian"])/np.outer(root, root))
    status, out, _ = command("evaluate", "painn-hcno", "w.xyz", "--hessian")
    found = [float(w) for w in out.splitlines()[-1].split("(1/cm)")[1].split()]
    # the forces are small there, so that leaving out rotations changes little
    assert status == 0 and found == pytest.approx(521.4709*np.sqrt(squares[-3:]), rel=2e-3)
    (tmp_path/"two.xyz").write_text(WATER + "1\none atom\nO 0 0 0\n")
    status, out, _ = command("evaluate", "painn-hcno", "two.xyz", "--hessian")
    lines = [line.split("(1/cm)")[1].split() for line in out.splitlines() if "(1/cm)" in line]
    assert status == 0 and [float(w) for w in lines[0]] == found and lines[1] == ["none"]


def test_table(command, tmp_path):
    (tmp_path/"one.xyz").write_text(WATER)
    status, out, err = command("evaluate", "painn-hcno", "one.xyz")
    assert status == 0 and err == ""
    assert "Reference, double" in out and "atoms      3" in out
    rows = [line.split() for line in out.splitlines() if line.split()[1:2] in (["O"], ["H"])]
    # counted from 0, as in OpenMM and in every message, and the table says so
    assert [row[:2] for row in rows] == [["0", "O"], ["1", "H"], ["2", "H"]]
    assert "counted from 0" in out
    (tmp_path/"two.xyz").write_text(WATER*2)
    status, out, err = command("evaluate", "painn-hcno", "two.xyz")
    assert status == 0 and [line.split()[:2] for line in out.splitlines()[-2:]] == [["1", "3"],
                                                                                    ["2", "3"]]


def minimized(numbers, positions):
    """Positions (angstrom) where the bundled model's forces vanish."""
    system, force = openmm.System(), MLFFForce("painn-hcno")
    for i, number in enumerate(numbers):
        system.addParticle(1.0)
        force.addAtom(i, number)
    system.addForce(force)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001),
                             openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(0.1*np.array(positions))
    openmm.LocalEnergyMinimizer.minimize(context, 1e-3)
    return 10*context.getState(positions=True).getPositions(asNumpy=True)._value


def frameOf(symbols, positions):
    rows = "".join(f"{s} {x[0]!r} {x[1]!r} {x[2]!r}\n"
                   for s, x in zip(symbols, np.asarray(positions, dtype=float).tolist()))
    return f"{len(symbols)}\n\n{rows}"


def test_a_hessian_at_a_minimum_has_no_warning(command, tmp_path):
    x = minimized((8, 1, 1), [[0, 0, 0.119], [0, 0.763, -0.477], [0, -0.763, -0.477]])
    (tmp_path/"w.xyz").write_text(frameOf("OHH", x))
    status, out, err = command("evaluate", "painn-hcno", "w.xyz", "--hessian", "--json", "-")
    assert (status, err) == (0, "") and "warnings" not in json.loads(out)[0]
    # away from it by 0.002 angstrom along a bond of 50 eV/angstrom^2
    x[1] += 0.002*(x[1] - x[0])/np.linalg.norm(x[1] - x[0])
    (tmp_path/"w.xyz").write_text(frameOf("OHH", x))
    status, out, err = command("evaluate", "painn-hcno", "w.xyz", "--hessian")
    assert status == 0 and "not those of a minimum" in err and "(1/cm)" in out


# ------------------------------------------------------------------ what no model was made for
@pytest.mark.parametrize("symbols, positions, expected", [
    # of H2, CO, N2, bare atoms, OH and CH3 the bundled model was told nothing
    ("HH", [[0, 0, 0], [0, 0, 0.74]], ["a molecule of 2 atoms"]),
    ("CO", [[0, 0, 0], [0, 0, 1.13]], ["C 0 and O 1", "a molecule of 2 atoms"]),
    ("NN", [[0, 0, 0], [0, 0, 1.10]], ["a molecule of 2 atoms"]),
    ("O", [[0, 0, 0]], ["O 0, counted from 0, is a single atom"]),
    ("H", [[0, 0, 0]], ["a single atom", "is odd (1)"]),
    ("OH", [[0, 0, 0], [0, 0, 0.97]], ["a molecule of 2 atoms", "is odd (9)"]),
    ("CHHH", [[0, 0, 0], [1.08, 0, 0], [-0.54, 0.935, 0], [-0.54, -0.935, 0]], ["is odd (9)"]),
    # hydrogen beside water; a hydrogen atom torn off water
    ("OHHHH", [[0, 0, 0.119], [0, 0.763, -0.477], [0, -0.763, -0.477], [3, 0, 0], [3, 0, 0.74]],
     ["H 3 and H 4", "a molecule of 2 atoms"]),
    ("OHH", [[0, 0, 0.119], [0, 0.763, -0.477], [0, -2.763, -0.477]],
     ["O 0 and H 1, counted from 0, is a molecule of 2 atoms (and 1 more like it)"]),
])
def test_systems_that_the_bundled_model_was_not_trained_for(command, tmp_path, symbols, positions,
                                                            expected):
    (tmp_path/"f.xyz").write_text(frameOf(symbols, positions) + WATER)
    status, out, err = command("evaluate", "painn-hcno", "f.xyz", "--json", "-")
    assert status == 0
    first, second = json.loads(out)
    text = " ".join(first["warnings"])
    for part in expected:
        assert part in text
    assert "warnings" not in second and "frame 2" not in err
    lines = [line for line in err.splitlines() if "warning: frame 1 (f.xyz:1): " in line]
    assert len(lines) == len(first["warnings"]) == len(err.splitlines())


def test_size_and_boxes_beyond_the_training_data(command, tmp_path):
    water = WATER.splitlines()[2:]
    many = "".join(f"{symbol} {float(x) + 4*k} {y} {z}\n"
                   for k in range(13) for symbol, x, y, z in map(str.split, water))
    box = WATER.replace("water", 'Lattice="9 0 0 0 9 0 0 0 9"')
    (tmp_path/"f.xyz").write_text(f"39\n\n{many}" + box)
    status, out, _ = command("evaluate", "painn-hcno", "f.xyz", "--json", "-")
    large, periodic = json.loads(out)
    assert status == 0 and large["warnings"] == [
        "the frame has 39 atoms, and the model was trained on systems of 3 to 36 atoms"]
    assert periodic["warnings"] == ["the frame is periodic, and the model was trained on systems "
                                    "of 3 to 36 atoms in vacuum"]
    # a model whose file does not say what it was trained on
    model = DATA/"painn"/"schnet-16x3.safetensors"
    (tmp_path/"f.xyz").write_text(frameOf("HH", [[0, 0, 0], [0, 0, 0.74]]))
    status, out, err = command("evaluate", model, "f.xyz", "--json", "-")
    assert (status, err) == (0, "") and "warnings" not in json.loads(out)[0]


@pytest.mark.parametrize("platform", ["Reference", "CPU"])
@pytest.mark.parametrize("model", ["painn-hcno", DATA/"aimnet2"/"published-4x4.safetensors"])
def test_overlap_is_no_plain_success(command, tmp_path, model, platform):
    """O-H at 0.2 angstrom: which atoms, how far, in the JSON and on stderr."""
    (tmp_path/"f.xyz").write_text(frameOf("OHH", [[0, 0, 0], [0, 0, 0.2], [0, 0.9, -0.3]]))
    status, out, err = command("evaluate", model, "f.xyz", "--platform", platform, "--json", "-")
    assert status == 0
    text = json.loads(out)[0]["warnings"][0]
    assert text in err and "0.2" in text and "0" in text and "1" in text
    status, out, err = command("evaluate", model, "f.xyz", "--platform", platform)
    assert status == 0 and "warning: frame 1" in err


def test_energies_beyond_the_bound(command, tmp_path):
    """C-O at 0.3 angstrom, far below what any molecule's energy can be."""
    (tmp_path/"f.xyz").write_text(frameOf("COHH", [[0, 0, 0], [0, 0, 0.3], [0.94, 0, -0.6],
                                                   [-0.94, 0, -0.6]]))
    status, out, err = command("evaluate", "painn-hcno", "f.xyz", "--json", "-")
    result, = json.loads(out)
    # single atoms of the model: element constants and the network's own part, by evaluate itself
    (tmp_path/"atoms.xyz").write_text("".join(f"1\n\n{s} 0 0 0\n" for s in "COH"))
    _, out, _ = command("evaluate", "painn-hcno", "atoms.xyz", "--json", "-")
    carbon, oxygen, hydrogen = (r["energy"] for r in json.loads(out))
    binding = (result["energy"] - carbon - oxygen - 2*hydrogen)/4
    assert status == 0 and abs(binding) > 100
    assert any(f"{binding:.3g} eV per atom" in text for text in result["warnings"])


def test_warnings_of_many_frames(command, tmp_path):
    (tmp_path/"f.xyz").write_text(frameOf("HH", [[0, 0, 0], [0, 0, 0.74]])*50)
    status, out, err = command("evaluate", "painn-hcno", "f.xyz", "--json", "-")
    lines = err.splitlines()
    assert status == 0 and all(r["warnings"] for r in json.loads(out))
    assert len(lines) == 21 and "50 frames have warnings" in lines[-1]


# ------------------------------------------------------------------ platforms
def test_cpu_platform(command, tmp_path):
    golden = readGolden(DATA/"painn"/"painn-hcno-distilled.formamide.txt")
    (tmp_path/"f.xyz").write_text(golden.xyz())
    status, out, err = command("evaluate", "painn-hcno", "f.xyz", "--platform", "CPU", "--json",
                               "-")
    assert status == 0, err
    result, = json.loads(out)
    assert result["platform"] == "CPU"
    assert abs(result["energy"] - golden.energy) < 2e-6*result["natoms"]
    assert np.abs(np.array(result["forces"]) - golden.forces).max() < 2e-5*np.abs(
        golden.forces).max()


# ------------------------------------------------------------------ boxes
def test_box_in_any_orientation(tmp_path):
    """A rotated, permuted, unreduced and left-handed Lattice: same energy, rotated forces."""
    golden = readGolden(DATA/"painn"/"schnet-16x3.small_cell.txt")
    rng = np.random.default_rng(7)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    rotation *= np.linalg.det(rotation)
    x = np.array(golden.coordinates, dtype=float) @ rotation.T
    a, b, c = golden.cell @ rotation.T
    golden.forces = golden.forces @ rotation.T
    golden.coordinates = [[repr(v) for v in row] for row in x.tolist()]
    evaluator = Evaluator([golden.model])
    for cell in ((a, b, c), (b, a, c), (c, a, b + 3*c), (-a, b, c - 2*a), (a + b, b + c, c)):
        golden.cell = np.array(cell)
        (tmp_path/"f.xyz").write_text(golden.xyz())
        frame, = readFrames(str(tmp_path/"f.xyz"))
        checkAgainst(golden, evaluator.evaluate(frame))


def test_reduced_box():
    rng = np.random.default_rng(3)
    for _ in range(200):
        lattice = rng.normal(size=(3, 3))
        box, rotation = reducedBox(lattice)
        assert np.all(np.triu(box, 1) == 0) and np.all(np.diag(box) > 0)
        assert 2*abs(box[1, 0]) <= box[0, 0] and 2*abs(box[2, 0]) <= box[0, 0]
        assert 2*abs(box[2, 1]) <= box[1, 1]
        assert np.linalg.det(rotation) == pytest.approx(1)
        whole = lattice @ rotation.T @ np.linalg.inv(box)  # the same lattice: whole numbers
        assert np.abs(whole - np.round(whole)).max() < 1e-9
        assert abs(round(np.linalg.det(whole))) == 1
    box, rotation = reducedBox([[2, 0, 0], [1, 2, 0], [0, 0, 3]])
    assert rotation is None and box.tolist() == [[2, 0, 0], [1, 2, 0], [0, 0, 3]]


def test_box_must_not_be_rotated_for_a_model_that_feels_it(command, tmp_path):
    golden = readGolden(DATA/"painn"/"student-16x2.small_cell.txt")
    golden.cell = golden.cell[::-1]
    (tmp_path/"f.xyz").write_text(golden.xyz())
    status, _, err = command("evaluate", golden.model, "f.xyz")
    assert status == 1 and "depends on the orientation" in err


def test_periodic_option(command, tmp_path):
    golden = readGolden(DATA/"painn"/"schnet-16x3.small_cell.txt")
    (tmp_path/"f.xyz").write_text(golden.xyz('pbc="F F F"'))
    status, out, _ = command("evaluate", golden.model, "f.xyz", "--periodic", "--json", "-")
    assert status == 0
    checkAgainst(golden, json.loads(out)[0])
    (tmp_path/"w.xyz").write_text(WATER)
    status, _, err = command("evaluate", "painn-hcno", "w.xyz", "--periodic")
    assert status == 1 and "frame 1 (w.xyz:1)" in err and "Lattice" in err


# ------------------------------------------------------------------ what goes wrong
def test_a_failed_frame_names_itself(command, tmp_path):
    """The others are evaluated; status 1; the JSON has an error in its place."""
    bad = WATER.replace("O 0", "Xx 0")
    unknown = WATER.replace("O 0", "F 0")
    (tmp_path/"f.xyz").write_text(WATER + bad + unknown + WATER.replace("water", "charge=1")
                                  + WATER + "3\n\nO 0 0 0\n")
    status, out, err = command("evaluate", "painn-hcno", "f.xyz", "--json", "out.json")
    assert status == 1 and out == ""
    results = json.loads((tmp_path/"out.json").read_text())
    assert ["error" in r for r in results] == [False, True, True, True, False, True]
    assert results[0] == results[4]
    lines = err.splitlines()
    assert len(lines) == 5 and all(line.startswith("openmm-mlff evaluate: ") for line in lines)
    for line, where, what in zip(lines, ("frame 2 (f.xyz:6)", "frame 3 (f.xyz:11)",
                                         "frame 4 (f.xyz:16)", "frame 6 (f.xyz:26)"),
                                 ("'Xx'", "F", "charge", "ends after 1 of 3")):
        assert where in line and what in line
    assert results[1]["frame"] == 2 and "'Xx'" in results[1]["error"]
    assert "4 of 6 frames failed" in lines[4]
    status, out, err = command("evaluate", "painn-hcno", "f.xyz")
    assert status == 1 and out.count("failed") == 4


def threads():
    return len(os.listdir("/proc/self/task"))


def test_refused_frames_cost_nothing(tmp_path):
    """No Context is made for them: threads and memory stay, however many there are."""
    evaluator = Evaluator([str(DATA/"painn"/"kj-7x2.safetensors")])
    (tmp_path/"f.xyz").write_text("1\n\nU 0 0 0\n1\ncharge=1\nO 0 0 0\n1\nmultiplicity=3\nO 0 0 0\n"*100
                                  + "1\n\nO 0 0 0\n")
    frames = list(readFrames(tmp_path/"f.xyz"))
    evaluator.evaluate(frames[-1])
    before = threads()
    for frame in frames[:-1]:
        with pytest.raises(openmm.OpenMMException):
            evaluator.evaluate(frame)
    assert threads() <= before + 2
    assert "energy" in evaluator.evaluate(frames[-1])


def test_contexts_that_fail_are_bounded(tmp_path, monkeypatch):
    """What only the Context finds costs threads: after many of them the rest is not tried."""
    made = []

    def fail(*arguments):
        made.append(arguments)
        raise openmm.OpenMMException("no room")
    monkeypatch.setattr(evaluate, "_makeContext", fail)
    evaluator = Evaluator(["painn-hcno"])
    (tmp_path/"f.xyz").write_text("1\n\nO 0 0 0\n"*200)
    messages = []
    for frame in readFrames(tmp_path/"f.xyz"):
        with pytest.raises((openmm.OpenMMException, EvaluationError)) as error:
            evaluator.evaluate(frame)
        messages.append(str(error.value))
    assert len(made) == 50 and messages[0] == "no room" and "not tried" in messages[-1]


@pytest.mark.parametrize("comment, line", [
    ("multiplicity=1e10", "O 0 0 0.12"), ("multiplicity=99999999999999999999", "O 0 0 0.12"),
    ("charge=1e308", "O 0 0 0.12"), ("charge=-1e-320", "O 0 0 0.12"), ("charge=nan", "O 0 0 0.12"),
    ("", "O 0 0 1e308"), ("", "O 0 0 \u0661"), ("", "\u0668 0 0 0"), ("", "O 0 0 " + "9"*100000),
    ('Lattice="1e200 0 0 0 1e200 0 0 0 1e200"', "O 0 0 0"), ('pbc="\u0661 1 1"', "O 0 0 0"),
    ('Lattice="1e-5 0 0 0 1e-5 0 0 0 1e-5"', "O 0 0 0"), ("x"*600000, "O 0 0 0")])
def test_an_odd_frame_stays_alone(command, tmp_path, comment, line):
    (tmp_path/"f.xyz").write_text(WATER + f"1\n{comment}\n{line}\n" + WATER)
    status, out, err = command("evaluate", "painn-hcno", "f.xyz", "--json", "-")
    results = json.loads(out)
    assert status == 1 and ["error" in r for r in results] == [False, True, False]
    assert results[0] == results[2] and len(err.splitlines()) == 2 and len(err) < 600


@pytest.mark.parametrize("arguments, message", [
    (["nonesuch", "w.xyz"], "known names: painn-hcno"),
    (["no.safetensors", "w.xyz"], "no.safetensors"),
    (["w.xyz", "w.xyz"], "w.xyz"),
    (["painn-hcno", "none.xyz"], "none.xyz: No such file"),
    (["painn-hcno", "empty.xyz"], "no frames"),
    (["painn-hcno", "."], "directory"),
    (["painn-hcno", "w.xyz", "--charge", "-1"], "--charge -1 has no effect"),
    (["painn-hcno", "w.xyz", "--charge", "nan"], "finite"),
    (["painn-hcno", "w.xyz", "--coulomb", "dsf"], "--coulomb dsf"),
    (["painn-hcno", "w.xyz", "--no-dispersion"], "--no-dispersion"),
    (["painn-hcno", "w.xyz", "--model", "nonesuch"], "known names: painn-hcno"),
    (["painn-hcno", "w.xyz", "--platform", "Abacus"], "no platform 'Abacus' here; available: Ref"),
    (["painn-hcno", "w.xyz", "--platform", "cpu"], "did you mean 'CPU'?"),
    (["painn-hcno", "w.xyz", "--precision", "single"], "--precision single has no effect"),
    (["painn-hcno", "w.xyz", "--json", "no/such/out.json"], "no folder"),
])
def test_bad_input(command, tmp_path, arguments, message):
    """One line on stderr, status 1."""
    (tmp_path/"w.xyz").write_text(WATER)
    (tmp_path/"empty.xyz").write_text("\n")
    status, out, err = command("evaluate", *arguments)
    assert status == 1 and out == "" and len(err.splitlines()) == 1
    assert err.startswith("openmm-mlff evaluate: ") and message in err


@pytest.mark.parametrize("arguments, name", [
    (["evaluate", "painn-hcno", "w.xyz", "--json", ""], "--json"),
    (["evaluate", "painn-hcno", "w.xyz", "--json="], "--json"),
    (["evaluate", "painn-hcno", "w.xyz", "--model", ""], "--model"),
    (["evaluate", "painn-hcno", "w.xyz", "--platform", ""], "--platform"),
    (["evaluate", "painn-hcno", ""], "FILE"), (["evaluate", "", "w.xyz"], "MODEL"),
    (["info", ""], "MODEL"), (["info", "painn-hcno", "--json", ""], "--json"),
    (["convert", "", "out.safetensors"], "SOURCE"), (["convert", "w.xyz", ""], "OUT"),
    (["convert", "w.xyz", "out.safetensors", "--variant", ""], "--variant"),
    (["get", "aimnet2", "--cache", ""], "--cache"), (["get", "aimnet2", "--from", ""], "--from"),
    (["benchmark", "--json", ""], "--json"), (["benchmark", "--plot", ""], "--plot"),
    (["benchmark", "--data", ""], "--data"), (["benchmark", "--models", ""], "--models")])
def test_an_empty_argument_is_none(command, tmp_path, arguments, name):
    """That of a shell variable that is not set: not as if the option was not there."""
    (tmp_path/"w.xyz").write_text(WATER)
    status, out, err = command(*arguments)
    assert (status, out) == (1, "")
    assert err == (f"openmm-mlff {arguments[0]}: {name} is an empty text: expected a name, or leave "
                   "it out\n")


def test_warnings_about_the_comment_line(command, tmp_path):
    """Free text that may be a charge or a unit: said, on stderr and in the JSON."""
    (tmp_path/"f.xyz").write_text(WATER.replace("water", "water 2+") + WATER)
    status, out, err = command("evaluate", "painn-hcno", "f.xyz", "--json", "-")
    first, second = json.loads(out)
    assert status == 0 and first["energy"] == second["energy"] and "warnings" not in second
    assert "'2+' in the comment line looks like an ion" in first["warnings"][0]
    assert err == f"openmm-mlff evaluate: warning: frame 1 (f.xyz:1): {first['warnings'][0]}\n"
    status, _, err = command("compare", "painn-hcno", "f.xyz", "--platforms", "CPU", "--json", "c.json")
    assert status == 0 and err.count("looks like an ion") == 1 and "warning: frame 1" in err
    status, _, err = command("evaluate", "painn-hcno", "f.xyz", "--charge", 0)
    assert (status, err) == (0, "")


@pytest.mark.parametrize("link", [False, True])
def test_no_input_is_overwritten(command, tmp_path, link):
    """--json on a file that is read: refused, by whatever name, and the file is as it was."""
    model = tmp_path/"m.safetensors"
    model.write_bytes((DATA/"painn"/"schnet-16x3.safetensors").read_bytes())
    (tmp_path/"w.xyz").write_text(WATER)
    before = {name: (tmp_path/name).read_bytes() for name in ("m.safetensors", "w.xyz")}
    for name in before:
        target = name
        if link:
            target = "link-" + name
            (tmp_path/target).symlink_to(tmp_path/name)
        commands = [["evaluate", model, "w.xyz", "--json", target]]
        commands += [["info", model, "--json", target]]*(name != "w.xyz")
        commands += [["evaluate", "painn-hcno", "w.xyz", "--model", model, "--json", target]]*(
            name != "w.xyz")
        for arguments in commands:
            status, out, err = command(*arguments)
            assert status == 1 and out == "" and "is an input file" in err
            assert len(err.splitlines()) == 1
    assert {name: (tmp_path/name).read_bytes() for name in before} == before


def test_results_are_written_as_they_come(tmp_path):
    """Killed in the middle: the older file is there, and the results so far beside it."""
    (tmp_path/"f.xyz").write_text(WATER*20000)
    (tmp_path/"out.json").write_text("older")
    process = subprocess.Popen([sys.executable, "-m", "openmmmlff", "evaluate", "painn-hcno",
                                "f.xyz", "--json", "out.json"], cwd=tmp_path,
                               stderr=subprocess.PIPE)
    deadline = time.time() + 60
    part = None
    while time.time() < deadline and process.poll() is None and not part:
        part = next((p for p in tmp_path.glob(".out.json.*.part") if p.stat().st_size > 3000), None)
        time.sleep(0.02)
    process.kill()
    process.communicate()
    assert part and (tmp_path/"out.json").read_text() == "older"
    text = part.read_text()
    first, _ = json.JSONDecoder().raw_decode(text[2:])
    assert first["natoms"] == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_in_words(tmp_path, number):
    """What was computed so far is named; the older file is there; no file is left without a word."""
    (tmp_path/"f.xyz").write_text(WATER*20000)
    (tmp_path/"out.json").write_text("older")
    process = subprocess.Popen([COMMAND, "evaluate", "painn-hcno", "f.xyz", "--json", "out.json"],
                               cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    deadline = time.time() + 60
    while time.time() < deadline and process.poll() is None and not any(
            p.stat().st_size for p in tmp_path.glob(".out.json.*.part")):
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate()
    assert process.returncode == 128 + number
    part, = tmp_path.glob(".out.json.*.part")
    first, second = err.splitlines()
    assert first == f"openmm-mlff: what was computed so far is in {part}"
    assert second == "openmm-mlff evaluate: " + ("interrupted" if number == signal.SIGINT else
                                                 f"ended by the signal {number.name}")
    assert json.loads(part.read_text())[0]["natoms"] == 3
    assert (tmp_path/"out.json").read_text() == "older"


def test_a_signal_before_there_are_results(tmp_path):
    """Nothing stays beside the target."""
    (tmp_path/"f.xyz").write_text(WATER*20000)
    process = subprocess.Popen([COMMAND, "compare", "painn-hcno", "f.xyz", "--json", "out.json",
                                "--platforms", "CPU"], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    deadline = time.time() + 60
    while time.time() < deadline and process.poll() is None and not list(tmp_path.glob(".out*")):
        time.sleep(0.02)
    process.terminate()
    _, err = process.communicate()
    assert process.returncode == 143 and err == "openmm-mlff compare: ended by the signal SIGTERM\n"
    assert [p.name for p in tmp_path.iterdir()] == ["f.xyz"]


def test_the_command_starts_in_a_package_of_its_own():
    """The one that imports nothing before Ctrl-C is taken care of."""
    script, = importlib.metadata.entry_points(group="console_scripts", name="openmm-mlff")
    assert script.value == "openmmmlff_command:main"


def test_an_interruption_at_any_time_shows_no_traceback(tmp_path):
    """Also while OpenMM and numpy are imported; Python itself has started."""
    (tmp_path/"f.xyz").write_text(WATER*20000)
    start = ("import sys, openmmmlff_command; print('started', flush=True); "
             "sys.exit(openmmmlff_command.main())")
    for delay in np.linspace(0.02, 0.5, 17):
        process = subprocess.Popen([sys.executable, "-c", start, "evaluate", "painn-hcno", "f.xyz",
                                    "--json", os.devnull], cwd=tmp_path, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "started\n"
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
        assert out == "" and "Traceback" not in err, (delay, err)
        assert process.returncode in (-signal.SIGINT, 130)


def test_texts_of_a_file_reach_the_terminal_harmless(command, tmp_path):
    """A forged line, an escape sequence and a text without end in the metadata."""
    tensors, metadata = safetensors_file.read_arrays(DATA/"painn"/"schnet-16x3.safetensors")
    metadata = {**metadata, "licence": "MIT\nSHA-256:      0000 (verified)\x1b]0;owned\x07",
                "source": "x"*10**6, "scope": "a\u202eb"}
    safetensors_file.write(tmp_path/"m.safetensors", tensors, metadata)
    status, out, err = command("info", "m.safetensors")
    assert (status, err) == (0, "") and "\x1b" not in out and "\u202e" not in out
    assert len([line for line in out.splitlines() if line.startswith("SHA-256")]) == 1
    assert len(out) < 5000
    # JSON has the text as it is
    info = json.loads(command("info", "m.safetensors", "--json", "-")[1])
    assert info["licence"] == metadata["licence"]
    (tmp_path/"f.xyz").write_text('1\nLattice="\x1b[31mred"\nO 0 0 0\n')
    status, _, err = command("evaluate", "painn-hcno", "f.xyz")
    assert status == 1 and "\x1b" not in err and len(err.splitlines()) == 1


def test_names_that_are_not_utf8(tmp_path):
    model = os.fsencode(tmp_path) + b"/m\xff.safetensors"
    with open(model, "wb") as file:
        file.write((DATA/"painn"/"schnet-16x3.safetensors").read_bytes())
    frames = os.fsencode(tmp_path) + b"/f\xff.xyz"
    with open(frames, "wb") as file:
        file.write(WATER.encode())
    for arguments in (["info", model], ["evaluate", model, frames]):
        done = subprocess.run([sys.executable, "-m", "openmmmlff", *arguments], capture_output=True,
                              check=False)
        assert done.returncode == 1 and done.stdout == b"" and len(done.stderr.splitlines()) == 1
        assert b"is not UTF-8: rename the file" in done.stderr and rb"m\xff" in done.stderr
    done = subprocess.run([sys.executable, "-m", "openmmmlff", "evaluate", "painn-hcno", frames],
                          capture_output=True, check=False)
    assert done.returncode == 0 and done.stderr == b""


@pytest.mark.parametrize("arguments", [
    [], ["evaluate"], ["evaluate", "painn-hcno"], ["nonesuch"],
    ["evaluate", "painn-hcno", "w.xyz", "--charge", "x"],
    ["evaluate", "painn-hcno", "w.xyz", "--coulomb", "x"],
    ["evaluate", "painn-hcno", "w.xyz", "--precision", "half"]])
def test_usage_errors(command, arguments):
    status, _, err = command(*arguments)
    assert status == 2 and "usage:" in err


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams(tmp_path, closed):
    """As if they were /dev/null; a file of results does not become stdout."""
    (tmp_path/"w.xyz").write_text(WATER)
    for arguments in ("evaluate painn-hcno w.xyz", "evaluate painn-hcno w.xyz --json out.json",
                      "info painn-hcno", "get --list"):
        done = subprocess.run(f"{COMMAND} {arguments} {closed}", shell=True, cwd=tmp_path,
                              capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), arguments
    assert json.loads((tmp_path/"out.json").read_text())[0]["natoms"] == 3


def test_options_that_change_nothing_are_fine(command, tmp_path):
    (tmp_path/"w.xyz").write_text(WATER)
    status, _, err = command("evaluate", "--charge", 0, "painn-hcno", "w.xyz", "--coulomb",
                             "default", "--precision", "double", "--platform", "Reference")
    assert (status, err) == (0, "")


def test_broken_pipe(tmp_path):
    (tmp_path/"f.xyz").write_text(WATER*3000)
    process = subprocess.Popen([sys.executable, "-m", "openmmmlff", "evaluate", "painn-hcno",
                                "f.xyz"], cwd=tmp_path, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 1 and err == ""


# ------------------------------------------------------------------ info and the rest
def test_info(command, tmp_path):
    path = MODELS/"painn-hcno-distilled.safetensors"
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    status, out, err = command("info", path)
    assert (status, err) == (0, "")
    for text in ("PaiNN", "H C N O S", "5 angstrom", "152,001", "MIT", "3 to 36 atoms",
                 "diatomic", sha256):
        assert text in out
    status, out, _ = command("info", "painn-hcno", "--json", "-")
    info = json.loads(out)
    assert status == 0 and info["sha256"] == sha256 and info["symbols"] == list("HCNOS")
    assert info["parameters"] == 152001 and info["cutoff"] == 5.0
    status, _, _ = command("info", "painn-hcno", "--json", "info.json")
    assert json.loads((tmp_path/"info.json").read_text()) == info
    status, _, err = command("info", "nonesuch")
    assert status == 1 and len(err.splitlines()) == 1


def test_help_and_version(command):
    status, out, _ = command("--help")
    assert status == 0
    for name in ("info", "evaluate", "convert", "get"):
        assert name in out
        assert command(name, "--help")[0] == 0
    assert command("--version")[1].startswith(f"openmm-mlff {openmmmlff.__version__}, OpenMM ")
