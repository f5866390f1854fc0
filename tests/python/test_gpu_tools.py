"""What of tools/gpu can be tested without a GPU: tables, structures, arithmetic."""
import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from conftest import ROOT
from openmmmlff.benchmark import devices


def loadTool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT/"tools"/"gpu"/f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_expected_beside_measured():
    """A size within 3 % of the expected one; CUDA's step, not another's."""
    ladder = loadTool("ladder")
    def case(model, atoms, *contenders):
        return {"model": model, "atoms": atoms, "contenders": [
            {"name": name, "step": {"p50_ms": p50, "p95_ms": 2*p50}} for name, p50 in contenders]}
    report = {"sweep": {"cases": [case("painn-128x3", 12, ("CPU", 1.0), ("CUDA", 0.05)),
                                  case("aimnet2", 9990, ("CUDA", 2.5)),
                                  case("aimnet2", 150, ("CUDA", 0.1))]}}
    rows = [line for line in ladder.expectations(report) if line.startswith(("| painn", "| aim"))]
    assert rows == ["| painn-128x3 | 12 | 60 | 28 | 50.0 | 100.0 |",
                    "| aimnet2 | 10000 | 2300 |  | 2500.0 | 5000.0 |"]
    assert ladder.expectations({}) == []


def test_stages():
    """They have names and limits of their own; results that are shown or kept are of stages."""
    ladder = loadTool("ladder")
    options = type("Options", (), {"rehearse": False})()
    bare = ladder.Ladder.__new__(ladder.Ladder)
    bare.options, bare.small = options, ladder.SMALL
    names = [name for name, limit, function, needed in bare.stages()]
    assert len(set(names)) == len(names) and {"values", "sweep", "mixed"} <= set(names)
    assert set(ladder.SHOWN) | set(ladder.MEASURED) <= set(names)


def test_kernel_table():
    ladder = loadTool("ladder")
    rows = ['"ID","Kernel Name","Metric Name","Metric Unit","Metric Value"']
    rows += [f'"{k}","mlffPairs(int)","gpu__time_duration.sum","nsecond","{1000*(k + 1):,}"'
             for k in range(3)]
    assert "mlffPairs                             3        2.00" in ladder.kernel_table(
        "painn", "noise\n" + "\n".join(rows))
    assert "measured no kernel" in ladder.kernel_table("painn", "noise")


def test_launch_structures():
    """As cuda.h lays them out on 64 bit."""
    micro = loadTool("micro")
    assert ctypes.sizeof(micro.Attribute) == 72 and micro.Attribute.value.offset == 8
    assert ctypes.sizeof(micro.Config) == 56
    assert [getattr(micro.Config, name).offset for name in ("stream", "attributes", "count")] \
        == [32, 40, 48]


def test_sums_of_one_product():
    """What a sum is by each way to add, in exact arithmetic."""
    def toFloat32(exact, towardsZero):
        nearest = np.float32(float(exact))
        if towardsZero and abs(Fraction(float(nearest))) > abs(exact):
            return float(np.nextafter(nearest, np.float32(0)))
        return float(nearest)
    for start, powers, meanings in loadTool("micro").SUMS.values():
        addends = [p[0]*Fraction(2)**p[1] if isinstance(p, tuple) else Fraction(2)**p
                   for p in powers]
        exact = Fraction(start) + sum(addends)
        cut = Fraction(start) + sum(a for a in addends if abs(a) >= Fraction(2)**-25)
        ways = {"rounded": (exact, False), "truncated": (exact, True),
                "products kept": (exact, True), "products cut": (cut, True)}
        for meaning, value in meanings.items():
            if (meaning, value) == ("products cut", 1.0) and cut != start:
                continue  # cut at once at the last bit, without the 2 bits
            assert toFloat32(*ways[meaning]) == value, meaning


def test_micro_benchmarks_compile():
    """By NVRTC, where there is one, that of tests/cuda/requirements.txt too; nothing of a device is
    needed."""
    folders = [*map(str, (ROOT/"build"/"cuda-wheels").glob("nvidia/*/lib")),
               os.environ.get("LD_LIBRARY_PATH", "")]
    done = subprocess.run([sys.executable, ROOT/"tools"/"gpu"/"micro.py", "--compile", "80", "90",
                           "100"], capture_output=True, text=True,
                          env=dict(os.environ, LD_LIBRARY_PATH=os.pathsep.join(folders)))
    if "there is no libnvrtc" in done.stdout:
        pytest.skip("there is no NVRTC")
    assert done.returncode == 0 and done.stdout.count("bytes") == 3, done.stdout


def test_memory_by_the_driver(tmp_path, monkeypatch):
    """nvidia-smi's figures: the sum of what is used, the least of what there is."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert devices.usedMemory() is None
    shell = shutil.which("sh", path="/bin:/usr/bin")
    program = tmp_path/"nvidia-smi"
    program.write_text(f"#!{shell}\nprintf '1000\\n500\\n'\n")
    program.chmod(0o755)
    assert devices.usedMemory() == 1500 and devices.totalMemory() == 500
    program.write_text(f"#!{shell}\necho '[N/A]'\n")
    assert devices.usedMemory() is None
