"""The small random PaiNN models and the systems of tests/data/painn: what is in them, and why."""
import itertools

import numpy as np

import painn_numpy

# purpose: one line; tests/data/painn/README.md has the same, longer.
# config: switches that differ from painn_numpy.DEFAULTS; "basis" says how radial
# constants are made.
MODELS = {
    "schnet-16x3": dict(
        purpose="the SchNetPack form: linear filters, envelope on the filter, context, U and V",
        config=dict(n_features=16, n_layers=3, n_rbf=8, readout=[16, 8, 4, 1]),
        elements="[1, 6, 7, 8]", trace="formamide",
        systems="formamide formamide_4water box_ortho small_cell single_atom pair_inside "
                "pair_outside pair_apart"),
    "student-16x2": dict(
        purpose="the MLFF_Distiller student: envelope on the basis, two-layer filters, no context, "
                "3x3 matrix, norm without epsilon",
        config=dict(n_features=16, n_layers=2, n_rbf=6, n_z=101, envelope_on="rbf",
                    filter_layers=2, context=False, update="spatial", norm_eps=0.0, dir_eps=1e-8,
                    readout=[16, 8, 4, 1]),
        basis="narrow", elements="H C N O F S Cl (claimed)", trace="formamide",
        systems="formamide formamide_4water box_triclinic small_cell single_atom pair_inside "
                "pair_outside"),
    "paper-7x2": dict(
        purpose="the paper: Bessel basis, plain norm; cutoff 4; odd number of features",
        config=dict(n_features=7, n_layers=2, n_rbf=5, rbf="bessel", cutoff=4.0, norm_eps=0.0,
                    readout=[7, 4, 1]),
        systems="formamide box_ortho pair_inside"),
    "poly5-7x2": dict(
        purpose="polynomial cutoff p = 5; Gaussians with uneven centers and widths; cutoff 3.5",
        config=dict(n_features=7, n_layers=2, n_rbf=4, cutoff_fn="poly", poly_p=5, cutoff=3.5,
                    readout=[7, 4, 1]),
        basis="uneven", elements="[1, 6, 7, 8]", systems="formamide box_triclinic pair_inside"),
    "poly6-rbf-8x2": dict(
        purpose="polynomial cutoff p = 6, Bessel with uneven frequencies, envelope on the basis "
                "before a linear filter",
        config=dict(n_features=8, n_layers=2, n_rbf=3, rbf="bessel", cutoff_fn="poly", poly_p=6,
                    envelope_on="rbf", readout=[8, 4, 1]),
        basis="uneven", systems="formamide small_cell"),
    "shared-filters-8x3": dict(
        purpose="one filter net for all layers",
        config=dict(n_features=8, n_layers=3, n_rbf=2, shared_filters=True, readout=[8, 4, 1]),
        systems="formamide box_ortho"),
    "shared-interactions-8x3": dict(
        purpose="one context, mixing and update net for all layers; a large norm_eps",
        config=dict(n_features=8, n_layers=3, n_rbf=7, rbf="bessel", shared_interactions=True,
                    norm_eps=0.01, readout=[8, 4, 1]),
        systems="formamide box_triclinic"),
    "shared-both-7x3": dict(
        purpose="filters and interactions shared; two-layer filters with the envelope outside; U "
                "and V without context; readout of one linear map",
        config=dict(n_features=7, n_layers=3, n_rbf=4, shared_filters=True, filter_layers=2,
                    shared_interactions=True, context=False, readout=[7, 1]),
        filter_gain=0.4, systems="formamide small_cell"),
    "single-layer-7x1": dict(
        purpose="one layer, one radial function: the smallest model",
        config=dict(n_features=7, n_layers=1, n_rbf=1, readout=[7, 1]),
        systems="formamide self_images pair_inside"),
    "rbf-linear-7x2": dict(
        purpose="U and V without context, plain norm, envelope on the basis; large dir_eps",
        config=dict(n_features=7, n_layers=2, n_rbf=5, envelope_on="rbf", context=False,
                    norm_eps=0.0, dir_eps=1e-3, readout=[7, 4, 1]),
        systems="formamide formamide_4water"),
    "spatial-context-7x2": dict(
        purpose="3x3 matrix with context and norm epsilon, two-layer filters",
        config=dict(n_features=7, n_layers=2, n_rbf=8, filter_layers=2, update="spatial",
                    readout=[7, 4, 1]),
        systems="formamide small_cell self_images"),
    "spatial-shared-8x3": dict(
        purpose="3x3 matrix, everything shared, polynomial cutoff on the basis; large dir_eps",
        config=dict(n_features=8, n_layers=3, n_rbf=4, cutoff_fn="poly", envelope_on="rbf",
                    filter_layers=2, shared_filters=True, shared_interactions=True, context=False,
                    update="spatial", norm_eps=0.0, dir_eps=1e-3, cutoff=4.5, readout=[8, 4, 1]),
        filter_gain=0.4, systems="formamide box_ortho"),
    "kcal-7x2": dict(
        purpose="kcal/mol with scale, shift and atomref; elements as symbols",
        config=dict(n_features=7, n_layers=2, n_rbf=6, energy_unit="kcal/mol", energy_scale=12.5,
                    energy_shift=-10786.226809289834, has_atomref=True, readout=[7, 4, 1]),
        elements="H C O", atomref=20.0, systems="methanol small_cell"),
    "untrained-8x2": dict(
        purpose="rows of elements without training are zero and must be refused; large atomref",
        config=dict(n_features=8, n_layers=2, n_rbf=8, n_z=17, has_atomref=True,
                    readout=[8, 4, 1]),
        elements="[1, 6, 8]", trained=(1, 6, 8), atomref=1000.0,
        systems="methanol small_cell single_atom"),
    "kj-7x2": dict(
        purpose="kJ/mol with scale",
        config=dict(n_features=7, n_layers=2, n_rbf=5, energy_unit="kJ/mol", energy_scale=75.0,
                    readout=[7, 4, 1]),
        systems="formamide"),
    "hartree-16x1": dict(
        purpose="Hartree with scale and atomref; tensors unsorted and unaligned in the file",
        config=dict(n_features=16, n_layers=1, n_rbf=8, energy_unit="Hartree", energy_scale=0.05,
                    has_atomref=True, readout=[16, 8, 4, 1]),
        atomref=75.0, aligned=False, systems="formamide single_atom"),
}
# The bundled model, from models/.
BUNDLED = "painn-hcno-distilled"
BUNDLED_SYSTEMS = "formamide formamide_4water methanol box_ortho box_triclinic single_atom"


# ------------------------------------------------------------------------------------ systems
WATER = [8, 1, 1], [[0, 0, 0.117], [0, 0.757, -0.469], [0, -0.757, -0.469]]
FORMAMIDE = [6, 8, 7, 1, 1, 1], [[-0.16, 0.39, 0], [-1.19, -0.24, 0], [1.08, -0.16, 0],
                                 [-0.14, 1.49, 0], [1.19, -1.16, 0], [1.90, 0.42, 0]]
METHANOL = [6, 8, 1, 1, 1, 1], [[-0.05, 0.66, 0], [-0.05, -0.76, 0], [-1.09, 0.98, 0],
                                [0.44, 1.07, 0.89], [0.44, 1.07, -0.89], [0.86, -1.06, 0]]
CARBON = [6], [[0, 0, 0]]
CLOSEST = 1.75          # angstrom, between atoms of different molecules
TILTED = np.array([0.36, -0.48, 0.8])


def random_rotation(rng):
    """A proper rotation [3, 3], uniform."""
    Q, R = np.linalg.qr(rng.normal(size=(3, 3)))
    Q *= np.sign(np.diag(R))
    return Q * np.sign(np.linalg.det(Q))


def closest_contact(a, b, cell):
    """Smallest distance between atoms of a and atoms of b over the nearest images."""
    shifts = [np.zeros(3)] if cell is None else [
        np.array(n) @ cell for n in itertools.product((-2, -1, 0, 1, 2), repeat=3)]
    return min(np.linalg.norm(a[:, None] - b[None] + s, axis=-1).min() for s in shifts)


def pack(molecules, extent, cell, rng):
    """Place molecules at random, in the box (cell [3, 3]) or in a cube of side extent (cell None),
    CLOSEST apart and each distorted by 0.025 angstrom. Returns numbers [N], positions [N, 3]."""
    basis = np.eye(3) * extent if cell is None else cell
    placed, numbers = [], []
    for Z, x in molecules:
        for _ in range(20000):
            trial = np.array(x, float) @ random_rotation(rng).T + rng.uniform(size=3) @ basis
            trial += rng.normal(scale=0.025, size=trial.shape)
            if all(closest_contact(trial, other, cell) > CLOSEST for other in placed):
                break
        else:
            raise RuntimeError("no room for another molecule")
        placed.append(trial)
        numbers += Z
    return np.array(numbers), np.concatenate(placed)


def make_system(name, cutoff, rng):
    """Returns numbers [N], positions [N, 3] and cell [3, 3] or None, in angstrom."""
    cell, wrap = None, lambda x: x
    if name in ("formamide", "methanol"):
        molecules, extent = [FORMAMIDE if name == "formamide" else METHANOL], 1.0
    elif name == "formamide_4water":      # open; its far ends do not see each other
        molecules, extent = [FORMAMIDE] + 4*[WATER], 8.0
    elif name == "box_ortho":             # every atom wrapped by itself: molecules are torn
        molecules, extent, cell = [FORMAMIDE] + 6*[WATER], None, np.diag([7.1, 7.6, 8.2])
        wrap = lambda x: x - np.floor(x @ np.linalg.inv(cell)) @ cell
    elif name == "box_triclinic":         # molecules up to two cells away from the box
        molecules, extent = [FORMAMIDE] + 4*[WATER], None
        cell = np.array([[7.4, 0, 0], [2.1, 7.0, 0], [-1.8, 2.3, 7.2]])
        steps = np.repeat(rng.integers(-2, 3, size=(5, 3)), [6, 3, 3, 3, 3], axis=0)
        wrap = lambda x: x + steps @ cell
    elif name == "small_cell":            # shorter than one cutoff: several images of each pair
        molecules, extent = [WATER, CARBON], None
        cell = np.array([[3.4, 0, 0], [0.6, 3.1, 0], [-0.5, 0.7, 3.3]])
    elif name == "self_images":           # the only neighbors are the atom's own images
        molecules, extent, cell = [CARBON], None, np.array(
            [[3.1, 0, 0], [0.9, 2.8, 0], [-0.4, 1.1, 2.9]])
    elif name == "single_atom":
        return np.array([6]), np.array([[1.0, -2.0, 0.5]]), None
    else:                                 # two atoms just inside, just outside, far outside
        d = cutoff + {"pair_inside": -1e-3, "pair_outside": 1e-3, "pair_apart": 2.5}[name]
        return np.array([8, 6]), np.round([[0.1, 0.2, 0.3], [0.1, 0.2, 0.3] + d*TILTED], 8), None
    numbers, positions = pack(molecules, extent, cell, rng)
    return numbers, np.round(wrap(positions), 8), cell


# ------------------------------------------------------------------------------------ models
def radial_constants(config, kind, rng):
    """rbf.* tensors. kind: even (SchNetPack's width), narrow (the student's), uneven."""
    K, rc = config["n_rbf"], config["cutoff"]
    even = kind != "uneven"
    if config["rbf"] == "bessel":
        freq = np.arange(1, K + 1) * np.pi / rc
        return {"rbf.freq": freq if even else freq * rng.uniform(0.9, 1.1, K)}
    mu = np.linspace(0, rc, K) if K > 1 else np.array([0.3 * rc])
    beta = np.full(K, 0.5 * (max(K - 1, 2) / rc)**2)
    if kind == "narrow":
        beta = np.full(K, (K / rc)**2)
    if not even:
        mu, beta = mu + rng.uniform(0, 0.3, K), beta * rng.uniform(0.5, 2, K)
    return {"rbf.mu": mu, "rbf.beta": beta}


def random_tensors(config, case, rng):
    """Matrices uniform in +-sqrt(6 / (n_in + n_out)), biases in +-0.1, embedding normal.
    filter_gain below 1 tames models whose vectors grow from layer to layer."""
    tensors = radial_constants(config, case.get("basis", "even"), rng)
    for name, shape in painn_numpy.tensor_shapes(config).items():
        if name in tensors:
            continue
        if name == "embedding":
            values = rng.normal(size=shape)
        elif name == "atomref":
            values = -case["atomref"] * rng.uniform(0.5, 1.5, size=shape)
        elif len(shape) == 2:
            values = np.sqrt(6 / sum(shape)) * rng.uniform(-1, 1, size=shape)
            values *= case.get("filter_gain", 1.0) if ".filter." in name else 1.0
        else:
            values = rng.uniform(-0.1, 0.1, size=shape)
        tensors[name] = values.astype(np.float32)
    untrained = sorted(set(range(config["n_z"])) - set(case.get("trained", range(config["n_z"]))))
    tensors["embedding"][untrained] = 0
    if config["has_atomref"]:
        tensors["atomref"][untrained] = 0
    return tensors
