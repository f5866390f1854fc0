"""The command openmm-mlff."""
import argparse
import contextlib
import os
import sys
import textwrap

import numpy as np
import openmm
import openmm.app

import openmmmlff
from openmmmlff import benchmark, compare
from openmmmlff.charge_words import LARGEST_MULTIPLICITY
from openmmmlff.convert import cli as convertCli
from openmmmlff.convert import ConversionError
from openmmmlff.convert.elements import SYMBOLS, symbols
from openmmmlff.evaluate import KJMOL_PER_EV, EvaluationError, Evaluator, platformReport
from openmmmlff.extxyz import readFrames
from openmmmlff.models import addChargeOptions, addGeometryOption, modelPaths
from openmmmlff.output import (JsonArray, OutputFile, checkTarget, librariesToStderr, message,
                               printable, tell, writeJson)
from openmmmlff.signals import Terminated, terminationRaises
from openmmmlff.vibrations import vibrationalWavenumbers

# What users are told in one line; anything else is a defect and shows its traceback.
_EXPECTED = (openmm.OpenMMException, EvaluationError, ConversionError, ValueError, OSError)

_EVALUATE_TEXT = """\
Energies and forces of the frames of an extended XYZ file: positions in angstrom; Lattice="..." in
the comment line makes a frame periodic, charge=... sets its total charge. Prints a table; several
frames get one line each. A frame that fails is named on stderr, the others are still evaluated,
and the exit status is 1. Warnings on stderr are about overlapping atoms, energies that no molecule
has, systems that the model was not trained on, and --hessian away from a minimum. Atoms are counted
from 0."""

_JSON_TEXT = """\
FILE gets a JSON array with one object per frame: natoms, energy (eV), forces (eV/angstrom, n x 3),
platform, precision; of models with charges also charges (e) and components (eV: network, elements,
coulomb_short_range, coulomb, dispersion; their sum is the energy); with --hessian also hessian
(eV/angstrom^2, 3n x 3n); warnings, a list of sentences, where there are any. With several models
all of these are their mean, energy_std is the standard deviation of the energy and force_std_max
the largest one of an atom's force. A frame that failed has frame and error instead. Results are
written as they come, to a file beside FILE that takes its name at the end."""


def main(arguments=None):
    """Run the command; returns the exit status."""
    _openStandardStreams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")   # any text can be printed
    args = _parser().parse_args(arguments)
    try:
        _refuseEmpty(args)
        with terminationRaises():
            status = args.run(args)
            sys.stdout.flush()
            return status
    except BrokenPipeError:
        # the reader (head, less) has gone: nothing more to say, not even when Python exits
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        tell(args.command, "interrupted")
        return 130
    except Terminated as signal_:
        tell(args.command, f"ended by the signal {signal_}")
        return 128 + signal_.number
    except _EXPECTED as error:
        tell(args.command, message(error))
        return 1


def _openStandardStreams():
    """What the caller has closed (>&-) is /dev/null: no other file must get its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)      # the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))


# Names of arguments in messages, where argparse has another one.
_ARGUMENTS = {"members": "--model", "source_file": "--from", **{
    name: name.upper() for name in ("model", "file", "source", "out", "name")}, "files": "FILE"}


def _refuseEmpty(args):
    """An empty text, of a shell variable that is not set, is no argument: not even a missing one."""
    for name, value in vars(args).items():
        if "" in (value if isinstance(value, list) else [value]):
            option = _ARGUMENTS.get(name, "--" + name.replace("_", "-"))
            raise EvaluationError(f"{option} is an empty text: expected a name, or leave it out")


def _parser():
    parser = argparse.ArgumentParser(
        prog="openmm-mlff", description="Neural network potentials for OpenMM.")
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    info = commands.add_parser("info", help="what a model file says about itself")
    _addModel(info)
    info.add_argument("--json", metavar="FILE", help="write it to FILE as JSON ('-': stdout)")
    info.set_defaults(run=_info)

    evaluate = commands.add_parser("evaluate", help="energies and forces of an XYZ file",
                                   description=_EVALUATE_TEXT, epilog=_JSON_TEXT)
    _addModel(evaluate)
    add = evaluate.add_argument
    add("file", metavar="FILE.xyz", help="extended XYZ, one or more frames")
    add("--model", dest="members", metavar="MODEL", action="append", default=[],
        help="one more model; may be repeated: all of them are an ensemble")
    addChargeOptions(add)
    add("--periodic", action="store_true",
        help="every frame is periodic: one without Lattice is an error, and pbc is not looked at")
    add("--platform", default="Reference", metavar="P", help="OpenMM platform (default: Reference)")
    add("--precision", choices=["single", "mixed", "double"],
        help="where the platform has a choice")
    addGeometryOption(add)
    add("--hessian", action="store_true",
        help="second derivatives too; the table has the wavenumbers of the vibrations")
    add("--json", metavar="FILE", help="write the results to FILE ('-': stdout), no table")
    evaluate.set_defaults(run=_evaluate)

    compare.register(commands)
    benchmark.register(commands)
    convertCli.register(commands)
    return parser


def _addModel(parser):
    parser.add_argument("model", metavar="MODEL", help="a model file or a name, one of: "
                        + ", ".join(openmmmlff.knownModels()))


def _version():
    return f"openmm-mlff {openmmmlff.__version__}, OpenMM {openmm.version.version}"


# ------------------------------------------------------------------ info
def _info(args):
    path = openmmmlff.models.modelPath(args.model)
    if args.json and args.json != "-":
        checkTarget("--json", args.json, [path])
    info = openmmmlff.modelInfo(args.model)
    if args.json:
        writeJson(args.json, {**info, "symbols": symbols(info["elements"]).split()}, "--json",
                  [path])
        if args.json == "-":
            return 0
    fewest, most = info["trained_atoms"]
    rows = [("file", info["file"]),
            ("architecture", f"{info['architecture']} (format {info['format']})"),
            ("elements", symbols(info["elements"])),
            ("cutoff", f"{info['cutoff']:g} angstrom, {info['layers']} layers"),
            ("parameters", f"{info['parameters']:,}"),
            ("charges", "yes" if info["has_charges"] else "no"),
            ("spin", "yes" if info["has_spin"] else "no"),
            ("trained on", info["scope"] or (f"{fewest} to {most} atoms" if most else "")),
            ("energy unit", f"{info['energy_unit']} (in the file)"),
            ("licence", info["licence"]),
            ("source", info["source"]),
            ("citation", info["citation"]),
            ("size", f"{info['bytes']:,} bytes"),
            ("SHA-256", info["sha256"])]
    for name, value in rows:
        print(f"{name + ':':14}{printable(value) or 'not stated'}")
    able, others = platformReport()
    print(f"{'platforms:':14}{', '.join(able)}")
    for name, why in others.items():
        print(f"{'':14}not on {name}: {printable(why)}")
    return 0


# ------------------------------------------------------------------ evaluate
def _evaluate(args):
    if args.charge is not None and not np.isfinite(args.charge):
        raise EvaluationError(f"--charge {args.charge}: expected a finite number")
    models = [path for model in (args.model, *args.members) for path in modelPaths(model)]
    if args.json and args.json != "-":
        checkTarget("--json", args.json, [args.file, *models])
    with librariesToStderr():
        return _evaluateWith(args, models)


def _evaluateWith(args, models):
    """The frames of the file by the models at these paths."""
    evaluator = Evaluator(models, args.charge, args.periodic, args.platform, args.precision,
                          args.coulomb, not args.no_dispersion, args.hessian,
                          not args.no_geometry_check, args.multiplicity,
                          not args.no_electron_check)
    _refuseWithoutEffect(args, evaluator)
    with contextlib.ExitStack() as stack:
        if args.json:
            file = sys.stdout
            if args.json != "-":
                file = stack.enter_context(OutputFile(args.json, "--json", [args.file, *models]))
            sink = stack.enter_context(JsonArray(file))
        else:
            sink = None
        return _evaluateFrames(args, evaluator, sink)


def _evaluateFrames(args, evaluator, sink):
    """Every frame of the file; its result goes to sink (a JsonArray) or into the table."""
    table = None if sink else _Table(args, evaluator)
    warnings = _Warnings()
    n_frames = n_failed = 0
    for frame in readFrames(args.file, args.charge is None, args.multiplicity is None):
        n_frames += 1
        try:
            if frame.error:
                raise EvaluationError(frame.error)
            result = evaluator.evaluate(frame)
        except Exception as error:     # whatever it is, it stays in its frame
            n_failed += 1
            result = {"frame": frame.index, "error": f"{frame.name}: {message(error)}"}
            tell("evaluate", result["error"])
        warnings.add(frame, result)
        if sink:
            sink.add(result)
        else:
            table.add(frame, result)
    if n_frames == 0:
        raise EvaluationError(f"{args.file} has no frames")
    if table:
        table.close()
    warnings.close()
    if n_failed and n_frames > 1:
        tell("evaluate", f"{n_failed} of {n_frames} frames failed")
    return 1 if n_failed else 0


class _Warnings:
    """Warnings about frames on stderr; of many frames the first ones, and how many there are."""

    MOST = 20

    def __init__(self):
        self.n_frames = 0

    def add(self, frame, result):
        found = result.get("warnings", ())
        self.n_frames += bool(found)
        if self.n_frames <= self.MOST:
            for text in found:
                tell("evaluate", f"warning: {frame.name}: {text}")

    def close(self):
        if self.n_frames > self.MOST:
            tell("evaluate", f"warning: {self.n_frames} frames have warnings, of which the first "
                             f"{self.MOST} are shown; --json has all of them")


def _refuseWithoutEffect(args, evaluator):
    """An option that can have no effect on these models is an error."""
    path = evaluator.paths[0]
    model = f"the {evaluator.force.getModelArchitecture()} model {path}"
    if args.charge and not evaluator.force.getModelHasCharges():
        raise EvaluationError(f"--charge {args.charge:g} has no effect: {model} knows no charges")
    if args.multiplicity is not None and not 1 <= args.multiplicity <= LARGEST_MULTIPLICITY:
        raise EvaluationError(f"--multiplicity {args.multiplicity}: expected 2S+1, a number from 1 "
                              f"to {LARGEST_MULTIPLICITY}")
    if args.no_electron_check and not evaluator.force.getModelHasCharges():
        raise EvaluationError(f"--no-electron-check has no effect: {model} knows no charges")
    if args.coulomb not in (None, "default") and not evaluator.force._hasCoulomb():
        raise EvaluationError(f"--coulomb {args.coulomb}: {model} has no Coulomb term whose method "
                              "could be chosen")
    if args.no_dispersion and not evaluator.force._hasDispersion():
        raise EvaluationError(f"--no-dispersion: {model} has no dispersion term that could be left "
                              "out")


class _Table:
    """What evaluate prints: all atoms of a single frame, one line for each of several."""

    def __init__(self, args, evaluator):
        self.args, self.evaluator = args, evaluator
        self.first = None      # the first frame, until it is known whether there is another
        self.n_lines = 0
        self.ensemble = len(evaluator.paths) > 1

    def add(self, frame, result):
        if self.n_lines == 0 and self.first is None:
            self.first = (frame, result)
            return
        if self.n_lines == 0:
            self._head()
            head = f"{'frame':>6}{'atoms':>7}{'energy (eV)':>20}{'largest force (eV/A)':>24}"
            print(head + (f"{'energy std':>14}{'force std':>14}" if self.ensemble else ""))
            self._line(*self.first)
        self._line(frame, result)

    def close(self):
        if self.n_lines == 0:
            self._single(*self.first)

    def _head(self):
        for path in self.evaluator.paths:
            print(f"model      {printable(path)}")
        print(f"platform   {self.evaluator.platform.getName()}, {self.evaluator.precision}")

    def _line(self, frame, result):
        self.n_lines += 1
        if "error" in result:
            print(f"{frame.index:>6}{'failed':>27}")
            return
        largest = np.linalg.norm(result["forces"], axis=1).max()
        line = f"{frame.index:>6}{result['natoms']:>7}{result['energy']:>20.9f}{largest:>24.6f}"
        if self.ensemble:
            line += f"{result['energy_std']:>14.6f}{result['force_std_max']:>14.6f}"
        print(line)
        if "hessian" in result:
            self._vibrations(frame, result, indent=6)

    def _single(self, frame, result):
        if "error" in result:
            return
        self._head()
        print(f"atoms      {result['natoms']}")
        print(f"energy     {result['energy']:.9f} eV")
        for name, energy in result.get("components", {}).items():
            print(f"           {name.replace('_', ' '):20}{energy:20.9f} eV")
        if self.ensemble:
            print(f"           standard deviation {result['energy_std']:.6f} eV, "
                  f"of the force on an atom at most {result['force_std_max']:.6f} eV/angstrom")
        charges = result.get("charges")
        print("\natoms are counted from 0, as in OpenMM")
        print(f"{'atom':>5}  {'':3}{'force (eV/angstrom)':>42}"
              + ("" if charges is None else f"{'charge (e)':>14}"))
        for i, (number, f) in enumerate(zip(frame.numbers, result["forces"])):
            print(f"{i:>5}  {SYMBOLS[number]:3}{f[0]:14.6f}{f[1]:14.6f}{f[2]:14.6f}"
                  + ("" if charges is None else f"{charges[i]:14.6f}"))
        if "hessian" in result:
            print()
            self._vibrations(frame, result, indent=0)

    def _vibrations(self, frame, result, indent):
        values = _wavenumbers(frame, result, self.evaluator.periodic or frame.pbc)
        text = [f"{value:.1f}" if value >= 0 else f"{-value:.1f}i" for value in values]
        first = " "*indent + "wavenumbers (1/cm) "
        print(textwrap.fill(" ".join(text) or "none", 100, initial_indent=first,
                            subsequent_indent=" "*len(first)))


def _wavenumbers(frame, result, periodic):
    """Harmonic wavenumbers in 1/cm from the second derivatives of a frame."""
    # eV/angstrom^2 to kJ/mol/nm^2
    hessian = np.array(result["hessian"])*(100*KJMOL_PER_EV)
    masses = [openmm.app.Element.getByAtomicNumber(z).mass for z in frame.numbers]
    return vibrationalWavenumbers(hessian, masses, None if periodic else 0.1*frame.positions)._value
