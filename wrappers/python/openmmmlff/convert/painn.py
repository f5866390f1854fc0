"""What the PaiNN converters share: the canonical file 'mlff-painn-1'.

Block orders of that format: message (s, r, v); update (ss, vv, sv) or, spatial, (s, g1, g2).
"""
import json

import numpy as np

from . import elements as element_names
from .errors import fail, printable

FORMAT = "mlff-painn-1"
ENERGY_UNITS = ("eV", "kcal/mol", "kJ/mol", "Hartree")


def check_energy_unit(unit):
    if unit not in ENERGY_UNITS:
        raise fail("the energy unit is unknown", found=unit, expected="one of "
                   + ", ".join(ENERGY_UNITS))
    return unit


def config(**values):
    """The metadata 'config', in the order of the format's description."""
    order = ("n_features", "n_layers", "n_rbf", "cutoff", "n_z", "rbf", "cutoff_fn", "poly_p",
             "envelope_on", "filter_layers", "shared_filters", "shared_interactions", "context",
             "update", "norm_eps", "dir_eps", "readout", "energy_shift", "energy_scale",
             "energy_unit", "length_unit", "has_atomref")
    fixed = {"cutoff_fn": "cosine", "poly_p": 5, "length_unit": "angstrom"}
    values = {**fixed, **values}
    return {"format": FORMAT, **{key: values[key] for key in order}}


def metadata(settings, arrays, source, known, options):
    """Metadata of a PaiNN file: config, origin, what is known of licence and elements."""
    n_parameters = sum(np.size(a) for name, a in arrays.items()
                       if not name.startswith("rbf.") and name != "atomref")
    sha256 = source.sha256()
    result = {
        "config": json.dumps(settings),
        "n_params": str(int(n_parameters)),
        "source": f"{known.get('origin', printable(source.path.name))}, sha256 {sha256}",
        "converter": "openmmmlff.convert",
    }
    if options.elements is not None:
        n_z = settings["n_z"]
        if max(options.elements) >= n_z:
            raise fail("the model has no row for an element", source.path,
                       element_names.symbols([max(options.elements)]),
                       f"atomic numbers up to {n_z - 1}")
        result["elements"] = json.dumps(options.elements)
    elif "elements" in known:
        result["elements"] = known["elements"]
    if "license" in known:
        result["licence"] = known["license"]
    for key in ("citation", "teacher"):
        if key in known:
            result[key] = known[key]
    return result
