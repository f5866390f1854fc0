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
    """Energy of one set of atoms; everything but the positions is fixed when it is made.

    config     metadata "architecture" of the model file
    tensors    name -> array, of the model file, with the D3 table as d3.* where config has "d3"
    numbers    [N] atomic numbers
    pairs      (i, j, shift): [E], [E] and [E, 3] angstrom, the directed pairs i <- j with
               r_ij = x_j + shift - x_i shorter than the cutoff, sorted by i
    far_pairs  the same for Coulomb and D3, each pair in one direction only: all pairs of a
               molecule, those within 15 angstrom of a periodic box. Lists are given: their search
               is not part of forward().
    periodic   Coulomb by DSF; else the plain sum
    """

    def __init__(self, config, tensors, numbers, pairs, far_pairs, periodic, charge=0.0):
        super().__init__()
        if config["num_charge_channels"] != 1:
            raise ValueError("the PyTorch peer of AIMNet2 knows one charge channel, the model has "
                             f"{config['num_charge_channels']}")
        self.config, self.periodic, self.charge = config, periodic, float(charge)
        self.names = {}
        for name, value in tensors.items():
            if not name.startswith(("d3.", "aev.", "atomic_shift.")):
                self.names[name] = name.replace(".", "_")
                self._keep(self.names[name], value)
        self.constant = float(tensors["atomic_shift.shifts.weight"].astype(float)[numbers].sum())
        self._keep("centers", tensors["aev.shifts_s"])
        self.eta, self.cutoff = float(tensors["aev.eta_s"]), float(tensors["aev.rc_s"])
        self._keep("numbers", numbers, torch.int64)
        self._keep_matrix(len(numbers), pairs)
        for name, value in zip(("far_i", "far_j"), far_pairs):
            self._keep(name, value, torch.int64)
        self._keep("far_shift", far_pairs[2])
        self.has_d3 = config.get("d3") is not None
        if self.has_d3:
            self._keep_dispersion(tensors, numbers)

    def _keep(self, name, value, dtype=torch.float32):
        self.register_buffer(name, torch.tensor(np.asarray(value), dtype=dtype))

    def _keep_matrix(self, n_atoms, pairs):
        """The pairs as a matrix [N, M], rows filled up with pairs that are masked."""
        i, j, shift = pairs
        count = np.bincount(i, minlength=n_atoms)
        column = np.arange(len(i)) - np.repeat(np.cumsum(count) - count, count)
        m = max(1, count.max(initial=0))
        neighbor, mask = np.zeros((n_atoms, m), int), np.zeros((n_atoms, m), bool)
        shifts = np.full((n_atoms, m, 3), 1.0)  # a masked pair must not have length 0
        neighbor[i, column], mask[i, column], shifts[i, column] = j, True, shift
        neighbor[~mask] = np.nonzero(~mask)[0]
        self._keep("neighbor", neighbor, torch.int64)
        self._keep("mask", mask, torch.bool)
        self._keep("shift", shifts)

    def _keep_dispersion(self, tensors, numbers):
        """Per atom and per pair of elements what D3 needs.

        The reference table's coordination numbers depend on the first element alone, so the weight
        of a pair of reference states is a product of two weights, each of one atom.
        """
        row = {int(z): k for k, z in enumerate(tensors["d3.numbers"])}
        element = sorted(set(int(z) for z in numbers))
        rows = [row[z] for z in element]
        c6, cn = tensors["d3.c6ref"], tensors["d3.cnref"]
        own = np.array([[cn[a, a, p, :][c6[a, a, p, :] != 0].mean() if c6[a, a, p].any() else 1e3
                         for p in range(c6.shape[2])] for a in rows])
        for k, a in enumerate(rows):
            for b in rows:
                used = c6[a, b] != 0
                if not np.allclose(cn[a, b][used], np.repeat(own[k][:, None], 5, 1)[used]):
                    raise ValueError("the D3 table's coordination numbers depend on the partner's "
                                     "element: the PyTorch peer knows no such table")
        of_atom = np.array([element.index(int(z)) for z in numbers])
        self._keep("cn_reference", own[of_atom])                                     # [N, 5]
        self._keep("c6_reference", c6[np.ix_(rows, rows)][of_atom].transpose(0, 1, 3, 2))
        # of each pair: its row in "half" of _dispersion(), and what needs no positions
        i, j = self.far_i.numpy(), self.far_j.numpy()
        self._keep("far_half", i*len(element) + of_atom[j], torch.int64)
        atom_rows = np.array([row[int(z)] for z in numbers])
        rcov, r4r2 = tensors["d3.rcov"][atom_rows], tensors["d3.r4r2"][atom_rows]
        ratio, d3 = 3*r4r2[i]*r4r2[j], self.config["d3"]
        self._keep("far_rcov", rcov[i] + rcov[j])
        self._keep("far_ratio", ratio)
        self._keep("far_r0", d3["a1"]*np.sqrt(ratio) + d3["a2"])

    def forward(self, positions):
        """Energy in eV without the elements' constants, of positions [N, 3] in angstrom."""
        r = self._of_neighbors(positions) - positions[:, None, :] + self.shift
        d = r.norm(dim=2)
        g = self._pair_terms(r, d)
        features, charges = self._passes(g)
        energy = self._mlp("energy_mlp.mlp", features, True).sum()
        far_r = (positions.index_select(0, self.far_j) - positions.index_select(0, self.far_i)
                 + self.far_shift)
        far_d = far_r.norm(dim=1)
        if self.config.get("sr_coulomb") is not None:
            energy = energy - self._coulomb_short(d, charges) + self._coulomb(far_d, charges)
        if self.has_d3:
            energy = energy + self._dispersion(far_d)
        return energy

    # ------------------------------------------------------------------ the network
    def _pair_terms(self, r, d):
        """[N, M, G, 4]: Gaussians times 1 and the unit vector."""
        fc = 0.5*(torch.cos(d*(math.pi/self.cutoff)) + 1)*(self.mask & (d < self.cutoff))
        radial = torch.exp(-self.eta*(d[..., None] - self.centers)**2)*fc[..., None]
        unit = torch.cat([torch.ones_like(d)[..., None], r/d[..., None]], dim=2)
        return radial[..., None]*unit[:, :, None, :]

    def _passes(self, g):
        n = len(self.numbers)
        channels, shifts = self.config["nfeature"], self.config["nshifts"]
        a = self._tensor("afv.weight")[self.numbers].view(n, channels, shifts)
        q = None
        for k in range(3):
            x = [a.flatten(1), *self._convolve(a, g)]
            if k > 0:
                x += [q, *self._convolve_charges(q, g)]
            x = self._mlp(f"mlps.{k}", torch.cat(x, dim=1), self.config["mlp_last_linear"][k])
            if k < 2:
                new = x[:, :1] if q is None else q + x[:, :1]
                f = x[:, 1:2]**2
                missing = self.charge - new.sum()
                q = new + f*(missing/(f.sum() + self.config["nse_epsilon"]))
                a = a + x[:, 2:].view(n, channels, shifts)
        return x, q[:, 0]

    def _convolve(self, a, g):
        o = torch.einsum("nmcg,nmgk->ncgk", self._of_neighbors(a), g)
        v = torch.einsum("cgh,ncgx->nchx", self._tensor("conv_a.agh"), o[..., 1:])
        return o[..., 0].flatten(1), (v*v).sum(dim=3).flatten(1)

    def _convolve_charges(self, q, g):
        o = torch.einsum("nm,nmgk->ngk", self._of_neighbors(q)[..., 0], g)
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

    def _of_neighbors(self, x):
        """[N, M, ...] from [N, ...]; index_select has a quicker reverse pass than x[neighbor]."""
        return x.index_select(0, self.neighbor.flatten()).view(*self.neighbor.shape, *x.shape[1:])

    # ------------------------------------------------------------------ long range
    def _coulomb_short(self, d, q):
        """What the network contains already; over the matrix, where every pair is twice."""
        short = self.config["sr_coulomb"]
        t = d/short["rc"]
        inside = self.mask & (t < 1)
        t = torch.where(inside, t, 0.0)
        if short["envelope"] == "exp":
            h = torch.exp(1 - 1/(1 - t*t).clamp_min(1e-6))
        else:
            h = 0.5*(torch.cos(math.pi*t) + 1)
        return 0.5*KE*(inside*h*q[:, None]*self._of_neighbors(q)/d).sum()

    def _coulomb(self, d, q):
        product = q.index_select(0, self.far_i)*q.index_select(0, self.far_j)
        if not self.periodic:
            return KE*(product/d).sum()
        a, rc = DSF_ALPHA, DSF_CUTOFF
        edge = math.erfc(a*rc)/rc
        slope = edge/rc + 2*a/math.sqrt(math.pi)*math.exp(-(a*rc)**2)/rc
        pair = torch.erfc(a*d)/d - edge + (d - rc)*slope
        return KE*((product*pair).sum() - (edge/2 + a/math.sqrt(math.pi))*(q*q).sum())

    def _dispersion(self, d):
        d3, i, j = self.config["d3"], self.far_i, self.far_j
        r = d/BOHR
        counts = torch.sigmoid(d3.get("k1", 16.0)*(self.far_rcov/r - 1))
        cn = counts.new_zeros(len(self.numbers)).index_add(0, i, counts).index_add(0, j, counts)
        weight = torch.softmax(d3.get("k3", -4.0)*(cn[:, None] - self.cn_reference)**2, dim=1)
        # [N, element of the partner, its reference state]: summed over the own reference states
        half = torch.einsum("np,nesp->nes", weight, self.c6_reference)
        c6 = half.flatten(0, 1).index_select(0, self.far_half)*weight.index_select(0, j)
        ratio, r0 = self.far_ratio, self.far_r0
        r6, r06 = (r*r)**3, (r0*r0)**3
        damped = d3["s6"]/(r6 + r06) + d3["s8"]*ratio/(r6*r*r + r06*r0*r0)
        off = d3.get("cutoff", 15.0)
        on = d3.get("smoothing_on", 0.8*off)
        t = ((d - on)/(off - on)).clamp(0, 1)
        switch = 1 - t*t*t*(10 - 15*t + 6*t*t)
        return -HARTREE*(c6.sum(dim=1)*damped*switch).sum()
