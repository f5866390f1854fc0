"""What is said of a platform of OpenMM's for which this installation has no plugin."""
import os
import pathlib
import subprocess
import sys

import openmm
import pytest
from conftest import MODELS

WATER = "3\n\nO 0 0 0.119\nH 0 0.763 -0.477\nH 0 -0.763 -0.477\n"


@pytest.fixture
def withoutCpuPlugin(tmp_path):
    """The environment of a process whose OpenMM finds every plugin except ours of the CPU."""
    library = pathlib.Path(openmm.version.openmm_library_path)
    folder = tmp_path/"lib"/"plugins"
    folder.mkdir(parents=True)
    # our plugins look for our library in the folder above theirs
    for file in [*library.glob("*.so"), *library.glob("plugins/*.so")]:
        if file.name != "libOpenMMMLFFCPU.so":
            (tmp_path/"lib"/file.relative_to(library)).symlink_to(file)
    return {**os.environ, "OPENMM_PLUGIN_DIR": str(folder)}


def run(environment, folder, *arguments):
    done = subprocess.run([sys.executable, "-m", "openmmmlff", *map(str, arguments)], cwd=folder,
                          env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def test_info_names_it(withoutCpuPlugin, tmp_path):
    status, out, err = run(withoutCpuPlugin, tmp_path, "info",
                           MODELS/"painn-hcno-distilled.safetensors")
    assert status == 0, err
    lines = [line for line in out.splitlines() if "not on CPU" in line]
    assert len(lines) == 1 and "libOpenMMMLFFCPU.so" in lines[0]
    able = next(line for line in out.splitlines() if line.startswith("platforms:"))
    assert "Reference" in able and "CPU" not in able


def test_compare_names_it(withoutCpuPlugin, tmp_path):
    (tmp_path/"water.xyz").write_text(WATER)
    status, out, err = run(withoutCpuPlugin, tmp_path, "compare", "painn-hcno", "water.xyz",
                           "--platforms", "Reference", "CPU")
    assert status == 1
    assert "MLFFForce is not available on CPU" in out + err and "libOpenMMMLFFCPU.so" in out + err


def test_evaluate_refuses_it(withoutCpuPlugin, tmp_path):
    (tmp_path/"water.xyz").write_text(WATER)
    status, _, err = run(withoutCpuPlugin, tmp_path, "evaluate", "painn-hcno", "water.xyz",
                         "--platform", "CPU")
    assert status == 1 and len(err.splitlines()) == 1 and "CPU" in err and "Reference" in err
