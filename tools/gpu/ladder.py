#!/usr/bin/env python3
"""The CUDA platform on a card, from the ground up: what the device takes for launches and barriers;
builds the platform, loads it, runs its kernels' own tests, compares every expected value in three
precisions and the bits with graphs and without; times steps, sizes, a molecule in water, PyTorch
beside us; counts what each kernel takes, looks for errors with CUDA's tools.

The order gives most in the first minutes; all of it is meant for 25. Each stage has its own time
limit; after a wrong number nothing is timed. All outcomes go to <results>/<device>.md and .json
after every stage, whatever happens; they are kept in the build folder, so that --continue goes on
where a run ended.

Needs nothing from the network: README.md beside this says what must be there.

  python tools/gpu/ladder.py [--wheels FOLDER] [--minutes M] [--continue] [--stages NAME ...]
"""

import argparse
import collections
import concurrent.futures
import csv
import datetime
import importlib.util
import io
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PRECISIONS = ("single", "mixed", "double")
PASSED, FAILED, SKIPPED, TIMED_OUT = "passed", "failed", "skipped", "out of time"
SKIP_CODE = 77

# Small Systems: the tools make a program 10 to 100 times slower.
CHECKED = ["painn", "painn-open", "painn-student", "painn-solvent", "aimnet2", "aimnet2-open",
           "aimnet2-ewald", "aimnet2-pme"]
PROFILED = ["painn", "painn-large", "aimnet2", "aimnet2-large"]

# --rehearse: further arguments of stages
SMALL = collections.defaultdict(list, {
    "same-bits": ["--sizes", "12", "--steps", "4", "--precisions", "single"],
    "sweep": ["--quick", "--max-atoms", "50"], "mixed": ["--quick"],
    "timings": ["--sizes", "12", "--no-mixed", "--no-torch"]})

# ncu's metrics, and how a column is headed
METRICS = {"gpu__time_duration.sum": "us", "dram__bytes.sum": "MB memory",
           "lts__t_bytes.sum": "MB L2",
           "sm__throughput.avg.pct_of_peak_sustained_elapsed": "% compute",
           "sm__warps_active.avg.pct_of_peak_sustained_active": "% warps"}
UNITS = {"nsecond": 1e-3, "usecond": 1, "msecond": 1e3, "ns": 1e-3, "us": 1, "ms": 1e3,
         "byte": 1e-6, "Kbyte": 1e-3, "Mbyte": 1, "Gbyte": 1e3, "%": 1}

# What was expected of a step on an H100 before anything had run on one, without OpenMM's own part
# of 10 to 15 us. Model and atoms: us of the first version, and once it is tuned (AIMNet2: with
# programmatic edges).
EXPECTED = {
    "painn-128x3": {12: (60, 28), 50: (70, 45), 200: (140, 90), 1000: (350, 250),
                    10000: (2900, 2100), 100000: (28000, 20000)},
    "student-427k": {12: (40, 25)},
    "aimnet2": {12: (75, 52), 24: (78, 55), 50: (85, 60), 200: (140, 110), 1000: (330, 280),
                10000: (2300, None), 100000: (22000, 19000)}}

HELLO = """
import openmm, os, sys
for plugin in sys.argv[1:]:
    openmm.Platform.loadPluginLibrary(plugin)
platform = openmm.Platform.getPlatformByName("CUDA")
assert platform.supportsKernels(["CalcMLFFForce"]), openmm.Platform.getPluginLoadFailures()
for precision in ("single", "mixed", "double"):
    system = openmm.System()
    system.addParticle(1)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform,
                             {"Precision": precision})
    print("device:", platform.getPropertyValue(context, "DeviceName"), precision)
print("openmm", openmm.__version__)
"""


class Ladder:
    """The stages and what came of them."""

    def __init__(self, options):
        self.options = options
        self.begin = time.monotonic()
        self.build = pathlib.Path(options.build).resolve()
        self.build.mkdir(parents=True, exist_ok=True)
        self.state = self.build/"ladder.json"
        self.site = self.build/"site"           # openmm, OpenMM.libs and other wheels
        self.package = self.build/"package"     # the same with ours
        self.openmm = self.site/"OpenMM.libs/lib/plugins"
        self.device = "unknown device"
        self.results = {}
        self.written = []
        self.small = SMALL if options.rehearse else collections.defaultdict(list)
        self.keep_going = options.keep_going or options.rehearse
        if self.state.exists() and options.go_on:
            known = json.loads(self.state.read_text())
            self.device, self.results = known["device"], known["stages"]

    def environment(self, site):
        """Of what runs with the packages of a folder: CUDA's libraries may come with PyTorch."""
        libraries = []
        spec = importlib.util.find_spec("nvidia")
        for place in [*(spec.submodule_search_locations if spec else ()), site/"nvidia"]:
            libraries += [str(p) for p in sorted(pathlib.Path(place).glob("*/lib"))]
        def join(name, *first):
            return os.pathsep.join([*map(str, first), *filter(None, [os.environ.get(name)])])
        return dict(
            os.environ, MLFF_TEST_DATA=str(ROOT/"tests/data"), MLFF_MODELS=str(ROOT/"models"),
            MLFF_SHARED=self.options.shared, MLFF_PLUGINS=str(self.build/"plugins"),
            OPENMM_PLUGINS=str(self.openmm), MLFF_CUDA_PLATFORM=str(self.openmm/"libOpenMMCUDA.so"),
            PYTHONPATH=join("PYTHONPATH", site), PATH=join("PATH", site/"bin"),
            LD_LIBRARY_PATH=join("LD_LIBRARY_PATH", *libraries))

    def run(self, command, limit, site=None, **environment):
        """(outcome, everything it printed) of one command."""
        limit = max(1, min(limit, self.time_left()))
        process = None
        try:
            process = subprocess.Popen([str(word) for word in command], cwd=ROOT, text=True,
                                       env={**self.environment(site or self.site), **environment},
                                       errors="replace", start_new_session=True,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            text = process.communicate(timeout=limit)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)  # it and what it started
            return TIMED_OUT, process.communicate()[0]
        except OSError as error:
            return SKIPPED, str(error)
        if process.returncode == SKIP_CODE:
            return SKIPPED, text
        return PASSED if process.returncode == 0 else FAILED, text

    def time_left(self):
        return 60*self.options.minutes-(time.monotonic()-self.begin)

    # ------------------------------------------------------------------------- stages

    def stage_device(self, limit):
        outcome, text = self.run(
            ["nvidia-smi", "--format=csv", "--query-gpu=name,driver_version,memory.total,"
             "clocks.sm,clocks.max.sm,clocks.mem,compute_cap,power.limit"], limit)
        lines = text.strip().splitlines()
        if outcome == PASSED and len(lines) > 1:
            self.device = lines[1].split(",")[0].strip()
        return outcome, text

    def stage_site(self, limit):
        """OpenMM with its CUDA platform in a folder of its own."""
        if self.options.wheels:
            wheels = sorted(pathlib.Path(self.options.wheels).resolve().glob("*.whl"))
            if not wheels:
                return FAILED, f"no wheels in {self.options.wheels}"
            shutil.rmtree(self.site, ignore_errors=True)
            outcome, text = self.run(
                [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps",
                 "--disable-pip-version-check", "--target", self.site, *wheels], limit)
            text = "\n".join(["wheels: "+" ".join(wheel.name for wheel in wheels), text])
        else:
            spec = importlib.util.find_spec("openmm")
            if spec is None:
                return FAILED, (f"{sys.executable} has no openmm: install it there (pip install "
                                "openmm OpenMM-CUDA-13), or name a folder of wheels by --wheels")
            place = pathlib.Path(spec.origin).resolve().parents[1]
            for name in ("openmm", "OpenMM.libs"):
                shutil.copytree(place/name, self.site/name, dirs_exist_ok=True, symlinks=True)
            outcome, text = PASSED, f"copied from {place}"
        if outcome == PASSED and not (self.openmm/"libOpenMMCUDA.so").exists():
            return FAILED, text+"\nthere is no CUDA platform of OpenMM: OpenMM-CUDA-13 (or -12)"
        return outcome, text

    def stage_build(self, limit):
        outcome, text = self.run([sys.executable, ROOT/"tests/cuda/full_size.py", self.build], 60)
        if outcome != PASSED:
            return outcome, text
        configure = [self.options.cmake, "-S", ROOT, "-B", self.build, "-G", "Ninja",
                     f"-DPython3_EXECUTABLE={sys.executable}", "-DMLFF_CUDA=ON",
                     f"-DOPENMM_DIR={self.site/'OpenMM.libs'}",
                     f"-DMLFF_SHARED_DIR={self.options.shared}"]
        python = "ON"
        outcome, text = self.run([*configure, "-DMLFF_PYTHON=ON"], limit)
        if outcome == FAILED and ("SWIG" in text or "Python.h" in text):
            python, reason = "OFF", text
            outcome, text = self.run([*configure, "-DMLFF_PYTHON=OFF"], limit)
            text = f"without the Python package: {reason}\n{text}"
        if outcome != PASSED:
            return outcome, text
        known = self.run([self.options.cmake, "--build", self.build, "--target", "help"], limit)[1]
        outcome, more = self.run([self.options.cmake, "--build", self.build, "--target",
                                  "cuda_steps", "TestCudaMLFFForce", "OpenMMMLFFReference",
                                  "OpenMMMLFFCPU", "OpenMMMLFFCUDA",
                                  *sorted(set(re.findall(r"^(\w+_on_device):", known, re.M))),
                                  *(["_mlffforce"] if python == "ON" else [])], limit)
        return outcome, f"MLFF_PYTHON={python}\n{text}\n{more}"

    def stage_load(self, limit):
        plugins = [self.openmm/"libOpenMMCUDA.so", self.build/"plugins/libOpenMMMLFFCUDA.so"]
        outcome, text = self.run([sys.executable, "-c", HELLO, *plugins], limit)
        if found := re.search(r"device: (.*) mixed", text):
            self.device = found[1]
        return outcome, text

    def together(self, limit, commands, **environment):
        """Commands side by side; commands: {name: command, or (command, its environment)}."""
        commands = {name: command if isinstance(command, tuple) else (command, {})
                    for name, command in commands.items()}
        with concurrent.futures.ThreadPoolExecutor(len(commands)) as pool:
            jobs = {name: pool.submit(self.run, command, limit, **environment, **own)
                    for name, (command, own) in commands.items()}
            found = {name: job.result() for name, job in jobs.items()}
        outcomes = [outcome for outcome, text in found.values()]
        worst = next(o for o in (FAILED, TIMED_OUT, SKIPPED, PASSED) if o in outcomes)
        return worst, "".join(f"{name}: {outcome}\nBEGIN {name}\n{text.rstrip()}\nEND\n"
                              for name, (outcome, text) in found.items())

    def stage_micro(self, limit):
        return self.run([sys.executable, ROOT/"tools/gpu/micro.py", "--json",
                         self.build/"micro.json"], limit)

    def stage_kernels(self, limit):
        """Tests of kernels by themselves: every program <name>_on_device."""
        programs = sorted(p for p in (self.build/"tests/cuda").glob("*_on_device")
                          if p.is_file() and os.access(p, os.X_OK))
        if not programs:
            return SKIPPED, "there is no test of kernels by themselves"
        return self.together(limit, {f"{p.name}, {precision}": [p, precision]
                                     for p in programs for precision in PRECISIONS})

    def stage_values(self, limit):
        """Every expected value, with graphs and without: the deviations must be the same, too."""
        program = self.build/"tests/cuda/TestCudaMLFFForce"
        both = {}
        for graphs in ("1", "0"):
            for precision in PRECISIONS:
                name = precision if graphs == "1" else f"{precision}, without graphs"
                both[name] = ([program, precision], {"MLFF_DEVICE_GRAPH": graphs})
        outcome, text = self.together(limit, both)
        parts = dict(re.findall(r"^BEGIN (.*)\n((?:.*\n)*?)END$", text, re.M))
        for precision in PRECISIONS:
            pair = [[line for line in parts.get(name, "").splitlines() if "deviation" in line]
                    for name in (precision, f"{precision}, without graphs")]
            if pair[0] != pair[1]:
                text += f"{precision}: graphs change values:\n" + "\n".join(
                    f"  {a}\n  {b}" for a, b in zip(*pair) if a != b) + "\n"
                outcome = FAILED if outcome == PASSED else outcome
        return outcome, text

    def stage_same_bits(self, limit):
        """Simulations without graphs, with them, with them again."""
        if not (self.package/"openmmmlff").exists():
            return SKIPPED, "there is no Python package: see the stages build and package"
        return self.run([sys.executable, ROOT/"tools/gpu/same_bits.py", "--seconds", limit - 30,
                         *self.small["same-bits"]], limit, self.package)

    def steps(self, *arguments):
        return [self.build/"tests/cuda/cuda_steps", *arguments]

    def stage_steps(self, limit):
        """The mean time of a step, without Python; with models of full size."""
        return self.run(self.steps("2000", "single,mixed"), limit, MLFF_SHARED=str(self.build))

    def stage_sanitizer(self, limit, filters):
        """filters: {tool: which kernels}."""
        tool = shutil.which("compute-sanitizer")
        if tool is None:
            return SKIPPED, "there is no compute-sanitizer"
        outcome, text = self.together(limit, {
            check: [tool, "--tool", check, "--error-exitcode", "1", "--print-limit", "20",
                    *which, *self.steps("2", "single", *CHECKED)]
            for check, which in filters.items()})
        return (SKIPPED, text) if "Device not supported" in text else (outcome, text)

    def stage_package(self, limit):
        """Our Python package beside OpenMM's, in a copy of its folder."""
        if not list((self.build/"wrappers/python").glob("openmmmlff/_mlffforce*")):
            return SKIPPED, "the Python package was not built: SWIG 4.4 is needed"
        shutil.rmtree(self.package, ignore_errors=True)
        shutil.copytree(self.site, self.package, symlinks=True)
        outcome, text = self.run([self.options.cmake, "--build", self.build], limit)
        if outcome == PASSED:
            outcome, text = self.run([self.options.cmake, "--install", self.build, "--prefix",
                                      self.package], limit)
        if outcome == PASSED:
            shutil.copytree(ROOT/"wrappers/python/openmmmlff", self.package/"openmmmlff",
                            dirs_exist_ok=True)
            outcome, more = self.run([sys.executable, "-m", "openmmmlff", "--version"], limit,
                                     self.package)
            text += more
        return outcome, text

    def stage_benchmark(self, limit, name, *arguments, **environment):
        """openmm-mlff benchmark; its JSON, and its plot, are <name>.json and .png."""
        if not (self.package/"openmmmlff").exists():
            return SKIPPED, "there is no Python package: see the stages build and package"
        outcome, text = self.run([sys.executable, "-m", "openmmmlff", "benchmark", *arguments,
                                  "--json", self.build/f"{name}.json"], limit, self.package,
                                 **environment)
        progress = re.compile(r".* \.\.\.$\n", re.M)
        return outcome, text if outcome == TIMED_OUT else progress.sub("", text)

    def stage_sweep(self, limit, name, *arguments):
        arguments = ["--sweep", "--platforms", "CUDA", *arguments, *self.small["sweep"],
                     "--minutes", f"{max(0.1, (min(limit, self.time_left()) - 40)/60):.2f}"]
        if importlib.util.find_spec("matplotlib"):
            arguments += ["--plot", self.build/f"{name}.png"]
        return self.stage_benchmark(limit, name, *arguments)

    def stage_profile(self, limit):
        """What a launch of each kernel takes, in a few steps."""
        tool = shutil.which("ncu")
        if tool is None:
            return SKIPPED, "there is no ncu"
        text, begin = "", time.monotonic()
        for case in PROFILED:
            outcome, found = self.run(
                [tool, "--csv", "--print-units", "base", "--target-processes", "all",
                 "--kernel-name", "regex:mlff", "--metrics", ",".join(METRICS),
                 *self.steps("3", "single", case)], limit-(time.monotonic()-begin),
                MLFF_SHARED=str(self.build), MLFF_DEVICE_GRAPH="0")
            if outcome != PASSED:
                return (SKIPPED if "ERR_NVGPUCTRPERM" in found or "LibraryNotLoaded" in found
                        else outcome), text+found[-3000:]
            text += kernel_table(case, found)
        return PASSED, text

    def stage_timeline(self, limit):
        """Launches, gaps and copies of 200 steps."""
        tool = shutil.which("nsys")
        if tool is None:
            return SKIPPED, "there is no nsys"
        return self.run([tool, "profile", "--stats", "true", "--force-overwrite", "true",
                         "--cuda-graph-trace", "node",
                         "--output", self.build/"timeline",
                         *self.steps("200", "single", "painn", "aimnet2")],
                        limit, MLFF_SHARED=str(self.build))

    # -------------------------------------------------------------------------- climb

    def stages(self):
        """(name, seconds allowed, function, whether the rest makes no sense without it)."""
        yield "device", 30, self.stage_device, False
        yield "micro", 90, self.stage_micro, False
        yield "site", 120, self.stage_site, True
        yield "build", 420, self.stage_build, True
        yield "load", 90, self.stage_load, True
        yield "kernels", 120, self.stage_kernels, True
        yield "values", 420, self.stage_values, True
        yield "steps", 90, self.stage_steps, False
        yield "package", 180, self.stage_package, False
        yield "same-bits", 180, self.stage_same_bits, True
        cuda = "--platforms", "CUDA"
        all_ways = "--matrix-precision", "Full", "SplitHalf", "TF32"
        yield ("timings-quick", 240, lambda limit: self.stage_benchmark(
            limit, "timings-quick", "--quick", *cuda, *all_ways, *self.small["timings"]), False)
        yield ("timings-programmatic", 150, lambda limit: self.stage_benchmark(
            limit, "timings-programmatic", "--quick", "--no-torch", "--no-mixed", *cuda,
            *self.small["timings"], MLFF_PROGRAMMATIC_EDGES="1"), False)
        yield "sweep", 300, lambda limit: self.stage_sweep(
            limit, "sweep", "--no-torch", *all_ways), False
        yield ("mixed", 240, lambda limit: self.stage_benchmark(
            limit, "mixed", "--mixed", *cuda, *self.small["mixed"]), False)
        yield "profile", 180, self.stage_profile, False
        yield "timeline", 90, self.stage_timeline, False
        yield ("timings", 570, lambda limit: self.stage_benchmark(
            limit, "timings", "--no-mixed", *cuda, *self.small["timings"]), False)
        yield "sweep-torch", 420, lambda limit: self.stage_sweep(limit, "sweep-torch"), False
        ours = ["--kernel-name", "kernel_substring=mlff"]
        yield ("sanitizer", 400, lambda limit: self.stage_sanitizer(
            limit, {"memcheck": [], "racecheck": ours, "synccheck": ours}), False)
        yield ("initcheck", 240,
               lambda limit: self.stage_sanitizer(limit, {"initcheck": []}), False)

    def climb(self):
        broken = None
        for name, limit, function, needed in self.stages():
            if self.options.stages and name not in self.options.stages:
                continue
            known = self.results.get(name, {}).get("outcome")
            if self.options.go_on and known == PASSED:
                print(f"{name:16s}{'passed before':14s}", flush=True)
                continue
            if self.time_left() < 20:
                print(f"{name:16s}left for a run with --continue", flush=True)
                continue
            start = time.monotonic()
            if broken is not None and not self.keep_going:
                outcome, text = SKIPPED, f"not tried: {broken} did not pass"
            else:
                outcome, text = function(limit)
            seconds = round(time.monotonic()-start, 1)
            self.results[name] = {"outcome": outcome, "seconds": seconds, "limit": limit,
                                  "output": text}
            print(f"{name:16s}{outcome:14s}{seconds:8.1f} s  {summary(name, self.results[name])}",
                  flush=True)
            if outcome in (FAILED, TIMED_OUT):
                print("\n".join(text.strip().splitlines()[-15:]), flush=True)
                if needed:
                    broken = broken or name
            elif name in SHOWN and outcome == PASSED:
                print(text.strip(), flush=True)
            self.write()

    # ------------------------------------------------------------------------- report

    def write(self):
        folder = pathlib.Path(self.options.results)
        folder.mkdir(parents=True, exist_ok=True)
        self.state.write_text(json.dumps({"device": self.device, "stages": self.results}))
        name = re.sub(r"[^A-Za-z0-9]+", "-", self.device).strip("-").lower()
        report = {"device": self.device, "date": datetime.date.today().isoformat(),
                  "python": sys.version.split()[0], "stages": self.results}
        for output in MEASURED:
            path = self.build/f"{output}.json"
            # a contender that failed fails the stage, and the others have figures all the same
            if self.results.get(output, {}).get("outcome") in (PASSED, FAILED) and path.exists():
                report[output] = json.loads(path.read_text())
        for path in self.written:  # under another name, before the device was known
            path.unlink(missing_ok=True)
        self.written = [folder/f"{name}.json", folder/f"{name}.md"]
        for sweep in ("sweep", "sweep-torch"):  # the last one has more to show
            plot = self.build/f"{sweep}.png"
            if sweep in report and plot.exists():
                report["plot"] = f"{name}-sweep.png"
                shutil.copyfile(plot, folder/report["plot"])
        self.written += [folder/report["plot"]] if "plot" in report else []
        text = json.dumps(report, indent=1).replace(str(ROOT), ".")
        self.written[0].write_text(text+"\n")
        self.written[1].write_text(self.markdown(report).replace(str(ROOT), "."))

    def markdown(self, report):
        lines = [f"# {report['device']}", "",
                 f"{report['date']}, by `python tools/gpu/ladder.py`, Python {report['python']}.",
                 "",
                 "| stage | outcome | s | says |", "| --- | --- | ---: | --- |"]
        for name, row in self.results.items():
            lines.append(f"| {name} | {row['outcome']} | {row['seconds']} | "
                         f"{summary(name, row)} |")
        lines += expectations(report)
        if "plot" in report:
            lines += ["", f"![a step's time by atoms]({report['plot']})"]
        for name, row in self.results.items():
            if name in SHOWN and row["outcome"] == PASSED or (
                    name in MEASURED and row["outcome"] == FAILED):
                heading = name if row["outcome"] == PASSED else f"{name}: {row['outcome']}"
                lines += ["", f"## {heading}", "", "```", row["output"].strip(), "```"]
            elif row["outcome"] in (FAILED, TIMED_OUT):
                lines += ["", f"## {name}: {row['outcome']}", "", "```",
                          *row["output"].strip().splitlines()[-40:], "```"]
        return "\n".join(lines)+"\n"


# Stages whose whole output is the result.
SHOWN = ("micro", "steps", "same-bits", "timings-quick", "timings-programmatic", "sweep", "mixed",
         "timings", "sweep-torch", "profile")

# Stages that leave a JSON file.
MEASURED = ("micro", "timings-quick", "timings-programmatic", "sweep", "mixed", "timings",
            "sweep-torch")


def expectations(report):
    """Lines of a table: what was expected of a step, and what was measured, of the platform."""
    measured = {}
    for stage in ("timings-quick", "sweep-torch", "timings", "sweep"):  # the last one counts
        for case in report.get(stage, {}).get("cases", ()):
            for contender in case["contenders"]:
                if contender["name"] == "CUDA" and "step" in contender:
                    measured[case["model"], case["atoms"]] = contender["step"]
    rows = []
    for model, sizes in EXPECTED.items():
        for atoms, (first, tuned) in sizes.items():
            near = [n for of, n in measured if of == model and abs(n - atoms) <= 0.03*atoms]
            if near:
                step = measured[model, min(near, key=lambda n: abs(n - atoms))]
                rows.append(f"| {model} | {atoms} | {first} | {tuned or ''} | "
                            f"{1e3*step['p50_ms']:.1f} | {1e3*step['p95_ms']:.1f} |")
    if not rows:
        return []
    return ["", "Expected before anything had run on a card (H100, without OpenMM's own 10 to 15 "
            "us of a step), and measured, with it: us.", "",
            "| model | atoms | first version | tuned | p50 | p95 |",
            "| --- | ---: | ---: | ---: | ---: | ---: |", *rows]


def summary(name, row):
    """What a stage found, in one line."""
    wanted = (r"goldens|simulations,|graphs change|no test of kernels|left out: |ERROR SUMMARY|"
              r"RACECHECK SUMMARY|checks,|^device:|skipped:|not tried|"
              r"there is no|No such file|no wheels|has no openmm|MLFF_PYTHON=|wheels:")
    found = [line.strip() for line in row["output"].splitlines() if re.search(wanted, line)]
    if name == "device" and row["outcome"] == PASSED:
        found = row["output"].strip().splitlines()[1:2]
    return "; ".join(" ".join(line.split()) for line in found[:8]).replace("|", "/")


def kernel_table(case, text):
    """ncu's CSV as a table: the medians of each kernel's launches."""
    start = text.find('"ID"')
    launches = collections.defaultdict(lambda: collections.defaultdict(dict))
    for row in csv.DictReader(io.StringIO(text[start:])) if start >= 0 else ():
        if row.get("Metric Name") in METRICS:
            value = float(row["Metric Value"].replace(",", ""))*UNITS.get(row["Metric Unit"], 1)
            launches[row["Kernel Name"].split("(")[0]][row["ID"]][row["Metric Name"]] = value
    if not launches:
        return f"{case}: ncu measured no kernel\n{text[-1000:]}\n"
    lines = [f"{case}: medians of a launch", f"  {'kernel':30s}{'launches':>9s}"
             + "".join(f"{head:>12s}" for head in METRICS.values())]
    for kernel, found in sorted(launches.items()):
        cells = [statistics.median(v.get(metric, 0) for v in found.values()) for metric in METRICS]
        lines.append(f"  {kernel:30s}{len(found):9d}"+"".join(f"{cell:12.2f}" for cell in cells))
    return "\n".join(lines)+"\n\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", metavar="FOLDER",
                        help="wheels of openmm, OpenMM-CUDA-13 and swig; default: what the Python "
                             "that runs this has")
    parser.add_argument("--minutes", type=float, default=25,
                        help="for all stages; the rest is left for --continue")
    parser.add_argument("--continue", action="store_true", dest="go_on",
                        help="leave out what passed in an earlier run with this build folder")
    parser.add_argument("--stages", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--keep-going", action="store_true", help="go on after wrong numbers")
    parser.add_argument("--rehearse", action="store_true",
                        help="for the pretend driver: small cases, go on after wrong numbers")
    parser.add_argument("--build", default=str(ROOT/"build/gpu"), help="folder to build in")
    parser.add_argument("--results", default=str(ROOT/"benchmarks/results"))
    parser.add_argument("--cmake", default=shutil.which("cmake") or "cmake")
    parser.add_argument("--shared",
                        default=os.environ.get("MLFF_SHARED", str(ROOT.parent/"shared")),
                        help="values of the original codes and their models, if there are any")
    ladder = Ladder(parser.parse_args())
    names = [stage[0] for stage in ladder.stages()]
    if unknown := set(ladder.options.stages or ()) - set(names):
        parser.error(f"no stage {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    ladder.climb()
    bad = [name for name, row in ladder.results.items() if row["outcome"] in (FAILED, TIMED_OUT)]
    print("not passed:", ", ".join(bad) if bad else "none")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
