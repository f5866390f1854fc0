"""Published model files -> model files of this package; models by name.

    from openmmmlff.convert import convert, get, resolve, ensemble

    convert("aimnet2_wb97m-d3_ens.jpt", "aimnet2.safetensors")   # four files, one per member
    get("aimnet2")                  # download, check, convert, cache
    resolve("aimnet2")              # path of the cached file, or None
    ensemble("aimnet2")             # paths of its four members

Needs numpy alone. Source files are read without PyTorch and without running anything in them.
"""
from .converter import KINDS, convert
from .download import ensemble, get, names, resolve
from .errors import ConversionError, DownloadError

__all__ = ["KINDS", "ConversionError", "DownloadError", "convert", "ensemble", "get", "names",
           "resolve"]
