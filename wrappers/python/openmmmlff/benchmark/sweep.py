"""A step, from a molecule to a hundred thousand atoms."""
import os
import time

from openmmmlff.benchmark import devices, measure, report
from openmmmlff.benchmark.systems import SWEEP, sweepSystem

HOST_SHARE, DEVICE_SHARE = 0.8, 0.95    # of the memory that a size may take
FIXED = 1000.0      # MB on a device at most that are the same for all sizes


def plannedSizes(max_atoms):
    """The sizes of SWEEP up to a number of atoms."""
    return [size for size in SWEEP if size <= (max_atoms or max(SWEEP))]


class Sweep:
    """The cases of --sweep. A contender that would need too long or too much memory for a size, by
    what it needed for the one before, is left out from there on, as is one that failed."""

    def __init__(self, benchmark):
        self.benchmark = benchmark
        self.plan = measure.QUICK_SWEEP if benchmark.args.quick else measure.SWEEP
        self.sizes = plannedSizes(benchmark.args.max_atoms)
        minutes = benchmark.args.minutes
        self.end = time.monotonic() + 60*minutes if minutes else float("inf")
        self.device_total = devices.totalMemory()

    def run(self):
        self.benchmark.result["sweep"] = {"sizes": self.sizes, "left_out": []}
        models = self.benchmark.models
        for k, model in enumerate(models):
            # what is left of the time goes to the models in equal parts
            now = time.monotonic()
            self._model(model, now + (self.end - now)/(len(models) - k))

    def _model(self, model, end):
        report.sweepHead(model)
        names, without = self.benchmark.args.platforms, set()
        with self.benchmark.compiledWorker() as compiled:
            for k, size in enumerate(self.sizes):
                if time.monotonic() > end:
                    self._leaveOut(model, names, size, "the time of --minutes is spent")
                    return
                case = self.benchmark.case(model, sweepSystem(size), compiled, self.plan, without,
                                           overhead=False)
                for contender in case["contenders"]:
                    perAtom(contender, case["atoms"])
                    if contender["status"] == "failed":
                        contender["status"] = outOf(contender["message"])
                self.benchmark.result["cases"].append(case)
                report.sweepCase(case)
                if k + 1 < len(self.sizes):
                    larger = self.sizes[k + 1]
                    for contender in case["contenders"]:
                        reason = self._tooLarge(contender, larger/case["atoms"])
                        if reason:
                            without.add(contender["name"])
                            self._leaveOut(model, [contender["name"]], larger, reason)
                names = [contender["name"] for contender in case["contenders"]
                         if contender["name"] not in without]
                if not names:
                    return

    def _leaveOut(self, model, names, size, reason):
        for name in names:
            self.benchmark.result["sweep"]["left_out"].append(
                {"model": model.name, "contender": name, "from_atoms": size, "reason": reason})
            report.progress(f"{model.name}, {name}: not measured from {size} atoms on: {reason}")

    def _tooLarge(self, contender, ratio):
        """Why a contender is not tried with ratio times the atoms; None if it is."""
        if contender["status"] != "ok":
            return contender["message"]
        seconds = 1e-3*contender["forces"]["p50_ms"]*ratio
        if seconds > self.plan.limit:
            return (f"an evaluation would take about {seconds:.0f} s, the limit is "
                    f"{self.plan.limit:.0f} s")
        own = (contender["memory_mb"] - contender["memory_import_mb"])*ratio
        available = freeMemory()
        if available and own > HOST_SHARE*available:
            return f"it would need about {own:.0f} MB, {available:.0f} MB are free"
        own = (contender.get("memory_device_mb", 0) - FIXED)*ratio
        if self.device_total and own > DEVICE_SHARE*self.device_total:
            return f"it would need about {own:.0f} MB of the device's {self.device_total:.0f} MB"
        return None


def perAtom(contender, n_atoms):
    """Add the step's time and the memory of an atom."""
    if "step" in contender:
        contender["step"]["p50_ns_per_atom"] = 1e6*contender["step"]["p50_ms"]/n_atoms


def outOf(message):
    """The status of what failed for want of memory or time, by its message; else "failed"."""
    if message.startswith(("no answer within", "an evaluation takes longer")):
        return "out of time"
    words = ("out of memory", "out_of_memory", "bad_alloc", "cannot allocate", "can't allocate",
             "unable to allocate", "out_of_resources", "mem_object_allocation_failure")
    return "out of memory" if any(word in message.lower() for word in words) else "failed"


def freeMemory():
    """MB that the host has left, or None."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            return next(float(line.split()[1])/1024 for line in file
                        if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        try:
            return os.sysconf("SC_AVPHYS_PAGES")*os.sysconf("SC_PAGE_SIZE")/2**20
        except (ValueError, OSError):
            return None
