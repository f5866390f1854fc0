"""Read the weights (initializers) of an ONNX file; its graph is not looked at.

ONNX is protobuf: a message is a row of (tag, value), tag = field number * 8 + wire type. Only the
fields needed here are known: ModelProto.graph 7; GraphProto.initializer 5; TensorProto: dims 1,
data_type 2, float_data 4, int64_data 7, name 8, raw_data 9, double_data 10, data_location 14.
"""
import struct
from pathlib import Path

import numpy as np

from .arrays import ArrayRef, bfloat16_to_float32
from .budget import count_elements
from .errors import ConversionError, brief, fail

MAX_FILE = 2 << 30   # bytes; protobuf's own limit

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# TensorProto.DataType -> (numpy type of raw_data, our name)
_TYPES = {1: ("<f4", "float32"), 2: ("u1", "uint8"), 3: ("i1", "int8"), 5: ("<i2", "int16"),
          6: ("<i4", "int32"), 7: ("<i8", "int64"), 9: ("?", "bool"), 10: ("<f2", "float16"),
          11: ("<f8", "float64"), 16: ("<u2", "bfloat16")}


def looks_like_onnx(path):
    """True when the file begins with ModelProto.ir_version (field 1), a small number."""
    with open(path, "rb") as stream:
        head = stream.read(3)
    return len(head) == 3 and head[0] == 0x08 and 1 <= head[1] < 0x40 and head[2] & 7 <= 2


def _varint(data, position):
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def _fields(data):
    """Yield (field number, wire type, value) of one message; bytes as memoryview."""
    position, end = 0, len(data)
    while position < end:
        tag, position = _varint(data, position)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, position = _varint(data, position)
        elif wire in (_FIXED64, _FIXED32):
            n = 8 if wire == _FIXED64 else 4
            value, position = data[position:position + n], position + n
        elif wire == _BYTES:
            n, position = _varint(data, position)
            value, position = data[position:position + n], position + n
        else:
            raise ValueError(f"wire type {wire}")
        if position > end:
            raise ValueError("a field reaches beyond its message")
        yield number, wire, value


def _repeated_varint(wire, value):
    """Values of a repeated integer field, packed or not."""
    if wire == _VARINT:
        return [value]
    values, position = [], 0
    while position < len(value):
        one, position = _varint(value, position)
        values.append(one)
    return values


def _tensor(message, path):
    dims, kind, name, raw, typed, external = [], 0, "", None, {}, False
    for number, wire, value in _fields(message):
        if number == 1:
            dims += _repeated_varint(wire, value)
        elif number == 2 and wire == _VARINT:
            kind = value
        elif number in (4, 10) and wire in (_BYTES, _FIXED32, _FIXED64):
            typed.setdefault(number, bytearray()).extend(value)
        elif number == 7:
            typed.setdefault(number, []).extend(_repeated_varint(wire, value))
        elif number == 8 and wire == _BYTES:
            name = bytes(value).decode("utf-8")
        elif number == 9 and wire == _BYTES:
            raw = value
        elif number == 14 and wire == _VARINT:
            external = value == 1
    if external:
        raise fail(f"the weights '{name}' lie outside the ONNX file", path,
                   remedy="Save the model with its weights inside")
    n_elements = count_elements(dims, f"tensor '{brief(name)}'", path)
    code, dtype = _TYPES.get(kind, (None, f"ONNX type {kind}"))

    def load():
        if code is None:
            raise fail(f"tensor '{name}' cannot be read", path, dtype)
        if raw is not None:
            data, item = raw, code
        elif kind == 1 and 4 in typed:
            data, item = bytes(typed[4]), "<f4"
        elif kind == 11 and 10 in typed:
            data, item = bytes(typed[10]), "<f8"
        elif kind == 7 and 7 in typed:
            data, item = struct.pack(f"<{len(typed[7])}Q", *typed[7]), "<i8"
        else:
            data, item = b"", code
        if len(data) != n_elements * np.dtype(item).itemsize:
            raise fail(f"tensor '{name}' is incomplete", path, f"{len(data)} bytes",
                       f"{n_elements * np.dtype(item).itemsize}", "Fetch the file again")
        values = np.frombuffer(data, item)
        values = bfloat16_to_float32(values) if dtype == "bfloat16" else values
        return values.reshape(dims)

    return name, ArrayRef(tuple(dims), dtype, load)


def read(path):
    """Return {name: ArrayRef} of the initializers."""
    path = Path(path)
    if path.stat().st_size > MAX_FILE:
        raise fail("is too large for an ONNX file", path, f"{path.stat().st_size} bytes",
                   f"at most {MAX_FILE}")
    tensors = {}
    try:
        for number, wire, graph in _fields(memoryview(path.read_bytes())):
            if number != 7 or wire != _BYTES:
                continue
            for inner, inner_wire, message in _fields(graph):
                if inner == 5 and inner_wire == _BYTES:
                    name, ref = _tensor(message, path)
                    if name in tensors:
                        raise fail(f"tensor '{name}' occurs twice", path)
                    tensors[name] = ref
    except ConversionError:
        raise
    except (IndexError, ValueError, TypeError, OverflowError) as error:
        raise fail(f"the ONNX file is damaged ({error})", path,
                   remedy="Fetch the file again") from error
    return tensors
