"""MLFF_Distiller students (StudentForceField; .pt, .pth, TorchScript or the weights of an ONNX
file) -> mlff-painn-1.

The published ONNX graphs are not the model (their message sums keep one neighbor per atom); the
weights inside are. So only the initializers are read.
"""
import re

import numpy as np

from . import painn, published
from .arrays import read_float
from .errors import fail, listed

_MARK = "interactions.0.message.rbf_to_scalar.0.weight"


def recognises(source):
    return any(name == _MARK or name.endswith("." + _MARK) for name in source.tensors)


def _numbers(tensors, pattern):
    """Sorted distinct numbers where ``pattern`` has its group."""
    return sorted({int(m.group(1)) for m in (re.match(pattern, n) for n in tensors) if m})


def _cutoff(source, options, centers, where):
    """The cutoff: the given one, else the checkpoint's, else the last center of the basis."""
    stored = source.info.get("config")
    stored = stored.get("cutoff") if isinstance(stored, dict) else None
    if stored is not None and (isinstance(stored, bool) or not isinstance(stored, (int, float))
                               or not 0 < stored < 1e6):
        raise fail("the checkpoint's cutoff is not a number", where, stored)
    if options.cutoff is not None:
        if stored is not None and abs(stored - options.cutoff) > 1e-6:
            raise fail("the given cutoff contradicts the checkpoint", where, stored,
                       options.cutoff)
        return float(options.cutoff)
    if stored is not None:
        return float(stored)
    even = np.linspace(0.0, centers[-1], len(centers))
    if centers[-1] <= 0 or np.abs(centers - even).max() > 1e-5 * centers[-1]:
        raise fail("the cutoff is not in the file, and the radial basis was trained", where,
                   remedy="Give the cutoff in angstrom with --cutoff")
    return float(centers[-1])


def convert(source, options):
    """Return [(arrays, metadata, 0)] of one student."""
    options.refuse("MLFF_Distiller", "member", "d3_table", "definition", "variant")
    known = published.known(source.sha256())
    where = source.path
    mark = next((n for n in source.tensors if n == _MARK or n.endswith("." + _MARK)), None)
    if mark is None:
        raise fail(f"tensor '{_MARK}' is missing", where, source.describe(),
                   "a StudentForceField")
    prefix = mark[:-len(_MARK)]
    tensors = {n[len(prefix):]: r for n, r in source.tensors.items() if n.startswith(prefix)}
    used = set()

    def read(name, shape=None, dtype=np.float32):
        used.add(name)
        return read_float(tensors, name, where, shape, dtype)

    embedding = read("embedding.weight", (None, None))
    n_z, f = embedding.shape
    centers = read("rbf.centers", (None,), np.float64)
    widths = read("rbf.widths", centers.shape, np.float64)
    if not len(centers):
        raise fail("the radial basis has no functions", where, "rbf.centers of length 0")
    if (widths == 0).any():
        raise fail("'rbf.widths' has functions of no width", where)
    n_rbf = len(centers)
    layers = _numbers(tensors, r"interactions\.(\d+)\.")
    if layers != list(range(len(layers))):
        raise fail("the interaction blocks are not numbered 0, 1, ...", where, listed(layers))

    arrays = {"embedding": embedding, "rbf.mu": centers, "rbf.beta": 1.0 / widths ** 2}
    # message blocks: (s, v, r) in the source, (s, r, v) in our file
    order = np.r_[0:f, 2 * f:3 * f, f:2 * f]
    for l in layers:
        net = f"interactions.{l}.message.rbf_to_scalar."
        arrays[f"layer.{l}.filter.w0"] = read(net + "0.weight", (f, n_rbf))
        arrays[f"layer.{l}.filter.b0"] = read(net + "0.bias", (f,))
        arrays[f"layer.{l}.filter.w1"] = read(net + "2.weight", (3 * f, f))[order]
        arrays[f"layer.{l}.filter.b1"] = read(net + "2.bias", (3 * f,))[order]
        net = f"interactions.{l}.update."
        for k, theirs, n_in, n_out in ((0, 0, 2 * f, f), (1, 2, f, 3 * f)):
            arrays[f"layer.{l}.upd.w{k}"] = read(f"{net}update_mlp.{theirs}.weight", (n_out, n_in))
            arrays[f"layer.{l}.upd.b{k}"] = read(f"{net}update_mlp.{theirs}.bias", (n_out,))
        # the last layer's vectors are never used, and exporters leave its matrix out
        if l == layers[-1] and net + "mixing_matrix" not in tensors:
            arrays[f"layer.{l}.mix.m"] = np.zeros((3, 3), np.float32)
        else:
            arrays[f"layer.{l}.mix.m"] = read(net + "mixing_matrix", (3, 3))

    positions = _numbers(tensors, r"energy_head\.(\d+)\.weight$")
    if not positions:
        raise fail("tensor 'energy_head.0.weight' is missing", where)
    readout = [f]
    for k, position in enumerate(positions):
        n_out = 1 if k == len(positions) - 1 else None
        arrays[f"readout.{k}.w"] = read(f"energy_head.{position}.weight", (n_out, readout[-1]))
        readout.append(arrays[f"readout.{k}.w"].shape[0])
        arrays[f"readout.{k}.b"] = read(f"energy_head.{position}.bias", (readout[-1],))
    # an ONNX graph brings constants of its own, whose names are numbers or paths
    extra = sorted(n for n in set(tensors) - used
                   if re.match(r"(embedding|rbf|interactions|energy_head)\.", n))
    if extra:
        raise fail("has tensors that the student does not have", where, listed(extra),
                   remedy="This variant of the model is not supported")

    settings = painn.config(
        n_features=f, n_layers=len(layers), n_rbf=n_rbf,
        cutoff=_cutoff(source, options, centers, where), n_z=n_z, rbf="gaussian",
        envelope_on="rbf", filter_layers=2, shared_filters=False, shared_interactions=False,
        context=False, update="spatial", norm_eps=0.0, dir_eps=1e-8, readout=readout,
        energy_shift=0.0, energy_scale=1.0,
        energy_unit=painn.check_energy_unit(options.energy_unit or "eV"), has_atomref=False)
    return [(arrays, painn.metadata(settings, arrays, source, known, options), 0)]
