"""Type checkers: the stub says what the module is, and they see right and wrong use."""
import re
import subprocess
import sys

import openmmmlff
import pytest

pytest.importorskip("mypy")


def mypy(*arguments, folder):
    done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True,
                          cwd=folder, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


def test_stub_is_the_module(tmp_path):
    """Every name, argument, default value and constant, by mypy's stubtest."""
    status, text = mypy("mypy.stubtest", "openmmmlff.mlffforce", folder=tmp_path)
    assert status == 0, text


RIGHT = """
import fractions
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import openmmmlff
from typing_extensions import assert_type
from openmmmlff import (MLFFForce, createMixedSystem, createSystem, knownModels, modelInfo,
                        vibrationalWavenumbers)

assert_type(openmmmlff.__version__, str)
assert_type(knownModels(), list[str])
assert_type(modelInfo(pathlib.Path("model.safetensors")), dict[str, Any])

force = MLFFForce(["painn-hcno", pathlib.Path("other.safetensors")])
assert_type(force, MLFFForce)
assert_type(MLFFForce("x", content=memoryview(b"")), MLFFForce)
assert_type(force.addAtom(np.int64(0), 6), int)
assert_type(force.addRegion(np.float32(1), multiplicity=np.int8(2)), int)
assert_type(force.getAtomParameters(0), tuple[int, int, int])
assert_type(force.getModelElements(), tuple[int, ...])
force.setEnergyFactor(fractions.Fraction(1, 2))
force.setUseDispersion(np.False_)
for constant in (MLFFForce.Embedded, MLFFForce.Default, MLFFForce.PME, MLFFForce.Auto,
                 MLFFForce.Dense, MLFFForce.Sparse, MLFFForce.Full, MLFFForce.SplitHalf,
                 MLFFForce.TF32):
    assert_type(constant, int)
force.setEvaluationMode(MLFFForce.Sparse)
force.setMatrixPrecision(MLFFForce.TF32)
force.setCoulombMethod("pme")
assert_type(force.getNumGlobalParameters(), int)
assert_type(force.getGlobalParameterName(0), str)
"""

WRONG = {
    'force.addAtom("0", 6)': "arg-type",
    "force.addAtom(0)": "call-arg",
    "force.addAtom(0, 6, charge=1)": "call-arg",
    "force.addAtom(0.5, 6)": "arg-type",
    'force.setUseDispersion("no")': "arg-type",
    'force.setEvaluationMode("Auto")': "arg-type",
    "force.setScaleParameter(5)": "arg-type",
    "MLFFForce(3)": "arg-type",
    "MLFFForce(\"x\", content=\"text\")": "arg-type",
    "knownModels(1)": "call-arg",
    "modelInfo(1)": "arg-type",
    "vibrationalWavenumbers()": "call-arg",
    "createMixedSystem(charges=1)": "call-arg",
    "createSystem(None)": "call-arg",
    "MLFFForce.fromTopology(\"x\", None, periodic=\"no\")": "arg-type",
    "openmmmlff.version": "attr-defined",
}


def test_right_use_passes_and_wrong_use_does_not(tmp_path):
    first = RIGHT.count("\n") + 1
    (tmp_path/"use.py").write_text(RIGHT + "\n".join(WRONG) + "\n", encoding="utf-8")
    _, text = mypy("mypy", "--strict", "use.py", folder=tmp_path)
    found = {int(line): code
             for line, code in re.findall(r"use\.py:(\d+): error: .*\[([a-z-]+)\]", text)}
    assert found == {first + i: code for i, code in enumerate(WRONG.values())}, text


def test_public_names_are_typed():
    """Everything in __all__ has types, in the stub or at the function."""
    for name in openmmmlff.__all__:
        value = getattr(openmmmlff, name)
        if callable(value) and value is not openmmmlff.MLFFForce:
            assert "return" in value.__annotations__, name
