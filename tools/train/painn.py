"""PaiNN of the SchNetPack type for training: many systems in one flat batch; model files
(mlff-painn-1, docs/model-file.md). Equations and symbols: docs/math/painn.md."""
import json
import math
import os

import torch
from torch.nn.functional import silu

from message import message

FIXED = ("rbf.mu", "rbf.beta", "rbf.freq", "atomref")   # tensors that are not trained


def make_config(F, L, K, cutoff, n_z=17, rbf="gaussian"):
    """Switches of the SchNetPack type: F features, L layers, K radial functions, cutoff in A."""
    return dict(format="mlff-painn-1", n_features=F, n_layers=L, n_rbf=K, cutoff=cutoff, n_z=n_z,
                rbf=rbf, cutoff_fn="cosine", poly_p=5, envelope_on="filter", filter_layers=1,
                shared_filters=False, shared_interactions=False, context=True, update="channel",
                norm_eps=1e-8, dir_eps=0.0, readout=[F, F // 2, 1], energy_shift=0.0,
                energy_scale=1.0, energy_unit="eV", length_unit="angstrom", has_atomref=True)


def radial_constants(config):
    """Gaussians as wide as their spacing, or Bessel frequencies; float64."""
    K, rc = config["n_rbf"], config["cutoff"]
    if config["rbf"] == "gaussian":
        mu = torch.linspace(0, rc, K, dtype=torch.float64)
        beta = torch.full((K,), 0.5 / float(mu[1] - mu[0])**2, dtype=torch.float64)
        return {"rbf.mu": mu, "rbf.beta": beta}
    return {"rbf.freq": torch.arange(1, K + 1, dtype=torch.float64) * math.pi / rc}


def init_params(config, seed, atomref):
    """Seeded start values: Xavier-uniform matrices, zero biases, normal embedding.
    atomref [n_z] in eV is stored as it is."""
    generator = torch.Generator().manual_seed(seed)
    F, L, K = config["n_features"], config["n_layers"], config["n_rbf"]

    def xavier(n_out, n_in):
        values = torch.rand(n_out, n_in, generator=generator)
        return (values * 2 - 1) * math.sqrt(6.0 / (n_out + n_in))

    params = {"embedding": torch.randn(config["n_z"], F, generator=generator),
              "atomref": torch.as_tensor(atomref, dtype=torch.float64)}
    params |= radial_constants(config)
    for l in range(L):
        shapes = [("filter.w0", (3*F, K)), ("ctx.w0", (F, F)), ("ctx.w1", (3*F, F)),
                  ("mix.v", (F, F)), ("mix.w", (F, F)), ("upd.w0", (F, 2*F)), ("upd.w1", (3*F, F))]
        for name, shape in shapes:
            params[f"layer.{l}.{name}"] = xavier(*shape)
            if not name.startswith("mix."):
                params[f"layer.{l}.{name.replace('.w', '.b')}"] = torch.zeros(shape[0])
    widths = config["readout"]
    for k in range(len(widths) - 1):
        params[f"readout.{k}.w"] = xavier(widths[k + 1], widths[k])
        params[f"readout.{k}.b"] = torch.zeros(widths[k + 1])
    return params


def trainable(params):
    """Names of the tensors that are trained, in a fixed order."""
    return [name for name in params if name not in FIXED]


def save_model(path, config, params, **metadata):
    """Write a model file; an interrupted run leaves the old one whole."""
    from safetensors.torch import save_file
    n_params = sum(params[name].numel() for name in trainable(params))
    texts = {"config": json.dumps(config), "n_params": str(n_params)}
    texts |= {key: str(value) for key, value in metadata.items()}
    tensors = {name: (t.detach().double() if name.startswith("rbf.") else t.detach().float())
               .contiguous() for name, t in params.items()}
    save_file(tensors, path + ".tmp", metadata=texts)
    os.replace(path + ".tmp", path)


def load_model(path):
    """Returns (config, tensors as stored, metadata)."""
    from safetensors import safe_open
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}
        return json.loads(file.metadata()["config"]), tensors, file.metadata()


class Painn:
    """Energies and forces of systems in one batch. Pairs are undirected, each once (a < b);
    energies are without atomref, which is added in float64 by the callers."""

    def __init__(self, config, params, dtype=torch.float32):
        self.config, self.dtype = config, dtype
        self.params = {name: tensor.to(dtype) for name, tensor in params.items()}

    def linear(self, prefix, k, x):
        """W x + b over the last axis of x [n, in]."""
        return torch.addmm(self.params[f"{prefix}b{k}"], x, self.params[f"{prefix}w{k}"].T)

    def radial(self, d):
        """fc phi and fc, side by side: [pairs, K + 1]."""
        params, rc = self.params, self.config["cutoff"]
        fc = (0.5 * torch.cos(d * (math.pi / rc)) + 0.5) * (d < rc)
        if self.config["rbf"] == "gaussian":
            phi = torch.exp(-params["rbf.beta"] * (d[:, None] - params["rbf.mu"])**2)
        else:
            phi = torch.sin(d[:, None] * params["rbf.freq"]) / d[:, None]
        return torch.cat([phi, torch.ones_like(d)[:, None]], 1) * fc[:, None]

    def message(self, l, radial, s, v, u, a, b):
        """Features after the message of layer l."""
        prefix, params = f"layer.{l}.", self.params
        weight = torch.cat([params[prefix + "filter.w0"], params[prefix + "filter.b0"][:, None]], 1)
        W = radial @ weight.T
        x = self.linear(prefix + "ctx.", 1, silu(self.linear(prefix + "ctx.", 0, s)))
        ds, dv = message(W, x, v, u, a, b, l > 0)
        return s + ds, (v + dv if l else dv)

    def update(self, l, s, v):
        """Features after the update of layer l; the last layer's v is not needed."""
        prefix, params = f"layer.{l}.", self.params
        F = self.config["n_features"]
        p, q = v @ params[prefix + "mix.v"].T, v @ params[prefix + "mix.w"].T
        n = torch.sqrt((p * p).sum(1) + self.config["norm_eps"])
        h = silu(self.linear(prefix + "upd.", 0, torch.cat([s, n], 1)))
        y = self.linear(prefix + "upd.", 1, h)
        s = s + y[:, :F] + y[:, 2*F:] * (p * q).sum(1)
        if l < self.config["n_layers"] - 1:
            v = v + y[:, None, F:2*F] * q
        return s, v

    def energies(self, Z, R, a, b, system, n_systems):
        """[n_systems], eV. Z [n], R [n, 3] A, a and b [pairs], system [n] of each atom."""
        params = self.params
        r = R[b] - R[a]
        d = torch.sqrt((r * r).sum(1))
        u = r / d[:, None]
        radial = self.radial(d)
        s = params["embedding"][Z]
        v = torch.zeros(len(Z), 3, self.config["n_features"], dtype=R.dtype)
        for l in range(self.config["n_layers"]):
            s, v = self.message(l, radial, s, v, u, a, b)
            s, v = self.update(l, s, v)
        n_linear = len(self.config["readout"]) - 1
        for k in range(n_linear):
            s = torch.addmm(params[f"readout.{k}.b"], s, params[f"readout.{k}.w"].T)
            s = silu(s) if k < n_linear - 1 else s
        return torch.zeros(n_systems, dtype=R.dtype).index_add(0, system, s[:, 0])

    def energy_forces(self, Z, R, a, b, system, n_systems, create_graph=False):
        """Energies [n_systems], eV, and forces [n, 3], eV/A."""
        R = R.detach().to(self.dtype).requires_grad_(True)
        E = self.energies(Z, R, a, b, system, n_systems)
        if len(a) == 0:
            return E, torch.zeros_like(R)
        gradient, = torch.autograd.grad(E.sum(), R, create_graph=create_graph)
        return (E, -gradient) if create_graph else (E.detach(), -gradient)
