"""Devices: what is known of them, what a Context says of itself."""
import json
import re
import subprocess

# Platforms that queue work on a device: a clock is read only behind a wait.
PLATFORMS = ("CUDA", "OpenCL", "HIP")

# Name as the driver has it -> float32 TFLOP/s without tensor cores, memory TB/s, by the makers'
# data sheets. The first that is found in a device's name counts.
PEAKS = (
    (r"GH200|H200 NVL", None),      # several of that name
    (r"H200", (67.0, 4.8)),
    (r"H100 PCIe", (51.0, 2.0)),
    (r"H100 NVL", (60.0, 3.9)),
    (r"H100", (67.0, 3.35)),
    (r"A100.*40GB", (19.5, 1.555)),
    (r"A100.*80GB", (19.5, 2.0)),
    (r"A30\b", (10.3, 0.933)),
    (r"A10\b", (31.2, 0.6)),
    (r"A40\b", (37.4, 0.696)),
    (r"L40S", (91.6, 0.864)),
    (r"L40\b", (90.5, 0.864)),
    (r"L4\b", (30.3, 0.3)),
    (r"V100.*SXM", (15.7, 0.9)),
    (r"V100.*PCIE", (14.0, 0.9)),
    (r"T4\b", (8.1, 0.32)),
    (r"RTX 6000 Ada", (91.1, 0.96)),
    (r"RTX A6000", (38.7, 0.768)),
    (r"RTX 5090(?! [DL])", (104.8, 1.792)),
    (r"RTX 4090(?! [DL])", (82.6, 1.008)),
    (r"RTX 4080(?! [SL])", (48.7, 0.717)),
    (r"RTX 3090(?! T)", (35.6, 0.936)),
)


def peaksOf(name):
    """{"tflops", "tb_per_s"} of a device by its name, or None."""
    for pattern, peaks in PEAKS:
        if re.search(pattern, name or ""):
            return dict(zip(("tflops", "tb_per_s"), peaks)) if peaks else None
    return None


def executionInfo(force, context):
    """What the MLFFForce says about how it runs in a Context: {name: value}, empty if nothing.

    getExecutionInfo() gives JSON text or a mapping; numbers may be texts.
    """
    ask = getattr(force, "getExecutionInfo", None)
    if ask is None:
        return {}
    try:
        return parseInfo(ask(context))
    except Exception as error:  # of no importance for what is measured
        return {"error": " ".join(str(error).split())}


def parseInfo(info):
    """{name: value} of JSON text or a mapping; ValueError if it is neither."""
    if isinstance(info, str):
        info = json.loads(info)
    if not hasattr(info, "items"):
        raise ValueError(f"execution info is a {type(info).__name__}, expected names and values")
    return {str(key): _number(value) for key, value in info.items()}


def _number(value):
    if not isinstance(value, str):
        plain = isinstance(value, (int, float, bool, list, dict, type(None)))
        return value if plain else str(value)
    for kind in (int, float):
        try:
            number = kind(value)
        except ValueError:
            continue
        return number if abs(number) < float("inf") else value
    return value


def nodesOf(info):
    """How many kernels an evaluation launches: nodes of the graph, or launches; None: unknown."""
    for key in ("graph_nodes", "nodes", "launches"):
        value = (info or {}).get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None


def usedMemory():
    """MB in use on all NVIDIA devices together, or None."""
    return _askDriver("memory.used")


def totalMemory():
    """MB of the smallest NVIDIA device, or None."""
    return _askDriver("memory.total", min)


def _askDriver(what, join=sum):
    try:
        done = subprocess.run(["nvidia-smi", f"--query-gpu={what}",
                               "--format=csv,noheader,nounits"], capture_output=True, text=True,
                              timeout=20)
        values = [float(line) for line in done.stdout.split("\n") if line.strip()]
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return join(values) if done.returncode == 0 and values else None
