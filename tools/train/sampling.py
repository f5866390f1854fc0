"""Frames from MD with a student model (active learning) or with the teacher (test set)."""
import multiprocessing

import numpy as np

from frames import ACCELERATION, BOLTZMANN, KINDS, MASS, Frames, offsets_of
from molecules import TEST
from teacher import Teacher

FRICTION = 0.02             # 1/fs
LARGEST_FORCE = 40.0        # eV/A; a system beyond it is lost


def langevin(force, Zs, Rs, temperatures, steps, every, dt, seed):
    """Langevin dynamics (BAOAB) of several systems at once.

    force(Z [n], X [n, 3]) -> F [n, 3] over the flattened systems; temperatures: a number or one
    for each system, K; dt in fs. Yields (step, list of X, None for systems that are lost).
    """
    rng = np.random.default_rng(seed)
    sizes = np.array([len(Z) for Z in Zs])
    cuts = np.cumsum(sizes)[:-1]
    Z, X = np.concatenate(Zs), np.concatenate(Rs).astype(np.float64)
    T = np.repeat(np.broadcast_to(temperatures, len(sizes)), sizes)[:, None]
    m = np.array([MASS[int(z)] for z in Z])[:, None]
    sigma = np.sqrt(BOLTZMANN * T / m * ACCELERATION)
    v = sigma * rng.normal(size=X.shape)
    c1 = np.exp(-FRICTION * dt)
    c2 = np.sqrt(1 - c1*c1)
    alive = np.ones(len(sizes), bool)
    f = force(Z, X)
    for step in range(1, steps + 1):
        v += 0.5 * dt * ACCELERATION * f / m
        X += 0.5 * dt * v
        v = c1*v + c2*sigma*rng.normal(size=X.shape)
        X += 0.5 * dt * v
        f = force(Z, X)
        v += 0.5 * dt * ACCELERATION * f / m
        if step % 5 == 0 or not np.isfinite(f).all():
            alive &= np.array([np.isfinite(part).all() and abs(part).max() <= LARGEST_FORCE
                               for part in np.split(f, cuts)])
            dead = np.repeat(~alive, sizes)
            f[dead] = v[dead] = 0
            X[dead & ~np.isfinite(X).all(1)] = 0
        if step % every == 0:
            yield step, [x.copy() if a else None for x, a in zip(np.split(X, cuts), alive)]


def student_force(path, Zs):
    """force(Z, X) of langevin() from a model file, for these systems."""
    from batch import Systems
    systems = Systems(path, Zs)
    return lambda Z, X: systems(X)[1]


def choose_starts(options, rng):
    """Start structures: dipeptides first, clusters and a random choice of the rest (any split).
    Returns names, Zs, Rs."""
    raw = dict(np.load(options.raw))
    offset = offsets_of(raw["natoms"].astype(int))
    frames_of = {}
    for k, (name, kind) in enumerate(zip(raw["mol"], raw["kind"])):
        if KINDS[kind] in ("mmff_md", "cluster_md"):
            frames_of.setdefault(str(name), []).append(k)
    peptides = [m for m in frames_of if m.startswith("ACE-")]
    clusters = [m for m in frames_of if m.startswith(("water", "hydrate"))]
    rest = [m for m in frames_of if m not in peptides and m not in clusters]
    names = [m for m in peptides for _ in range(options.peptides)]
    names += [clusters[k] for k in rng.integers(len(clusters), size=options.clusters)]
    names += [rest[k] for k in rng.permutation(len(rest))[:options.others]]
    names += ["ACE-ALA-NME"] * options.ala + ["ACE-ALA-ALA-NME"] * (options.ala // 3)
    chosen = [frames_of[m][rng.integers(len(frames_of[m]))] for m in names]
    return (names, [raw["numbers"][offset[k]:offset[k + 1]] for k in chosen],
            [raw["coord"][offset[k]:offset[k + 1]] for k in chosen])


def sample_part(job):
    """Student MD of every jobs-th start. job: (part, options)."""
    part, options = job
    import torch
    torch.set_num_threads(1)
    rng = np.random.default_rng(options.seed*10 + part)
    names, Zs, Rs = (x[part::options.jobs] for x in choose_starts(options, rng))
    T = rng.choice(options.temps, size=len(names))
    frames, lost = Frames(), {}
    for step, Xs in langevin(student_force(options.model, Zs), Zs, Rs, T, options.steps,
                             options.every, options.dt, options.seed + part):
        for k, X in enumerate(Xs):
            if X is None:
                lost.setdefault(k, step)
            elif step >= options.skip:
                frames.add(Zs[k], X, "student_md", names[k])
    some = [(names[k], int(T[k]), step) for k, step in lost.items()][:12]
    print(f"part {part}: {len(names)} systems, {len(frames)} frames, lost {len(lost)}: {some}",
          flush=True)
    return frames


def choose_test_starts(options, rng, part):
    """Test molecules only: alanine dipeptide and a fixed choice of others, every jobs-th of them.
    Returns names, Zs, Rs."""
    raw = dict(np.load(options.raw))
    offset = offsets_of(raw["natoms"].astype(int))
    frames_of = {}
    for k in range(len(raw["natoms"])):
        if raw["split"][k] == TEST and KINDS[raw["kind"][k]] in ("mmff_md", "cluster_md"):
            frames_of.setdefault(str(raw["mol"][k]), []).append(k)
    others = sorted(m for m in frames_of if m != "ACE-ALA-NME")
    order = np.random.default_rng(1).permutation(len(others))[:options.others]
    names = ["ACE-ALA-NME"] * options.ala + [others[k] for k in order]
    names = names[part::options.jobs]
    chosen = [frames_of[m][rng.integers(len(frames_of[m]))] for m in names]
    return (names, [raw["numbers"][offset[k]:offset[k + 1]] for k in chosen],
            [raw["coord"][offset[k]:offset[k + 1]] for k in chosen])


def teacher_part(job):
    """Teacher MD at 300 K. job: (part, options)."""
    part, options = job
    import torch
    torch.set_num_threads(1)
    rng = np.random.default_rng(900 + part)
    teacher = Teacher(options.weights)
    names, Zs, Rs = choose_test_starts(options, rng, part)
    cuts = np.cumsum([len(Z) for Z in Zs])[:-1]

    def force(Z, X):
        return np.concatenate(teacher(Zs, np.split(X, cuts))[1]).astype(np.float64)

    frames = Frames()
    for step, Xs in langevin(force, Zs, Rs, 300.0, options.steps, options.every, options.dt,
                             7 + part):
        for name, Z, X in zip(names, Zs, Xs):
            wanted = name == "ACE-ALA-NME" or step % (2*options.every) == 0
            if X is not None and step >= options.skip and wanted:
                frames.add(Z, X, "teacher_md", name)
    return frames


def run_parts(part_function, options):
    """One process a part; the joined frames go to options.out."""
    with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        parts = pool.map(part_function, [(k, options) for k in range(options.jobs)])
    Frames.joined(parts).save(options.out)


def sample(options):
    """Command sample."""
    run_parts(sample_part, options)


def teacher(options):
    """Command teacher."""
    run_parts(teacher_part, options)
