"""What a model was not trained for, as far as its file says what it was trained on."""
import numpy as np

from openmmmlff.mlffforce import MLFFForce

# Times the sum of covalent radii: atoms that are closer belong to one molecule. Bonds of training
# data are stretched up to 1.7 times (tools/train), and a stretched bond is still one.
STRETCHED = 1.7


def outOfScope(info, numbers, positions, periodic):
    """Sentences about a system that a model was not trained for.

    info       what MLFFForce._modelInfo() returns
    numbers    [n] atomic numbers
    positions  [n][3] angstrom
    periodic   whether the system is

    Where the model's file does not say what it was trained on there is nothing to tell.
    """
    found = []
    fewest, most = info["trained_atoms"]
    if most:
        trained = f"and the model was trained on systems of {fewest} to {most} atoms"
        if periodic:
            found.append(f"the frame is periodic, {trained} in vacuum")
        else:
            if len(numbers) > most:
                found.append(f"the frame has {len(numbers)} atoms, {trained}")
            small = _smallMolecules(numbers, positions, fewest)
            if small:
                found.append(_describe(small, numbers, fewest))
    closedShell = info["charge"] == "0" and info["multiplicity"] == "1"
    if closedShell and not info["has_charges"] and sum(numbers) % 2:
        found.append(f"the number of electrons of the neutral atoms is odd ({sum(numbers)}), and "
                     "the model was trained on neutral systems of closed shells: not for ions and "
                     "radicals")
    return found


def _describe(molecules, numbers, fewest):
    from openmmmlff.convert.elements import SYMBOLS
    atoms = molecules[0]
    names = " and ".join(f"{SYMBOLS[numbers[i]]} {i}" for i in atoms)
    what = "a single atom" if len(atoms) == 1 else f"a molecule of {len(atoms)} atoms"
    more = f" (and {len(molecules) - 1} more like it)" if len(molecules) > 1 else ""
    return (f"{names}, counted from 0, is {what}{more}, and the model was trained on molecules of "
            f"{fewest} and more atoms")


def _smallMolecules(numbers, positions, fewest):
    """Lists of the atoms of each molecule that has fewer atoms than that."""
    radii = np.array([MLFFForce._covalentRadius(int(z)) for z in numbers])
    left = np.ones(len(numbers), dtype=bool)
    found = []
    for start in range(len(numbers)):
        if not left[start]:
            continue
        left[start] = False
        molecule = [start]
        for i in molecule:      # grows while it is walked through
            distances = np.linalg.norm(positions - positions[i], axis=1)
            bonded = np.flatnonzero(left & (distances < STRETCHED*(radii + radii[i])))
            left[bonded] = False
            molecule += bonded.tolist()
        if len(molecule) < fewest:
            found.append(sorted(molecule))
    return found
