"""The command: which cases there are, and their order."""
import contextlib
import datetime
import importlib.util
import json
import os
import platform as hostPlatform
import shlex
import sys
import tempfile

import numpy as np

from openmmmlff.benchmark import devices, measure, report
from openmmmlff.benchmark.measure import Contender, Worker, WorkerError
from openmmmlff.benchmark.models import STANDARD, countBytes, countOperations, findModel
from openmmmlff.benchmark.sweep import Sweep
from openmmmlff.benchmark.systems import SIZES, SWEEP, countPairs, systemsOfSize
from openmmmlff.benchmark.systems import request as systemRequest
from openmmmlff.models import MATRIX_PRECISIONS
from openmmmlff.output import OutputFile, checkTarget

FORMAT = "mlff-benchmark-1"
QUICK_SIZES = (12, 192)
REFERENCE = "Reference"
TORCH = {"torch": "eager", "torch compiled": "compiled", "torch graph": "graph"}
# PaiNN's kernels for few atoms do without tensor cores: up to an atom a multiprocessor, and no
# device has more than this.
MOST_FUSED = 188
CHECKED = 1000      # atoms up to which values are compared with Reference's; above, with CPU's
# eV in one unit of a model file, as docs/model-file.md defines the units
EV = {"eV": 1.0, "kcal/mol": 4.184/96.48533212331002, "kJ/mol": 1/96.48533212331002,
      "Hartree": 27.211386024367243}

HELP = "time this machine, beside PyTorch where it is installed"
TEXT = """\
Times energy and forces, and a whole step of a simulation in OpenMM, of models and sizes on this
machine's platforms and, where PyTorch is installed, of plain PyTorch implementations (folder
benchmarks/ of the repository), all in one run and in turns. Then a molecule in water: what the
network costs inside a force field's System. Prints p50, p95 and least time, ns/day at 1 fs a step,
memory of the process, GFLOP/s and their share of what BLAS, or the device, reaches. --sweep: a step
of 12 to 100,000 atoms instead. The machine should have nothing else to do."""


def register(subparsers):
    """Add the sub-command; its parser gets a default ``run``: function(args) -> exit status."""
    parser = subparsers.add_parser("benchmark", help=HELP, description=TEXT)
    add = parser.add_argument
    add("--quick", action="store_true",
        help="about a minute: 12 and 192 atoms, short timings, without torch.compile")
    add("--sweep", action="store_true",
        help="steps and memory of 12 to 100,000 atoms; of painn-128x3 and aimnet2, if no --models")
    add("--mixed", action="store_true", help="molecules in water alone")
    add("--models", nargs="+", metavar="MODEL",
        help="model files, names of models, or of these: " + " ".join(STANDARD) + " (default)")
    add("--sizes", nargs="+", type=int, metavar="N", choices=SIZES,
        help="numbers of atoms, of: " + " ".join(map(str, SIZES)) + " (default: all)")
    add("--platforms", nargs="+", metavar="P", default=["CPU", REFERENCE],
        help="OpenMM platforms (default: %(default)s); the first is what others are compared with")
    add("--matrix-precision", nargs="+", metavar="P", choices=MATRIX_PRECISIONS, default=["Full"],
        help="how CUDA multiplies matrices, one contender each, of: "
             + " ".join(MATRIX_PRECISIONS) + " (default: %(default)s)")
    add("--threads", type=int, metavar="N", help="of OpenMM, PyTorch and BLAS (default: all cores)")
    add("--no-torch", action="store_true", help="without PyTorch")
    add("--no-mixed", action="store_true", help="without the molecules in water")
    add("--max-atoms", type=int, metavar="N", help="with --sweep: not above N (default: 100000)")
    add("--minutes", type=float, metavar="M",
        help="with --sweep: no new size once M minutes are spent (default: no limit)")
    add("--data", metavar="FOLDER",
        help="folder with models/ and reference/speed_systems.json (default: MLFF_SHARED, or "
             "../shared where it exists; without it, random weights and built-in geometries)")
    add("--peers", metavar="FOLDER",
        help="folder of the PyTorch implementations (default: benchmarks/ here)")
    add("--json", metavar="FILE", help="write everything to FILE as JSON")
    add("--plot", metavar="FILE.png", help="plot the times (needs matplotlib)")
    parser.set_defaults(run=run)


def run(args):
    """The sub-command; returns the exit status: 1 if a contender failed."""
    _check(args)
    models = [path for name in args.models or () if os.path.exists(path := os.fspath(name))]
    with contextlib.ExitStack() as stack:
        files = {option: stack.enter_context(OutputFile(target, option, models))
                 for option, target in _targets(args, models)}
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mlff-benchmark-"))
        benchmark = Benchmark(args, folder, files.get("--json"))
        try:
            result = benchmark.run()
        finally:
            benchmark.close()
        benchmark.save()
        if "--plot" in files:
            files["--plot"].write(report.plot(result))
    report.close(result)
    contenders = [c for case in result["cases"] + result["mixed"] for c in case["contenders"]]
    return 1 if any(c["status"] == "failed" or measure.isWrong(c) for c in contenders) else 0


def _check(args):
    """Refuse before the work begins what cannot end well."""
    from openmmmlff.evaluate import EvaluationError, _findPlatform
    for name in args.platforms:
        _findPlatform(name)
    for option, given in (("--max-atoms", args.max_atoms), ("--minutes", args.minutes)):
        if given is not None and not args.sweep:
            raise EvaluationError(f"{option} goes with --sweep")
    if args.sweep and (args.sizes or args.mixed):
        raise EvaluationError(f"--sweep has sizes of its own and nothing in water: not with "
                              f"{'--sizes' if args.sizes else '--mixed'}")
    if args.mixed and (args.no_mixed or args.sizes):
        raise EvaluationError("--mixed measures molecules in water alone: not with "
                              f"{'--no-mixed' if args.no_mixed else '--sizes'}")
    if args.max_atoms is not None and args.max_atoms < min(SWEEP):
        raise EvaluationError(f"--max-atoms {args.max_atoms}: expected at least {min(SWEEP)}")
    if args.minutes is not None and not args.minutes > 0:
        raise EvaluationError(f"--minutes {args.minutes:g}: expected more than 0")
    if args.threads is not None and args.threads < 1:
        raise EvaluationError(f"--threads {args.threads}: expected at least 1")
    for option, path in (("--data", args.data), ("--peers", args.peers)):
        if path and not os.path.isdir(path):
            raise EvaluationError(f"{option} {path}: there is no such folder")
    if args.plot and importlib.util.find_spec("matplotlib") is None:
        raise EvaluationError("--plot needs matplotlib: pip install matplotlib")


def _targets(args, inputs):
    """[(option, path)] of the files that are written, all of them checked."""
    targets = [(option, path) for option, path in (("--json", args.json), ("--plot", args.plot))
               if path]
    for k, (option, path) in enumerate(targets):
        checkTarget(option, path, inputs, targets[:k], ".png" if option == "--plot" else "")
    return targets


def _dataFolder(args):
    for path in (args.data, os.environ.get("MLFF_SHARED"), os.path.join("..", "shared")):
        if path and os.path.isdir(path):
            return path
    return None


def _findTorch(args):
    """(folder of the peers or None, a sentence why there are none)."""
    if args.no_torch:
        return None, ""
    if importlib.util.find_spec("torch") is None:
        return None, "PyTorch is not installed: nothing to compare with (pip install torch)"
    folder = os.path.abspath(args.peers or "benchmarks")
    if not os.path.isfile(os.path.join(folder, "torch_painn.py")):
        return None, (f"no PyTorch implementations in {folder}: run this in the repository, or "
                      "give its folder benchmarks with --peers")
    return folder, ""


class Benchmark:
    """One run; its result is what --json writes. output: an OutputFile for it, or None."""

    def __init__(self, args, folder, output=None):
        self.args, self.folder, self.output = args, folder, output
        self.plan = measure.QUICK if args.quick else measure.FULL
        self.sizes = sorted(set(args.sizes or (QUICK_SIZES if args.quick else SIZES)))
        self.threads = args.threads or len(os.sched_getaffinity(0))
        self.data = _dataFolder(args)
        self.peers, why = _findTorch(args)
        names = args.models or (("painn-128x3", "aimnet2") if args.sweep else STANDARD)
        self.models = [findModel(name, self.data, folder) for name in names]
        self.devices = [p for p in args.platforms if p in devices.PLATFORMS]
        self.workers = []
        self.result = {
            "format": FORMAT,
            "date": datetime.datetime.now().astimezone().isoformat("T", "seconds"),
            "command": shlex.join(["openmm-mlff", *sys.argv[1:]]), "quick": args.quick,
            "machine": _machine(), "versions": _versions(bool(self.peers)),
            "threads": self.threads, "load_average": [os.getloadavg()[0]], "notes": [],
            "peak_gflops": [], "cases": [], "mixed": []}
        if why:
            self.result["notes"].append(why)
        self.torch_device = self._torchDevice() if self.peers else "cpu"

    def _torchDevice(self):
        """Where the peers run: beside us on a device, if they can."""
        if not self.devices:
            return "cpu"
        try:
            if self._worker().ask("torch")["cuda"]:
                return "cuda"
        except WorkerError as error:
            self.result["notes"].append(f"PyTorch: {error}")
        finally:
            self.close()
        self.result["notes"].append("PyTorch has no CUDA device: its peers run on the CPU")
        return "cpu"

    def run(self):
        result, peaks, args = self.result, self.result["peak_gflops"], self.args
        peaks.append(self._peak())
        report.head(result)
        if args.sweep:
            Sweep(self).run()
        for model in () if args.sweep or args.mixed else self.models:
            self._model(model)
            peaks.append(self._peak())
        if not (args.no_mixed or args.sweep):
            self._mixed()
        result["load_average"].append(os.getloadavg()[0])
        for case in result["cases"]:  # by the largest of all
            for contender in case["contenders"]:
                if "gflops" in contender and contender["peak_of"] == "BLAS":
                    contender["peak_share"] = contender["gflops"]/max(peaks)
        return result

    def save(self):
        """Write the result as it is now: an interrupted run leaves what was measured."""
        if self.output:
            self.output.rewrite(json.dumps(self.result, indent=1, allow_nan=False) + "\n")

    def close(self):
        for worker in self.workers:
            worker.close()
        self.workers = []

    def _worker(self):
        self.workers.append(Worker(self.threads))
        return self.workers[-1]

    def _peak(self):
        gflops = self._worker().ask("peak", seconds=0.5 if self.args.quick else 2.0)["gflops"]
        self.close()
        return gflops

    # ------------------------------------------------------------------ the network alone
    def _model(self, model):
        """All sizes of a model."""
        with self.compiledWorker() as compiled:
            for size in self.sizes:
                system = _systemFor(model, size, self.data)
                case = self.case(model, system, compiled, self.plan)
                self.result["cases"].append(case)
                report.case(case)

    @contextlib.contextmanager
    def compiledWorker(self):
        """The process of torch.compile, or None: what is compiled is compiled once."""
        compiled = None
        if self.peers and not self.args.quick:
            compiled = Worker(self.threads)
        try:
            yield compiled
        finally:
            if compiled:
                compiled.close()

    def case(self, model, system, compiled, plan, without=(), overhead=True):
        """A case of the JSON; without: names of contenders that have no part; overhead: whether
        OpenMM's and Python's own part is measured."""
        self.save()     # the cases before
        pairs = countPairs(system, model.info["cutoff"])
        least, plain = countOperations(model.config, system.size, pairs)
        case = {"model": model.name, "file": os.path.basename(model.path),
                "weights": model.weights, "sha256": model.info["sha256"], "atoms": system.size,
                "system": system.name, "periodic": system.cell is not None, "pairs": pairs,
                "gflop": 1e-9*least, "gflop_plain": 1e-9*plain,
                "gbyte": 1e-9*countBytes(model.config, system.size, pairs),
                "load_average": os.getloadavg()[0]}
        report.progress(f"{model.name}, {system.size} atoms")
        contenders = self._contenders(model, system, compiled, without)
        ours = [c for c in contenders if not c.request["torch"]]
        for contender in contenders:
            contender.open(plan)
        _compare(contenders, system.size, case, self._standard(contenders, system, plan))
        measure.interleave(contenders, "forces", plan)
        for contender in ours if overhead else ():
            # of a short call: what a busy machine does to it does not matter
            measure.interleave([contender], "empty", measure.QUICK)
        for contender in contenders:
            contender.attempt(lambda c=contender: measure.fetchMemory(c))
        measure.interleave([c for c in contenders if not c.isSlow()], "step", plan)
        for contender in contenders:
            if contender.error and contender.request["torch"] and contender.times.get("forces"):
                # a peer that has no simulation in OpenMM has its evaluations all the same
                contender.step_error, contender.error = contender.error, None
                contender.times.pop("step", None)
            else:
                contender.attempt(lambda c=contender: measure.fetchMemory(c))
        peak = max(self.result["peak_gflops"])
        case["contenders"] = [_record(c, case, peak) for c in contenders]
        case["ratios"] = _ratios(case["contenders"])
        self.close()
        return case

    def _standard(self, contenders, system, plan):
        """On devices: what they are compared with, where it is not among the contenders. Reference;
        for many atoms CPU."""
        name = REFERENCE if system.size <= CHECKED else "CPU"
        if not self.devices or name in self.args.platforms:
            return None
        request = {**contenders[0].request, "torch": False, "platform": name, "matrix": "Full"}
        standard = Contender(name, self._worker(), request)
        standard.check(plan)
        return standard

    def _matrixPrecisions(self, platform, model, system):
        """Those of --matrix-precision that mean something."""
        fused = model.isPaiNN and system.size <= MOST_FUSED
        if platform != "CUDA" or fused:
            return ["Full"]
        return self.args.matrix_precision

    def _contenders(self, model, system, compiled, without):
        request = {"model": model.path, "threads": self.threads, **systemRequest(system)}
        contenders = []
        for platform in self.args.platforms:
            for matrix in self._matrixPrecisions(platform, model, system):
                name = platform if matrix == "Full" else f"{platform} {matrix}"
                if name not in without:
                    contenders.append(Contender(name, self._worker(), {
                        **request, "torch": False, "platform": platform, "matrix": matrix}))
        if not self.peers:
            return contenders
        request.update(torch=True, peers=self.peers, config=model.config, device=self.torch_device,
                       unit=EV[model.config.get("energy_unit", "eV")],
                       platform=self.devices[0] if self.torch_device == "cuda" else "CPU")
        for name, kind in TORCH.items():
            if name in without or kind == "compiled" and compiled is None:
                continue
            if kind != "graph" or self.torch_device == "cuda":
                worker = compiled if kind == "compiled" else self._worker()
                contenders.append(Contender(name, worker, {**request, "kind": kind}))
        return contenders

    # ------------------------------------------------------------------ a molecule in water
    def _mixed(self):
        """The step of the force field alone, of the mixed System, and of the network alone."""
        from openmmmlff.benchmark.mixed import LIGANDS, BOX, QUICK_BOX, MixedSystems
        platforms = [p for p in self.args.platforms if p != REFERENCE]
        if not platforms:
            return
        for ligand in LIGANDS[:1] if self.args.quick else LIGANDS:
            systems = MixedSystems(self.folder, ligand, QUICK_BOX if self.args.quick else BOX)
            for model in self.models:
                missing = systems.missing(model)
                if missing:
                    self._note(f"{model.name} is not put into water as {ligand}: it does not know "
                               + ", ".join(missing))
                    continue
                files = dict(zip(("mixed", "network alone"), systems.withNetwork(model)))
                for platform in platforms:
                    case = self._mixedCase(systems, model, files, platform)
                    self.result["mixed"].append(case)
                    report.mixed(case)
                    self.close()

    def _mixedCase(self, systems, model, files, platform):
        self.save()     # the cases before
        report.progress(f"{model.name}, {systems.name} in water, {platform}")
        contenders = []
        for name, file in {"force field alone": systems.mm, **files}.items():
            atoms = systems.ligand_atoms if name == "network alone" else slice(None)
            contenders.append(Contender(name, self._worker(), {
                "torch": False, "platform": platform, "threads": self.threads,
                "system": file, "positions": systems.positions[atoms].tolist()}))
        for contender in contenders:
            contender.open(self.plan)
        measure.interleave(contenders, "step", self.plan)
        for contender in contenders:
            contender.attempt(lambda c=contender: measure.fetchMemory(c))
        case = {"model": model.name, "weights": model.weights, "platform": platform,
                "molecule": systems.name, "atoms": systems.n_atoms,
                "network_atoms": systems.n_ligand,
                "contenders": [_record(c, None, None) for c in contenders]}
        case["coupling_ms"] = _coupling(case["contenders"])
        return case

    def _note(self, text):
        self.result["notes"].append(text)
        report.progress(text)


def _systemFor(model, size, data):
    """The preferred system of a size whose elements the model knows."""
    systems = systemsOfSize(size, data)
    known = set(model.info["elements"])
    return next((s for s in systems if known.issuperset(s.numbers.tolist())), systems[0])


def _compare(contenders, n_atoms, case, standard=None):
    """Every contender's energy and forces against the standard's: that given, or Reference, or the
    first one."""
    checked = [c for c in contenders if c.checked and not c.error]
    base = next((c for c in checked if c.name == REFERENCE), checked[0] if checked else None)
    if standard and standard.checked:
        base = standard
    case["compared_with"] = base.name if base else None
    if base is None:
        return
    energy, forces = base.checked["energy"], np.array(base.checked["forces"])
    largest = np.abs(forces).max()
    for c in checked:
        difference = np.abs(np.array(c.checked["forces"]) - forces).max()
        c.checked = {"energy_error_ev_per_atom": abs(c.checked["energy"] - energy)/n_atoms,
                     "force_error_relative": float(difference/largest)}


def _record(contender, case, peak):
    """A contender's part of the JSON."""
    record = {"name": contender.name, "status": "failed" if contender.error else "ok",
              "message": contender.error or ""}
    if contender.error:
        return record
    for what, name in (("forces", "forces"), ("step", "step"), ("empty", "overhead")):
        if what in contender.times:
            record[name] = measure.statistics(contender.times[what], contender.warm_ups[what])
    if "step" in record:
        record["step"]["ns_per_day"] = measure.nsPerDay(record["step"])
        record["step"]["steps_per_time"] = contender.steps_in_block
    if contender.step_error:
        record["step_message"] = contender.step_error
    record.update({{"device_mb": "memory_device_mb", "reserved_mb": "memory_torch_mb"}.get(
        key, key): value for key, value in contender.info.items()})
    execution = record.get("execution", {})
    if contender.onDevice and "memory_bytes" in execution:
        record["memory_force_mb"] = execution["memory_bytes"]/2**20
    if (nodes := devices.nodesOf(execution)) is not None:
        record["nodes"] = nodes
    if case:
        record.update(contender.checked, memory_mb=contender.memory_mb,
                      memory_import_mb=contender.base_mb)
        _shares(record, case, peak, contender.onDevice)
    return record


def _shares(record, case, peak, on_device):
    """Of the peak of BLAS, or of a device whose peaks are known: floating point and memory."""
    time = record["step"] if on_device and "step" in record else record["forces"]
    seconds = 1e-3*time["p50_ms"]
    record["gflops"] = case["gflop"]/seconds
    record["peak_of"] = "device" if on_device else "BLAS"
    if not on_device:
        record["peak_share"] = record["gflops"]/peak
    elif (peaks := devices.peaksOf(record.get("device"))):
        record.update(peaks, peak_share=1e-3*record["gflops"]/peaks["tflops"],
                      bandwidth_share=1e-3*case["gbyte"]/seconds/peaks["tb_per_s"])


def _ratios(contenders):
    """How many times the first contender's time the others take, and by least times."""
    first, *others = contenders
    ratios = []
    for other in others:
        for what in ("forces", "step"):
            if what in first and what in other:
                ratios.append({"contender": other["name"], "to": first["name"], "what": what,
                               **{key: other[what][f"{key}_ms"]/first[what][f"{key}_ms"]
                                  for key in ("p50", "min")}})
    return ratios


def _coupling(contenders):
    """The mixed step less the force field's step (and the network's), by p50 and by least times:
    ms, or None."""
    if any(c["status"] == "failed" for c in contenders):
        return None
    coupling = {"network_in_system": {}, "beyond_network_alone": {}}
    for key in ("p50", "min"):
        field, mixed, alone = (c["step"][f"{key}_ms"] for c in contenders)
        coupling["network_in_system"][key] = mixed - field
        coupling["beyond_network_alone"][key] = mixed - field - alone
    return coupling


# ------------------------------------------------------------------ where this ran
def _machine():
    machine = {"processor": hostPlatform.processor() or hostPlatform.machine(),
               "system": hostPlatform.platform(), "cores": os.cpu_count()}
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            lines = dict(line.split(":", 1) for line in file if ":" in line)
        values = {key.strip(): value.strip() for key, value in lines.items()}
        machine["processor"] = values.get("model name", machine["processor"])
        machine["vector_units"] = [u for u in ("avx2", "fma", "avx512f", "asimd", "sve")
                                   if u in values.get("flags", values.get("Features", "")).split()]
    except OSError:
        pass
    return machine


def _versions(torch):
    from importlib.metadata import version
    names = ["openmmmlff", "openmm", "numpy"] + (["torch"] if torch else [])
    return {"python": hostPlatform.python_version(), **{name: version(name) for name in names}}
