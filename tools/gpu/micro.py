#!/usr/bin/env python3
"""What a CUDA device takes for the things of which a step is made: launches, barriers, L2, tensor
cores. By the driver and NVRTC alone: no toolkit, no compiler, no Python package is needed.

Every measurement stands by itself: what the device or the driver does not know is said and left
out. Predictions are for H100 and H200, made before anything had run on one.

  python micro.py [--json FILE]          measure
  python micro.py --compile 80 90 100    only compile, for these compute capabilities
"""

import argparse
import ctypes
import json
import pathlib
import statistics
import struct
import sys

SOURCE = pathlib.Path(__file__).with_name("micro.cu")
PREDICTED = {
    "copy, 256 MB": "3.0 (H100), 4.3 (H200)", "launch, stream": "2.1",
    "launch, stream, programmatic": "-", "node, graph": "1.2-1.5",
    "node, graph, programmatic": "0.6-0.9", "graph launch": "2-5",
    "grid barrier": "0.8-1.3", "cluster barrier, 8 blocks": "0.25-0.4",
    "cluster barrier, 16 blocks": "0.25-0.4",
    "cluster of 16: two barriers, 64 KB to all": "0.8 or less to be of use",
    "L2 reads, 1 multiprocessor": "80-110", "L2 reads, 16 multiprocessors": "-",
    "L2 reads, all multiprocessors": "5500", "mma.sync fp16": "614", "mma.sync TF32": "307"}
VALUE, PER_BLOCK = ctypes.c_uint, 256
DEVICE_ATTRIBUTES = {"multiprocessors": 16, "clock_khz": 13, "memory_clock_khz": 36,
                     "memory_bus_bits": 37, "l2_bytes": 38, "capability_major": 75,
                     "capability_minor": 76}
CLUSTER_DIMENSION, PROGRAMMATIC, COOPERATIVE = 4, 6, 2   # CUlaunchAttributeID
MAX_DYNAMIC_SHARED, NON_PORTABLE_CLUSTER = 8, 14         # CUfunction_attribute


class Unavailable(Exception):
    """Why there is no such figure."""


# ------------------------------------------------------------------------------ driver, compiler


class Attribute(ctypes.Structure):
    """CUlaunchAttribute"""
    _fields_ = [("id", ctypes.c_int), ("pad", ctypes.c_char*4), ("value", ctypes.c_uint*16)]


class Config(ctypes.Structure):
    """CUlaunchConfig"""
    _fields_ = [("grid", ctypes.c_uint*3), ("block", ctypes.c_uint*3), ("shared", ctypes.c_uint),
                ("stream", ctypes.c_void_p), ("attributes", ctypes.POINTER(Attribute)),
                ("count", ctypes.c_uint)]


def load(*names):
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise Unavailable(f"there is no {names[0]}")


def compile_source(capability, kind="CUBIN"):
    """The kernels for a compute capability such as "90"; kind: CUBIN or PTX."""
    nvrtc = load("libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12")
    program = ctypes.c_void_p()

    def check(status, what):
        if status != 0:
            size = ctypes.c_size_t()
            nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
            text = ctypes.create_string_buffer(size.value + 1)
            nvrtc.nvrtcGetProgramLog(program, text)
            raise Unavailable(f"{what}: NVRTC's status {status}: {text.value.decode()[:2000]}")

    check(nvrtc.nvrtcCreateProgram(ctypes.byref(program), SOURCE.read_bytes(), b"micro.cu", 0, None,
                                   None), "nvrtcCreateProgram")
    options = (ctypes.c_char_p*1)(f"--gpu-architecture={'sm' if kind == 'CUBIN' else 'compute'}_"
                                  f"{capability}".encode())
    check(nvrtc.nvrtcCompileProgram(program, 1, options), f"{SOURCE.name} for sm_{capability}")
    size = ctypes.c_size_t()
    check(getattr(nvrtc, f"nvrtcGet{kind}Size")(program, ctypes.byref(size)), f"{kind}'s size")
    image = ctypes.create_string_buffer(size.value)
    check(getattr(nvrtc, f"nvrtcGet{kind}")(program, image), kind)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return image


class Device:
    """The first device, a context, a stream, the kernels of micro.cu."""

    def __init__(self):
        self.driver = load("libcuda.so.1")
        self("cuInit", 0)
        device, context = ctypes.c_int(), ctypes.c_void_p()
        self("cuDeviceGet", ctypes.byref(device), 0)
        name = ctypes.create_string_buffer(256)
        self("cuDeviceGetName", name, 256, device)
        self.name = name.value.decode()
        self.info = {key: self._attribute(number, device)
                     for key, number in DEVICE_ATTRIBUTES.items()}
        self.capability = f"{self.info['capability_major']}{self.info['capability_minor']}"
        self("cuCtxCreate_v2", ctypes.byref(context), 0, device)
        self.stream = ctypes.c_void_p()
        self("cuStreamCreate", ctypes.byref(self.stream), 1)  # not blocking: it can be captured
        self.module = ctypes.c_void_p()
        try:
            self._load("CUBIN")
        except Unavailable:
            self._load("PTX")
        self.blocks = self.info["multiprocessors"]

    def _load(self, kind):
        self("cuModuleLoadDataEx", ctypes.byref(self.module),
             compile_source(self.capability, kind), 0, None, None)

    def __call__(self, name, *arguments):
        function = getattr(self.driver, name, None)
        if function is None:
            raise Unavailable(f"the driver has no {name}")
        status = function(*arguments)
        if status != 0:
            text = ctypes.c_char_p()
            self.driver.cuGetErrorName(status, ctypes.byref(text))
            raise Unavailable(f"{name}: {(text.value or b'').decode() or status}")

    def _attribute(self, number, device):
        value = ctypes.c_int()
        try:
            self("cuDeviceGetAttribute", ctypes.byref(value), number, device)
        except Unavailable:
            return 0
        return value.value

    def kernel(self, name, **attributes):
        function = ctypes.c_void_p()
        self("cuModuleGetFunction", ctypes.byref(function), self.module, name.encode())
        for attribute, value in attributes.items():
            self("cuFuncSetAttribute", function,
                 {"shared": MAX_DYNAMIC_SHARED, "large_cluster": NON_PORTABLE_CLUSTER}[attribute],
                 value)
        return function

    def launch(self, function, grid, block, *values, shared=0, cluster=0, programmatic=False,
               cooperative=False):
        pointers = (ctypes.c_void_p*max(1, len(values)))(
            *(ctypes.cast(ctypes.pointer(value), ctypes.c_void_p) for value in values))
        wanted = [(CLUSTER_DIMENSION, (cluster, 1, 1))] if cluster else []
        wanted += [(PROGRAMMATIC, (1,))] if programmatic else []
        wanted += [(COOPERATIVE, (1,))] if cooperative else []
        if not wanted:
            self("cuLaunchKernel", function, grid, 1, 1, block, 1, 1, shared, self.stream, pointers,
                 None)
            return
        attributes = (Attribute*len(wanted))()
        for attribute, (number, value) in zip(attributes, wanted):
            attribute.id = number
            attribute.value[:len(value)] = value
        config = Config((grid, 1, 1), (block, 1, 1), shared, self.stream, attributes, len(wanted))
        self("cuLaunchKernelEx", ctypes.byref(config), function, pointers, None)

    def memory(self, size):
        pointer = ctypes.c_uint64()
        self("cuMemAlloc_v2", ctypes.byref(pointer), ctypes.c_size_t(size))
        return pointer

    def upload(self, pointer, data):
        self("cuMemcpyHtoD_v2", pointer, data, ctypes.c_size_t(len(data)))
        self("cuCtxSynchronize")  # our stream does not wait for the copy by itself

    def wait(self):
        self("cuStreamSynchronize", self.stream)

    def milliseconds(self, function, repeats=5):
        """Median of the time on the device of what a function queues; once before, untimed."""
        function()
        self.wait()
        begin, end = ctypes.c_void_p(), ctypes.c_void_p()
        for event in (begin, end):
            self("cuEventCreate", ctypes.byref(event), 0)
        times = []
        for _ in range(repeats):
            self("cuEventRecord", begin, self.stream)
            function()
            self("cuEventRecord", end, self.stream)
            self("cuEventSynchronize", end)
            elapsed = ctypes.c_float()
            self("cuEventElapsedTime", ctypes.byref(elapsed), begin, end)
            times.append(elapsed.value)
        for event in (begin, end):
            self("cuEventDestroy_v2", event)
        return statistics.median(times)

    def captured(self, function):
        """A function that launches the graph of what another queues; once before without a graph:
        no kernel is loaded while the stream is captured."""
        function()
        self.wait()
        self("cuStreamBeginCapture_v2", self.stream, 1)
        graph, executable = ctypes.c_void_p(), ctypes.c_void_p()
        try:
            function()
        finally:
            self("cuStreamEndCapture", self.stream, ctypes.byref(graph))
        self("cuGraphInstantiateWithFlags", ctypes.byref(executable), graph, ctypes.c_uint64(0))
        self("cuGraphUpload", executable, self.stream)
        return lambda: self("cuGraphLaunch", executable, self.stream)


# --------------------------------------------------------------------------------- measurements
# Each yields (name, figure, unit).


def warm_up(device):
    """About a second of work: clocks rise."""
    kernel, sink = device.kernel("rateHalves"), device.memory(4)
    for _ in range(20):
        device.launch(kernel, 4*device.blocks, PER_BLOCK, VALUE(100000), sink)
    device.wait()


def copy_rate(device):
    size = 1 << 28
    here, there, kernel = device.memory(size), device.memory(size), device.kernel("copyWords")
    time = device.milliseconds(lambda: device.launch(
        kernel, 16*device.blocks, 512, here, there, VALUE(size//16)))
    yield "copy, 256 MB", 2e-9*size/time, "TB/s"


def stream_launches(device):
    for name, kernel, programmatic in (("launch, stream", "empty", False),
                                       ("launch, stream, programmatic", "emptyProgrammatic", True)):
        if programmatic and device.info["capability_major"] < 9:
            continue
        kernel = device.kernel(kernel)

        def chain(count=320):
            for _ in range(count):
                device.launch(kernel, device.blocks, 128, programmatic=programmatic)
        yield name, 1e3*device.milliseconds(chain)/320, "us"


def graph_nodes(device):
    """A node from graphs of 32 and 320; the graph's own part."""
    for name, kernel, programmatic in (("node, graph", "empty", False),
                                       ("node, graph, programmatic", "emptyProgrammatic", True)):
        if programmatic and device.info["capability_major"] < 9:
            continue
        function, times = device.kernel(kernel), []
        for count in (32, 320):
            def chain():
                for k in range(count):  # the first has an ordinary dependency
                    device.launch(function, device.blocks, 128, programmatic=programmatic and k > 0)
            graph = device.captured(chain)

            def launches():
                for _ in range(20):
                    graph()
            times.append(1e3*device.milliseconds(launches)/20)
        node = (times[1] - times[0])/288
        yield name, node, "us"
        yield f"{name}, chain of 32", times[0], "us"
        if not programmatic:
            yield "graph launch", times[0] - 32*node, "us"


def grid_barrier(device):
    kernel, count = device.kernel("gridBarriers"), device.memory(4)

    def rounds():
        device("cuMemsetD32Async", count, 0, ctypes.c_size_t(1), device.stream)
        device.launch(kernel, device.blocks, 256, count, VALUE(1000), cooperative=True)
    yield "grid barrier", device.milliseconds(rounds), "us"


def cluster_barriers(device):
    if device.info["capability_major"] < 9:
        raise Unavailable("clusters need compute capability 9.0")
    for size in (8, 16):
        kernel = device.kernel("clusterBarriers", **({"large_cluster": 1} if size > 8 else {}))
        yield (f"cluster barrier, {size} blocks", device.milliseconds(
            lambda: device.launch(kernel, size, 256, VALUE(1000), cluster=size)), "us")
    kernel = device.kernel("clusterExchange", shared=65536, large_cluster=1)
    yield ("cluster of 16: two barriers, 64 KB to all", device.milliseconds(
        lambda: device.launch(kernel, 16, 256, VALUE(16384), VALUE(1000), shared=65536,
                              cluster=16)), "us")


def l2_reads(device):
    size = 1 << 23
    words, sink, kernel = device.memory(size), device.memory(4), device.kernel("readWords")
    device.upload(words, struct.pack("f", 1.0)*(size//4))
    for name, blocks, rounds in (("1 multiprocessor", 1, 8), ("16 multiprocessors", 16, 8),
                                 ("all multiprocessors", 2*device.blocks, 16)):
        time = device.milliseconds(lambda: device.launch(
            kernel, blocks, 1024, words, VALUE(size//16), VALUE(rounds), sink))
        yield f"L2 reads, {name}", 1e-6*size*blocks*rounds/time, "GB/s"


def tensor_rates(device):
    sink, rounds, chains = device.memory(4), 20000, 8
    warps = 4*device.blocks*PER_BLOCK//32
    for name, kernel, k in (("mma.sync fp16", "rateHalves", 16), ("mma.sync TF32", "rateTF32", 8)):
        function = device.kernel(kernel)
        time = device.milliseconds(lambda: device.launch(
            function, 4*device.blocks, PER_BLOCK, VALUE(rounds), sink))
        yield name, 1e-9*2*16*8*k*chains*rounds*warps/time, "TFLOP/s"


# name: accumulator, powers of two that are added, what it means to get which sum. "cut": each
# product loses what lies more than 2 bits below the last bit of the largest.
SUMS = {
    "1 + 2^-24 + 2^-25": (1.0, [-24, -25], {"rounded": 1 + 2**-23, "truncated": 1.0}),
    "1 - 2^-25": (1.0, [(-1, -25)], {"rounded": 1.0, "truncated": 1 - 2**-24}),
    "1 + 8 x 2^-25": (1.0, 8*[-25], {"products kept": 1 + 2**-22, "products cut": 1.0}),
    "1 + 8 x 2^-26": (1.0, 8*[-26], {"products kept": 1 + 2**-23, "products cut": 1.0})}


def one_product(device):
    """How a tensor core adds: what it makes of sums that no float32 holds."""
    kernel, out = device.kernel("oneProduct"), device.memory(8)
    left, right = device.memory(64), device.memory(64)
    for name, (start, products, meanings) in SUMS.items():
        factors = [[0.0]*16, [0.0]*16]
        for k, product in enumerate(products):
            sign, power = product if isinstance(product, tuple) else (1, product)
            factors[0][k], factors[1][k] = sign*2.0**(power//2), 2.0**(power - power//2)
        for pointer, values in zip((left, right), factors):
            device.upload(pointer, struct.pack("16f", *values))
        device.launch(kernel, 1, 32, left, right, ctypes.c_float(start), out)
        device.wait()
        found = ctypes.create_string_buffer(8)
        device("cuMemcpyDtoH_v2", found, out, ctypes.c_size_t(8))
        for kind, value in zip(("fp16", "TF32"), struct.unpack("2f", found.raw)):
            meaning = next((m for m, v in meanings.items() if v == value), "neither")
            yield f"{kind} mma: {name}", f"1 {2**23*(value - 1):+.4g} x 2^-23: {meaning}", ""


MEASUREMENTS = (copy_rate, stream_launches, graph_nodes, grid_barrier, cluster_barriers, l2_reads,
                tensor_rates, one_product)


def measure():
    device = Device()
    result = {"device": device.name, "attributes": device.info, "figures": [], "left_out": []}
    print(f"device: {device.name}, {device.blocks} multiprocessors, "
          f"{1e-6*device.info['clock_khz']:.2f} GHz, L2 {device.info['l2_bytes']/2**20:.0f} MB")
    print(f"{'':44}{'measured':>12} {'':8}predicted")
    warm_up(device)
    for measurement in MEASUREMENTS:
        try:
            for name, value, unit in measurement(device):
                predicted = PREDICTED.get(name, "")
                result["figures"].append({"name": name, "value": value, "unit": unit,
                                          "predicted": predicted})
                shown = value if isinstance(value, str) else f"{value:12.4g}"
                print(f"{name:44}{shown} {unit:8}{predicted}", flush=True)
        except Unavailable as reason:
            result["left_out"].append({"name": measurement.__name__, "reason": str(reason)})
            print(f"{measurement.__name__:44}left out: {reason}", flush=True)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE", help="write the figures to FILE, too")
    parser.add_argument("--compile", nargs="+", metavar="CAPABILITY",
                        help="only compile, for compute capabilities such as 90")
    options = parser.parse_args()
    try:
        if options.compile:
            for capability in options.compile:
                print(f"sm_{capability}: {len(compile_source(capability))} bytes")
            return 0
        result = measure()
    except Unavailable as reason:
        print(f"error: {reason}")
        return 1
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
    return 0 if result["figures"] else 1


if __name__ == "__main__":
    sys.exit(main())
