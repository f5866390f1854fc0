"""The child process of one platform and precision: `python -m openmmmlff.compare.worker FOLDER`.

FOLDER/request.json says what: platform, properties, matrix, steps, whole, cases (system, positions,
box, parameters). Writes FOLDER/result.json: {"unavailable": reason} where the platform cannot make any
Context, else {"device", "cases"}, a case being {"energy", "components"} or {"error"}; arrays are in
FOLDER/<case>.npz. Energies in eV, forces in eV/angstrom, positions in nm.

A process of its own: what a driver prints, or a crash of it, does no harm to the others.
"""
import json
import os
import sys

import numpy as np
import openmm

import openmmmlff  # noqa: F401  # loads the plugins
from openmmmlff.compare.inputs import MLFF_GROUP
from openmmmlff.evaluate import COMPONENTS, KJMOL_PER_EV
from openmmmlff.mlffforce import MLFFForce

TEMPERATURE = 300       # K, of the steps
FRICTION = 1.0          # 1/ps
STEP_SIZE = 0.001       # ps
SEED = 1
ROUNDING = 2.4e-7       # of a coordinate in single precision, with room for two roundings


class Runner:
    """Evaluates cases one after the other. A Context serves as long as the System is the same."""

    def __init__(self, request):
        self.request = request
        self.platform = openmm.Platform.getPlatformByName(request["platform"])
        self.path = self.context = self.forces = None

    def probe(self):
        """Make a Context without our force; returns the name of the device, or ''."""
        system = openmm.System()
        system.addParticle(1.0)
        context = openmm.Context(system, openmm.VerletIntegrator(STEP_SIZE), self.platform,
                                 self.request["properties"])
        platform = context.getPlatform()
        if "DeviceName" not in platform.getPropertyNames():
            return ""
        return platform.getPropertyValue(context, "DeviceName")

    def run(self, case):
        """(what goes into result.json, arrays)"""
        try:
            self._prepare(case["system"])
            given = np.load(case["positions"])
            self._start(case, given)
            if self.request["steps"]:
                self.context.setVelocitiesToTemperature(TEMPERATURE, SEED)
                self.context.getIntegrator().step(self.request["steps"])
            return self._evaluate(given)
        except Exception:
            self.path = None    # the next case begins with a new Context
            raise

    def _prepare(self, path):
        if path == self.path:
            return
        self.path = self.context = self.forces = None
        with open(path, encoding="utf-8") as file:
            self.system = openmm.XmlSerializer.deserialize(file.read())
        self.forces = [MLFFForce.cast(f) for f in self.system.getForces()
                       if MLFFForce.isinstance(f)]
        for force in self.forces:
            if self.request["matrix"]:
                force.setMatrixPrecision(getattr(MLFFForce, self.request["matrix"]))
        integrator = openmm.LangevinMiddleIntegrator(TEMPERATURE, FRICTION, STEP_SIZE)
        integrator.setRandomNumberSeed(SEED)
        self.context = openmm.Context(self.system, integrator, self.platform,
                                      self.request["properties"])
        self._checkMatrices()
        self.virtual = np.array([self.system.isVirtualSite(i)
                                 for i in range(self.system.getNumParticles())])
        self.path = path

    def _checkMatrices(self):
        """Someone who asks for a matrix precision wants to see that one."""
        for force in self.forces:
            info = force.getExecutionInfo(self.context)
            if self.request["matrix"] not in ("", info.get("matrix_precision", "Full")):
                raise ValueError(f"matrix precision {self.request['matrix']}: "
                                 f"{info.get('matrix_precision_refused', 'not on this platform')}")

    def _start(self, case, given):
        known = self.context.getParameters()
        for name, value in case["parameters"].items():
            if name in known:
                self.context.setParameter(name, value)
        if case["box"] is not None:
            self.context.setPeriodicBoxVectors(*case["box"])
        else:
            self.context.setPeriodicBoxVectors(*self.system.getDefaultPeriodicBoxVectors())
        self.context.setPositions(given)
        if self.virtual.any():
            self.context.computeVirtualSites()

    def _evaluate(self, given):
        state = self.context.getState(positions=True, energy=True, forces=True,
                                      groups={MLFF_GROUP})
        result = {"energy": {"mlff": _energy(state)}}
        arrays = {"positions": state.getPositions(asNumpy=True)._value,
                  "box": np.array([[x for x in v] for v in state.getPeriodicBoxVectors()._value]),
                  "mlff": _forces(state)}
        if not self.request["steps"]:
            self._checkPositions(given, arrays["positions"])
        charged = [f for f in self.forces if f.getModelHasCharges()]
        if charged:
            arrays["charges"] = np.concatenate([f.getAtomCharges(self.context)._value
                                                for f in charged])
            terms = [f.getEnergyComponents(self.context) for f in charged]
            result["components"] = {name: sum(t[name]._value for t in terms)/KJMOL_PER_EV
                                    for name in COMPONENTS}
        if self.request["whole"]:
            state = self.context.getState(energy=True, forces=True)
            result["energy"]["whole"] = _energy(state)
            arrays["whole"] = _forces(state)
        for name, value in (*result["energy"].items(), *arrays.items()):
            if not np.isfinite(value).all():
                raise ValueError(f"a number is not finite ({name})")
        return result, arrays

    def _checkPositions(self, given, reported):
        change = np.abs(reported - given).max(axis=1)
        change[self.virtual] = 0
        worst = int(change.argmax())
        if change[worst] > ROUNDING*np.abs(given).max() + 1e-12:
            raise ValueError(f"atom {worst} was set to one position, and the platform reports "
                             f"another, {change[worst]:.1e} nm away")


def _energy(state):
    return state.getPotentialEnergy()._value/KJMOL_PER_EV


def _forces(state):
    return state.getForces(asNumpy=True)._value*(0.1/KJMOL_PER_EV)


def _message(error):
    return " ".join(str(error).split()) or type(error).__name__


def main(folder):
    with open(os.path.join(folder, "request.json"), encoding="utf-8") as file:
        request = json.load(file)
    runner = Runner(request)
    try:
        result = {"device": runner.probe(), "cases": []}
    except openmm.OpenMMException as error:
        result = {"unavailable": _message(error)}
    else:
        for k, case in enumerate(request["cases"]):
            try:
                found, arrays = runner.run(case)
                np.savez(os.path.join(folder, f"{k}.npz"), **arrays)
            except Exception as error:  # whatever went wrong is the answer
                found = {"error": _message(error)}
            result["cases"].append(found)
    with open(os.path.join(folder, "result.json"), "w", encoding="utf-8") as file:
        json.dump(result, file)


if __name__ == "__main__":
    main(sys.argv[1])
