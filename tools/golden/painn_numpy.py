"""PaiNN in plain numpy, float64: the independent answer that the tests compare the engine with.

Written from the equations in docs/math/painn.md. Forces and strain derivative come from the complex
step: E(x + i h) with h = 1e-30 has the imaginary part h dE/dx, exact to rounding since nothing is
subtracted. So no hand-derived adjoint is shared with the code under test.

Every function below is analytic in the edge vectors: norms are sqrt(sum of squares), never |z|.
All arrays may carry leading batch axes, written [..., ]: one entry per perturbed coordinate.

    E edges (i <- j, i receives), N atoms, F features, K radial functions, L layers
"""
import itertools
import json
import math

import numpy as np
from safetensors import safe_open

FORMAT = "mlff-painn-1"
STEP = 1e-30            # angstrom; its square vanishes in float64
BATCH_BYTES = 64 << 20  # one [batch, E, 3F] complex array stays below this

DEFAULTS = dict(
    format=FORMAT, n_features=16, n_layers=3, n_rbf=8, cutoff=5.0, n_z=9, rbf="gaussian",
    cutoff_fn="cosine", poly_p=5, envelope_on="filter", filter_layers=1, shared_filters=False,
    shared_interactions=False, context=True, update="channel", norm_eps=1e-8, dir_eps=0.0,
    readout=None, energy_shift=0.0, energy_scale=1.0, energy_unit="eV", length_unit="angstrom",
    has_atomref=False)

ALLOWED = dict(
    format=(FORMAT,), rbf=("gaussian", "bessel"), cutoff_fn=("cosine", "poly"),
    envelope_on=("filter", "rbf"), filter_layers=(1, 2), update=("channel", "spatial"),
    energy_unit=("eV", "kcal/mol", "kJ/mol", "Hartree"), length_unit=("angstrom",))


# ------------------------------------------------------------------------------------ model file
def tensor_shapes(config):
    """Name -> shape of every tensor that a model with these switches has."""
    F, L, K = config["n_features"], config["n_layers"], config["n_rbf"]
    shapes = {"embedding": (config["n_z"], F)}
    for name in ("mu", "beta") if config["rbf"] == "gaussian" else ("freq",):
        shapes[f"rbf.{name}"] = (K,)
    for l in range(1 if config["shared_filters"] else L):
        inner = K if config["filter_layers"] == 1 else F
        if config["filter_layers"] == 2:
            shapes |= {f"layer.{l}.filter.w0": (F, K), f"layer.{l}.filter.b0": (F,)}
        last = config["filter_layers"] - 1
        shapes |= {f"layer.{l}.filter.w{last}": (3*F, inner), f"layer.{l}.filter.b{last}": (3*F,)}
    for l in range(1 if config["shared_interactions"] else L):
        p = f"layer.{l}."
        if config["context"]:
            shapes |= {p + "ctx.w0": (F, F), p + "ctx.b0": (F,),
                       p + "ctx.w1": (3*F, F), p + "ctx.b1": (3*F,)}
        if config["update"] == "channel":
            shapes |= {p + "mix.v": (F, F), p + "mix.w": (F, F)}
        else:
            shapes[p + "mix.m"] = (3, 3)
        shapes |= {p + "upd.w0": (F, 2*F), p + "upd.b0": (F,),
                   p + "upd.w1": (3*F, F), p + "upd.b1": (3*F,)}
    widths = config["readout"]
    for k, (n_in, n_out) in enumerate(itertools.pairwise(widths)):
        shapes |= {f"readout.{k}.w": (n_out, n_in), f"readout.{k}.b": (n_out,)}
    if config["has_atomref"]:
        shapes["atomref"] = (config["n_z"],)
    return shapes


def complete_config(config):
    """Fill in defaults; refuse unknown switches and values."""
    unknown = sorted(set(config) - set(DEFAULTS))
    if unknown:
        raise ValueError(f"unknown switches {unknown}")
    config = {**DEFAULTS, **config}
    for key, allowed in ALLOWED.items():
        if config[key] not in allowed:
            raise ValueError(f"{key} = {config[key]!r}: expected one of {allowed}")
    if config["readout"] is None:
        config["readout"] = [config["n_features"], config["n_features"] // 2, 1]
    if config["readout"][0] != config["n_features"] or config["readout"][-1] != 1:
        raise ValueError(f"readout = {config['readout']}: expected [n_features, ..., 1]")
    return config


def load_model(path):
    """Read a model file. Returns (config, tensors as float64, metadata)."""
    with safe_open(path, "numpy") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name).astype(np.float64) for name in file.keys()}
    stored = json.loads(metadata["config"])
    stored.setdefault("has_atomref", "atomref" in tensors)  # files from before the switch existed
    config = complete_config(stored)
    shapes = tensor_shapes(config)
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if found != shapes:
        differ = sorted(name for name in found.keys() | shapes.keys()
                        if found.get(name) != shapes.get(name))
        raise ValueError(f"{path}: missing, unexpected or misshapen tensors: {differ}")
    return config, tensors, metadata


# ------------------------------------------------------------------------------------ neighbours
def find_edges(positions, cutoff, cell=None):
    """Every directed edge (i <- j, image) with d < cutoff, by trying all images; sorted by i, j.

    positions [N, 3] angstrom, cell [3, 3] rows a b c or None.
    Returns i [E], j [E], shift [E, 3] with r_ij = R_j - R_i + shift.
    """
    n_atoms = len(positions)
    images = [np.zeros(3)]
    if cell is not None:
        inverse = np.linalg.inv(cell)             # columns: reciprocal vectors
        fraction = positions @ inverse
        span = fraction.max(axis=0) - fraction.min(axis=0)
        reach = np.ceil(cutoff * np.linalg.norm(inverse, axis=0) + span).astype(int)
        images = [np.array(n, float) @ cell
                  for n in itertools.product(*(range(-m, m + 1) for m in reach))]
    rows = []
    for shift in images:
        r = positions[None] - positions[:, None] + shift      # [i, j, 3]
        near = (r * r).sum(axis=-1) < cutoff**2
        if not shift.any():
            near &= ~np.eye(n_atoms, dtype=bool)
        i, j = np.nonzero(near)
        rows.append(np.column_stack([i, j, np.broadcast_to(shift, (len(i), 3))]))
    rows = np.concatenate(rows)
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    return rows[:, 0].astype(int), rows[:, 1].astype(int), rows[:, 2:]


def sum_to_receivers(values, i, n_atoms, axis):
    """Sum edge values into their receiving atoms; i is sorted. The edge axis becomes atoms."""
    shape = list(values.shape)
    shape[axis] = n_atoms
    out = np.zeros(shape, values.dtype)
    if len(i) == 0:
        return out
    receivers, first = np.unique(i, return_index=True)
    target = [slice(None)] * values.ndim
    target[axis] = receivers
    out[tuple(target)] = np.add.reduceat(values, first, axis=axis)
    return out


# ------------------------------------------------------------------------------------ the network
def silu(x):
    """x / (1 + exp(-x))"""
    return x / (1 + np.exp(-x))


def dense(tensors, prefix, number, x):
    """W x + b with W [out, in] over the last axis of x."""
    return x @ tensors[f"{prefix}w{number}"].T + tensors[f"{prefix}b{number}"]


def two_layer(tensors, prefix, x):
    """Linear, SiLU, Linear."""
    return dense(tensors, prefix, 1, silu(dense(tensors, prefix, 0, x)))


def radial_basis(config, tensors, d):
    """phi [..., E, K] of distances d [..., E]."""
    d = d[..., None]
    if config["rbf"] == "gaussian":
        return np.exp(-tensors["rbf.beta"] * (d - tensors["rbf.mu"])**2)
    return np.sin(tensors["rbf.freq"] * d) / d


def envelope(config, d):
    """Cutoff function fc [..., E]; every edge has d < cutoff."""
    x = d / config["cutoff"]
    if config["cutoff_fn"] == "cosine":
        return 0.5 * (1 + np.cos(math.pi * x))
    p = config["poly_p"]
    return 1 - (p + 1)*(p + 2)/2 * x**p + p*(p + 2) * x**(p + 1) - p*(p + 1)/2 * x**(p + 2)


def filters(config, tensors, l, phi, fc):
    """W [..., E, 3F], blocks s, r, v."""
    prefix = f"layer.{0 if config['shared_filters'] else l}.filter."
    if config["envelope_on"] == "rbf":
        phi = phi * fc[..., None]
    net = two_layer if config["filter_layers"] == 2 else lambda t, p, x: dense(t, p, 0, x)
    W = net(tensors, prefix, phi)
    return W * fc[..., None] if config["envelope_on"] == "filter" else W


def message(config, tensors, l, W, u, i, j, s, v):
    """s + sum_j W_s x_s,  v + sum_j (W_r x_r u + W_v x_v v_j)."""
    n_atoms = s.shape[-2]
    if config["context"]:
        x = two_layer(tensors, f"layer.{0 if config['shared_interactions'] else l}.ctx.", s)
        x_s, x_r, x_v = np.split(x[..., j, :], 3, axis=-1)
    else:
        x_s, x_r, x_v = s[..., j, :], 1.0, 1.0
    W_s, W_r, W_v = np.split(W, 3, axis=-1)
    along = (W_r * x_r)[..., None, :] * u[..., :, None]       # [..., E, 3, F]
    passed = (W_v * x_v)[..., None, :] * v[..., j, :, :]
    return (s + sum_to_receivers(W_s * x_s, i, n_atoms, s.ndim - 2),
            v + sum_to_receivers(along + passed, i, n_atoms, v.ndim - 3))


def vector_norm(p, eps):
    """sqrt(sum_a p_a^2 + eps) over the Cartesian axis of p [..., N, 3, F]; 0, with derivative 0,
    where eps = 0 and p = 0."""
    square = (p * p).sum(axis=-2) + eps
    zero = (p.real**2).sum(axis=-2) + eps == 0
    return np.where(zero, 0, np.sqrt(np.where(zero, 1, square)))


def update(config, tensors, l, s, v):
    """Mix the vector features of each atom and let scalars and vectors change each other."""
    prefix = f"layer.{0 if config['shared_interactions'] else l}."
    if config["update"] == "channel":
        p, q = v @ tensors[prefix + "mix.v"].T, v @ tensors[prefix + "mix.w"].T
    else:
        p, q = v, tensors[prefix + "mix.m"] @ v               # acts on the Cartesian axis
    n = vector_norm(p, config["norm_eps"])
    y = two_layer(tensors, prefix + "upd.", np.concatenate([s, n], axis=-1))
    y_0, y_1, y_2 = np.split(y, 3, axis=-1)
    if config["update"] == "channel":
        return s + y_0 + y_2 * (p * q).sum(axis=-2), v + y_1[..., None, :] * q
    return s + y_0, y_1[..., None, :] * v + y_2[..., None, :] * q


def atom_energies(config, tensors, numbers, r, i, j, trace=None):
    """Energy of each atom [..., N] from edge vectors r [..., E, 3] (angstrom), in the model's unit.

    trace: dict that receives s_msg_l [N, F], v_msg_l [N, 3, F] after each message and s_l, v_l
    after each update.
    """
    batch, n_atoms, F = r.shape[:-2], len(numbers), config["n_features"]
    d = np.sqrt((r * r).sum(axis=-1))
    u = r / (d + config["dir_eps"])[..., None]
    phi, fc = radial_basis(config, tensors, d), envelope(config, d)
    s = np.broadcast_to(tensors["embedding"][numbers], (*batch, n_atoms, F)).astype(r.dtype)
    v = np.zeros((*batch, n_atoms, 3, F), r.dtype)
    for l in range(config["n_layers"]):
        W = filters(config, tensors, l, phi, fc)
        s, v = message(config, tensors, l, W, u, i, j, s, v)
        if trace is not None:
            trace[f"s_msg_{l}"], trace[f"v_msg_{l}"] = s, v
        s, v = update(config, tensors, l, s, v)
        if trace is not None:
            trace[f"s_{l}"], trace[f"v_{l}"] = s, v
    return readout(config, tensors, numbers, s)


def readout(config, tensors, numbers, s):
    """scale * net(s) + shift + atomref[Z], one value an atom."""
    h, n_linear = s, len(config["readout"]) - 1
    for k in range(n_linear):
        h = h @ tensors[f"readout.{k}.w"].T + tensors[f"readout.{k}.b"]
        h = silu(h) if k < n_linear - 1 else h
    energies = config["energy_scale"] * h[..., 0] + config["energy_shift"]
    return energies + tensors["atomref"][numbers] if config["has_atomref"] else energies


# ------------------------------------------------------------------------------------ derivatives
def directions(n_atoms, i, j, r):
    """How edge vectors move with each coordinate, then with each strain component.

    Yields arrays [E, 3]: first d r / d R_a for a = 0 ... 3N-1, then d r / d strain_ab, where
    r_b moves by sum_a r_a strain_ab.
    """
    for atom, axis in itertools.product(range(n_atoms), range(3)):
        out = np.zeros_like(r)
        out[:, axis] = (j == atom).astype(float) - (i == atom)
        yield out
    for a, b in itertools.product(range(3), range(3)):
        out = np.zeros_like(r)
        out[:, b] = r[:, a]
        yield out


def compute(config, tensors, numbers, positions, cell=None, trace=None):
    """Energy, forces and strain derivative of one system.

    numbers [N], positions [N, 3] angstrom, cell [3, 3] rows a b c (angstrom) or None.
    Returns a dict: energy, forces [N, 3], virial [3, 3] = dE/dstrain, energies [N], n_edges;
    energies in the model's unit, lengths in angstrom.
    """
    numbers, positions = np.asarray(numbers), np.asarray(positions, float)
    if numbers.min() < 0 or numbers.max() >= config["n_z"]:
        raise ValueError(f"atomic numbers {sorted(set(numbers))}: expected 0 ... n_z - 1")
    n_atoms = len(numbers)
    i, j, shift = find_edges(positions, config["cutoff"], cell)
    r = positions[j] - positions[i] + shift
    energies = atom_energies(config, tensors, numbers, r, i, j, trace)
    gradient = np.zeros(3*n_atoms + 9)
    if len(i):
        size = max(1, BATCH_BYTES // (16 * 3*config["n_features"] * len(i)))
        moves = directions(n_atoms, i, j, r)
        for k in range(0, len(gradient), size):
            move = np.stack(list(itertools.islice(moves, size)))
            shifted = atom_energies(config, tensors, numbers, r + 1j*STEP*move, i, j)
            gradient[k:k + size] = shifted.imag.sum(axis=-1) / STEP
    return dict(energy=energies.sum(), forces=-gradient[:3*n_atoms].reshape(-1, 3),
                virial=gradient[3*n_atoms:].reshape(3, 3), energies=energies, n_edges=len(i))
