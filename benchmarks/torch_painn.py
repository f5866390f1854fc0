"""PaiNN in plain PyTorch: what `openmm-mlff benchmark` compares with.

Written as a PyTorch user would: edges as index tensors, nn.functional.linear, index_select and
index_add, forces by autograd. Equations and switches: docs/math/painn.md and docs/model-file.md;
weights and block orders are those of the model file. float32, which is what such models run in.
"""
import math

import torch
from torch.nn.functional import linear, silu


class PaiNN(torch.nn.Module):
    """config: metadata "config" of the model file; tensors: name -> array, of the model file."""

    def __init__(self, config, tensors):
        super().__init__()
        self.config = config
        self.atomref = tensors.get("atomref")
        self.names = {}
        for name, value in tensors.items():
            self.names[name] = name.replace(".", "_")
            self.register_buffer(self.names[name], torch.tensor(value, dtype=torch.float32))

    def graph(self, numbers, periodic, find):
        """What forward() takes beside the positions; its making is not part of forward().

        numbers   [N] atomic numbers
        find      function(cutoff) -> i [E], j [E], shift [E, 3] angstrom: the directed pairs i <- j
                  with r_ij = x_j + shift - x_i shorter than the cutoff
        """
        i, j, shift = find(self.config["cutoff"])
        return (torch.tensor(numbers, dtype=torch.int64), torch.tensor(i, dtype=torch.int64),
                torch.tensor(j, dtype=torch.int64), torch.tensor(shift, dtype=torch.float32))

    def padded(self, graph, share=0.15):
        """The same with room for more pairs, so that shapes stay when neighbors change.

        What is added lies at twice the cutoff, from an atom to itself, where the filters' envelope
        is zero. One on the radial functions alone leaves the filters' biases: there, the last
        tensor tells the pairs that count.
        """
        numbers, i, j, shift = graph
        extra = math.ceil(share*len(i)) + 32
        itself = i.new_full((extra,), len(numbers) - 1)
        far = shift.new_tensor([2*self.config["cutoff"], 0, 0]).expand(extra, 3)
        real = torch.cat([shift.new_ones(len(i), 1), shift.new_zeros(extra, 1)])
        return (numbers, torch.cat([i, itself]), torch.cat([j, itself]), torch.cat([shift, far]),
                *([real] if self.config["envelope_on"] == "rbf" else []))

    def constant(self, numbers):
        """What is added to the energy whatever the positions are, in double precision."""
        constant = self.config["energy_shift"]*len(numbers)
        if self.atomref is not None:
            constant += self.atomref.astype(float)[numbers].sum()
        return float(constant)

    def forward(self, positions, numbers, i, j, shift, real=None):
        """Energy without the constant, in the model's unit, of positions [N, 3] in angstrom;
        real [E, 1]: factor of each pair, 1 or 0."""
        config = self.config
        r = positions.index_select(0, j) - positions.index_select(0, i) + shift
        d = r.norm(dim=1)
        u = r/(d + config["dir_eps"])[:, None]
        phi, fc = self._basis(d), self._cutoff(d)
        s = self._tensor("embedding").index_select(0, numbers)
        v = s.new_zeros(len(s), 3, s.shape[1])
        for l in range(config["n_layers"]):
            s, v = self._message(l, s, v, i, j, u, self._filters(l, phi, fc, real))
            s, v = self._update(l, s, v)
        return self._readout(s).sum()*config["energy_scale"]

    # ------------------------------------------------------------------ the stages
    def _basis(self, d):
        """[E, K]"""
        if self.config["rbf"] == "gaussian":
            return torch.exp(-self._tensor("rbf.beta")*(d[:, None] - self._tensor("rbf.mu"))**2)
        return torch.sin(d[:, None]*self._tensor("rbf.freq"))/d[:, None]

    def _cutoff(self, d):
        """[E, 1]; zero beyond the cutoff"""
        x = d/self.config["cutoff"]
        if self.config["cutoff_fn"] == "cosine":
            fc = 0.5*(torch.cos(math.pi*x) + 1)
        else:
            p = self.config.get("poly_p", 5)
            fc = (1 - (p + 1)*(p + 2)/2*x**p + p*(p + 2)*x**(p + 1) - p*(p + 1)/2*x**(p + 2))
        return (fc*(x < 1))[:, None]

    def _filters(self, l, phi, fc, real):
        """[E, 3F]"""
        layer = 0 if self.config["shared_filters"] else l
        inside = self.config["envelope_on"] == "rbf"
        w = self._linear(f"layer.{layer}.filter", 0, phi*fc if inside else phi)
        if self.config["filter_layers"] == 2:
            w = self._linear(f"layer.{layer}.filter", 1, silu(w))
        if inside:
            return w if real is None else w*real
        return w*fc

    def _message(self, l, s, v, i, j, u, w):
        if self.config["context"]:
            name = f"layer.{self._shared(l)}.ctx"
            x = self._linear(name, 1, silu(self._linear(name, 0, s)))
            w_s, w_r, w_v = (w*x.index_select(0, j)).chunk(3, dim=1)
        else:
            w_s, w_r, w_v = w.chunk(3, dim=1)
            w_s = w_s*s.index_select(0, j)
        to_v = w_r[:, None, :]*u[:, :, None]
        if l > 0:  # v is zero before the first layer
            to_v = to_v + w_v[:, None, :]*v.index_select(0, j)
        return s.index_add(0, i, w_s), v.index_add(0, i, to_v)

    def _update(self, l, s, v):
        name = f"layer.{self._shared(l)}"
        channel = self.config["update"] == "channel"
        if channel:
            p = linear(v, self._tensor(f"{name}.mix.v"))
            q = linear(v, self._tensor(f"{name}.mix.w"))
        else:
            p, q = v, torch.einsum("ab,nbf->naf", self._tensor(f"{name}.mix.m"), v)
        y = torch.cat([s, self._norm(p)], dim=1)
        y = self._linear(f"{name}.upd", 1, silu(self._linear(f"{name}.upd", 0, y)))
        y_s, y_1, y_2 = y.chunk(3, dim=1)
        if channel:
            return s + y_s + y_2*(p*q).sum(dim=1), v + y_1[:, None, :]*q
        return s + y_s, y_1[:, None, :]*v + y_2[:, None, :]*q

    def _norm(self, p):
        """[N, F] from [N, 3, F]; without an epsilon the derivative at 0 is 0."""
        square = (p*p).sum(dim=1)
        if self.config["norm_eps"] > 0:
            return torch.sqrt(square + self.config["norm_eps"])
        zero = square == 0
        return torch.where(zero, 0.0, torch.sqrt(torch.where(zero, 1.0, square)))

    def _readout(self, s):
        n = len(self.config["readout"]) - 1
        for k in range(n):
            s = linear(s, self._tensor(f"readout.{k}.w"), self._tensor(f"readout.{k}.b"))
            if k < n - 1:
                s = silu(s)
        return s

    # ------------------------------------------------------------------ tensors by name
    def _tensor(self, name):
        return getattr(self, self.names[name])

    def _linear(self, name, k, x):
        return linear(x, self._tensor(f"{name}.w{k}"), self._tensor(f"{name}.b{k}"))

    def _shared(self, l):
        return 0 if self.config["shared_interactions"] else l
