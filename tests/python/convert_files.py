"""Small random models in the file formats of other programs, written without those programs.

Used by test_convert.py and test_get.py. Nothing here imports PyTorch, SchNetPack or ONNX.
"""
import importlib
import json
import os
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("MLFF_SHARED", ROOT.parent / "shared"))


def load_package():
    """openmmmlff.convert; straight from its folder where the package is not built."""
    try:
        return importlib.import_module("openmmmlff.convert")
    except ImportError:
        sys.path.insert(0, str(ROOT / "wrappers" / "python" / "openmmmlff"))
        return importlib.import_module("convert")


PACKAGE = load_package()


def module(name):
    """A module of the package."""
    return importlib.import_module(f"{PACKAGE.__name__}.{name}")


# ------------------------------------------------------------------ pickles, opcode by opcode
class Global:
    def __init__(self, module, name):
        self.module, self.name = module, name


class Call:
    """function(*args), as the pickle opcode REDUCE."""

    def __init__(self, function, *args):
        self.function, self.args = function, args


class Object:
    """An object of a class with a state, as NEWOBJ and BUILD."""

    def __init__(self, cls, state):
        self.cls, self.state = cls, state


class Reference:
    """A persistent id."""

    def __init__(self, identity):
        self.identity = identity


class Raw:
    """Opcodes as they are; they must leave one value."""

    def __init__(self, data):
        self.data = data


class Tensor:
    """A tensor of an archive; ``strides`` and ``offset`` in elements, ``flat`` its storage."""

    def __init__(self, values, kind=None, flat=None, strides=None, offset=0, shape=None):
        values = np.asarray(values)
        self.shape = values.shape if shape is None else shape
        self.kind = kind or {"f4": "FloatStorage", "f8": "DoubleStorage", "f2": "HalfStorage",
                             "i8": "LongStorage", "i4": "IntStorage", "i2": "ShortStorage",
                             "i1": "CharStorage", "u1": "ByteStorage", "b1": "BoolStorage",
                             "u2": "BFloat16Storage"}[values.dtype.str[1:]]
        self.flat = np.ascontiguousarray(values).reshape(-1) if flat is None else flat
        if strides is None:
            strides, step = [], 1
            for n in reversed(self.shape):
                strides.insert(0, step)
                step *= n
        self.strides, self.offset = tuple(strides), offset


class Pickler:
    """Writes protocol 2; collects the storages of its tensors."""

    def __init__(self):
        self.storages = []
        self.memo = {}

    def dump(self, value):
        return b"\x80\x02" + self.emit(value) + b"."

    def emit(self, value):
        if value is None:
            return b"N"
        if value is True or value is False:
            return b"\x88" if value else b"\x89"
        if isinstance(value, int):
            return b"J" + struct.pack("<i", value) if -2**31 <= value < 2**31 else \
                b"\x8a\x09" + value.to_bytes(9, "little", signed=True)
        if isinstance(value, float):
            return b"G" + struct.pack(">d", value)
        if isinstance(value, str):
            data = value.encode("utf-8")
            return b"X" + struct.pack("<I", len(data)) + data
        if isinstance(value, tuple):
            return b"(" + b"".join(map(self.emit, value)) + b"t"
        if isinstance(value, list):
            return b"](" + b"".join(map(self.emit, value)) + b"e"
        if isinstance(value, dict):
            return b"}(" + b"".join(self.emit(k) + self.emit(v) for k, v in value.items()) + b"u"
        if isinstance(value, Global):
            return f"c{value.module}\n{value.name}\n".encode()
        if isinstance(value, Call):
            return self.emit(value.function) + self.emit(value.args) + b"R"
        if isinstance(value, Reference):
            return self.emit(value.identity) + b"Q"
        if isinstance(value, Raw):
            return value.data
        if isinstance(value, (Object, Tensor)):
            return self.remember(value)
        raise TypeError(type(value))

    def remember(self, value):
        """Objects met again are the same object: PUT the first time, GET later."""
        if id(value) in self.memo:
            return b"j" + struct.pack("<I", self.memo[id(value)][0])
        if isinstance(value, Object):
            data = self.emit(value.cls) + b")\x81" + self.emit(value.state) + b"b"
        else:
            data = self.emit(self.tensor(value))
        index = len(self.memo)
        self.memo[id(value)] = (index, value)
        return data + b"r" + struct.pack("<I", index)

    def tensor(self, value):
        key = str(len(self.storages))
        self.storages.append(value.flat)
        reference = Reference(("storage", Global("torch", value.kind), key, "cpu",
                               len(value.flat)))
        return Call(Global("torch._utils", "_rebuild_tensor_v2"), reference, value.offset,
                    tuple(int(n) for n in value.shape), value.strides, False, ordered_dict())


def ordered_dict():
    return Call(Global("collections", "OrderedDict"))


def write_torch(path, value, root="archive", torchscript=False, byte_order=None, extra=None):
    """A zip archive like those of torch.save, or of torch.jit.save."""
    pickler = Pickler()
    data = pickler.dump(value)
    order = ">" if byte_order == "big" else "<"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{root}/data.pkl", data)
        if byte_order:
            archive.writestr(f"{root}/byteorder", byte_order)
        for key, flat in enumerate(pickler.storages):
            archive.writestr(f"{root}/data/{key}",
                             flat.astype(flat.dtype.newbyteorder(order)).tobytes())
        if torchscript:
            archive.writestr(f"{root}/constants.pkl", b"\x80\x02).")
            archive.writestr(f"{root}/code/__torch__/net.py", "raise SystemExit('never run')\n")
        archive.writestr(f"{root}/version", "3\n")
        for name, content in (extra or {}).items():
            archive.writestr(f"{root}/{name}", content)
    return path


def state_dict(arrays):
    """A state dict as torch.save writes it: an OrderedDict with a version as its attribute."""
    pairs = [(name, Tensor(value)) for name, value in arrays.items()]
    return Call(Global("collections", "OrderedDict"), [tuple(p) for p in pairs])


def script_tree(arrays, classes, attributes=None):
    """Nested TorchScript objects from dotted names; ``classes`` maps a path to its class."""
    attributes = attributes or {}

    def build(prefix):
        state = {"training": False, **attributes.get(prefix.rstrip("."), {})}
        names = {}
        for name in arrays:
            if name.startswith(prefix):
                names.setdefault(name[len(prefix):].split(".")[0])
        for name in names:
            full = prefix + name
            state[name] = Tensor(arrays[full]) if full in arrays else build(full + ".")
        path = prefix.rstrip(".")
        cls = next((c for suffix, c in classes.items()
                    if path == suffix or path.endswith("." + suffix)), "torch.nn.Module")
        module_name, _, last = cls.rpartition(".")
        return Object(Global("__torch__." + module_name, last), state)

    return build("")


# ------------------------------------------------------------------ AIMNet2
ELEMENTS = [1, 6, 8]
N_Z = 10
D3 = {"s6": 1.0, "s8": 0.3908, "a1": 0.566, "a2": 3.128}


def rng(seed=0):
    return np.random.default_rng(seed)


def random(generator, *shape):
    return generator.normal(0, 0.3, shape).astype(np.float32)


def aimnet2_arrays(seed=0, n_charge=1, nan_rows=False, shift_dtype=np.float32):
    """A small AIMNet2: 3 features, 4 shifts, 2 combinations; canonical names and values."""
    g = rng(seed)
    c, s, h = 3, 4, 2
    arrays = {"afv.weight": random(g, N_Z, c * s), "conv_a.agh": random(g, c, s, h),
              "conv_q.agh": random(g, n_charge, s, h)}
    for suffix in "sv":
        arrays[f"aev.rc_{suffix}"] = np.float32(5.0)
        arrays[f"aev.eta_{suffix}"] = np.float32(14.512472)
        arrays[f"aev.shifts_{suffix}"] = np.linspace(0.8, 4.0, s).astype(np.float32)

    def mlp(prefix, widths):
        for k, (n_in, n_out) in enumerate(zip(widths, widths[1:])):
            arrays[f"{prefix}{2 * k}.weight"] = random(g, n_out, n_in)
            arrays[f"{prefix}{2 * k}.bias"] = random(g, n_out)

    n_a = c * s + c * s + c * h
    n_q = n_charge * (1 + s + h)
    mlp("mlps.0.", [n_a, 7, 6, c * s + 2 * n_charge])
    mlp("mlps.1.", [n_a + n_q, 7, 6, c * s + 2 * n_charge])
    mlp("mlps.2.", [n_a + n_q, 7, 6, 5, 9])
    mlp("energy_mlp.mlp.", [9, 6, 1])
    shift = np.zeros((N_Z, 1), shift_dtype)
    shift[ELEMENTS, 0] = [-14.2, -1036.1, -2046.8]
    arrays["atomic_shift.shifts.weight"] = shift
    arrays["srcoulomb.rc"] = np.float32(4.6)
    arrays["afv.weight"][0] = 0
    if nan_rows:
        others = [z for z in range(1, N_Z) if z not in ELEMENTS]
        arrays["afv.weight"][others] = np.nan
    return arrays


def d3_arrays(n=N_Z, seed=5):
    """A D3 table for Z = 0 ... n-1 with the symmetry of the real one."""
    g = rng(seed)
    c6 = np.abs(random(g, n, n, 5, 5)) + 1
    c6 = c6 + c6.transpose(1, 0, 3, 2)
    c6[0] = c6[:, 0] = 0
    cn = np.abs(random(g, n, n, 5, 5))
    table = {"c6ref": c6.astype(np.float32), "cnref": cn.astype(np.float32),
             "rcov": np.abs(random(g, n)) + 0.5, "r4r2": np.abs(random(g, n)) + 1}
    table["rcov"][0] = table["r4r2"][0] = 0
    return table


def d3_packed(table):
    """The same with C6 and both coordination numbers in one array."""
    c6, cn = table["c6ref"], table["cnref"]
    packed = np.stack([c6, cn, cn.transpose(1, 0, 3, 2)], axis=-1)
    return {"c6ab": np.ascontiguousarray(packed), "rcov": table["rcov"], "r4r2": table["r4r2"]}


def d3_rows(table, elements=None):
    """What a converted file must hold of the table."""
    z = ELEMENTS if elements is None else elements
    square = np.ix_(z, z)
    return {"d3.numbers": np.array(z, np.int32), "d3.c6ref": table["c6ref"][square],
            "d3.cnref": table["cnref"][square], "d3.rcov": table["rcov"][z],
            "d3.r4r2": table["r4r2"][z]}


def outputs_prefix(name):
    """Our tensor names -> those of the original state dict."""
    return "outputs." + name if name.startswith(("energy_mlp", "atomic_shift", "srcoulomb")) \
        else name


SCRIPT_CLASSES = {
    "aev": "aimnet.aev.AEVSV", "module": "aimnet.models.aimnet2.AIMNet2",
    "outputs.energy_mlp": "aimnet.modules.Output",
    "outputs.atomic_shift": "aimnet.modules.___torch_mangle_2.AtomicShift",
    "outputs.lrcoulomb": "aimnet.modules.LRCoulomb", "outputs.d3bj": "d3bj.D3BJ",
    "outputs": "torch.nn.modules.container.ModuleDict",
}


def write_jpt(path, members, table=None, classes=None, d3=D3, extra=None, k1=-16.0):
    """A TorchScript ensemble like the first release; ``members``: arrays of aimnet2_arrays()."""
    arrays, attributes = {}, {}
    for k, member in enumerate(members):
        prefix = f"models.{k}.module."
        for name, value in member.items():
            name = outputs_prefix(name).replace("srcoulomb", "lrcoulomb")
            arrays[prefix + name] = value
        for name, value in (d3_packed(table) if table else {}).items():
            arrays[f"{prefix}outputs.d3bj.{name}"] = value
        for name, value in (extra or {}).items():
            arrays[prefix + name] = value
        attributes[prefix + "outputs.d3bj"] = {**d3, "k1": k1, "k3": -4.0, "key_out": "energy"}
        attributes[prefix.rstrip(".")] = {"nfeature": 3, "d2features": True}
    tree = script_tree(arrays, {**SCRIPT_CLASSES, **(classes or {})}, attributes)
    return write_torch(path, tree, root="ens", torchscript=True)


def definition(n_charge=1, outputs=None):
    """The model definition of a state file."""
    parts = {
        "energy_mlp": {"class": "aimnet.modules.Output", "kwargs": {
            "n_in": 9, "n_out": 1, "key_in": "aim", "key_out": "energy",
            "mlp": {"activation_fn": "torch.nn.GELU", "last_linear": True, "hidden": [6]}}},
        "atomic_shift": {"class": "aimnet.modules.AtomicShift", "kwargs": {}},
        "atomic_sum": {"class": "aimnet.modules.AtomicSum", "kwargs": {}},
        "srcoulomb": {"class": "aimnet.modules.SRCoulomb", "kwargs": {
            "rc": 4.6, "envelope": "exp"}},
    }
    parts.update(outputs or {})
    parts = {k: v for k, v in parts.items() if v is not None}
    return {"class": "aimnet.models.AIMNet2", "kwargs": {
        "nfeature": 3, "d2features": True, "ncomb_v": 2, "num_charge_channels": n_charge,
        "hidden": [[7, 6], [7, 6], [7, 6, 5]], "aim_size": 9,
        "aev": {"rc_s": 5.0, "nshifts_s": 4}, "outputs": parts}}


def aimnet2_info(model=None, **changes):
    """The metadata beside the state dict of a state file."""
    info = {"format_version": 2, "model_yaml": json.dumps(model or definition()), "cutoff": 5.0,
            "needs_coulomb": True, "needs_dispersion": True, "coulomb_mode": "sr_embedded",
            "coulomb_sr_rc": 4.599999904632568, "coulomb_sr_envelope": "exp", "d3_params": dict(D3),
            "has_embedded_lr": True, "has_embedded_d3ts": False,
            "implemented_species": list(ELEMENTS), "family": "b973c-d3",
            "supports_charged_systems": True}
    info.update(changes)
    return {k: v for k, v in info.items() if v != "absent"}


def original_names(arrays):
    return {outputs_prefix(name): value for name, value in arrays.items()}


def write_pt(path, arrays, info):
    return write_torch(path, {**info, "state_dict": state_dict(original_names(arrays))})


# ------------------------------------------------------------------ PaiNN
def painn_arrays(seed=0, f=6, n_layers=2, k=5, n_z=9, shared_filters=False, shared=False,
                 bessel=False, widths=None):
    """Canonical arrays of a SchNetPack-type PaiNN."""
    g = rng(seed)
    arrays = {"embedding": random(g, n_z, f)}
    if bessel:
        arrays["rbf.freq"] = (np.arange(1, k + 1) * np.pi / 5).astype(np.float32).astype(float)
    else:
        arrays["rbf.mu"] = np.linspace(0, 5, k).astype(np.float32).astype(float)
        w = np.full(k, 5 / (k - 1), np.float32).astype(float) if widths is None else widths
        arrays["rbf.beta"] = 0.5 / w ** 2
    for l in range(1 if shared_filters else n_layers):
        arrays[f"layer.{l}.filter.w0"] = random(g, 3 * f, k)
        arrays[f"layer.{l}.filter.b0"] = random(g, 3 * f)
    for l in range(1 if shared else n_layers):
        for net, n_in in (("ctx", f), ("upd", 2 * f)):
            arrays[f"layer.{l}.{net}.w0"] = random(g, f, n_in)
            arrays[f"layer.{l}.{net}.b0"] = random(g, f)
            arrays[f"layer.{l}.{net}.w1"] = random(g, 3 * f, f)
            arrays[f"layer.{l}.{net}.b1"] = random(g, 3 * f)
        arrays[f"layer.{l}.mix.v"] = random(g, f, f)
        arrays[f"layer.{l}.mix.w"] = random(g, f, f)
    for n, (n_in, n_out) in enumerate(((f, f // 2), (f // 2, 1))):
        arrays[f"readout.{n}.w"] = random(g, n_out, n_in)
        arrays[f"readout.{n}.b"] = random(g, n_out)
    return arrays


def nn_module(cls, parameters=None, buffers=None, modules=None, **attributes):
    """A pickled torch.nn.Module."""
    module_name, _, name = cls.rpartition(".")
    tensors = {k: Call(Global("torch._utils", "_rebuild_parameter"), Tensor(v), True,
                       ordered_dict()) for k, v in (parameters or {}).items()}
    return Object(Global(module_name, name), {
        "training": False, "_parameters": tensors,
        "_buffers": {k: Tensor(v) for k, v in (buffers or {}).items()},
        "_non_persistent_buffers_set": Call(Global("__builtin__", "set"), []),
        "_forward_hooks": ordered_dict(), "_modules": dict(modules or {}), **attributes})


def dense(w, b=None, activation=None):
    modules = {} if activation else {"activation": nn_module("torch.nn.modules.linear.Identity")}
    values = {"weight": w} if b is None else {"weight": w, "bias": b}
    extra = {"activation": activation} if activation else {}
    return nn_module("schnetpack.nn.base.Dense", values, modules=modules, **extra)


def module_list(items):
    return nn_module("torch.nn.modules.container.ModuleList",
                     modules={str(k): item for k, item in enumerate(items)})


def schnetpack_model(arrays, n_layers=2, epsilon=1e-8, cutoff=5.0, cutoff_fn="CosineCutoff",
                     silu=None, post=(), outputs=None, widths=None, **root):
    """best_model of SchNetPack 2 with the given canonical arrays."""
    silu = silu or Global("torch.nn.functional", "silu")
    a = arrays
    f = a["embedding"].shape[1]
    if "rbf.freq" in a:
        basis = nn_module("schnetpack.nn.radial.BesselRBF",
                          buffers={"freqs": a["rbf.freq"].astype(np.float32)}, n_rbf=5)
    else:
        if widths is None:
            widths = np.sqrt(0.5 / a["rbf.beta"]).astype(np.float32)
        basis = nn_module("schnetpack.nn.radial.GaussianRBF", buffers={
            "widths": widths, "offsets": a["rbf.mu"].astype(np.float32)}, n_rbf=len(widths))
    filters = [l for l in range(n_layers) if f"layer.{l}.filter.w0" in a]
    blocks = {"interactions": [], "mixing": []}
    for l in range(n_layers):
        p = f"layer.{l}."
        if p + "ctx.w0" not in a:             # shared blocks are one object
            for group in blocks.values():
                group.append(group[0])
            continue

        def net(name, p=p):
            return nn_module("torch.nn.modules.container.Sequential", modules={
                "0": dense(a[f"{p}{name}.w0"], a[f"{p}{name}.b0"], silu),
                "1": dense(a[f"{p}{name}.w1"], a[f"{p}{name}.b1"])})

        blocks["interactions"].append(nn_module(
            "schnetpack.representation.painn.PaiNNInteraction",
            modules={"interatomic_context_net": net("ctx")}, n_atom_basis=f))
        blocks["mixing"].append(nn_module(
            "schnetpack.representation.painn.PaiNNMixing",
            modules={"intraatomic_context_net": net("upd"), "mu_channel_mix": dense(
                np.concatenate([a[p + "mix.v"], a[p + "mix.w"]]))}, epsilon=epsilon))
    representation = nn_module(
        "schnetpack.representation.painn.PaiNN", modules={
            "cutoff_fn": nn_module("schnetpack.nn.cutoff." + cutoff_fn,
                                   buffers={"cutoff": np.array([cutoff], np.float32)}),
            "radial_basis": basis,
            "embedding": nn_module("torch.nn.modules.sparse.Embedding",
                                   {"weight": a["embedding"]}),
            "electronic_embeddings": module_list([]),
            "filter_net": dense(np.concatenate([a[f"layer.{l}.filter.w0"] for l in filters]),
                                np.concatenate([a[f"layer.{l}.filter.b0"] for l in filters])),
            "interactions": module_list(blocks["interactions"]),
            "mixing": module_list(blocks["mixing"])},
        share_filters=len(filters) < n_layers)
    outnet = nn_module("torch.nn.modules.container.Sequential", modules={
        "0": dense(a["readout.0.w"], a["readout.0.b"], silu),
        "1": dense(a["readout.1.w"], a["readout.1.b"])})
    if outputs is None:
        outputs = [nn_module("schnetpack.atomistic.atomwise.Atomwise", modules={"outnet": outnet},
                             output_key="energy", aggregation_mode="sum", n_out=1),
                   nn_module("schnetpack.atomistic.response.Forces")]
    post = [nn_module("schnetpack.transform.casting.CastTo64"), *post] if post is not None else []
    return nn_module(
        "schnetpack.model.base.NeuralNetworkPotential", modules={
            "postprocessors": module_list(post), "representation": representation,
            "input_modules": module_list(
                [nn_module("schnetpack.atomistic.distances.PairwiseDistances")]),
            "output_modules": module_list(outputs)}, **{"do_postprocessing": True, **root})


def add_offsets(mean=None, atomref=None, **attributes):
    return nn_module("schnetpack.transform.atomistic.AddOffsets", buffers={
        "mean": np.float64(0 if mean is None else mean),
        "atomref": np.zeros(9, np.float32) if atomref is None else atomref},
        **{"_property": "energy", "add_mean": mean is not None,
           "add_atomrefs": atomref is not None, "is_extensive": True, **attributes})


def student_arrays(seed=0, f=8, n_layers=2, k=5, n_z=11, last_matrix=True):
    """State dict of an MLFF_Distiller student, in its own names and order."""
    g = rng(seed)
    arrays = {"embedding.weight": random(g, n_z, f),
              "rbf.centers": np.linspace(0, 5, k).astype(np.float32),
              "rbf.widths": np.full(k, 5 / k, np.float32)}
    for l in range(n_layers):
        p = f"interactions.{l}."
        arrays[p + "message.rbf_to_scalar.0.weight"] = random(g, f, k)
        arrays[p + "message.rbf_to_scalar.0.bias"] = random(g, f)
        arrays[p + "message.rbf_to_scalar.2.weight"] = random(g, 3 * f, f)
        arrays[p + "message.rbf_to_scalar.2.bias"] = random(g, 3 * f)
        if l < n_layers - 1 or last_matrix:
            arrays[p + "update.mixing_matrix"] = random(g, 3, 3)
        arrays[p + "update.update_mlp.0.weight"] = random(g, f, 2 * f)
        arrays[p + "update.update_mlp.0.bias"] = random(g, f)
        arrays[p + "update.update_mlp.2.weight"] = random(g, 3 * f, f)
        arrays[p + "update.update_mlp.2.bias"] = random(g, 3 * f)
    for k, (n_in, n_out) in enumerate(((f, f // 2), (f // 2, f // 4), (f // 4, 1))):
        arrays[f"energy_head.{2 * k}.weight"] = random(g, n_out, n_in)
        arrays[f"energy_head.{2 * k}.bias"] = random(g, n_out)
    return arrays


def student_expected(arrays):
    """The canonical arrays of a student."""
    a = arrays
    f = a["embedding.weight"].shape[1]
    n_layers = len({n.split(".")[1] for n in a if n.startswith("interactions.")})
    result = {"embedding": a["embedding.weight"], "rbf.mu": a["rbf.centers"].astype(float),
              "rbf.beta": 1 / a["rbf.widths"].astype(float) ** 2}

    def canonical(x):      # (s, v, r) -> (s, r, v)
        return np.concatenate([x[:f], x[2 * f:], x[f:2 * f]])

    for l in range(n_layers):
        p, q = f"layer.{l}.", f"interactions.{l}."
        for k, n in ((0, 0), (1, 2)):
            w = a[f"{q}message.rbf_to_scalar.{n}.weight"]
            b = a[f"{q}message.rbf_to_scalar.{n}.bias"]
            result[f"{p}filter.w{k}"] = w if k == 0 else canonical(w)
            result[f"{p}filter.b{k}"] = b if k == 0 else canonical(b)
            result[f"{p}upd.w{k}"] = a[f"{q}update.update_mlp.{n}.weight"]
            result[f"{p}upd.b{k}"] = a[f"{q}update.update_mlp.{n}.bias"]
        result[p + "mix.m"] = a.get(q + "update.mixing_matrix", np.zeros((3, 3), np.float32))
    for k in range(3):
        result[f"readout.{k}.w"] = a[f"energy_head.{2 * k}.weight"]
        result[f"readout.{k}.b"] = a[f"energy_head.{2 * k}.bias"]
    return result


# ------------------------------------------------------------------ ONNX
def varint(value):
    data = b""
    while value > 0x7F:
        data += bytes([value & 0x7F | 0x80])
        value >>= 7
    return data + bytes([value])


def bytes_field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def onnx_tensor(name, values, form="raw", external=False):
    """A TensorProto; ``form``: 'raw', 'packed' (packed dims and float_data) or 'loose'."""
    values = np.asarray(values)
    kind = {"f4": 1, "f8": 11, "i8": 7, "f2": 10}[values.dtype.str[1:]]
    if form == "packed":
        data = bytes_field(1, b"".join(varint(n) for n in values.shape)) if values.shape else b""
    else:
        data = b"".join(varint(1 << 3) + varint(n) for n in values.shape)
    data += varint(2 << 3) + varint(kind) + bytes_field(8, name.encode())
    if form == "raw":
        data += bytes_field(9, values.tobytes())
    elif form == "packed":
        data += bytes_field({1: 4, 11: 10}[kind], values.tobytes())
    else:
        data += b"".join(varint(4 << 3 | 5) + v.tobytes() for v in values.reshape(-1))
    if external:
        data += varint(14 << 3) + varint(1)
    return data


def write_onnx(path, arrays, form="raw", external=False):
    graph = bytes_field(1, b"a node") + bytes_field(2, b"main_graph")
    graph += b"".join(bytes_field(5, onnx_tensor(n, v, form, external))
                      for n, v in arrays.items())
    data = b"\x08\x07" + bytes_field(2, b"pytorch") + bytes_field(7, graph) \
        + bytes_field(8, b"\x10\x0e")
    Path(path).write_bytes(data)
    return path


# ------------------------------------------------------------------ comparing
def read_model(path):
    """Arrays and metadata of a written model file."""
    return module("safetensors_file").read_arrays(path)


def assert_same(found, expected):
    """Names, types, shapes and every bit."""
    assert set(found) == set(expected)
    for name, value in expected.items():
        value = np.asarray(value)
        assert found[name].dtype == value.dtype, name
        assert found[name].shape == value.shape, name
        assert found[name].tobytes() == value.tobytes(), name
