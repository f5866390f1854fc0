"""The command `openmm-mlff compare`.

cli       the command: which platforms, in which order, what is written
inputs    from files to Systems and positions
worker    the child process in which one platform evaluates them at one precision
contend   child processes seen from the parent: contenders, and the base at their positions
figures   differences, tolerances, verdict
report    table and plot
"""
from openmmmlff.compare.cli import register

__all__ = ["register"]
