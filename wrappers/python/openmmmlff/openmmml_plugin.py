"""The potential 'mlff' of openmmml.

    MLPotential('mlff', modelPath='model.safetensors').createSystem(topology)

modelPath is a path or a name, or several for an ensemble, as for MLFFForce(). createSystem() and
createMixedSystem() take charge, multiplicity, periodic and coulomb as MLFFForce.fromTopology()
does; createMixedSystem() also takes checkCharge as openmmmlff.createMixedSystem() does.
"""
from openmmml.embeddings.mechanicalembedding import MechanicalEmbeddingFactory
from openmmml.mlpotential import MLPotentialImpl, MLPotentialImplFactory

from openmmmlff.mixed import (checkCharges, checkNotDescribed, createMixedSystem, networks,
                              seesImages)
from openmmmlff.mlffforce import MLFFForce
from openmmmlff.models import coulombMethod, knownModels, modelPaths
from openmmmlff.quantities import boolean
from openmmmlff.topology import checkCoulomb

# Keys that openmmml's embeddings take; it hands all keys to the potential too.
_EMBEDDING_KEYS = {"mlLongRange", "linkAtomDistances"}


class MLFFPotentialImplFactory(MLPotentialImplFactory):
    """Creates the potential 'mlff'."""

    def createImpl(self, name, modelPath=None, **args):
        _refuse(f"MLPotential('{name}')", args, "modelPath")
        if modelPath is None:
            raise ValueError(f"MLPotential('{name}') needs modelPath: the path of a model file or "
                             f"a name, one of: {', '.join(knownModels())}")
        return MLFFPotentialImpl(modelPath)


class MLFFPotentialImpl(MLPotentialImpl):
    """A model as a potential of openmmml."""

    def __init__(self, model):
        self.model = modelPaths(model)

    def addForces(self, topology, system, atoms, forceGroup, charge=0, multiplicity=1,
                  periodic=None, coulomb=None, **args):
        """Add an MLFFForce to a System; see MLFFForce.fromTopology() for the arguments."""
        _refuse("the potential 'mlff'", args.keys() - _EMBEDDING_KEYS,
                "charge, multiplicity, periodic, coulomb")
        if atoms is not None:
            if periodic:
                raise ValueError("periodic=True in a mixed System: this embedding leaves the force "
                                 "field's interactions of the chosen atoms with their own images, "
                                 "which would come on top: leave it out")
            periodic = False
            if coulombMethod(coulomb) in (MLFFForce.Ewald, MLFFForce.PME):
                raise ValueError(f"coulomb={coulomb!r} in a mixed System: the force field counts "
                                 "the periodic images of the chosen atoms already; expected None, "
                                 "'none', 'simple' or 'dsf', or periodic=True")
        force = MLFFForce.fromTopology(self.model, topology, atoms, charge, multiplicity, periodic,
                                       coulomb)
        checkCoulomb(force, coulomb)
        force.setForceGroup(forceGroup)
        system.addForce(force)

    def getSupportedEmbeddings(self):
        """The embedding that createMixedSystem() handles."""
        return ["mechanical"]

    def createMixedSystem(self, topology, system, atoms, forceGroup, interpolate, embedding,
                          returnInfo=False, periodic=None, checkCharge=True, **args):
        """openmmml's mechanical embedding; where the network sees periodic images, ours."""
        checkCharge = boolean(checkCharge, "checkCharge")
        checkNotDescribed(topology, system, set(atoms))
        if not seesImages(topology, system, atoms, periodic):
            result = MechanicalEmbeddingFactory().createEmbedding(embedding).createMixedSystem(
                self, topology, system, atoms, forceGroup, interpolate, returnInfo=returnInfo,
                **args)
            if checkCharge:
                _checkCharges(system, result["system"] if returnInfo else result, atoms)
            return result
        if interpolate:
            raise ValueError("interpolate=True is not available where the network sees periodic "
                             "images")
        _refuse("the potential 'mlff' with periodic images",
                args.keys() - {"charge", "multiplicity", "coulomb"},
                "charge, multiplicity, coulomb, checkCharge")
        # openmmml removes constraints itself
        return createMixedSystem(topology, system, atoms, self.model, periodic=True,
                                 removeConstraints=False, forceGroup=forceGroup,
                                 checkCharge=checkCharge, **args)

    def getMLLongRange(self):
        """No: in a mixed System addForces() refuses the Ewald sums."""
        return False


def _checkCharges(system, mixed, atoms):
    """Compare charges with the force field's, unless bonds were cut: caps have none there."""
    for force in networks(mixed.getForces()):
        particles = [force.getAtomParameters(i)[0] for i in range(force.getNumAtoms())]
        if set(particles) == set(atoms):
            checkCharges(system, force, [particles])


def _refuse(who, names, known):
    if names:
        raise TypeError(f"{who} does not take {', '.join(sorted(names))}; it takes {known}")
