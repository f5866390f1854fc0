"""Write tests/data/painn: small random models and the expected values of some systems.

    python tools/golden/make_painn_data.py [--out tests/data/painn] [--models models]

Everything is seeded: a repeated run writes the same model files byte for byte, and the same
expected values but for the last digits (they depend on numpy's version).
"""
import argparse
import json
import os
import zlib

import numpy as np

import golden_text
import painn_cases
import painn_numpy
from safetensors_writer import write_safetensors

SEED = 20261121
UNIT_EV = {"eV": 1.0, "kcal/mol": 0.0433641, "kJ/mol": 0.0103643, "Hartree": 27.2114}
CUTOFF_GAP = 1e-4       # angstrom; no pair nearer to the cutoff, so that rounding changes no edge


def generator(*names):
    """A random generator that depends on the names alone, not on the order of the tables."""
    return np.random.default_rng([SEED, zlib.crc32("/".join(names).encode())])


def write_model(path, name, case):
    """Make one random model and write it. Returns (config, float64 tensors) as read back."""
    config = painn_numpy.complete_config(case["config"])
    tensors = painn_cases.random_tensors(config, case, generator("model", name))
    n_params = sum(t.size for k, t in tensors.items()
                   if not k.startswith("rbf.") and k != "atomref")
    metadata = dict(config=json.dumps(config), n_params=str(n_params),
                    source="random numbers, tools/golden/make_painn_data.py",
                    licence="same as this project")
    if "elements" in case:
        metadata["elements"] = case["elements"]
    write_safetensors(path, tensors, metadata, aligned=case.get("aligned", True))
    return painn_numpy.load_model(path)[:2]


def make_positions(system, cutoffs):
    """The first seeded arrangement without a pair within CUTOFF_GAP of the cutoffs."""
    for attempt in range(100):
        rng = generator("system", system, str(attempt))
        numbers, positions, cell = painn_cases.make_system(system, cutoffs[-1], rng)
        counts = [[len(painn_numpy.find_edges(positions, rc + gap, cell)[0])
                   for gap in (-CUTOFF_GAP, CUTOFF_GAP)] for rc in cutoffs]
        if all(inside == outside for inside, outside in counts):
            return numbers, positions, cell
    raise RuntimeError(f"{system}: no arrangement without a pair near a cutoff")


def check_size(name, system, config, result):
    """Expected values must be worth comparing: forces between 0.01 and 10 eV/angstrom."""
    largest = np.abs(result["forces"]).max() * UNIT_EV[config["energy_unit"]]
    moved = np.abs(result["virial"]).max() * UNIT_EV[config["energy_unit"]]
    if system == "self_images":             # forces vanish by symmetry, the strain derivative not
        largest = moved
    elif result["n_edges"] == 0 or system == "pair_inside":
        return largest
    if not 0.01 < largest < 10:
        raise RuntimeError(f"{name}.{system}: largest force {largest:.3g} eV/angstrom")
    return largest


def write_case(out, name, model, systems, geometries, trace_system=None):
    """Write the expected values of one model on its systems."""
    config, tensors = model
    for system in systems:
        key = (system, config["cutoff"]) if system.startswith("pair_") else system
        numbers, positions, cell = geometries[key]
        trace = {} if system == trace_system else None
        result = painn_numpy.compute(config, tensors, numbers, positions, cell, trace)
        largest = check_size(name, system, config, result)
        path = os.path.join(out, f"{name}.{system}")
        golden_text.write_golden(path + ".txt", name, system, config, numbers, positions, cell,
                                 result)
        if trace:
            write_safetensors(path + ".trace.safetensors", trace)
        print(f"{name + '.' + system:44s}{len(numbers):3d} atoms {result['n_edges']:5d} edges  "
              f"largest force {largest:.3f} eV/angstrom")


def make_geometries(models, systems_of):
    """Each system once, shared by all models, except pairs, which depend on the cutoff."""
    cutoffs = sorted({config["cutoff"] for config, _ in models.values()})
    geometries = {}
    for name, systems in systems_of.items():
        for system in systems:
            if system.startswith("pair_"):
                rc = models[name][0]["cutoff"]
                geometries[system, rc] = make_positions(system, [rc])
            elif system not in geometries:
                geometries[system] = make_positions(system, cutoffs)
    return geometries


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="tests/data/painn")
    parser.add_argument("--models", default="models", help="folder of the bundled model")
    args = parser.parse_args()

    os.makedirs(args.out, exist_ok=True)
    models, systems_of = {}, {}
    for name, case in painn_cases.MODELS.items():
        path = os.path.join(args.out, name + ".safetensors")
        models[name], systems_of[name] = write_model(path, name, case), case["systems"].split()
    bundled = os.path.join(args.models, painn_cases.BUNDLED + ".safetensors")
    models[painn_cases.BUNDLED] = painn_numpy.load_model(bundled)[:2]
    systems_of[painn_cases.BUNDLED] = painn_cases.BUNDLED_SYSTEMS.split()

    geometries = make_geometries(models, systems_of)
    for name, systems in systems_of.items():
        trace_system = painn_cases.MODELS.get(name, {}).get("trace")
        write_case(args.out, name, models[name], systems, geometries, trace_system)


if __name__ == "__main__":
    main()
