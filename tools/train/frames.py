"""Frames (one geometry of one system) and what is needed to judge and place them.

Lengths in angstrom, energies in eV, masses in amu, times in fs.
"""
import numpy as np

from molecules import split_of

MASS = {1: 1.008, 6: 12.011, 7: 14.007, 8: 15.999, 16: 32.06}
COVALENT_RADIUS = {1: 0.31, 6: 0.76, 7: 0.71, 8: 0.66, 16: 1.05}
VDW_RADIUS = {1: 1.1, 6: 1.7, 7: 1.55, 8: 1.52, 16: 1.8}
BOLTZMANN = 8.617333e-5                 # eV/K
ACCELERATION = 0.00964853322            # (eV/A)/amu in A/fs^2
KINDS = ["mmff_md", "displaced", "stretched", "contact", "cluster_md", "student_md", "teacher_md"]
SMALLEST_RATIO = 0.55                   # frames with a closer contact are dropped


def offsets_of(sizes):
    """[n+1] first atom of each frame in the flat arrays."""
    return np.concatenate([[0], np.cumsum(sizes)])


def closest_ratio(Z, X):
    """Smallest distance over the sum of covalent radii. Z [n], X [n, 3]."""
    r = np.array([COVALENT_RADIUS[int(z)] for z in Z])
    d = np.linalg.norm(X[:, None] - X[None], axis=-1)
    return (d / (r[:, None] + r[None]) + 10 * np.eye(len(Z))).min()


def rotation(rng):
    """A random proper rotation [3, 3], uniform."""
    q = rng.normal(size=4)
    w, x, y, z = q / np.linalg.norm(q)
    return np.array([
        [1 - 2*(y*y + z*z), 2*(x*y - z*w), 2*(x*z + y*w)],
        [2*(x*y + z*w), 1 - 2*(x*x + z*z), 2*(y*z - x*w)],
        [2*(x*z - y*w), 2*(y*z + x*w), 1 - 2*(x*x + y*y)]])


def contact(Z1, X1, Z2, X2, ratio, rng):
    """X2 [n2, 3] turned at random and placed at a random side of X1, centered at 0, so that the
    closest contact is ratio times the sum of van der Waals radii."""
    X1 = X1 - X1.mean(0)
    X2 = (X2 - X2.mean(0)) @ rotation(rng).T
    u = rng.normal(size=3)
    u /= np.linalg.norm(u)
    r1, r2 = (np.array([VDW_RADIUS[int(z)] for z in Z]) for Z in (Z1, Z2))
    allowed = ratio * (r1[:, None] + r2[None])
    low, high = 0.0, 20.0
    for _ in range(40):                 # largest shift that still touches
        middle = 0.5 * (low + high)
        d = np.linalg.norm(X1[:, None] - (X2 + u*middle)[None], axis=-1)
        if (d < allowed).any():
            low = middle
        else:
            high = middle
    return X2 + u*high


class Frames:
    """A growing list of frames: Z, R (centered, float32), kind (index into KINDS), molecule."""

    def __init__(self):
        self.Z, self.R, self.kind, self.mol = [], [], [], []

    def __len__(self):
        return len(self.Z)

    def add(self, Z, X, kind, mol):
        """Keep the frame unless it is not finite or two atoms are too close."""
        X = np.asarray(X, float)
        if np.isfinite(X).all() and (len(Z) == 1 or closest_ratio(Z, X) > SMALLEST_RATIO):
            self.Z.append(np.asarray(Z))
            self.R.append((X - X.mean(0)).astype(np.float32))
            self.kind.append(KINDS.index(kind))
            self.mol.append(mol)

    @classmethod
    def joined(cls, parts):
        """The frames of several lists, one behind the other."""
        out = cls()
        for part in parts:
            out.Z += part.Z
            out.R += part.R
            out.kind += part.kind
            out.mol += part.mol
        return out

    def save(self, path):
        """Write natoms [frames], numbers, coord (flat over atoms), kind, mol, split [frames]."""
        np.savez(path, natoms=np.array([len(z) for z in self.Z], np.int16),
                 numbers=np.concatenate(self.Z).astype(np.int8), coord=np.concatenate(self.R),
                 kind=np.array(self.kind, np.int8), mol=np.array(self.mol),
                 split=np.array([split_of(m) for m in self.mol], np.int8))
        counts = {KINDS[k]: self.kind.count(k) for k in sorted(set(self.kind))}
        print("wrote", path, len(self), "frames", sum(map(len, self.Z)), "atoms", counts,
              flush=True)
