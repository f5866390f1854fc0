"""What the tests share: where the data is, and a reader of golden files."""
import os
import pathlib
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(os.environ.get("MLFF_TEST_DATA", ROOT/"tests"/"data"))
MODELS = pathlib.Path(os.environ.get("MLFF_MODELS", ROOT/"models"))
SHARED = pathlib.Path(os.environ.get("MLFF_SHARED", ROOT.parent/"shared"))
EXAMPLES = ROOT/"examples"

# eV in one unit of a golden file, as docs/model-file.md defines the units
EV = {"eV": 1.0, "kcal/mol": 4.184/96.48533212331002, "kJ/mol": 1/96.48533212331002,
      "Hartree": 27.211386024367243}

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no golden data at {SHARED}")


@dataclass
class Golden:
    """A golden file of PaiNN; energies in eV, lengths in angstrom."""
    path: pathlib.Path
    model: pathlib.Path
    symbols: list         # atomic numbers as they stand in the file
    coordinates: list     # [n][3] as they stand in the file
    cell: np.ndarray      # None: not periodic
    energy: float
    forces: np.ndarray

    def xyz(self, comment=""):
        """The frame as extended XYZ, with the coordinates character by character."""
        lattice = ""
        if self.cell is not None:
            lattice = 'Lattice="' + " ".join(repr(float(x)) for x in self.cell.ravel()) + '" '
        lines = [str(len(self.symbols)), lattice + comment]
        lines += [f"{z} {' '.join(x)}" for z, x in zip(self.symbols, self.coordinates)]
        return "\n".join(lines) + "\n"


def readGolden(path):
    keys = {}
    with open(path, encoding="utf-8") as file:
        assert file.readline().split() == ["mlff-golden", "1"]
        for line in file:
            key, *values = line.split()
            if key == "atoms":
                break
            keys[key] = values
        rows = [line.split() for line in file if line.strip()]
    assert len(rows) == int(keys["natoms"][0])
    assert keys["length_unit"] == ["angstrom"]
    unit = EV[keys["energy_unit"][0]]
    name = keys["model"][0] + ".safetensors"
    model = next(p for p in (DATA/"painn"/name, MODELS/name, SHARED/"models"/name) if p.exists())
    cell = None
    if keys["periodic"] == ["1"]:
        cell = np.array(keys["cell"], dtype=float).reshape(3, 3)
    return Golden(path, model, [r[0] for r in rows], [r[1:4] for r in rows], cell,
                  float(keys["energy"][0])*unit,
                  np.array([r[4:7] for r in rows], dtype=float)*unit)


def goldenFiles(folder):
    """The golden files of a folder that hold one frame."""
    return sorted(p for p in folder.glob("*.txt") if "dimer_scan" not in p.name)


@pytest.fixture
def command(tmp_path):
    """Run openmm-mlff in a new process, in a folder of its own: (status, stdout, stderr)."""
    def run(*arguments, **kwargs):
        done = subprocess.run([sys.executable, "-m", "openmmmlff", *map(str, arguments)],
                              capture_output=True, text=True, cwd=tmp_path, timeout=120, **kwargs)
        return done.returncode, done.stdout, done.stderr
    return run
