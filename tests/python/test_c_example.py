"""examples/md_in_c.c against the installed package, compiled and run as its first comment says."""
import os
import re
import shutil
import subprocess
import sys

import pytest
from conftest import EXAMPLES

SOURCE = EXAMPLES/"md_in_c.c"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder like that of a clone: examples/ with the compiled program, models/."""
    if shutil.which("gcc") is None:
        pytest.skip("there is no gcc")
    root = tmp_path_factory.mktemp("c")
    shutil.copytree(EXAMPLES, root/"examples")
    (root/"models").symlink_to(EXAMPLES.parent/"models")
    assert len(lines()) == 3 and run(lines()[:2], root/"examples").returncode == 0
    return root/"examples"


def lines():
    """The commands of the comment: L=..., gcc ..., ./md_in_c ..."""
    return re.findall(r"^ \*   ((?:L=|gcc |\./md_in_c ).*)$", SOURCE.read_text(encoding="utf-8"), re.M)


def run(commands, folder, **more):
    """In a shell that knows nothing of plugins and libraries."""
    environment = {name: value for name, value in os.environ.items()
                   if not re.search("MLFF|OPENMM|LD_LIBRARY", name)}
    environment["PATH"] = os.path.dirname(sys.executable) + os.pathsep + environment["PATH"]
    return subprocess.run(["sh", "-ec", "\n".join(commands)], cwd=folder, env={**environment, **more},
                          capture_output=True, text=True, timeout=100)


def test_without_arguments_it_finds_the_plugins(folder):
    done = run(lines()[2:], folder)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert "# platform CPU" in done.stdout      # OpenMM's plugins are there, too
    assert len([line for line in done.stdout.splitlines() if line[0] != "#"]) == 11


def test_a_folder_of_the_environment(folder):
    plugins = run([*lines()[:1], 'printf %s "$L"'], folder).stdout + "/plugins"
    assert run(lines()[2:], folder, OPENMM_PLUGIN_DIR=plugins).returncode == 0
    done = run(lines()[2:], folder, OPENMM_PLUGIN_DIR="/no/such")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "no plugin of MLFFForce was found in /no/such" in done.stderr
    assert "--plugins FOLDER" in done.stderr and "OPENMM_PLUGIN_DIR" in done.stderr
