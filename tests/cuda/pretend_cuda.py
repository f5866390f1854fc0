"""The CUDA platform on a pretend driver (gpu/): what the host does in a step, what the real
compilers make of the kernels, and with --execute the numbers that these compute.

Runs cuda_steps (which see) for devices of several compute capabilities, in single, mixed and double
precision, and reads the driver's log. In a step that needs forces only, and beyond what
OpenMM does without an MLFFForce, there must be
  - at most so many launches, all of kernels named mlff*,
  - no copy that blocks, no allocation,
  - no wait, but one for what was queued before the last step: a whole step is queued behind it;
and in the whole run no call that the driver refused and no page-locked memory left behind.
An atom may take so many bytes. No array reaches a kernel under two names that SAME_ARRAY does not
know, and no stores to shared memory are missing on newer devices (shared_stores.py). The kernels'
PTX goes through ptxas: none may spill registers, and those of HOT must be among them: else this would
be said of nothing. Kernels on tensor cores are compiled besides (tensor_kernels.py), whatever tiles
the Systems take.

With --suite, runs that test program instead. Unless kernels are executed, its numbers are wrong
throughout: every kernel that it needs, and it needs those of all small models, must compile, and
the driver must not refuse a call. With --execute, its checks must pass as well; --watch turns on
what the interpreter looks for.

The compiler's output is kept in --cache, by the hash of the text and the version of the compiler:
the next run takes it from there.

Exit status: 0 passed, 1 failed, 77 nothing could be tested.
"""

import argparse
import collections
import concurrent.futures
import glob
import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys

import full_size
import shared_stores
import tensor_kernels

PRECISIONS = ["single", "mixed", "double"]
SUITE_PRECISIONS = ["single", "double"]  # mixed takes the networks of single

# Compute capabilities, and in which precisions: not every kernel for every device in every one.
DEVICES = {"75": PRECISIONS, "80": ["single"], "86": ["single"], "90": PRECISIONS,
           "100": ["single"], "120": ["single"]}

# Each case must have been run. What OpenMM does by itself there; launches of ours in a force-only
# step, at most.
CASES = {"painn": ("empty", 11), "two-painn": ("two-empty", 11), "painn-open": ("empty", 8),
         "painn-student": ("empty", 11), "painn-solvent": ("solvent", 11),
         "painn-medium": ("empty", 16), "painn-medium-split": ("empty", 16),
         "painn-medium-tf32": ("empty", 16), "painn-student-split": ("empty", 16),
         "painn-large": ("large-empty", 17), "aimnet2": ("empty", 41),
         "aimnet2-split": ("empty", 41), "aimnet2-tf32": ("empty", 41),
         "aimnet2-open": ("empty", 37), "aimnet2-ewald": ("empty", 43),
         "aimnet2-pme": ("empty", 45), "aimnet2-large": ("large-empty", 42)}

# A library makes the launches of the Fourier transforms.
WITHOUT_GRAPH = ["aimnet2-pme"]

# Where not all precisions are tried, only what needs other kernels than the rest.
FEW_CASES = ["empty", "large-empty", "painn", "painn-student", "painn-medium",
             "painn-medium-split", "painn-medium-tf32", "painn-student-split", "painn-large",
             "aimnet2", "aimnet2-split", "aimnet2-tf32", "aimnet2-pme", "aimnet2-large"]

# Device memory of an atom, by what thousands of atoms take more than a few do; bytes at most,
# twice that in double precision: 100,000 atoms in 2.6 and 4.2 GB.
BYTES = {("painn-large", "painn"): 26000, ("aimnet2-large", "aimnet2"): 42000}

# Kernels that take the time: they must be there to be judged.
HOT = """mlffPainnMessageFirst mlffPainnMessage mlffPainnMessageBackwardFirst
    mlffPainnMessageBackward mlffPainnNode mlffPainnNodeLast mlffPainnNodeBackward
    mlffPainnFusedFirst mlffPainnFused mlffPainnFusedLast mlffPainnFusedBackward
    mlffAimnet2Conv mlffAimnet2Combine mlffAimnet2ConvReverse mlffAimnet2Update
    mlffAimnet2UpdateReverse mlffDenseForward mlffDenseReverse mlffLongRange mlffCoordination
    mlffCoordinationForces mlffFindPairs mlffMessagePairs mlffSortRows""".split()

# Kernels that receive one array under two names, and the names. test_kernel_texts.py sees to it that
# none is RESTRICT, or all are read only.
SAME_ARRAY = {
    "mlffPainnFusedFirst": ["embedding x"],
    "mlffPainnMessageFirst": ["embedding x"],
    "mlffPainnNodeBackward": ["vMid gv"],
}

# What --watch turns on: environment variables of the driver.
WATCH = {"races": "RACES", "global-races": "GLOBAL_RACES", "unwritten": "UNWRITTEN",
         "poison": "POISON", "lazy": "LAZY", "shuffle": "SHUFFLE"}
# In which reads of shared memory that nobody has written do no harm: threads without a span
# subtract from a word that is not used afterward.
UNWRITTEN_IN = "mlffFindPairs"

GRAPHS_ON = "90"  # compared with what is launched without them

STEPS = 100
WARM_UP = 10  # of them may still allocate or build lists
SKIPPED = 77


def find_wheels(folder):
    """(OpenMM's CUDA platform, folder of NVRTC, ptxas), or None."""
    platform = os.path.join(folder, "OpenMM.libs", "lib", "plugins", "libOpenMMCUDA.so")
    compilers = glob.glob(os.path.join(folder, "nvidia", "*", "lib", "libnvrtc.so.*"))
    assemblers = glob.glob(os.path.join(folder, "nvidia", "*", "bin", "ptxas"))
    if not (os.path.exists(platform) and compilers and assemblers):
        return None
    return platform, os.path.dirname(compilers[0]), assemblers[0]


def kernel_cache(options):
    """Folder for the PTX of these compilers; OpenMM names files by the hash of the text."""
    versions = sorted(os.path.basename(path) for path in
                      glob.glob(os.path.join(options.wheels, "*.dist-info")))
    digest = hashlib.sha256(" ".join(versions).encode()).hexdigest()[:16]
    folder = os.path.join(options.cache or os.path.join(options.work, "cache"), digest)
    os.makedirs(folder, exist_ok=True)
    return folder


# --------------------------------------------------------------------------- one device


def run_program(options, wheels, name, command, **settings):
    """Run a command on the pretend driver; returns what subprocess.run() does, and the log as a
    list of lists of words."""
    log = os.path.join(options.work, f"{name}.log")
    if os.path.exists(log):
        os.remove(log)
    cache = kernel_cache(options)
    environment = dict(
        os.environ, LD_BIND_NOW="1", OPENMM_CACHE_DIR=cache, TMPDIR=cache,  # files are renamed
        MLFF_CUDA_PLATFORM=wheels[0],
        OPENMM_PLUGINS=os.path.dirname(wheels[0]), PRETEND_CUDA_LOG=log,
        LD_LIBRARY_PATH=os.pathsep.join([options.libraries, wheels[1]]), **settings)
    if not options.execute:     # goldens from elsewhere would tell nothing
        environment["MLFF_SHARED"] = options.work
    result = subprocess.run(command, env=environment, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, timeout=2600 if options.execute else 850)
    return result, read_log(options, name)


def read_log(options, name):
    """Of the run of this name, as a list of lists of words."""
    log = os.path.join(options.work, f"{name}.log")
    if not os.path.exists(log):
        return []
    with open(log) as file:
        return [line.split() for line in file if line.strip()]


def run_steps(options, wheels, capability, name=None, **settings):
    """Run cuda_steps; returns its log as a list of lists of words."""
    name = name or capability
    images = os.path.join(options.work, f"images-{name}")
    shutil.rmtree(images, ignore_errors=True)
    os.makedirs(images)
    precisions = DEVICES[capability]
    result, lines = run_program(
        options, wheels, name, [options.program, str(STEPS), ",".join(precisions),
                                      *(FEW_CASES if len(precisions) == 1 else ())],
        PRETEND_CUDA_CAPABILITY=capability, PRETEND_CUDA_IMAGES=images, **settings)
    if result.returncode not in (0, 1):  # 1: some Systems failed, as their marks say
        refused = [" ".join(words[1:]) for words in lines if words[0] == "refused"]
        raise RuntimeError(f"{os.path.basename(options.program)}: exit status "
                           f"{result.returncode}\n{result.stdout}" + "\n".join(refused))
    return lines


def split_cases(lines):
    """{(case, precision): Case} of a log."""
    cases, case = {}, None
    for words in lines:
        if words[:2] == ["mark", "case"]:
            case = cases[words[2], words[3]] = Case(int(words[4]))
        elif case is not None:
            case.add(words)
    return cases


class Case:
    """What the driver saw of one System."""

    def __init__(self, atoms):
        self.atoms = atoms
        self.bytes = 0          # of the device's memory: those that are allocated
        self.bytes_in_steps = 0
        self.images = set()     # files with kernels
        self.before = []        # events of the setup and the first evaluation
        self.steps = []         # events of each step
        self.energy = []        # of one evaluation of the energy
        self.now = self.before
        self.left = None        # allocations left on the device and on the host
        self.problems = []
        self.recorded = {}      # the step in which an event was recorded
        self.launches = []      # of ours, all: kernel, grid, block, shared, hash of the arguments
        # MLFFForce::getExecutionInfo() behind the steps and at the end
        self.info = {"info": {}, "end-info": {}}

    def add(self, words):
        if words[0] == "mark":
            if words[1] == "step":
                self.steps.append([])
                self.now = self.steps[-1]
            elif words[1] == "failed":
                self.problems.append(" ".join(words[2:]))
            elif words[1] in self.info:
                self.info[words[1]][words[2]] = " ".join(words[3:])
            else:
                self.now = self.energy if words[1] == "energy" else []
                if words[1] == "energy":
                    self.bytes_in_steps = self.bytes
        elif words[0] == "refused":
            self.problems.append("the driver refused " + " ".join(words[1:]))
        elif words[:2] == ["context", "destroyed"]:
            self.left = int(words[2]), int(words[3])
        elif words[0] == "module":
            self.images.update(words[2:])
        elif words[0] == "free":
            self.bytes -= int(words[2]) if words[1] == "device" else 0
        else:
            if words[:2] == ["allocate", "device"]:
                self.bytes += int(words[2])
            if words[0] == "launch" and words[1].startswith("mlff"):
                self.launches.append((*words[1:5], words[6]))
            if words[0] == "record":
                self.recorded[words[1]] = len(self.steps)
            elif words[:2] == ["wait", "event"]:
                words = words + [len(self.steps)-self.recorded.get(words[2], 0)]  # steps ago
            self.now.append(words)


def count(events):
    """Launches by the kernel's name; of them those of ours that are in no graph; graphs; blocking
    and queued copies; waits, apart from those for what is older than the last step; allocations."""
    found = {"launches": collections.Counter(), "single": 0, "graphs": 0, "blocking": 0,
             "queued": 0, "waits": 0, "old waits": 0, "allocations": 0}
    for words in events:
        if words[0] == "launch":
            found["launches"][words[1]] += 1
            found["single"] += words[1].startswith("mlff") and words[-1] != "graph"
        elif words[0] == "graph":
            found["graphs"] += 1
        elif words[0] == "copy":
            found[words[-1]] += 1
        elif words[0] == "wait":
            found["old waits" if words[1] == "event" and words[3] >= 2 else "waits"] += 1
        elif words[0] == "allocate":
            found["allocations"] += 1
    return found


def worst(steps):
    """Of each kind of event the most in any step."""
    most = dict.fromkeys(("launches", "ours", "single", "graphs", "blocking", "queued", "waits",
                          "old waits", "allocations"), 0)
    for events in steps:
        found = count(events)
        found["ours"] = sum(n for name, n in found["launches"].items() if name.startswith("mlff"))
        found["launches"] = sum(found["launches"].values())
        for key in most:
            most[key] = max(most[key], found[key])
    return most


def check_matrices(name, precision, capability, case):
    """Problems: tensor cores where they were asked for and are, until an operand does not fit."""
    asked = {"split": "SplitHalf", "tf32": "TF32"}.get(name.rpartition("-")[2], "Full")
    refused = ("" if asked == "Full" else "double precision" if precision == "double" else
               "tensor cores are used" if int(capability) < 80 else "")
    then = "a number beyond the range" if asked != "Full" else ""
    expected = {"info": ("Full" if refused else asked, refused), "end-info": ("Full", then)}
    return [f"{when}: matrix precision {info.get('matrix_precision')} "
            f"({info.get('matrix_precision_refused')}), expected {precision} ({reason})"
            for when, (precision, reason) in expected.items() for info in [case.info[when]]
            if info.get("matrix_precision") != precision
            or not info.get("matrix_precision_refused", "").startswith(reason)
            or bool(info.get("matrix_precision_refused")) != bool(reason)]


def check_case(name, precision, capability, cases):
    """(problems, figures) of one System."""
    case = cases[name, precision]
    problems = list(case.problems)
    baseline, limit = CASES[name]
    base = cases[baseline, precision]
    if len(case.steps) < STEPS or len(base.steps) < STEPS:
        return problems + [f"{len(case.steps)} steps of {STEPS}"], {}
    now, plain = worst(case.steps[WARM_UP:]), worst(base.steps[WARM_UP:])
    foreign = {kernel for step in case.steps for kernel in count(step)["launches"]}
    foreign -= {kernel for step in base.steps for kernel in count(step)["launches"]}
    foreign = sorted(kernel for kernel in foreign if not kernel.startswith("mlff"))
    if foreign:
        problems.append(f"kernels not named mlff*: {', '.join(foreign)}")
    if now["ours"] == 0:
        problems.append("no kernel of ours was launched")
    if now["ours"] > limit:
        problems.append(f"{now['ours']} launches in a step, at most {limit} are allowed")
    if name not in WITHOUT_GRAPH and (now["single"] > 0 or now["graphs"] != 1):
        problems.append(f"{now['graphs']} graphs and {now['single']} other launches of ours in a "
                        "step: expected one graph")
    for key, what, allowed in (("blocking", "blocking copies", 0), ("waits", "waits", 0),
                               ("old waits", "waits for older steps", 1),
                               ("allocations", "allocations", 0)):
        if now[key] > plain[key]+allowed:
            problems.append(f"{now[key]} {what} in a step, {plain[key]} of them OpenMM's")
    if case.left is None or case.left[1] > 0:
        problems.append(f"page-locked memory is left when the Context ends: {case.left}")
    if case.left and base.left and case.left[0] > base.left[0]:
        problems.append(f"{case.left[0]} device allocations left, {base.left[0]} of them OpenMM's")
    energy = count(case.energy)
    problems += check_matrices(name, precision, capability, case)
    figures = dict(now, energy_ours=sum(n for k, n in energy["launches"].items()
                                        if k.startswith("mlff")),
                   energy_blocking=energy["blocking"], energy_waits=energy["waits"],
                   bytes=case.bytes_in_steps-base.bytes_in_steps, atoms=case.atoms,
                   kernels=dict(count(case.steps[-1])["launches"]))
    return problems, figures


def check_bytes(figures, precision):
    """Problems; adds an atom's bytes to the figures."""
    problems = []
    for (large, small), limit in BYTES.items():
        many, few = (figures.get(f"{name} {precision}") for name in (large, small))
        if not many or not few:
            continue
        many["atom_bytes"] = round((many["bytes"]-few["bytes"])/(many["atoms"]-few["atoms"]))
        if many["atom_bytes"] > limit*(2 if precision == "double" else 1):
            problems.append(f"{large}: an atom takes {many['atom_bytes']} bytes of device memory")
    return problems


def check_device(options, wheels, capability):
    """(problems, {case: figures}, {image: precision}) of one compute capability; problems are
    (what, where). Mixed precision counts as single: the networks compute in float in both."""
    try:
        cases = split_cases(run_steps(options, wheels, capability))
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return [(str(error), capability)], {}, set()
    problems, figures, images = [], {}, set()
    precisions = DEVICES[capability]
    for name in FEW_CASES if len(precisions) == 1 else CASES:
        for precision in precisions if name in CASES else ():
            where = f"{capability} {precision}"
            if (name, precision) not in cases:
                problems.append((f"{name}: was not run", where))
                continue
            found, counted = check_case(name, precision, capability, cases)
            figures[f"{name} {precision}"] = counted
            problems += [(f"{name}: {text}", where) for text in found]
    for precision in precisions:
        problems += [(text, f"{capability} {precision}")
                     for text in check_bytes(figures, precision)]
    for (name, precision), case in cases.items():
        images |= {(image, "double" if precision == "double" else "single")
                   for image in case.images}
    return problems, figures, images


def check_same_arrays(lines):
    """Problems: kernels that received one array under more names than SAME_ARRAY says."""
    found = collections.defaultdict(set)
    for words in lines:
        if words[0] == "same" and words[1].startswith("mlff"):
            found[words[1]].add(tuple(sorted(map(int, words[2:]))))
    return [f"{kernel}: arguments {pairs} are the same array: they must be in SAME_ARRAY, and "
            "without RESTRICT if one of them is written"
            for kernel, pairs in sorted(found.items())
            if largest_group(pairs) > max((len(names.split()) for names in
                                           SAME_ARRAY.get(kernel, [])), default=0)]


def largest_group(pairs):
    """Of how many places all pairs are there. Variants of a kernel have an array at other places, so
    that (6, 7) and (7, 8) without (6, 8) are two groups of two."""
    places = sorted({place for pair in pairs for place in pair})
    return max(size for size in range(2, len(places)+1)
               if any(set(itertools.combinations(group, 2)) <= pairs
                      for group in itertools.combinations(places, size)))


def check_shared_stores(options):
    """Problems: stores to shared memory that the compiler for newer devices dropped."""
    tables = {}
    for capability in set(options.capabilities) & {shared_stores.OLD, *shared_stores.NEW}:
        texts = collections.defaultdict(list)
        for (name, precision), case in split_cases(read_log(options, capability)).items():
            for image in case.images if precision == "single" else ():
                with open(os.path.join(options.work, f"images-{capability}", image)) as file:
                    texts[name].append(file.read())
        tables[capability] = shared_stores.of_cases(texts)
    if shared_stores.OLD not in tables:
        return []
    return [text for capability in shared_stores.NEW if capability in tables
            for text in shared_stores.problems(tables[shared_stores.OLD], tables[capability],
                                               capability)]


def check_graphs(options, wheels, capability):
    """Problems: a graph makes the launches that are made without it, with the same arguments, in
    steps, between them and whatever changes; where nothing can be recorded, all goes on. The run
    with graphs is that of check_device(). With programmatic edges, there is one between any two
    kernels; the driver refuses them for a kernel that does not wait, first of all."""
    ways = {"without": {"MLFF_DEVICE_GRAPH": "0"}, "refused": {"PRETEND_CUDA_NO_GRAPHS": "1"},
            "programmatic": {"MLFF_PROGRAMMATIC_EDGES": "1"}}
    try:
        logs = {way: split_cases(run_steps(options, wheels, capability, f"{capability}-{way}",
                                           **settings)) for way, settings in ways.items()}
        logs["graphs"] = split_cases(read_log(options, capability))
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return [str(error)]
    problems = [] if logs["graphs"] else [f"{capability}: there is no run with graphs"]
    for (name, precision), case in logs["graphs"].items():
        what = f"{name}, {precision}"
        if not name.startswith(("painn", "two-painn", "aimnet2")):
            continue
        if not case.launches:
            problems.append(f"{what}: no launch of ours")
        for way in ways:
            other = logs[way][name, precision]
            problems += [f"{what}, {way}: {text}" for text in other.problems]
            if case.launches != other.launches:
                at = next((k for k, (a, b) in enumerate(zip(case.launches, other.launches))
                           if a != b), min(len(case.launches), len(other.launches)))
                problems.append(f"{what}: launch {at} of {len(case.launches)} with graphs, "
                                f"{len(other.launches)} {way}: {case.launches[at:at+1]}, "
                                f"{other.launches[at:at+1]}")
        if name in WITHOUT_GRAPH:
            expected = {"graphs": "no: PME", "without": "no: setUseDeviceGraph(false)",
                        "refused": "no: PME", "programmatic": "no: PME"}
        else:
            expected = {"graphs": "yes", "programmatic": "yes",
                        "without": "no: setUseDeviceGraph(false)",
                        "refused": "no: cuStreamBeginCapture: CUDA_ERROR_NOT_SUPPORTED"}
        for way, text in expected.items():
            found = logs[way][name, precision].info["end-info"].get("graph", "")
            if not found.startswith(text):
                problems.append(f"{what}, {way}: graph is '{found}', expected '{text}'")
            info = logs[way][name, precision].info["info"]
            nodes, edges = (int(info.get(f"graph_{k}", 0)) for k in ("nodes", "programmatic"))
            possible = way == "programmatic" and int(capability) >= 90 and name not in WITHOUT_GRAPH
            if edges != (nodes-1 if possible else 0) or (possible and nodes < 2):
                problems.append(f"{what}, {way}: {edges} programmatic edges, {nodes} kernels")
    return problems


# ------------------------------------------------------------------------ a test program


def check_suite(options, wheels, job):
    """(problems, output) of a run of the test program; job: (precision, capability)."""
    precision, capability = job
    settings = {"PRETEND_CUDA_QUIET": "1", "PRETEND_CUDA_CAPABILITY": capability}
    if options.execute:
        settings |= {"PRETEND_CUDA_EXECUTE": "1", "PRETEND_CUDA_PROCESSORS": "4"}
        settings |= {f"PRETEND_CUDA_{WATCH[name]}": "1" for name in options.watch}
        settings["PRETEND_CUDA_EXCEPT"] = UNWRITTEN_IN
    if options.only:
        settings["MLFF_ONLY"] = options.only
    try:
        result, lines = run_program(options, wheels, f"suite-{precision}-{capability}",
                                    [options.suite, precision], **settings)
    except subprocess.TimeoutExpired as error:
        return [str(error)], str(error.stdout)
    problems = sorted({" ".join(words) for words in lines if words[0] != "same"})
    problems += check_same_arrays(lines)
    problems += re.findall(r"exception: .*(?:kernel|compil|CUDA|initialized|plugin).*",
                           result.stdout)
    allowed = (0,) if options.execute else (0, 1)
    if result.returncode not in allowed or "checks," not in result.stdout:
        problems.append(f"exit status {result.returncode}: {result.stdout[-500:]}")
    return problems, result.stdout


def run_suite(options, wheels):
    """Numbers that count are printed."""
    jobs = list(itertools.product(options.precisions, options.capabilities))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(lambda job: check_suite(options, wheels, job), jobs))
    n_problems = 0
    for (precision, capability), (problems, output) in zip(jobs, found):
        n_problems += len(problems)
        if options.execute:
            print(f"{precision}, compute capability {capability}:\n{output}", end="")
        for text in problems:
            print(f"FAILED: {precision}, {capability}: {text}")
    print(f"{os.path.basename(options.suite)}, {len(found)} runs, {n_problems} problems")
    return 1 if n_problems else 0


# ------------------------------------------------------------------------------ kernels


def assemble(ptxas, capability, image):
    """[(kernel, registers, bytes spilled, bytes of shared memory)] or the error, of one image."""
    known = f"{image}.sm_{capability}.json"
    if os.path.exists(known):
        with open(known) as file:
            return json.load(file)
    result = subprocess.run([ptxas, "-v", f"-arch=sm_{capability}", image, "-o", os.devnull],
                            text=True, capture_output=True)
    if result.returncode != 0:
        return f"ptxas -arch=sm_{capability}: {result.stderr.strip()[:500]}"
    kernels, name, spilled = [], None, 0
    for line in result.stderr.splitlines():
        if match := re.search(r"Compiling entry function '(\w+)'", line):
            name, spilled = match[1], 0
        elif match := re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", line):
            spilled = int(match[1])+int(match[2])
        elif (match := re.search(r"Used (\d+) registers", line)) and name:
            shared = re.search(r"(\d+) bytes smem", line)
            kernels.append((name, int(match[1]), spilled, int(shared[1]) if shared else 0))
    with open(known, "w") as file:
        json.dump(kernels, file)
    return kernels


def our_images(options, capability, images):
    """{file with kernels of ours: precisions}, named by their content; they stay for next time."""
    known = os.path.join(options.work, "ptx")
    os.makedirs(known, exist_ok=True)
    found = collections.defaultdict(set)
    for image, precision in images:
        with open(os.path.join(options.work, f"images-{capability}", image), "rb") as file:
            text = file.read()
        if b".entry mlff" in text:
            name = os.path.join(known, hashlib.sha256(text).hexdigest()+".ptx")
            with open(name, "wb") as file:
                file.write(text)
            found[name].add(precision)
    return found


def check_kernels(options, ptxas, images, pool):
    """(problems, {kernel: {"CAPABILITY PRECISION": [registers, spilled, shared]}}), the most of all
    variants; images: {capability: {(image, precision)}}."""
    jobs = {pool.submit(assemble, ptxas, capability, image): (capability, precisions)
            for capability in images
            for image, precisions in our_images(options, capability, images[capability]).items()}
    problems, table = [], {}
    for job in concurrent.futures.as_completed(jobs):
        (capability, precisions), kernels = jobs[job], job.result()
        if isinstance(kernels, str):
            problems.append(kernels)
            continue
        for name, *figures in kernels:
            for precision in precisions:
                row = table.setdefault(name, {}).setdefault(f"{capability} {precision}", [0, 0, 0])
                row[:] = map(max, row, figures)
    for name, row in sorted(table.items()):
        spilled = {where: figures[1] for where, figures in row.items() if figures[1] > 0}
        if spilled:
            problems.append(f"{name} spills registers (bytes by capability: {spilled})")
    for name in HOT:
        missing = [c for c in images if f"{c} single" not in table.get(name, {})]
        if missing:
            problems.append(f"{name}: not compiled for {', '.join(missing)} in single precision")
    return problems, table


def assemble_tensor_kernels(options, wheels, job):
    """What assemble() returns, of one of tensor_kernels' jobs; compiled unless it was before."""
    capability, mode, rows, columns = job
    text = tensor_kernels.source(rows, columns, mode)
    known = os.path.join(options.work, "ptx")
    os.makedirs(known, exist_ok=True)
    digest = hashlib.sha256(f"{wheels[1]} {capability} {text}".encode()).hexdigest()
    name = os.path.join(known, digest+".tensor.ptx")
    if not os.path.exists(name):
        image = tensor_kernels.compile_text(wheels[1], text, capability)
        with open(f"{name}.part", "wb") as file:
            file.write(image)
        os.replace(f"{name}.part", name)
    return assemble(wheels[2], capability, name)


def check_tensor_kernels(options, wheels, pool):
    """As check_kernels() of the kernels on tensor cores, of all tiles and modes; their mode is part
    of their name. Static shared memory ends at 48 KiB."""
    jobs = {pool.submit(assemble_tensor_kernels, options, wheels, job): job
            for job in tensor_kernels.jobs(options.capabilities)}
    problems, table = [], {}
    for compiled in concurrent.futures.as_completed(jobs):
        capability, mode, rows, columns = jobs[compiled]
        try:
            kernels = compiled.result()
        except RuntimeError as error:
            kernels = str(error)
        if isinstance(kernels, str):
            problems.append(kernels)
            continue
        if len(kernels) != len(tensor_kernels.KERNELS):
            problems.append(f"{mode}, {rows}x{columns}: {len(kernels)} kernels")
        for name, *figures in kernels:
            row = table.setdefault(f"{name} {mode}", {}).setdefault(f"{capability} single",
                                                                    [0, 0, 0])
            row[:] = map(max, row, figures)
            if figures[1] > 0 or figures[2] > 48*1024:
                problems.append(f"{name}, {mode}, {rows}x{columns}, {capability}: spills "
                                f"{figures[1]} bytes, {figures[2]} bytes of shared memory")
    return problems, table


# ------------------------------------------------------------------------------- report


def print_steps(figures):
    """One row a System: the most in any precision on any device."""
    rows = {}
    for name, found in figures:
        row = rows.setdefault(name.split()[0], {})
        for key, value in found.items():
            if key == "atom_bytes":
                key += name.endswith("double")*" double"
            if key != "kernels":
                row[key] = max(row.get(key, 0), value)
    print(f"{'a step, forces only':22s}{'atoms':>6s}{'ours':>6s}{'all':>6s}{'graphs':>8s}"
          f"{'queued':>8s}"
          f"{'blocking':>10s}{'waits':>7s}{'old':>5s}   energy: ours, blocking, waits"
          "   bytes an atom: single, double")
    for name, row in rows.items():
        if row:
            memory = ("" if "atom_bytes" not in row else
                      f"   {row['atom_bytes']:22d}, {row.get('atom_bytes double', 0)}")
            print(f"  {name:20s}{row['atoms']:6d}{row['ours']:6d}{row['launches']:6d}"
                  f"{row['graphs']:8d}{row['queued']:8d}{row['blocking']:10d}{row['waits']:7d}{row['old waits']:5d}"
                  f"   {row['energy_ours']:12d}, {row['energy_blocking']:8d}, "
                  f"{row['energy_waits']:5d}{memory}")


def print_kernels(table):
    columns = [f"{c} {p}" for p in ("single", "double") for c in DEVICES
               if any(f"{c} {p}" in row for row in table.values())]
    print("registers, and bytes spilled where there are any; shared memory: the most of all "
          "variants")
    print(f"  {'kernel':30s}" + "".join(f"{c:>12s}" for c in columns) + f"{'shared':>9s}")
    for name, row in sorted(table.items()):
        cells = [f"{row[c][0]}{'+'+str(row[c][1]) if row[c][1] else ''}" if c in row else "-"
                 for c in columns]
        print(f"  {name:30s}" + "".join(f"{cell:>12s}" for cell in cells)
              + f"{max(figures[2] for figures in row.values()):9d}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--program", help="cuda_steps")
    parser.add_argument("--suite", help="instead: a test program that takes a precision")
    parser.add_argument("--libraries", required=True, help="folder of the pretend libraries")
    parser.add_argument("--wheels", required=True,
                        help="folder with the wheels of tests/cuda/requirements.txt")
    parser.add_argument("--work", required=True, help="folder to write to")
    parser.add_argument("--cache", help="folder for compiled kernels; default: in --work")
    parser.add_argument("--capabilities", nargs="+", choices=list(DEVICES),
                        help=f"default: all, of a suite {GRAPHS_ON}")
    parser.add_argument("--precisions", nargs="+", default=SUITE_PRECISIONS, choices=PRECISIONS,
                        help="of a suite; default: %(default)s")
    parser.add_argument("--execute", action="store_true", help="a suite's kernels are executed")
    parser.add_argument("--watch", nargs="+", default=[], choices=list(WATCH),
                        help="what to look for in kernels that are executed")
    parser.add_argument("--only", help="tests of a suite whose name has this text (MLFF_ONLY)")
    options = parser.parse_args()
    if (options.execute or options.only) and not options.suite:
        parser.error("--execute and --only are for a --suite")
    if options.watch and not options.execute:
        parser.error("--watch needs --execute")
    options.capabilities = options.capabilities or ([GRAPHS_ON] if options.suite
                                                    else list(DEVICES))
    wheels = find_wheels(options.wheels)
    if wheels is None:
        print(f"skipped: no OpenMM CUDA platform, NVRTC and ptxas in {options.wheels}: pip "
              "install --no-deps --target there -r tests/cuda/requirements.txt")
        return SKIPPED
    os.makedirs(options.work, exist_ok=True)
    if options.suite:
        return run_suite(options, wheels)
    full_size.write_models(options.work)
    problems, report, images = collections.defaultdict(list), {}, {}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = {c: pool.submit(check_device, options, wheels, c) for c in options.capabilities}
        for capability, job in jobs.items():
            found, report[capability], images[capability] = job.result()
            for what, where in found:
                problems[what].append(where)
        lines = [words for c in options.capabilities for words in read_log(options, c)]
        for text in check_same_arrays(lines)+check_shared_stores(options):
            problems[text] = []
        compared = GRAPHS_ON if GRAPHS_ON in options.capabilities else options.capabilities[0]
        for text in check_graphs(options, wheels, compared):
            problems[text] = []
        found, kernels = check_kernels(options, wheels[2], images, pool)
        problems.update((what, []) for what in found)
        found, tensor = check_tensor_kernels(options, wheels, pool)
        problems.update((what, []) for what in found)
        kernels.update(tensor)
    print_steps([item for found in report.values() for item in found.items()])
    print_kernels(kernels)
    with open(os.path.join(options.work, "report.json"), "w") as file:
        json.dump({"steps": report, "kernels": kernels, "problems": problems}, file, indent=1)
    for what, where in problems.items():
        print("FAILED:", what, f"(capabilities: {', '.join(where)})" if where else "")
    print(f"{len(report)} devices, {sum(map(len, report.values()))} Systems, {len(kernels)} "
          f"kernels, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
