"""Differences between a contender and the base, tolerances, verdict."""
from dataclasses import dataclass

import numpy as np

# docs/compare.md says where these are from
DOUBLE_ENERGY, DOUBLE_FORCE, DOUBLE_CHARGE = 1e-7, 1e-7, 1e-8     # eV, eV/angstrom, e
ENERGY_PER_ATOM, FORCE_RELATIVE, FORCE_LEAST, CHARGE = 2e-6, 2e-5, 2e-5, 5e-6
TF32_ENERGY_PER_ATOM, TF32_FORCE_RELATIVE, TF32_CHARGE = 1e-3, 2e-3, 1e-3


@dataclass(frozen=True)
class Tolerances:
    """What the user asked for; None: by the precision."""
    energy: float | None = None     # eV per atom
    force: float | None = None      # eV/angstrom
    charge: float | None = None     # e

    def of(self, isDouble, n_atoms, largest, isTF32=False):
        """{"energy" (eV), "force" (eV/angstrom), "charge" (e)} of one frame.

        isDouble: both sides compute in double precision. largest: force on an atom. isTF32: the
        contender multiplies matrices in TF32.
        """
        if isDouble:
            found = {"energy": DOUBLE_ENERGY, "force": DOUBLE_FORCE, "charge": DOUBLE_CHARGE}
        elif isTF32:
            found = {"energy": TF32_ENERGY_PER_ATOM*n_atoms,
                     "force": TF32_FORCE_RELATIVE*largest, "charge": TF32_CHARGE}
        else:
            found = {"energy": ENERGY_PER_ATOM*n_atoms,
                     "force": max(FORCE_RELATIVE*largest, FORCE_LEAST), "charge": CHARGE}
        if self.energy is not None:
            found["energy"] = self.energy*n_atoms
        if self.force is not None:
            found["force"] = self.force
        if self.charge is not None:
            found["charge"] = self.charge
        return found


def atomsOf(part, system, base, result):
    """Particles that are compared: those of the networks, and others on which they act."""
    if part == "whole":
        return np.flatnonzero(system.real)
    acts = (base.forces[part] != 0).any(axis=1) | (result.forces[part] != 0).any(axis=1)
    acts[system.ml_atoms] = True
    return np.flatnonzero(acts)


def compare(part, system, base, result, isDouble, tolerances, isTF32=False):
    """(the figures of one frame for the JSON, [atoms][2]: force of the base, difference)"""
    atoms = atomsOf(part, system, base, result)
    force = np.linalg.norm(base.forces[part][atoms], axis=1)
    difference = np.linalg.norm((result.forces[part] - base.forces[part])[atoms], axis=1)
    largest, worst = float(force.max()), int(difference.argmax())
    n = len(system.symbols) if part == "whole" else len(system.ml_atoms)
    energy = abs(result.energy[part] - base.energy[part])
    limits = tolerances.of(isDouble, n, largest, isTF32)
    figures = {
        "atoms": n, "energy": result.energy[part], "energy_base": base.energy[part],
        "energy_difference": energy, "energy_difference_per_atom": energy/n,
        "force_largest": largest, "force_median": float(np.median(difference)),
        "force_rms": float(np.sqrt((difference**2).mean())), "force_max": float(difference[worst]),
        "force_relative": float(difference[worst]/largest) if largest else None,
        "worst_atom": {"index": int(atoms[worst]),
                       "element": system.symbols[atoms[worst]] or None,
                       "force_base": base.forces[part][atoms[worst]].tolist(),
                       "force": result.forces[part][atoms[worst]].tolist()}}
    beyond = [name for name, value in (("energy", energy), ("force", difference[worst]))
              if value > limits[name]]
    if part == "mlff" and base.charges is not None:
        change = float(np.abs(result.charges - base.charges).max())
        figures["charge_max"] = change
        figures["components"] = {
            name: {"value": result.components[name], "base": base.components[name],
                   "difference": abs(result.components[name] - base.components[name])}
            for name in base.components}
        if change > limits["charge"]:
            beyond.append("charge")
    else:
        del limits["charge"]
    figures.update(tolerances=limits, beyond=beyond)
    return figures, np.stack([force, difference], axis=1)


LARGEST = ("energy_difference", "energy_difference_per_atom", "force_median", "force_rms",
           "force_max", "force_relative", "charge_max")


def worstOf(frames, part):
    """The largest of each figure over the frames, and where the largest force difference is.

    frames: records with "frame" and part; those with an error instead are left out.
    """
    compared = [(r["frame"], r[part]) for r in frames if part in r]
    if not compared:
        return None
    worst = {}
    for name in LARGEST:
        values = [f[name] for _, f in compared if f.get(name) is not None]
        if values:
            worst[name] = max(values)
    # by the share of the tolerance: what is large in one frame may be small in another
    frame, figures = max(compared, key=lambda c: c[1]["force_max"]/max(
        c[1]["tolerances"]["force"], 1e-300))
    worst["worst_atom"] = {"frame": frame, **figures["worst_atom"]}
    worst["beyond"] = [name for name in ("energy", "force", "charge")
                       if any(name in f["beyond"] for _, f in compared)]
    return worst
