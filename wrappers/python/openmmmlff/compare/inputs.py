"""From the files that the user gives to Systems and positions.

A System file is XML in a temporary folder. Its MLFFForces, and nothing else, are in force group
MLFF_GROUP.
"""
import os
from dataclasses import dataclass, field
from xml.parsers import expat

import numpy as np
import openmm
import openmm.app

from openmmmlff.convert.elements import SYMBOLS
from openmmmlff.evaluate import EvaluationError, Evaluator
from openmmmlff.extxyz import readFrames
from openmmmlff.files import openRegular
from openmmmlff.mlffforce import MLFFForce

MLFF_GROUP = 1


@dataclass
class SystemFile:
    """What is evaluated, without positions."""
    path: str
    symbols: list               # of every particle, '' where it is not known
    ml_atoms: list              # particles that a network describes, each once
    models: list                # dicts: file, architecture, sha256
    real: np.ndarray            # [n] bool: False for a virtual site, whose force is handed on


@dataclass
class Case:
    """One frame."""
    index: int                  # 1 for the first of the file
    name: str                   # how messages name it
    system: SystemFile
    positions: np.ndarray       # [n][3] nm
    box: np.ndarray | None = None                   # [3][3] nm; None: the System's
    parameters: dict = field(default_factory=dict)  # of the Context
    symbols: list = field(default_factory=list)     # of the positions' file, where it says them


class FrameErrors:
    """What is wrong with single frames; the others are compared."""

    def __init__(self, tell):
        self.tell = tell        # function(message)
        self.list = []

    def add(self, index, name, message):
        self.list.append({"frame": index, "error": f"{name}: {message}"})
        self.tell(self.list[-1]["error"])


# ------------------------------------------------------------------ a model and an XYZ file
def structureCases(path, evaluator, frames, folder, errors):
    """Cases of the frames of an XYZ file, all atoms by the network."""
    systems = {}
    cases = []
    read = readFrames(path, evaluator.charge is None, evaluator.multiplicity is None)
    for frame in chosenFrames(read, frames, path):
        try:
            if frame.error:
                raise EvaluationError(frame.error)
            box, rotation = evaluator._box(frame)
            system = _structureSystem(frame, box, evaluator, folder, systems)
        except (openmm.OpenMMException, EvaluationError) as error:
            errors.add(frame.index, frame.name, " ".join(str(error).split()))
            continue
        _warn(errors, frame)
        positions = 0.1*frame.positions
        if rotation is not None:
            positions = positions @ rotation.T
        cases.append(Case(frame.index, frame.name, system, positions, box))
    return cases


def _warn(errors, frame):
    """Say what a frame's comment line may mean; it is compared all the same."""
    for text in frame.warnings:
        errors.tell(f"warning: {frame.name}: {text}")


def makeEvaluator(args, model):
    """An Evaluator for its checks, its force and its boxes. Ewald sums have their default error
    on all platforms: that of evaluate depends on the precision."""
    evaluator = Evaluator([model], args.charge, coulomb=args.coulomb,
                          dispersion=not args.no_dispersion,
                          geometry=not args.no_geometry_check,
                          multiplicity=args.multiplicity,
                          checkElectrons=not args.no_electron_check)
    evaluator.force.setEwaldErrorTolerance(0)
    return evaluator


def _structureSystem(frame, box, evaluator, folder, systems):
    """The SystemFile of a frame; that of an earlier one if it fits."""
    kind = evaluator.kindOf(frame, box)
    if kind not in systems:
        system, force = evaluator.makeSystem(
            kind, box, lambda number: openmm.app.Element.getByAtomicNumber(number).mass)
        force.setModelStorage(MLFFForce.Path)   # it is read again on this machine, at once
        if box is not None:
            system.setDefaultPeriodicBoxVectors(*box)
        systems[kind] = _save(system, folder, len(systems))
    return systems[kind]


# ------------------------------------------------------------------ a System
def systemCases(path, positionsFile, frames, folder, errors, geometry=True):
    """Cases of a serialized System and a file of positions. geometry: as for Evaluator."""
    system = _load(path, openmm.System, "System")
    if not geometry:
        for force in system.getForces():
            if MLFFForce.isinstance(force):
                MLFFForce.cast(force).setCheckGeometry(False)
    read = {".xml": _stateFrames, ".pdb": _pdbFrames, ".ent": _pdbFrames, ".cif": _pdbFrames,
            ".pdbx": _pdbFrames, ".xyz": _xyzFrames, ".extxyz": _xyzFrames}
    ending = os.path.splitext(positionsFile)[1].lower()
    if ending not in read:
        raise EvaluationError(f"--positions {positionsFile}: expected a file that ends in "
                              + ", ".join(read))
    file = _save(system, folder, 0)
    cases = []
    for frame in chosenFrames(read[ending](positionsFile), frames, positionsFile):
        try:
            cases.append(_systemCase(frame, file, system.getNumParticles()))
            if not isinstance(frame, Case):
                _warn(errors, frame)
        except EvaluationError as error:
            errors.add(frame.index, frame.name, str(error))
    return cases


def _systemCase(frame, file, n):
    """A Case from a frame of any of the readers."""
    if isinstance(frame, Case):
        frame.system = file
        if len(frame.positions) != n:
            raise EvaluationError(f"{len(frame.positions)} positions, but the System has {n} "
                                  "particles")
        _checkElements(frame.symbols, file.symbols)
        return frame
    if frame.error:
        raise EvaluationError(frame.error)
    box = None
    if frame.pbc:
        box = 0.1*frame.lattice
        if np.any(np.triu(box, 1) != 0):
            raise EvaluationError("its Lattice does not have OpenMM's form: a along x, b in the xy "
                                  "plane")
    symbols = [SYMBOLS[number] for number in frame.numbers]
    _checkElements(symbols, file.symbols)
    return _systemCase(Case(frame.index, frame.name, file, 0.1*frame.positions, box), file, n)


def _checkElements(found, expected):
    """The symbols of a file of positions against those of a System; '' is any element."""
    for particle, (symbol, other) in enumerate(zip(found, expected)):
        if symbol != other and "" not in (symbol, other):
            raise EvaluationError(f"atom {particle} (counted from 0) is {symbol}, but {other} in the "
                                  "System")


def _xyzFrames(path):
    """Frames whose charge and multiplicity the System has."""
    return readFrames(path, needsCharge=False, needsMultiplicity=False)


def _stateFrames(path):
    state = _load(path, openmm.State, "State")
    try:
        positions = state.getPositions(asNumpy=True)._value
    except openmm.OpenMMException:
        raise EvaluationError(f"{path}: this State has no positions") from None
    try:
        parameters = dict(state.getParameters())
    except openmm.OpenMMException:
        parameters = {}
    box = np.array([[x for x in v] for v in state.getPeriodicBoxVectors()._value])
    yield Case(1, path, None, np.array(positions), box, parameters)


def _pdbFrames(path):
    isPdb = path.lower().endswith((".pdb", ".ent"))
    kind, reader = ("PDB", openmm.app.PDBFile) if isPdb else ("PDBx/mmCIF", openmm.app.PDBxFile)
    with openRegular(path, encoding="utf-8-sig") as stream:
        try:
            file = reader(stream)
        except OSError:
            raise
        except Exception as error:  # the readers let any kind through
            why = ("no atoms are found in it" if isinstance(error, IndexError) else
                   " ".join(str(error).split()))
            raise EvaluationError(f"{path} cannot be read as {kind}: {why}") from None
    box = file.topology.getPeriodicBoxVectors()
    if box is not None:
        box = np.array([[x for x in v] for v in box._value])
    symbols = [atom.element.symbol if atom.element else "" for atom in file.topology.atoms()]
    for i in range(file.getNumFrames()):
        yield Case(i + 1, f"{path}, model {i + 1}", None,
                   np.array(file.getPositions(asNumpy=True, frame=i)._value), box,
                   symbols=symbols)


def _load(path, kind, name):
    """An object from a file of OpenMM's XmlSerializer."""
    with openRegular(path, encoding="utf-8", errors="replace") as file:
        text = file.read()
    _checkXml(text, f"{path} is not a serialized {name}")
    try:
        result = openmm.XmlSerializer.deserialize(text)
    except (openmm.OpenMMException, ValueError) as error:
        raise EvaluationError(f"{path} is not a serialized {name}: "
                              f"{' '.join(str(error).split())}") from None
    if not isinstance(result, kind):
        raise EvaluationError(f"{path} is a serialized {type(result).__name__}, not a {name}")
    return result


_DEEPEST = 64    # OpenMM's files have 6 levels; its parser recurses and dies of 60,000


def _checkXml(text, what):
    """Refuse XML that OpenMM's own parser would not survive, or would take for something else."""
    parser = expat.ParserCreate()
    depth = 0

    def start(*_):
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise EvaluationError(f"{what}: its elements are nested deeper than {_DEEPEST} levels")

    def end(_):
        nonlocal depth
        depth -= 1

    def doctype(*_):
        raise EvaluationError(f"{what}: it has a DOCTYPE")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(text.encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        raise EvaluationError(f"{what}: it is not well-formed XML ({error})") from None


def isXml(path):
    """Whether a file looks like XML. False where it cannot be read."""
    try:
        with openRegular(path, "rb") as file:
            return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    except OSError:
        return False


# ------------------------------------------------------------------ both
def chosenFrames(read, frames, path):
    """The frames whose numbers are in frames, a list of ranges; all if it is None."""
    count = 0
    for frame in read:
        count += 1
        if frames is None or any(frame.index in part for part in frames):
            yield frame
    if count == 0:
        raise EvaluationError(f"{path} has no frames")
    missing = [max(part[0], count + 1) for part in frames or () if part[-1] > count]
    if missing:
        raise EvaluationError(f"--frames: there is no frame {min(missing)}: {path} has {count}")


def _save(system, folder, number):
    """Put the MLFFForces in a group of their own and write the System."""
    symbols, models = [""]*system.getNumParticles(), []
    for force in system.getForces():
        isOurs = MLFFForce.isinstance(force)
        force.setForceGroup(MLFF_GROUP if isOurs else 0)
        if not isOurs:
            continue
        force = MLFFForce.cast(force)
        for i in range(force.getNumAtoms()):
            particle, number_, _ = force.getAtomParameters(i)
            if not (0 <= particle < len(symbols) and 1 <= number_ < len(SYMBOLS)):
                force.validate(system)  # says what is wrong
            symbols[particle] = SYMBOLS[number_]
        members = [(force.getModelFile(), force.getModelHash())]
        members += [(force.getEnsembleMemberFile(k), force.getEnsembleMemberHash(k))
                    for k in range(1, force.getNumEnsembleMembers())]
        models += [{"file": file, "architecture": force.getModelArchitecture(), "sha256": sha256}
                   for file, sha256 in members]
    if not models:
        raise EvaluationError("the System has no MLFFForce: there is nothing to compare")
    path = os.path.join(folder, f"system-{number}.xml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(openmm.XmlSerializer.serialize(system))
    real = np.array([not system.isVirtualSite(i) for i in range(system.getNumParticles())])
    return SystemFile(path, symbols, [i for i, s in enumerate(symbols) if s], models, real)
