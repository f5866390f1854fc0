"""Energies and forces of frames: what `openmm-mlff evaluate` computes."""
import math

import numpy as np
import openmm

from openmmmlff.mlffforce import MLFFForce
from openmmmlff.models import isRotationInvariant, modelPath

KJMOL_PER_EV = 96.48533212331002  # as in the platforms
KERNEL = "CalcMLFFForce"

# Platforms without a choice compute in this precision.
_FIXED_PRECISION = {"Reference": "double", "CPU": "double"}


class EvaluationError(Exception):
    """One sentence for the user."""


class Evaluator:
    """Evaluates frames (extxyz.Frame) with one model, or with the mean of several.

    models       paths or names
    charge       e, for all frames; None: each frame's own, 0 where it has none
    periodic     True: every frame must have a Lattice, whatever its pbc says
    platform     name of an OpenMM platform
    precision    single, mixed, double; None: the platform's default
    """

    def __init__(self, models, charge=None, periodic=False, platform="Reference", precision=None):
        self.paths = [modelPath(model) for model in models]
        self.forces = [MLFFForce(path) for path in self.paths]
        self.charge = charge
        self.periodic = periodic
        self.platform = _findPlatform(platform)
        self.precision, self.properties = _findPrecision(self.platform, precision)
        self._key = None        # what the Contexts were made for
        self._contexts = []

    def evaluate(self, frame):
        """Energies and forces of a frame, as the dict that --json writes."""
        box, rotation = self._box(frame)
        positions = 0.1*frame.positions
        if rotation is not None:
            positions = positions @ rotation.T
        self._prepare(frame, box is not None)

        energies, forces = [], []
        for context in self._contexts:
            if box is not None:
                context.setPeriodicBoxVectors(*box)
            context.setPositions(positions)
            state = context.getState(energy=True, forces=True)
            energy = state.getPotentialEnergy()._value/KJMOL_PER_EV
            force = state.getForces(asNumpy=True)._value*(0.1/KJMOL_PER_EV)
            if not (math.isfinite(energy) and np.isfinite(force).all()):
                raise EvaluationError("the energy or a force is not finite")
            energies.append(energy)
            forces.append(force if rotation is None else force @ rotation)

        result = {"natoms": len(frame.numbers), "energy": float(np.mean(energies)),
                  "forces": np.mean(forces, axis=0).tolist()}
        if len(energies) > 1:
            # unbiased; of the forces the largest over all atoms and directions
            result["energy_std"] = float(np.std(energies, ddof=1))
            result["force_std_max"] = float(np.std(forces, axis=0, ddof=1).max())
        result["platform"] = self.platform.getName()
        result["precision"] = self.precision
        return result

    def _box(self, frame):
        """OpenMM's box vectors (nm) of a frame, and the rotation (or None) that leads to them."""
        if self.periodic and frame.lattice is None:
            raise EvaluationError("--periodic, but the comment line has no Lattice=\"...\"")
        if not (self.periodic or frame.pbc):
            return None, None
        box, rotation = reducedBox(0.1*frame.lattice)
        if rotation is not None:
            for path in self.paths:
                if not isRotationInvariant(path):
                    raise EvaluationError(
                        "the Lattice must be rotated (OpenMM wants a along x and b in the xy "
                        f"plane), but the energy of the model {path} depends on the orientation: "
                        "give a Lattice of that form")
        return box, rotation

    def _prepare(self, frame, periodic):
        """Make the Contexts, unless those of the frame before fit."""
        charge = self.charge
        if charge is None:
            charge = frame.charge if frame.charge is not None else 0.0
        multiplicity = frame.multiplicity if frame.multiplicity is not None else 1
        key = (frame.numbers, charge, multiplicity, periodic)
        if key == self._key:
            return
        self._key, self._contexts = None, []
        contexts = []
        for template in self.forces:
            system = openmm.System()
            force = template.__copy__()
            force.setRegionParameters(0, charge, multiplicity)
            force.setUsesPeriodicBoundaryConditions(periodic)
            for i, number in enumerate(frame.numbers):
                system.addParticle(1.0)
                force.addAtom(i, number)
            system.addForce(force)
            contexts.append(openmm.Context(system, openmm.VerletIntegrator(0.001), self.platform,
                                           self.properties))
        self._key, self._contexts = key, contexts


def reducedBox(lattice):
    """A lattice in the form that OpenMM demands: a along x, b in the xy plane, reduced.

    lattice is [3][3], rows a b c. Returns (box, rotation): box describes the same lattice, turned
    by x' = rotation x; rotation is None where nothing had to be turned.
    """
    box = np.array(lattice, dtype=float)
    rotation = None
    if np.any(np.triu(box, 1) != 0):
        if np.linalg.det(box) < 0:
            box = -box  # the same lattice, right-handed
        q, r = np.linalg.qr(box.T)
        signs = np.sign(np.diag(r))
        rotation = (q*signs).T
        box = np.tril((r.T*signs))
    else:
        box *= np.sign(np.diag(box))[:, None]  # -a spans the same lattice
    # subtract whole vectors until the off-diagonal elements are at most half the diagonal ones
    for i, j in ((2, 1), (2, 0), (1, 0)):
        box[i] -= box[j]*np.round(box[i, j]/box[j, j])
        if 2*abs(box[i, j]) > box[j, j]:  # by rounding
            box[i, j] = math.copysign(0.5*box[j, j], box[i, j])
    return box, rotation


def _findPlatform(name):
    """The platform of that name, if it can compute the force."""
    names = [openmm.Platform.getPlatform(i).getName()
             for i in range(openmm.Platform.getNumPlatforms())]
    if name not in names:
        text = f"there is no platform '{name}' here; available: {', '.join(names)}"
        failures = [f for f in openmm.Platform.getPluginLoadFailures() if name in f]
        raise EvaluationError(text + (f" (OpenMM says: {failures[0]})" if failures else ""))
    platform = openmm.Platform.getPlatformByName(name)
    if not platform.supportsKernels([KERNEL]):
        able = [n for n in names
                if openmm.Platform.getPlatformByName(n).supportsKernels([KERNEL])]
        raise EvaluationError(f"this build does not compute MLFFForce on the platform {name}; "
                              f"it does on: {', '.join(able)}")
    return platform


def _findPrecision(platform, precision):
    """(precision in effect, properties for the Context)."""
    name = platform.getName()
    if "Precision" in platform.getPropertyNames():
        if precision is None:
            precision = platform.getPropertyDefaultValue("Precision")
        return precision, {"Precision": precision}
    fixed = _FIXED_PRECISION.get(name, "double")
    if precision not in (None, fixed):
        raise EvaluationError(f"--precision {precision} has no effect on the platform {name}, "
                              f"which always computes in {fixed} precision")
    return fixed, {}
