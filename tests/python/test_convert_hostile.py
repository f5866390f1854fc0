"""Source files made to cost much: what is built from a file is bounded, and every value is checked."""
import json
import math
import os
import shutil
import struct
import subprocess
import sys
import zipfile
import zlib

import convert_files as cf
import numpy as np
import pytest
from conftest import MODELS
from openmmmlff import modelInfo
from openmmmlff.convert import ConversionError, convert

PAINN = MODELS/"painn-hcno-distilled.safetensors"
START = b"\x80\x02"


def text(value):
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def doubled(depth):
    """t = (t, t), depth times: 2^depth values when written out."""
    return b")" + b"2\x86"*depth


DOUBLED = doubled(60)
BOMBS = {
    "wide key": START + b"}" + DOUBLED + b"K\x01s.",
    "wide key of an OrderedDict": START + name("collections", "OrderedDict") + b"](" + DOUBLED
    + b"K\x01\x86e\x85R.",
    "deep key": START + b"})" + b"\x85"*200000 + b"K\x01s.",
    "deep key, long": START + b"})" + b"\x85"*1500000 + b"K\x01s.",
    "wide value": START + b"}" + text("a") + DOUBLED + b"s.",
    "wide root": START + DOUBLED + b".",
    "deep root": START + b")" + b"\x85"*200000 + b".",
    "deep list": START + b"]"*100000 + b"a"*99999 + b".",
    "copies of a Size": START + b"](" + b"N"*200000 + b"eq\x000" + name("torch", "Size") + b"q\x010("
    + b"h\x01h\x00\x85R"*60000 + b"l.",
    "copies of a set": START + b"](" + b"N"*100000 + b"eq\x000" + name("builtins", "frozenset")
    + b"q\x010(" + b"h\x01h\x00\x85R"*50000 + b"l.",
    "copies of a text": START + text("a"*2000000) + b"q\x000" + name("_codecs", "encode") + b"q\x010("
    + b"h\x01h\x00\x85R"*5000 + b"l.",
    "copies of a state": START + b"}(" + b"".join(text(f"k{i}") + b"N" for i in range(2000)) + b"uq\x000("
    + (name("a", "B") + b")\x81h\x00b")*20000 + b"l.",
    "wide device": START + name("torch", "device") + DOUBLED + b"\x85R.",
    "wide storage": START + b"(" + text("storage") + name("torch", "FloatStorage") + DOUBLED
    + text("cpu") + b"K\x01tQ.",
    "wide shape": START + name("torch._utils", "_rebuild_tensor_v2") + b"(" + b"(" + text("storage")
    + name("torch", "FloatStorage") + text("0") + text("cpu") + b"K\x01tQK\x00" + DOUBLED
    + DOUBLED + b"\x89}tR.",
    "a long integer": START + b"\x8b" + struct.pack("<i", 1000000) + b"\x7f"*1000000 + b".",
    "a class made of it": START + DOUBLED + b")R.",
    "wide keys of attributes": START + name("a", "B") + b")\x81}" + DOUBLED + b"K\x01sb.",
}

# Converts argv[1] to argv[2] with 3 GB of address space; prints the error, or "converted".
PROGRAM = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
from openmmmlff.convert import ConversionError, convert
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    convert(sys.argv[1], sys.argv[2], energy_unit=None)
    print("converted")
except ConversionError as error:
    print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def refused(path, out, megabytes=400):
    """The message; the process ends by itself, and has not grown by more than megabytes."""
    result = subprocess.run([sys.executable, "-c", PROGRAM, path, out], capture_output=True, text=True,
                            timeout=120)
    assert result.returncode == 0, result.stderr[-1000:]
    *message, grown = result.stdout.splitlines()
    assert int(grown) < megabytes*1024
    message = "\n".join(message)
    assert message != "converted" and len(message) < 2000 and not os.path.exists(out)
    return message


def archive(path, pickle):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("archive/data.pkl", pickle)
    return path


@pytest.mark.parametrize("bomb", BOMBS)
def test_pickles_that_build_too_much(tmp_path, bomb):
    refused(archive(tmp_path/"x.pt", BOMBS[bomb]), tmp_path/"o.safetensors")


def test_a_size_in_the_archive_that_is_a_lie(tmp_path):
    path = tmp_path/"x.pt"
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = b"".join(packer.compress(bytes(1 << 20)) for _ in range(300)) + packer.flush()
    entry = b"a/data.pkl"
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 8, 0, 0, 0, len(data), 1000, len(entry), 0) + entry + data
    central = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 8, 0, 0, 0, len(data), 1000, len(entry),
                          0, 0, 0, 0, 0, 0) + entry
    path.write_bytes(local + central + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(central),
                                                   len(local), 0))
    refused(path, tmp_path/"o.safetensors", 200)


@pytest.mark.parametrize("shape, strides", [
    ((2**25, 8), (0, 0)), ((2**27,), (0,)), ((2**60, 2**60), (0, 0)), ((2**62,)*16, (0,)*16),
    ((2**20, 8), (0, 1))])
def test_views_larger_than_their_storage(tmp_path, shape, strides):
    arrays = {k: cf.Tensor(v) for k, v in cf.student_arrays().items()}
    one = np.zeros(8, np.float32)
    arrays["embedding.weight"] = cf.Tensor(one, flat=one, strides=strides, shape=shape)
    path = cf.write_torch(tmp_path/"x.pt", {"model_state_dict": cf.Call(
        cf.Global("collections", "OrderedDict"), list(arrays.items()))})
    refused(path, tmp_path/"o.safetensors")


@pytest.mark.parametrize("shape", [[10**300]*10, [2**28, 2**28], [1]*100000, [0, 10**4000], [-1], [True], ["1"],
                                   {}, [1.0], 5])
def test_shapes_of_safetensors(tmp_path, shape):
    header = json.dumps({"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}}).encode()
    (tmp_path/"x.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    refused(tmp_path/"x.safetensors", tmp_path/"o.safetensors")


def aimnet2(path, **info):
    return cf.write_pt(path, cf.aimnet2_arrays(), cf.aimnet2_info(
        **{"needs_dispersion": False, "d3_params": "absent", **info}))


@pytest.mark.parametrize("definition", [
    "class: a.AIMNet2\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{i}: &a{i} [{','.join([f'*a{i-1}']*10)}]\n" for i in range(1, 12)) + "kwargs: {nfeature: *a11}\n",
    "a: &a {x: 1}\n" + "".join(f"b{i}: &b{i} {{<<: [*{'a' if i == 0 else f'b{i-1}'}, *a]}}\n" for i in range(99)),
    "[" * 20000, "{" * 20000, "a: " + "1:"*20000 + "1", "a: &a [*a]\nkwargs: *a", "? [[[[]]]]\n: 1",
    "x" * (1 << 21), "a: " + "9"*50000, "- 1", "", "!!python/object/apply:os.system ['true']"])
def test_definitions_in_yaml(tmp_path, definition):
    refused(aimnet2(tmp_path/"x.pt", model_yaml=definition), tmp_path/"o.safetensors")


# ------------------------------------------------------------------ types
VALUES = [None, True, -1, 2**60, 1.5, math.nan, math.inf, "x", "", [], [1], {}, {"a": 1}, [[1], [2]], "1"]


def either(path, out, **options):
    """Converts to a file that can be read, or is refused; nothing else."""
    try:
        for made in convert(path, out, **options):
            modelInfo(made)
    except ConversionError as error:
        assert len(str(error)) < 2000
        assert not out.exists()


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_types_of_aimnet2(tmp_path, value):
    out = tmp_path/"o.safetensors"
    for key in ("family", "cutoff", "coulomb_mode", "needs_coulomb", "coulomb_sr_rc", "coulomb_sr_envelope",
                "needs_dispersion", "d3_params", "implemented_species", "supports_charged_systems",
                "has_embedded_d3ts", "model_yaml"):
        either(aimnet2(tmp_path/"x.pt", **{key: value}), out)
        out.unlink(missing_ok=True)
    either(aimnet2(tmp_path/"x.pt", needs_dispersion=True, d3_params={"s8": value, "a1": 1.0, "a2": value}), out)
    out.unlink(missing_ok=True)
    for place in (["class"], ["kwargs"], ["kwargs", "outputs"], ["kwargs", "nfeature"], ["kwargs", "aim_size"],
                  ["kwargs", "outputs", "energy_mlp"], ["kwargs", "outputs", "energy_mlp", "class"],
                  ["kwargs", "outputs", "energy_mlp", "kwargs"],
                  ["kwargs", "outputs", "energy_mlp", "kwargs", "mlp"], ["kwargs", "outputs", "new"]):
        definition = cf.definition()
        inner = definition
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = value
        either(aimnet2(tmp_path/"x.pt", model_yaml=json.dumps(definition)), out)
        out.unlink(missing_ok=True)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_types_of_students_and_schnetpack(tmp_path, value):
    out = tmp_path/"o.safetensors"
    for content in ({"config": value}, {"config": {"cutoff": value}}, {"epoch": value}):
        path = cf.write_torch(tmp_path/"x.pt", {"model_state_dict": cf.state_dict(cf.student_arrays()), **content})
        either(path, out)
        out.unlink(missing_ok=True)
    scale = {"buffers": {"scale": np.float64(2)}}
    for model in (
            cf.schnetpack_model(cf.painn_arrays(), epsilon=value),
            *(cf.schnetpack_model(cf.painn_arrays(), post=[cf.nn_module(
                "schnetpack.transform.atomistic.ScaleProperty", **scale, input_key=a, output_key=b)])
              for a, b in ((value, "energy"), ("energy", value), (value, value)))):
        either(cf.write_torch(tmp_path/"x.pt", model), out, energy_unit="eV")
        out.unlink(missing_ok=True)


@pytest.mark.parametrize("root", VALUES, ids=repr)
def test_types_of_the_whole(tmp_path, root):
    either(cf.write_torch(tmp_path/"x.pt", root), tmp_path/"o.safetensors")
    either(cf.write_torch(tmp_path/"x.pt", {"state_dict": root}), tmp_path/"o.safetensors")


# ------------------------------------------------------------------ what is written
def scaled(*factors):
    return cf.schnetpack_model(cf.painn_arrays(), post=[cf.nn_module(
        "schnetpack.transform.atomistic.ScaleProperty", buffers={"scale": np.float64(value)},
        input_key="energy", output_key="energy") for value in factors])


def student(**content):
    sizes = {k: content.pop(k) for k in ("n_z", "n_layers") if k in content}
    return {"model_state_dict": cf.state_dict(cf.student_arrays(**sizes)), **content}


UNREADABLE = {
    "cutoff nan": (student(config={"cutoff": math.nan}), {}),
    "cutoff -5": (student(config={"cutoff": -5}), {}),
    "--cutoff nan": (student(), {"cutoff": math.nan}),
    "--cutoff 0": (student(), {"cutoff": 0.0}),
    "one element row": (student(n_z=1), {}),
    "2000 elements": (student(n_z=2000), {}),
    "70 layers": (student(n_layers=70), {}),
    "epsilon -1": (cf.schnetpack_model(cf.painn_arrays(), epsilon=-1.0), {"energy_unit": "eV"}),
    "scale beyond doubles": (scaled(1e300, 1e300), {"energy_unit": "eV"}),
    "scale 0": (scaled(0), {"energy_unit": "eV"}),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_an_older_file_outlives_a_conversion_that_fails(tmp_path, case):
    root, options = UNREADABLE[case]
    out = tmp_path/"o.safetensors"
    shutil.copy(PAINN, out)
    with pytest.raises(ConversionError):
        convert(cf.write_torch(tmp_path/"x.pt", root), out, **options)
    assert out.read_bytes() == PAINN.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["o.safetensors", "x.pt"]


@pytest.mark.parametrize("case", ["elements twice", "negative eta", "second member"])
def test_aimnet2_that_cannot_be_computed_is_not_written(tmp_path, case):
    arrays = cf.aimnet2_arrays()
    out = tmp_path/"o.safetensors"
    shutil.copy(PAINN, out)
    if case == "second member":
        # neither of two is written
        wrong = cf.aimnet2_arrays(1)
        wrong["aev.eta_s"] = wrong["aev.eta_v"] = np.float32(-1)
        path = cf.write_jpt(tmp_path/"x.jpt", [arrays, wrong], cf.d3_arrays())
    else:
        if case == "negative eta":
            arrays["aev.eta_s"] = arrays["aev.eta_v"] = np.float32(-1)
        info = {"implemented_species": [1, 1, 6, 8]} if case == "elements twice" else {}
        path = cf.write_pt(tmp_path/"x.pt", arrays, cf.aimnet2_info(
            **{"needs_dispersion": False, "d3_params": "absent", **info}))
    with pytest.raises(ConversionError, match="is not a model that can be computed|twice"):
        convert(path, out)
    assert out.read_bytes() == PAINN.read_bytes() and len(list(tmp_path.iterdir())) == 2


def test_a_source_whose_name_is_not_utf8(tmp_path):
    path = os.fsencode(str(tmp_path)) + b"/s\xff.pt"
    shutil.copy(cf.write_torch(tmp_path/"x.pt", student()), path)
    made, = convert(os.fsdecode(path), tmp_path/"o.safetensors")
    assert "s?.pt" in modelInfo(made)["source"]


@pytest.mark.parametrize("place", ["source", "d3_table", "definition"])
def test_pipes_are_not_waited_for(tmp_path, place):
    os.mkfifo(tmp_path/"pipe")
    path = aimnet2(tmp_path/"x.pt")
    options = {"source": {}}.get(place, {place: tmp_path/"pipe"})
    with pytest.raises(ConversionError, match="not a regular file"):
        convert(tmp_path/"pipe" if place == "source" else path, tmp_path/"o.safetensors", **options)
    with pytest.raises(ConversionError, match="not a regular file"):
        convert("/dev/zero", tmp_path/"o.safetensors")


@pytest.mark.parametrize("kind, tensor", [
    ("SchNet", "representation.interactions.0.filter_network.0.weight"),
    ("SO3net", "representation.so3convs.0.filternet.weight")])
def test_other_networks_of_schnetpack_are_named(tmp_path, kind, tensor):
    path = cf.write_torch(tmp_path/"x.pt", {"state_dict": cf.state_dict(
        {tensor: np.zeros((2, 2), np.float32), "representation.embedding.weight": np.zeros((9, 2), np.float32)})})
    with pytest.raises(ConversionError, match=f"SchNetPack model of the kind {kind}"):
        convert(path, tmp_path/"o.safetensors", energy_unit="eV")
    module = cf.nn_module("schnetpack.model.NeuralNetworkPotential", modules={
        "representation": cf.nn_module(f"schnetpack.representation.{kind.lower()}.{kind}", modules={
            "embedding": cf.nn_module("torch.nn.Embedding", {"weight": np.zeros((9, 2), np.float32)})})})
    with pytest.raises(ConversionError, match=f"SchNetPack model of the kind {kind}"):
        convert(cf.write_torch(tmp_path/"y.pt", module), tmp_path/"o.safetensors", energy_unit="eV")
