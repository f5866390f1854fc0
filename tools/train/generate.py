"""Geometries from rdkit: conformers, MMFF Langevin MD, distortions, contacts and clusters."""
import multiprocessing
import time

import numpy as np

from frames import ACCELERATION, BOLTZMANN, MASS, Frames, contact
from molecules import molecules

KCAL_IN_EV = 0.0433641153
LARGEST_MMFF_FORCE = 60.0   # eV/A, the end of an MD run
TEMPERATURES = (300, 500, 300, 800)

# conformers, MD frames of each, displaced frames, stretched frames, by group
AMOUNTS = {"dipeptide": (24, 5, 24, 14), "small": (4, 4, 4, 3), "ring": (2, 7, 5, 4),
           "combo": (3, 3, 2, 2)}
ALANINE_DIPEPTIDE_AMOUNTS = 8, 4, 8, 8   # never trained on

# partners of contacts and hydrates
PARTNERS = ["O", "CO", "CNC(C)=O", "NC=O", "N", "C=O", "CC(=O)O", "C", "CC(N)=O", "CN", "C=C",
            "CC#N", "CC(C)=O", "COC"]
# second batch of contacts; a name that stands twice is drawn twice as often
PAIR_PARTNERS = """C CC CCC C=C C#C c1ccccc1 CC=C CC(C)C C1CC1 O CO CCO COC N CN CNC C=O CC=O
    CC(C)=O OC=O CC(=O)O COC=O NC=O CNC=O CC(N)=O CNC(C)=O C#N CC#N c1c[nH]cn1 c1ccncc1 c1cc[nH]c1
    Oc1ccccc1 Cc1ccccc1 NC(N)=O NCC(N)=O OCCO CS CSC O O O C C CC""".split()


# ------------------------------------------------------------------------------------ rdkit
def build(smiles, seed=3):
    """An rdkit molecule with hydrogens and one relaxed conformer; its Z [n] and X [n, 3]."""
    from rdkit import Chem
    from rdkit.Chem import AllChem
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    AllChem.EmbedMolecule(mol, randomSeed=seed)
    AllChem.MMFFOptimizeMolecule(mol)
    return mol, atomic_numbers(mol), np.array(mol.GetConformer().GetPositions())


def atomic_numbers(mol):
    return np.array([a.GetAtomicNum() for a in mol.GetAtoms()])


def force_field(mol, conformer):
    """MMFF, or UFF where MMFF lacks parameters."""
    from rdkit.Chem import AllChem
    properties = AllChem.MMFFGetMoleculeProperties(mol)
    field = None
    if properties is not None:
        field = AllChem.MMFFGetMoleculeForceField(mol, properties, confId=conformer,
                                                  ignoreInterfragInteractions=False)
    if field is None:
        field = AllChem.UFFGetMoleculeForceField(mol, confId=conformer,
                                                 ignoreInterfragInteractions=False)
    field.Initialize()
    return field


def mmff_md(field, Z, X, temperature, n_frames, every, rng, dt=1.0, friction=0.02):
    """Langevin dynamics (BAOAB) with an rdkit force field; yields X [n, 3] every so many steps.
    Ends early where forces become too large. dt in fs, friction in 1/fs."""
    m = np.array([MASS[int(z)] for z in Z])[:, None]
    sigma = np.sqrt(BOLTZMANN * temperature / m * ACCELERATION)
    v = sigma * rng.normal(size=X.shape)
    c1 = np.exp(-friction * dt)
    c2 = np.sqrt(1 - c1*c1)

    def forces(x):
        flat = x.ravel().tolist()
        field.CalcEnergy(flat)      # refreshes rdkit's distances; CalcGrad alone uses stale ones
        return -KCAL_IN_EV * np.array(field.CalcGrad(flat)).reshape(-1, 3)

    f = forces(X)
    for step in range(n_frames * every):
        v += 0.5 * dt * ACCELERATION * f / m
        X = X + 0.5 * dt * v
        v = c1*v + c2*sigma*rng.normal(size=X.shape)
        X = X + 0.5 * dt * v
        f = forces(X)
        if not np.isfinite(f).all() or abs(f).max() > LARGEST_MMFF_FORCE:
            return
        v += 0.5 * dt * ACCELERATION * f / m
        if (step + 1) % every == 0:
            yield X.copy()


# ------------------------------------------------------------------------------------ molecules
def grown_from(b, a, bonds):
    """Atoms on b's side of the bond a-b, sorted. bonds: (begin, end, in ring)."""
    side, todo = {b}, [b]
    while todo:
        k = todo.pop()
        for begin, end, _ in bonds:
            for this, other in ((begin, end), (end, begin)):
                if this == k and other not in side and not (k == b and other == a):
                    side.add(other)
                    todo.append(other)
    return sorted(side)


def add_stretched(frames, name, Z, minima, bonds, n, rng):
    """n frames with one bond at 0.72 to 1.7 of its length; ring bonds move one atom only."""
    sides = {}
    for _ in range(n if bonds else 0):
        a, b, ring = bonds[rng.integers(len(bonds))]
        X = minima[rng.integers(len(minima))].copy()
        u = X[b] - X[a]
        s = rng.uniform(0.72, 1.35) if rng.random() < 0.75 else rng.uniform(1.35, 1.7)
        if ring:
            X[b] += u * np.clip(s - 1, -0.15, 0.2)
        else:
            if (a, b) not in sides:
                sides[a, b] = grown_from(b, a, bonds)
            X[sides[a, b]] += u * (s - 1)
        frames.add(Z, X + 0.03*rng.normal(size=X.shape), "stretched", name)


def add_molecule(frames, name, smiles, amounts, seed, rng):
    """Conformers, MD, displaced and stretched frames of one molecule.
    Returns (Z, relaxed conformers) or None if rdkit finds no geometry."""
    from rdkit import Chem
    from rdkit.Chem import AllChem
    n_conformers, n_md, n_displaced, n_stretched = amounts
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    Z = atomic_numbers(mol)
    conformers = list(AllChem.EmbedMultipleConfs(mol, n_conformers, randomSeed=seed))
    bonds = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx(), b.IsInRing()) for b in mol.GetBonds()]
    minima = []
    for k, conformer in enumerate(conformers):
        try:
            field = force_field(mol, conformer)
        except Exception:                       # neither force field knows the molecule
            continue
        field.Minimize(maxIts=60 if rng.random() < 0.7 else 10)
        X = np.array(mol.GetConformer(conformer).GetPositions())
        minima.append(X)
        for x in mmff_md(field, Z, X, TEMPERATURES[k % 4], n_md, 30, rng):
            frames.add(Z, x, "mmff_md", name)
    if not minima:
        return None
    for _ in range(n_displaced):
        X = minima[rng.integers(len(minima))]
        width = 0.015 + 0.11*rng.random()**2
        frames.add(Z, X + width*rng.normal(size=(len(Z), 3)), "displaced", name)
    add_stretched(frames, name, Z, minima, bonds, n_stretched, rng)
    return Z, minima


# ------------------------------------------------------------------------------------ clusters
def add_contacts(frames, n, base, pool, rng):
    """n frames of two molecules in contact. base: partner -> (mol, Z, X); pool: name -> (Z, Xs)."""
    small = [name for name in pool if len(pool[name][0]) <= 12]
    for _ in range(n):
        if rng.random() < 0.6:
            name1 = PARTNERS[rng.integers(len(PARTNERS))]
            Z1, X1 = base[name1][1:]
        else:
            name1 = small[rng.integers(len(small))]
            Z1, X1 = pool[name1][0], pool[name1][1][0]
        name2 = "O" if rng.random() < 0.4 else PARTNERS[rng.integers(len(PARTNERS))]
        Z2, X2 = base[name2][1:]
        ratio = rng.uniform(0.48, 1.0) if rng.random() < 0.75 else rng.uniform(1.0, 1.5)
        X1 = X1 + rng.uniform(0, 0.06)*rng.normal(size=X1.shape)
        X2 = X2 + rng.uniform(0, 0.06)*rng.normal(size=X2.shape)
        placed = contact(Z1, X1, Z2, X2, ratio, rng)
        frames.add(np.concatenate([Z1, Z2]), np.concatenate([X1 - X1.mean(0), placed]), "contact",
                   "dimer:" + ".".join(sorted((name1, name2))))


def pack_cluster(base, core, n_water, rng):
    """One molecule (or none) and waters, packed by contacts: an rdkit molecule and Z [n]."""
    from rdkit import Chem
    water, water_Z, water_X = base["O"]
    mol, Z, X = base[core] if core else base["O"]
    X = X - X.mean(0)
    for _ in range(n_water - (0 if core else 1)):
        best = None
        for _ in range(6):          # the most compact of six tries
            placed = contact(Z, X, water_Z, water_X, rng.uniform(0.66, 0.78), rng)
            far = np.linalg.norm(placed.mean(0) - X.mean(0))
            if best is None or far < best[0]:
                best = far, placed
        Z, X = np.concatenate([Z, water_Z]), np.concatenate([X, best[1]])
        mol = Chem.CombineMols(mol, water)
    mol = Chem.Mol(mol)
    mol.RemoveAllConformers()
    conformer = Chem.Conformer(len(Z))
    for i, x in enumerate(X):
        conformer.SetAtomPosition(i, [float(c) for c in x])
    mol.AddConformer(conformer)
    Chem.SanitizeMol(mol)
    return mol, Z


def cluster_jobs():
    """(core or None, number of waters) of every cluster run."""
    water = [(None, n) for n in (1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 7, 8, 9, 10)] * 6
    return water + [(core, n) for core in PARTNERS[1:] for n in (1, 2, 3, 4)] * 2


def add_clusters(frames, base, part, n_parts, rng):
    """MMFF MD of water clusters and hydrates, some frames displaced further."""
    for k, (core, n_water) in enumerate(cluster_jobs()):
        if k % n_parts != part:
            continue
        name = f"water{n_water}" if core is None else f"hydrate{n_water}:{core}"
        mol, Z = pack_cluster(base, core, n_water, rng)
        try:
            field = force_field(mol, 0)
        except Exception:                       # neither force field knows the molecule
            continue
        field.Minimize(maxIts=(20, 60, 150)[k % 3])
        X = np.array(mol.GetConformer().GetPositions())
        for x in mmff_md(field, Z, X, (250, 350, 500)[k % 3], 6 if n_water > 1 else 12, 40, rng):
            frames.add(Z, x, "cluster_md", name)
            if rng.random() < 0.35:
                frames.add(Z, x + rng.uniform(0.03, 0.12)*rng.normal(size=x.shape), "displaced",
                           name)


# ------------------------------------------------------------------------------------ commands
def generate_part(job):
    """Every n_parts-th molecule and cluster. job: (part, n_parts, options)."""
    part, n_parts, options = job
    start = time.time()
    rng = np.random.default_rng(100 + part)
    frames, pool, table = Frames(), {}, molecules()
    for k, name in enumerate(sorted(table)):
        if k % n_parts != part:
            continue
        smiles, group = table[name]
        amounts = ALANINE_DIPEPTIDE_AMOUNTS if name == "ACE-ALA-NME" else AMOUNTS[group]
        entry = add_molecule(frames, name, smiles, amounts, 1 + k, rng)
        if entry:
            pool[name] = entry
    base = {smiles: build(smiles) for smiles in PARTNERS}
    add_contacts(frames, options.contacts // n_parts, base, pool, rng)
    add_clusters(frames, base, part, n_parts, rng)
    print(f"part {part}: {len(frames)} frames, {time.time() - start:.0f} s", flush=True)
    return frames


def generate(options):
    """Command gen: all molecules, in options.jobs processes."""
    with multiprocessing.get_context("fork").Pool(options.jobs) as pool:
        jobs = [(k, options.jobs, options) for k in range(options.jobs)]
        Frames.joined(pool.map(generate_part, jobs)).save(options.out)


def pairs(options):
    """Command pairs: two molecules at all contact distances, apolar ones included."""
    rng = np.random.default_rng(77)
    base = {smiles: build(smiles)[1:] for smiles in set(PAIR_PARTNERS)}
    frames = Frames()
    while len(frames) < options.contacts:
        a = PAIR_PARTNERS[rng.integers(len(PAIR_PARTNERS))]
        b = PAIR_PARTNERS[rng.integers(len(PAIR_PARTNERS))]
        (Z1, X1), (Z2, X2) = base[a], base[b]
        if len(Z1) + len(Z2) > 26:
            continue
        X1 = X1 - X1.mean(0) + rng.uniform(0, 0.05)*rng.normal(size=X1.shape)
        X2 = X2 + rng.uniform(0, 0.05)*rng.normal(size=X2.shape)
        ratio = rng.uniform(0.75, 1.25) if rng.random() < 0.65 else rng.uniform(0.5, 1.7)
        X = np.concatenate([X1, contact(Z1, X1, Z2, X2, ratio, rng)])
        frames.add(np.concatenate([Z1, Z2]), X, "contact", "dimer:" + ".".join(sorted((a, b))))
    frames.save(options.out)
