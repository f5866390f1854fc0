"""From second derivatives to vibrations."""
import warnings

import numpy as np
from numpy.typing import ArrayLike
from openmm import unit

from openmmmlff.quantities import numbers

KJMOL_PER_EV = 96.48533212331002    # as in the platforms
CM_PER_PS = 0.0299792458   # speed of light
LINEAR = 1e-3              # smallest to largest radius of gyration below which a molecule is linear

# Largest force on an atom, eV/angstrom, below which positions count as a minimum.
# docs/decisions.md: what larger ones do to wavenumbers.
RESIDUAL_BOUND = 0.01


def residualWarning(forces):
    """A sentence if forces [n][3], eV/angstrom, are too large for a minimum, else ''."""
    lengths = np.linalg.norm(forces, axis=1)
    worst = int(lengths.argmax())
    if lengths[worst] <= RESIDUAL_BOUND:
        return ""
    return (f"the second derivatives are not those of a minimum: the force on atom {worst}, "
            f"counted from 0, is {lengths[worst]:.3g} eV/angstrom, where at most "
            f"{RESIDUAL_BOUND:g} is expected; wavenumbers are off: minimize the energy first, with "
            "a small tolerance")


def vibrationalWavenumbers(
        hessian: unit.Quantity | ArrayLike, masses: unit.Quantity | ArrayLike,
        positions: unit.Quantity | ArrayLike | None = None,
        forces: unit.Quantity | ArrayLike | None = None) -> unit.Quantity:
    """Harmonic vibrational wavenumbers of a molecule at a minimum of its energy.

    hessian    [3n][3n] second derivatives of the energy, as MLFFForce.computeHessian() returns
               them, or numbers in kJ/mol/nm^2
    masses     [n] dalton
    positions  [n][3] nm: rotations are left out; None (a periodic System): only translations are
    forces     [n][3] kJ/mol/nm, at these positions: where one is larger than 0.01 eV/angstrom
               (about 10 kJ/mol/nm) the positions are no minimum, and a UserWarning says so;
               None: not checked

    Returns a Quantity in 1/cm, ascending: an array of 3n - 6 values, 3n - 5 of a linear molecule,
    3n - 3 without positions. An imaginary wavenumber stands there as a negative one.
    """
    hessian = numbers(hessian, "second derivative", "the Hessian")
    masses = numbers(masses, "mass", "masses")
    if masses.ndim != 1:
        raise ValueError(f"the masses have the shape {masses.shape}: expected one for each atom")
    n = len(masses)
    if hessian.shape != (3*n, 3*n):
        raise ValueError(f"the Hessian has the shape {hessian.shape}: expected {(3*n, 3*n)} "
                         f"for {n} masses")
    if not np.isfinite(hessian).all():
        raise ValueError("the Hessian has a number that is not finite")
    if not ((masses > 0) & np.isfinite(masses)).all():
        raise ValueError("a mass is not positive: expected the mass of an atom, in dalton")
    rigid = _translations(masses)
    if positions is not None:
        positions = numbers(positions, "length", "the positions")
        if positions.shape != (n, 3):
            raise ValueError(f"the positions have the shape {positions.shape}: expected {(n, 3)}")
        if not np.isfinite(positions).all():
            raise ValueError("the positions have a number that is not finite")
        rigid = np.hstack([rigid, _rotations(masses, positions)])
    if forces is not None:
        forces = numbers(forces, "force", "the forces")
        if forces.shape != (n, 3):
            raise ValueError(f"the forces have the shape {forces.shape}: expected {(n, 3)}")
        if not np.isfinite(forces).all():
            raise ValueError("the forces have a number that is not finite")
        text = residualWarning(forces*(0.1/KJMOL_PER_EV))
        if text:
            warnings.warn(text, UserWarning, stacklevel=2)
    root = np.repeat(np.sqrt(masses), 3)
    internal = np.linalg.svd(rigid)[0][:, rigid.shape[1]:]
    # kJ/mol/nm^2/dalton is 1/ps^2
    squares = np.linalg.eigvalsh(internal.T @ (hessian/np.outer(root, root)) @ internal)
    omega = np.sign(squares)*np.sqrt(np.abs(squares))
    return unit.Quantity(omega/(2*np.pi*CM_PER_PS), unit.centimeter**-1)


def _translations(masses):
    """[3n][3] orthonormal directions of translation, mass-weighted."""
    return np.kron(np.sqrt(masses/masses.sum())[:, None], np.eye(3))


def _rotations(masses, positions):
    """[3n][0, 2 or 3] orthonormal directions of rotation, mass-weighted."""
    x = positions - masses @ positions/masses.sum()
    turns = np.cross(np.eye(3)[:, None], x)*np.sqrt(masses)[:, None]  # [axis][atom][3]
    directions, sizes, _ = np.linalg.svd(turns.reshape(3, -1).T, full_matrices=False)
    return directions[:, sizes > max(LINEAR*sizes[0], 1e-12)]
