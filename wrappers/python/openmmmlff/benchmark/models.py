"""The benchmark's models: published files where they are at hand, else random weights."""
import json
import os
from dataclasses import dataclass

import numpy as np

from openmmmlff.convert import safetensors_file
from openmmmlff.models import knownModels, modelInfo, modelPath

SEED = 20261121
D3_FILE = "dftd3_reference_z94.safetensors"     # beside a model file without a table

# The network of SchNetPack 2 and of the paper, in the usual size.
PAINN = dict(format="mlff-painn-1", n_features=128, n_layers=3, n_rbf=20, cutoff=5.0, n_z=100,
             rbf="gaussian", cutoff_fn="cosine", poly_p=5, envelope_on="filter", filter_layers=1,
             shared_filters=False, shared_interactions=False, context=True, update="channel",
             norm_eps=1e-8, dir_eps=0.0, readout=[128, 64, 1], energy_shift=0.0, energy_scale=1.0,
             energy_unit="eV", length_unit="angstrom")
# The MLFF_Distiller student.
STUDENT = dict(PAINN, n_z=101, envelope_on="rbf", filter_layers=2, context=False, update="spatial",
               norm_eps=0.0, dir_eps=1e-8, readout=[128, 64, 32, 1])
AIMNET2 = dict(architecture="aimnet2", nfeature=16, nshifts=16, d2features=True, ncomb_v=12, rc=5.0,
               num_charge_channels=1, aim_size=256, mlp_hidden=[[512, 380], [512, 380],
                                                                [512, 380, 380]],
               mlp_last_linear=[True, False, False], activation="gelu_erf",
               energy_mlp_hidden=[128, 128], nse_epsilon=1e-6,
               sr_coulomb=dict(rc=4.6, envelope="exp"),
               d3=dict(kind="d3bj", s6=1.0, s8=0.3908, a1=0.566, a2=3.128, k1=16.0, k3=-4.0,
                       cutoff=15.0, smoothing_on=12.0),
               elements=[1, 6, 7, 8, 9], energy_unit="eV", length_unit="angstrom")

# name -> (file in the data folder's models/, name in the cache of `openmm-mlff get`, random form)
STANDARD = {"painn-128x3": ("painn-random-128x3.safetensors", None, PAINN),
            "student-427k": ("painn-student-427k.safetensors", None, STUDENT),
            "aimnet2": ("aimnet2_wb97m_d3_member0.safetensors", "aimnet2", AIMNET2)}


@dataclass(frozen=True)
class Model:
    """A model file to measure."""
    name: str
    path: str
    weights: str       # "file" or "random"
    info: dict         # modelInfo() of it
    config: dict       # its hyper-parameters

    @property
    def isPaiNN(self):
        return "config" in _metadata(self.path)


def findModel(name, data, folder):
    """The model of a standard name, a name that MLFFForce knows, or a path.

    data    folder with models/, or None
    folder  where a file with random weights may be written
    """
    weights = "file"
    if name in STANDARD:
        file, cached, form = STANDARD[name]
        path = data and os.path.join(data, "models", file)
        if not (path and os.path.isfile(path)):
            path = modelPath(cached) if cached in knownModels() else None
        if path is None:
            path, weights = os.path.join(folder, f"{name}-random.safetensors"), "random"
            _writeRandom(path, form)
    else:
        path = modelPath(name)
    info = modelInfo(path)
    metadata = _metadata(path)
    config = json.loads(metadata.get("config", metadata.get("architecture", "{}")))
    short = name if name in STANDARD else os.path.basename(name).removesuffix(".safetensors")
    return Model(short, path, weights, info, config)


def readTensors(path):
    """Arrays of a model file; with the D3 table of the model's elements where it has D3."""
    tensors, metadata = safetensors_file.read_arrays(path)
    architecture = json.loads(metadata.get("architecture", "{}"))
    beside = os.path.join(os.path.dirname(path), D3_FILE)
    if architecture.get("d3") and "d3.numbers" not in tensors and os.path.isfile(beside):
        rows = np.array(sorted(architecture["elements"]))
        table, _ = safetensors_file.read_arrays(beside)
        tensors["d3.numbers"] = rows
        for name in ("c6ref", "cnref", "rcov", "r4r2"):
            value = table[name]
            tensors[f"d3.{name}"] = value[np.ix_(rows, rows)] if value.ndim > 1 else value[rows]
    return tensors


def _metadata(path):
    return safetensors_file.read_header(path)[1]


# ------------------------------------------------------------------ random weights
def _writeRandom(path, form):
    random = np.random.default_rng(SEED)
    painn = "format" in form
    shapes = _painnShapes(form) if painn else _aimnet2Shapes(form)
    tensors = {}
    for name, shape in shapes.items():
        if len(shape) == 2 and not name.startswith(("embedding", "afv", "atomic_shift")):
            limit = np.sqrt(6/sum(shape))
            value = random.uniform(-limit, limit, shape)
        else:
            value = random.uniform(-0.1, 0.1, shape)
        tensors[name] = value.astype(np.float32)
    if painn:
        tensors["rbf.mu"] = np.linspace(0, form["cutoff"], form["n_rbf"])
        width = form["cutoff"]/(form["n_rbf"] - 1)
        tensors["rbf.beta"] = np.full(form["n_rbf"], 0.5/width**2)
    else:
        tensors.update(_aimnet2Constants(form, random))
    key = "config" if painn else "architecture"
    safetensors_file.write(path, tensors, {key: json.dumps(form),
                                           "source": f"random weights, seed {SEED}"})


def _painnShapes(c):
    f, k = c["n_features"], c["n_rbf"]
    shapes = {"embedding": (c["n_z"], f)}

    def linear(name, n, n_in, n_out):
        shapes[f"{name}.w{n}"], shapes[f"{name}.b{n}"] = (n_out, n_in), (n_out,)

    for layer in (f"layer.{l}" for l in range(c["n_layers"])):
        if c["filter_layers"] == 1:
            linear(f"{layer}.filter", 0, k, 3*f)
        else:
            linear(f"{layer}.filter", 0, k, f)
            linear(f"{layer}.filter", 1, f, 3*f)
        if c["context"]:
            linear(f"{layer}.ctx", 0, f, f)
            linear(f"{layer}.ctx", 1, f, 3*f)
        if c["update"] == "channel":
            shapes[f"{layer}.mix.v"] = shapes[f"{layer}.mix.w"] = (f, f)
        else:
            shapes[f"{layer}.mix.m"] = (3, 3)
        linear(f"{layer}.upd", 0, 2*f, f)
        linear(f"{layer}.upd", 1, f, 3*f)
    for n, (n_in, n_out) in enumerate(zip(c["readout"], c["readout"][1:])):
        shapes[f"readout.{n}.w"], shapes[f"readout.{n}.b"] = (n_out, n_in), (n_out,)
    return shapes


def _aimnet2Widths(c):
    """name -> widths of its MLP, input and output included."""
    own = c["nfeature"]*(2*c["nshifts"] + c["ncomb_v"])
    charges = c["num_charge_channels"]*(1 + c["nshifts"] + c["ncomb_v"])
    step = 2*c["num_charge_channels"] + c["nfeature"]*c["nshifts"]
    hidden = c["mlp_hidden"]
    return {"mlps.0": [own, *hidden[0], step], "mlps.1": [own + charges, *hidden[1], step],
            "mlps.2": [own + charges, *hidden[2], c["aim_size"]],
            "energy_mlp.mlp": [c["aim_size"], *c["energy_mlp_hidden"], 1]}


def _aimnet2Shapes(c):
    a, g, n_z = c["nfeature"], c["nshifts"], 64
    shapes = {"afv.weight": (n_z, a*g), "conv_a.agh": (a, g, c["ncomb_v"]),
              "conv_q.agh": (c["num_charge_channels"], g, c["ncomb_v"]),
              "atomic_shift.shifts.weight": (n_z, 1)}
    for name, widths in _aimnet2Widths(c).items():
        for k, (n_in, n_out) in enumerate(zip(widths, widths[1:])):
            shapes[f"{name}.{2*k}.weight"] = (n_out, n_in)
            shapes[f"{name}.{2*k}.bias"] = (n_out,)
    return shapes


def _aimnet2Constants(c, random):
    """Gaussians, and a D3 table with numbers of the usual size: no published table is needed."""
    g, rc, n = c["nshifts"], c["rc"], len(c["elements"])
    centers = (0.8 + np.arange(g)*(rc - 0.8)/g).astype(np.float32)
    polarity = random.uniform(1.5, 6, (n, 5))
    own = np.repeat(np.arange(5.0)[:, None], 5, axis=1)    # coordination numbers 0 ... 4
    table = {"numbers": np.array(c["elements"], np.int32),
             "c6ref": np.einsum("ap,bs->abps", polarity, polarity),
             "cnref": np.broadcast_to(own, (n, n, 5, 5)),
             "rcov": random.uniform(0.8, 2, n), "r4r2": random.uniform(2, 4, n)}
    tensors = {"aev.rc_s": np.float32(rc), "aev.eta_s": np.float32((g/(rc - 0.8))**2),
               "aev.shifts_s": centers, "srcoulomb.rc": np.float32(c["sr_coulomb"]["rc"])}
    for name, value in table.items():
        tensors[f"d3.{name}"] = value if name == "numbers" else value.astype(np.float32)
    return tensors


# ------------------------------------------------------------------ operations
def countOperations(config, n_atoms, n_pairs):
    """FLOP of an evaluation of energy and forces. Returns (least, plain).

    A multiply-add is 2, n_pairs counts directed pairs; activations, neighbor search, Coulomb and
    dispersion are not counted. "plain" takes the model's equations as they stand, for each
    directed pair and in every layer. "least" leaves out what need not be done at each evaluation:
    PaiNN's radial filters are tables with cubic interpolation, and what depends on the element
    alone, meets the vectors' zeros in the first layer or cannot reach the energy is not computed.
    Shares of the machine's peak go by "least", so that not computing never looks like computing
    fast.
    """
    count = _aimnet2Operations if "nfeature" in config else _painnOperations
    return count(config, n_atoms, n_pairs)


def _painnOperations(c, n_atoms, n_pairs):
    f, k, layers = c["n_features"], c["n_rbf"], c["n_layers"]
    context = 8*f*f if c["context"] else 0
    channel = c["update"] == "channel"
    mix, update = 12*f*f if channel else 18*f, 10*f*f
    readout = 2*sum(a*b for a, b in zip(c["readout"], c["readout"][1:]))
    net = 2*k*3*f + 3*f if c["filter_layers"] == 1 else 2*k*f + f + 2*f*3*f
    # forward and backward of dense layers cost the same, filter networks included; messages 16 f
    # and 39 f a pair; a table 16.5 f for the value, 34.5 f for value and derivative
    plain = (2*n_atoms*(layers*(context + mix + update) + readout)
             + n_pairs*layers*(16*f + 39*f + 2*net))
    # first layer: context by element, two of three message blocks, no gradients of features;
    # last layer: of the update's outputs only those that change s
    nodes = (layers - 1)*context + layers*update + readout - (2 if channel else 4)*f*f
    nodes += layers*mix if channel else (layers - 1)*mix
    filters = min(16.5*f + 34.5*f, 2*net)
    pairs = (layers - 1)*(16*f + 39*f + filters) + 9*f + 18*f + 2/3*filters
    return 2*n_atoms*nodes + n_pairs*pairs, plain


def _aimnet2Operations(c, n_atoms, n_pairs):
    a, q, g, h = c["nfeature"], c["num_charge_channels"], c["nshifts"], c["ncomb_v"]
    all_widths = _aimnet2Widths(c)
    dense = sum(n_in*n_out for widths in all_widths.values()
                for n_in, n_out in zip(widths, widths[1:]))
    vectors = 3*g*h*(3*a + 2*q)
    pair = 4*g*(3*a + 2*q)
    # backward: the dense layers once more, and 5,400 multiply-adds for the 3,200 of a pair
    plain = 2*(n_atoms*(2*dense + vectors) + n_pairs*pair*(1 + 5400/3200))
    # the part of pass 0 that takes the features of the element, forward and backward
    by_element = 2*2*a*g*all_widths["mlps.0"][1]
    return plain - n_atoms*by_element, plain


def countBytes(config, n_atoms, n_pairs):
    """Bytes that an evaluation at least moves to and from the device's memory, once they do not
    fit into its cache: what the reverse pass finds again, written once and read once, in float32.

    PaiNN: 12 F an atom and layer; features that neighbors need come out of the cache. AIMNet2: of
    passes 0 and 1 every layer's input to its activation, the vectors, the features, the charges'
    part; of the last pass nothing. Both: 36 bytes a directed pair.
    """
    if "nfeature" not in config:
        floats = 12*config["n_features"]*config["n_layers"]
    else:
        a, g, h = config["nfeature"], config["nshifts"], config["ncomb_v"]
        widths = _aimnet2Widths(config)
        floats = sum(sum(widths[f"mlps.{k}"][1:]) for k in (0, 1))
        floats += 2*3*a*h + 2*a*g + widths["mlps.1"][0]
    return 2*(4*floats*n_atoms + 36*n_pairs)
