"""Read tensors and plain values from files that PyTorch wrote, without PyTorch.

Such a file is a zip archive: ``data.pkl`` (a pickle) names the tensors, ``data/<key>`` holds their
bytes. A pickle is a program that may call anything, so it is not run by ``pickle``: a small machine
of our own walks through its opcodes. It knows the few functions that rebuild tensors and
containers; every other class or function becomes an inert ``Record`` that only remembers its name
and arguments. Nothing is imported and nothing is called.

TorchScript archives (.jpt) have the same parts and a folder ``code``, which is never read.
"""
import pickletools
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .arrays import ArrayRef, bfloat16_to_float32
from .budget import (MAX_DIMENSIONS, MAX_INTEGER_BITS, Budget, check_key, check_tree,
                     count_elements)
from .errors import ConversionError, brief, fail, listed

MAX_PICKLE = 64 << 20         # bytes
MAX_OPCODES = 300_000
MAX_STORAGE = 2 << 30         # bytes of one tensor storage
MAX_ENTRIES = 100_000         # files in the archive
MAX_NODES = 200_000           # visited while a module tree is flattened
MAX_DEPTH = 100               # modules within modules

# storage class -> (numpy type of the stored bytes, our name)
_STORAGES = {
    "FloatStorage": ("f4", "float32"), "DoubleStorage": ("f8", "float64"),
    "HalfStorage": ("f2", "float16"), "BFloat16Storage": ("u2", "bfloat16"),
    "LongStorage": ("i8", "int64"), "IntStorage": ("i4", "int32"),
    "ShortStorage": ("i2", "int16"), "CharStorage": ("i1", "int8"),
    "ByteStorage": ("u1", "uint8"), "BoolStorage": ("?", "bool"),
}
_DTYPES = {
    "float32": "f4", "float": "f4", "float64": "f8", "double": "f8", "float16": "f2", "half": "f2",
    "bfloat16": "u2", "int64": "i8", "long": "i8", "int32": "i4", "int": "i4", "int16": "i2",
    "short": "i2", "int8": "i1", "uint8": "u1", "bool": "?",
}
_DTYPE_NAMES = {"float": "float32", "double": "float64", "half": "float16", "long": "int64",
                "int": "int32", "short": "int16"}


# ------------------------------------------------------------------ inert values
@dataclass(frozen=True)
class Global:
    """A class or function that the pickle names: its name, never the thing."""

    module: str
    name: str

    @property
    def path(self):
        return f"{self.module}.{self.name}"

    def __repr__(self):
        return f"<{self.path}>"


@dataclass(eq=False)
class Record:
    """An object of a class that is not known here: what the pickle says of it."""

    cls: object                                     # Global, or what else stood in its place
    args: tuple = ()
    attributes: dict = field(default_factory=dict)
    items: dict = field(default_factory=dict)       # of a dict-like object
    entries: list = field(default_factory=list)     # of a list-like object

    @property
    def class_path(self):
        return self.cls.path if isinstance(self.cls, Global) else "?"

    @property
    def class_name(self):
        return self.cls.name if isinstance(self.cls, Global) else "?"

    def __repr__(self):
        return f"<object of {self.class_path}>"


@dataclass(frozen=True)
class Storage:
    """Bytes of one or more tensors: folder entry ``key``, ``n`` elements."""

    kind: str       # storage class
    key: str
    n: int


# ------------------------------------------------------------------ the pickle machine
class _Machine:
    """Runs the opcodes of one pickle on a stack of inert values.

    ``tensor`` makes a tensor from (storage, offset, shape, strides, dtype name or None).
    """

    def __init__(self, where, tensor, budget):
        self.where = where
        self.tensor = tensor
        self.budget = budget
        self.stack = []
        self.marks = []
        self.memo = {}

    def run(self, data):
        position = 0
        try:
            for count, (opcode, argument, position) in enumerate(pickletools.genops(data)):
                if count > MAX_OPCODES:
                    raise fail("the pickle is too long", self.where, f"over {MAX_OPCODES} steps")
                if opcode.name == "STOP":
                    root = self.stack.pop()
                    check_tree(root, self.where, _children)
                    return root
                if opcode.name in _LITERALS:
                    if isinstance(argument, int) and argument.bit_length() > MAX_INTEGER_BITS:
                        raise ValueError(f"an integer of {argument.bit_length()} bits")
                    self.stack.append(argument)
                    continue
                step = getattr(self, "op_" + opcode.name, None)
                if step is None:
                    raise fail(f"the pickle uses '{opcode.name}', which no model file needs",
                               self.where, remedy="The file is not read")
                step(argument)
        except ConversionError:
            raise
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError,
                MemoryError, RecursionError) as error:
            raise fail(f"the pickle is damaged near byte {position} "
                       f"({type(error).__name__}: {brief(str(error))})", self.where,
                       remedy="Fetch the file again, or save it again") from error
        raise fail("the pickle ends early", self.where, remedy="Fetch the file again")

    # stack ------------------------------------------------------------
    def op_PROTO(self, version):
        pass

    def op_FRAME(self, length):
        pass

    def op_MARK(self, _):
        self.marks.append(len(self.stack))

    def op_POP(self, _):
        if self.marks and self.marks[-1] == len(self.stack):
            self.marks.pop()
        else:
            self.stack.pop()

    def op_POP_MARK(self, _):
        self.since_mark()

    def op_DUP(self, _):
        self.stack.append(self.stack[-1])

    def since_mark(self):
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    # memo -------------------------------------------------------------
    def op_PUT(self, index):
        self.memo[index] = self.stack[-1]

    op_BINPUT = op_LONG_BINPUT = op_PUT

    def op_MEMOIZE(self, _):
        self.memo[len(self.memo)] = self.stack[-1]

    def op_GET(self, index):
        self.stack.append(self.memo[index])

    op_BINGET = op_LONG_BINGET = op_GET

    # values -----------------------------------------------------------
    def op_NONE(self, _):
        self.stack.append(None)

    def op_NEWTRUE(self, _):
        self.stack.append(True)

    def op_NEWFALSE(self, _):
        self.stack.append(False)

    def op_EMPTY_TUPLE(self, _):
        self.stack.append(())

    def op_TUPLE(self, _):
        self.stack.append(tuple(self.since_mark()))

    def op_TUPLE1(self, _):
        self.stack[-1:] = [(self.stack[-1],)]

    def op_TUPLE2(self, _):
        self.stack[-2:] = [(self.stack[-2], self.stack[-1])]

    def op_TUPLE3(self, _):
        self.stack[-3:] = [(self.stack[-3], self.stack[-2], self.stack[-1])]

    def op_EMPTY_LIST(self, _):
        self.stack.append([])

    def op_LIST(self, _):
        self.stack.append(self.since_mark())

    def op_EMPTY_DICT(self, _):
        self.stack.append({})

    def op_DICT(self, _):
        values = self.since_mark()
        self.stack.append(self.pairs(zip(values[::2], values[1::2], strict=True)))

    def op_EMPTY_SET(self, _):
        self.stack.append([])       # a set is kept as the list of what is in it

    def op_FROZENSET(self, _):
        self.stack.append(tuple(self.since_mark()))

    def op_ADDITEMS(self, _):
        values = self.since_mark()
        self.extend(self.stack[-1], values)

    def op_APPEND(self, _):
        value = self.stack.pop()
        self.extend(self.stack[-1], [value])

    def op_APPENDS(self, _):
        values = self.since_mark()
        self.extend(self.stack[-1], values)

    def extend(self, target, values):
        if isinstance(target, Record):
            target.entries.extend(values)
        elif type(target) is list:
            target.extend(values)
        else:
            raise TypeError("items for something that is no list")

    def op_SETITEM(self, _):
        value, key = self.stack.pop(), self.stack.pop()
        self.set_items(self.stack[-1], [key, value])

    def op_SETITEMS(self, _):
        values = self.since_mark()
        self.set_items(self.stack[-1], values)

    def set_items(self, target, values):
        pairs = self.pairs(zip(values[::2], values[1::2], strict=True))
        if isinstance(target, Record):
            target.items.update(pairs)
        elif type(target) is dict:
            target.update(pairs)
        else:
            raise TypeError("items for something that is no dictionary")

    def pairs(self, pairs):
        """A dictionary whose keys can be hashed in no time."""
        result = {}
        for key, value in pairs:
            check_key(key)
            result[key] = value
        return result

    # classes, functions, objects --------------------------------------
    def op_GLOBAL(self, argument):
        module, name = argument.split(" ", 1)
        self.stack.append(Global(module, name))

    def op_STACK_GLOBAL(self, _):
        name, module = self.stack.pop(), self.stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise TypeError("a class without a name")
        self.stack.append(Global(module, name))

    def op_INST(self, argument):
        module, name = argument.split(" ", 1)
        self.stack.append(Record(Global(module, name), tuple(self.since_mark())))

    def op_OBJ(self, _):
        values = self.since_mark()
        self.stack.append(Record(values[0], tuple(values[1:])))

    def op_NEWOBJ(self, _):
        args, cls = self.stack.pop(), self.stack.pop()
        self.stack.append(self.make(cls, args))

    def op_NEWOBJ_EX(self, _):
        keywords, args, cls = self.stack.pop(), self.stack.pop(), self.stack.pop()
        if not isinstance(keywords, dict):
            raise TypeError("keywords that are no dictionary")
        self.stack.append(self.make(cls, args))

    def op_REDUCE(self, _):
        args, function = self.stack.pop(), self.stack.pop()
        self.stack.append(self.make(function, args))

    def make(self, function, args):
        """What ``function(*args)`` stands for; only the names listed in _REBUILD mean something."""
        if not isinstance(args, tuple):
            raise TypeError("arguments that are no tuple")
        if isinstance(function, Global):
            rebuild = _REBUILD.get((function.module, function.name))
            if rebuild is not None:
                return rebuild(self, *args)
        return Record(function, args)

    def op_BUILD(self, _):
        """State of an object. Containers and tensors ignore theirs (hooks, versions)."""
        state = self.stack.pop()
        target = self.stack[-1]
        if not isinstance(target, Record):
            return
        parts = state if isinstance(state, tuple) else (state,)
        for part in parts:
            if isinstance(part, dict):
                self.budget.spend_values(len(part))
                target.attributes.update(part)

    # storages ---------------------------------------------------------
    def op_BINPERSID(self, _):
        self.stack.append(self.storage(self.stack.pop()))

    def storage(self, identity):
        if (not isinstance(identity, tuple) or len(identity) < 5 or identity[0] != "storage"
                or not isinstance(identity[1], Global) or not isinstance(identity[2], (str, int))
                or not isinstance(identity[4], int)):
            raise TypeError("a reference that is not a tensor storage")
        return Storage(identity[1].name, str(identity[2]), identity[4])


def _children(value):
    """For check_tree(): what is within a value of the machine."""
    kind = type(value)
    if kind is Record:
        return [value.cls, value.args, value.attributes, value.items, value.entries]
    if kind is dict:
        return [*value, *value.values()]
    return value if kind in (list, tuple) else ()


_LITERALS = frozenset("""
    INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT
    STRING BINSTRING SHORT_BINSTRING UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8
    BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8
""".split())


# The only functions with a meaning. Each gets the machine and the pickle's arguments.
def _tensor(machine, storage, offset, shape, strides, *_):
    return machine.tensor(storage, offset, shape, strides, None)


def _tensor_with_dtype(machine, storage, offset, shape, strides, _grad, _hooks, dtype, *_):
    if not isinstance(dtype, Global) or dtype.module != "torch":
        raise TypeError("a tensor without a type")
    return machine.tensor(storage, offset, shape, strides, dtype.name)


def _first(machine, value, *_):
    return value


def _typed_tensor(machine, function, _cls, args, _state):
    return machine.make(function, args)


def _dictionary(machine, pairs=(), *_):
    if not isinstance(pairs, (list, tuple)):
        return {}
    machine.budget.spend_values(len(pairs))
    return machine.pairs(pairs)


def _sequence(machine, values=(), *_):
    if not isinstance(values, (list, tuple)):
        raise TypeError("a sequence made of something else")
    machine.budget.spend_values(len(values))
    return tuple(values)


def _bytes(machine, text, encoding="latin1", *_):
    if not isinstance(text, str) or encoding != "latin1":
        return text
    machine.budget.spend_bytes(len(text))
    return text.encode("latin1")


def _device(machine, *parts):
    if len(parts) > 2 or not all(isinstance(part, (str, int)) for part in parts):
        raise TypeError("a device that is none")
    return ":".join(str(part) for part in parts)


_REBUILD = {
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor_with_dtype,
    ("torch._utils", "_rebuild_parameter"): _first,
    ("torch._utils", "_rebuild_parameter_with_state"): _first,
    ("torch._tensor", "_rebuild_from_type_v2"): _typed_tensor,
    ("torch.jit._pickle", "restore_type_tag"): _first,
    ("torch.jit._pickle", "build_intlist"): _first,
    ("torch.jit._pickle", "build_doublelist"): _first,
    ("torch.jit._pickle", "build_boollist"): _first,
    ("torch.jit._pickle", "build_tensorlist"): _first,
    ("torch", "Size"): _sequence,
    ("torch", "device"): _device,
    ("collections", "OrderedDict"): _dictionary,
    ("collections", "defaultdict"): lambda machine, *_: {},
    ("_codecs", "encode"): _bytes,
}
for _module in ("builtins", "__builtin__"):
    _REBUILD[(_module, "set")] = _sequence
    _REBUILD[(_module, "frozenset")] = _sequence


# ------------------------------------------------------------------ the archive
class TorchArchive:
    """A zip archive written by PyTorch: ``load()`` gives its object as inert values."""

    def __init__(self, path):
        self.path = Path(path)
        self.budget = Budget(self.path, self.path.stat().st_size)
        self.storages = {}          # bytes of those that were read, by entry
        try:
            self.zip = zipfile.ZipFile(self.path)
            entries = self.zip.infolist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise fail(f"the zip archive cannot be read ({error})", self.path,
                       remedy="The file is truncated or damaged; fetch it again") from error
        if len(entries) > MAX_ENTRIES:
            raise fail("the archive has too many files", self.path, len(entries), MAX_ENTRIES)
        self.names = {entry.filename for entry in entries}
        roots = [name[:-len("data.pkl")] for name in self.names
                 if name == "data.pkl" or (name.endswith("/data.pkl") and name.count("/") == 1)]
        if len(roots) != 1:
            raise fail("is a zip archive, but not one that PyTorch wrote", self.path,
                       f"files {listed(sorted(self.names))}", "one FOLDER/data.pkl")
        self.root = roots[0]
        self.is_torchscript = (self.root + "constants.pkl" in self.names
                               or any(name.startswith(self.root + "code/") for name in self.names))
        order = self.entry(self.root + "byteorder", 16).strip() \
            if self.root + "byteorder" in self.names else b"little"
        if order not in (b"little", b"big"):
            raise fail("the archive has an unknown byte order", self.path, order, "little or big")
        self.byte_order = "<" if order == b"little" else ">"

    def close(self):
        self.zip.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def entry(self, name, limit):
        """Bytes of one file of the archive, its checksum verified."""
        try:
            info = self.zip.getinfo(name)
            if info.file_size > limit:
                raise fail(f"'{name}' in the archive is too large", self.path,
                           f"{info.file_size} bytes", f"at most {limit}")
            # the size in the directory may be a lie, and limits nothing
            with self.zip.open(info) as stream:
                data = stream.read(info.file_size + 1)
        except KeyError:
            raise fail(f"'{name}' is missing in the archive", self.path,
                       remedy="The file is incomplete; fetch it again") from None
        except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError,
                RuntimeError, zlib.error) as error:
            raise fail(f"'{name}' in the archive is damaged ({error})", self.path,
                       remedy="Fetch the file again") from error
        if len(data) > limit:
            raise fail(f"'{name}' in the archive is too large", self.path, expected=limit)
        return data

    def load(self, name="data.pkl", folders=("data", "tensors")):
        """The object that pickle ``name`` describes; its storages lie in one of ``folders``."""
        def tensor(storage, offset, shape, strides, dtype):
            return self.tensor(folders, storage, offset, shape, strides, dtype)

        data = self.entry(self.root + name, MAX_PICKLE)
        self.budget.spend_bytes(len(data))
        return _Machine(f"{self.path} ({name})", tensor, self.budget).run(data)

    def load_constants(self):
        """The constants of a TorchScript archive."""
        return self.load("constants.pkl", ("constants",))

    def tensor(self, folders, storage, offset, shape, strides, dtype):
        """A checked reference to a tensor; its bytes are read when it is used."""
        if not isinstance(storage, Storage):
            raise TypeError("a tensor without a storage")
        if not isinstance(shape, (list, tuple)) or not isinstance(strides, (list, tuple)) or \
                len(shape) > MAX_DIMENSIONS or len(strides) != len(shape):
            raise TypeError("a tensor without a shape")
        shape, strides = tuple(shape), tuple(strides)
        if not all(type(n) is int and n >= 0 for n in (offset, storage.n, *shape, *strides)):
            raise ValueError("a tensor of an impossible shape")
        code, kind = _STORAGES.get(storage.kind, (None, storage.kind))
        if dtype is not None:
            code, kind = _DTYPES.get(dtype), _DTYPE_NAMES.get(dtype, dtype)
        n_elements = count_elements(shape, "a tensor", self.path)

        def load():
            if code is None:
                raise fail(f"a tensor of type '{kind}' cannot be read", self.path,
                           expected="one of " + " ".join(sorted(set(_DTYPES))))
            item = np.dtype(self.byte_order + code)
            data = self.storage_bytes(folders, storage.key)
            last = offset + sum((n - 1) * step for n, step in zip(shape, strides))
            if n_elements and (last + 1) * item.itemsize > len(data):
                raise fail(f"a tensor of shape {list(shape)} reaches beyond its storage "
                           f"'{storage.key}'", self.path, f"{len(data)} bytes",
                           f"{(last + 1) * item.itemsize}", "Fetch the file again")
            if n_elements * item.itemsize > len(data):
                raise fail(f"a tensor of shape {list(shape)} is larger than its storage "
                           f"'{storage.key}'", self.path, f"{len(data)} bytes",
                           remedy="No model file needs that; it is not read")
            # read, copied, widened
            self.budget.spend_bytes(n_elements * 8)
            if not n_elements:
                values = np.empty(shape, item)
            else:
                flat = np.frombuffer(data, item, len(data) // item.itemsize)[offset:]
                values = np.lib.stride_tricks.as_strided(
                    flat, shape, [step * item.itemsize for step in strides], writeable=False)
            values = values.astype(item.newbyteorder("="), order="C", copy=True)
            return bfloat16_to_float32(values) if kind == "bfloat16" else values

        return ArrayRef(shape, kind, load, (folders[0], storage.key, offset, shape, strides))

    def storage_bytes(self, folders, key):
        for folder in folders:
            name = f"{self.root}{folder}/{key}"
            if name in self.names:
                if name not in self.storages:
                    data = self.entry(name, min(MAX_STORAGE, max(self.budget.bytes, 0)))
                    self.budget.spend_bytes(len(data))
                    self.storages[name] = data
                return self.storages[name]
        raise fail(f"the bytes of storage '{key}' are missing in the archive", self.path,
                   expected=f"{self.root}{folders[0]}/{key}",
                   remedy="The file is incomplete; fetch it again")


# ------------------------------------------------------------------ modules and state dicts
def is_module(value):
    """True for an object of a network class, pickled whole or by TorchScript."""
    return isinstance(value, Record) and (
        {"_parameters", "_modules"} <= value.attributes.keys()
        or value.class_path.startswith("__torch__."))


def module_parts(module):
    """(name, value) of a module's own tensors and submodules."""
    if "_modules" in module.attributes:
        for group in ("_parameters", "_buffers", "_modules"):
            part = module.attributes.get(group)
            if isinstance(part, dict):
                yield from part.items()
    else:
        yield from module.attributes.items()


def flatten(root, where):
    """Return ({dotted name: ArrayRef}, {dotted name: Record}) of a module tree."""
    tensors, modules = {}, {}
    count = 0

    def visit(module, prefix, depth):
        nonlocal count
        if depth > MAX_DEPTH:
            raise fail("the modules are nested too deeply", where, f"over {MAX_DEPTH} levels")
        modules[prefix.rstrip(".")] = module
        for name, value in module_parts(module):
            count += 1
            if count > MAX_NODES:
                raise fail("the module tree is too large", where, f"over {MAX_NODES} parts")
            if not isinstance(name, str):
                continue
            if isinstance(value, ArrayRef):
                tensors[prefix + name] = value
            elif is_module(value):
                visit(value, f"{prefix}{name}.", depth + 1)

    visit(root, "", 0)
    return tensors, modules


def is_state_dict(value):
    """True for a dictionary of named tensors."""
    return (isinstance(value, dict) and len(value) > 0
            and all(isinstance(key, str) for key in value)
            and any(isinstance(entry, ArrayRef) for entry in value.values())
            and all(entry is None or isinstance(entry, ArrayRef) for entry in value.values()))


def looks_like_zip(path):
    with open(path, "rb") as stream:
        return stream.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def looks_like_old_torch(path):
    """True for the format before PyTorch 1.6: bare pickles that begin with a magic number."""
    with open(path, "rb") as stream:
        return stream.read(15) == b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
