#!/usr/bin/env python3
"""Whether a simulation gives the same bits without graphs, with them, with them again, and with
programmatic edges, where the device knows those.

For models and systems of the benchmark, alone and (caffeine) in water beside OpenMM's own forces:
energy and forces at the start, then steps; positions, velocities and forces at the end.

  python same_bits.py [--platform CUDA] [--precisions P ...] [--steps N] [--sizes N ...]
                      [--seconds S]

Exit status: 0 all the same, 1 not, 77 nothing could be compared.
"""

import argparse
import hashlib
import os
import sys
import tempfile
import time

import numpy as np
import openmm
from openmm.app import Element

from openmmmlff import MLFFForce
from openmmmlff.benchmark.mixed import QUICK_BOX, MixedSystems
from openmmmlff.benchmark.models import STANDARD, findModel
from openmmmlff.benchmark.systems import sweepSystem

SKIPPED = 77


def alone(model, size, matrix="Full"):
    """(function(graphs) -> System, positions in nm); matrix: how matrices are multiplied."""
    atoms = sweepSystem(size)

    def build(graphs):
        system, force = openmm.System(), MLFFForce(model.path)
        for number in atoms.numbers.tolist():
            mass = Element.getByAtomicNumber(number).mass
            force.addAtom(system.addParticle(mass), number)
        if atoms.cell is not None:
            system.setDefaultPeriodicBoxVectors(*(0.1*atoms.cell))
            force.setUsesPeriodicBoundaryConditions(True)
        force.setUseDeviceGraph(graphs)
        force.setMatrixPrecision(getattr(MLFFForce, matrix))
        system.addForce(force)
        return system
    return build, 0.1*atoms.positions


def in_water(model, folder):
    """The same of caffeine in water; graphs None: without the network."""
    water = MixedSystems(folder, "caffeine", QUICK_BOX)
    mixed, _ = water.withNetwork(model)

    def build(graphs):
        with open(water.mm if graphs is None else mixed, encoding="utf-8") as file:
            system = openmm.XmlSerializer.deserialize(file.read())
        for force in system.getForces():
            if graphs is not None and MLFFForce.isinstance(force):
                MLFFForce.cast(force).setUseDeviceGraph(graphs)
        return system
    return build, 0.1*water.positions


def fingerprint(build, graphs, positions, options, precision):
    """Digests of the start and of the end of a simulation; what the force says of graphs and of
    programmatic edges."""
    platform = openmm.Platform.getPlatformByName(options.platform)
    wanted = {"Precision": precision, "DeterministicForces": "true"}
    names = platform.getPropertyNames()
    system, integrator = build(graphs), openmm.VerletIntegrator(0.0005)
    context = openmm.Context(system, integrator, platform,
                             {name: value for name, value in wanted.items() if name in names})
    context.setPositions(positions)
    context.setVelocitiesToTemperature(300, 1)
    found = []
    for steps in (0, options.steps):
        integrator.step(steps)
        state = context.getState(energy=True, forces=True, positions=True, velocities=True)
        values = [np.array([state.getPotentialEnergy()._value])]
        values += [quantity._value for quantity in (
            state.getForces(asNumpy=True), state.getPositions(asNumpy=True),
            state.getVelocities(asNumpy=True))]
        if not all(np.isfinite(v).all() for v in values):
            raise ValueError("an energy, force or position is not a number")
        digest = hashlib.sha256(b"".join(np.ascontiguousarray(v).tobytes() for v in values))
        found.append(digest.hexdigest()[:12])
    said = ""
    for force in system.getForces():
        if MLFFForce.isinstance(force):
            info = MLFFForce.cast(force).getExecutionInfo(context)
            said = f"{info.get('graph', '')}, {info.get('graph_programmatic', 0)}"
    return found, said


def compare(name, build, positions, options, precision):
    """Whether all are the same; None if OpenMM's own forces are not."""
    runs = {"without graphs": False, "with": True, "again": True, "programmatic": True}
    if name.endswith("in water"):
        own = [fingerprint(build, None, positions, options, precision)[0] for _ in range(2)]
        if own[0] != own[1]:
            print(f"{name:36}{precision:8}left out: OpenMM's own forces are not the same twice")
            return None
    found = {}
    for run, graphs in runs.items():
        os.environ["MLFF_PROGRAMMATIC_EDGES"] = "1" if run == "programmatic" else "0"
        found[run] = fingerprint(build, graphs, positions, options, precision)
    same = all(digest == found["with"][0] for digest, _ in found.values())
    print(f"{name:36}{precision:8}{'same' if same else 'DIFFERENT'}   graph, programmatic edges: "
          f"{found['programmatic'][1]}", flush=True)
    if not same:
        for run, (digest, _) in found.items():
            print(f"    {run:16}start {digest[0]}, end {digest[1]}")
    return same


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--platform", default="CUDA")
    parser.add_argument("--precisions", nargs="+", default=["single", "mixed", "double"])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--sizes", type=int, nargs="+", default=[12, 100, 1000])
    parser.add_argument("--seconds", type=float, default=float("inf"),
                        help="begin nothing later than that")
    parser.add_argument("--data", help="as for openmm-mlff benchmark")
    options = parser.parse_args()
    outcomes, end = [], time.monotonic() + options.seconds
    with tempfile.TemporaryDirectory() as folder:
        for model in (findModel(name, options.data, folder) for name in STANDARD):
            cases = {f"{model.name}, {size}": alone(model, size) for size in options.sizes}
            cases[f"{model.name}, {options.sizes[-1]}, SplitHalf"] = alone(
                model, options.sizes[-1], "SplitHalf")
            cases[f"{model.name}, caffeine in water"] = in_water(model, folder)
            for name, (build, positions) in cases.items():
                for precision in options.precisions:
                    if time.monotonic() > end:
                        print(f"{name:36}{precision:8}left out: no time")
                        outcomes.append(None)
                        continue
                    try:
                        outcomes.append(compare(name, build, positions, options, precision))
                    except Exception as error:  # of one case; the others are tried all the same
                        print(f"{name:36}{precision:8}failed: {' '.join(str(error).split())[:300]}")
                        outcomes.append(False)
    different = outcomes.count(False)
    print(f"{len(outcomes)} simulations, {different} failed or different, "
          f"{outcomes.count(None)} left out")
    if outcomes.count(True) + different == 0:
        return SKIPPED
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
