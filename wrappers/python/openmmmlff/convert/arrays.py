"""Named arrays of a source file: known by shape and dtype, read only when used."""
from dataclasses import dataclass
from typing import Callable

import numpy as np

from .errors import fail


@dataclass(frozen=True)
class ArrayRef:
    """One tensor of a file; ``read`` returns it as a numpy array (bfloat16 as float32)."""

    shape: tuple
    dtype: str                # 'float32', 'bfloat16', 'int64', ...
    load: Callable
    identity: object = None   # equal for tensors that share their memory in the source

    def read(self):
        return self.load()


def bfloat16_to_float32(words):
    """Widen bfloat16 given as uint16 words; exact."""
    return (words.astype(np.uint32) << 16).view(np.float32)


def read_float(tensors, name, where, shape=None, dtype=np.float32, allow_nan=False):
    """Tensor ``name`` as a contiguous array of ``dtype``, its shape and values checked.

    ``shape`` may hold None for a size that is free. Values are unchanged where ``dtype`` can hold
    them; float64 sources are rounded to nearest.
    """
    if name not in tensors:
        raise fail(f"tensor '{name}' is missing", where,
                   remedy="The file is of another model, or incomplete")
    ref = tensors[name]
    if shape is not None and (len(shape) != len(ref.shape) or any(
            want is not None and want != have for want, have in zip(shape, ref.shape))):
        text = "[" + ", ".join("any" if n is None else str(n) for n in shape) + "]"
        raise fail(f"tensor '{name}' has the wrong shape", where, list(ref.shape), text)
    if not ref.dtype.startswith(("float", "bfloat")):
        raise fail(f"tensor '{name}' has the wrong type", where, ref.dtype, "floating point")
    values = np.array(ref.read(), dtype=dtype, order="C").reshape(ref.shape)
    if not allow_nan and not np.isfinite(values).all():
        bad = int(np.size(values) - np.isfinite(values).sum())
        raise fail(f"tensor '{name}' has {bad} values that are not finite", where,
                   remedy="The training diverged, or the file is damaged")
    return values


def shortest(value):
    """The shortest decimal that rounds to this float32, as a double: 4.6 rather than 4.59999990."""
    return float(str(np.float32(value)))
