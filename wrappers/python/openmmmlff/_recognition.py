"""OpenMM's Python methods return our forces as MLFFForce.

They know OpenMM's own classes only and return everything else as a plain Force, without the methods
of its class. Programs that look through the forces of a System (openmmtools' thermodynamic states,
for example) then find nothing of a plugin's force. install() puts a layer around these methods.
"""
import functools

import openmm

from openmmmlff.mlffforce import MLFFForce

# Everything in OpenMM that returns a Force which it did not get as a Python object.
# System.getForces() calls getForce(); copies and pickles are made by XmlSerializer.
_METHODS = ((openmm.System, "getForce"),
            (openmm.CustomCVForce, "getCollectiveVariable"),
            (openmm.ATMForce, "getForce"),
            (openmm.XmlSerializer, "deserialize"),
            (openmm.XmlSerializer, "clone"))


def recognize(result):
    """An MLFFForce for a plain Force that is one, with its ownership; anything else as it is."""
    if type(result) is openmm.Force and MLFFForce.isinstance(result):
        return MLFFForce.cast(result)
    return result


def install():
    """Let OpenMM's methods recognize our forces. Doing so again changes nothing."""
    for owner, name in _METHODS:
        method = vars(owner)[name]
        static = isinstance(method, staticmethod)
        function = method.__func__ if static else method
        if not hasattr(function, "_recognizesMLFFForce"):
            function = _recognizing(function)
            setattr(owner, name, staticmethod(function) if static else function)


def _recognizing(function):
    @functools.wraps(function)
    def call(*args, **kwargs):
        return recognize(function(*args, **kwargs))
    call._recognizesMLFFForce = True
    return call
