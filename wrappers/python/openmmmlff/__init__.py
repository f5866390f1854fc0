"""Neural network potentials as a native OpenMM force.

MLFFForce               the force; see help(MLFFForce)
MLFFForce.fromTopology  the force for all or some atoms of a Topology
createSystem            a System in which the network describes every atom
createMixedSystem       a System in which the network describes some molecules and a force field
                        the rest
vibrationalWavenumbers  from the second derivatives that MLFFForce.computeHessian() gives
modelInfo               what a model file says about itself
knownModels             the models that are known by name

From its import on, OpenMM's own methods (System.getForce(), getForces() and others) return an
MLFFForce where they would return a plain Force.

Command line: openmm-mlff, or python -m openmmmlff.
"""
import openmm as _openmm

from openmmmlff import _version_check

_version_check.checkOpenMM(_openmm.version.short_version)

from openmmmlff import _built, _recognition
from openmmmlff.mlffforce import MLFFForce
from openmmmlff.mixed import createMixedSystem
from openmmmlff.models import knownModels, modelInfo
from openmmmlff.system import createSystem
from openmmmlff.vibrations import vibrationalWavenumbers

__all__ = ["MLFFForce", "createMixedSystem", "createSystem", "knownModels", "modelInfo",
           "vibrationalWavenumbers"]

__version__: str = _built.VERSION


def _loadPlugins():
    """Load our platform plugins unless OpenMM has done so.

    OpenMM loads them from its own plugin directory when it is imported. With the environment
    variable OPENMM_PLUGIN_DIR it looks elsewhere.
    """
    import glob
    import os
    if _openmm.Platform.getPlatformByName("Reference").supportsKernels(["CalcMLFFForce"]):
        return
    sites = [os.path.dirname(os.path.abspath(folder)) for folder in __path__]
    plugins = [plugin for site in sites for plugin in sorted(glob.glob(os.path.join(
        site, "OpenMM.libs", "lib", "plugins", "libOpenMMMLFF*.so")))]
    for plugin in plugins:
        try:
            _openmm.Platform.loadPluginLibrary(plugin)
        except _openmm.OpenMMException:
            pass  # a platform that this machine does not have


_loadPlugins()
_recognition.install()
