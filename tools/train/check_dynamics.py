"""Dynamics with a model file: energy drift (NVE) and stability (Langevin) of gas-phase systems."""
import time

import numpy as np

from batch import Systems, dihedral, relax, sum_by_system
from frames import ACCELERATION, BOLTZMANN, COVALENT_RADIUS, KINDS, MASS, offsets_of
from molecules import TEST

SAMPLE_EVERY = 10.0                     # fs
THERMALISE = 1000.0                     # fs, with friction 0.02/fs, before anything is measured
LANGEVIN_FRICTION = 0.005               # 1/fs
PHI, PSI = (1, 3, 4, 6), (3, 4, 6, 8)   # atoms of alanine dipeptide


def first_frames(path, names):
    """(Z [n], X [n, 3]) of the first MD frame of each molecule."""
    data = dict(np.load(path))
    offset = offsets_of(data["natoms"].astype(int))
    out = []
    for name in names:
        k = next(k for k in range(len(data["natoms"])) if str(data["mol"][k]) == name
                 and KINDS[data["kind"][k]] in ("mmff_md", "cluster_md"))
        atoms = slice(offset[k], offset[k + 1])
        out.append((data["numbers"][atoms].astype(int), data["coord"][atoms].astype(float)))
    return out


def choose_names(options):
    """--systems, or defaults; test:24 stands for 24 random unseen molecules."""
    names = options.systems
    if not names:
        return (["ACE-ALA-NME", "water6", "water10", "ACE-LEU-NME"] if options.what == "nve"
                else ["ACE-ALA-NME"] * 4)
    if not names[0].startswith("test:"):
        return names
    data = dict(np.load(options.data))
    chosen = (data["split"] == TEST) & (data["kind"] == KINDS.index("mmff_md"))
    unseen = sorted(set(map(str, data["mol"][chosen])))
    order = np.random.default_rng(4).permutation(len(unseen))[:int(names[0][5:])]
    return [unseen[k] for k in order]


def bonds_of(Z, X):
    """Bonded atoms a, b and their distances."""
    r = np.array([COVALENT_RADIUS[int(z)] for z in Z])
    d = np.linalg.norm(X[:, None] - X[None], axis=-1)
    a, b = np.nonzero(np.triu(d < 1.25 * (r[:, None] + r[None]), 1))
    return a, b, d[a, b]


def stop_overall_motion(X, v, m, system):
    """Remove drift and rotation of every system from v, in place. m [n, 1] amu."""
    for k in range(system.max() + 1):
        w = system == k
        v[w] -= (m[w] * v[w]).sum(0) / m[w].sum()
        x = X[w] - (m[w] * X[w]).sum(0) / m[w].sum()
        angular = np.cross(x, m[w] * v[w]).sum(0)
        inertia = (m[w][:, :, None] * ((x * x).sum(1)[:, None, None] * np.eye(3)
                                       - x[:, :, None] * x[:, None, :])).sum(0)
        v[w] -= np.cross(np.linalg.pinv(inertia) @ angular, x)


class Run:
    """One dynamics run of several systems in a batch, with what is measured on the way."""

    def __init__(self, options):
        self.options, self.names = options, choose_names(options)
        self.nve = options.what == "nve"
        self.dt = options.dt or (0.5 if self.nve else 1.0)
        self.Zs, Xs = zip(*first_frames(options.data, self.names))
        self.systems = Systems(options.model, self.Zs)
        self.sizes = self.systems.sizes
        self.cuts = np.cumsum(self.sizes)[:-1]
        self.X, _, _ = relax(self.systems, np.concatenate(Xs), 500)
        self.m = np.array([MASS[int(z)] for z in np.concatenate(self.Zs)])[:, None]
        self.bonds = [bonds_of(Z, X) for Z, X in zip(self.Zs, np.split(self.X, self.cuts))]
        self.rng = np.random.default_rng(options.seed)
        self.sigma = np.sqrt(BOLTZMANN * options.temp / self.m * ACCELERATION)
        self.v = self.sigma * self.rng.normal(size=self.X.shape)
        self.energies, self.temperatures, self.times, self.angles = [], [], [], []
        self.shortest = np.full(len(self.sizes), 9.0)       # bond over its minimum length
        self.longest = np.zeros(len(self.sizes))
        self.largest_force = 0.0
        self.e, self.f = self.systems(self.X)

    def step(self, friction):
        """One BAOAB step; friction 0 makes it velocity Verlet. 1/fs."""
        c1 = np.exp(-friction * self.dt)
        self.v += 0.5 * self.dt * ACCELERATION * self.f / self.m
        self.X = self.X + 0.5 * self.dt * self.v
        if friction:
            noise = self.rng.normal(size=self.X.shape)
            self.v = c1*self.v + np.sqrt(1 - c1*c1)*self.sigma*noise
        self.X = self.X + 0.5 * self.dt * self.v
        self.e, self.f = self.systems(self.X)
        self.v += 0.5 * self.dt * ACCELERATION * self.f / self.m

    def measure(self, ps):
        """Energies, temperatures, bonds and torsions at this moment. False if a system is lost."""
        kinetic = sum_by_system((0.5 * self.m * self.v**2).sum(1) / ACCELERATION, self.systems)
        self.energies.append(self.e + kinetic)
        self.temperatures.append(2 * kinetic / (3 * self.sizes * BOLTZMANN))
        self.times.append(ps)
        self.largest_force = max(self.largest_force, abs(self.f).max())
        for k, x in enumerate(np.split(self.X, self.cuts)):
            a, b, length = self.bonds[k]
            if len(a):
                ratio = np.linalg.norm(x[a] - x[b], axis=1) / length
                self.shortest[k] = min(self.shortest[k], ratio.min())
                self.longest[k] = max(self.longest[k], ratio.max())
            if self.names[k] == "ACE-ALA-NME":
                self.angles.append((k, dihedral(x, *PHI), dihedral(x, *PSI)))
        if np.isfinite(self.energies[-1]).all():
            return True
        print("LOST at", ps, "ps")
        return False

    def run(self):
        """Thermalise for 1 ps, then options.ps of dynamics."""
        began = time.time()
        steps, warm_up = int(self.options.ps * 1000 / self.dt), int(THERMALISE / self.dt)
        sample = max(1, int(SAMPLE_EVERY / self.dt))
        friction = 0.0 if self.nve else LANGEVIN_FRICTION
        for s in range(-warm_up, steps + 1):
            if s == 0 and self.nve:
                stop_overall_motion(self.X, self.v, self.m, self.systems.system)
            if s > -warm_up:
                self.step(0.02 if s < 0 else friction)
            if s >= 0 and s % sample == 0 and not self.measure(s * self.dt / 1000):
                break
            if s > 0 and s % max(1, steps // 10) == 0:
                recent = np.round(np.mean(self.temperatures[-50:], 0)).tolist()
                print(f"  {self.times[-1]:.1f} ps, {time.time() - began:.0f} s, T {recent} bonds "
                      f"{self.shortest.min():.2f}-{self.longest.max():.2f}", flush=True)
        self.print_summary()
        print("max |F component|", round(self.largest_force, 2), "eV/A;",
              f"{time.time() - began:.0f} s")
        self.print_torsions()

    def print_summary(self):
        """A line for each system; NVE: drift and fluctuation of the total energy."""
        E, T, t = map(np.array, (self.energies, self.temperatures, self.times))
        for k, (name, n) in enumerate(zip(self.names, self.sizes)):
            line = (f"{self.options.what} {name} {n} atoms, {t[-1]:.1f} ps, dt {self.dt} fs, "
                    f"<T> {T[:, k].mean():.1f} K, bond ratio to minimum "
                    f"{self.shortest[k]:.3f}-{self.longest[k]:.3f}")
            if self.nve:
                fit = np.polyfit(t, E[:, k], 1)
                rms = (E[:, k] - np.polyval(fit, t)).std()
                kelvin = fit[0] / n / BOLTZMANN * 2 / 3 * 1e3
                line += (f", drift {fit[0] * 1e3 / n:.5f} meV/atom/ps ({kelvin:.4f} K/ns), "
                         f"E rms fluctuation {rms * 1e3 / n:.4f} meV/atom")
            print(line)

    def print_torsions(self):
        """Histogram of phi and psi of alanine dipeptide; --save writes the samples."""
        if not self.angles:
            return
        angles = np.array(self.angles)
        counts, _, _ = np.histogram2d(angles[:, 1], angles[:, 2], bins=12,
                                      range=[[-180, 180]] * 2)
        print("phi/psi counts (rows phi -180..180 by 30, columns psi):")
        print(counts.astype(int))
        if self.options.save:
            np.savez(self.options.save, phipsi=angles, E=np.array(self.energies),
                     T=np.array(self.temperatures), t=np.array(self.times))


def dynamics(options):
    """Command md."""
    Run(options).run()
