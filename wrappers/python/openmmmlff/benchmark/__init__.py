"""The command `openmm-mlff benchmark`.

cli       the command: which cases, in which order
sweep     a step of 12 to 100,000 atoms
systems   what is evaluated, and the pairs within a cutoff
models    the models by name, random weights where a file is not at hand, operations counted
worker    the child process in which one contender runs
measure   child processes seen from the parent: interleaved timings, statistics
mixed     a molecule in water, by the force field alone and with the network
devices   what is known of GPUs, what a Context says of itself
report    table and plot
"""
from openmmmlff.benchmark.cli import register

__all__ = ["register"]
