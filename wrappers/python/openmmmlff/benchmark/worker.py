"""The child process in which one contender runs: `python -m openmmmlff.benchmark.worker`.

Reads one JSON object a line from stdin, answers each with one on stdout. "do" says what:

  peak      the largest float32 rate of BLAS
  torch     whether PyTorch has a CUDA device
  open      prepare a case; the first line of a case
  check     energy (eV) and forces (eV/angstrom) of the positions as they are
  forces    evaluate energy and forces again and again
  step      run steps of a simulation
  memory    what the process has needed so far; what the device and the Context say
  quit
"""
import json
import os
import sys
import time

import numpy as np

from openmmmlff.benchmark import devices

KJMOL_PER_EV = 96.48533212331002
STEP_SIZE = 0.001            # ps
RESTART = 20                 # steps, after which the simulation starts from the first positions
DISPLACEMENTS = 16           # sets of positions that evaluations take in turn
AMPLITUDE = 1e-3             # nm; of the displacements
TEMPERATURE = 300            # K
# On a device steps are timed in blocks between two waits
BLOCK = 0.1                  # s, or
BLOCK_STEPS = 200            # whichever is less


# ------------------------------------------------------------------ memory
def memory():
    """Largest resident size of this process so far, in MB.

    VmHWM where there is one: ru_maxrss of a child may begin with the parent's size.
    """
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            return next(float(line.split()[1]) for line in file if line.startswith("VmHWM"))/1024
    except (OSError, StopIteration):
        import resource
        scale = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss*scale/2**20


def _forgetPeak():
    """Let VmHWM begin anew, for a process that prepares one case after the other."""
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
    except OSError:
        pass


# ------------------------------------------------------------------ OpenMM
class OpenMMCase:
    """A System on a platform. Times of evaluations are from positions in a numpy array to forces
    in one."""

    def __init__(self, case):
        import openmm
        self.positions = 0.1*np.array(case["positions"])
        self.moved = _displaced(self.positions)
        if "system" in case:
            with open(case["system"], encoding="utf-8") as file:
                system = openmm.XmlSerializer.deserialize(file.read())
        else:
            system = self._networkSystem(case)
        self.system = system
        self.platform = openmm.Platform.getPlatformByName(case["platform"])
        self.queues = case["platform"] in devices.PLATFORMS
        self.properties = _properties(self.platform, case["threads"])
        self.context = self._context(system)
        self.empty = None   # Context without forces, while it is timed
        self.context.setPositions(self.positions)

    def _networkSystem(self, case):
        """All atoms by the network."""
        import openmm
        from openmmmlff import MLFFForce
        system, force = openmm.System(), MLFFForce(case["model"])
        force.setMatrixPrecision(getattr(MLFFForce, case.get("matrix", "Full")))
        force.setCheckGeometry(False)  # models may have random weights, which move atoms anywhere
        _addAtoms(system, case["numbers"])
        for particle, number in enumerate(case["numbers"]):
            force.addAtom(particle, number)
        if case["cell"] is not None:
            system.setDefaultPeriodicBoxVectors(*(0.1*np.array(case["cell"])))
            force.setUsesPeriodicBoundaryConditions(True)
        system.addForce(force)
        return system

    def _context(self, system):
        import openmm
        return openmm.Context(system, openmm.VerletIntegrator(STEP_SIZE), self.platform,
                              self.properties)

    def check(self):
        self.context.setPositions(self.positions)
        energy, forces = self._evaluate(self.context)
        return energy/KJMOL_PER_EV, forces*(0.1/KJMOL_PER_EV)

    def evaluate(self, k):
        self.context.setPositions(self.moved[k % DISPLACEMENTS])
        self._evaluate(self.context)

    def evaluateEmpty(self, k):
        """The same calls on a System without forces: what OpenMM and Python cost."""
        if self.empty is None:
            import openmm
            bare = openmm.System()
            for _ in self.positions:
                bare.addParticle(1.0)
            self.empty = self._context(bare)
        self.empty.setPositions(self.moved[k % DISPLACEMENTS])
        self._evaluate(self.empty)

    @staticmethod
    def _evaluate(context):
        state = context.getState(energy=True, forces=True)
        return state.getPotentialEnergy()._value, state.getForces(asNumpy=True)._value

    def restart(self):
        self.context.setPositions(self.positions)
        self.context.setVelocitiesToTemperature(TEMPERATURE, 1)
        self.integrator = self.context.getIntegrator()

    def step(self, n=1):
        self.integrator.step(n)

    def wait(self):
        """Until the device has done what is queued; the positions are fetched, nothing computed."""
        return self.context.getState(positions=True)

    def info(self):
        """Name of the device, what the MLFFForce says of itself."""
        from openmmmlff import MLFFForce
        self.empty = None   # its memory is not of what is measured
        found = {}
        if "DeviceName" in self.platform.getPropertyNames():
            found["device"] = self.platform.getPropertyValue(self.context, "DeviceName")
        for force in self.system.getForces():
            if MLFFForce.isinstance(force):
                own = MLFFForce.cast(force)
                found["execution"] = devices.executionInfo(own, self.context)
        return found


def _addAtoms(system, numbers):
    from openmm.app import Element
    for number in numbers:
        system.addParticle(Element.getByAtomicNumber(number).mass)


def _properties(platform, threads):
    """Properties of a Context; a choice of precision falls on the quick one."""
    names = platform.getPropertyNames()
    properties = {}
    if "Threads" in names:
        properties["Threads"] = str(threads)
    if "Precision" in names:
        properties["Precision"] = "single"
    return properties


def _displaced(positions):
    random = np.random.default_rng(1)
    return [positions + random.uniform(-AMPLITUDE, AMPLITUDE, positions.shape)
            for _ in range(DISPLACEMENTS)]


# ------------------------------------------------------------------ PyTorch
class TorchCase:
    """The peers of benchmarks/. The pairs are found beforehand, once.

    "kind" of the request:
      eager      as it is
      compiled   by torch.compile
      graph      forward and autograd.grad captured once as a CUDA graph, replayed after the new
                 positions are copied in; pairs padded to a capacity, since they change
    Times end with energy and forces in the host's memory, so with a wait for the device.
    """

    modules = {}   # model file -> module, kept for the next case: it is compiled once

    def __init__(self, case):
        import torch
        torch.set_num_threads(case["threads"])
        self.torch = torch
        self.case, self.kind = case, case["kind"]
        self.device = torch.device(case["device"])
        self.queues = self.device.type != "cpu"
        if self.queues:     # the process may have had a case before
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
        self.positions = np.array(case["positions"])
        self.moved = _displaced(self.positions)
        self.module, self.called = self._module(case)
        self.constant = self.module.constant(np.array(case["numbers"]))
        self.graph = [part.to(self.device) if isinstance(part, torch.Tensor) else part
                      for part in self._pairs(case)]
        self.unit = case["unit"]
        self.context = self.captured = None
        for tensor in self.graph:
            self._markSizes(tensor)

    def _pairs(self, case):
        from openmmmlff.benchmark.systems import findPairs, systemOf
        system = systemOf(case)
        graph = self.module.graph(system.numbers, system.cell is not None,
                                  lambda cutoff: findPairs(system, cutoff))
        return self.module.padded(graph) if self.kind == "graph" else graph

    def _module(self, case):
        path = case["model"]
        if path not in self.modules:
            from openmmmlff.benchmark.models import readTensors
            sys.path.insert(0, case["peers"])
            if "nfeature" in case["config"]:
                from torch_aimnet2 import AIMNet2 as Peer
            else:
                from torch_painn import PaiNN as Peer
            module = Peer(case["config"], readTensors(path)).to(self.device)
            compiled = self.torch.compile(module) if self.kind == "compiled" else module
            self.modules[path] = module, compiled
        return self.modules[path]

    def _markSizes(self, tensor):
        """Numbers of atoms and pairs change from one case, and one step, to the next."""
        if self.kind == "compiled" and isinstance(tensor, self.torch.Tensor):
            for k in range(min(2, tensor.dim())):
                if tensor.shape[k] > 32 or k == 0:
                    self.torch._dynamo.maybe_mark_dynamic(tensor, k)

    def _evaluate(self, positions):
        if self.kind == "graph":
            return self._replay(positions)
        x = self.torch.tensor(positions, dtype=self.torch.float32, device=self.device,
                              requires_grad=True)
        self._markSizes(x)
        energy = self.called(x, *self.graph)
        gradient, = self.torch.autograd.grad(energy, x)
        return energy.item(), -gradient.cpu().numpy()

    def _replay(self, positions):
        if self.captured is None:
            self.captured = self._capture(positions)
        graph, x, energy, gradient = self.captured
        with self.torch.no_grad():
            x.copy_(self.torch.from_numpy(positions))
        graph.replay()
        return energy.item(), -gradient.cpu().numpy()

    def _capture(self, positions):
        """(graph, positions, energy, gradient), as PyTorch's documentation has it: first a few
        evaluations on another stream."""
        cuda = self.torch.cuda
        x = self.torch.tensor(positions, dtype=self.torch.float32, device=self.device,
                              requires_grad=True)

        def evaluate():
            energy = self.called(x, *self.graph)
            return energy, self.torch.autograd.grad(energy, x)[0]

        stream = cuda.Stream()
        stream.wait_stream(cuda.current_stream())
        with cuda.stream(stream):
            for _ in range(3):
                evaluate()
        cuda.current_stream().wait_stream(stream)
        graph = cuda.CUDAGraph()
        with cuda.graph(graph):
            energy, gradient = evaluate()
        return graph, x, energy, gradient

    def check(self):
        energy, forces = self._evaluate(self.positions)
        return (energy + self.constant)*self.unit, forces*self.unit

    def evaluate(self, k):
        self._evaluate(self.moved[k % DISPLACEMENTS])

    def restart(self):
        """A simulation in OpenMM with the peer as a PythonForce, the way openmmml has it."""
        import openmm
        if self.context is None:
            to_kj = self.unit*KJMOL_PER_EV

            def compute(state):
                energy, forces = self._evaluate(10*state.getPositions(asNumpy=True)._value)
                return energy*to_kj, forces.astype(float)*(10*to_kj)

            system = openmm.System()
            _addAtoms(system, self.case["numbers"])
            system.addForce(openmm.PythonForce(compute))
            platform = openmm.Platform.getPlatformByName(self.case["platform"])
            self.context = openmm.Context(system, openmm.VerletIntegrator(STEP_SIZE), platform,
                                          _properties(platform, self.case["threads"]))
        self.context.setPositions(0.1*self.positions)
        self.context.setVelocitiesToTemperature(TEMPERATURE, 1)

    def step(self, n=1):
        self.context.getIntegrator().step(n)

    def wait(self):
        return self.context.getState(positions=True)

    def info(self):
        if not self.queues:
            return {}
        cuda = self.torch.cuda
        return {"device": cuda.get_device_name(self.device),
                "reserved_mb": cuda.max_memory_reserved(self.device)/2**20}


# ------------------------------------------------------------------ timings
def _timed(function, request):
    """Times (ms) of calls until both are reached: seconds and count; at least one. Before them,
    "spin" seconds of calls that are not timed: a device's clocks fall while others have their turn.
    """
    seconds, count = request["seconds"], request["count"]
    _spin(function, request.get("spin", 0))
    times, total = [], 0.0
    while total < seconds or len(times) < count:
        begin = time.perf_counter()
        function(len(times))
        times.append(time.perf_counter() - begin)
        total += times[-1]
    return [1e3*t for t in times]


def _spin(function, seconds):
    end, k = time.perf_counter() + seconds, 0
    while time.perf_counter() < end:
        function(k)
        k += 1


def _blocks(case, request):
    """Times of steps on a device: a block of steps is queued, then waited for; its share of a step.

    Setting the positions anew, the first step behind it and its wait are not part of them.
    """
    def block(n):
        begin = time.perf_counter()
        case.step(n)
        state = case.wait()
        return time.perf_counter() - begin, state

    def again(_=None):
        case.restart()
        block(1)

    again()
    guess = block(2)[0]/2
    n = int(np.clip(np.ceil(BLOCK/guess), 1, BLOCK_STEPS))
    _spin(lambda k: block(n) if k % 4 else again(), request.get("spin", 0))
    times, total = [], 0.0
    while total < request["seconds"] or len(times) < request["count"]:
        again()
        seconds, state = block(n)
        if not np.isfinite(state.getPositions(asNumpy=True)._value).all():
            raise ValueError("the simulation ended with positions that are not numbers")
        times.append(seconds/n)
        total += seconds
    return {"ms": [1e3*t for t in times], "steps": n}


def _steps(case, request):
    """Times of steps; setting the positions anew is not part of them."""
    case.restart()
    case.step()     # a first step makes what it needs
    times, total = [], 0.0
    while total < request["seconds"] or len(times) < request["count"]:
        if len(times) % RESTART == RESTART - 1:
            case.restart()
        begin = time.perf_counter()
        case.step()
        times.append(time.perf_counter() - begin)
        total += times[-1]
    return [1e3*t for t in times]


def _peak(seconds):
    """GFLOP/s of the best float32 matrix product that numpy's BLAS does here."""
    best, end = 0.0, time.perf_counter() + seconds
    for n in (1024, 2048):
        a, b = (np.random.default_rng(k).random((n, n), np.float32) for k in (1, 2))
        c = a @ b
        while True:
            begin = time.perf_counter()
            np.matmul(a, b, out=c)
            best = max(best, 2e-9*n**3/(time.perf_counter() - begin))
            if time.perf_counter() > end - (0.5*seconds if n == 1024 else 0):
                break
    return best


class Worker:
    """What the lines ask for."""

    def __init__(self):
        self.case = None
        # MB in use on NVIDIA's devices before the case, and by it, before the next contender begins
        self.device_base = self.device_mb = None

    def answer(self, request):
        return getattr(self, "_" + request["do"])(request)

    def _peak(self, request):
        return {"gflops": _peak(request["seconds"])}

    def _torch(self, request):
        import torch
        return {"cuda": bool(torch.cuda.is_available())}

    def _open(self, request):
        kind = TorchCase if request["torch"] else OpenMMCase
        import openmm  # noqa: F401  # what every case of this kind has to import
        if request["torch"]:
            import torch  # noqa: F401
        _forgetPeak()
        base = memory()
        self.case = None
        on_nvidia = not request["torch"] and request["platform"] == "CUDA"
        self.device_base = devices.usedMemory() if on_nvidia else None
        self.device_mb = None
        self.case = kind(request)
        return {"base_mb": base}

    def _check(self, request):
        begin = time.perf_counter()
        energy, forces = self.case.check()
        seconds = time.perf_counter() - begin
        if self.device_base is not None and self.device_mb is None:
            used = devices.usedMemory()
            self.device_mb = None if used is None else used - self.device_base
        if not (np.isfinite(energy) and np.isfinite(forces).all()):
            raise ValueError("the energy or a force is not finite")
        return {"energy": energy, "forces": np.asarray(forces, dtype=float).tolist(),
                "seconds": seconds}

    def _forces(self, request):
        return {"ms": _timed(self.case.evaluate, request)}

    def _empty(self, request):
        return {"ms": _timed(self.case.evaluateEmpty, request)}

    def _step(self, request):
        if self.case.queues:
            return _blocks(self.case, request)
        return {"ms": _steps(self.case, request)}

    def _memory(self, request):
        found = {"mb": memory(), **self.case.info()}
        if self.device_mb is not None:
            found["device_mb"] = self.device_mb
        return found


def main():
    # libraries may print: answers have a stream of their own
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    worker = Worker()
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "quit":
            break
        try:
            answer = worker.answer(request)
        except Exception as error:  # whatever went wrong is the answer
            answer = {"error": " ".join(str(error).split()) or type(error).__name__}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
