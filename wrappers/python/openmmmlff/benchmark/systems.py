"""What the benchmark evaluates: geometries, and the pairs within a cutoff.

molecules.xyz   caffeine, citalopram, procyclidine: the lowest of 20 conformers by MMFF94; Gasteiger
                charges (RDKit)
water.xyz       boxes of 34, 64, 67, 167 and 333 TIP3P molecules at the density of the liquid, each
                the end of 40 ps or more at 300 K
"""
import itertools
import json
import os
import re
from dataclasses import dataclass

import numpy as np

from openmmmlff.convert.elements import SYMBOLS

SIZES = (12, 45, 192, 999)
# --sweep: atoms by name -> what they are; the number of atoms is within 2 % of it
SWEEP = {12: "benzene", 24: "caffeine", 50: "procyclidine", 100: 34, 200: 67, 500: 167, 1000: 333,
         2000: (333, 1, 1, 2), 5000: (333, 1, 1, 5), 10000: (333, 1, 2, 5), 20000: (333, 2, 2, 5),
         50000: (333, 2, 5, 5), 100000: (333, 4, 5, 5)}
GEOMETRIES = os.path.join("reference", "speed_systems.json")   # in the data folder
NUMBERS = {symbol: z for z, symbol in enumerate(SYMBOLS)}
FOLDER = os.path.dirname(os.path.abspath(__file__))


@dataclass(frozen=True)
class System:
    """Atoms to evaluate; angstrom. cell is None for a molecule, else [3][3] of box vectors."""
    name: str
    numbers: np.ndarray
    positions: np.ndarray
    cell: np.ndarray | None
    # of a system that consists of copies of one, side by side along the box vectors
    unit: "System | None" = None
    copies: tuple = (1, 1, 1)

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
    return waterBox(size//3)


def sweepSystem(size):
    """The system of a size of SWEEP."""
    what = SWEEP[size]
    if what == "benzene":
        return _benzene()
    if isinstance(what, str):
        return molecule(what)[0]
    molecules, *copies = what if isinstance(what, tuple) else (what,)
    box = waterBox(molecules)
    return tile(box, copies) if copies else box


def molecule(name):
    """(System, charges [N] in e, bonds [(i, j)]) of a molecule of molecules.xyz."""
    for comment, rows in _frames("molecules.xyz"):
        if f"name={name} " in comment:
            bonds = re.search(r'bonds="([^"]*)"', comment)[1]
            x = np.array([row[1:5] for row in rows], dtype=float)
            numbers = np.array([NUMBERS[row[0]] for row in rows])
            return (System(name, numbers, x[:, :3], None), x[:, 3],
                    [tuple(map(int, bond.split("-"))) for bond in bonds.split()])
    raise KeyError(name)


def waterBox(n):
    """The box of n water molecules of water.xyz."""
    for comment, rows in _frames("water.xyz"):
        if len(rows) == 3*n:
            cell = re.search(r'Lattice="([^"]*)"', comment)[1].split()
            return System(f"{n} water molecules", np.array([NUMBERS[row[0]] for row in rows]),
                          np.array([row[1:4] for row in rows], dtype=float),
                          np.array(cell, dtype=float).reshape(3, 3))
    raise KeyError(n)


def _frames(file):
    """(comment, rows of words) of each frame."""
    with open(os.path.join(FOLDER, file), encoding="utf-8") as lines:
        for line in lines:
            comment = next(lines)
            yield comment, [next(lines).split() for _ in range(int(line))]


def tile(unit, copies):
    """Copies of a periodic system side by side along the box vectors."""
    places = np.array(list(itertools.product(*map(range, copies))))
    positions = unit.positions[None] + (places @ unit.cell)[:, None]
    return System(f"{unit.name} x {' x '.join(map(str, copies))}",
                  np.tile(unit.numbers, len(places)), positions.reshape(-1, 3),
                  unit.cell*np.array(copies)[:, None], unit, tuple(copies))


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


def request(system):
    """A system as a worker's request has it; systemOf() is the way back."""
    values = {"numbers": system.numbers.tolist(), "positions": system.positions.tolist(),
              "cell": None if system.cell is None else system.cell.tolist()}
    if system.unit is not None:
        values.update(copied=request(system.unit), copies=list(system.copies))
    return values


def systemOf(request):
    cell = None if request["cell"] is None else np.array(request["cell"])
    unit = systemOf(request["copied"]) if "copied" in request else None
    return System("", np.array(request["numbers"]), np.array(request["positions"]), cell, unit,
                  tuple(request.get("copies", (1, 1, 1))))


def countPairs(system, cutoff):
    """How many pairs findPairs() finds."""
    unit = system.unit or system
    return len(findPairs(unit, cutoff)[0])*(system.size//unit.size)


def findPairs(system, cutoff):
    """All directed pairs i <- j with |x_j + shift - x_i| < cutoff, images too, sorted by i.

    Returns i [E], j [E], shift [E][3] (angstrom).
    """
    if system.unit is not None:
        return _tilePairs(system, *findPairs(system.unit, cutoff))
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


def _tilePairs(system, i, j, shift):
    """The pairs of the unit in every copy: j is in the copy that its image lies in."""
    n, cell = system.unit.size, system.unit.cell
    steps = np.rint(shift @ np.linalg.inv(cell)).astype(int)
    found = []
    for k, place in enumerate(itertools.product(*map(range, system.copies))):
        there = place + steps
        turns = there//system.copies
        copy = np.ravel_multi_index((there - turns*system.copies).T, system.copies)
        found.append((k*n + i, copy*n + j, (turns*system.copies) @ cell))
    return tuple(np.concatenate(part) for part in zip(*found))
