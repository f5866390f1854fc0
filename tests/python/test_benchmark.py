"""The command openmm-mlff benchmark. No time is asserted: that machines differ is its subject."""
import contextlib
import importlib.util
import json
import os

import numpy as np
import pytest
from conftest import DATA, ROOT
from openmmmlff import MLFFForce, cli, knownModels, modelInfo
from openmmmlff.benchmark import cli as benchmarkCli
from openmmmlff.benchmark import (devices, measure, mixed, models, report, sweep, systems,
                                  worker)
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
    checkStatistics(contender["step"], {"ns_per_day", "steps_per_time"})
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


def test_molecules_in_water(command, tmp_path):
    status, out, err = command("benchmark", "--quick", "--mixed", "--models", "painn-hcno",
                               "--platforms", "CPU", "--threads", 1, "--json", "b.json")
    assert status == 0, err
    result = json.loads((tmp_path/"b.json").read_text())
    case, = result["mixed"]
    assert (case["model"], case["platform"], case["network_atoms"]) == ("painn-hcno", "CPU", 24)
    assert case["molecule"] == "caffeine" and result["cases"] == []
    assert 2400 < case["atoms"] < 2800 and f"{case['atoms']:,} atoms in all" in out
    assert [c["name"] for c in case["contenders"]] == ["force field alone", "mixed",
                                                       "network alone"]
    for key in ("p50", "min"):
        field, mixed, alone = (c["step"][f"{key}_ms"] for c in case["contenders"])
        coupling = case["coupling_ms"]
        assert coupling["network_in_system"][key] == pytest.approx(mixed - field)
        assert coupling["beyond_network_alone"][key] == pytest.approx(mixed - field - alone)


def test_sweep(command, tmp_path):
    """Sizes up to --max-atoms; a step on a device in blocks, where there is one."""
    plot = ["--plot", "b.png"] if importlib.util.find_spec("matplotlib") else []
    status, out, err = command("benchmark", "--sweep", "--quick", "--max-atoms", 30, "--models",
                               SMALL_MODEL, "--platforms", "CPU", "--threads", 1, "--no-torch",
                               "--json", "b.json", *plot)
    assert status == 0, err
    assert max(map(len, out.splitlines())) <= 100
    result = json.loads((tmp_path/"b.json").read_text())
    assert result["sweep"] == {"sizes": [12, 24], "left_out": []} and result["mixed"] == []
    assert [case["atoms"] for case in result["cases"]] == [12, 24]
    for case in result["cases"]:
        contender, = case["contenders"]
        step = contender["step"]
        assert step["p50_ns_per_atom"] == pytest.approx(1e6*step["p50_ms"]/case["atoms"])
        assert contender["execution"]["platform"] == "CPU"
    if plot:
        assert (tmp_path/"b.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_steps_on_a_device(tmp_path):
    """Blocks of steps between two waits, of a Context that stands for one on a device."""
    request = systems.request(systems.sweepSystem(12))
    case = worker.OpenMMCase({**request, "model": str(SMALL_MODEL), "platform": "CPU",
                              "threads": 1})
    case.check()
    waits, steps = [], []
    case.wait = lambda wait=case.wait: (waits.append(len(steps)), wait())[1]
    case.step = lambda n, step=case.step: (steps.append(n), step(n))[1]
    found = worker._blocks(case, {"seconds": 0.02, "count": 3})
    # the first step and a guess at its time, then: anew, a block
    assert steps[:2] == [1, 2] and steps[2::2] == [1]*len(found["ms"])
    assert set(steps[3::2]) == {found["steps"]} and 1 <= found["steps"] <= worker.BLOCK_STEPS
    assert waits == list(range(1, len(steps) + 1))
    assert all(t > 0 for t in found["ms"]) and len(found["ms"]) >= 3


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
                   "--json", "--plot", "--data", "--peers", "--sweep", "--mixed", "--max-atoms",
                   "--minutes", "--matrix-precision"):
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
    (["--max-atoms", "100"], "--max-atoms goes with --sweep"),
    (["--minutes", "1"], "--minutes goes with --sweep"),
    (["--sweep"], "not with --sizes"),
    (["--mixed"], "not with --sizes"),
])
def test_refused(command, arguments, message):
    """One line before anything is measured."""
    status, out, err = command("benchmark", *TINY, *arguments)
    assert status == 1 and out == ""
    assert err.startswith("openmm-mlff benchmark: ") and len(err.splitlines()) == 1
    assert message in err


@pytest.mark.parametrize("arguments, message", [
    (["--sweep", "--max-atoms", "5"], "--max-atoms 5: expected at least 12"),
    (["--sweep", "--minutes", "0"], "--minutes 0: expected more than 0"),
    (["--sweep", "--mixed"], "not with --mixed"),
    (["--mixed", "--no-mixed"], "not with --no-mixed"),
])
def test_refused_together(command, arguments, message):
    status, out, err = command("benchmark", "--quick", *arguments)
    assert status == 1 and out == "" and len(err.splitlines()) == 1 and message in err


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


@pytest.mark.parametrize("size", systems.SWEEP)
def test_systems_of_the_sweep(size):
    """Their numbers of atoms, the density of water, and no two atoms in one place."""
    system = systems.sweepSystem(size)
    assert system.size == len(system.positions) and abs(system.size - size) <= 0.02*size
    if system.unit is None:
        i, j, shift = systems.findPairs(system, 1.4)
        assert np.linalg.norm(system.positions[j] + shift - system.positions[i], axis=1).min() > 0.9
    else:
        assert system.unit.size == 999
    if size < 100:
        assert system.cell is None
        return
    grams = system.size/3*18.01528/6.02214076e23
    assert grams/(1e-24*np.linalg.det(system.cell)) == pytest.approx(1.0, abs=0.01)
    assert np.diag(system.cell).min() > 10
    assert np.array_equal(np.bincount(system.numbers)[[1, 8]], [2*system.size//3, system.size//3])


def test_pairs_of_copies():
    """Those of copies side by side, from those of one, and all at once."""
    box = systems.waterBox(34)
    copies = systems.tile(box, (1, 2, 3))
    assert systems.systemOf(systems.request(copies)).copies == (1, 2, 3)
    plain = systems.System("", copies.numbers, copies.positions, copies.cell)

    def pairs(system):
        i, j, shift = systems.findPairs(system, 5.0)
        return set(map(tuple, np.column_stack([i, j, np.rint(1000*shift)]).astype(int)))
    found, expected = pairs(copies), pairs(plain)
    assert found == expected and len(found) == systems.countPairs(copies, 5.0)


@pytest.mark.parametrize("name, atoms", [("caffeine", 24), ("citalopram", 45),
                                         ("procyclidine", 50)])
def test_molecules(name, atoms):
    system, charges, bonds = systems.molecule(name)
    assert system.size == atoms == len(charges) and abs(charges.sum()) < 1e-9
    i, j, _ = systems.findPairs(system, 1.75)
    heavy = system.numbers > 1
    d = np.linalg.norm(system.positions[j] - system.positions[i], axis=1)
    near = (heavy[i] & heavy[j]) | ((heavy[i] != heavy[j]) & (d < 1.2))
    assert {(min(b), max(b)) for b in bonds} == {(a, b) for a, b in zip(i[near], j[near]) if a < b}


def test_matrix_precisions(tmp_path):
    """A contender each, but where they mean nothing: other platforms, PaiNN of few atoms."""
    benchmark = benchmarkCli.Benchmark.__new__(benchmarkCli.Benchmark)
    benchmark.args = type("Args", (), {"matrix_precision": ["Full", "TF32"]})
    aimnet2, painn = (models.findModel(name, None, str(tmp_path))
                      for name in ("aimnet2", "painn-128x3"))
    few, many = (type("System", (), {"size": size}) for size in (45, 192))
    for model, system, expected in ((aimnet2, few, ["Full", "TF32"]), (painn, few, ["Full"]),
                                    (painn, many, ["Full", "TF32"])):
        assert benchmark._matrixPrecisions("CUDA", model, system) == expected
        assert benchmark._matrixPrecisions("OpenCL", model, system) == ["Full"]
    for name in benchmarkCli.MATRIX_PRECISIONS:
        assert isinstance(getattr(MLFFForce, name), int)


def test_molecule_in_a_box():
    """Particles, constraints, no charge in all, room around the molecule."""
    found = mixed.MixedSystems.__new__(mixed.MixedSystems)
    found._write = lambda name, system: name
    found.__init__(None, "citalopram", 3.0)
    n = found.system.getNumParticles()
    assert n == found.n_atoms == found.topology.getNumAtoms() == found.n_water + 45
    hydrogens = int((found.numbers == 1).sum())
    assert found.system.getNumConstraints() == found.n_water + hydrogens
    forces = {type(f).__name__: f for f in found.system.getForces()}
    nonbonded = forces["NonbondedForce"]
    charges = [nonbonded.getParticleParameters(k)[0]._value for k in range(n)]
    assert abs(sum(charges)) < 1e-6 and nonbonded.getNonbondedMethod() == nonbonded.PME
    ligand, water = found.positions[found.ligand_atoms], found.positions[:found.n_water]
    assert min(np.linalg.norm(water - atom, axis=1).min() for atom in ligand) > 2.39
    # density: no more water is missing than the molecule takes
    assert 0.85 < found.n_water/3*18.015/0.602214/30**3 < 1.05


def test_chains():
    """Angles and torsions of butane's carbon atoms, in a ring of four."""
    assert sorted(mixed._chains([(0, 1), (1, 2), (2, 3)], 3)) == [(0, 1, 2), (1, 2, 3)]
    assert mixed._chains([(0, 1), (1, 2), (2, 3)], 4) == [(0, 1, 2, 3)]
    assert len(mixed._chains([(0, 1), (1, 2), (2, 3), (3, 0)], 4)) == 4


# ------------------------------------------------------------------ devices
@pytest.mark.parametrize("name, tflops, bandwidth", [
    ("NVIDIA H100 80GB HBM3", 67.0, 3.35), ("NVIDIA H100 PCIe", 51.0, 2.0),
    ("NVIDIA H200", 67.0, 4.8), ("NVIDIA A100-SXM4-80GB", 19.5, 2.0),
    ("NVIDIA A100-PCIE-40GB", 19.5, 1.555), ("NVIDIA GeForce RTX 4090", 82.6, 1.008),
    ("Tesla T4", 8.1, 0.32), ("NVIDIA L4", 30.3, 0.3), ("NVIDIA L40S", 91.6, 0.864)])
def test_known_devices(name, tflops, bandwidth):
    assert devices.peaksOf(name) == {"tflops": tflops, "tb_per_s": bandwidth}


@pytest.mark.parametrize("name", ["pretend device", "NVIDIA GeForce RTX 4090 D", "", None,
                                  "NVIDIA H200 NVL", "Tesla T40", "NVIDIA A100X"])
def test_unknown_devices(name):
    assert devices.peaksOf(name) is None


def test_shares_of_a_device():
    """Of a step of 2 ms with 67 GFLOP and 3.35 GB on an H100: half of both peaks."""
    record = {"step": {"p50_ms": 2.0}, "forces": {"p50_ms": 1.0}, "device": "NVIDIA H100 80GB HBM3"}
    benchmarkCli._shares(record, {"gflop": 67.0, "gbyte": 3.35}, 100.0, True)
    assert record["gflops"] == pytest.approx(33500)
    assert record["peak_share"] == record["bandwidth_share"] == pytest.approx(0.5)
    record = {"step": {"p50_ms": 2.0}, "forces": {"p50_ms": 1.0}, "device": "pretend device"}
    benchmarkCli._shares(record, {"gflop": 67.0, "gbyte": 3.35}, 100.0, True)
    assert record["gflops"] == pytest.approx(33500) and "peak_share" not in record


def test_least_bytes():
    """By hand: 3 layers of 12 x 128 floats, written and read; 36 bytes a pair, the same."""
    assert models.countBytes(models.PAINN, 10, 100) == 2*(10*4*12*128*3 + 3600)
    assert models.countBytes(models.AIMNET2, 10, 0) == 2*10*4*(2*1150 + 2*576 + 512 + 733)


@pytest.mark.parametrize("info, expected, nodes", [
    ('{"mode": "graph", "graph_nodes": 34, "launches": 2}',
     {"mode": "graph", "graph_nodes": 34, "launches": 2}, 34),
    ({"graph": "yes", "launches": "12", "ms": "0.5"},
     {"graph": "yes", "launches": 12, "ms": 0.5}, 12),
    ({"mode": "dense", "share": "nan"}, {"mode": "dense", "share": "nan"}, None),
    ("{}", {}, None)])
def test_execution_info(info, expected, nodes):
    class Force:
        def getExecutionInfo(self, context):
            return info
    found = devices.executionInfo(Force(), None)
    assert found == expected and devices.nodesOf(found) == nodes
    json.dumps(found, allow_nan=False)


def test_no_execution_info():
    class Broken:
        def getExecutionInfo(self, context):
            return "[1, 2]"
    assert devices.executionInfo(object(), None) == {} and devices.nodesOf(None) is None
    assert "expected names and values" in devices.executionInfo(Broken(), None)["error"]


# ------------------------------------------------------------------ the sweep's limits
def test_planned_sizes():
    assert sweep.plannedSizes(None)[-1] == 100000
    assert sweep.plannedSizes(1000) == [12, 24, 50, 100, 200, 500, 1000]


@pytest.mark.parametrize("contender, reason", [
    ({"status": "ok", "forces": {"p50_ms": 1.0}, "memory_mb": 200, "memory_import_mb": 100}, None),
    ({"status": "ok", "forces": {"p50_ms": 6000.0}, "memory_mb": 200, "memory_import_mb": 100},
     "would take about 12 s, the limit is 10 s"),
    ({"status": "ok", "forces": {"p50_ms": 1.0}, "memory_mb": 1e9, "memory_import_mb": 100},
     "MB are free"),
    ({"status": "ok", "forces": {"p50_ms": 1.0}, "memory_mb": 200, "memory_import_mb": 100,
      "memory_device_mb": 41000}, "80000 MB of the device's 80000 MB"),
    ({"status": "ok", "forces": {"p50_ms": 1.0}, "memory_mb": 200, "memory_import_mb": 100,
      "memory_device_mb": 38000}, None),
    ({"status": "failed", "message": "no"}, "no")])
def test_left_out(contender, reason):
    found = sweep.Sweep.__new__(sweep.Sweep)
    found.plan, found.device_total = measure.SWEEP, 80000
    given = found._tooLarge(contender, 2.0)
    assert given is None if reason is None else reason in given


def test_sweep_ends(capsys):
    """A contender is not tried above a size where it failed; with none left the model is done. Some
    are there from a size on."""
    tried = []

    class Benchmark:
        args = type("Args", (), {"quick": True, "max_atoms": 200, "minutes": None,
                                 "platforms": ["CUDA"]})
        result = {"cases": []}
        models = [type("Model", (), {"name": "m", "weights": "file"})]
        compiledWorker = contextlib.nullcontext

        def case(self, model, system, compiled, plan, without, overhead):
            there = ("CUDA", "CUDA TF32", "torch") if system.size == 50 else ("CUDA", "torch")
            names = [n for n in there if n not in without]
            tried.append((system.size, names))
            limits = {"CUDA": 60, "CUDA TF32": 60, "torch": 30}
            ok = {"status": "ok", "forces": {"p50_ms": 1.0}, "gflops": 1.0, "memory_mb": 10,
                  "memory_import_mb": 5, "step": {"p50_ms": 1.0, "p95_ms": 1.0, "ns_per_day": 1.0}}
            failed = {"status": "failed", "message": "CUDA out of memory"}
            return {"atoms": system.size, "contenders": [
                {"name": n, **(ok if system.size < limits[n] else failed)} for n in names]}

    found = sweep.Sweep(Benchmark())
    found.run()
    assert tried == [(12, ["CUDA", "torch"]), (24, ["CUDA", "torch"]),
                     (50, ["CUDA", "CUDA TF32", "torch"]), (102, ["CUDA"])]
    last = Benchmark.result["cases"][-1]["contenders"]
    assert [c["status"] for c in last] == ["out of memory"]
    assert [(o["contender"], o["from_atoms"]) for o in Benchmark.result["sweep"]["left_out"]] == [
        ("torch", 100), ("CUDA", 200)]
    assert "out of memory: CUDA out of memory" in capsys.readouterr().out


def test_out_of_memory_or_time():
    for message in ("CUDA out of memory. Tried to allocate 2 GiB", "std::bad_alloc",
                    "Error creating array x: CUDA_ERROR_OUT_OF_MEMORY (2)"):
        assert sweep.outOf(message) == "out of memory"
    assert sweep.outOf("no answer within 120 s") == "out of time"
    assert sweep.outOf("Particle coordinate is NaN") == "failed"


# ------------------------------------------------------------------ PyTorch on a device
@pytest.mark.parametrize("name", ["painn-128x3", "student-427k", "aimnet2"])
@pytest.mark.parametrize("size", [24, 100])
def test_padded_pairs(name, size, tmp_path, monkeypatch):
    """A CUDA graph has room for more pairs: they change nothing. The graph itself is stood in for
    by one that computes nothing again."""
    torch = pytest.importorskip("torch")
    model = models.findModel(name, None, str(tmp_path))
    request = {**systems.request(systems.sweepSystem(size)), "model": model.path, "threads": 1,
               "peers": str(ROOT/"benchmarks"), "config": model.config, "device": "cpu",
               "unit": 1.0, "platform": "CPU"}
    monkeypatch.setattr(worker.TorchCase, "modules", {})
    monkeypatch.setattr(torch.cuda, "Stream", lambda: type(
        "Stream", (), {"wait_stream": lambda self, other: None})())
    monkeypatch.setattr(torch.cuda, "current_stream", torch.cuda.Stream)
    monkeypatch.setattr(torch.cuda, "stream", contextlib.nullcontext)
    monkeypatch.setattr(torch.cuda, "graph", contextlib.nullcontext)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: type(
        "Graph", (), {"replay": lambda self: None})())
    eager = worker.TorchCase({**request, "kind": "eager"})
    graph = worker.TorchCase({**request, "kind": "graph"})
    assert graph.graph[2].numel() > eager.graph[2].numel()  # neighbors j, or their matrix
    energy, forces = eager.check()
    energy2, forces2 = graph.check()
    assert energy2 == pytest.approx(energy, rel=1e-6)
    assert np.abs(forces2 - forces).max() < 1e-6*np.abs(forces).max() + 1e-6


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


def test_wrong_forces(capsys):
    """They are called wrong, however quick."""
    contender = {"name": "CUDA", "status": "ok", "force_error_relative": 0.02}
    assert measure.isWrong(contender)
    assert not measure.isWrong({**contender, "force_error_relative": 5e-3})
    assert not measure.isWrong({"status": "failed"})
    report.close({"cases": [{"model": "m", "atoms": 12, "contenders": [contender]}],
                  "peak_gflops": [1.0], "load_average": [0.0]})
    assert "WRONG: CUDA, m, 12 atoms: forces differ by 2.0e-02" in capsys.readouterr().out


def test_statistics():
    found = benchmarkCli.measure.statistics([1.0, 2.0, 3.0, 4.0, 10.0], 7)
    assert found == {"p50_ms": 3.0, "p95_ms": pytest.approx(8.8), "min_ms": 1.0, "mean_ms": 4.0,
                     "n": 5, "n_warm_up": 7}
    assert benchmarkCli.measure.nsPerDay(found) == pytest.approx(21.6)


def test_targets_are_checked_before_the_work(tmp_path, monkeypatch, capsys):
    """A file that is read, a folder, a folder that is not there: one line, nothing is measured."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(benchmarkCli, "Benchmark", None)
    model = tmp_path/"m.safetensors"
    model.write_bytes((DATA/"painn"/"schnet-16x3.safetensors").read_bytes())
    before = model.read_bytes()
    for target, message in ((model, "is an input file"), (tmp_path, "is a folder"),
                            ("no/such.json", "there is no folder")):
        status = cli.main(["benchmark", "--quick", "--models", str(model), "--json", str(target)])
        out, err = capsys.readouterr()
        assert status == 1 and out == "" and message in err and len(err.splitlines()) == 1
    assert model.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == [model.name]


def test_an_interrupted_run_leaves_what_was_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path/"b.json").write_text("older")

    class Interrupted(benchmarkCli.Benchmark):
        def __init__(self, args, folder, output):
            self.output, self.workers, self.result = output, [], {"cases": []}

        def run(self):
            for k in range(3):
                if k == 2:
                    raise KeyboardInterrupt
                self.save()
                self.result["cases"].append(k)
            return self.result

    monkeypatch.setattr(benchmarkCli, "Benchmark", Interrupted)
    assert cli.main(["benchmark", "--quick", "--json", "b.json"]) == 130
    assert (tmp_path/"b.json").read_text() == "older"
    part, = tmp_path.glob(".b.json.*.part")
    assert json.loads(part.read_text()) == {"cases": [0]} and str(part) in capsys.readouterr().err
