"""createSystem(): a System in which the network describes every atom."""
import os
from collections.abc import Sequence

import openmm
from openmm.app import Topology

from openmmmlff.mlffforce import MLFFForce
from openmmmlff.quantities import Bool, Float, Int, boolean
from openmmmlff.topology import checkCoulomb, checkTopology, usableBox


def createSystem(
        topology: Topology, model: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        charge: Float = 0, multiplicity: Int = 1, periodic: Bool | None = None,
        coulomb: str | Int | None = None, removeCMMotion: Bool = True) -> openmm.System:
    """Create a System of a Topology whose energy is that of a network, for all its atoms.

    The particles have the masses of their elements, and the System's default box is the
    Topology's. Constraints are not added.

    topology      openmm.app.Topology
    model         path or name of a model as for MLFFForce(), several for an ensemble
    charge, multiplicity
                  of all atoms, e and 2S+1
    periodic      whether the network sees periodic images; None: if the Topology has a box
    coulomb       how the network's charges interact, as for MLFFForce.fromTopology()
    removeCMMotion
                  whether to add a CMMotionRemover

    Returns a new System; its first force is the MLFFForce.
    """
    checkTopology(topology, "createSystem(), which takes (topology, model) in this order: topology")
    force = MLFFForce.fromTopology(model, topology, None, charge, multiplicity, periodic, coulomb)
    checkCoulomb(force, coulomb)
    system = openmm.System()
    for atom in topology.atoms():
        system.addParticle(atom.element.mass)
    box = usableBox(topology)
    if box is not None:
        system.setDefaultPeriodicBoxVectors(*box)
    system.addForce(force)
    if boolean(removeCMMotion, "removeCMMotion"):
        system.addForce(openmm.CMMotionRemover())
    return system
