#!/usr/bin/env python3
"""Molecular dynamics of alanine dipeptide in water, the peptide described by a neural network.

The peptide's own energy comes from the PaiNN model 'painn-hcno'; the water (TIP3P) and everything
between peptide and water from a force field. Writes a trajectory (DCD, with a PDB for the names), a
table (CSV) and a figure (PNG). By default it measures how fast the machine is and then simulates as
much as fits into two minutes. Ctrl-C ends it early and leaves complete files.

    python alanine_dipeptide.py [--minutes M | --steps N] [--output FOLDER] [--platform P]
"""
import argparse
import csv
import os
import signal
import sys
import tempfile
import time

import numpy as np
import openmm as mm
from openmm import app, unit

from openmmmlff import createMixedSystem

HERE = os.path.dirname(os.path.abspath(__file__))
TEMPERATURE = 300*unit.kelvin
FRICTION = 1/unit.picosecond
TIME_STEP = 1*unit.femtoseconds
N_FRAMES = 500                      # at most; steps between frames follow from it
FILES = ("topology.pdb", "trajectory.dcd", "table.csv", "figure.png")
GREEK = {"phi": "φ", "psi": "ψ"}


def main():
    args = parseArguments()
    checkFolder(args.output)
    interrupt = Interrupt()

    try:
        topology, positions, system = buildSystem(args.model)
        simulation = createSimulation(topology, system, positions, args.platform)
    except (ValueError, mm.OpenMMException) as error:
        sys.exit(f"error: {error}")
    msPerStep = relax(simulation, args.equilibration, interrupt)
    n_steps = args.steps
    if n_steps is None and not interrupt:
        n_steps = max(100, int(60e3*args.minutes/msPerStep))
        print(f"One step takes {msPerStep:.1f} ms: {args.minutes:g} minutes are {n_steps} steps, "
              f"{picoseconds(n_steps):.3g} ps")
    # a machine that becomes slower must not keep the user waiting
    deadline = time.time() + 66*args.minutes if args.steps is None else None

    interval = max(1, -(-(n_steps or 0)//N_FRAMES))
    try:
        with Recorder(args.output, simulation, system, interval) as recorder:
            done = 0 if interrupt else run(simulation, n_steps, recorder, interrupt, deadline)
        recorder.drawFigure()
    except OSError as error:
        sys.exit(f"error: writing in the folder '{args.output}' failed: {error.strerror}")
    print(f"\nSimulated {picoseconds(done):.3g} ps ({done} steps, {len(recorder.rows)} frames)"
          + (", interrupted" if interrupt else ""))
    for path in recorder.paths:
        if os.path.exists(path):
            print(f"  {path}")
    return 130 if interrupt else 0


def checkFolder(folder):
    """Make the folder; end with one line where nothing can be written in it."""
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        sys.exit(f"error: nothing can be written in the folder '{folder}': {error.strerror}; choose "
                 "another one with --output")
    for name in FILES:
        if os.path.isdir(os.path.join(folder, name)):
            sys.exit(f"error: '{os.path.join(folder, name)}' is a folder, and a file is to be "
                     "written there; choose another folder with --output")


def parseArguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--output", default="demo-output", metavar="FOLDER",
                        help="where the files go (default: %(default)s)")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=positive(float), default=2.0, metavar="M",
                        help="how long to simulate, in time of this machine (default: %(default)g)")
    length.add_argument("--steps", type=positive(int), metavar="N",
                        help="how long to simulate, in steps of 1 fs")
    parser.add_argument("--equilibration", type=positive(int), default=1000, metavar="N",
                        help="steps before that (default: %(default)d)")
    parser.add_argument("--model", default="painn-hcno",
                        help="a model file or name (default: %(default)s)")
    parser.add_argument("--platform", metavar="P", help="OpenMM platform (default: the fastest)")
    return parser.parse_args()


def positive(kind):
    def convert(text):
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"{text} is not more than 0")
        return value
    convert.__name__ = kind.__name__
    return convert


class Interrupt:
    """True after Ctrl-C or SIGTERM. The second one ends the program at once."""

    def __init__(self):
        self.received = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.receive)

    def receive(self, number, frame):
        self.received = True
        signal.signal(number, signal.SIG_DFL)

    def __bool__(self):
        return self.received


# ------------------------------------------------------------------ preparation
def buildSystem(model):
    """The peptide in a box of water: its topology, positions and mixed System."""
    pdb = app.PDBFile(os.path.join(HERE, "alanine_dipeptide.pdb"))
    forceField = app.ForceField("amber14-all.xml", "amber14/tip3p.xml")
    modeller = app.Modeller(pdb.topology, pdb.positions)
    modeller.addSolvent(forceField, model="tip3p", boxSize=mm.Vec3(2.2, 2.2, 2.2)*unit.nanometer)
    topology = modeller.topology

    mmSystem = forceField.createSystem(topology, nonbondedMethod=app.PME,
                                       nonbondedCutoff=0.9*unit.nanometer, rigidWater=True)
    peptide = [atom for atom in topology.atoms() if atom.residue.name in ("ACE", "ALA", "NME")]
    system = createMixedSystem(topology, mmSystem, peptide, model)
    n_waters = sum(residue.name == "HOH" for residue in topology.residues())
    print(f"Alanine dipeptide ({len(peptide)} atoms, {model}) in {n_waters} TIP3P waters, "
          f"{topology.getNumAtoms()} atoms")
    return topology, modeller.positions, system


def createSimulation(topology, system, positions, wanted):
    """A Simulation on the platform asked for, or on the fastest that works."""
    platforms = [mm.Platform.getPlatform(i) for i in range(mm.Platform.getNumPlatforms())]
    if wanted is not None:
        platforms = [p for p in platforms if p.getName() == wanted]
        if not platforms:
            names = (mm.Platform.getPlatform(i).getName()
                     for i in range(mm.Platform.getNumPlatforms()))
            raise ValueError(f"there is no platform '{wanted}' here; available: "
                             + ", ".join(names))
    for platform in sorted(platforms, key=lambda p: -p.getSpeed()):
        if not platform.supportsKernels(["CalcMLFFForce"]):
            if wanted is not None:
                raise ValueError(f"MLFFForce is not available on the platform {wanted}")
            continue
        integrator = mm.LangevinMiddleIntegrator(TEMPERATURE, FRICTION, TIME_STEP)
        try:
            simulation = app.Simulation(topology, system, integrator, platform)
        except mm.OpenMMException:
            if wanted is not None:
                raise
            continue
        if wanted is None and onProcessor(platform, simulation.context):
            continue
        simulation.context.setPositions(positions)
        print(f"Platform {platform.getName()}")
        return simulation
    raise ValueError("no platform of this OpenMM can compute MLFFForce; see "
                     "openmm.Platform.getPluginLoadFailures()")


def onProcessor(platform, context):
    """OpenCL without a GPU: slower than the platform CPU."""
    name = "OpenCLPlatformName"
    return (name in platform.getPropertyNames()
            and "Portable Computing" in platform.getPropertyValue(context, name))


def relax(simulation, n_steps, interrupt):
    """Minimize, warm up with strong friction; returns the time of one step in ms."""
    print("Minimizing ...", flush=True)
    simulation.minimizeEnergy(tolerance=50, maxIterations=100)
    simulation.context.setVelocitiesToTemperature(TEMPERATURE)
    print(f"Equilibrating, {picoseconds(n_steps):g} ps ...", flush=True)
    simulation.integrator.setFriction(10*FRICTION)
    half = n_steps//2
    for done in range(n_steps):
        if done == half:
            begin = waitAndTime(simulation)
        if interrupt:
            return 0.0
        simulation.integrator.step(1)
    simulation.integrator.setFriction(FRICTION)
    return 1e3*(waitAndTime(simulation) - begin)/(n_steps - half)


def waitAndTime(simulation):
    """The time when all steps so far have been computed."""
    simulation.context.getState(energy=True)
    return time.time()


def picoseconds(steps):
    return steps*TIME_STEP.value_in_unit(unit.picosecond)


# ------------------------------------------------------------------ production
def run(simulation, n_steps, recorder, interrupt, deadline):
    """Simulate; returns the number of steps that were done."""
    progress = Progress(n_steps)
    done = 0
    while done < n_steps and not interrupt:
        steps = min(recorder.interval, n_steps - done)
        simulation.integrator.step(steps)
        done += steps
        recorder.record(picoseconds(done))
        progress.show(done, recorder.rows[-1]["temperature_K"])
        if deadline is not None and time.time() > deadline:
            progress.end()
            print("The machine became slower than measured: stopping early")
            break
    progress.end()
    return done


class Recorder:
    """Trajectory, table and figure of a simulation; complete after each frame."""

    def __init__(self, folder, simulation, system, interval):
        self.simulation = simulation
        self.interval = interval        # steps between frames
        self.rows = []
        self.paths = [os.path.abspath(os.path.join(folder, name)) for name in FILES]
        self.dihedrals = backbone(simulation.topology)
        freedom = 3*system.getNumParticles() - system.getNumConstraints() - 3
        self.kelvin = 2/(freedom*unit.MOLAR_GAS_CONSTANT_R.value_in_unit(
            unit.kilojoules_per_mole/unit.kelvin))

    def __enter__(self):
        for path in self.paths:
            if os.path.exists(path):
                os.remove(path)
        state = self.state()
        with open(self.paths[0], "w", encoding="utf-8") as file:
            app.PDBFile.writeFile(self.simulation.topology, state.getPositions(), file)
        self.dcdFile = open(self.paths[1], "w+b")
        self.dcd = app.DCDFile(self.dcdFile, self.simulation.topology, TIME_STEP,
                               firstStep=self.interval, interval=self.interval)
        self.csvFile = open(self.paths[2], "w", newline="", encoding="utf-8")
        self.table = csv.DictWriter(self.csvFile, ["time_ps", "potential_kJ_mol", "kinetic_kJ_mol",
                                                   "temperature_K", "phi_deg", "psi_deg"])
        self.table.writeheader()
        return self

    def __exit__(self, *error):
        self.dcdFile.close()
        self.csvFile.close()

    def state(self):
        return self.simulation.context.getState(positions=True, energy=True,
                                                enforcePeriodicBox=True)

    def record(self, picosecond):
        state = self.state()
        positions = state.getPositions(asNumpy=True)
        kinetic = state.getKineticEnergy()._value
        phi, psi = (dihedral(positions._value[atoms]) for atoms in self.dihedrals)
        row = {"time_ps": round(picosecond, 6),
               "potential_kJ_mol": round(state.getPotentialEnergy()._value, 4),
               "kinetic_kJ_mol": round(kinetic, 4), "temperature_K": round(self.kelvin*kinetic, 3),
               "phi_deg": round(phi, 3), "psi_deg": round(psi, 3)}
        self.dcd.writeModel(positions, periodicBoxVectors=state.getPeriodicBoxVectors())
        self.dcdFile.flush()
        self.table.writerow(row)
        self.csvFile.flush()
        self.rows.append(row)

    def drawFigure(self):
        if len(self.rows) < 2:
            return
        try:
            import matplotlib
        except ImportError:
            print("No figure: matplotlib is not installed (pip install matplotlib)")
            return
        matplotlib.use("Agg")
        drawFigure({key: np.array([row[key] for row in self.rows]) for key in self.rows[0]},
                   self.paths[3])


def backbone(topology):
    """The atoms of phi (C N CA C) and psi (N CA C N) around the alanine."""
    index = {(atom.residue.name, atom.name): atom.index for atom in topology.atoms()
             if atom.residue.name in ("ACE", "ALA", "NME")}
    chain = [index[key] for key in (("ACE", "C"), ("ALA", "N"), ("ALA", "CA"), ("ALA", "C"),
                                    ("NME", "N"))]
    return chain[:4], chain[1:]


def dihedral(x):
    """The dihedral angle of four points [4][3], degrees."""
    b1, b2, b3 = x[1:] - x[:-1]
    n1, n2 = np.cross(b1, b2), np.cross(b2, b3)
    return np.degrees(np.arctan2(np.dot(np.cross(n1, n2), b2)/np.linalg.norm(b2), np.dot(n1, n2)))


class Progress:
    """A line that tells how far the simulation is: rewritten on a terminal, else now and then."""

    def __init__(self, n_steps):
        self.n_steps = n_steps
        self.terminal = sys.stdout.isatty()
        self.begin = time.time()
        self.shown = 0.0 if self.terminal else self.begin
        self.dirty = False

    def show(self, step, kelvin):
        now = time.time()
        if now - self.shown < (0.5 if self.terminal else 15) and step < self.n_steps:
            return
        self.shown = now
        elapsed = max(now - self.begin, 1e-6)
        left = int(elapsed*(self.n_steps - step)/step)
        line = (f"step {step}/{self.n_steps}  {kelvin:5.0f} K  "
                f"{86.4*picoseconds(step)/elapsed:7.3f} ns/day  {left//60}:{left % 60:02} left")
        print(f"\r{line} " if self.terminal else line, end="" if self.terminal else "\n",
              flush=True)
        self.dirty = self.terminal

    def end(self):
        if self.dirty:
            print()
        self.dirty = False


# ------------------------------------------------------------------ figure
BLUE, ORANGE, GREY = "#1f5fa8", "#d9730d", "#5b6470"


def drawFigure(data, path):
    from matplotlib import pyplot as plt
    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False,
                         "axes.edgecolor": GREY, "axes.labelcolor": "#20252b",
                         "xtick.color": GREY, "ytick.color": GREY, "axes.titlesize": 11})
    figure = plt.figure(figsize=(11, 6.2), layout="constrained")
    grid = figure.add_gridspec(3, 2, width_ratios=(1.25, 1))
    figure.suptitle("Alanine dipeptide (neural network) in TIP3P water, 300 K", fontsize=13)
    time_ps = data["time_ps"]

    energy = figure.add_subplot(grid[0, 0])
    energy.plot(time_ps, data["potential_kJ_mol"] - data["potential_kJ_mol"].mean(), color=BLUE,
                lw=0.9)
    energy.set_ylabel("potential energy\n– mean (kJ/mol)")

    temperature = figure.add_subplot(grid[1, 0], sharex=energy)
    temperature.plot(time_ps, data["temperature_K"], color=ORANGE, lw=0.9)
    temperature.axhline(TEMPERATURE.value_in_unit(unit.kelvin), color=GREY, lw=0.8, ls="--")
    temperature.set_ylabel("temperature (K)")

    angles = figure.add_subplot(grid[2, 0], sharex=energy)
    for key, color in (("phi", BLUE), ("psi", ORANGE)):
        angles.plot(time_ps, data[f"{key}_deg"], ".", ms=3, color=color, label=GREEK[key])
    angles.set(ylabel="dihedral angle (°)", xlabel="time (ps)", ylim=(-180, 180),
               yticks=range(-180, 181, 90))
    angles.legend(loc="lower right", bbox_to_anchor=(1, 0.97), ncols=2, frameon=False,
                  handletextpad=0.1, borderpad=0.2, markerscale=2)
    for axes in (energy, temperature):
        axes.tick_params(labelbottom=False)
    for axes in (energy, temperature, angles):
        axes.margins(x=0.01)
        axes.grid(axis="y", color="#e3e6ea", lw=0.7)

    map_ = figure.add_subplot(grid[:, 1])
    points = map_.scatter(data["phi_deg"], data["psi_deg"], c=time_ps, s=14, cmap="viridis",
                          linewidths=0)
    map_.axhline(0, color="#c9ced4", lw=0.7, zorder=0)
    map_.axvline(0, color="#c9ced4", lw=0.7, zorder=0)
    map_.set(title="Ramachandran map", xlabel="φ (°)", ylabel="ψ (°)", xlim=(-180, 180),
             ylim=(-180, 180), xticks=range(-180, 181, 90), yticks=range(-180, 181, 90),
             aspect="equal")
    map_.spines[["top", "right"]].set_visible(True)
    figure.colorbar(points, ax=map_, label="time (ps)", shrink=0.6, pad=0.02)
    figure.savefig(path, dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())
