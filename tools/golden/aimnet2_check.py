"""Compare aimnet2_numpy.py with golden values of the original code and print the deviations.

    python tools/golden/aimnet2_check.py --shared ../shared

Exit status 1 beyond 1e-9 eV (element constants apart), 1e-9 eV/angstrom, 1e-10 e.
"""
import argparse
import glob
import json
import os
import sys
import time

import numpy as np

import aimnet2_numpy

TOLERANCES = 1e-9, 1e-9, 1e-10


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", default="../shared", help="folder with golden/ and models/")
    parser.add_argument("--max-atoms", type=int, default=24, help="skip larger systems")
    args = parser.parse_args()

    models = os.path.join(args.shared, "models")
    config, tensors, _ = aimnet2_numpy.load_model(
        os.path.join(models, "aimnet2_wb97m_d3_member0.safetensors"))
    table = aimnet2_numpy.load_table(os.path.join(models, "dftd3_reference_z94.safetensors"))
    files = sorted(glob.glob(os.path.join(args.shared, "golden", "aimnet2", "*.json")))
    if not files:
        sys.exit(f"no golden files below {args.shared}")
    good = True
    for path in files:
        with open(path, encoding="utf-8") as file:
            golden = json.load(file)
        n_atoms = len(golden["numbers"])
        if n_atoms > args.max_atoms:
            print(f"{golden['name']:24s} skipped: {n_atoms} atoms")
            continue
        system = dict(golden, region=[0]*n_atoms, total_charge=[golden["charge"]],
                      multiplicity=[1])
        for name, kind in (("simple", "simple"), ("dsf", "dsf"), ("ewald_converged", "ewald")):
            want = golden["methods"].get(name)
            if not want:
                continue
            start = time.perf_counter()
            got = aimnet2_numpy.compute(config, tensors, table, system, dict(coulomb=kind))
            parts = want["components"]
            names = ("nn", "sae", "sr_coulomb_subtracted", "coulomb_full", "d3")
            deviations = (
                max(abs(got["components"][ours] - parts[theirs]["energy"])
                    for ours, theirs in zip(aimnet2_numpy.COMPONENTS, names) if theirs != "sae"),
                np.abs(got["forces"] - want["forces"]).max(),
                np.abs(got["charges"] - want["charges"]).max())
            good &= all(d <= t for d, t in zip(deviations, TOLERANCES))
            print(f"{golden['name']:24s}{name:16s} E {deviations[0]:.1e}  F {deviations[1]:.1e}  "
                  f"q {deviations[2]:.1e}  ({time.perf_counter() - start:.1f} s)", flush=True)
    sys.exit(not good)


if __name__ == "__main__":
    main()
