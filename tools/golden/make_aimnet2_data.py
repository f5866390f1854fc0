"""Write tests/data/aimnet2: small random models and the expected values of some systems.

    python tools/golden/make_aimnet2_data.py [--out tests/data/aimnet2]

Everything is seeded: a repeated run writes the same model files byte for byte, and the same
expected values but for the last digits (they depend on numpy's version).
"""
import argparse
import json
import os
import zlib

import numpy as np

import aimnet2_cases
import aimnet2_numpy
from safetensors_writer import write_safetensors

SEED = 20261121


def generator(*names):
    """A random generator that depends on the names alone, not on the order of the tables."""
    return np.random.default_rng([SEED, zlib.crc32("/".join(names).encode())])


def write_model(path, name, case):
    """Make one random model and write it. Returns it as read back."""
    config = aimnet2_cases.complete_config(name, case)
    tensors = aimnet2_cases.random_tensors(config, generator("model", name))
    config["eta"] = float(tensors["aev.eta_s"])
    write_safetensors(path, tensors, dict(
        architecture=json.dumps(config), licence="same as this project",
        source="random numbers, tools/golden/make_aimnet2_data.py"))
    return aimnet2_numpy.load_model(path)


def as_lists(values):
    """Arrays as nested lists of floats; repr of a float reads back as the same float64."""
    if isinstance(values, dict):
        return {key: as_lists(value) for key, value in values.items()}
    return np.asarray(values).tolist()


def check_size(name, system, result):
    """Expected values must be worth comparing: forces between 0.01 and 50 eV/angstrom."""
    largest = np.abs(result["forces"]).max()
    if len(system["numbers"]) > 2 and not 0.01 < largest < 50:
        raise RuntimeError(f"{name}: largest force {largest:.3g} eV/angstrom")
    return largest


def make_case(name, model, system_name, charges, multiplicities, methods):
    """One system with the expected values of every method."""
    numbers, positions, cell, region = aimnet2_cases.make_system(
        system_name, generator("system", system_name))
    system = dict(name=system_name, numbers=numbers.tolist(), coord=positions.tolist(),
                  cell=None if cell is None else cell.tolist(), region=region,
                  total_charge=charges, multiplicity=multiplicities)
    system["methods"] = []
    for method in methods:
        result = aimnet2_numpy.compute(*model, system, method)
        largest = check_size(f"{name}.{system_name}", system, result)
        system["methods"].append({**method, **as_lists(result)})
        charge = np.round(result["charges"], 2)
        print(f"{name + '.' + system_name:34s}{method['coulomb']:8s}{len(numbers):3d} atoms  "
              f"largest force {largest:.3f} eV/angstrom, charges {charge.min()} ... {charge.max()}",
              flush=True)
    return system


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="tests/data/aimnet2")
    args = parser.parse_args()

    os.makedirs(args.out, exist_ok=True)
    for name, case in aimnet2_cases.MODELS.items():
        path = os.path.join(args.out, name)
        model = write_model(path + ".safetensors", name, case)
        systems = [make_case(name, model, system, *rest)
                   for system, rest in case["systems"].items()]
        with open(path + ".json", "w", encoding="ascii", newline="\n") as file:
            head = json.dumps(dict(format="mlff-aimnet2-golden 1", model=name))[:-1]
            file.write(head + ', "systems": [\n')
            file.write(",\n".join(json.dumps(system) for system in systems) + "\n]}\n")


if __name__ == "__main__":
    main()
