"""Vibrations of water by AIMNet2: minimize, compute second derivatives, compare with experiment.

Once before: openmm-mlff get aimnet2. Argument: another model, path or name.
"""
import sys
from openmm import Context, LocalEnergyMinimizer, Platform, System, VerletIntegrator, unit
from openmmmlff import MLFFForce, vibrationalWavenumbers

system, force = System(), MLFFForce(sys.argv[1] if len(sys.argv) > 1 else "aimnet2")
for particle, (number, mass) in enumerate([(8, 15.9949), (1, 1.00783), (1, 1.00783)]):
    system.addParticle(mass)
    force.addAtom(particle, number)
system.addForce(force)
context = Context(system, VerletIntegrator(1*unit.femtosecond),
                  Platform.getPlatformByName("Reference"))
context.setPositions([[0, 0, 0], [0.096, 0, 0], [-0.024, 0.093, 0]])
LocalEnergyMinimizer.minimize(context, tolerance=1e-3)

state = context.getState(positions=True, forces=True)
masses = [system.getParticleMass(i) for i in range(3)]
# With the forces it warns where the positions are no minimum.
wavenumbers = vibrationalWavenumbers(force.computeHessian(context), masses, state.getPositions(),
                                     state.getForces())

# The measured ones are anharmonic: those of X-H stretches lie some 5 % below harmonic ones.
print("mode                  this model   experiment   (1/cm)")
for name, value, measured in zip(("bend", "symmetric stretch", "antisymmetric stretch"),
                                 wavenumbers.value_in_unit(unit.centimeter**-1),
                                 (1595, 3657, 3756)):
    print(f"{name:22}{value:10.1f}{measured:13}")
