import sys
from openmm import LangevinMiddleIntegrator, Platform, unit
from openmm.app import PDBFile, Simulation, StateDataReporter
from openmmmlff import createSystem
pdb = PDBFile("examples/alanine_dipeptide.pdb")
system = createSystem(pdb.topology, "painn-hcno")
integrator = LangevinMiddleIntegrator(300*unit.kelvin, 1/unit.picosecond, 1*unit.femtosecond)
simulation = Simulation(pdb.topology, system, integrator, Platform.getPlatform("CPU"))
simulation.context.setPositions(pdb.positions)
simulation.reporters.append(StateDataReporter(sys.stdout, 100, time=True, temperature=True))
simulation.minimizeEnergy()
simulation.step(1000)
