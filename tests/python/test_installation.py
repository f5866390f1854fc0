"""Ways of installing and starting that are not the usual ones."""
import importlib.metadata
import pathlib
import shutil
import subprocess
import sys

import openmm
import openmmmlff
import pytest
from conftest import ROOT
from openmmmlff import _version_check, models


def test_the_bundled_model_of_an_editable_installation(tmp_path, monkeypatch):
    """The package then has two folders, and the model is in the second one."""
    installed = next(f for f in map(pathlib.Path, openmmmlff.__path__) if (f/"models").is_dir())
    (tmp_path/"sources").mkdir()
    shutil.copytree(installed/"models", tmp_path/"built"/"models")
    monkeypatch.setattr(openmmmlff, "__path__", [str(tmp_path/"sources"), str(tmp_path/"built")])
    assert models.modelPath("painn-hcno") == str(
        tmp_path/"built"/"models"/"painn-hcno-distilled.safetensors")
    assert openmmmlff.MLFFForce("painn-hcno").getModelElements() == (1, 6, 7, 8, 16)


def test_without_docstrings_and_assertions():
    done = subprocess.run([sys.executable, "-OO", "-c",
                           "import openmmmlff; print(openmmmlff.MLFFForce('painn-hcno')"
                           ".getModelArchitecture())"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "PaiNN\n"), done.stderr


def test_version():
    """One number, in CMakeLists.txt: the package's, pip's and the command line's."""
    text = (ROOT/"CMakeLists.txt").read_text(encoding="utf-8")
    assert f"project(MLFFForce VERSION {openmmmlff.__version__} " in text.replace("\n", " ")
    assert openmmmlff.__version__ == importlib.metadata.version("openmmmlff")


def test_another_openmm():
    built = openmm.version.short_version
    assert _version_check.OPENMM_VERSION == built
    _version_check.checkOpenMM(built)
    _version_check.checkOpenMM("8.6.7", "8.6.1")
    for found in ("8.7.0", "8.60.1", "9.6.1", "8"):
        with pytest.raises(ImportError, match=f"built for OpenMM 8.6.1 .* OpenMM {found}"):
            _version_check.checkOpenMM(found, "8.6.1")
