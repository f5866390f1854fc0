"""Starts the command openmm-mlff.

A package of its own, because the imports of openmmmlff (OpenMM, numpy) take a quarter of a second,
in which Ctrl-C is to end the process without a traceback.
"""
import signal
import sys


def main():
    """Run the command; returns the exit status."""
    handler = signal.getsignal(signal.SIGINT)
    if handler == signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)    # ends the process at once, in silence
    from openmmmlff.cli import main as run
    try:
        signal.signal(signal.SIGINT, handler)
        return run()
    except KeyboardInterrupt:
        print("openmm-mlff: interrupted", file=sys.stderr)
        return 130
