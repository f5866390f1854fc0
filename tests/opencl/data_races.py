"""Device kernels on Oclgrind, which executes them instruction by instruction and sees what no
device tells: threads that race for memory, accesses beyond an array, barriers that not all threads
reach. PoCL executes the threads of a block one after the other, so that a missing barrier may show
nowhere before the kernels come to a card.

    python tests/opencl/data_races.py --program PROGRAM [CASE ...]

Exit status 77 without Oclgrind (Debian: oclgrind; J. Price, S. McIntosh-Smith, IWOCL 2015), or where
OpenMM has no platform OpenCL, which needs a loader (Debian: ocl-icd-libopencl1).
"""

import argparse
import collections
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
# It counts the local memory of all kernels of a program together.
OPTIONS = ["--data-races", "--num-threads", "1", "--local-mem-size", "4000000",
           "--max-errors", "1000", "--max-wgsize", "1024"]


def findings(log):
    """What it says about our kernels: the line above the kernel's name, and the name."""
    found = collections.Counter(
        f"{kernel}: {re.sub(' at .*', '', what)}"
        for what, kernel in re.findall(r"(.*)\n\s*Kernel: (mlff\w+)", log))
    return [f"{what} ({n} times)" for what, n in found.items()]


def check(program, case):
    """(what was printed, problems; None where OpenMM has no platform OpenCL on Oclgrind either)"""
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "log")
        result = subprocess.run(["oclgrind", *OPTIONS, "--log", log, program, case], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        text = open(log, encoding="utf-8", errors="replace").read() if os.path.exists(log) else ""
    if result.returncode == SKIPPED:
        return result.stdout.strip(), None
    printed = [line for line in result.stdout.splitlines() if line.startswith(case + ":")]
    problems = findings(text)
    if result.returncode != 0 or not printed:
        problems.append(f"exit status {result.returncode}: {result.stdout[-800:]}")
    return printed[0] if printed else case, problems


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--program", required=True, help="one_evaluation")
    parser.add_argument("cases", nargs="*", help="default: all")
    options = parser.parse_args()
    if shutil.which("oclgrind") is None:
        print("skipped: there is no oclgrind")
        return SKIPPED
    cases = options.cases or subprocess.run([options.program], text=True, check=True,
                                            stdout=subprocess.PIPE).stdout.split()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        outcomes = list(pool.map(lambda case: check(options.program, case), cases))
    missing = [printed for printed, problems in outcomes if problems is None]
    if missing:
        print(missing[0])
        return SKIPPED
    for printed, problems in outcomes:
        print(printed)
        for text in problems:
            print("FAILED:", text)
    failed = sum(bool(problems) for _, problems in outcomes)
    print(f"{len(cases)} cases, {failed} with problems")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
