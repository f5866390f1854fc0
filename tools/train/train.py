#!/usr/bin/env python3
"""Train a PaiNN potential (SchNetPack type, file format mlff-painn-1) on a file of make_dataset.py.

    python train.py --data dataset.npz --out model.safetensors [--features 64 --minutes 30]
                    [--init old.safetensors]

Worker processes with one thread each share the batch. The message step, the only part with
per-edge vector work, is a small C file with hand-written first and second derivatives (message.c);
everything else is plain torch. Without a C compiler a torch version is used (PAINN_NO_C=1 forces
it).
"""
import argparse
import json
import math
import time

import numpy as np
import torch
import torch.multiprocessing

from dataset import Dataset, error_text, evaluate, fit_atomref, sum_atomref
from message import c_library
from molecules import TRAIN, VALIDATION
from painn import Painn, init_params, load_model, make_config, save_model, trainable


def start_model(options, atomref):
    """(config, params) of --init, or new ones."""
    if options.init:
        return load_model(options.init)[:2]
    config = make_config(options.features, options.layers, options.rbf, options.cutoff,
                         rbf=options.basis)
    return config, init_params(config, options.seed, atomref)


def zero_unused(config, params, elements):
    """A copy of params with zeros where the energy cannot reach: the vector block of the first
    message, the vector gate of the last update, rows of elements without data."""
    F = config["n_features"]
    params = dict(params)

    def zero(name, rows):
        params[name] = params[name].detach().clone()
        params[name][rows] = 0

    for name in ("filter.w0", "filter.b0", "ctx.w1", "ctx.b1"):
        zero(f"layer.0.{name}", slice(2*F, None))
    for name in ("upd.w1", "upd.b1"):
        zero(f"layer.{config['n_layers'] - 1}.{name}", slice(F, 2*F))
    zero("embedding", [z for z in range(config["n_z"]) if z not in elements])
    return params


class Worker:
    """One of the processes that share the batches. All of them hold the same parameters and take
    the same step with the sum of their gradients; rank 0 keeps the clock and reports.

    shared: "g" [workers, parameters] gradients, "t" [1] elapsed part of the time, in shared memory.
    """

    def __init__(self, rank, options, shared, barrier, atomref):
        torch.set_num_threads(1)
        torch.manual_seed(options.seed)
        self.rank, self.options, self.shared, self.barrier = rank, options, shared, barrier
        self.config, self.start = start_model(options, atomref)
        self.data = Dataset(options.data, self.config["cutoff"])
        self.atomref = self.start["atomref"].double().numpy()
        self.model = Painn(self.config, self.start)
        self.names = trainable(self.start)
        self.params = [self.model.params[name].requires_grad_(True) for name in self.names]
        self.average = [p.detach().clone() for p in self.params]
        self.optimizer = torch.optim.AdamW(self.params, lr=options.lr, betas=(0.9, 0.99),
                                           weight_decay=options.decay)
        self.train = np.nonzero(self.data.split == TRAIN)[0]
        validation = np.nonzero(self.data.split == VALIDATION)[0]
        self.validation = np.random.default_rng(0).permutation(validation)[:options.nval]
        self.rng = np.random.default_rng(options.seed + 1)
        self.order = np.zeros(0, int)
        self.step = 0
        self.sums = np.zeros(3)         # force loss, squared force error, gradient norm
        self.began = self.validated = time.time()

    def run(self):
        """Train until the time is over."""
        while True:
            if self.rank == 0:
                self.shared["t"][0] = (time.time() - self.began) / (self.options.minutes * 60)
            self.barrier.wait()
            elapsed = float(self.shared["t"][0])
            if elapsed >= 1:
                break
            self.set_learning_rate(elapsed)
            loss, force_loss, force_error = self.loss(self.next_frames())
            gradient = self.summed_gradient(loss)
            self.take_step(gradient)
            self.sums += float(force_loss), float(force_error), float(gradient.norm())
            self.report(elapsed)
        if self.rank == 0:
            self.finish()

    def set_learning_rate(self, elapsed):
        """Linear warm-up, then half a cosine down to final * lr."""
        o = self.options
        warm = min(1.0, (self.step + 1) / o.warmup)
        cosine = 0.5 * (1 + math.cos(math.pi * elapsed))
        self.lr = o.lr * warm * (cosine * (1 - o.final) + o.final)
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr

    def next_frames(self):
        """This worker's part of the next batch, balanced by atoms: sorted by size, dealt to and
        fro."""
        o = self.options
        if len(self.order) < o.batch:
            self.order = self.rng.permutation(self.train)
        batch, self.order = self.order[:o.batch], self.order[o.batch:]
        batch = batch[np.argsort(-self.data.n[batch], kind="stable")]
        turn = np.arange(len(batch)) % (2*o.workers)
        return batch[(turn == self.rank) | (turn == 2*o.workers - 1 - self.rank)]

    def loss(self, frames):
        """Pseudo-Huber losses, quadratic below delta and linear above; strained frames weigh less.
        Returns the loss, its force part and the mean squared error of force components."""
        o = self.options
        Z, R, E, F, a, b, system, n = self.data.batch(frames)
        count = torch.bincount(system, minlength=n).float()
        E = (E - sum_atomref(self.atomref, Z, system, n)).float()
        e, f = self.model.energy_forces(Z, R, a, b, system, n, create_graph=True)
        de = (e - E) / count
        weight = 1 / (1 + (F * F).sum(1) / o.fscale**2).sqrt()
        df2 = ((f - F)**2).sum(1)
        force = (weight * o.delta * (torch.sqrt(df2 / o.delta**2 + 1) - 1)).sum()
        force = force / (o.batch * o.atoms)
        energy = (o.edelta * (torch.sqrt((de / o.edelta)**2 + 1) - 1)).sum() / o.batch
        return force + o.eweight*energy, force.detach(), df2.detach().sum() / (3 * len(Z))

    def summed_gradient(self, loss):
        """Gradient of all workers' losses, flat; not yet clipped."""
        gradients = torch.autograd.grad(loss, self.params, allow_unused=True)
        self.shared["g"][self.rank].copy_(torch.cat(
            [(torch.zeros_like(p) if g is None else g).reshape(-1)
             for g, p in zip(gradients, self.params)]))
        self.barrier.wait()
        return self.shared["g"].sum(0)

    def take_step(self, gradient):
        """Clip, step, and move the running average of the parameters; a gradient that is not
        finite counts as zero."""
        norm = float(gradient.norm())
        if not math.isfinite(norm):
            gradient = torch.zeros_like(gradient)
        elif norm > self.options.clip:
            gradient = gradient * (self.options.clip / norm)
        for p, g in zip(self.params, gradient.split([p.numel() for p in self.params])):
            p.grad = g.view_as(p)
        self.optimizer.step()
        keep = min(self.options.ema, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(self.average, [p.detach() for p in self.params], 1 - keep)
        self.step += 1

    def averaged(self):
        """The start's tensors with the averaged parameters."""
        return self.start | dict(zip(self.names, [p.clone() for p in self.average]))

    def report(self, elapsed):
        """A line every options.log steps; validation and a saved model every options.valsec s."""
        o, seconds = self.options, time.time() - self.began
        if self.step % o.log == 0:
            loss, error, norm = self.sums / o.log
            if self.rank == 0:
                print(f"step {self.step} frac {elapsed:.3f} lr {self.lr:.2e} "
                      f"lossF {loss * o.workers:.4f} trainF_rmse {math.sqrt(error):.4f} "
                      f"|g| {norm:.2f} {seconds / self.step * 1e3:.1f} ms/step "
                      f"epochs {self.step * o.batch / len(self.train):.1f}", flush=True)
            self.sums[:] = 0
        if self.rank == 0 and time.time() - self.validated > o.valsec:
            self.validated = time.time()
            params = self.averaged()
            print(f"  val(EMA) {seconds:.0f}s {self.validate(params)}", flush=True)
            save_model(o.out, self.config, params, steps=self.step)

    def validate(self, params):
        errors = evaluate(Painn(self.config, params), self.data, self.validation, self.atomref)
        return error_text(errors[0], errors[1])

    def finish(self):
        """Write the averaged model with its metadata."""
        elements = set(np.unique(self.data.Z).tolist())
        params = zero_unused(self.config, self.averaged(), elements)
        print(f"final val(EMA) steps {self.step} {self.validate(params)}", flush=True)
        metadata = {}
        if self.options.meta:
            with open(self.options.meta, encoding="utf-8") as file:
                metadata = json.load(file)
        metadata = {"steps": self.step, "elements": json.dumps(sorted(elements)), **metadata}
        save_model(self.options.out, self.config, params, **metadata)


def run_worker(rank, options, shared, barrier, atomref):
    Worker(rank, options, shared, barrier, atomref).run()


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", required=True)
    add("--out", required=True)
    add("--init", help="model file to go on from")
    add("--meta", help="JSON file with more metadata (source, licence, ...)")
    add("--features", type=int, default=64)
    add("--layers", type=int, default=3)
    add("--rbf", type=int, default=20, help="number of radial functions")
    add("--basis", default="gaussian", choices=("gaussian", "bessel"))
    add("--cutoff", type=float, default=5.0, help="A")
    add("--batch", type=int, default=24, help="frames in a step, all workers together")
    add("--minutes", type=float, default=20, help="wall time; the learning rate follows it")
    add("--lr", type=float, default=1e-3)
    add("--final", type=float, default=0.003, help="last learning rate over the first")
    add("--warmup", type=int, default=300, help="steps")
    add("--decay", type=float, default=1e-5, help="weight decay")
    add("--ema", type=float, default=0.999, help="of the averaged parameters")
    add("--clip", type=float, default=10.0, help="largest gradient norm")
    add("--delta", type=float, default=0.15, help="eV/A, of the force loss")
    add("--edelta", type=float, default=0.01, help="eV/atom, of the energy loss")
    add("--eweight", type=float, default=2.0, help="weight of the energy loss")
    add("--fscale", type=float, default=6.0, help="eV/A, above which forces weigh less")
    add("--log", type=int, default=500, help="steps between lines")
    add("--valsec", type=float, default=120, help="seconds between validations")
    add("--nval", type=int, default=400, help="validation frames")
    add("--seed", type=int, default=1)
    add("--workers", type=int, default=2)
    return parser.parse_args()


def main():
    options = parse()
    config = load_model(options.init)[0] if options.init else start_model(
        options, np.zeros(17))[0]
    data = Dataset(options.data, config["cutoff"])
    frames = np.nonzero(data.split == TRAIN)[0]
    options.atoms = float(data.n[frames].mean())
    atomref = fit_atomref(data, frames, config["n_z"])
    constants = {z: round(float(e), 4) for z, e in enumerate(atomref) if e}
    print("train frames", len(frames), f"mean atoms {options.atoms:.1f}", "atomref", constants,
          flush=True)
    _, params = start_model(options, atomref)
    n_params = sum(params[name].numel() for name in trainable(params))
    print("parameters", n_params, flush=True)
    c_library(config["n_features"])     # compiled once, before the fork

    context = torch.multiprocessing.get_context("fork")
    shared = dict(g=torch.zeros(options.workers, n_params).share_memory_(),
                  t=torch.zeros(1, dtype=torch.float64).share_memory_())
    barrier = context.Barrier(options.workers)
    workers = [context.Process(target=run_worker, args=(k, options, shared, barrier, atomref))
               for k in range(options.workers)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise SystemExit("a worker failed")


if __name__ == "__main__":
    main()
