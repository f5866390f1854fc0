"""Forces of single precision where they hang on the last digit of the positions.

At symmetric points large contributions cancel, and the model may be curved so strongly there that
a rounding of the positions changes forces by more than the tolerance. No computation in single
precision can do better than to give the right forces of positions that differ by a rounding; that
it does so is checked here, by the base, in double precision. docs/decisions.md has the figures.

Lengths in angstrom, forces in eV/angstrom, but positions as Cases have them, in nm.
"""
import numpy as np

# One rounding in single precision, 2^-24, of a distance of 5 angstrom, a usual cutoff.
LARGEST = 3e-7
# Of the differences. Models are curved over 1e-4 angstrom and more; double precision has 1e-10.
STEP = 1e-6
# With more atoms the derivatives would cost more than the comparison.
MOST_ATOMS = 40


def displaced(positions, atoms):
    """Positions (nm) from whose forces slopes() makes derivatives: a list of 6n arrays."""
    found = []
    for atom in atoms:
        for axis in range(3):
            for sign in (1, -1):
                x = positions.copy()
                x[atom, axis] += sign*0.1*STEP
                found.append(x)
    return found


def slopes(forces, atoms):
    """[3n][3n] derivatives of the forces on atoms; forces: those at displaced(positions, atoms)."""
    columns = [(plus - minus)[atoms].ravel()/(2*STEP)
               for plus, minus in zip(forces[::2], forces[1::2], strict=True)]
    return np.array(columns).T


def nearby(positions, atoms, derivatives, difference, tolerance):
    """Positions (nm), within LARGEST of the given ones, whose forces come closest to a difference.

    derivatives   of slopes()
    difference    [n][3] of the forces on atoms
    tolerance     eV/angstrom: what may remain of it, against which LARGEST is weighed
    """
    weight = (tolerance/LARGEST)**2*np.eye(len(derivatives))
    shift = np.linalg.solve(derivatives.T @ derivatives + weight,
                            derivatives.T @ difference.ravel())
    found = positions.copy()
    found[atoms] += 0.1*np.clip(shift, -LARGEST, LARGEST).reshape(-1, 3)
    return found
