"""Energies and forces of frames: what `openmm-mlff evaluate` computes."""
import math

import numpy as np
import openmm

from openmmmlff.mlffforce import MLFFForce
from openmmmlff.models import modelPaths
from openmmmlff.scope import outOfScope
from openmmmlff.vibrations import residualWarning

KJMOL_PER_EV = 96.48533212331002  # as in the platforms
KERNEL = "CalcMLFFForce"


# Terms of the energy, in the order in which they are told.
COMPONENTS = ("network", "elements", "coulomb_short_range", "coulomb", "dispersion")

# Relative error of these sums in double precision: here exact values matter more than the speed of
# the default. PME's mesh grows with the inverse of it.
_EWALD_TOLERANCE = {"ewald": 1e-12, "pme": 3e-9}


# eV per atom: the energy of binding beyond which a warning is given. The strongest bound solids and
# molecules have 10 eV per atom, atoms squeezed to 0.7 of a bond's length some 10 eV per bond.
ENERGY_BOUND = 100.0


class EvaluationError(Exception):
    """One sentence for the user."""


class Evaluator:
    """Evaluates frames (extxyz.Frame) with one model, or with the mean of several.

    models       paths or names, of ensembles too
    charge       e, for all frames; None: each frame's own, 0 where it has none
    multiplicity 2S+1, for all frames; None: each frame's own, 1 where it has none
    checkElectrons
                 False: compute what a model with charges does for a number of electrons that
                 cannot have the multiplicity
    periodic     True: every frame must have a Lattice, whatever its pbc says
    platform     name of an OpenMM platform
    precision    single, mixed, double; None: the platform's default
    coulomb      name of a Coulomb method; None: the model's default
    dispersion   False: without the model's dispersion term
    hessian      True: second derivatives too
    geometry     False: boxes that cannot be meant are not refused
    """

    def __init__(self, models, charge=None, periodic=False, platform="Reference", precision=None,
                 coulomb=None, dispersion=True, hessian=False, geometry=True,
                 multiplicity=None, checkElectrons=True):
        self.paths = [path for model in models for path in modelPaths(model)]
        self.force = MLFFForce(self.paths)
        _refuseTwins(self.force)
        self.force.setCoulombMethod(coulomb)
        self.force.setUseDispersion(dispersion)
        self.force.setCheckGeometry(geometry)
        self.force.setCheckElectrons(checkElectrons)
        self.coulomb = coulomb
        self.charge = charge
        self.multiplicity = multiplicity
        self.periodic = periodic
        self.hessian = hessian
        self.platform = _findPlatform(platform)
        self.precision, self.properties = _findPrecision(self.platform, precision, self.force)
        if self.precision == "double":
            self.force.setEwaldErrorTolerance(_EWALD_TOLERANCE.get(coulomb, 0))
        self._key = None        # what the Context was made for
        self._failed = 0        # Contexts that could not be made
        self._context = self._inContext = None
        self._atomEnergies = {}
        self._info = self.force._modelInfo()

    def evaluate(self, frame):
        """Energies and forces of a frame, as the dict that --json writes."""
        box, rotation = self._box(frame)
        positions = 0.1*frame.positions
        if rotation is not None:
            positions = positions @ rotation.T
        self._prepare(frame, box)
        context, force = self._context, self._inContext
        if box is not None:
            context.setPeriodicBoxVectors(*box)
        n = len(frame.numbers)
        context.setPositions(_padded(positions))

        state = context.getState(energy=True, forces=True)
        result = {"natoms": n,
                  "energy": state.getPotentialEnergy()._value/KJMOL_PER_EV,
                  "forces": state.getForces(asNumpy=True)._value[:n]*(0.1/KJMOL_PER_EV)}
        if force.getModelHasCharges():
            result["charges"] = force.getAtomCharges(context)._value
            components = force.getEnergyComponents(context)
            result["components"] = {name: components[name]._value/KJMOL_PER_EV
                                    for name in COMPONENTS}
        if force.getNumEnsembleMembers() > 1:
            energy, deviation = force.getEnsembleDeviation(context)
            result["energy_std"] = energy._value/KJMOL_PER_EV
            result["force_std_max"] = deviation._value*(0.1/KJMOL_PER_EV)
        if self.hessian:
            result["hessian"] = force.computeHessian(context)._value*(0.01/KJMOL_PER_EV)
        for name in ("energy", "forces", "charges", "hessian"):
            if not np.isfinite(result.get(name, 0.0)).all():
                raise EvaluationError(f"{name}: a number is not finite")

        warnings = self._warnings(frame, result, box is not None)
        if warnings:
            result["warnings"] = warnings
        if rotation is not None:
            _rotateBack(result, rotation)
        result["platform"] = self.platform.getName()
        result["precision"] = self.precision
        return {name: value.tolist() if isinstance(value, np.ndarray) else value
                for name, value in result.items()}

    def _box(self, frame):
        """OpenMM's box vectors (nm) of a frame, and the rotation (or None) that leads to them."""
        if self.periodic and frame.lattice is None:
            raise EvaluationError("--periodic, but the comment line has no Lattice=\"...\"")
        if not (self.periodic or frame.pbc):
            if self.coulomb in ("ewald", "pme"):
                raise EvaluationError(f"--coulomb {self.coulomb} is for periodic frames, and the "
                                      "comment line has no Lattice=\"...\"")
            return None, None
        if self.coulomb == "simple":
            raise EvaluationError("--coulomb simple is for frames that are not periodic: choose "
                                  "dsf, ewald or pme, or add pbc=\"F F F\" to the comment line")
        box, rotation = reducedBox(0.1*frame.lattice)
        if rotation is not None:
            if not self.force._isRotationInvariant():
                raise EvaluationError(
                    "the Lattice must be rotated (OpenMM wants a along x and b in the xy plane), "
                    f"but the energy of the model {', '.join(map(str, self.paths))} depends on the "
                    "orientation: give a Lattice of that form")
        return box, rotation

    def _warnings(self, frame, result, periodic):
        """Sentences about positions that the model was not made for, and a residual force."""
        found = [*frame.warnings, self._inContext.getGeometryWarning(self._context)]
        binding = result["energy"] - sum(map(self._atomEnergy, frame.numbers))
        if abs(binding) > ENERGY_BOUND*len(frame.numbers):
            found.append(f"the energy is {binding/len(frame.numbers):.3g} eV per atom away from "
                         f"that of single atoms, where at most {ENERGY_BOUND:g} can be: no model "
                         "was made for these positions")
        found += outOfScope(self._info, frame.numbers, frame.positions, periodic)
        if "hessian" in result:
            found.append(residualWarning(result["forces"]))
        return [text for text in found if text]

    def _atomEnergy(self, number):
        """eV, of an atom by itself, neutral: what energies of this model are counted from."""
        if number not in self._atomEnergies:
            probe = self.force.__copy__()
            probe.setCoulombMethod("default")  # Ewald sums would need a box
            probe.setEwaldErrorTolerance(0)
            if self._info["has_spin"]:
                probe.setRegionParameters(0, 0, 1 + number % 2)
            probe.setCheckElectrons(False)
            context = _makeContext(_makeSystem(probe, (number,))[0], _reference(), {})
            context.setPositions(_padded([[0, 0, 0]]))
            energy = context.getState(energy=True).getPotentialEnergy()._value
            self._atomEnergies[number] = energy/KJMOL_PER_EV
        return self._atomEnergies[number]

    def kindOf(self, frame, box):
        """What a System depends on: (atomic numbers, charge, multiplicity, periodic, triclinic).

        Devices compile for a rectangular or a triclinic box, once and for all.
        """
        charge = self.charge if self.charge is not None else frame.charge
        multiplicity = self.multiplicity if self.multiplicity is not None else frame.multiplicity
        return (frame.numbers, 0.0 if charge is None else charge,
                1 if multiplicity is None else multiplicity, box is not None,
                box is not None and bool(np.any(np.tril(box, -1) != 0)))

    def makeSystem(self, kind, box, mass=lambda number: 1.0):
        """(System, its force) of a kind. What cannot be computed is an OpenMMException.

        box: of the frame, nm, or None; mass: function(atomic number) -> mass.
        """
        numbers, charge, multiplicity, periodic, _ = kind
        force = self.force.__copy__()
        if charge != round(charge) and force.getModelHasCharges() and force.getCheckElectrons():
            raise EvaluationError(f"a total charge of {charge:.9g} e is no whole number, so that no "
                                  "number of electrons has it: is it right? --no-electron-check "
                                  "computes it all the same")
        force.setRegionParameters(0, charge, multiplicity)
        force.setUsesPeriodicBoundaryConditions(periodic)
        if periodic:
            force.setIntendedBoxVectors(*box)   # a cube of 20 A in a file is meant
        return _makeSystem(force, numbers, box, mass)

    def _prepare(self, frame, box):
        """Make the Context, unless that of the frame before fits."""
        kind = self.kindOf(frame, box)
        if kind == self._key:
            return
        self._key = self._context = self._inContext = None
        system, force = self.makeSystem(kind, box)   # refuses what a Context would refuse
        if self._failed >= _MOST_FAILED:
            raise EvaluationError(f"not tried: {self._failed} Contexts before could not be made, "
                                  "and each of them costs threads")
        try:
            self._context = _makeContext(system, self.platform, self.properties)
        except openmm.OpenMMException:
            self._failed += 1
            raise
        self._key, self._inContext = kind, force


def _refuseTwins(force):
    """Two members of an ensemble with the same content: their deviation says nothing."""
    files = {}
    for k in range(force.getNumEnsembleMembers()):
        file, sha256 = force.getEnsembleMemberFile(k), force.getEnsembleMemberHash(k)
        if sha256 in files:
            raise EvaluationError(f"the models {files[sha256]} and {file} have the same content: the "
                                  "members of an ensemble must differ; give each of them once")
        files[sha256] = file


def _reference():
    return openmm.Platform.getPlatformByName("Reference")


# Contexts that may fail: OpenMM keeps the threads of each.
_MOST_FAILED = 50


def _makeSystem(force, numbers, box=None, mass=lambda number: 1.0):
    """(System of these atoms in this box, force), which is checked and which the System takes."""
    system = openmm.System()
    if box is not None:
        system.setDefaultPeriodicBoxVectors(*box)
    for i, number in enumerate(numbers):
        system.addParticle(mass(number))
        force.addAtom(i, number)
    force.validate(system)
    system.addForce(force)
    return system, force


def _makeContext(system, platform, properties):
    if system.getNumParticles() == 1:
        system.addParticle(0.0)  # no atom: an OpenCL that runs on the processor crashes with one
    return openmm.Context(system, openmm.VerletIntegrator(0.001), platform, properties)


def _padded(positions):
    """Positions (nm) for the Context that _makeContext() makes: of one atom, two particles."""
    return positions if len(positions) > 1 else [*positions, np.array(positions[0]) + 0.5]


def _rotateBack(result, rotation):
    """From the orientation that OpenMM's box needs to the frame's own."""
    result["forces"] = result["forces"] @ rotation
    if "hessian" in result:
        n = result["natoms"]
        blocks = result["hessian"].reshape(n, 3, n, 3)
        blocks = np.einsum("ai,manb,bj->minj", rotation, blocks, rotation, optimize=True)
        turned = blocks.reshape(3*n, 3*n)
        result["hessian"] = (turned + turned.T)/2  # symmetric to the last bit


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


def platformNames():
    return [openmm.Platform.getPlatform(i).getName()
            for i in range(openmm.Platform.getNumPlatforms())]


def whyNoPlatform(name):
    """What OpenMM said when it could not load a platform; '' where it said nothing."""
    # our plugin needs OpenMM's platform: that it fails is not why there is none
    return next((f for f in openmm.Platform.getPluginLoadFailures()
                 if name in f and "OpenMMMLFF" not in f), "")


def whyNoPlugin(name):
    """Why one of OpenMM's platforms does not compute MLFFForce here."""
    plugin = f"libOpenMMMLFF{name}.so"
    failure = next((f for f in openmm.Platform.getPluginLoadFailures() if plugin in f), "")
    if failure:
        return f"OpenMM says: {' '.join(failure.split())}"
    return (f"this installation has no {plugin}: it was built where the headers of {name} were "
            "missing; install openmmmlff again, and read what CMake says of this platform: "
            "pip install -v")


def platformReport():
    """(names of the platforms that compute MLFFForce here, why not by name for the others)."""
    able, others = [], {}
    for name in platformNames():
        if openmm.Platform.getPlatformByName(name).supportsKernels([KERNEL]):
            able.append(name)
        else:
            others[name] = whyNoPlugin(name)
    return able, others


def didYouMean(name):
    """", did you mean 'CPU'?" for a name that differs from a platform's in case alone, or ''."""
    same = [n for n in platformNames() if n.lower() == name.lower() and n != name]
    return f", did you mean '{same[0]}'?" if same else ""


def _findPlatform(name):
    """The platform of that name, if it can compute the force."""
    names = platformNames()
    if name not in names:
        text = (f"there is no platform '{name}' here{didYouMean(name)}; available: "
                + ", ".join(names))
        failure = whyNoPlatform(name)
        raise EvaluationError(text + (f" (OpenMM says: {failure})" if failure else ""))
    platform = openmm.Platform.getPlatformByName(name)
    if not platform.supportsKernels([KERNEL]):
        able = [n for n in names
                if openmm.Platform.getPlatformByName(n).supportsKernels([KERNEL])]
        raise EvaluationError(f"this build does not compute MLFFForce on the platform {name}; "
                              f"it does on: {', '.join(able)}")
    return platform


def _findPrecision(platform, precision, force):
    """(precision in effect, properties for the Context)."""
    name = platform.getName()
    if "Precision" in platform.getPropertyNames():
        if precision is None:
            precision = platform.getPropertyDefaultValue("Precision")
        return precision, {"Precision": precision}
    fixed = _measurePrecision(platform, force)
    if precision not in (None, fixed):
        raise EvaluationError(f"--precision {precision} has no effect on the platform {name}, "
                              f"which always computes this model in {fixed} precision")
    return fixed, {}


def _measurePrecision(platform, force):
    """Precision of a platform that has no choice: it may depend on the model, so it is measured.

    Forces in three atoms are compared with the Reference platform's. Rounding in double precision
    changes them by 1e-13 of the largest, in single precision by 1e-7.
    """
    if platform.getName() == "Reference":
        return "double"
    forces = []
    for one in (_reference(), platform):
        probe = force.__copy__()
        probe.setCoulombMethod("default")  # Ewald sums would need a box
        probe.setCheckElectrons(False)
        numbers = (3*force.getModelElements())[:3]
        context = _makeContext(_makeSystem(probe, numbers)[0], one, {})
        context.setPositions([[0, 0, 0], [0.11, 0.02, 0.01], [-0.03, 0.12, 0.05]])
        forces.append(context.getState(forces=True).getForces(asNumpy=True)._value)
    difference = np.abs(forces[1] - forces[0]).max()
    return "double" if difference <= 1e-10*np.abs(forces[0]).max() else "single"
