"""AIMNet2 in plain numpy, float64: the independent answer that the tests compare the engine with.

Written from the equations in docs/math/aimnet2.md and docs/math/longrange.md. Forces and strain
derivative come from the complex step: E(x + i h) with h = 1e-30 has the imaginary part h dE/dx,
exact to rounding since nothing is subtracted. Charges depend on the positions like everything else,
so the charge response is in it without any derivation: no adjoint is shared with the code under
test.

Regions are evaluated one after the other, as molecules of their own. Ewald sums are converged, with
a splitting of their own, so that PME and Ewald of the engine meet the same values.

    N atoms, P directed pairs (i <- j, i is the center), A features, G Gaussians, C combinations,
    Q charge channels
"""
import itertools
import json
import math

import numpy as np
from safetensors import safe_open
from scipy.special import erf, erfc

from painn_numpy import find_edges

STEP = 1e-30                     # angstrom; its square vanishes in float64
HARTREE = 27.211386024367243     # eV
BOHR = 0.5291772105638411        # angstrom
KE = HARTREE * BOHR              # eV angstrom / e^2
COMPONENTS = ("network", "elements", "coulomb_short", "coulomb_full", "dispersion")
D3_PARTS = ("c6ref", "cnref", "rcov", "r4r2")


# ------------------------------------------------------------------------------------ model file
def load_model(path):
    """Read a model file. Returns (config, float64 tensors, dispersion table or None)."""
    with safe_open(path, "numpy") as file:
        config = json.loads(file.metadata()["architecture"])
        tensors = {name: file.get_tensor(name).astype(np.float64) for name in file.keys()}
    table = None
    if "d3.numbers" in tensors:
        table = {name: tensors[f"d3.{name}"] for name in D3_PARTS}
        table["row"] = {int(z): k for k, z in enumerate(tensors["d3.numbers"])}
    return config, tensors, table


def load_table(path):
    """The dispersion table of a file whose rows are atomic numbers."""
    with safe_open(path, "numpy") as file:
        table = {name: file.get_tensor(name).astype(np.float64) for name in D3_PARTS}
    table["row"] = {z: z for z in range(len(table["rcov"]))}
    return table


# ------------------------------------------------------------------------------------ a region
class Region:
    """One molecule, with its positions (and cell) moved by i STEP along one direction.

    numbers [N], positions [N, 3], cell [3, 3] or None: real, angstrom; they decide which pairs
    there are. move [N, 3] and strain [3, 3]: the direction, x_b moves by sum_a x_a strain_ab.
    """

    def __init__(self, numbers, positions, cell, total_charge, multiplicity, move, strain):
        self.numbers, self.real_positions, self.real_cell = numbers, positions, cell
        self.total_charge, self.multiplicity = total_charge, multiplicity
        self.move, self.strain = move, strain
        self.x = positions + 1j*STEP*(move + positions @ strain)
        self.cell = None if cell is None else cell + 1j*STEP*(cell @ strain)

    def pairs(self, cutoff, lists={}):
        """i [P], j [P] and vectors r [P, 3] of the directed pairs within a cutoff."""
        key = (self.real_positions.tobytes(), cutoff,
               None if self.real_cell is None else self.real_cell.tobytes())
        if key not in lists:
            lists[key] = find_edges(self.real_positions, cutoff, self.real_cell)
        i, j, shift = lists[key]
        r = self.real_positions[j] - self.real_positions[i] + shift
        return i, j, r + 1j*STEP*(self.move[j] - self.move[i] + r @ self.strain)


def length(r):
    """|r| of vectors r [P, 3]; analytic."""
    return np.sqrt((r * r).sum(axis=-1))


def cosine_cutoff(d, cutoff):
    """(cos(pi d / rc) + 1) / 2, zero beyond."""
    return np.where(d.real < cutoff, 0.5 * (np.cos(math.pi * d / cutoff) + 1), 0)


# ------------------------------------------------------------------------------------ the network
def gelu(x):
    """x (1 + erf(x / sqrt 2)) / 2"""
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


def mlp(tensors, prefix, x, last_linear):
    """Linear maps prefix.0, .2, ... with GELU between them, and behind the last if not linear."""
    k = 0
    while f"{prefix}.{k}.weight" in tensors:
        x = x @ tensors[f"{prefix}.{k}.weight"].T + tensors[f"{prefix}.{k}.bias"]
        k += 2
        if f"{prefix}.{k}.weight" in tensors or not last_linear:
            x = gelu(x)
    return x


def convolve(a, agh, G, i, j):
    """Scalars and squared vectors of features a [N, c, g] over the pairs' G [P, g, 4]."""
    n_atoms = len(a)
    o = np.zeros((n_atoms, *a.shape[1:], 4), complex)
    np.add.at(o, i, a[j][..., None] * G[:, None])
    v = np.einsum("cgh,icgx->ichx", agh, o[..., 1:])
    return np.concatenate([o[..., 0].reshape(n_atoms, -1),
                           (v * v).sum(axis=-1).reshape(n_atoms, -1)], axis=1)


def channel_totals(config, region):
    """What the charges of each channel add up to."""
    if config["num_charge_channels"] == 1:
        return np.array([region.total_charge])
    unpaired = region.multiplicity - 1
    return np.array([region.total_charge + unpaired, region.total_charge - unpaired]) / 2


def shift_charges(config, region, q, w):
    """q + f D / F with f = w^2: charges that add up to the totals (but for epsilon)."""
    f = w * w
    missing = channel_totals(config, region) - q.sum(axis=0)
    return q + f * missing / (f.sum(axis=0) + config["nse_epsilon"])


def pair_basis(tensors, r):
    """G [P, g, 4]: Gaussians times 1, x, y, z of the direction."""
    d = length(r)
    gs = np.exp(-tensors["aev.eta_s"] * (d[:, None] - tensors["aev.shifts_s"])**2)
    gs = gs * cosine_cutoff(d, float(tensors["aev.rc_s"]))[:, None]
    return gs[..., None] * np.concatenate([np.ones((len(r), 1)), r / d[:, None]], axis=1)[:, None]


def network(config, tensors, region):
    """Network energies [N], final charges [N, Q] and the charges behind every update."""
    A, Gn, Q = config["nfeature"], config["nshifts"], config["num_charge_channels"]
    n_atoms = len(region.numbers)
    i, j, r = region.pairs(float(tensors["aev.rc_s"]))
    G = pair_basis(tensors, r)
    a = tensors["afv.weight"][region.numbers].reshape(n_atoms, A, Gn).astype(complex)
    q, after_pass = None, []
    for t, last_linear in enumerate(config["mlp_last_linear"]):
        parts = [a.reshape(n_atoms, -1), convolve(a, tensors["conv_a.agh"], G, i, j)]
        if t > 0:
            wide = np.repeat(q[:, :, None], Gn, axis=2)
            parts += [q, convolve(wide, tensors["conv_q.agh"], G, i, j)]
        out = mlp(tensors, f"mlps.{t}", np.concatenate(parts, axis=1), last_linear)
        if t == len(config["mlp_last_linear"]) - 1:
            break
        p, w = out[:, :Q], out[:, Q:2*Q]
        q = shift_charges(config, region, p if t == 0 else q + p, w)
        a = a + out[:, 2*Q:].reshape(n_atoms, A, Gn)
        after_pass.append(q.real)
    return mlp(tensors, "energy_mlp.mlp", out, True)[:, 0], q, after_pass


# ------------------------------------------------------------------------------------ Coulomb
def short_range(config, tensors, region, q):
    """What the network's Coulomb holds, taken out."""
    if not config.get("sr_coulomb"):
        return 0
    rc = float(tensors["srcoulomb.rc"])
    i, j, r = region.pairs(rc)
    d = length(r)
    h = (np.exp(1 - 1/(1 - (d/rc)**2)) if config["sr_coulomb"]["envelope"] == "exp"
         else cosine_cutoff(d, rc))
    return -KE/2 * (h * q[i] * q[j] / d).sum()


def dsf(region, q, cutoff, alpha):
    """Damped shifted force."""
    i, j, r = region.pairs(cutoff)
    d = length(r)
    at_cutoff = erfc(alpha * cutoff) / cutoff
    slope = at_cutoff/cutoff + 2*alpha/math.sqrt(math.pi) * math.exp(-(alpha*cutoff)**2)/cutoff
    pair = erfc(alpha * d)/d - at_cutoff + (d - cutoff)*slope
    return (KE/2 * (q[i]*q[j]*pair).sum()
            - KE * (at_cutoff/2 + alpha/math.sqrt(math.pi)) * (q*q).sum())


def ewald(region, q):
    """Converged: both sums end where their terms are below 1e-16 of the first."""
    volume = np.linalg.det(region.cell)
    volume = volume * np.sign(volume.real)
    alpha, reach = 2.2 / volume.real**(1/3) + 0.15, 6.1
    i, j, r = region.pairs(reach / alpha)
    d = length(r)
    real = KE/2 * (q[i]*q[j]*erfc(alpha*d)/d).sum()

    reciprocal = 2*math.pi*np.linalg.inv(region.cell).T            # rows
    k_cut = 2*alpha*reach
    most = np.ceil(k_cut*np.linalg.norm(region.real_cell, axis=1)/(2*math.pi)).astype(int)
    n = np.array([m for m in itertools.product(*(range(-m, m + 1) for m in most)) if any(m)])
    k = n @ reciprocal
    k = k[(k.real**2).sum(axis=1) <= k_cut**2]
    square = (k*k).sum(axis=1)
    phase = k @ region.x.T           # cos and sin, not exp(i phase): i is the step's
    structure = (np.cos(phase) @ q)**2 + (np.sin(phase) @ q)**2
    wave = 2*math.pi*KE/volume * (np.exp(-square/(4*alpha**2))/square * structure).sum()
    own = KE*(alpha/math.sqrt(math.pi) * (q*q).sum()
              + math.pi/(2*alpha**2*volume) * q.sum()**2)
    return real + wave - own


def coulomb(region, q, method):
    """E_full by the method's name and parameters."""
    kind = method["coulomb"]
    if kind == "none":
        return 0
    if kind == "simple":
        i, j, r = region.pairs(math.inf)
        return KE/2 * (q[i]*q[j]/length(r)).sum()
    if kind == "dsf":
        return dsf(region, q, method.get("coulomb_cutoff", 15.0), method.get("coulomb_alpha", 0.2))
    return ewald(region, q)


# ------------------------------------------------------------------------------------ dispersion
def coordination(table, row, i, j, r, n_atoms):
    """CN [N] from distances r (bohr)."""
    ratio = (table["rcov"][row[i]] + table["rcov"][row[j]]) / r
    cn = np.zeros(n_atoms, complex)
    np.add.at(cn, i, 1/(1 + np.exp(-16*(ratio - 1))))
    return cn


def c6_coefficients(table, row, i, j, cn):
    """C6 [P]: weighted mean over the reference pairs (p, s)."""
    c6 = table["c6ref"][row[i], row[j]]                            # [P, p, s]
    cn_i = table["cnref"][row[i], row[j]]
    cn_j = np.swapaxes(table["cnref"][row[j], row[i]], -1, -2)     # stored as [s, p]
    exponent = -4*((cn[i][:, None, None] - cn_i)**2 + (cn[j][:, None, None] - cn_j)**2)
    used = c6 != 0
    largest = np.where(used, exponent.real, -np.inf).max(axis=(1, 2), keepdims=True)
    used &= exponent.real - largest >= -12
    weight = np.where(used, np.exp(np.where(used, exponent - largest, 0)), 0)
    return (weight*c6).sum(axis=(1, 2)) / weight.sum(axis=(1, 2))


def dispersion(config, table, region, method):
    """D3(BJ), two-body."""
    d3 = config["d3"]
    off = method.get("dispersion_cutoff", d3["cutoff"])
    on = 0.8*off
    i, j, r = region.pairs(math.inf if method["coulomb"] == "simple" else off)
    if len(i) == 0:
        return 0
    row = np.array([table["row"][int(z)] for z in region.numbers])
    d = length(r)
    r = d/BOHR
    c6 = c6_coefficients(table, row, i, j, coordination(table, row, i, j, r, len(row)))
    rr = 3*table["r4r2"][row[i]]*table["r4r2"][row[j]]
    r0 = d3["a1"]*np.sqrt(rr) + d3["a2"]
    t = (d - on)/(off - on)
    t = np.where(t.real < 0, 0, np.where(t.real > 1, 1, t))
    switch = 1 - (10*t**3 - 15*t**4 + 6*t**5)
    damped = d3["s6"]/(r**6 + r0**6) + d3["s8"]*rr/(r**8 + r0**8)
    return -0.5*HARTREE*(c6*damped*switch).sum()


# ------------------------------------------------------------------------------------ derivatives
def evaluate(config, tensors, table, region, method):
    """Components (complex), network energies [N], charges [N], charges behind the updates."""
    energies, q, after_pass = network(config, tensors, region)
    charge = q.sum(axis=1)
    wants_d3 = table is not None and config.get("d3") and method.get("dispersion", True)
    parts = (energies.sum(), tensors["atomic_shift.shifts.weight"][region.numbers, 0].sum(),
             short_range(config, tensors, region, charge), coulomb(region, charge, method),
             dispersion(config, table, region, method) if wants_d3 else 0)
    return parts, energies.real, charge.real, after_pass


def compute_region(config, tensors, table, numbers, positions, cell, total_charge, multiplicity,
                   method):
    """What compute() returns, for one region."""
    n_atoms = len(numbers)

    def at(move, strain):
        return evaluate(config, tensors, table, Region(
            numbers, positions, cell, total_charge, multiplicity, move, strain), method)

    parts, energies, charges, after_pass = at(np.zeros((n_atoms, 3)), np.zeros((3, 3)))
    gradient = []
    for k in range(3*n_atoms + 9):
        unit = np.eye(3*n_atoms + 9)[k]
        moved = at(unit[:3*n_atoms].reshape(-1, 3), unit[3*n_atoms:].reshape(3, 3))[0]
        gradient.append(np.imag(sum(moved))/STEP)
    gradient = np.array(gradient)
    return dict(components={name: float(np.real(v)) for name, v in zip(COMPONENTS, parts)},
                forces=-gradient[:3*n_atoms].reshape(-1, 3),
                strain=gradient[3*n_atoms:].reshape(3, 3), charges=charges,
                charges_after_pass=after_pass, atom_energies=energies)


def compute(config, tensors, table, system, method):
    """Energies, forces, strain derivative and charges of one system.

    system: dict with numbers [N], coord [N, 3] (angstrom), cell [3, 3] or None, region [N],
            total_charge and multiplicity [number of regions]
    method: dict with coulomb ("none", "simple", "dsf", "ewald") and, as wanted, coulomb_cutoff,
            coulomb_alpha, dispersion (False: off), dispersion_cutoff
    Returns a dict: components (eV), forces [N, 3] (eV/angstrom), strain [3, 3] = dE/dstrain (eV),
    charges [N] (e), charges_after_pass [2][N, Q], atom_energies [N] (eV, network alone).
    """
    numbers, positions = np.array(system["numbers"]), np.array(system["coord"], float)
    cell = None if system["cell"] is None else np.array(system["cell"], float)
    region, Q = np.array(system["region"]), config["num_charge_channels"]
    n_atoms = len(numbers)
    out = dict(components=dict.fromkeys(COMPONENTS, 0.0), forces=np.zeros((n_atoms, 3)),
               strain=np.zeros((3, 3)), charges=np.zeros(n_atoms),
               charges_after_pass=np.zeros((2, n_atoms, Q)), atom_energies=np.zeros(n_atoms))
    for m, (charge, multiplicity) in enumerate(zip(system["total_charge"],
                                                   system["multiplicity"])):
        mine = region == m
        one = compute_region(config, tensors, table, numbers[mine], positions[mine], cell, charge,
                             multiplicity, method)
        for name in COMPONENTS:
            out["components"][name] += one["components"][name]
        out["strain"] += one["strain"]
        out["charges_after_pass"][:, mine] = one["charges_after_pass"]
        for name in ("forces", "charges", "atom_energies"):
            out[name][mine] = one[name]
    return out
