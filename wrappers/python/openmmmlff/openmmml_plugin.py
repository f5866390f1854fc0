"""The potential 'mlff' of openmmml.

    MLPotential('mlff', modelPath='model.safetensors').createSystem(topology)

modelPath is a path or a name, or several for an ensemble, as for MLFFForce(). createSystem() and
createMixedSystem() take charge, multiplicity, periodic and coulomb as MLFFForce.fromTopology()
does.
"""
from openmmml.mlpotential import MLPotentialImpl, MLPotentialImplFactory

from openmmmlff.mlffforce import MLFFForce
from openmmmlff.models import coulombMethod, knownModels, modelPaths

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
        if atoms is not None and coulombMethod(coulomb) in (MLFFForce.Ewald, MLFFForce.PME):
            raise ValueError(f"coulomb={coulomb!r} in a mixed System: the force field counts the "
                             "periodic images of the chosen atoms already; expected None, 'none', "
                             "'simple' or 'dsf'")
        force = MLFFForce.fromTopology(self.model, topology, atoms, charge, multiplicity, periodic,
                                       coulomb)
        force.setForceGroup(forceGroup)
        system.addForce(force)

    def getMLLongRange(self):
        """No: in a mixed System addForces() refuses the Ewald sums."""
        return False


def _refuse(who, names, known):
    if names:
        raise TypeError(f"{who} does not take {', '.join(sorted(names))}; it takes {known}")
