"""Model files and the names they are known by."""
import os
from collections.abc import Iterable
from typing import Any

from openmmmlff import quantities
from openmmmlff.convert import download

# Models that come with the package, in its folder models/.
BUNDLED = {"painn-hcno": "painn-hcno-distilled.safetensors"}


def modelPath(model, what="the model"):
    """The path of a model file.

    model is a path (str or os.PathLike) or the name of a bundled model or of one in the cache of
    `openmm-mlff get`. A bundled name comes before a file of that name. A str that is neither a
    name nor looks like a path is a ValueError that lists the known names; so is the name of an
    ensemble, which is not one file. Messages name the value as what says.
    """
    if isinstance(model, os.PathLike):
        model = os.fspath(model)
        if isinstance(model, str):
            return _checkName(model)
    modelName(model, what)
    if model in BUNDLED:
        return _bundledPath(BUNDLED[model])
    if os.path.isfile(model):
        return model
    cached = download.resolve(model)
    if cached is not None:
        return os.fspath(cached)
    if os.path.basename(model) != model or model.endswith(".safetensors"):
        return model  # the reader tells what is wrong with the file
    if ensembleName(model) and download.is_cached(model):
        raise ValueError(f"'{model}' is an ensemble, where one model is expected: "
                         f"'{ensembleName(model)}' is its first member")
    raise _unknown(model)


def modelName(model, what="the model"):
    """A path or a name (str or os.PathLike) as text, whatever it names; TypeError for all else."""
    name = os.fspath(model) if isinstance(model, os.PathLike) else model
    if not isinstance(name, str):
        quantities.refuse(model, "the path of a model file or a name (str or os.PathLike)", what)
    return _checkName(name)


def _bundledPath(file):
    """The path of a file in the package's folder models/.

    An editable installation has two folders: the sources, and what the build has installed.
    """
    import openmmmlff
    folders = [os.path.join(folder, "models") for folder in openmmmlff.__path__]
    paths = [os.path.join(folder, file) for folder in folders]
    return next((path for path in paths if os.path.exists(path)), paths[0])


def _checkName(path):
    """The path itself; ValueError if its bytes are no UTF-8, in which OpenMM keeps names."""
    try:
        path.encode()
    except UnicodeEncodeError:
        try:
            shown = os.fsencode(path).decode("ascii", "backslashreplace")
        except UnicodeEncodeError:  # a str that is no name of a file at all
            shown = ascii(path).strip("'")
        raise ValueError(f"the name of the model file '{shown}' is not UTF-8: rename the "
                         "file") from None
    if "\0" in path:
        raise ValueError("the name of the model file has a null character in it")
    return path


def _unknown(name):
    known = ", ".join(knownModels())
    if name in download.names():
        return ValueError(f"the model '{name}' is not on this machine yet: run "
                          f"'openmm-mlff get {name}'; models that are: {known}")
    return ValueError(f"there is no model file '{name}' and no model of that name; "
                      f"known names: {known}")


def modelPaths(model, what="the model"):
    """The paths of the model files of an ensemble, or of a single model, as a list.

    model is what modelPath() takes, the name of an ensemble in the cache ('aimnet2-ensemble': all
    members of 'aimnet2'), or a sequence of these.
    """
    if isinstance(model, (str, os.PathLike)):
        if isinstance(model, str) and ensembleName(model) and download.is_cached(model):
            return [os.fspath(path) for path in download.ensemble(model)]
        return [modelPath(model, what)]
    if isinstance(model, bytes) or not isinstance(model, Iterable):
        return [modelPath(model, what)]  # tells what is expected
    paths = [path for one in model for path in modelPaths(one, what)]
    if not paths:
        raise ValueError("no model was given: expected at least one")
    return paths


def ensembleName(name):
    """'aimnet2' for 'aimnet2-ensemble'; None for what is not the name of an ensemble."""
    base = name.removesuffix(download.ENSEMBLE)
    return base if base != name and base in download.REGISTRY else None


def knownModels() -> list[str]:
    """The names that MLFFForce() takes in place of a path, sorted."""
    return sorted([*BUNDLED, *filter(download.is_cached, download.names())])


# MLFFForce's constants by the names that users write.
COULOMB = {"default": "Default", "none": "NoCoulomb", "simple": "Simple", "dsf": "DSF",
           "ewald": "Ewald", "pme": "PME"}


# MLFFForce's constants, on the command line as they are
MATRIX_PRECISIONS = ("Full", "SplitHalf", "TF32")


def addChargeOptions(add):
    """What the command line can say about charges; add: an argument parser's add_argument."""
    add("--charge", type=float, metavar="Q",
        help="total charge (e) of every frame, whatever its comment line says")
    add("--multiplicity", type=int, metavar="M",
        help="spin multiplicity, 2S+1, of every frame, whatever its comment line says")
    add("--no-electron-check", action="store_true",
        help="compute frames whose number of electrons does not fit the multiplicity (a radical by "
             "a model for closed shells) instead of refusing them")
    add("--coulomb", metavar="METHOD", choices=list(COULOMB),
        help="how the charges of the model interact: %(choices)s")
    add("--no-dispersion", action="store_true", help="leave the model's dispersion term out")


def addGeometryOption(add):
    """How the command line insists; add: an argument parser's add_argument."""
    add("--no-geometry-check", action="store_true",
        help="do not refuse periodic boxes that cannot be meant (see setCheckGeometry)")


def coulombMethod(method):
    """A constant such as MLFFForce.PME from itself or from a name; None: MLFFForce.Default."""
    from openmmmlff.mlffforce import MLFFForce
    constants = {name: getattr(MLFFForce, constant) for name, constant in COULOMB.items()}
    if method is None:
        return MLFFForce.Default
    if isinstance(method, str) and method.lower() in constants:
        return constants[method.lower()]
    try:
        return quantities.choice(method, " ".join(COULOMB.values()), "the Coulomb method")
    except (TypeError, ValueError):
        raise ValueError(f"the Coulomb method is {method!r}: expected one of "
                         + ", ".join(repr(name) for name in constants)
                         + ", or a constant such as MLFFForce.PME") from None


def modelInfo(model: str | os.PathLike[str]) -> dict[str, Any]:
    """What a model file says about itself, as a dict.

    model is a path or a name, as for MLFFForce(), of one model. Keys: file, architecture, format,
    elements (atomic numbers), cutoff (angstrom; range of one layer), layers, parameters,
    has_charges, has_spin, energy_unit (of the file); licence, source, citation, scope (what it was
    trained on, and what it was not), charge, multiplicity (of what it was trained on): texts, ''
    where the file does not say; trained_atoms (fewest and most atoms of the training systems; 0, 0
    where the file does not say); bytes, sha256.
    """
    from openmmmlff.mlffforce import MLFFForce
    force = MLFFForce(modelPath(model))
    return {"file": force.getModelFile(), **force._modelInfo()}


def checkFile(path):
    """Read a model file by the engine's rules; ValueError says what is wrong with it."""
    from openmm import OpenMMException

    from openmmmlff.mlffforce import MLFFForce
    try:
        MLFFForce(path)
    except (OpenMMException, TypeError) as error:
        raise ValueError(str(error)) from error
