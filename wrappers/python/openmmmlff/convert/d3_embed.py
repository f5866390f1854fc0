"""Model files of this package that need D3 dispersion and lack its reference table: they get one.

Values are as the engine takes them from a table beside the model file.
"""
import json

from . import d3_table, safetensors_file
from .errors import fail


def lacks_table(path):
    """Whether a file is a model of this package that needs a D3 reference table and has none."""
    if not path.is_file() or not safetensors_file.looks_like_safetensors(path):
        return False
    entries, metadata, _ = safetensors_file.read_header(path)
    return "d3.numbers" not in entries and _architecture(metadata).get("d3") is not None


def _architecture(metadata):
    """The hyper-parameters that AIMNet2 files have, as far as they can be read."""
    try:
        value = json.loads(metadata.get("architecture", "{}"))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def convert(path, options):
    """Return [(arrays, metadata, member)]: the model with the rows of its elements."""
    options.refuse("AIMNet2, in a file of this package", "member", "energy_unit", "elements", "cutoff",
                   "definition", "variant")
    arrays, metadata = safetensors_file.read_arrays(path)
    elements = _architecture(metadata).get("elements")
    if not isinstance(elements, list) or not all(type(z) is int for z in elements):
        raise fail("does not say for which elements it is", path, elements, "atomic numbers")
    table, origin = d3_table.find(path, options)
    arrays.update(table.rows(elements).tensors())
    metadata["d3_table"] = d3_table.citation(origin)
    return [(arrays, metadata, 0)]
