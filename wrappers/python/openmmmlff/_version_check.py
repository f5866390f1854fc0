"""Whether the OpenMM that is installed fits the one that this package was built with."""
from openmmmlff._built import OPENMM_VERSION


def checkOpenMM(found, built=OPENMM_VERSION):
    """Raise ImportError where the compiled classes of two versions of OpenMM would meet.

    found    version of OpenMM, for example "8.6.1"
    built    that of the OpenMM that this package was built with

    Versions fit if they agree in their first two numbers.
    """
    if found.split(".")[:2] != built.split(".")[:2]:
        raise ImportError(f"openmmmlff was built for OpenMM {built} and cannot work with OpenMM "
                          f"{found}, which is installed: install OpenMM {built} (pip install "
                          f"openmm=={built}), or build openmmmlff again with OpenMM {found}")
