"""AIMNet2 in plain PyTorch: what `openmm-mlff benchmark` compares with.

Written as a PyTorch user would, with the network in the way of its published code: neighbors as a
padded matrix, the convolution as one einsum over it; forces by autograd, the charge response
included. Coulomb and D3 go over lists in which every pair is once. Equations:
docs/math/aimnet2.md and docs/math/longrange.md. One charge channel. float32.
"""
import math

import numpy as np
import torch
from torch.nn.functional import gelu, linear

HARTREE = 27.211386024367243    # eV
BOHR = 0.5291772105638411       # angstrom
KE = HARTREE*BOHR               # eV angstrom / e^2
DSF_ALPHA, DSF_CUTOFF = 0.2, 15.0   # 1/angstrom, angstrom


class AIMNet2(torch.nn.Module):
    """config: metadata "architecture" of the model file; tensors: name -> array, of the model file,
    with the D3 table of the model's elements as d3.* where config has "d3"."""

    def __init__(self, config, tensors):
        super().__init__()
        if config["num_charge_channels"] != 1:
            raise ValueError("the PyTorch peer of AIMNet2 knows one charge channel, the model has "
                             f"{config['num_charge_channels']}")
        self.config = config
        self.shifts = tensors["atomic_shift.shifts.weight"].astype(float)
        self.eta, self.cutoff = float(tensors["aev.eta_s"]), float(tensors["aev.rc_s"])
        self.names = {}
        for name, value in tensors.items():
            if not name.startswith(("d3.", "atomic_shift.")):
                self.names[name] = name.replace(".", "_")
                self.register_buffer(self.names[name], torch.tensor(value, dtype=torch.float32))
        self.d3 = Dispersion(config["d3"], tensors) if config.get("d3") else None

    def graph(self, numbers, periodic, find):
        """What forward() takes beside the positions; its making is not part of forward().

        numbers   [N] atomic numbers
        periodic  Coulomb by DSF; else the plain sum
        find      function(cutoff) -> i [E], j [E], shift [E, 3] angstrom: the directed pairs i <- j
                  with r_ij = x_j + shift - x_i shorter than the cutoff, sorted by i
        """
        i, j, shift = find(DSF_CUTOFF if periodic else 1e6)
        # once each: of the two directions the one that is greater in this order
        key = np.column_stack([j - i, shift])
        sign = np.sign(key)[np.arange(len(key)), np.argmax(np.abs(key) > 1e-9, axis=1)]
        far = i[sign > 0], j[sign > 0], shift[sign > 0]
        d3 = self.d3.graph(numbers, *far[:2]) if self.d3 else ()
        return (periodic, _integers(numbers), *_matrix(len(numbers), *find(self.cutoff)),
                _integers(far[0]), _integers(far[1]), _floats(far[2]), *d3)

    def padded(self, graph, share=0.15):
        """The same with room for more neighbors, so that shapes stay when neighbors change.

        The matrix gets masked columns. Without a box, Coulomb and D3 go over all pairs, and their
        number stays; with one, they get pairs of an atom with itself at the cutoff, where
        all of it is zero.
        """
        periodic, numbers, neighbor, mask, shift, i, j, far_shift, *d3 = graph
        columns = math.ceil(share*neighbor.shape[1]) + 2
        n = len(numbers)
        itself = torch.arange(n)[:, None].expand(n, columns)
        graph = (periodic, numbers, torch.cat([neighbor, itself], dim=1),
                 torch.cat([mask, mask.new_zeros(n, columns)], dim=1),
                 torch.cat([shift, shift.new_ones(n, columns, 3)], dim=1))
        extra = math.ceil(share*len(i)) + 32 if periodic else 0
        itself = i.new_full((extra,), n - 1)
        at = far_shift.new_tensor([DSF_CUTOFF, 0, 0]).expand(extra, 3)
        far = torch.cat([i, itself]), torch.cat([j, itself]), torch.cat([far_shift, at])
        return (*graph, *far, *(self.d3.padded(d3, extra) if self.d3 else ()))

    def constant(self, numbers):
        """What is added to the energy whatever the positions are, in double precision."""
        return float(self.shifts[numbers].sum())

    def forward(self, positions, periodic, numbers, neighbor, mask, shift, far_i, far_j, far_shift,
                *d3):
        """Energy in eV without the constant, of a neutral system; positions [N, 3] in angstrom."""
        r = _of_neighbors(positions, neighbor) - positions[:, None, :] + shift
        d = r.norm(dim=2)
        g = self._pair_terms(r, d, mask)
        features, charges = self._passes(numbers, neighbor, g)
        energy = self._mlp("energy_mlp.mlp", features, True).sum()
        far_r = positions.index_select(0, far_j) - positions.index_select(0, far_i) + far_shift
        far_d = far_r.norm(dim=1)
        if self.config.get("sr_coulomb") is not None:
            energy = energy - self._coulomb_short(d, charges, neighbor, mask)
            energy = energy + self._coulomb(far_d, charges, far_i, far_j, periodic)
        if self.d3:
            energy = energy + self.d3(far_d, len(numbers), far_i, far_j, *d3)
        return energy

    # ------------------------------------------------------------------ the network
    def _pair_terms(self, r, d, mask):
        """[N, M, G, 4]: Gaussians times 1 and the unit vector."""
        fc = 0.5*(torch.cos(d*(math.pi/self.cutoff)) + 1)*(mask & (d < self.cutoff))
        centers = self._tensor("aev.shifts_s")
        radial = torch.exp(-self.eta*(d[..., None] - centers)**2)*fc[..., None]
        unit = torch.cat([torch.ones_like(d)[..., None], r/d[..., None]], dim=2)
        return radial[..., None]*unit[:, :, None, :]

    def _passes(self, numbers, neighbor, g):
        """The last features [N, aim_size] and the charges [N]."""
        config, n = self.config, len(numbers)
        shape = n, config["nfeature"], config["nshifts"]
        a = self._tensor("afv.weight").index_select(0, numbers).view(shape)
        q = None
        for k in range(3):
            x = [a.flatten(1), *self._convolve(_of_neighbors(a, neighbor), g)]
            if k > 0:
                x += [q, *self._convolve_charges(_of_neighbors(q, neighbor)[..., 0], g)]
            x = self._mlp(f"mlps.{k}", torch.cat(x, dim=1), config["mlp_last_linear"][k])
            if k < 2:
                new = x[:, :1] if q is None else q + x[:, :1]
                f = x[:, 1:2]**2
                q = new - f*(new.sum()/(f.sum() + config["nse_epsilon"]))
                a = a + x[:, 2:].view(shape)
        return x, q[:, 0]

    def _convolve(self, a, g):
        o = torch.einsum("nmcg,nmgk->ncgk", a, g)
        v = torch.einsum("cgh,ncgx->nchx", self._tensor("conv_a.agh"), o[..., 1:])
        return o[..., 0].flatten(1), (v*v).sum(dim=3).flatten(1)

    def _convolve_charges(self, q, g):
        o = torch.einsum("nm,nmgk->ngk", q, g)
        v = torch.einsum("gh,ngx->nhx", self._tensor("conv_q.agh")[0], o[..., 1:])
        return o[..., 0], (v*v).sum(dim=2)

    def _mlp(self, name, x, last_linear):
        k = 0
        while f"{name}.{k}.weight" in self.names:
            x = linear(x, self._tensor(f"{name}.{k}.weight"), self._tensor(f"{name}.{k}.bias"))
            k += 2
            if f"{name}.{k}.weight" in self.names or not last_linear:
                x = gelu(x)
        return x

    def _tensor(self, name):
        return getattr(self, self.names[name])

    # ------------------------------------------------------------------ Coulomb
    def _coulomb_short(self, d, q, neighbor, mask):
        """What the network contains already; over the matrix, where every pair is twice."""
        short = self.config["sr_coulomb"]
        t = d/short["rc"]
        inside = mask & (t < 1)
        t = torch.where(inside, t, 0.0)
        if short["envelope"] == "exp":
            h = torch.exp(1 - 1/(1 - t*t).clamp_min(1e-6))
        else:
            h = 0.5*(torch.cos(math.pi*t) + 1)
        return 0.5*KE*(inside*h*q[:, None]*_of_neighbors(q, neighbor)/d).sum()

    def _coulomb(self, d, q, i, j, periodic):
        product = q.index_select(0, i)*q.index_select(0, j)
        if not periodic:
            return KE*(product/d).sum()
        a, rc = DSF_ALPHA, DSF_CUTOFF
        edge = math.erfc(a*rc)/rc
        slope = edge/rc + 2*a/math.sqrt(math.pi)*math.exp(-(a*rc)**2)/rc
        pair = torch.erfc(a*d)/d - edge + (d - rc)*slope
        return KE*((product*pair).sum() - (edge/2 + a/math.sqrt(math.pi))*(q*q).sum())


class Dispersion(torch.nn.Module):
    """D3(BJ). The reference table's coordination numbers depend on the first element alone, so the
    weight of a pair of reference states is a product of two weights, each of one atom."""

    def __init__(self, parameters, tensors):
        super().__init__()
        self.settings = parameters
        self.row = {int(z): k for k, z in enumerate(tensors["d3.numbers"])}
        self.c6 = tensors["d3.c6ref"]
        self.rcov, self.r4r2 = tensors["d3.rcov"], tensors["d3.r4r2"]
        used, cn = self.c6 != 0, tensors["d3.cnref"]
        # [n, 5] coordination number of each reference state; one that is unused is far from all
        lowest = np.where(used, cn, np.inf).min(axis=(1, 3))
        highest = np.where(used, cn, -np.inf).max(axis=(1, 3))
        if (highest - lowest > 1e-5).any():
            raise ValueError("the D3 table's coordination numbers depend on the partner's element: "
                             "the PyTorch peer knows no such table")
        self.cn = np.where(np.isfinite(lowest), lowest, 1e3)

    def graph(self, numbers, i, j):
        """Per atom and per pair what needs no positions."""
        rows = np.array([self.row[int(z)] for z in numbers])
        rcov, r4r2 = self.rcov[rows], self.r4r2[rows]
        ratio = 3*r4r2[i]*r4r2[j]
        r0 = self.settings["a1"]*np.sqrt(ratio) + self.settings["a2"]
        return (_floats(self.cn[rows]), _floats(self.c6[rows].transpose(0, 1, 3, 2)),
                _integers(i*len(self.row) + rows[j]), _floats(rcov[i] + rcov[j]), _floats(ratio),
                _floats(r0))

    @staticmethod
    def padded(graph, extra):
        """With room for more pairs; radii below zero: such a pair counts as no neighbor."""
        cn, c6, of_pair, *values = graph
        fill = -1e4, 1.0, 1.0   # rcov, ratio, r0
        return (cn, c6, torch.cat([of_pair, of_pair.new_zeros(extra)]),
                *(torch.cat([v, v.new_full((extra,), f)]) for v, f in zip(values, fill)))

    def forward(self, d, n, i, j, cn_reference, c6_reference, of_pair, rcov, ratio, r0):
        d3 = self.settings
        r = d/BOHR
        counts = torch.sigmoid(d3.get("k1", 16.0)*(rcov/r - 1))
        cn = counts.new_zeros(n).index_add(0, i, counts).index_add(0, j, counts)
        weight = torch.softmax(d3.get("k3", -4.0)*(cn[:, None] - cn_reference)**2, dim=1)
        # [N, element of the partner, its reference state]: summed over the own reference states
        half = torch.einsum("np,nesp->nes", weight, c6_reference).flatten(0, 1)
        c6 = (half.index_select(0, of_pair)*weight.index_select(0, j)).sum(dim=1)
        r6, r06 = (r*r)**3, (r0*r0)**3
        damped = d3["s6"]/(r6 + r06) + d3["s8"]*ratio/(r6*r*r + r06*r0*r0)
        off = d3.get("cutoff", 15.0)
        on = d3.get("smoothing_on", 0.8*off)
        t = ((d - on)/(off - on)).clamp(0, 1)
        switch = 1 - t*t*t*(10 - 15*t + 6*t*t)
        return -HARTREE*(c6*damped*switch).sum()


# ------------------------------------------------------------------------------ tensors
def _integers(values):
    return torch.tensor(values, dtype=torch.int64)


def _floats(values):
    return torch.tensor(values, dtype=torch.float32)


def _matrix(n_atoms, i, j, shift):
    """Pairs sorted by i as matrices: neighbor [N, M], mask [N, M] and shift [N, M, 3].

    Rows are filled up with masked pairs of an atom with itself, which must not have length 0.
    """
    count = np.bincount(i, minlength=n_atoms)
    column = np.arange(len(i)) - np.repeat(np.cumsum(count) - count, count)
    m = max(1, count.max(initial=0))
    neighbor = np.repeat(np.arange(n_atoms)[:, None], m, axis=1)
    mask, shifts = np.zeros((n_atoms, m), bool), np.ones((n_atoms, m, 3))
    neighbor[i, column], mask[i, column], shifts[i, column] = j, True, shift
    return _integers(neighbor), torch.tensor(mask), _floats(shifts)


def _of_neighbors(x, neighbor):
    """[N, M, ...] from [N, ...]; index_select has a quicker reverse pass than x[neighbor]."""
    return x.index_select(0, neighbor.flatten()).view(*neighbor.shape, *x.shape[1:])
