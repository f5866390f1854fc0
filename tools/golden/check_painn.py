"""Compare painn_numpy.py with golden values of the original codes and print the worst deviations.

    python tools/golden/check_painn.py --models FOLDER ... --golden FOLDER
    python tools/golden/check_painn.py --models tests/data/painn models --golden tests/data/painn

Exit status 1 beyond 1e-10 (|E| + 1) in the energy or 1e-9 max(1, max |F|) in forces and virial.
"""
import argparse
import glob
import os
import sys
import time

import numpy as np
from safetensors.numpy import load_file

import golden_text
import painn_numpy

ENERGY_TOLERANCE = 1e-10  # times |E| + 1
FORCE_TOLERANCE = 1e-9    # times max(1, largest |component|)


def check_system(path, model):
    """Deviations of one golden file: a dict of name -> (absolute, in units of the tolerance)."""
    want = golden_text.read_golden(path)
    trace_path = path.removesuffix(".txt") + ".trace.safetensors"
    trace = {} if os.path.exists(trace_path) else None
    config, tensors, _ = model
    got = painn_numpy.compute(config, tensors, want["numbers"], want["positions"], want["cell"],
                              trace)
    if got["n_edges"] != want["n_edges"]:
        raise ValueError(f"{path}: {got['n_edges']} edges, expected {want['n_edges']}")

    deviations = {}
    e = abs(got["energy"] - want["energy"])
    deviations["E"] = e, e / ENERGY_TOLERANCE / (abs(want["energy"]) + 1)
    for name, key in (("F", "forces"), ("virial", "virial")):
        f = np.abs(got[key] - want[key]).max()
        deviations[name] = f, f / FORCE_TOLERANCE / max(1, np.abs(want[key]).max())
    if trace is not None:
        expected = load_file(trace_path)
        if trace.keys() != expected.keys():
            raise ValueError(f"{trace_path}: stages {sorted(expected)}, expected {sorted(trace)}")
        t = max(np.abs(trace[k] - expected[k]).max() for k in trace)
        deviations["trace"] = t, t / FORCE_TOLERANCE
    return deviations


def check_scan(path, model):
    """Deviations along the diatomic scans of one file. The row at the cutoff is left out: distances
    have 4 decimals there, too few to say which side of a jump it is on."""
    _, rows = golden_text.read_scan(path)
    config, tensors, _ = model
    worst = {"E": (0.0, 0.0), "F": (0.0, 0.0)}
    for Za, Zb, d, energy, force in rows[np.abs(rows[:, 2] - config["cutoff"]) > 1e-4]:
        positions = np.array([[0, 0, 0], [0, 0, d]])
        got = painn_numpy.compute(config, tensors, [int(Za), int(Zb)], positions)
        e, f = abs(got["energy"] - energy), abs(got["forces"][1, 2] - force)
        worst["E"] = max(worst["E"], (e, e / ENERGY_TOLERANCE / (abs(energy) + 1)))
        worst["F"] = max(worst["F"], (f, f / FORCE_TOLERANCE / max(1, abs(force))))
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", required=True, nargs="+", help="folders of <model>.safetensors")
    parser.add_argument("--golden", required=True, help="folder of <model>.<system>.txt")
    parser.add_argument("--max-atoms", type=int, default=60, help="skip larger systems")
    args = parser.parse_args()

    files = sorted(glob.glob(os.path.join(args.golden, "*.txt")))
    if not files:
        sys.exit(f"no golden files in {args.golden}")
    models, worst = {}, {}
    for path in files:
        name = os.path.basename(path).split(".")[0]
        scan = path.endswith(".dimer_scan.txt")
        if not scan and len(golden_text.read_golden(path)["numbers"]) > args.max_atoms:
            print(f"{os.path.basename(path):52s} skipped: more than {args.max_atoms} atoms")
            continue
        if name not in models:
            places = [os.path.join(folder, name + ".safetensors") for folder in args.models]
            models[name] = painn_numpy.load_model(next(p for p in places if os.path.exists(p)))
        start = time.perf_counter()
        deviations = (check_scan if scan else check_system)(path, models[name])
        print(f"{os.path.basename(path):52s}"
              + "  ".join(f"{k} {a:.1e}" for k, (a, _) in deviations.items())
              + f"  ({time.perf_counter() - start:.1f} s)", flush=True)
        for key, (absolute, relative) in deviations.items():
            if relative >= worst.get(key, (0, -1, ""))[1]:
                worst[key] = absolute, relative, os.path.basename(path)
    for key, (absolute, relative, name) in worst.items():
        print(f"worst {key}: {absolute:.1e}, {relative:.2g} of the tolerance, {name}")
    sys.exit(any(not relative <= 1 for _, relative, _ in worst.values()))


if __name__ == "__main__":
    main()
