"""Kernels of dense layers on tensor cores, compiled by NVRTC: every tile, in pairs of halves and in
TF32, for the sizes of the published AIMNet2. What OpenMM puts before a kernel is shim/dialect.h."""

import ctypes
import glob
import os
import re

FOLDER = os.path.dirname(os.path.abspath(__file__))
PLATFORMS = os.path.join(FOLDER, "..", "..", "platforms")
TEXTS = [os.path.join(FOLDER, "shim", "dialect.h"),
         *(os.path.join(PLATFORMS, *name.split("/")) for name in (
             "common/kernels/support.cc", "cuda/kernels/tensor.cu", "cuda/kernels/tensorTile.cu", "common/kernels/dense.cc",
             "common/kernels/aimnet2.cc", "common/kernels/aimnet2Dense.cc"))]
DEFINES = {"A": 16, "G": 16, "C": 12, "Q": 1, "CHARGE_EPSILON": "1e-6f", "DENSE_THREADS": 256,
           "SQRT_HALF": "0.70710678f", "INV_SQRT_2PI": "0.39894228f"}
FLAGS = [b"--fmad=true", b"--ftz=false", b"--prec-div=true", b"--prec-sqrt=true"]
KERNELS = ["mlffDenseForward", "mlffDenseReverse", "mlffAimnet2Update", "mlffAimnet2UpdateReverse",
           "mlffAimnet2Readout"]
MODES = {"pairs": 1, "TF32": 0}
CAPABILITIES = ["80", "86", "90", "100", "120"]  # below, tensor cores are not used


def tiles():
    """[(rows, columns)] as CommonDense.cpp has them."""
    with open(os.path.join(PLATFORMS, "common", "CommonDense.cpp")) as file:
        found = re.search(r"TENSOR_TILES = \{(.*?)\};", file.read(), re.DOTALL)[1]
    return [(int(rows), int(columns)) for rows, columns in re.findall(r"\{(\d+), (\d+),", found)]


def source(rows, columns, mode):
    defines = dict(DEFINES, TILE_ROWS=rows, TILE_COLUMNS=columns, TENSOR_PAIRS=MODES[mode])
    text = "".join(f"#define {name} {value}\n" for name, value in defines.items())
    for path in TEXTS:
        with open(path) as file:
            text += file.read()
    return text


def jobs(capabilities):
    """[(capability, mode, rows, columns)] of what there is to compile."""
    return [(capability, mode, *tile) for tile in tiles() for mode in MODES
            for capability in capabilities if capability in CAPABILITIES]


def compile_text(library_folder, text, capability):
    """PTX by the NVRTC of a folder; raises RuntimeError with what the compiler says."""
    nvrtc = ctypes.CDLL(glob.glob(os.path.join(library_folder, "libnvrtc.so.*"))[0])
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    flags = [f"--gpu-architecture=compute_{capability}".encode(), *FLAGS]
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"tensor.cu", 0, None, None)
    failed = nvrtc.nvrtcCompileProgram(program, len(flags),
                                       (ctypes.c_char_p*len(flags))(*flags))
    kind = "ProgramLog" if failed else "PTX"
    getattr(nvrtc, f"nvrtcGet{kind}Size")(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(max(size.value, 1))
    getattr(nvrtc, f"nvrtcGet{kind}")(program, buffer)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    if failed:
        raise RuntimeError(f"NVRTC, compute_{capability}: {buffer.value.decode()[:500]}")
    return buffer.value
