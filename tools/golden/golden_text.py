"""The text format of expected values, `mlff-golden 1`: one "key values" line each, then atoms."""
import itertools

import numpy as np


def row(values):
    """Shortest decimals that read back as the same float64."""
    return " ".join(repr(float(x)) for x in np.ravel(values))


def write_golden(path, model, system, config, numbers, positions, cell, result):
    """Write one system with its expected values. positions [N, 3] angstrom must be representable
    with 8 decimals; cell [3, 3] or None; result as painn_numpy.compute() returns it."""
    if not np.array_equal(np.round(positions, 8), positions):
        raise ValueError(f"{path}: positions have more than 8 decimals")
    lines = [
        "mlff-golden 1", f"model {model}", f"system {system}",
        f"energy_unit {config['energy_unit']}", f"length_unit {config['length_unit']}",
        f"natoms {len(numbers)}", f"nedges {result['n_edges']}",
        f"periodic {int(cell is not None)}",
        f"cell {row(np.zeros((3, 3)) if cell is None else cell)}",
        f"energy {row(result['energy'])}", f"virial {row(result['virial'])}",
        "atoms Z x y z fx fy fz e"]
    for Z, x, f, e in zip(numbers, positions, result["forces"], result["energies"]):
        lines.append(f"{Z} " + " ".join(f"{c:.8f}" for c in x) + f" {row(f)} {row(e)}")
    with open(path, "w", encoding="ascii", newline="\n") as file:
        file.write("\n".join(lines) + "\n")


def read_golden(path):
    """Read write_golden()'s file: a dict with model, system, cell (or None), numbers, positions,
    energy, virial, forces, energies, n_edges."""
    with open(path, encoding="ascii") as file:
        lines = file.read().splitlines()
    if lines[0] != "mlff-golden 1":
        raise ValueError(f"{path}: expected 'mlff-golden 1', found {lines[0]!r}")
    n_keys = next(k for k, line in enumerate(lines) if line.startswith("atoms "))
    keys = dict(line.split(" ", 1) for line in lines[1:n_keys])
    atoms = np.array([line.split() for line in lines[n_keys + 1:]], float)
    if len(atoms) != int(keys["natoms"]):
        raise ValueError(f"{path}: {len(atoms)} atoms, expected {keys['natoms']}")

    def matrix(name):
        return np.array(keys[name].split(), float).reshape(3, 3)

    return dict(model=keys["model"], system=keys["system"], energy_unit=keys["energy_unit"],
                cell=matrix("cell") if keys["periodic"] == "1" else None,
                numbers=atoms[:, 0].astype(int), positions=atoms[:, 1:4],
                energy=float(keys["energy"]), virial=matrix("virial"), forces=atoms[:, 4:7],
                energies=atoms[:, 7], n_edges=int(keys["nedges"]))


def read_scan(path):
    """Read a file of diatomic scans. Returns (model, rows [n, 5]: Za Zb d E F)."""
    with open(path, encoding="ascii") as file:
        lines = file.read().splitlines()
    if lines[0] != "mlff-dimer-scan 1":
        raise ValueError(f"{path}: expected 'mlff-dimer-scan 1', found {lines[0]!r}")
    head = list(itertools.takewhile(lambda line: line[0].isalpha(), lines))
    return dict(h.split(" ", 1) for h in head)["model"], np.array(
        [line.split() for line in lines[len(head):]], float)
