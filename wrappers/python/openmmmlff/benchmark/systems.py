"""What the benchmark evaluates: geometries, and the pairs within a cutoff."""
import itertools
import json
import os
from dataclasses import dataclass

import numpy as np

SIZES = (12, 45, 192, 999)
GEOMETRIES = os.path.join("reference", "speed_systems.json")   # in the data folder
SEED = 20261121
WATER = np.array([[0, 0, 0], [0.9572, 0, 0], [-0.2399872, 0.9266272, 0]])  # O H H, angstrom
MOLAR_VOLUME = 12.415104728729917**3/64   # angstrom^3 per water molecule


@dataclass(frozen=True)
class System:
    """Atoms to evaluate; angstrom. cell is None for a molecule, else [3][3] of box vectors."""
    name: str
    numbers: np.ndarray
    positions: np.ndarray
    cell: np.ndarray | None

    @property
    def size(self):
        return len(self.numbers)


def systemsOfSize(size, data=None):
    """The systems of a size, the preferred one first.

    That of the data folder, where there is one; then the built-in one of H, C and O alone.
    """
    systems = [_builtIn(size)]
    path = data and os.path.join(data, GEOMETRIES)
    if path and os.path.isfile(path):
        with open(path, encoding="utf-8") as file:
            entry = json.load(file).get(str(size))
        if entry:
            cell = None if entry["cell"] is None else np.array(entry["cell"], dtype=float)
            systems.insert(0, System(f"{os.path.basename(path)} {size}", np.array(entry["numbers"]),
                                     np.array(entry["coord"], dtype=float), cell))
    return systems


def _builtIn(size):
    if size == 12:
        return _benzene()
    if size == 45:
        return _tetradecanol()
    return _waterBox(size//3)


def _benzene():
    angle = np.arange(6)*np.pi/3
    ring = np.stack([np.sin(angle), np.cos(angle), np.zeros(6)], axis=1)
    return System("benzene", np.array([6]*6 + [1]*6), np.vstack([1.395248*ring, 2.4817*ring]), None)


def _tetradecanol():
    """C14H29OH, the chain a plane zigzag with tetrahedral angles."""
    across, along = 1.53*np.sqrt(1/3), 1.53*np.sqrt(2/3)
    numbers = [6]*14 + [8]
    chain = np.array([[k*along, across*(k % 2), 0] for k in range(15)])
    hydrogens = []
    for k in range(14):
        side = 0.629*(1 if k % 2 else -1)
        hydrogens += [chain[k] + [0, side, 0.89], chain[k] + [0, side, -0.89]]
    hydrogens.append(chain[0] + [-0.89, 0.629, 0])      # of the methyl group
    hydrogens.append(chain[14] + [0.78, 0.55, 0])       # of the hydroxyl group
    numbers += [1]*len(hydrogens)
    return System("tetradecanol", np.array(numbers), np.vstack([chain, hydrogens]), None)


def _waterBox(n):
    """n molecules on a cubic grid with vacancies, turned at random; the density of the liquid."""
    random = np.random.default_rng(SEED)
    edge = (n*MOLAR_VOLUME)**(1/3)
    side = int(np.ceil(n**(1/3) - 1e-9))
    sites = np.array(list(itertools.product(range(side), repeat=3)))
    sites = sites[np.sort(random.permutation(len(sites))[:n])]
    centers = (sites + 0.5)*(edge/side)
    turns = np.linalg.qr(random.normal(size=(n, 3, 3)))[0]
    turns[:, 0] *= np.linalg.det(turns)[:, None]
    positions = (centers[:, None] + WATER @ turns).reshape(-1, 3)
    return System(f"{n} water molecules", np.array([8, 1, 1]*n), positions, np.eye(3)*edge)


def findPairs(system, cutoff):
    """All directed pairs i <- j with |x_j + shift - x_i| < cutoff, images too, sorted by i.

    Returns i [E], j [E], shift [E][3] (angstrom).
    """
    x, cell = system.positions, system.cell
    images, wrap = [np.zeros(3)], np.zeros_like(x)
    if cell is not None:
        inverse = np.linalg.inv(cell)
        wrap = np.floor(x @ inverse) @ cell
        reach = np.ceil(cutoff*np.linalg.norm(inverse, axis=0)).astype(int)
        images = [np.array(n) @ cell for n in itertools.product(*(range(-m, m + 1) for m in reach))]
    x = x - wrap
    found = []
    for image in images:
        square = ((x[None] + image - x[:, None])**2).sum(axis=2)
        if not image.any():
            np.fill_diagonal(square, np.inf)
        i, j = np.nonzero(square < cutoff*cutoff)
        found.append((i, j, image + wrap[i] - wrap[j]))
    i, j, shift = (np.concatenate(part) for part in zip(*found))
    order = np.lexsort((j, i))
    return i[order], j[order], shift[order]
