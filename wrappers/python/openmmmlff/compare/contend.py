"""Contenders seen from the parent: child processes, and the base at the contenders' positions."""
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field

import numpy as np
import openmm

from openmmmlff.evaluate import KERNEL, didYouMean, platformNames, whyNoPlatform, whyNoPlugin

PRECISIONS = ("single", "mixed", "double")
NOT_THERE = "is not available on"     # how a platform says that it lacks an architecture
NOT_DONE = "matrix precision"         # how the child says that it was refused
KNOWN = ("Reference", "CPU", "OpenCL", "CUDA")


@dataclass
class Contender:
    """A platform at a precision, and a matrix precision where one was asked for."""
    platform: str
    precision: str              # '' where there is no such platform
    choice: bool = False        # whether the platform has a choice of precisions
    asked: bool = False         # by name, by the user
    matrix: str = ""            # '': as the force says
    unavailable: str = ""       # why
    error: str = ""             # why it has no results at all
    device: str = ""
    results: list = field(default_factory=list)     # Result or str (an error), one a case

    @property
    def name(self):
        return f"{self.platform} {self.precision} {self.matrix}".rstrip()


@dataclass
class Result:
    """What a contender says of a case. eV, eV/angstrom, e; positions in nm."""
    energy: dict                # part -> eV
    forces: dict                # part -> [n][3]
    charges: np.ndarray | None
    components: dict | None
    positions: np.ndarray
    box: np.ndarray


def findContenders(asked, precisions, matrices=None):
    """Contenders of the platforms by name (None: all), the base's place left open; matrices: at
    which matrix precisions CUDA is to be tried where it computes in single precision."""
    names = platformNames()
    found = []
    for name in asked or (*KNOWN, *(n for n in names if n not in KNOWN)):
        if name not in names:
            text = "there is no such platform here" + didYouMean(name)
            failure = whyNoPlatform(name)
            if failure:
                text += f" (OpenMM says: {' '.join(failure.split())})"
            found.append(Contender(name, "", False, bool(asked), unavailable=text))
            continue
        platform = openmm.Platform.getPlatformByName(name)
        if not platform.supportsKernels([KERNEL]):
            text = f"MLFFForce is not available on {name}: {whyNoPlugin(name)}"
            found.append(Contender(name, "", False, bool(asked), unavailable=text))
        elif "Precision" in platform.getPropertyNames():
            found += [Contender(name, p, True, bool(asked), matrix)
                      for p in precisions or PRECISIONS
                      for matrix in (matrices if matrices and name == "CUDA" and p != "double"
                                     else [""])]
        else:
            precision = "double" if name == "Reference" else "single"
            found.append(Contender(name, precision, False, bool(asked)))
    return found


def run(contender, cases, steps, whole):
    """Let a contender evaluate cases in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="mlff-compare-") as folder:
        _request(folder, contender, cases, steps, whole)
        done = subprocess.run([sys.executable, "-m", "openmmmlff.compare.worker", folder],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE)
        path = os.path.join(folder, "result.json")
        if not os.path.exists(path):
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            contender.error = (f"its process ended with status {done.returncode}"
                               + (f": {lines[-1]}" if lines else ""))
            contender.results = [contender.error]*len(cases)
            return
        with open(path, encoding="utf-8") as file:
            answer = json.load(file)
        if "unavailable" in answer:
            contender.unavailable = answer["unavailable"]
            return
        contender.device = answer["device"]
        contender.results = [_result(folder, k, r) for k, r in enumerate(answer["cases"])]
        if all(isinstance(r, str) and (NOT_THERE in r or r.startswith(NOT_DONE))
               for r in contender.results):
            contender.unavailable = contender.results[0]


def _request(folder, contender, cases, steps, whole):
    request = {"platform": contender.platform, "matrix": contender.matrix, "steps": steps,
               "whole": whole, "cases": [],
               "properties": {"Precision": contender.precision} if contender.choice else {}}
    for k, case in enumerate(cases):
        path = os.path.join(folder, f"positions-{k}.npy")
        positions = case.positions
        if contender.precision == "mixed":
            # it reports positions in double precision, but computes forces from float ones
            positions = positions.astype(np.float32).astype(float)
        np.save(path, positions)
        request["cases"].append({"system": case.system.path, "positions": path,
                                 "box": None if case.box is None else case.box.tolist(),
                                 "parameters": case.parameters})
    with open(os.path.join(folder, "request.json"), "w", encoding="utf-8") as file:
        json.dump(request, file)


def _result(folder, k, found):
    if "error" in found:
        return found["error"]
    with np.load(os.path.join(folder, f"{k}.npz")) as file:
        arrays = dict(file)
    return Result(found["energy"], {part: arrays[part] for part in found["energy"]},
                  arrays.get("charges"), found.get("components"), arrays["positions"],
                  arrays["box"])


class Base:
    """The platform that the others are compared with, at the positions that they report.

    Single precision rounds positions: far from the origin that alone changes forces by more than
    the tolerance, and it is not the force's fault.
    """

    def __init__(self, contender, cases, whole):
        """Evaluates the cases themselves."""
        self.contender, self.cases, self.whole = contender, cases, whole
        run(contender, cases, 0, whole)
        self.known = {}
        for k, result in enumerate(contender.results):
            if isinstance(result, Result):
                self.known[self._key(k, result)] = result

    def keep(self, cases):
        """Go on with some of the cases; their numbers k begin at 0 again."""
        self.cases = [self.cases[k] for k in cases]
        self.known = {(cases.index(k), rest): result for (k, rest), result in self.known.items()
                      if k in cases}

    def evaluateAt(self, contenders):
        """Evaluate whatever positions of the contenders are not known yet, in one process."""
        todo = {}
        for contender in contenders:
            for k, result in enumerate(contender.results):
                if isinstance(result, Result):
                    todo.setdefault(self._key(k, result), (k, result))
        todo = {key: value for key, value in todo.items() if key not in self.known}
        if not todo:
            return
        cases = []
        for k, result in todo.values():
            case = self.cases[k]
            cases.append(type(case)(case.index, case.name, case.system, result.positions,
                                    result.box, case.parameters))
        again = Contender(self.contender.platform, self.contender.precision, self.contender.choice)
        run(again, cases, 0, self.whole)
        results = again.results or [again.unavailable]*len(cases)
        self.known.update(zip(todo, results))

    def forcesAt(self, case, positions, box):
        """MLFFForces' forces at a list of positions (nm), in one process; None if one failed."""
        cases = [type(case)(case.index, case.name, case.system, x, box, case.parameters)
                 for x in positions]
        again = Contender(self.contender.platform, self.contender.precision, self.contender.choice)
        run(again, cases, 0, False)
        if not all(isinstance(r, Result) for r in again.results) or not again.results:
            return None
        return [r.forces["mlff"] for r in again.results]

    def at(self, k, result):
        """The base's Result (or error) at the positions of a contender's Result of case k."""
        return self.known[self._key(k, result)]

    @staticmethod
    def _key(k, result):
        return k, hashlib.sha256(result.positions.tobytes() + result.box.tobytes()).digest()
