import sys
from openmm import LangevinMiddleIntegrator, Platform, app, unit
from openmmmlff import createSystem
pdb = app.PDBFile("examples/alanine_dipeptide.pdb")
system = createSystem(pdb.topology, "painn-hcno")
integrator = LangevinMiddleIntegrator(300*unit.kelvin, 1/unit.picosecond, 1*unit.femtosecond)
simulation = app.Simulation(pdb.topology, system, integrator, Platform.getPlatform("CPU"))
simulation.context.setPositions(pdb.positions)
simulation.reporters.append(app.StateDataReporter(sys.stdout, 100, time=True, temperature=True))
simulation.minimizeEnergy()
simulation.context.setVelocitiesToTemperature(300*unit.kelvin)
simulation.step(1000)
