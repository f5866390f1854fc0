"""Independent systems in one batch, for MD, scans and relaxation with a model file."""
import numpy as np
import torch

from painn import Painn, load_model


class Systems:
    """Energies and forces of systems with fixed elements and moving atoms.

    sizes [systems]; system [n] of each atom, numpy.
    """

    def __init__(self, path, Zs):
        self.config, params, _ = load_model(path)
        self.model = Painn(self.config, params)
        self.sizes = np.array([len(Z) for Z in Zs])
        a, b, first = [], [], 0
        for n in self.sizes:
            i, j = np.triu_indices(n, 1)
            a.append(i + first)
            b.append(j + first)
            first += n
        self.a, self.b = torch.tensor(np.concatenate(a)), torch.tensor(np.concatenate(b))
        self.system = np.repeat(np.arange(len(Zs)), self.sizes)
        self.system_tensor = torch.from_numpy(self.system)
        self.Z = torch.tensor(np.concatenate(Zs).astype(np.int64))

    def __call__(self, X):
        """X [n, 3] A, flat over systems -> energies [systems] eV without atomref, forces [n, 3]
        eV/A, both float64 from a float32 evaluation."""
        R = torch.tensor(X, dtype=torch.float32)
        near = ((R[self.a] - R[self.b])**2).sum(1) < self.config["cutoff"]**2
        e, f = self.model.energy_forces(self.Z, R, self.a[near], self.b[near], self.system_tensor,
                                        len(self.sizes))
        return e.double().numpy(), f.double().numpy()


def sum_by_system(values, systems):
    """[systems] sums of values [n]."""
    out = np.zeros(len(systems.sizes))
    np.add.at(out, systems.system, values)
    return out


def relax(systems, X, steps=400):
    """Simple FIRE on all systems at once. Returns X [n, 3], energies and the largest force
    component left."""
    n_systems, index = len(systems.sizes), systems.system
    v = np.zeros_like(X)
    dt, alpha, downhill = np.full(n_systems, 0.1), np.full(n_systems, 0.1), np.zeros(n_systems)
    e, f = systems(X)
    for _ in range(steps):
        power, vv, ff = (sum_by_system((x * y).sum(1), systems)
                         for x, y in ((f, v), (v, v), (f, f)))
        up = power > 0
        mix = np.where(up, alpha, 0) * np.sqrt(vv / (ff + 1e-20))
        v = np.where(up[index][:, None],
                     (1 - alpha[index])[:, None] * v + mix[index][:, None] * f, 0)
        downhill = np.where(up, downhill + 1, 0)
        grow = up & (downhill > 5)
        dt = np.where(grow, np.minimum(dt * 1.1, 0.4), np.where(up, dt, dt * 0.5))
        alpha = np.where(grow, alpha * 0.99, np.where(up, alpha, 0.1))
        v = v + dt[index][:, None] * f * 0.3
        X = X + np.clip(dt[index][:, None] * v, -0.1, 0.1)
        e, f = systems(X)
    return X, e, abs(f).max()


def dihedral(X, a, b, c, d):
    """Angle a-b-c-d in degrees."""
    b0, b1, b2 = X[a] - X[b], X[c] - X[b], X[d] - X[c]
    b1 = b1 / np.linalg.norm(b1)
    v, w = b0 - (b0 @ b1) * b1, b2 - (b2 @ b1) * b1
    return np.degrees(np.arctan2(np.cross(b1, v) @ w, v @ w))
