"""The potential 'mlff' of openmmml.

    MLPotential('mlff', modelPath='model.safetensors').createSystem(topology)

modelPath is a path or a name, as for MLFFForce(). createSystem() and createMixedSystem() take
charge, multiplicity and periodic as MLFFForce.fromTopology() does.
"""
from openmmml.mlpotential import MLPotentialImpl, MLPotentialImplFactory

from openmmmlff.mlffforce import MLFFForce
from openmmmlff.models import knownModels, modelPath

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
        self.model = modelPath(model)

    def addForces(self, topology, system, atoms, forceGroup, charge=0, multiplicity=1,
                  periodic=None, **args):
        """Add an MLFFForce to a System; see MLFFForce.fromTopology() for the arguments."""
        _refuse("the potential 'mlff'", args.keys() - _EMBEDDING_KEYS,
                "charge, multiplicity, periodic")
        force = MLFFForce.fromTopology(self.model, topology, atoms, charge, multiplicity, periodic)
        force.setForceGroup(forceGroup)
        system.addForce(force)

    def getMLLongRange(self):
        """Message passing ends at the cutoff: no interactions of long range."""
        return False


def _refuse(who, names, known):
    if names:
        raise TypeError(f"{who} does not take {', '.join(sorted(names))}; it takes {known}")
