"""Model files and the names they are known by."""
import json
import os
import struct

from openmmmlff.convert import download

# Models that come with the package, in its folder models/.
BUNDLED = {"painn-hcno": "painn-hcno-distilled.safetensors"}


def modelPath(model):
    """The path of a model file.

    model is a path (str or os.PathLike) or the name of a bundled model or of one in the cache of
    `openmm-mlff get`. A bundled name comes before a file of that name. A str that is neither a
    name nor looks like a path is a ValueError that lists the known names.
    """
    if isinstance(model, os.PathLike):
        return os.fspath(model)
    if not isinstance(model, str):
        raise TypeError(f"a model is the path of a model file or a name, not {model!r}")
    if model in BUNDLED:
        return os.path.join(os.path.dirname(os.path.abspath(__file__)), "models", BUNDLED[model])
    if os.path.isfile(model):
        return model
    cached = download.resolve(model)
    if cached is not None:
        return os.fspath(cached)
    if os.path.basename(model) != model or model.endswith(".safetensors"):
        return model  # the reader tells what is wrong with the file
    known = ", ".join(knownModels())
    if model in download.names():
        raise ValueError(f"the model '{model}' is not on this machine yet: run "
                         f"'openmm-mlff get {model}'; models that are: {known}")
    raise ValueError(f"there is no model file '{model}' and no model of that name; "
                     f"known names: {known}")


def knownModels():
    """The names that MLFFForce() takes in place of a path, sorted."""
    cached = [name for name in download.names() if download.resolve(name) is not None]
    return sorted([*BUNDLED, *cached])


def modelInfo(model):
    """What a model file says about itself, as a dict.

    model is a path or a name, as for MLFFForce(). Keys: file, architecture, format, elements
    (atomic numbers), cutoff (angstrom; range of one layer), layers, parameters, has_charges,
    has_spin, energy_unit (of the file), licence, source, citation ('' where the file does not
    say), bytes, sha256.
    """
    from openmmmlff.mlffforce import MLFFForce
    force = MLFFForce(model)
    return {"file": force.getModelFile(), **force._modelInfo()}


def isRotationInvariant(path):
    """Whether the energy of a model stays the same when everything is rotated.

    It does but for PaiNN with the update "spatial" (docs/model-file.md), which mixes x, y and z.
    path is a file that MLFFForce has accepted.
    """
    with open(path, "rb") as f:
        size, = struct.unpack("<Q", f.read(8))
        metadata = json.loads(f.read(size)).get("__metadata__", {})
    return json.loads(metadata.get("config", "{}")).get("update") != "spatial"
