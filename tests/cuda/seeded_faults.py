"""Faults that are put into compiled kernels: what the interpreter must find, with kernel and line.

Each fault changes the PTX of one kernel in a copy of the folder of compiled kernels, from which
OpenMM takes it, and runs a small test with everything that the interpreter can look for. The run
must stop in that kernel with the words that tell the fault. Before, each test must pass as it is:
that fills the folder, too.

Exit status: 0 all are found, 1 one is not, 77 nothing could be tested.
"""

import argparse
import collections
import os
import re
import shutil
import subprocess
import sys

import pretend_cuda

CAPABILITY = "90"

Fault = collections.namedtuple("Fault", "what kernel test change message")

# (program, MLFF_ONLY)
PAINN = ("suite", "testScaleZeroSkips")
AIMNET2 = ("suite", "testUpdateCharge")
LISTS = ("geometry", "")

SOME_THREADS = ("{.reg .pred %seed; .reg .b32 %seedThread; mov.u32 %seedThread, %tid.x; "
                "setp.lt.u32 %seed, %seedThread, 8; @%seed ")


def replace(pattern, text, number=0):
    """A change of a kernel's text: that match of a pattern, from 0 on; negative: from the end."""
    def change(kernel):
        found = list(re.finditer(pattern, kernel))
        at = found[number]
        return kernel[:at.start()]+at.expand(text)+kernel[at.end():]
    return change


BARRIER = r"bar\.sync\s+0;"
LOAD = r"(ld\.global\S*\s+[^;]*\[%rd\d+)(?:\+\d+)?\]"
VECTOR = r"(ld\.global\S*\.v[24]\S*\s+[^;]*\[%rd\d+)(?:\+\d+)?\]"
SHARED_STORE = r"st\.shared\.[^;]*;"

FAULTS = [
    Fault("a barrier is missing", "mlffPainnMessageBackwardFirst", PAINN,
          replace(BARRIER, ";", 1), "race: shared word"),
    Fault("a barrier is missing", "mlffPainnFused", PAINN, replace(BARRIER, ";", 1),
          "race: shared word"),
    Fault("a barrier is missing", "mlffAimnet2Conv", AIMNET2, replace(BARRIER, ";"),
          "race: shared word"),
    Fault("a barrier is missing", "mlffDenseForward", AIMNET2, replace(BARRIER, ";", 1),
          "race: shared word"),
    Fault("a barrier is missing", "mlffFindPairs", LISTS, replace(BARRIER, ";"),
          "race: shared word"),
    Fault("a barrier under a condition", "mlffAimnet2Combine", AIMNET2,
          replace(BARRIER, SOME_THREADS+"bar.sync 0;}"), "a barrier with a condition"),
    Fault("threads end before a barrier", "mlffPainnFusedLast", PAINN,
          replace(BARRIER, SOME_THREADS+r"ret;} \g<0>"), "have ended before this barrier"),
    Fault("a store to local memory is missing", "mlffAimnet2ConvReverse", AIMNET2,
          replace(SHARED_STORE, ";"), "is read before it is written"),
    Fault("a store to local memory is missing", "mlffMessagePairs", LISTS,
          replace(SHARED_STORE, ";"), "is read before it is written"),
    Fault("an index beyond local memory", "mlffDenseReverse", AIMNET2,
          replace(r"(st\.shared\S*\s+\[%r\d+)(?:\+\d+)?\]", r"\1+1000000]"), "shared memory at"),
    Fault("an index beyond an array", "mlffLongRange", AIMNET2, replace(LOAD, r"\1+1073741824]"),
          "no live memory|reach beyond"),
    Fault("an index before an array", "mlffAddForces", PAINN, replace(LOAD, r"\1+-1073741824]"),
          "no live memory|reach beyond"),
    Fault("a vector that is not aligned", "mlffAimnet2Conv", AIMNET2, replace(VECTOR, r"\1+4]"),
          "is not aligned"),
    Fault("blocks write one word", "mlffPainnFusedFirst", PAINN, replace(
        BARRIER, "{.reg .b64 %seedTo; .reg .b32 %seedBlock; mov.u32 %seedBlock, %ctaid.x; "
        "add.u32 %seedBlock, %seedBlock, 1; ld.param.u64 %seedTo, [mlffPainnFusedFirst_param_0]; "
        r"st.global.u32 [%seedTo], %seedBlock;} \g<0>"), "by (?:block 0 in )?this launch"),
]


def change_kernel(text, fault):
    """The module's text with the fault, or None: it has no such kernel."""
    entry = re.search(rf"\.entry {fault.kernel}\s*\(", text)
    if entry is None:
        return None
    end = text.find("\n}\n", entry.end())
    return text[:entry.start()]+fault.change(text[entry.start():end])+text[end:]


def seed(fault, cache, folder):
    """Fills a folder of compiled kernels with the fault; the number of modules that have it."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    n_changed = 0
    for name in os.listdir(cache):
        if f"_{CAPABILITY}_" not in name:
            continue
        with open(os.path.join(cache, name)) as file:
            text = file.read()
        changed = change_kernel(text, fault)
        n_changed += changed is not None
        if changed is None:
            os.symlink(os.path.abspath(os.path.join(cache, name)), os.path.join(folder, name))
        else:
            with open(os.path.join(folder, name), "w") as file:
                file.write(changed)
    return n_changed


def run(options, wheels, test, cache):
    """(exit status, output) of a test; it is stopped where the device stops."""
    program, only = test
    watch = {f"PRETEND_CUDA_{name}": "1" for name in
             ("EXECUTE", "RACES", "GLOBAL_RACES", "UNWRITTEN", "POISON", "QUIET")}
    environment = dict(
        os.environ, LD_BIND_NOW="1", OPENMM_CACHE_DIR=cache, TMPDIR=cache,  # files are renamed
        MLFF_CUDA_PLATFORM=wheels[0],
        OPENMM_PLUGINS=os.path.dirname(wheels[0]), PRETEND_CUDA_CAPABILITY=CAPABILITY,
        PRETEND_CUDA_PROCESSORS="4", PRETEND_CUDA_EXCEPT=pretend_cuda.UNWRITTEN_IN,
        LD_LIBRARY_PATH=os.pathsep.join([options.libraries, wheels[1]]), **watch)
    if only:
        environment["MLFF_ONLY"] = only
    output = []
    with subprocess.Popen([getattr(options, program), "single"], env=environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        for line in process.stdout:
            output.append(line)
            if line.startswith("pretend device:"):
                process.kill()
        return process.wait(), "".join(output)


def check_fault(options, wheels, fault, cache):
    """What went wrong, or None; prints what was found."""
    folder = os.path.join(options.work, "seeded")
    name = f"{fault.kernel}: {fault.what}"
    if seed(fault, cache, folder) == 0:
        return f"{name}: no module has this kernel"
    output = run(options, wheels, fault.test, folder)[1]
    stopped = [line for line in output.splitlines() if line.startswith("pretend device:")]
    print(f"{name}\n    {stopped[0] if stopped else '(not found)'}")
    expected = rf"pretend device: {fault.kernel}: .*PTX line \d+.*(?:{fault.message})"
    if not stopped or not re.match(expected, stopped[0]):
        return f"{name}: expected '{fault.message}', found: {stopped or output[-300:]}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    for program in ("suite", "geometry"):
        parser.add_argument(f"--{program}", required=True, help="the test program")
    parser.add_argument("--libraries", required=True, help="folder of the pretend libraries")
    parser.add_argument("--wheels", required=True,
                        help="folder with the wheels of tests/cuda/requirements.txt")
    parser.add_argument("--cache", required=True, help="folder for compiled kernels")
    parser.add_argument("--work", required=True, help="folder to write to")
    options = parser.parse_args()
    wheels = pretend_cuda.find_wheels(options.wheels)
    if wheels is None:
        print(f"skipped: no OpenMM CUDA platform, NVRTC and ptxas in {options.wheels}")
        return pretend_cuda.SKIPPED
    os.makedirs(options.work, exist_ok=True)
    cache = pretend_cuda.kernel_cache(options)
    problems = []
    for test in sorted({fault.test for fault in FAULTS}):
        status, output = run(options, wheels, test, cache)
        if status != 0:
            problems.append(f"{test}, without a fault: {output[-500:]}")
    problems += filter(None, (check_fault(options, wheels, fault, cache) for fault in FAULTS))
    for text in problems:
        print("FAILED:", text)
    print(f"{len(FAULTS)} faults, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
