"""While MLFFForce computes, other threads run and signals are seen, as in OpenMM's own calls."""
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import openmm
import pytest
from conftest import DATA
from openmmmlff import MLFFForce

WATER = np.array([[0, 0, 0.0119], [0, 0.0763, -0.0477], [0, -0.0763, -0.0477]])
SPACING = 0.31

PLATFORMS = [p.getName() for p in map(openmm.Platform.getPlatform,
                                      range(openmm.Platform.getNumPlatforms()))
             if p.supportsKernels(["CalcMLFFForce"])]


def waters(side, platform, model="painn-hcno", members=1):
    """A box of side^3 waters: a force and its Context."""
    cells = SPACING*(np.array(list(np.ndindex(side, side, side))) + 0.5)
    force = MLFFForce([model]*members)
    system = openmm.System()
    system.setDefaultPeriodicBoxVectors(*(side*SPACING*np.eye(3)))
    force.setUsesPeriodicBoundaryConditions(True)
    for i in range(3*len(cells)):
        system.addParticle(1.0 if i % 3 else 16.0)
        force.addAtom(i, 1 if i % 3 else 8)
    system.addForce(force)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001),
                             openmm.Platform.getPlatformByName(platform))
    context.setPositions((cells[:, None] + WATER).reshape(-1, 3))
    return force, context


def energyAndForces(context):
    state = context.getState(energy=True, forces=True)
    return state.getPotentialEnergy()._value, state.getForces(asNumpy=True)._value


# ------------------------------------------------------------------ threads
class Ticker:
    """A thread that counts. It gets its turn only when this thread gives the interpreter away: Python
    itself takes it from nobody."""

    def __enter__(self):
        self.count, self.stop = 0, False
        self.interval = sys.getswitchinterval()
        sys.setswitchinterval(1000)
        self.thread = threading.Thread(target=self.tick)
        self.thread.start()
        return self

    def __exit__(self, *_):
        sys.setswitchinterval(self.interval)
        self.stop = True
        self.thread.join()

    def tick(self):
        while not self.stop:
            self.count += 1
            time.sleep(1e-4)

    def ranIn(self, call, seconds=10):
        """Whether it counts on in a call that is repeated for so long."""
        before, end = self.count, time.monotonic() + seconds
        while self.count == before and time.monotonic() < end:
            call()
        return self.count != before


@pytest.mark.parametrize("platform", ["Reference", "CPU"])
def test_other_threads_run(platform):
    model = DATA/"aimnet2"/"published-4x4.safetensors"
    force, context = waters(1, platform, model, members=2)
    content = model.read_bytes()
    with Ticker() as ticker:
        for call in (lambda: force.getAtomCharges(context),
                     lambda: force.getEnergyComponents(context),
                     lambda: force.getEnsembleDeviation(context),
                     lambda: force.computeHessian(context),
                     lambda: force.updateParametersInContext(context)):
            assert ticker.ranIn(call)
        if platform == "Reference":
            xml = openmm.XmlSerializer.serialize(force)
            assert ticker.ranIn(lambda: MLFFForce("water", content=content))
            assert ticker.ranIn(lambda: force.addEnsembleMember("water", content=content))
            assert ticker.ranIn(lambda: MLFFForce._fromXml(xml))
        # what is quick keeps the interpreter: threads that share a force do not meet inside it
        assert not ticker.ranIn(force.getNumAtoms, seconds=0.2)
        assert not ticker.ranIn(lambda: force.addBond(0, 1), seconds=0.2)


def test_results_of_threads_are_right():
    """Two Contexts in two threads at once."""
    pairs = [waters(2, "CPU"), waters(2, "CPU")]
    expected = pairs[0][0].computeHessian(pairs[0][1])._value
    found = [None, None]

    def compute(k):
        force, context = pairs[k]
        found[k] = force.computeHessian(context)._value
    threads = [threading.Thread(target=compute, args=(k,)) for k in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.array_equal(found[0], expected) and np.array_equal(found[1], expected)


def test_errors_come_through():
    force, context = waters(1, "Reference")
    with pytest.raises(openmm.OpenMMException, match="computes no charges"):
        force.getAtomCharges(context)
    with pytest.raises(openmm.OpenMMException, match="not-a-model"):
        MLFFForce("not-a-model", content=b"nothing")
    for method in (force.computeHessian, force.getEnergyComponents):
        with pytest.raises((TypeError, ValueError)):
            method(None)


# ------------------------------------------------------------------ signals
class Alarm(Exception):
    pass


@contextlib.contextmanager
def alarm(seconds, handler, interval=0):
    """A signal after some time, while C++ code runs."""
    old = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, seconds, interval)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def ring(*_):
    raise Alarm


def forever(call):
    while True:
        call()


@pytest.mark.parametrize("platform, question", [
    *((platform, question) for question in ("computeHessian", "getEnsembleDeviation")
      for platform in PLATFORMS), ("Reference", "getEnergyComponents")])
def test_a_signal_ends_the_computation(platform, question):
    force, context = waters(3, platform, members=1 if question == "computeHessian" else 2)
    before = energyAndForces(context)
    start = time.monotonic()
    with alarm(0.3, ring), pytest.raises(Alarm):
        forever(lambda: getattr(force, question)(context))
    assert time.monotonic() - start < 3  # a Hessian takes minutes on the Reference platform
    energy, forces = energyAndForces(context)
    assert energy == before[0] and np.array_equal(forces, before[1])


def test_the_hessian_after_an_interruption_is_the_same():
    force, context = waters(1, "CPU")
    expected = force.computeHessian(context)._value
    for seconds in (0.06, 0.1):
        with alarm(seconds, ring), pytest.raises(Alarm):
            forever(lambda: force.computeHessian(context))
        assert np.array_equal(force.computeHessian(context)._value, expected)


def test_a_handler_that_returns_ends_nothing():
    force, context = waters(2, "CPU")
    expected = force.computeHessian(context)._value
    rung = []
    with alarm(0.05, lambda *_: rung.append(True), interval=0.05):
        while len(rung) < 3:
            assert np.array_equal(force.computeHessian(context)._value, expected)


def test_control_c():
    """In a process of its own: KeyboardInterrupt within about a second, then all is as before."""
    script = f"""
import os, signal, sys, threading, time
sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})
import numpy as np
from test_threads import energyAndForces, waters
force, context = waters(3, "CPU")
before = energyAndForces(context)
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
start = time.monotonic()
try:
    while True:
        force.computeHessian(context)
except KeyboardInterrupt:
    print("interrupted" if time.monotonic() - start < 3 else "too late")
after = energyAndForces(context)
print(before[0] == after[0] and np.array_equal(before[1], after[1]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.stdout.split() == ["interrupted", "True"], done.stderr


def test_python_ends_while_a_thread_computes():
    """A thread that comes back when Python has ended does not end it by a crash."""
    script = f"""
import sys, threading, time
sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})
from test_threads import forever, waters
force, context = waters(2, "CPU")
threading.Thread(target=forever, args=(lambda: force.computeHessian(context),), daemon=True).start()
time.sleep(0.3)
print("end", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                          timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "end\n"), done.stderr
