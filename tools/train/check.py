#!/usr/bin/env python3
"""Tests of a distilled PaiNN. Every mode prints numbers; nothing is fitted here.

    errors --model M --data data.npz [--extra teacher_md.npz]
           held-out errors by group
    md     --model M --data data.npz --what nve|langevin
           dynamics: 0.5 fs NVE, or 1 fs Langevin at 300 K
    scan   --model M --weights W
           stretches, dimers, conformers against the teacher
    point  --model M --weights W --files a.json ...
           forces against the teacher at given structures
    exact  --model M --data data.npz [--reference DIR]
           rotations, float32 and float64, finite difference

The reference of exact is a folder with painn_numpy.py (tools/golden).
"""
import argparse
import json
import os
import sys

import numpy as np
import torch

from batch import Systems
from check_dynamics import dynamics
from dataset import Dataset, evaluate, pair_list
from frames import KINDS, rotation
from molecules import TEST, TRAIN, VALIDATION
from painn import Painn, load_model

MD_KINDS = ["mmff_md", "student_md", "teacher_md", "cluster_md"]
SULFUR = 16


# ------------------------------------------------------------------------------------ errors
def groups_of(data):
    """name -> [frames] True where a frame belongs to the group."""
    mol = np.array([str(m) for m in data.mol])
    kind = np.array([KINDS[k] for k in data.kind])
    sulfur = np.array([(data.Z[data.off[k]:data.off[k + 1]] == SULFUR).any()
                       for k in range(len(mol))])
    alanine, test = mol == "ACE-ALA-NME", data.split == TEST
    md, teacher = test & np.isin(kind, MD_KINDS), test & (kind == "teacher_md")
    groups = {"train (500 frames)": data.split == TRAIN, "validation": data.split == VALIDATION,
              "test, all": test, "test, MD frames": md, "test, MD frames, no S": md & ~sulfur,
              "test, with S": test & sulfur}
    groups |= {f"test, {k}": test & (kind == k) for k in KINDS}
    groups |= {"test, alanine dipeptide": test & alanine,
               "test, teacher MD alanine dipeptide": teacher & alanine,
               "test, teacher MD other molecules": teacher & ~alanine}
    groups |= {m: (mol == m) & (data.split > TRAIN)
               for m in ("ACE-LEU-NME", "ACE-ASN-NME", "ACE-THR-NME", "water6")}
    return groups


def statistics(ee, ef, reference):
    """ee [frames] eV/atom, ef and reference [atoms, 3] eV/A."""
    return (f"E MAE {abs(ee).mean() * 1e3:.2f} RMSE {np.sqrt((ee**2).mean()) * 1e3:.2f} meV/atom | "
            f"F MAE {abs(ef).mean() * 1e3:.1f} RMSE {np.sqrt((ef**2).mean()) * 1e3:.1f} meV/A "
            f"(mean |F comp| {abs(reference).mean() * 1e3:.0f})")


def errors(options):
    """Command errors: every group of the data set and of the extra files."""
    config, params, _ = load_model(options.model)
    model, atomref = Painn(config, params), params["atomref"].double().numpy()
    for path in [options.data] + (options.extra or []):
        data = Dataset(path, config["cutoff"])
        print("==", os.path.basename(path))
        for name, chosen in groups_of(data).items():
            index = np.nonzero(chosen)[0]
            if name.startswith("train"):
                index = np.random.default_rng(0).permutation(index)[:500]
            if len(index) == 0:
                continue
            ee, ef, reference, n = evaluate(model, data, index, atomref)
            line = f"{name:38s} n={len(index):5d} {statistics(ee, ef, reference)}"
            if "alanine" in name or name.startswith(("ACE", "water")):
                shape = abs(ee*n - (ee*n).mean()).mean() * 1e3
                line += f" | E after mean removed: MAE {shape:.1f} meV per molecule"
            print(line, flush=True)


# ------------------------------------------------------------------------------------ point
def point(options):
    """Command point: JSON files with "numbers" and "coord"; a cell, if any, is ignored."""
    from teacher import Teacher
    teacher = Teacher(options.weights)
    atomref = load_model(options.model)[1]["atomref"].double().numpy()
    for path in options.files:
        with open(path, encoding="utf-8") as file:
            structure = json.load(file)
        Z, X = np.array(structure["numbers"]), np.array(structure["coord"], float)
        e, f = Systems(options.model, [Z])(X)
        wanted_e, (wanted_f,) = teacher([Z], [X])
        ee = (float(e[0]) + float(atomref[Z].sum()) - wanted_e[0]) / len(Z)
        ef = f - wanted_f
        print(f"{os.path.basename(path)[:-5]:20s} {len(Z):4d} atoms: E {ee * 1e3:+.2f} meV/atom, "
              f"F MAE {abs(ef).mean() * 1e3:.1f} RMSE {np.sqrt((ef**2).mean()) * 1e3:.1f} "
              f"max {abs(ef).max() * 1e3:.0f} meV/A "
              f"(mean |F comp| {abs(wanted_f).mean() * 1e3:.0f})")


# ------------------------------------------------------------------------------------ exact
def one_system(Z, R, cutoff):
    """Arguments of Painn.energy_forces() for one system: Z [n], R [n, 3], float64."""
    a, b = pair_list(R, cutoff)
    return (torch.tensor(Z), torch.tensor(R), torch.tensor(a), torch.tensor(b),
            torch.zeros(len(Z), dtype=torch.long), 1)


def alanine_dipeptide(data):
    """Z [n] and R [n, 3], float64, of the first frame."""
    k = int(np.nonzero(np.array([str(m) == "ACE-ALA-NME" for m in data.mol]))[0][0])
    Z, R, _, _, _ = data.frame(k)
    return Z, R.astype(np.float64)


def check_rotation(model, Z, R, cutoff):
    """Spread of energy and turned-back forces over 20 random rotations."""
    rng = np.random.default_rng(0)
    energies, forces = [], []
    for _ in range(20):
        Q = rotation(rng)
        e, f = model.energy_forces(*one_system(Z, R @ Q.T, cutoff))
        energies.append(float(e))
        forces.append(f.numpy() @ Q)
    print(f"rotation: energy spread {np.ptp(energies):.1e} eV, force spread "
          f"{np.ptp(np.array(forces), axis=0).max():.1e} eV/A")


def check_crossing(model, cutoff):
    """Energy while a second water molecule crosses the cutoff."""
    water = np.array([[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    Z, energies = np.array([8, 1, 1, 8, 1, 1]), []
    for d in (-1e-4, -1e-5, 0, 1e-5, 1e-4):
        X = np.concatenate([water, water * [-1, 1, 1] + [0, -(cutoff + d), 0]])
        energies.append(float(model.energy_forces(*one_system(Z, X, cutoff))[0]))
    print("across the cutoff (O-O from -0.0001 to +0.0001):",
          " ".join(f"{(e - energies[2]) * 1e6:.4f}" for e in energies), "ueV")


def check_reference(options, params, Z, R, e, f):
    """Difference to the numpy code that the tests use. e: energy without atomref."""
    sys.path.insert(0, options.reference)
    import painn_numpy
    config, tensors, _ = painn_numpy.load_model(options.model)
    wanted = painn_numpy.compute(config, tensors, Z, R)
    total = float(e) + float(params["atomref"].double().numpy()[Z].sum())
    print(f"reference code: dE {wanted['energy'] - total:.1e} eV, "
          f"dF {np.abs(wanted['forces'] - f.numpy()).max():.1e} eV/A")


def exact(options):
    """Command exact, on alanine dipeptide."""
    config, params, _ = load_model(options.model)
    cutoff = config["cutoff"]
    single, double = Painn(config, params), Painn(config, params, torch.float64)
    Z, R = alanine_dipeptide(Dataset(options.data, cutoff))
    check_rotation(double, Z, R, cutoff)
    e64, f64 = double.energy_forces(*one_system(Z, R, cutoff))
    e32, f32 = single.energy_forces(*one_system(Z, R, cutoff))
    print(f"float32 - float64: E {float(e32) - float(e64):.1e} eV, "
          f"F {float((f32.double() - f64).abs().max()):.1e} eV/A; "
          f"sum F {float(f64.sum(0).abs().max()):.1e}")
    h, atom, axis = 1e-4, 3, 1
    above, below = R.copy(), R.copy()
    above[atom, axis] += h
    below[atom, axis] -= h
    e1, e0 = (float(double.energy_forces(*one_system(Z, X, cutoff))[0]) for X in (above, below))
    print(f"finite difference force {-(e1 - e0) / (2*h):.8f}, "
          f"analytic {float(f64[atom, axis]):.8f}")
    check_crossing(double, cutoff)
    if options.reference:
        check_reference(options, params, Z, R, e64, f64)


# ------------------------------------------------------------------------------------ command line
def scan(options):
    """Command scan; imported late since it needs rdkit and aimnet."""
    import check_scan
    check_scan.scan(options)


COMMANDS = dict(errors=errors, md=dynamics, scan=scan, point=point, exact=exact)
NEEDED = dict(errors=("data",), md=("data",), scan=("weights",), point=("weights", "files"),
              exact=("data",))


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("mode", choices=list(COMMANDS))
    add("--model", required=True)
    add("--data", help="data set of make_dataset.py")
    add("--extra", nargs="*", help="more data sets (errors)")
    add("--weights", help="the teacher's weights (scan, point)")
    add("--files", nargs="*", help="structures (point)")
    add("--what", choices=["nve", "langevin"], default="nve")
    add("--ps", type=float, default=20)
    add("--temp", type=float, default=300, help="K")
    add("--dt", type=float, help="fs; 0.5 for nve, 1 for langevin")
    add("--systems", nargs="*", help="names of molecules, or test:24 for 24 unseen ones")
    add("--seed", type=int, default=1)
    add("--save", help="file for torsions, energies and temperatures (md)")
    add("--reference", help="folder with painn_numpy.py (exact)")
    options = parser.parse_args()
    for name in NEEDED[options.mode]:
        if getattr(options, name) is None:
            parser.error(f"{options.mode} needs --{name}")
    return options


if __name__ == "__main__":
    torch.set_num_threads(1)
    arguments = parse()
    COMMANDS[arguments.mode](arguments)
