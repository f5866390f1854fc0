"""Who is destroyed first, in a process of its own: teardown.py MODEL PLATFORM DATA.

DATA is JSON: {"numbers": [n], "positions": [n][3] nm}. Prints one line per kind, "name energy ..."
in kJ/mol; the process ends while a Simulation is still part of a cycle. test_teardown.py runs it."""
import gc
import io
import json
import sys

import openmm
from openmm import app, unit
from openmmmlff import MLFFForce


class Setting:
    """A molecule, its model and its platform."""

    def __init__(self, model, platform, data):
        self.model = model
        self.platform = openmm.Platform.getPlatformByName(platform)
        self.numbers, self.positions = data["numbers"], data["positions"]

    def force(self):
        force = MLFFForce(self.model)
        for i, z in enumerate(self.numbers):
            force.addAtom(i, z)
        force.setScaleParameter("lambda")
        return force

    def system(self):
        system = openmm.System()
        for z in self.numbers:
            system.addParticle(app.Element.getByAtomicNumber(z).mass)
        system.addForce(self.force())
        return system

    def simulation(self, system):
        topology = app.Topology()
        residue = topology.addResidue("MOL", topology.addChain())
        for z in self.numbers:
            topology.addAtom("X", app.Element.getByAtomicNumber(z), residue)
        simulation = app.Simulation(topology, system, openmm.VerletIntegrator(1e-4), self.platform)
        simulation.context.setPositions(self.positions)
        return simulation


def energyOf(simulation):
    return simulation.context.getState(energy=True).getPotentialEnergy()._value


class Reporter:
    """Knows its Simulation, as many reporters that users write do."""

    def __init__(self, simulation):
        self.simulation = simulation

    def describeNextReport(self, simulation):
        return (1, False, False, False, False)

    def report(self, simulation, state):
        pass


# ------------------------------------------------- what the collector destroys in its own order
def reporter(setting):
    simulation = setting.simulation(setting.system())
    simulation.reporters.append(Reporter(simulation))
    energy = energyOf(simulation)
    simulation.step(2)
    return [energy]


def systemFirst(setting):
    """The order that is the worst for us, on purpose."""
    simulation = setting.simulation(setting.system())
    energy = energyOf(simulation)
    context = simulation.context
    context._system = simulation.system = None
    del simulation
    gc.collect()
    del context
    return [energy]


def metadynamics(setting):
    system = setting.system()
    torsion = openmm.CustomTorsionForce("theta")
    torsion.addTorsion(1, 0, 2, 3)
    variable = app.BiasVariable(torsion, -3.14, 3.14, 0.5, True)
    sampler = app.Metadynamics(system, [variable], 300, 5, 1, 20)
    simulation = setting.simulation(system)
    energy = energyOf(simulation)
    sampler.step(simulation, 2)
    simulation.sampler, sampler.simulation = sampler, simulation
    return [energy]


def tempering(setting):
    simulation = setting.simulation(setting.system())
    app.SimulatedTempering(simulation, temperatures=[300, 350, 400], tempChangeInterval=10,
                           reportInterval=100, reportFile=io.StringIO())
    return [energyOf(simulation)]


def expandedEnsemble(setting):
    simulation = setting.simulation(setting.system())
    states = [{"lambda": value, "temperature": 300} for value in (1.0, 0.5)]
    app.ExpandedEnsembleSampler(states, simulation, 10)
    return [energyOf(simulation)]


# --------------------------------------------------- System.removeForce() while a Context lives
def removed(setting):
    system = setting.system()
    simulation = setting.simulation(system)
    before = energyOf(simulation)
    system.removeForce(0)
    gc.collect()
    simulation.step(1)
    simulation.context.setPositions(setting.positions)
    after = energyOf(simulation)
    simulation.context.reinitialize(True)
    return [before, after, energyOf(simulation)]


def replaced(setting):
    system = setting.system()
    simulation = setting.simulation(system)
    system.removeForce(0)
    force = setting.force()
    force.setEnergyFactor(0.5)
    system.addForce(force)
    before = energyOf(simulation)
    simulation.context.reinitialize(True)
    return [before, energyOf(simulation)]


def main():
    setting = Setting(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
    for kind in (reporter, systemFirst, metadynamics, tempering, expandedEnsemble, removed,
                 replaced):
        for _ in range(1 if sys.argv[2] == "OpenCL" else 3):  # there kernels are compiled
            print(kind.__name__, *kind(setting), flush=True)
            gc.collect()
    simulation = setting.simulation(setting.system())
    simulation.reporters.append(Reporter(simulation))
    print("exit", energyOf(simulation), flush=True)


if __name__ == "__main__":
    main()
