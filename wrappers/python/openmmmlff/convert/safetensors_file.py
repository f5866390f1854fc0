"""Read and write safetensors files, strictly, with numpy alone.

A file is an 8-byte little-endian header length, a JSON header (name -> dtype, shape,
data_offsets; ``__metadata__`` holds text), then the tensors' bytes without gaps.
"""
import json
import os
import secrets
import struct
from pathlib import Path

import numpy as np

from .arrays import ArrayRef, bfloat16_to_float32
from .budget import count_elements
from .errors import brief, fail

MAX_HEADER = 16 << 20   # bytes

# name in the file -> (numpy type of the stored bytes, our name)
_READ = {
    "BOOL": ("?", "bool"), "U8": ("<u1", "uint8"), "I8": ("<i1", "int8"),
    "I16": ("<i2", "int16"), "U16": ("<u2", "uint16"), "I32": ("<i4", "int32"),
    "U32": ("<u4", "uint32"), "I64": ("<i8", "int64"), "U64": ("<u8", "uint64"),
    "F16": ("<f2", "float16"), "BF16": ("<u2", "bfloat16"),
    "F32": ("<f4", "float32"), "F64": ("<f8", "float64"),
}
_WRITE = {np.dtype(code): name for name, (code, _) in _READ.items() if name != "BF16"}


def _unique(pairs):
    """json hook: a repeated key would hide a tensor."""
    result = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"the name '{key}' occurs twice")
        result[key] = value
    return result


def _is_size(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def looks_like_safetensors(path):
    """True when the first bytes are those of a safetensors file."""
    with open(path, "rb") as stream:
        head = stream.read(9)
    return len(head) == 9 and head[8:9] == b"{" and struct.unpack("<Q", head[:8])[0] <= MAX_HEADER


def read_header(path):
    """Return (entries, metadata, start of the data, bytes of data) of a checked file."""
    path = Path(path)
    size = path.stat().st_size
    with open(path, "rb") as stream:
        head = stream.read(8)
        if len(head) < 8:
            raise fail("is too short for a safetensors file", path, f"{size} bytes", "8 or more")
        n_header = struct.unpack("<Q", head)[0]
        if n_header > MAX_HEADER or 8 + n_header > size:
            raise fail("the safetensors header does not fit into the file", path,
                       f"{n_header} bytes of header in {size} bytes",
                       remedy="The file is truncated or no safetensors file")
        text = stream.read(n_header)
    try:
        entries = json.loads(text.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise fail(f"the safetensors header cannot be read ({error})", path) from error
    if not isinstance(entries, dict):
        raise fail("the safetensors header is not a JSON object", path)
    metadata = entries.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise fail("__metadata__ is not an object of texts", path)

    n_data = size - 8 - n_header
    position = 0
    for name, entry in sorted(entries.items(), key=lambda item: _begin(item[1])):
        position = _check_entry(path, name, entry, position)
    if position != n_data:
        raise fail("the tensors do not fill the file", path, f"{n_data} bytes of data",
                   f"{position}", "The file is truncated or has something appended")
    return entries, metadata, 8 + n_header


def _begin(entry):
    try:
        begin, end = entry["data_offsets"]
        return (begin, end) if _is_size(begin) and _is_size(end) else (-1, -1)
    except (TypeError, KeyError, ValueError):
        return (-1, -1)


def _check_entry(path, name, entry, position):
    """Check one header entry that must begin at ``position``; return where it ends."""
    begin, end = _begin(entry)
    if begin < 0 or not isinstance(entry.get("shape"), list):
        raise fail(f"the header entry of tensor '{name}' is malformed", path, entry)
    if not isinstance(entry.get("dtype"), str) or entry["dtype"] not in _READ:
        raise fail(f"tensor '{name}' has an unknown type", path, entry.get("dtype"),
                   "one of " + " ".join(_READ))
    if not all(_is_size(n) for n in entry["shape"]):
        raise fail(f"tensor '{name}' has an impossible shape", path, entry["shape"])
    n_elements = count_elements(entry["shape"], f"tensor '{brief(name)}'", path)
    n_bytes = n_elements * np.dtype(_READ[entry["dtype"]][0]).itemsize
    if begin != position or end - begin != n_bytes:
        raise fail(f"tensor '{name}' does not lie where it should", path,
                   f"bytes {begin} to {end}", f"{position} to {position + n_bytes}")
    return end


def read(path):
    """Return ({name: ArrayRef}, metadata) of a checked safetensors file."""
    path = Path(path)
    entries, metadata, start = read_header(path)

    def loader(entry):
        code, kind = _READ[entry["dtype"]]
        begin, end = entry["data_offsets"]

        def load():
            with open(path, "rb") as stream:
                stream.seek(start + begin)
                data = stream.read(end - begin)
            if len(data) != end - begin:
                raise fail("changed while it was read", path)
            values = np.frombuffer(data, dtype=code)
            if kind == "bfloat16":
                values = bfloat16_to_float32(values)
            return values.reshape(entry["shape"])
        return load

    tensors = {name: ArrayRef(tuple(entry["shape"]), _READ[entry["dtype"]][1], loader(entry))
               for name, entry in entries.items()}
    return tensors, metadata


def read_arrays(path):
    """Return ({name: array}, metadata)."""
    tensors, metadata = read(path)
    return {name: ref.read() for name, ref in tensors.items()}, metadata


def encode(tensors, metadata):
    """The header bytes and the arrays in file order: widest type first, then by name."""
    arrays = {}
    for name, value in tensors.items():
        array = np.asarray(value)
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)
        if array.dtype not in _WRITE:
            raise fail(f"tensor '{name}' has a type that safetensors lacks", found=array.dtype)
        arrays[name] = array
    order = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    for key, value in metadata.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise fail(f"metadata '{key}' is not text", found=type(value).__name__)
    header = {"__metadata__": dict(metadata)} if metadata else {}
    position = 0
    for name in order:
        array = arrays[name]
        header[name] = {"dtype": _WRITE[array.dtype], "shape": list(array.shape),
                        "data_offsets": [position, position + array.nbytes]}
        position += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)        # the data start at a multiple of 8 bytes
    return struct.pack("<Q", len(text)) + text, [arrays[name] for name in order]


def write(path, tensors, metadata):
    """Write ``path`` atomically: into a temporary file beside it, then renamed."""
    path = Path(path)
    header, arrays = encode(tensors, metadata)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    try:
        with open(temporary, "xb") as stream:
            stream.write(header)
            for array in arrays:
                stream.write(array.tobytes())
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise fail(f"cannot be written ({error.strerror or error})", path,
                   remedy="Check that the folder exists, is writable and has room") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path
