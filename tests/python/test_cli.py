"""The command openmm-mlff: info and evaluate."""
import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import DATA, MODELS, SHARED, goldenFiles, needs_shared, readGolden
from openmmmlff.evaluate import Evaluator, reducedBox
from openmmmlff.extxyz import readFrames

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


def readAimnet2(name):
    """(golden, one frame of extended XYZ) of a molecule of AIMNet2's original code."""
    golden = json.loads((SHARED/"golden"/"aimnet2"/f"{name}.json").read_text())
    rows = [f"{z} {x!r} {y!r} {w!r}" for z, (x, y, w) in zip(golden["numbers"], golden["coord"])]
    return golden, f"{len(rows)}\ncharge={golden['charge']!r}\n" + "\n".join(rows) + "\n"


@needs_shared
def test_charged_molecules(command, tmp_path):
    """AIMNet2: the charge of the comment line, and --charge instead of it."""
    model = SHARED/"models"/"aimnet2_wb97m_d3_member0.safetensors"
    for name in ("acetate_m1", "ammonium_p1"):
        golden, text = readAimnet2(name)
        expected = golden["methods"]["simple"]
        (tmp_path/"f.xyz").write_text(text)
        (tmp_path/"g.xyz").write_text(text.replace("charge=", "charge=9 was="))
        for arguments in (["f.xyz"], ["g.xyz", "--charge", golden["charge"]]):
            status, out, err = command("evaluate", model, *arguments, "--json", "-")
            assert status == 0, err
            result, = json.loads(out)
            assert result["energy"] == pytest.approx(expected["energy"], abs=TOLERANCE)
            assert np.abs(np.array(result["forces"]) - expected["forces"]).max() < TOLERANCE


@needs_shared
def test_ensemble_of_aimnet2(command, tmp_path):
    golden, text = readAimnet2("methanol")
    expected = golden["ensemble4"]
    assert expected["method"] == "simple"
    (tmp_path/"f.xyz").write_text(text)
    members = [SHARED/"models"/f"aimnet2_wb97m_d3_member{k}.safetensors" for k in range(4)]
    more = [word for member in members[1:] for word in ("--model", member)]
    status, out, err = command("evaluate", members[0], "f.xyz", *more, "--json", "-")
    assert status == 0, err
    result, = json.loads(out)
    assert result["energy"] == pytest.approx(expected["energy_mean"], abs=TOLERANCE)
    assert result["energy_std"] == pytest.approx(expected["energy_std_unbiased"], abs=TOLERANCE)
    assert np.abs(np.array(result["forces"]) - expected["forces_mean"]).max() < TOLERANCE


@needs_shared
def test_options_of_models_with_charges(command, tmp_path):
    (tmp_path/"w.xyz").write_text(WATER)
    model = SHARED/"models"/"aimnet2_wb97m_d3_member0.safetensors"
    for arguments in (["--coulomb", "dsf"], ["--no-dispersion"]):
        status, _, err = command("evaluate", model, "w.xyz", *arguments)
        assert status == 1 and "this version cannot" in err


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
    """Mean and unbiased standard deviation, from the goldens of two models."""
    a, b = (readGolden(DATA/"painn"/f"{m}.formamide.txt") for m in ("schnet-16x3", "paper-7x2"))
    assert a.coordinates == b.coordinates
    (tmp_path/"f.xyz").write_text(a.xyz())
    status, out, _ = command("evaluate", a.model, "--model", b.model, "f.xyz", "--json", "-")
    assert status == 0
    result, = json.loads(out)
    assert result["energy"] == pytest.approx((a.energy + b.energy)/2, abs=TOLERANCE)
    assert result["energy_std"] == pytest.approx(abs(a.energy - b.energy)/2**0.5, abs=TOLERANCE)
    assert np.abs(np.array(result["forces"]) - (a.forces + b.forces)/2).max() < TOLERANCE
    assert result["force_std_max"] == pytest.approx(np.abs(a.forces - b.forces).max()/2**0.5,
                                                    abs=TOLERANCE)


def test_table(command, tmp_path):
    (tmp_path/"one.xyz").write_text(WATER)
    status, out, err = command("evaluate", "painn-hcno", "one.xyz")
    assert status == 0 and err == ""
    assert "Reference, double" in out and "atoms      3" in out
    assert len([line for line in out.splitlines() if line.split()[1:2] in (["O"], ["H"])]) == 3
    (tmp_path/"two.xyz").write_text(WATER*2)
    status, out, err = command("evaluate", "painn-hcno", "two.xyz")
    assert status == 0 and [line.split()[:2] for line in out.splitlines()[-2:]] == [["1", "3"],
                                                                                    ["2", "3"]]


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
    (["painn-hcno", "w.xyz", "--hessian"], "--hessian"),
    (["painn-hcno", "w.xyz", "--platform", "Abacus"], "no platform 'Abacus' here; available: Ref"),
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


@pytest.mark.parametrize("arguments", [
    [], ["evaluate"], ["evaluate", "painn-hcno"], ["nonesuch"],
    ["evaluate", "painn-hcno", "w.xyz", "--charge", "x"],
    ["evaluate", "painn-hcno", "w.xyz", "--coulomb", "x"],
    ["evaluate", "painn-hcno", "w.xyz", "--precision", "half"]])
def test_usage_errors(command, arguments):
    status, _, err = command(*arguments)
    assert status == 2 and "usage:" in err


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
    for text in ("PaiNN", "H C N O S", "5 angstrom", "152,001", "MIT", sha256):
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
    assert command("--version")[1].startswith("openmm-mlff ")
