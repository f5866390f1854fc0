"""python -m openmmmlff: the same as the command openmm-mlff."""
import sys

from openmmmlff.cli import main

sys.exit(main())
