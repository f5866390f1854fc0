"""The command openmm-mlff benchmark. No time is asserted: that machines differ is its subject."""
import importlib.util
import json
import os

import numpy as np
import pytest
from conftest import DATA, ROOT
from openmmmlff import cli, knownModels, modelInfo
from openmmmlff.benchmark import cli as benchmarkCli
from openmmmlff.benchmark import models, systems
from openmmmlff.convert import safetensors_file

TINY = ["--quick", "--sizes", "12", "--threads", "1"]
SMALL_MODEL = DATA/"painn"/"schnet-16x3.safetensors"
STATISTICS = {"p50_ms", "p95_ms", "min_ms", "mean_ms", "n", "n_warm_up"}


def checkStatistics(found, keys=frozenset()):
    assert set(found) == STATISTICS | keys
    assert 0 < found["min_ms"] <= found["p50_ms"] <= found["p95_ms"]
    assert found["min_ms"] <= found["mean_ms"] and found["n"] >= 2 and found["n_warm_up"] >= 5


def checkContender(contender):
    assert contender["status"] == "ok", contender["message"]
    checkStatistics(contender["forces"])
    checkStatistics(contender["step"], {"ns_per_day"})
    assert contender["step"]["ns_per_day"] == pytest.approx(86.4/contender["step"]["mean_ms"])
    assert 0 < contender["memory_import_mb"] <= contender["memory_mb"]
    assert contender["force_error_relative"] < 1e-4
    assert contender["energy_error_ev_per_atom"] < 2e-6


# ------------------------------------------------------------------ a run
def test_tiny_run(command, tmp_path):
    """JSON, table, plot of one case on two platforms."""
    plot = ["--plot", "b.png"] if importlib.util.find_spec("matplotlib") else []
    status, out, err = command("benchmark", *TINY, "--models", SMALL_MODEL, "--no-torch",
                               "--no-mixed", "--json", "b.json", *plot)
    assert status == 0, err
    assert max(map(len, out.splitlines())) <= 100
    result = json.loads((tmp_path/"b.json").read_text())
    assert result["format"] == "mlff-benchmark-1" and result["quick"] and result["threads"] == 1
    assert min(result["peak_gflops"]) > 0 and len(result["load_average"]) == 2
    assert result["machine"]["cores"] == os.cpu_count() and result["mixed"] == []
    assert {"openmm", "numpy", "openmmmlff"} <= set(result["versions"])

    case, = result["cases"]
    assert (case["model"], case["atoms"], case["periodic"]) == ("schnet-16x3", 12, False)
    assert case["weights"] == "file" and case["sha256"] == modelInfo(SMALL_MODEL)["sha256"]
    assert case["pairs"] == 132  # every atom of benzene is within 5 angstrom of all others
    assert 0 < case["gflop"] < case["gflop_plain"] and case["compared_with"] == "Reference"
    cpu, reference = case["contenders"]
    for contender, name in ((cpu, "CPU"), (reference, "Reference")):
        assert contender["name"] == name and name in out
        checkContender(contender)
        checkStatistics(contender["overhead"])
        assert contender["gflops"] == pytest.approx(1e3*case["gflop"]/contender["forces"]["p50_ms"])
        assert contender["peak_share"] == pytest.approx(
            contender["gflops"]/max(result["peak_gflops"]))
    assert reference["force_error_relative"] == 0
    forces, step = case["ratios"]
    assert (forces["what"], step["what"]) == ("forces", "step")
    assert (forces["contender"], forces["to"]) == ("Reference", "CPU")
    assert forces["min"] == pytest.approx(reference["forces"]["min_ms"]/cpu["forces"]["min_ms"])
    assert step["p50"] == pytest.approx(reference["step"]["p50_ms"]/cpu["step"]["p50_ms"])
    if plot:
        assert (tmp_path/"b.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_molecule_in_water(command, tmp_path):
    status, out, err = command("benchmark", *TINY, "--models", "painn-hcno", "--platforms", "CPU",
                               "--no-torch", "--json", "b.json")
    assert status == 0, err
    case, = json.loads((tmp_path/"b.json").read_text())["mixed"]
    assert (case["model"], case["platform"], case["network_atoms"]) == ("painn-hcno", "CPU", 22)
    assert case["atoms"] > 1000 and f"{case['atoms']:,} atoms in all" in out
    assert [c["name"] for c in case["contenders"]] == ["force field alone", "mixed",
                                                       "network alone"]
    for key in ("p50", "min"):
        field, mixed, alone = (c["step"][f"{key}_ms"] for c in case["contenders"])
        coupling = case["coupling_ms"]
        assert coupling["network_in_system"][key] == pytest.approx(mixed - field)
        assert coupling["beyond_network_alone"][key] == pytest.approx(mixed - field - alone)


@pytest.mark.parametrize("name", ["painn-128x3", "student-427k", "aimnet2"])
def test_pytorch_agrees(name, command, tmp_path):
    """The peers on random weights, molecule and box, against the Reference platform."""
    pytest.importorskip("torch")
    (tmp_path/"nothing").mkdir()
    status, _, err = command("benchmark", "--quick", "--sizes", 12, 192, "--threads", 1,
                             "--models", name, "--data", "nothing", "--no-mixed",
                             "--peers", ROOT/"benchmarks", "--json", "b.json")
    assert status == 0, err
    for case in json.loads((tmp_path/"b.json").read_text())["cases"]:
        assert case["compared_with"] == "Reference"
        torch = case["contenders"][-1]
        assert torch["name"] == "torch" and torch["status"] == "ok", torch["message"]
        assert torch["force_error_relative"] < 1e-4
        assert torch["energy_error_ev_per_atom"] < 2e-6


def test_without_pytorch(monkeypatch, capsys, tmp_path):
    """It says that PyTorch is missing, or its peers, and measures the rest."""
    arguments = ["benchmark", *TINY, "--models", str(SMALL_MODEL), "--platforms", "CPU",
                 "--no-mixed", "--json", str(tmp_path/"b.json")]
    find = importlib.util.find_spec
    for spec, message in ((None, "PyTorch is not installed"), (find("json"), "--peers")):
        monkeypatch.setattr(importlib.util, "find_spec",
                            lambda name, *a, s=spec: s if name == "torch" else find(name, *a))
        monkeypatch.chdir(tmp_path)
        assert cli.main(arguments) == 0
        result = json.loads((tmp_path/"b.json").read_text())
        assert message in capsys.readouterr().out and message in result["notes"][0]
        assert [c["name"] for c in result["cases"][0]["contenders"]] == ["CPU"]


def test_a_contender_that_fails(command, tmp_path):
    """An element of the molecule that the model does not know: named, status 1."""
    tensors, metadata = safetensors_file.read_arrays(SMALL_MODEL)
    safetensors_file.write(tmp_path/"nitrogen.safetensors", tensors,
                           {**metadata, "elements": "[7]"})
    status, out, _ = command("benchmark", *TINY, "--models", "nitrogen.safetensors", "--no-mixed",
                             "--platforms", "CPU", "--no-torch", "--json", "b.json")
    contender, = json.loads((tmp_path/"b.json").read_text())["cases"][0]["contenders"]
    assert status == 1 and contender["status"] == "failed"
    assert "does not know" in contender["message"] and contender["message"][:60] in out


# ------------------------------------------------------------------ what it refuses
def test_help(command):
    status, out, _ = command("benchmark", "--help")
    assert status == 0
    for option in ("--quick", "--models", "--sizes", "--platforms", "--threads", "--no-torch",
                   "--json", "--plot", "--data", "--peers"):
        assert option in out
    for name in models.STANDARD:
        assert name in out


@pytest.mark.parametrize("arguments, message", [
    (["--models", "nonsense"], "nonsense"),
    (["--models", "missing/model.safetensors"], "missing/model.safetensors"),
    (["--platforms", "Abacus"], "Abacus"),
    (["--threads", "0"], "--threads 0"),
    (["--json", "missing/b.json"], "--json missing/b.json"),
    (["--data", "missing"], "--data missing"),
])
def test_refused(command, arguments, message):
    """One line before anything is measured."""
    status, out, err = command("benchmark", *TINY, *arguments)
    assert status == 1 and out == ""
    assert err.startswith("openmm-mlff benchmark: ") and len(err.splitlines()) == 1
    assert message in err


def test_size_refused(command):
    status, _, err = command("benchmark", "--sizes", "13")
    assert status == 2 and "13" in err and "999" in err


# ------------------------------------------------------------------ systems and models
@pytest.mark.parametrize("size", systems.SIZES)
def test_built_in_systems(size):
    system, = systems.systemsOfSize(size)
    assert system.size == size == len(system.positions)
    assert (system.cell is not None) == (size > 45)
    i, j, shift = systems.findPairs(system, 1.7)
    d = np.linalg.norm(system.positions[j] + shift - system.positions[i], axis=1)
    heavy = system.numbers > 1
    assert d.min() > 0.9 and d[heavy[i] & heavy[j]].min(initial=1.7) > 1.3
    # every hydrogen has one heavy neighbor at bonding distance, and the same system comes again
    bonds = np.bincount(i[heavy[j] & (d < 1.15)], minlength=size)
    assert (bonds[~heavy] == 1).all()
    again, = systems.systemsOfSize(size)
    assert np.array_equal(system.positions, again.positions)


def test_pairs_of_a_box():
    """A cell smaller than the cutoff: counted by going through the images one by one."""
    cell = np.array([[3.1, 0, 0], [0.4, 3.3, 0], [-0.3, 0.5, 2.9]])
    x = np.array([[0.1, 0.2, 0.3], [7.7, -1.6, 2.0]])
    system = systems.System("", np.array([1, 1]), x, cell)
    i, j, shift = systems.findPairs(system, 5.0)
    expected = 0
    for a in range(2):
        for b in range(2):
            for n in np.ndindex(17, 17, 17):
                image = (np.array(n) - 8) @ cell
                expected += 0 < np.linalg.norm(x[b] + image - x[a]) < 5.0
    assert len(i) == expected
    assert (np.linalg.norm(x[j] + shift - x[i], axis=1) < 5.0).all()
    assert np.abs(np.linalg.solve(cell.T, shift.T) % 1 - 0.5).min() > 0.499  # lattice vectors


@pytest.mark.parametrize("name, parameters", [("painn-128x3", 589057), ("student-427k", 427292),
                                              ("aimnet2", 2185845 + 16384 + 3264)])
def test_random_models(name, parameters, tmp_path):
    """They have the published sizes; of AIMNet2: the MLPs, the elements' features, the vector
    combinations."""
    if name in knownModels():
        pytest.skip(f"the published {name} is in the cache")
    model = models.findModel(name, None, str(tmp_path))
    assert model.weights == "random" and {1, 6, 8} <= set(model.info["elements"])
    others = ("rbf.", "d3.", "aev.", "srcoulomb.", "atomic_shift.")
    assert parameters == sum(value.size for key, value in models.readTensors(model.path).items()
                             if not key.startswith(others))


def test_operations():
    """Against sums by hand, MFLOP per atom: dense layers, then pairs, as in docs/benchmarks.md."""
    painn = 2*(3*(0.131072 + 0.196608 + 0.163840) + 0.016512)
    student = 2*(3*(0.002304 + 0.163840) + 0.020544)
    aimnet2 = 2*(2*2.181760 + 0.028800)
    pair = 0.016*0.128 + 0.039*0.128
    for config, neighbors, mflop in ((models.PAINN, 0, painn), (models.STUDENT, 0, student),
                                     (models.AIMNET2, 0, aimnet2),
                                     (models.PAINN, 50, painn + 150*(pair + 2*0.015744)),
                                     (models.STUDENT, 50, student + 150*(pair + 2*0.103552)),
                                     (models.AIMNET2, 50, aimnet2 + 50*2*(0.0032 + 0.0054))):
        least, plain = models.countOperations(config, 1000, 1000*neighbors)
        assert plain/1e9 == pytest.approx(mflop, rel=1e-6)
        assert 0.05*plain < least < plain


def test_statistics():
    found = benchmarkCli.measure.statistics([1.0, 2.0, 3.0, 4.0, 10.0], 7)
    assert found == {"p50_ms": 3.0, "p95_ms": pytest.approx(8.8), "min_ms": 1.0, "mean_ms": 4.0,
                     "n": 5, "n_warm_up": 7}
    assert benchmarkCli.measure.nsPerDay(found) == pytest.approx(21.6)
