"""The labelled data set: frames, pair lists, batches, additive fit, errors of a model."""
import numpy as np
import torch

from frames import offsets_of


def pair_list(X, cutoff):
    """Pairs a < b of X [n, 3] with a distance below the cutoff."""
    r = X[:, None] - X[None]
    return np.nonzero(np.triu((r * r).sum(-1) < cutoff * cutoff, 1))


class Dataset:
    """A file of make_dataset.py: n, E, split, kind, mol [frames]; Z, R, F flat over atoms, frame k
    at off[k] ... off[k+1]-1. A, eV, eV/A. Pair lists are made on first use and kept."""

    def __init__(self, path, cutoff):
        file = np.load(path)
        self.n, self.Z = file["natoms"], file["numbers"].astype(np.int64)
        self.R, self.E, self.F = file["coord"], file["energy"], file["forces"]
        self.split, self.kind, self.mol = file["split"], file["kind"], file["mol"]
        self.off = offsets_of(self.n)
        self.cutoff, self.pairs = cutoff, {}

    def frame(self, k):
        """Z [n], R [n, 3], E, F [n, 3], (a, b)."""
        atoms = slice(self.off[k], self.off[k + 1])
        if k not in self.pairs:
            a, b = pair_list(self.R[atoms].astype(np.float64), self.cutoff)
            self.pairs[k] = a.astype(np.int16), b.astype(np.int16)
        return self.Z[atoms], self.R[atoms], self.E[k], self.F[atoms], self.pairs[k]

    def batch(self, index):
        """Frames in one: tensors Z, R, E [frames], F, a, b, system [atoms], and their number."""
        Z, R, E, F, A, B, system, n = [], [], [], [], [], [], [], 0
        for k, frame in enumerate(index):
            z, r, e, f, (a, b) = self.frame(frame)
            Z.append(z)
            R.append(r)
            E.append(e)
            F.append(f)
            A.append(a.astype(np.int64) + n)
            B.append(b.astype(np.int64) + n)
            system.append(np.full(len(z), k))
            n += len(z)
        Z, R, F, A, B, system = (torch.from_numpy(np.concatenate(x))
                                 for x in (Z, R, F, A, B, system))
        return Z, R, torch.tensor(np.array(E)), F, A, B, system, len(index)


def fit_atomref(data, index, n_z):
    """[n_z] energies of the elements, eV: least squares over the frames, weighted by 1/atoms; 0 for
    elements that do not occur; rounded to float32, which is what the model file holds."""
    counts = np.zeros((len(index), n_z))
    for row, k in enumerate(index):
        np.add.at(counts[row], data.Z[data.off[k]:data.off[k + 1]], 1)
    used = counts.sum(0) > 0
    weight = 1 / np.sqrt(counts.sum(1))
    fit = np.linalg.lstsq(counts[:, used] * weight[:, None], data.E[index] * weight, rcond=None)[0]
    out = np.zeros(n_z)
    out[used] = fit
    return out.astype(np.float32).astype(np.float64)


def sum_atomref(atomref, Z, system, n_systems):
    """[n_systems] sum of the elements' energies, float64."""
    values = torch.as_tensor(atomref, dtype=torch.float64)[Z]
    return torch.zeros(n_systems, dtype=torch.float64).index_add(0, system, values)


def evaluate(model, data, index, atomref, size=24):
    """Errors over some frames: energy error per atom [frames], force errors and reference forces
    [atoms, 3], atoms of each frame [frames]; eV, eV/A."""
    energy_errors, force_errors, references, counts = [], [], [], []
    for k in range(0, len(index), size):
        Z, R, E, F, a, b, system, n = data.batch(index[k:k + size])
        e, f = model.energy_forces(Z, R, a, b, system, n)
        count = torch.bincount(system, minlength=n)
        constant = sum_atomref(atomref, Z, system, n)
        energy_errors.append(((e.double() + constant - E) / count).numpy())
        force_errors.append((f.double() - F.double()).numpy())
        references.append(F.numpy())
        counts.append(count.numpy())
    return tuple(map(np.concatenate, (energy_errors, force_errors, references, counts)))


def error_text(energy_errors, force_errors):
    """One line for the log: MAE and RMSE in meV."""
    return (f"E {abs(energy_errors).mean() * 1e3:.2f} meV/atom "
            f"F MAE {abs(force_errors).mean() * 1e3:.1f} "
            f"RMSE {np.sqrt((force_errors**2).mean()) * 1e3:.1f} meV/A")
