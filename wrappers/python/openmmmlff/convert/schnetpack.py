"""SchNetPack 2 ``best_model`` (a pickled module with a PaiNN representation) -> mlff-painn-1.

The switches come from the modules' classes and attributes, so only whole modules can be
converted; a bare state dict does not say which cutoff, activation or offsets belong to it.
"""
import re

import numpy as np

from . import painn, published
from .arrays import read_float
from .errors import brief, fail, listed
from .torch_file import Global, Record, is_module, module_parts

_MARK = "representation.interactions.0.interatomic_context_net.0.weight"
_PASSIVE_OUTPUTS = {"Forces", "Strain", "Response", "DipoleMoment", "Polarizability"}
_PASSIVE_INPUTS = {"PairwiseDistances", "FilterShortRange", "Strain", "StaticExternalFields"}
_CASTS = {"CastTo64", "CastTo32", "CastMap", "CastAllMap"}


def recognises(source):
    return any(name == _MARK or name.endswith("." + _MARK) for name in source.tensors)


# Representations of SchNetPack that are not PaiNN: by class, or by the names of their tensors.
_OTHER_CLASSES = ("SchNet", "SO3net", "FieldSchNet", "So3krates")
_OTHER_TENSORS = (("SchNet", re.compile(r"(^|\.)interactions\.\d+\.(filter_network|in2f)\.")),
                  ("SO3net", re.compile(r"(^|\.)so3convs\.\d+\.")))


def other_representation(source):
    """The name of another SchNetPack network than PaiNN; None where the source is none."""
    for name, module in source.modules.items():
        if name.rpartition(".")[2] == "representation" and module.class_name in _OTHER_CLASSES:
            return module.class_name
    for kind, pattern in _OTHER_TENSORS:
        if any(pattern.search(name) for name in source.tensors):
            return kind
    return None


class _Model:
    """One SchNetPack model within a source: its tensors and modules by name."""

    def __init__(self, source):
        self.where = source.path
        mark = next((n for n in source.tensors if n == _MARK or n.endswith("." + _MARK)), None)
        if mark is None:
            raise fail(f"tensor '{_MARK}' is missing", self.where, source.describe(),
                       "a SchNetPack model with a PaiNN representation")
        prefix = mark[:-len(_MARK)]
        self.tensors = {n[len(prefix):]: r for n, r in source.tensors.items()
                        if n.startswith(prefix)}
        self.modules = {n[len(prefix):]: m for n, m in source.modules.items()
                        if n.startswith(prefix)}
        self.root = source.modules.get(prefix.rstrip("."))
        if self.root is None or "_modules" not in self.root.attributes:
            raise fail("holds SchNetPack's tensors, but not its modules", self.where,
                       source.container, "the pickled module that training leaves as 'best_model'",
                       "Convert best_model: only it says which cutoff function, activation and "
                       "offsets the network has")

    def class_of(self, name):
        module = self.modules.get(name)
        return None if module is None else module.class_name

    def expect(self, name, *classes):
        """The module ``name``, which must be of one of ``classes``."""
        found = self.class_of(name)
        if found not in classes:
            raise fail(f"'{name}' is not supported", self.where, found, " or ".join(classes))
        return self.modules[name]

    def attribute(self, name, key, default=None):
        return self.modules[name].attributes.get(key, default)

    def read(self, name, shape=None, dtype=np.float32):
        return read_float(self.tensors, name, self.where, shape, dtype)

    def children(self, name):
        """[(path, class name)] of the modules in a list."""
        if name not in self.modules:
            return []
        return [(f"{name}.{key}", value.class_name if is_module(value) else "?")
                for key, value in module_parts(self.modules[name])
                if isinstance(value, Record)]

    def n_items(self, name):
        """Number of the blocks in a list of the representation."""
        return len(self.children(name))


def _activation(model, name, last):
    """A Dense layer must end with SiLU, or with nothing where it is the last of its net."""
    value = model.modules.get(name + ".activation")
    if value is None and name in model.modules:
        value = model.attribute(name, "activation")
    if isinstance(value, Global):
        found = value.name
    elif isinstance(value, Record):
        found = value.class_name
    else:
        found = None if value is None else brief(value)
    expected = (None, "Identity") if last else ("silu", "SiLU", "swish")
    if found not in expected:
        raise fail(f"the activation of '{name}' is not supported", model.where, found,
                   "none" if last else "SiLU")


def _shared(model, group, n_layers, suffix):
    """True when the blocks of all layers are one and the same."""
    ids = {model.tensors[f"representation.{group}.{l}.{suffix}"].identity
           for l in range(n_layers)
           if f"representation.{group}.{l}.{suffix}" in model.tensors}
    return n_layers > 1 and len(ids) == 1


def _offsets(model, key, n_z):
    """Follow the postprocessors: energy = scale * network + shift + atomref[Z], per atom."""
    scale, shift, atomref = 1.0, 0.0, None
    steps = model.children("postprocessors")
    if steps and model.root.attributes.get("do_postprocessing", True) is not True:
        if any(kind not in _CASTS for _, kind in steps):
            raise fail("postprocessing is switched off in the file, so it is not clear whether "
                       "its offsets belong to the energy", model.where,
                       remedy="Save the model with do_postprocessing=True")
    for name, kind in steps:
        if kind in _CASTS:
            continue
        if kind == "AddOffsets":
            if model.attribute(name, "_property", key) != key:
                continue
            if model.attribute(name, "is_extensive", True) is not True:
                raise fail(f"'{name}' adds an offset per molecule", model.where,
                           expected="one per atom (is_extensive)")
            if model.attribute(name, "add_mean"):
                shift += _scalar(model, name + ".mean")
            if model.attribute(name, "add_atomrefs"):
                values = model.read(name + ".atomref", dtype=np.float64).reshape(-1)
                n = min(len(values), n_z)
                if values[n:].any():
                    raise fail(f"'{name}.atomref' has elements that the embedding lacks",
                               model.where, f"{len(values)} rows", f"{n_z}")
                atomref = np.zeros(n_z) if atomref is None else atomref
                atomref[:n] += values[:n]
        elif kind == "ScaleProperty":
            keys = [model.attribute(name, k) for k in ("input_key", "output_key")]
            if not all(k is None or isinstance(k, str) for k in keys):
                raise fail(f"the keys of '{name}' are no texts", model.where, keys)
            keys = set(keys)
            if key not in keys:
                continue
            if keys != {key}:
                raise fail(f"'{name}' makes another property of the energy", model.where,
                           listed(sorted(brief(k) for k in keys)), key)
            factor = _scalar(model, name + ".scale")
            scale, shift = scale * factor, shift * factor
            atomref = None if atomref is None else atomref * factor
        else:
            raise fail(f"the postprocessor '{name}' is not supported", model.where, kind,
                       "CastTo64, AddOffsets or ScaleProperty")
    return scale, shift, atomref


def _scalar(model, name):
    values = model.read(name, dtype=np.float64)
    if values.size != 1:
        raise fail(f"'{name}' is not one number", model.where, list(values.shape))
    return float(values.reshape(-1)[0])


def _output(model):
    """Path and key of the module that predicts the energy."""
    found = []
    for name, kind in model.children("output_modules"):
        if kind == "Atomwise":
            found.append((name, model.attribute(name, "output_key", "y")))
        elif kind not in _PASSIVE_OUTPUTS:
            raise fail(f"the output module '{name}' is not supported", model.where, kind,
                       "Atomwise, and Forces")
    energies = [f for f in found if "energy" in brief(f[1]).lower() or f[1] == "U0"]
    chosen = found if len(found) == 1 else energies
    if len(chosen) != 1:
        raise fail("it is not clear which output is the energy", model.where,
                   listed([key for _, key in found]), "one Atomwise module")
    name, key = chosen[0]
    if model.attribute(name, "aggregation_mode", "sum") != "sum":
        raise fail(f"'{name}' does not sum over atoms", model.where,
                   model.attribute(name, "aggregation_mode"), "sum")
    return name, key


def _readout(model, name, n_features):
    """Weights and widths of the output MLP."""
    positions = sorted(int(m.group(1)) for m in
                       (re.fullmatch(re.escape(name) + r"\.outnet\.(\d+)\.weight", n)
                        for n in model.tensors) if m)
    if not positions or positions != list(range(len(positions))):
        raise fail(f"'{name}.outnet' is not an MLP", model.where, f"layers {listed(positions)}")
    arrays, widths = {}, [n_features]
    for k in positions:
        path = f"{name}.outnet.{k}"
        _activation(model, path, last=k == positions[-1])
        n = 1 if k == positions[-1] else None
        arrays[f"readout.{k}.w"] = model.read(path + ".weight", (n, widths[-1]))
        widths.append(arrays[f"readout.{k}.w"].shape[0])
        if path + ".bias" in model.tensors:
            arrays[f"readout.{k}.b"] = model.read(path + ".bias", (widths[-1],))
        else:
            arrays[f"readout.{k}.b"] = np.zeros(widths[-1], np.float32)
    return arrays, widths


def _basis(model):
    """Radial basis in float64, as the canonical file keeps it."""
    name = "representation.radial_basis"
    kind = model.expect(name, "GaussianRBF", "GaussianRBFCentered", "BesselRBF").class_name
    if kind == "BesselRBF":
        return {"rbf.freq": model.read(name + ".freqs", (None,), np.float64)}
    widths = model.read(name + ".widths", (None,), np.float64)
    if (widths == 0).any():
        raise fail(f"'{name}' has functions of no width", model.where)
    return {"rbf.mu": model.read(name + ".offsets", widths.shape, np.float64),
            "rbf.beta": 0.5 / widths ** 2}


def convert(source, options):
    """Return [(arrays, metadata, 0)] of one model."""
    options.refuse("SchNetPack", "member", "d3_table", "cutoff", "definition", "variant")
    known = published.known(source.sha256())
    model = _Model(source)
    where, r = model.where, "representation."
    unit = options.energy_unit or known.get("energy_unit")
    if unit is None:
        raise fail("the energy unit of a SchNetPack model is not in its file", where,
                   remedy="Give the unit of its training data with --energy-unit (one of "
                          + ", ".join(painn.ENERGY_UNITS) + ")")
    painn.check_energy_unit(unit)

    model.expect("representation", "PaiNN")
    model.expect(r + "cutoff_fn", "CosineCutoff")
    model.expect(r + "embedding", "Embedding")
    if model.n_items(r + "electronic_embeddings"):
        raise fail("has electronic embeddings (charge or spin)", where,
                   remedy="They are not supported")
    for name, kind in model.children("input_modules"):
        if kind not in _PASSIVE_INPUTS:
            raise fail(f"the input module '{name}' is not supported", where, kind,
                       " or ".join(sorted(_PASSIVE_INPUTS)))
    name, key = _output(model)

    embedding = model.read(r + "embedding.weight", (None, None))
    n_z, f = embedding.shape
    arrays = {"embedding": embedding, **_basis(model)}
    n_rbf = len(arrays.get("rbf.freq", arrays.get("rbf.mu")))
    n_layers = model.n_items(r + "interactions")
    if n_layers != model.n_items(r + "mixing"):
        raise fail("has as many interaction as mixing blocks", where,
                   f"{n_layers} and {model.n_items(r + 'mixing')}")
    shared_filters = model.attribute("representation", "share_filters") is True
    shared = _shared(model, "interactions", n_layers, "interatomic_context_net.0.weight")
    if shared != _shared(model, "mixing", n_layers, "mu_channel_mix.weight"):
        raise fail("interaction and mixing blocks are not shared alike", where)

    n_filters = 1 if shared_filters else n_layers
    weight = model.read(r + "filter_net.weight", (3 * f * n_filters, n_rbf))
    bias = model.read(r + "filter_net.bias", (3 * f * n_filters,))
    _activation(model, r + "filter_net", last=True)
    for l in range(n_filters):
        arrays[f"layer.{l}.filter.w0"] = weight[3 * f * l:3 * f * (l + 1)]
        arrays[f"layer.{l}.filter.b0"] = bias[3 * f * l:3 * f * (l + 1)]
    epsilon = set()
    for l in range(1 if shared else n_layers):
        context = f"{r}interactions.{l}.interatomic_context_net."
        mixing = f"{r}mixing.{l}."
        for net, ours, n_in in ((context, "ctx", f),
                                (mixing + "intraatomic_context_net.", "upd", 2 * f)):
            for k, n_out in ((0, f), (1, 3 * f)):
                _activation(model, f"{net}{k}", last=k == 1)
                arrays[f"layer.{l}.{ours}.w{k}"] = model.read(f"{net}{k}.weight",
                                                              (n_out, n_in if k == 0 else f))
                arrays[f"layer.{l}.{ours}.b{k}"] = model.read(f"{net}{k}.bias", (n_out,))
        mix = model.read(mixing + "mu_channel_mix.weight", (2 * f, f))
        _activation(model, mixing + "mu_channel_mix", last=True)
        arrays[f"layer.{l}.mix.v"], arrays[f"layer.{l}.mix.w"] = mix[:f], mix[f:]
        value = model.attribute(mixing.rstrip("."), "epsilon", 1e-8)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise fail("the epsilon of a mixing block is not a number", where, value)
        epsilon.add(float(value))
    if len(epsilon) != 1:
        raise fail("the layers differ in epsilon", where, listed(sorted(epsilon)))
    readout, widths = _readout(model, name, f)
    arrays.update(readout)
    scale, shift, atomref = _offsets(model, key, n_z)
    if atomref is not None:
        arrays["atomref"] = atomref

    settings = painn.config(
        n_features=f, n_layers=n_layers, n_rbf=n_rbf,
        cutoff=_scalar(model, r + "cutoff_fn.cutoff"), n_z=n_z,
        rbf="bessel" if "rbf.freq" in arrays else "gaussian", envelope_on="filter",
        filter_layers=1, shared_filters=shared_filters, shared_interactions=shared, context=True,
        update="channel", norm_eps=epsilon.pop(), dir_eps=0.0, readout=widths, energy_shift=shift,
        energy_scale=scale, energy_unit=unit, has_atomref=atomref is not None)
    return [(arrays, painn.metadata(settings, arrays, source, known, options), 0)]
