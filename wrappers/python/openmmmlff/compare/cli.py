"""The command: which platforms, in which order, what is written."""
import argparse
import contextlib
import datetime
import importlib.util
import json
import math
import os
import shlex
import sys
import tempfile

import numpy as np
import openmm

from openmmmlff.compare import inputs, report, rounding
from openmmmlff.compare.contend import PRECISIONS, Base, Result, findContenders, run
from openmmmlff.compare.figures import Tolerances, compare, worstOf
from openmmmlff.evaluate import EvaluationError
from openmmmlff.models import (MATRIX_PRECISIONS, addChargeOptions, addGeometryOption,
                               modelPaths)
from openmmmlff.output import OutputFile, checkTarget, tell, writeJson

FORMAT = "mlff-compare-1"
REFERENCE = "Reference"

HELP = "energies and forces of this machine's platforms against each other"
USAGE = """openmm-mlff compare MODEL FILE.xyz [options]
       openmm-mlff compare SYSTEM.xml --positions FILE [options]"""
TEXT = """\
Compares energies, forces and charges of OpenMM platforms, each at each precision it has, with the
Reference platform. What is evaluated: the frames of an extended XYZ file, all atoms by the model;
or a serialized System with one or more MLFFForces, whose models are inside. Every platform runs in
a process of its own, and the base is evaluated at the positions that the platform itself reports.
Prints the largest differences over the frames. Exit status 1: a difference is beyond the
tolerance, a platform or frame failed, or a platform asked for by name is not available."""


def register(subparsers):
    """Add the sub-command; its parser gets a default ``run``: function(args) -> exit status."""
    parser = subparsers.add_parser("compare", help=HELP, description=TEXT, usage=USAGE)
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE",
        help="a model (file or name) and an extended XYZ file; or a serialized System (XML)")
    add("--positions", metavar="FILE",
        help="of the System: PDB, PDBx/mmCIF, extended XYZ or a serialized State (XML)")
    add("--whole", action="store_true",
        help="compare the whole System too, not the MLFFForces' part alone")
    add("--frames", type=_frames, metavar="LIST", help="frames of the file, for example 1,4,7-9")
    add("--platforms", nargs="+", metavar="P",
        help="OpenMM platforms (default: all that are available)")
    add("--precisions", nargs="+", choices=PRECISIONS,
        help="of platforms that have a choice (default: all three)")
    add("--matrix-precision", nargs="+", choices=MATRIX_PRECISIONS, metavar="M",
        help="of CUDA in single and mixed precision, to compare: %(choices)s (default: as the "
             "forces say)")
    add("--base", metavar="P",
        help="platform that the others are compared with (default: Reference)")
    add("--steps", type=int, default=0, metavar="N",
        help="steps of Langevin dynamics (300 K, 1 fs) on each platform before the comparison")
    addChargeOptions(add)
    addGeometryOption(add)
    add("--tolerance-energy", type=_positive, metavar="X", help="eV per atom, for all platforms")
    add("--tolerance-force", type=_positive, metavar="X", help="eV/angstrom, for all platforms")
    add("--tolerance-charge", type=_positive, metavar="X", help="e, for all platforms")
    add("--json", metavar="OUT", help="write all figures of all frames to OUT ('-': stdout, no "
                                      "table)")
    add("--plot", metavar="OUT.png", help="plot the differences (needs matplotlib)")
    parser.set_defaults(run=runCommand)


def _frames(text):
    """[range(1, 2), range(4, 5), range(7, 10)] from '1,4,7-9'."""
    found = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not (first.isdecimal() and (last or first).isdecimal()
                and 1 <= int(first) <= int(last or first) < 10**7) or part.endswith("-"):
            raise argparse.ArgumentTypeError(f"'{text}': expected numbers from 1 on and ranges, "
                                             "such as 1,4,7-9")
        found.append(range(int(first), int(last or first) + 1))
    return found


def _positive(text):
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is not a positive number")
    return value


def runCommand(args):
    """The sub-command; returns the exit status."""
    model, path = _files(args)
    _check(args, model)
    contenders = findContenders(args.platforms and list(dict.fromkeys(args.platforms)),
                                args.precisions and list(dict.fromkeys(args.precisions)),
                                args.matrix_precision and
                                list(dict.fromkeys(args.matrix_precision)))
    if args.matrix_precision and not any(c.platform == "CUDA" and c.matrix for c in contenders):
        raise EvaluationError("--matrix-precision is about the platform CUDA in single or mixed "
                              "precision, which is not among those that are compared here")
    base, others = _chooseBase(args, contenders)
    inputFiles = [path, *filter(None, [args.positions]), *(modelPaths(model) if model else ())]
    targets = _targets(args, inputFiles)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mlff-compare-"))
        errors = inputs.FrameErrors(_tell)
        if model is None:
            cases = inputs.systemCases(path, args.positions, args.frames, folder, errors,
                                       not args.no_geometry_check)
        else:
            evaluator = inputs.makeEvaluator(args, model)
            _refuseWithoutEffect(args, evaluator)
            cases = inputs.structureCases(path, evaluator, args.frames, folder, errors)
        if not cases:
            return 1    # every frame has been named
        # a System names its models only now
        inputFiles += [m["file"] for case in cases for m in case.system.models]
        files = {option: stack.enter_context(OutputFile(target, option, inputFiles))
                 for option, target in targets}
        comparison = Comparison(args, cases, base, others, errors)
        result = comparison.run()
        result["file"], result["positions_file"] = path, args.positions or path
        return _close(args, result, comparison, files)


def _close(args, result, comparison, targets):
    """Table, JSON, plot, exit status."""
    if args.json == "-":
        writeJson("-", result)
    else:
        report.table(result)
    if "--json" in targets:
        targets["--json"].write(json.dumps(result, indent=1, allow_nan=False) + "\n")
    if "--plot" in targets:
        targets["--plot"].write(report.plot(result, comparison.points))
    bad = [c for c in result["contenders"] if c["status"] in ("beyond", "failed")
           or c["status"] == "unavailable" and c["asked"]]
    if all(c["status"] == "unavailable" for c in result["contenders"]):
        _tell("nothing was compared: no platform besides the base could make a Context")
        return 1
    return 1 if bad or result["failed_frames"] else 0


def _targets(args, inputs):
    """[(option, path)] of the files that are written, all of them checked."""
    targets = [("--json", args.json)] if args.json and args.json != "-" else []
    targets += [("--plot", args.plot)] if args.plot else []
    for k, (option, path) in enumerate(targets):
        checkTarget(option, path, inputs, targets[:k], ".png" if option == "--plot" else "")
    return targets


def _tell(message):
    tell("compare", message)


# ------------------------------------------------------------------ what is refused
def _files(args):
    """(model or None, XYZ file or System)"""
    if len(args.files) > 2:
        raise EvaluationError("expected a model and an XYZ file, or a System, found "
                              f"{len(args.files)} files; give options after the files")
    *model, path = args.files
    if not model and not os.path.exists(path):
        raise EvaluationError(f"{path}: No such file or directory")
    if not model and not inputs.isXml(path):
        raise EvaluationError(f"{path} is not a serialized System (XML); for a model, give an XYZ "
                              "file behind it")
    if model and inputs.isXml(path):
        raise EvaluationError(f"{path} is XML: a System has its models inside, so give it alone, "
                              f"without {model[0]}")
    return (model[0] if model else None), path


def _check(args, model):
    """Refuse before the work begins what cannot end well."""
    if model is None:
        for option, value in (("--charge", args.charge is not None), ("--coulomb", args.coulomb),
                              ("--no-dispersion", args.no_dispersion),
                              ("--multiplicity", args.multiplicity is not None),
                              ("--no-electron-check", args.no_electron_check)):
            if value:
                raise EvaluationError(f"{option} has no effect on a System: it is set there")
        if args.positions is None:
            raise EvaluationError(f"{args.files[0]} has no positions: give --positions FILE")
    else:
        for option, value in (("--positions", args.positions), ("--whole", args.whole)):
            if value:
                raise EvaluationError(f"{option} is for a System: give it alone, without a model")
    if args.charge is not None and not math.isfinite(args.charge):
        raise EvaluationError(f"--charge {args.charge}: expected a finite number")
    if args.steps < 0:
        raise EvaluationError(f"--steps {args.steps}: expected 0 or more")
    if args.plot and importlib.util.find_spec("matplotlib") is None:
        raise EvaluationError("--plot needs matplotlib: pip install matplotlib")


def _refuseWithoutEffect(args, evaluator):
    from openmmmlff.cli import _refuseWithoutEffect as refuse
    refuse(args, evaluator)


def _chooseBase(args, contenders):
    """(the base, the others); the base has the highest of its precisions."""
    names = [c.platform for c in contenders]
    name = args.base or REFERENCE
    if name not in names:
        contenders = findContenders([name], args.precisions) + contenders
    own = [c for c in contenders if c.platform == name]
    base = max(own, key=lambda c: (("",) + PRECISIONS).index(c.precision))
    if base.unavailable:
        raise EvaluationError(f"the base {name}: {base.unavailable}")
    others = [c for c in contenders if c is not base]
    if not any(c.precision for c in others):
        reasons = [f"{c.platform}: {c.unavailable}" for c in others]
        remedy = "" if reasons else ": name another one with --platforms"
        raise EvaluationError("; ".join([f"there is nothing to compare with {base.name}" + remedy,
                                         *reasons]))
    return base, others


# ------------------------------------------------------------------ the comparison
class Comparison:
    """One run; its result is what --json writes."""

    def __init__(self, args, cases, base, others, errors):
        self.args, self.cases, self.others, self.errors = args, cases, others, errors
        self.base = base
        self.parts = ["mlff", "whole"] if args.whole else ["mlff"]
        self.tolerances = Tolerances(args.tolerance_energy, args.tolerance_force,
                                     args.tolerance_charge)
        self.points = {}    # (part, contender's name) -> [atoms of all frames][2], for the plot

    def run(self):
        base = self._runBase()
        running = [c for c in self.others if not c.unavailable]
        for contender in running:
            report.progress(contender.name)
            run(contender, self.cases, self.args.steps, self.args.whole)
        report.progress(f"{self.base.name}, at the positions of the others")
        base.evaluateAt(running)
        return {
            "format": FORMAT,
            "date": datetime.datetime.now().astimezone().isoformat("T", "seconds"),
            "command": shlex.join(["openmm-mlff", *sys.argv[1:]]), "versions": _versions(),
            "models": self.cases[0].system.models, "steps": self.args.steps,
            "parts": self.parts, "frames": [self._frame(case) for case in self.cases],
            "base": {"platform": self.base.platform, "precision": self.base.precision,
                     "device": self.base.device},
            "contenders": [self._record(c, base) for c in self.others],
            "failed_frames": self.errors.list}

    def _runBase(self):
        """The base at the given positions; a frame that it refuses is not for the others either."""
        report.progress(self.base.name)
        base = Base(self.base, self.cases, self.args.whole)
        if self.base.unavailable or self.base.error:
            raise EvaluationError(f"the base {self.base.name}: "
                                  f"{self.base.unavailable or self.base.error}")
        good = [isinstance(r, Result) for r in self.base.results]
        if not any(good) and len(good) == 1 and not self.errors.list:
            raise EvaluationError(f"{self.cases[0].name}: {self.base.results[0]}")
        for case, result in zip(self.cases, self.base.results):
            if isinstance(result, str):
                self.errors.add(case.index, case.name, result)
        if not any(good):
            raise EvaluationError("no frame is left to compare")
        if not all(good):
            keep = [k for k, ok in enumerate(good) if ok]
            self.cases = [self.cases[k] for k in keep]
            base.keep(keep)
        return base

    def _frame(self, case):
        return {"frame": case.index, "name": case.name, "particles": len(case.positions),
                "ml_atoms": len(case.system.ml_atoms)}

    def _record(self, contender, base):
        """A contender's part of the JSON."""
        record = {"platform": contender.platform, "precision": contender.precision,
                  "matrix": contender.matrix, "asked": contender.asked, "device": contender.device}
        if contender.unavailable:
            return {**record, "status": "unavailable", "message": contender.unavailable}
        frames = [self._compare(contender, k, base) for k in range(len(self.cases))]
        record["frames"] = frames
        record["worst"] = {part: worst for part in self.parts
                           if (worst := worstOf(frames, part)) is not None}
        failed = [f for f in frames if "error" in f]
        if failed:
            text = failed[0]["error"] if contender.error else (
                f"frame {failed[0]['frame']}: {failed[0]['error']}")
            return {**record, "status": "failed", "message": text}
        beyond = any(worst["beyond"] for worst in record["worst"].values())
        return {**record, "status": "beyond" if beyond else "ok", "message": ""}

    def _compare(self, contender, k, base):
        """One frame of a contender."""
        case, result = self.cases[k], contender.results[k]
        record = {"frame": case.index}
        if isinstance(result, str):
            return {**record, "error": result}
        expected = base.at(k, result)
        if isinstance(expected, str):
            return {**record, "error": f"{self.base.name} at its positions: {expected}"}
        isDouble = contender.precision == self.base.precision == "double"
        for part in self.parts:
            # OpenMM's own forces differ by 1e-6 eV/angstrom between platforms in double precision
            record[part], points = compare(part, case.system, expected, result,
                                           isDouble and part == "mlff", self.tolerances,
                                           contender.matrix == "TF32")
            self.points.setdefault((part, contender.name), []).append(points)
        if "force" in record["mlff"]["beyond"] and self._couldBeRounding(contender, case):
            self._judgeRounding(record["mlff"], case, base, expected, result)
        return record

    def _couldBeRounding(self, contender, case):
        """Whether single precision is compared with double, by the project's own tolerances."""
        return (self.tolerances.force is None and self.base.precision == "double"
                and contender.precision != "double" and contender.matrix != "TF32"
                and len(case.system.ml_atoms) <= rounding.MOST_ATOMS)

    def _judgeRounding(self, figures, case, base, expected, result):
        """Take "force" out of what is beyond where the contender's forces are the base's at
        positions that differ by a rounding."""
        report.progress(f"{self.base.name}, at positions that differ by a rounding")
        atoms, positions = case.system.ml_atoms, result.positions
        forces = base.forcesAt(case, rounding.displaced(positions, atoms), result.box)
        if forces is None:
            return
        difference = (result.forces["mlff"] - expected.forces["mlff"])[atoms]
        tolerance = figures["tolerances"]["force"]
        shifted = rounding.nearby(positions, atoms, rounding.slopes(forces, atoms), difference,
                                  tolerance)
        forces = base.forcesAt(case, [shifted], result.box)
        if forces is None:
            return
        left = np.linalg.norm(result.forces["mlff"] - forces[0], axis=1).max()
        figures["rounding"] = {"displacement": float(10*np.abs(shifted - positions).max()),
                               "force_max": float(left)}
        if left <= tolerance:
            figures["beyond"].remove("force")


def _versions():
    from importlib.metadata import version
    return {"openmm": openmm.version.version, "openmmmlff": version("openmmmlff")}
