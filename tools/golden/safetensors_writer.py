"""Write safetensors files byte for byte reproducibly (the usual writer shuffles the metadata).

    8 bytes     length H of the header, unsigned, little-endian
    H bytes     JSON: {"__metadata__": {str: str}, name: {"dtype", "shape", "data_offsets"}, ...}
    the rest    tensors, little-endian, row-major, at [begin, end) after the header, without gaps
"""
import json

import numpy as np

DTYPES = {np.dtype("<f4"): "F32", np.dtype("<f8"): "F64", np.dtype("<i4"): "I32"}


def write_safetensors(path, tensors, metadata=None, aligned=True):
    """tensors: name -> float32, float64 or int32 array. aligned: float64 first and the header padded with
    spaces, so that every tensor starts at a multiple of its item size; False leaves the order of
    the dict and pads nothing, which readers must accept too."""
    names = sorted(tensors, key=lambda n: (-tensors[n].itemsize, n)) if aligned else list(tensors)
    header, offset = {"__metadata__": metadata} if metadata else {}, 0
    for name in names:
        tensor = tensors[name]
        end = offset + tensor.nbytes
        header[name] = dict(dtype=DTYPES[tensor.dtype], shape=list(tensor.shape),
                            data_offsets=[offset, end])
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode("utf-8")
    if aligned:
        text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in names:
            file.write(np.ascontiguousarray(tensors[name]).tobytes())
