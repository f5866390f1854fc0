"""The DFT-D3 reference table: read from the places where it is kept, cut to some elements.

  c6ref [n, n, 5, 5]  reference C6 of (i, j, reference a of i, reference b of j), 0: not used
  cnref [n, n, 5, 5]  coordination number of i in that reference; of j: cnref[j, i, b, a]
  rcov  [n]           covalent radius times 4/3, bohr
  r4r2  [n]           sqrt(<r4>/<r2>) with the conventional factor, bohr
"""
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import elements as element_names
from . import safetensors_file, torch_file
from .arrays import read_float
from .errors import fail

N_REFERENCES = 5


@dataclass(frozen=True)
class D3Table:
    """Rows of the reference table for the atomic numbers ``numbers``, ascending."""

    numbers: np.ndarray     # [n] int32
    c6ref: np.ndarray
    cnref: np.ndarray
    rcov: np.ndarray
    r4r2: np.ndarray
    origin: str

    def rows(self, wanted):
        """The table of the elements ``wanted`` alone."""
        wanted = np.array(sorted(wanted), np.int32)
        missing = sorted(set(wanted.tolist()) - set(self.numbers.tolist()))
        index = np.searchsorted(self.numbers, wanted) if not missing else None
        empty = missing or [z for z, i in zip(wanted.tolist(), index)
                            if self.rcov[i] <= 0 or not self.c6ref[i, i].any()]
        if empty:
            raise fail("has no D3 parameters for an element of the model", self.origin,
                       element_names.symbols(empty),
                       remedy="Give a complete table with --d3-table")
        square = np.ix_(index, index)
        return D3Table(wanted, self.c6ref[square].copy(), self.cnref[square].copy(),
                       self.rcov[index].copy(), self.r4r2[index].copy(), self.origin)

    def tensors(self, prefix="d3."):
        return {prefix + "numbers": self.numbers, prefix + "c6ref": self.c6ref,
                prefix + "cnref": self.cnref, prefix + "rcov": self.rcov,
                prefix + "r4r2": self.r4r2}


def from_tensors(tensors, prefix, where):
    """Return the table among ``tensors``, or None where there is none.

    Known forms: c6ref and cnref apart; c6ab [n, n, 5, 5, 3] holding C6, CN of i, CN of j; c6ab
    [n, n, 5, 5] with cn_ref. Without ``numbers``, row = atomic number.
    """
    local = {name[len(prefix):]: ref for name, ref in tensors.items() if name.startswith(prefix)}
    c6_name = "c6ref" if "c6ref" in local else "c6ab"
    if c6_name not in local:
        return None
    n = local[c6_name].shape[0] if local[c6_name].shape else 0
    pair = (n, n, N_REFERENCES, N_REFERENCES)
    if c6_name == "c6ab" and len(local["c6ab"].shape) == 5:
        packed = read_float(local, "c6ab", where, (*pair, 3))
        c6ref, cnref = packed[..., 0].copy(), packed[..., 1].copy()
        if not np.array_equal(packed[..., 2], cnref.transpose(1, 0, 3, 2)):
            raise fail("the D3 table contradicts itself: its coordination numbers of i and j are "
                       "not each other's transpose", where)
    else:
        c6ref = read_float(local, c6_name, where, pair)
        cnref = read_float(local, "cnref" if "cnref" in local else "cn_ref", where, pair)
    if not np.array_equal(c6ref, c6ref.transpose(1, 0, 3, 2)):
        raise fail("the D3 table is not symmetric: C6 of (i, j) differs from C6 of (j, i)", where)
    if "numbers" in local:
        numbers = np.asarray(local["numbers"].read(), np.int32)
        if numbers.shape != (n,) or (np.diff(numbers) <= 0).any():
            raise fail("the D3 table's atomic numbers are not ascending", where, numbers)
    else:
        numbers = np.arange(n, dtype=np.int32)
    return D3Table(numbers, c6ref, cnref, read_float(local, "rcov", where, (n,)),
                   read_float(local, "r4r2", where, (n,)), str(where))


def read(path):
    """Read a table from safetensors (a table or a converted model) or from a PyTorch file."""
    path = Path(path)
    table = None
    try:
        if torch_file.looks_like_zip(path):
            with torch_file.TorchArchive(path) as archive:
                root = archive.load()
                if torch_file.is_module(root):
                    tensors, _ = torch_file.flatten(root, path)
                else:
                    tensors = root if torch_file.is_state_dict(root) else {}
                table = _first_table(tensors, path)
        elif safetensors_file.looks_like_safetensors(path):
            tensors, _ = safetensors_file.read(path)
            table = _first_table(tensors, path)
    except OSError as error:
        raise fail(f"cannot be read ({error.strerror or error})", path) from error
    if table is None:
        raise fail("holds no D3 reference table", path,
                   expected="tensors c6ref, cnref, rcov and r4r2 (safetensors), or c6ab, rcov and "
                            "r4r2 (PyTorch)")
    return table


def find(path, options):
    """(table, its origin) for the model file at path: the given one, else the cached one."""
    if options.d3_table is not None:
        return read(options.d3_table), f"from {options.d3_table.name}"
    if options.cached_d3_table is not None and options.cached_d3_table.is_file():
        return read(options.cached_d3_table), f"from {options.cached_d3_table.name}"
    raise fail("the model needs D3 dispersion, and its file does not hold the reference table",
               path, remedy="Give a file that does with --d3-table (aimnet's dftd3_data.pt, a .jpt "
                            "of the first release, or a converted model), or run "
                            "'openmm-mlff get aimnet2' once, which leaves the table in the cache")


def citation(origin):
    """What metadata says about a table."""
    return f"S. Grimme et al., J. Chem. Phys. 132, 154104 (2010); {origin}"


def _first_table(tensors, path):
    for name in sorted(tensors):
        head, _, last = name.rpartition(".")
        if last in ("c6ref", "c6ab"):
            return from_tensors(tensors, head + "." if head else "", path)
    return None
