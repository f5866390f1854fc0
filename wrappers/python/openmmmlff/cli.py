"""The command openmm-mlff."""
import argparse
import json
import os
import sys
import textwrap

import numpy as np
import openmm
import openmm.app

import openmmmlff
from openmmmlff import benchmark, compare
from openmmmlff.convert import cli as convertCli
from openmmmlff.convert import ConversionError
from openmmmlff.convert.elements import SYMBOLS, symbols
from openmmmlff.evaluate import KJMOL_PER_EV, EvaluationError, Evaluator, platformReport
from openmmmlff.extxyz import readFrames
from openmmmlff.models import addChargeOptions, addGeometryOption, hasCoulomb, hasDispersion
from openmmmlff.vibrations import vibrationalWavenumbers

# What users are told in one line; anything else is a defect and shows its traceback.
_EXPECTED = (openmm.OpenMMException, EvaluationError, ConversionError, ValueError, OSError)

_EVALUATE_TEXT = """\
Energies and forces of the frames of an extended XYZ file: positions in angstrom; Lattice="..." in
the comment line makes a frame periodic, charge=... sets its total charge. Prints a table; several
frames get one line each. A frame that fails is named on stderr, the others are still evaluated,
and the exit status is 1."""

_JSON_TEXT = """\
FILE gets a JSON array with one object per frame: natoms, energy (eV), forces (eV/angstrom, n x 3),
platform, precision; of models with charges also charges (e) and components (eV: network, elements,
coulomb_short_range, coulomb, dispersion; their sum is the energy); with --hessian also hessian
(eV/angstrom^2, 3n x 3n). With several models all of these are their mean, energy_std is the
standard deviation of the energy and force_std_max the largest one of an atom's force. A frame that
failed has frame and error instead."""


def main(arguments=None):
    """Run the command; returns the exit status."""
    args = _parser().parse_args(arguments)
    try:
        status = args.run(args)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # the reader (head, less) has gone: nothing more to say, not even when Python exits
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print(f"openmm-mlff {args.command}: interrupted", file=sys.stderr)
        return 130
    except _EXPECTED as error:
        return _fail(args.command, _message(error))


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
    info = openmmmlff.modelInfo(args.model)
    if args.json:
        _writeJson(args.json, {**info, "symbols": symbols(info["elements"]).split()})
        if args.json == "-":
            return 0
    rows = [("file", info["file"]),
            ("architecture", f"{info['architecture']} (format {info['format']})"),
            ("elements", symbols(info["elements"])),
            ("cutoff", f"{info['cutoff']:g} angstrom, {info['layers']} layers"),
            ("parameters", f"{info['parameters']:,}"),
            ("charges", "yes" if info["has_charges"] else "no"),
            ("spin", "yes" if info["has_spin"] else "no"),
            ("energy unit", f"{info['energy_unit']} (in the file)"),
            ("licence", info["licence"]),
            ("source", info["source"]),
            ("citation", info["citation"]),
            ("size", f"{info['bytes']:,} bytes"),
            ("SHA-256", info["sha256"])]
    for name, value in rows:
        print(f"{name + ':':14}{value or 'not stated'}")
    able, others = platformReport()
    print(f"{'platforms:':14}{', '.join(able)}")
    for name, why in others.items():
        print(f"{'':14}not on {name}: {why}")
    return 0


# ------------------------------------------------------------------ evaluate
def _evaluate(args):
    if args.charge is not None and not np.isfinite(args.charge):
        raise EvaluationError(f"--charge {args.charge}: expected a finite number")
    evaluator = Evaluator([args.model, *args.members], args.charge, args.periodic, args.platform,
                          args.precision, args.coulomb, not args.no_dispersion, args.hessian,
                          not args.no_geometry_check)
    _refuseWithoutEffect(args, evaluator)
    if args.json and args.json != "-":
        _checkWritable(args.json)

    table = None if args.json else _Table(args, evaluator)
    results, n_failed = [], 0
    for frame in readFrames(args.file, needsCharge=args.charge is None):
        try:
            if frame.error:
                raise EvaluationError(frame.error)
            result = evaluator.evaluate(frame)
        except (openmm.OpenMMException, EvaluationError) as error:
            n_failed += 1
            result = {"frame": frame.index, "error": f"{frame.name}: {_message(error)}"}
            _fail("evaluate", result["error"])
        results.append(result)
        if table:
            table.add(frame, result)
    if not results:
        raise EvaluationError(f"{args.file} has no frames")
    if table:
        table.close()
    else:
        _writeJson(args.json, results)
    if n_failed and len(results) > 1:
        _fail("evaluate", f"{n_failed} of {len(results)} frames failed")
    return 1 if n_failed else 0


def _refuseWithoutEffect(args, evaluator):
    """An option that can have no effect on these models is an error."""
    path = evaluator.paths[0]
    model = f"the {evaluator.force.getModelArchitecture()} model {path}"
    if args.charge and not evaluator.force.getModelHasCharges():
        raise EvaluationError(f"--charge {args.charge:g} has no effect: {model} knows no charges")
    if args.coulomb not in (None, "default") and not hasCoulomb(path):
        raise EvaluationError(f"--coulomb {args.coulomb}: {model} has no Coulomb term whose method "
                              "could be chosen")
    if args.no_dispersion and not hasDispersion(path):
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
            print(f"model      {path}")
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
        print(f"\n{'atom':>5}  {'':3}{'force (eV/angstrom)':>42}"
              + ("" if charges is None else f"{'charge (e)':>14}"))
        for i, (number, f) in enumerate(zip(frame.numbers, result["forces"])):
            print(f"{i + 1:>5}  {SYMBOLS[number]:3}{f[0]:14.6f}{f[1]:14.6f}{f[2]:14.6f}"
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


# ------------------------------------------------------------------ what both use
def _checkWritable(path):
    """Find out before the work begins that a result cannot be written."""
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path):
        raise EvaluationError(f"{path} is a folder: it cannot be written as a file")
    if not os.path.isdir(folder):
        raise EvaluationError(f"{path} cannot be written: there is no folder {folder}")


def _writeJson(path, value):
    text = json.dumps(value, indent=1, allow_nan=False) + "\n"
    if path == "-":
        sys.stdout.write(text)
        return
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _message(error):
    if isinstance(error, OSError) and error.strerror and not isinstance(error, BrokenPipeError):
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split())


def _fail(command, message):
    sys.stdout.flush()
    print(f"openmm-mlff {command}: {message}", file=sys.stderr)
    return 1
