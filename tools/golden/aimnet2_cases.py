"""The small random AIMNet2 models and systems of tests/data/aimnet2: what is in them, and why."""
import numpy as np

import painn_cases
from aimnet2_numpy import BOHR, HARTREE

# purpose: one line; tests/data/aimnet2/README.md has the same, longer.
# config: metadata "architecture"; None values are left out.
# systems: name -> (total charges, multiplicities, methods), one charge and multiplicity a region.
SIMPLE, EWALD = dict(coulomb="simple"), dict(coulomb="ewald")
NETWORK = dict(coulomb="none", dispersion=False)
DSF, SHORT_DSF = dict(coulomb="dsf"), dict(coulomb="dsf", coulomb_cutoff=9.0, coulomb_alpha=0.25)

MODELS = {
    "published-4x4": dict(
        purpose="the published form in small: one charge channel, exp envelope, D3",
        config=dict(nfeature=4, nshifts=4, ncomb_v=3, num_charge_channels=1, rc=5.0, rmin=0.8,
                    aim_size=8, mlp_hidden=[[8, 6], [8, 6], [8, 6, 6]],
                    mlp_last_linear=[True, False, False], energy_mlp_hidden=[6, 5],
                    nse_epsilon=1e-6, sr_coulomb=dict(rc=4.6, envelope="exp"),
                    d3=dict(kind="d3bj", s6=1.0, s8=0.3908, a1=0.566, a2=3.128, k1=16.0, k3=-4.0,
                            cutoff=15.0, smoothing_on=12.0)),
        systems={
            "formamide": ([0], [1], [SIMPLE, SHORT_DSF, NETWORK]),
            "formamide_4water": ([-1], [1], [dict(coulomb="simple", dispersion_cutoff=8.0)]),
            "two_regions": ([1, -0.5], [1, 1], [SIMPLE, DSF]),
            "single_atom": ([1], [1], [SIMPLE]),
            "pair_apart": ([0], [1], [SIMPLE]),
            "box_triclinic": ([0], [1], [DSF, EWALD]),
            "small_cell": ([1], [1], [SHORT_DSF, EWALD]),
            "two_regions_box": ([1, -1], [1, 1], [SHORT_DSF, EWALD])}),
    "open-shell-3x5": dict(
        purpose="two charge channels; cosine envelope, no D3; activations the other way round, a "
                "pass and a head of one linear map; a large epsilon",
        config=dict(nfeature=3, nshifts=5, ncomb_v=2, num_charge_channels=2, rc=4.5, rmin=0.5,
                    aim_size=5, mlp_hidden=[[7], [6, 5], []],
                    mlp_last_linear=[False, True, True], energy_mlp_hidden=[], nse_epsilon=1e-2,
                    sr_coulomb=dict(rc=3.5, envelope="cosine"), needs_dispersion=False,
                    needs_coulomb=True, coulomb_mode="sr_embedded"),
        systems={
            "formamide": ([1], [2], [SIMPLE]),
            "methanol": ([0], [3], [SIMPLE, NETWORK]),
            "two_regions": ([0, 1], [1, 2], [SIMPLE]),
            "small_cell": ([0], [2], [DSF])}),
    "neutral-2x3": dict(
        purpose="made for neutral molecules, without Coulomb; D3 of another functional and cutoff",
        config=dict(nfeature=2, nshifts=3, ncomb_v=5, num_charge_channels=1, rc=5.0, rmin=0.8,
                    aim_size=6, mlp_hidden=[[6], [6], [6]], mlp_last_linear=[True, True, True],
                    energy_mlp_hidden=[4], nse_epsilon=1e-6, needs_coulomb=False,
                    supports_charged_systems=False,
                    d3=dict(kind="d3bj", s6=0.9, s8=2.0, a1=0.4, a2=4.5, cutoff=12.0)),
        systems={
            "formamide": ([0], [1], [dict(coulomb="none")]),
            "small_cell": ([0], [1], [dict(coulomb="none"),
                                      dict(coulomb="none", dispersion_cutoff=6.0)])}),
}
ELEMENTS = [1, 6, 7, 8]
N_Z = 10                # rows of the embedding


# ------------------------------------------------------------------------------------ systems
def make_system(name, rng):
    """Returns numbers [N], positions [N, 3], cell [3, 3] or None (angstrom) and region [N]."""
    if name == "two_regions":           # within each other's cutoff, which must not matter
        numbers, positions = painn_cases.pack([painn_cases.FORMAMIDE, painn_cases.METHANOL], 4.0,
                                              None, rng)
        return numbers, np.round(positions, 8), None, [0]*6 + [1]*6
    if name == "two_regions_box":       # a molecule and its solvent, periodic; a's and b's mixed
        numbers, positions, cell = painn_cases.make_system("box_triclinic", 5.0, rng)
        order = rng.permutation(len(numbers))
        region = (order >= 6).astype(int)
        return numbers[order], positions[order], cell, region.tolist()
    numbers, positions, cell = painn_cases.make_system(name, 5.0, rng)
    return numbers, positions, cell, [0]*len(numbers)


# ------------------------------------------------------------------------------------ models
def complete_config(name, case):
    """Metadata "architecture" with everything that all cases share."""
    return dict(architecture="aimnet2", variant=name, d2features=True, activation="gelu_erf",
                elements=ELEMENTS, energy_unit="eV", length_unit="angstrom", hartree_eV=HARTREE,
                bohr_A=BOHR, **case["config"])


def mlp_tensors(prefix, widths, rng):
    """Matrices uniform in +-sqrt(6 / (n_in + n_out)), biases in +-0.3."""
    tensors = {}
    for k, (n_in, n_out) in enumerate(zip(widths, widths[1:])):
        limit = np.sqrt(6 / (n_in + n_out))
        tensors[f"{prefix}.{2*k}.weight"] = rng.uniform(-limit, limit, (n_out, n_in))
        tensors[f"{prefix}.{2*k}.bias"] = rng.uniform(-0.3, 0.3, n_out)
    return tensors


def dispersion_tensors(rng):
    """A made-up table with the properties of the real one: symmetric c6ref, unused references,
    coordination numbers from 0 to 4, so that some weights fall below the limit."""
    n = len(ELEMENTS)
    n_ref = np.array([2, 5, 4, 3])
    c6 = rng.uniform(5, 50, (n, n, 5, 5))
    cn = rng.uniform(0, 4, (n, n, 5, 5))
    used = np.arange(5) < n_ref[:, None]                          # [element, reference]
    c6 *= used[:, None, :, None] & used[None, :, None, :]
    c6 = (c6 + c6.transpose(1, 0, 3, 2))/2
    return {"d3.c6ref": c6, "d3.cnref": cn, "d3.rcov": rng.uniform(0.8, 2.0, n),
            "d3.r4r2": rng.uniform(2, 4, n)}


def random_tensors(config, rng):
    """All tensors of a model, float32 but for d3.numbers."""
    A, G, C = config["nfeature"], config["nshifts"], config["ncomb_v"]
    Q, aim = config["num_charge_channels"], config["aim_size"]
    shifts = config["rmin"] + np.arange(G)*(config["rc"] - config["rmin"])/G
    tensors = {"afv.weight": rng.normal(scale=0.5, size=(N_Z, A*G)),
               "atomic_shift.shifts.weight": rng.uniform(-1000, -10, (N_Z, 1)),
               "conv_a.agh": rng.normal(scale=0.4, size=(A, G, C)),
               "conv_q.agh": rng.normal(scale=0.4, size=(Q, G, C)),
               "aev.shifts_s": shifts, "aev.shifts_v": shifts}
    for kind in "sv":
        tensors[f"aev.rc_{kind}"] = np.array(config["rc"])
        tensors[f"aev.eta_{kind}"] = np.array((G/(config["rc"] - config["rmin"]))**2)
    for t, hidden in enumerate(config["mlp_hidden"]):
        n_in = A*(2*G + C) + (Q*(1 + G + C) if t else 0)
        tensors |= mlp_tensors(f"mlps.{t}", [n_in, *hidden, aim if t == 2 else 2*Q + A*G], rng)
        if t < 2:       # charge weights of order 1, so that epsilon is small beside their squares
            tensors[f"mlps.{t}.{2*len(hidden)}.bias"][Q:2*Q] += 1
    tensors |= mlp_tensors("energy_mlp.mlp", [aim, *config["energy_mlp_hidden"], 1], rng)
    if config.get("sr_coulomb"):
        tensors["srcoulomb.rc"] = np.array(config["sr_coulomb"]["rc"])
    if config.get("d3"):
        tensors |= dispersion_tensors(rng)
    tensors = {name: np.asarray(value, np.float32) for name, value in tensors.items()}
    if config.get("d3"):
        tensors["d3.numbers"] = np.array(ELEMENTS, np.int32)
    return tensors
