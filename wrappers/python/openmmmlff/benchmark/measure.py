"""Contenders seen from the parent: child processes, interleaved timings, statistics."""
import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace

import numpy as np

from openmmmlff.benchmark import devices
from openmmmlff.evaluate import EvaluationError

SLOW = 2.0          # s; of an evaluation: from here on no further warm-up, and no step
STABLE = 0.1        # change of the median from one block to the next at which warm-up ends
WRONG = 1e-2        # of the largest force: above it a contender's forces are wrong, not inexact
PAUSE = 0.02        # s between two contenders: threads that wait in a loop go to sleep
STEP_SIZE_FS = 1.0  # of a step, for ns/day


class WorkerError(EvaluationError):
    """One sentence: why a contender has no figures."""


@dataclass(frozen=True)
class Plan:
    """How long to measure. Seconds of evaluations alone."""
    seconds: float      # at least
    count: int          # evaluations, at least
    most: float         # seconds after which it ends whatever the count is
    warm_up: float      # at least, and 5 evaluations
    block: float        # of one contender, before the next has its turn
    limit: float        # of one evaluation; a slower contender is left out
    device_warm_up: float   # the warm-up on a device, whose clocks rise slowly
    spin: float         # on a device: not timed, at the beginning of each block


FULL = Plan(seconds=1.0, count=30, most=3.0, warm_up=0.5, block=0.25, limit=60.0,
            device_warm_up=2.0, spin=0.1)
QUICK = Plan(seconds=0.2, count=10, most=0.6, warm_up=0.1, block=0.1, limit=15.0,
             device_warm_up=0.5, spin=0.02)
# --sweep: many sizes, none for long
SWEEP = replace(FULL, seconds=0.5, count=10, most=2.0, limit=10.0, device_warm_up=0.6)
QUICK_SWEEP = replace(QUICK, most=0.4, limit=3.0)


class Worker:
    """A child process (openmmmlff.benchmark.worker)."""

    def __init__(self, threads):
        # one number of threads for OpenMM, PyTorch and BLAS
        variables = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS",
                     "OPENMM_CPU_THREADS")
        environment = dict(os.environ, **{name: str(threads) for name in variables})
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "openmmmlff.benchmark.worker"], env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)

    def ask(self, do, limit=600, **request):
        """The answer to a request; WorkerError if it is an error or takes longer than limit (s)."""
        if self.process.stdin.closed:
            raise WorkerError("not measured: its process failed before")
        try:
            self.process.stdin.write(json.dumps({"do": do, **request}).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            raise WorkerError(self._lastWords()) from None
        end, answer = time.monotonic() + limit, b""
        while not answer.endswith(b"\n"):
            if not self.selector.select(max(0, end - time.monotonic())):
                self.close()
                raise WorkerError(f"no answer within {limit:.0f} s")
            part = os.read(self.process.stdout.fileno(), 1 << 20)
            if not part:
                raise WorkerError(self._lastWords())
            answer += part
        answer = json.loads(answer)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def _lastWords(self):
        status = self.process.wait()
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return f"the process ended with status {status}" + (f": {lines[-1]}" if lines else "")

    def close(self):
        self.selector.close()
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            try:
                stream.close()
            except OSError:
                pass  # the process went before it had read all


@dataclass
class Contender:
    """One line of the table: a program on one case."""
    name: str
    worker: Worker
    request: dict               # for "open"
    seconds: float = 0.0        # of an evaluation, before the warm-up
    error: str | None = None
    base_mb: float = 0.0
    memory_mb: float = 0.0
    info: dict = field(default_factory=dict)        # of the device and the Context
    step_error: str | None = None                   # of a peer, in OpenMM's simulation
    checked: dict | None = None
    steps_in_block: int = 1                         # of which one time of "step" is the mean
    times: dict = field(default_factory=dict)       # what -> ms of every evaluation
    warm_ups: dict = field(default_factory=dict)    # what -> their number

    @property
    def onDevice(self):
        """Whether its work is queued on a device."""
        return (self.request.get("device", "cpu") != "cpu" if self.request["torch"]
                else self.request["platform"] in devices.PLATFORMS)

    def open(self, plan):
        """Prepare, evaluate once: compilation, allocation."""
        def prepare():
            limit = 600 if self.request.get("kind") == "compiled" else max(120, 5*plan.limit)
            self.base_mb = self.worker.ask("open", limit, **self.request)["base_mb"]
            self.checked = self.worker.ask("check", limit)
            again = self.worker.ask("forces", seconds=0, count=1)["ms"][0]
            self.seconds = min(self.checked["seconds"], 1e-3*again)
            if self.seconds > plan.limit:
                raise WorkerError(f"an evaluation takes longer than {plan.limit:.0f} s")
        self.attempt(prepare)

    def check(self, plan):
        """Prepare, evaluate once, for the values alone."""
        def prepare():
            self.worker.ask("open", **self.request)
            self.checked = self.worker.ask("check", max(120, 5*plan.limit))
        self.attempt(prepare)

    def attempt(self, function):
        if self.error is None:
            try:
                function()
            except WorkerError as error:
                self.error = str(error)

    def warmUp(self, what, plan):
        """Until two blocks in a row take the same time."""
        least = plan.device_warm_up if self.onDevice else plan.warm_up
        n, spent, last = 0, 0.0, np.inf
        while self.seconds < SLOW and spent < 6*least:
            begin = time.monotonic()
            block = self.worker.ask(what, seconds=least/4, count=5)["ms"]
            spent += time.monotonic() - begin
            n += len(block)
            median = np.median(block)
            if abs(median/last - 1) < STABLE and spent >= least:
                break
            last = median
        self.warm_ups[what] = n

    def isSlow(self):
        return np.median(self.times.get("forces") or [0]) > 1e3*SLOW

    def isDone(self, what, plan):
        n, seconds = len(self.times[what]), 1e-3*sum(self.times[what])
        seconds *= self.steps_in_block if what == "step" else 1
        return (seconds >= plan.most and n >= 2) or (seconds >= plan.seconds and n >= plan.count)


def interleave(contenders, what, plan):
    """Time "forces", "step" or "empty" of all contenders, in turns."""
    running = [c for c in contenders if c.error is None]
    for contender in running:
        contender.times[what] = []
        contender.attempt(lambda c=contender: c.warmUp(what, plan))
    while True:
        running = [c for c in running if c.error is None and not c.isDone(what, plan)]
        if not running:
            return
        for contender in running:
            time.sleep(PAUSE)
            contender.attempt(lambda c=contender: _take(c, what, plan))


def _take(contender, what, plan):
    answer = contender.worker.ask(what, seconds=plan.block, count=1,
                                  spin=plan.spin if contender.onDevice else 0)
    contender.times[what].extend(answer["ms"])
    contender.steps_in_block = answer.get("steps", 1)


def fetchMemory(contender):
    """The process's memory, and what the device and the Context say."""
    answer = contender.worker.ask("memory")
    contender.memory_mb = answer.pop("mb")
    contender.info.update(answer)


def statistics(times, warm_up):
    """Of times in ms, as they stand in the JSON."""
    return {"p50_ms": float(np.percentile(times, 50)), "p95_ms": float(np.percentile(times, 95)),
            "min_ms": min(times), "mean_ms": float(np.mean(times)), "n": len(times),
            "n_warm_up": warm_up}


def isWrong(record):
    """Whether a contender of the JSON computes something else than what it is compared with."""
    return record.get("force_error_relative", 0) > WRONG


def nsPerDay(statistics):
    """From the mean: steps that search neighbors are slower than the median."""
    return 86400e3/statistics["mean_ms"]*STEP_SIZE_FS*1e-6
