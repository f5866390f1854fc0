"""The teacher, AIMNet2 wB97M-D3 with full Coulomb and D3, and the labels it gives."""
import multiprocessing
import os
import tempfile
import time
import warnings

import numpy as np

from frames import offsets_of

LARGEST_RESIDUAL = 1.5      # eV/atom, from an additive fit; beyond it the teacher is not trusted
N_Z = 20                    # rows of the additive fit
NETWORK_PARTS = ("aev", "afv", "conv_a", "conv_q", "mlps")
ELEMENTS = [1, 5, 6, 7, 8, 9, 14, 15, 16, 17, 33, 34, 35, 53]


def network_config():
    """The YAML form of the network, as the aimnet package builds it."""
    modules = "aimnet.modules."
    mlp = dict(activation_fn="torch.nn.GELU", last_linear=True, hidden=[128, 128])

    def output(name, **kwargs):
        return {"class": modules + name, "kwargs": dict(key_out="energy", **kwargs)}

    outputs = {"energy_mlp": output("Output", n_in=256, n_out=1, key_in="aim", mlp=mlp),
               "atomic_shift": output("AtomicShift", key_in="energy"),
               "atomic_sum": output("AtomicSum", key_in="energy"),
               "srcoulomb": output("SRCoulomb", rc=4.6, key_in="charges", envelope="exp")}
    return {"class": "aimnet.models.AIMNet2", "kwargs": dict(
        nfeature=16, d2features=True, ncomb_v=12, aim_size=256,
        hidden=[[512, 380], [512, 380], [512, 380, 380]], aev=dict(rc_s=5.0, nshifts_s=16),
        outputs=outputs)}


class Teacher:
    """AIMNet2 (member 0), Coulomb 'simple', D3, float32; several systems in one flat batch.

    weights: the safetensors file of the member. Needs torch and aimnet 0.2.5.
    """

    def __init__(self, weights):
        warnings.filterwarnings("ignore")
        import torch
        import warp
        import yaml
        from safetensors.torch import load_file
        warp.config.quiet = True
        from aimnet.calculators import AIMNet2Calculator
        self.torch = torch
        state = {name if name.split(".")[0] in NETWORK_PARTS else "outputs." + name: tensor
                 for name, tensor in load_file(weights).items()}
        shift = "outputs.atomic_shift.shifts.weight"
        state[shift] = state[shift].double()
        model = dict(
            format_version=2, model_yaml=yaml.dump(network_config(), sort_keys=False), cutoff=5.0,
            needs_coulomb=True, needs_dispersion=True, coulomb_mode="sr_embedded",
            coulomb_sr_rc=4.6, coulomb_sr_envelope="exp",
            d3_params=dict(s6=1.0, s8=0.3908, a1=0.566, a2=3.128), has_embedded_lr=True,
            has_embedded_d3ts=False, implemented_species=ELEMENTS, state_dict=state)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "teacher.pt")
            torch.save(model, path)
            self.calculator = AIMNet2Calculator(path, device="cpu")
        self.calculator.set_lrcoulomb_method("simple")

    def __call__(self, Zs, Rs):
        """Lists of Z [n] and R [n, 3] -> energies [systems] (float64, eV) and a list of forces
        [n, 3] (float32, eV/A)."""
        torch = self.torch
        sizes = [len(Z) for Z in Zs]
        result = self.calculator(dict(
            coord=torch.tensor(np.concatenate(Rs), dtype=torch.float32),
            numbers=torch.tensor(np.concatenate(Zs).astype(np.int64)),
            charge=torch.zeros(len(sizes)),
            mol_idx=torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))),
            forces=True)
        forces = result["forces"].detach().numpy().astype(np.float32)
        energies = result["energy"].detach().double().numpy().reshape(-1)
        return energies, np.split(forces, np.cumsum(sizes)[:-1])


def label_part(job):
    """Energies and forces of some frames, as dicts by frame. job: (frames, sizes [all], Z [flat],
    R [flat, 3], options)."""
    index, sizes, Z, R, options = job
    import torch
    torch.set_num_threads(1)
    teacher = Teacher(options.weights)
    offset = offsets_of(sizes)
    index = sorted(index, key=lambda k: sizes[k])       # batches of like size
    energies, forces = {}, {}
    done, reported = 0, time.time()
    while done < len(index):
        take, n_atoms = [], 0
        while done < len(index) and (n_atoms + sizes[index[done]] <= options.chunk or not take):
            take.append(index[done])
            n_atoms += sizes[index[done]]
            done += 1
        e, f = teacher([Z[offset[k]:offset[k + 1]] for k in take],
                       [R[offset[k]:offset[k + 1]] for k in take])
        energies.update(zip(take, e))
        forces.update(zip(take, f))
        if time.time() - reported > 30:
            print(f"  labelled {done}/{len(index)}", flush=True)
            reported = time.time()
    return energies, forces


def trusted(energies, forces, raw, largest_force):
    """Frames whose labels are finite, with forces below largest_force (eV/A) and energies near an
    additive fit. energies [frames], forces: list of [n, 3]."""
    sizes = raw["natoms"].astype(int)
    offset = offsets_of(sizes)
    keep = [k for k in range(len(sizes)) if np.isfinite(energies[k])
            and np.isfinite(forces[k]).all()
            and np.linalg.norm(forces[k], axis=1).max() < largest_force]
    counts = np.zeros((len(sizes), N_Z))
    for k in range(len(sizes)):
        np.add.at(counts[k], raw["numbers"][offset[k]:offset[k + 1]], 1)
    used = counts.sum(0) > 0
    fit = np.linalg.lstsq(counts[keep][:, used], energies[keep], rcond=None)[0]
    residual = (energies - counts[:, used] @ fit) / sizes
    return [k for k in keep if abs(residual[k]) < LARGEST_RESIDUAL]


def label(options):
    """Command label: write the data set of a file of raw frames, behind an older one (--add)."""
    raw = dict(np.load(options.raw))
    sizes = raw["natoms"].astype(int)
    start = time.time()
    index = np.random.default_rng(0).permutation(len(sizes))
    jobs = [(index[k::options.jobs], sizes, raw["numbers"], raw["coord"], options)
            for k in range(options.jobs)]
    by_frame = {}, {}
    with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        for e, f in pool.map(label_part, jobs):
            by_frame[0].update(e)
            by_frame[1].update(f)
    energies = np.array([by_frame[0][k] for k in range(len(sizes))])
    forces = [by_frame[1][k] for k in range(len(sizes))]
    keep = trusted(energies, forces, raw, options.fmax)
    print(f"labelled {len(sizes)} in {time.time() - start:.0f} s, kept {len(keep)}", flush=True)

    offset = offsets_of(sizes)
    atoms = np.concatenate([np.arange(offset[k], offset[k + 1]) for k in keep])
    data = dict(natoms=raw["natoms"][keep], numbers=raw["numbers"][atoms],
                coord=raw["coord"][atoms], energy=energies[keep],
                forces=np.concatenate([forces[k] for k in keep]), kind=raw["kind"][keep],
                mol=raw["mol"][keep], split=raw["split"][keep])
    if options.force_split >= 0:
        data["split"] = np.full(len(keep), options.force_split, np.int8)
    if options.add:
        old = dict(np.load(options.add))
        data = {key: np.concatenate([old[key], data[key]]) for key in data}
    np.savez_compressed(options.out, **data)
    print("data set", options.out, len(data["natoms"]), "frames", int(data["natoms"].sum()),
          "atoms, splits", np.bincount(data["split"]).tolist(), flush=True)
