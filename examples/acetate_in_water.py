"""Acetate, described by AIMNet2, in TIP3P water with a sodium ion: 1,000 steps of 1 fs.

Once before: openmm-mlff get aimnet2. Argument: another model of charged molecules, path or name.
"""
import pathlib
import sys
from openmm import LangevinMiddleIntegrator, Platform, Vec3, unit
from openmm.app import PME, ForceField, Modeller, PDBFile, Simulation, StateDataReporter
from openmmmlff import createMixedSystem
model = sys.argv[1] if len(sys.argv) > 1 else "aimnet2"
folder = pathlib.Path(__file__).parent
pdb = PDBFile(str(folder/"acetate.pdb"))
forceField = ForceField("amber14/tip3p.xml", str(folder/"acetate.xml"))
modeller = Modeller(pdb.topology, pdb.positions)
modeller.addSolvent(forceField, boxSize=Vec3(2.2, 2.2, 2.2)*unit.nanometer)  # and a sodium ion
system = forceField.createSystem(modeller.topology, nonbondedMethod=PME)
system = createMixedSystem(modeller.topology, system, range(7), model, charge=-1)
integrator = LangevinMiddleIntegrator(300*unit.kelvin, 1/unit.picosecond, 1*unit.femtosecond)
simulation = Simulation(modeller.topology, system, integrator, Platform.getPlatform("CPU"))
simulation.context.setPositions(modeller.positions)
simulation.reporters.append(StateDataReporter(sys.stdout, 100, step=True, temperature=True))
simulation.minimizeEnergy(maxIterations=100)
simulation.context.setVelocitiesToTemperature(300*unit.kelvin)
simulation.step(1000)
