#!/usr/bin/env python3
"""Data for distilling AIMNet2 (wB97M-D3) into a small PaiNN: neutral molecules of H C N O S.

    gen     --out raw.npz
            molecules, conformers, MMFF MD, distortions, clusters
    pairs   --out raw1.npz
            two molecules at all distances
    sample  --model M --raw raw.npz --out raw2.npz
            MD with a student model (active learning)
    teacher --weights W --raw raw.npz --out raw3.npz
            MD with the teacher itself (test)
    label   --weights W --raw raw.npz --out data.npz [--add old.npz]
            energies and forces of the teacher

W is aimnet2_wb97m_d3_member0.safetensors. Needs numpy and, by command: rdkit (gen, pairs), torch
(sample), torch and aimnet 0.2.5 (label, teacher). Splits are by molecule: 0 train, 1 validation,
2 test.
"""
import argparse

import generate
import sampling
import teacher

COMMANDS = dict(gen=generate.generate, pairs=generate.pairs, label=teacher.label,
                sample=sampling.sample, teacher=sampling.teacher)
NEEDED = dict(gen=(), pairs=(), label=("raw", "weights"), sample=("raw", "model"),
              teacher=("raw", "weights"))


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("what", choices=list(COMMANDS))
    add("--out", required=True)
    add("--raw", help="frames to start from or to label")
    add("--add", help="older data set to put in front (label)")
    add("--weights", help="the teacher's weights")
    add("--model", help="the student's model file (sample)")
    add("--jobs", type=int, default=2, help="processes")
    add("--contacts", type=int, default=2600, help="contact frames (gen, pairs)")
    add("--chunk", type=int, default=900, help="atoms in a batch (label)")
    add("--fmax", type=float, default=30.0, help="eV/A; frames beyond are dropped (label)")
    add("--force-split", type=int, default=-1, help="split of all frames (label)")
    add("--peptides", type=int, default=2, help="runs of each dipeptide (sample)")
    add("--clusters", type=int, default=24, help="runs of clusters (sample)")
    add("--others", type=int, default=90, help="runs of other molecules (sample, teacher)")
    add("--ala", type=int, default=6, help="runs of alanine dipeptide (sample, teacher)")
    add("--temps", type=float, nargs="+", default=[300, 400, 600], help="K (sample)")
    add("--steps", type=int, default=1000)
    add("--every", type=int, default=40, help="steps between frames")
    add("--skip", type=int, default=80, help="steps before the first frame")
    add("--dt", type=float, default=0.8, help="fs")
    add("--seed", type=int, default=1)
    options = parser.parse_args()
    for name in NEEDED[options.what]:
        if getattr(options, name) is None:
            parser.error(f"{options.what} needs --{name}")
    return options


if __name__ == "__main__":
    arguments = parse()
    COMMANDS[arguments.what](arguments)
