"""openmmmlff.convert: published model files -> our model files."""
import argparse
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile

import numpy as np
import openmm
import openmmmlff
import pytest

import convert_files as cf

convert = cf.PACKAGE.convert
ConversionError = cf.PACKAGE.ConversionError
safetensors_file = cf.module("safetensors_file")
torch_file = cf.module("torch_file")
cache = cf.module("cache")


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    """No test sees the user's own cache."""
    monkeypatch.setenv("OPENMMMLFF_CACHE", str(tmp_path / "cache"))


def config_of(path):
    return json.loads(cf.read_model(path)[1]["config"])


def architecture_of(path):
    return json.loads(cf.read_model(path)[1]["architecture"])


def loaded(path):
    """The object in an archive; its tensors keep the archive open until they are read."""
    return torch_file.TorchArchive(path).load()


def write_raw(path, data, storages=None, root="archive"):
    """A torch archive around a ready pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{root}/data.pkl", data)
        for key, content in (storages or {}).items():
            archive.writestr(f"{root}/data/{key}", content)
    return path


# ------------------------------------------------------------------ safetensors
ARRAYS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "scalar": np.float64(2.5),
          "n": np.array([1, 6, 8], np.int32), "empty": np.zeros((0, 4), np.float32),
          "long": np.array([-1], np.int64), "half": np.array([0.5], np.float16),
          "flag": np.array([True, False])}


# What is written is read back bit by bit, and the safetensors library agrees.
def test_safetensors_round_trip(tmp_path):
    path = safetensors_file.write(tmp_path / "x.safetensors", ARRAYS, {"k": "v \N{MICRO SIGN}"})
    arrays, metadata = safetensors_file.read_arrays(path)
    cf.assert_same(arrays, ARRAYS)
    assert metadata == {"k": "v \N{MICRO SIGN}"}
    assert struct.unpack("<Q", path.read_bytes()[:8])[0] % 8 == 0
    library = pytest.importorskip("safetensors.numpy")
    cf.assert_same(library.load_file(path), ARRAYS)
    library.save_file({"b": ARRAYS["a"]}, tmp_path / "y.safetensors", metadata={"m": "1"})
    cf.assert_same(safetensors_file.read_arrays(tmp_path / "y.safetensors")[0],
                   {"b": ARRAYS["a"]})


def safetensors_bytes(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


F32 = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize("data, message", [
    (b"1234", "too short"),
    (struct.pack("<Q", 1 << 40) + b"{}", "does not fit"),
    (safetensors_bytes(b"[1]"), "not a JSON object"),
    (safetensors_bytes(b"{nonsense"), "cannot be read"),
    (safetensors_bytes(b'{"a":1,"a":2}'), "occurs twice"),
    (safetensors_bytes({"a": {**F32, "dtype": "F8"}}, b"1234"), "unknown type"),
    (safetensors_bytes({"a": {**F32, "shape": [2]}}, b"1234"), "does not lie"),
    (safetensors_bytes({"a": {**F32, "shape": [-1]}}, b"1234"), "impossible shape"),
    (safetensors_bytes({"a": {**F32, "shape": [1 << 20, 1 << 20]}}, b"1234"), "too large"),
    (safetensors_bytes({"a": {**F32, "data_offsets": [4, 8]}}, b"12345678"), "does not lie"),
    (safetensors_bytes({"a": F32, "b": F32}, b"1234"), "does not lie"),
    (safetensors_bytes({"a": F32}, b"12345"), "do not fill"),
    (safetensors_bytes({"a": F32}, b"123"), "do not fill"),
    (safetensors_bytes({"a": [1]}, b"1234"), "malformed"),
    (safetensors_bytes({"__metadata__": {"a": 1}}), "texts"),
])
def test_safetensors_refuses(tmp_path, data, message):
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    with pytest.raises(ConversionError, match=message):
        safetensors_file.read(path)


def test_safetensors_bfloat16(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(safetensors_bytes(
        {"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}, b"\x80\x3f\x20\xc0"))
    assert safetensors_file.read_arrays(path)[0]["a"].tolist() == [1.0, -2.5]


# A file that cannot be written leaves nothing behind.
def test_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(safetensors_file.os, "fsync", refuse)
    with pytest.raises(ConversionError, match="No space left"):
        safetensors_file.write(tmp_path / "x.safetensors", ARRAYS, {})
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ torch archives
@pytest.mark.parametrize("byte_order", [None, "little", "big"])
def test_torch_types(tmp_path, byte_order):
    values = {"f2": np.array([0.5, -2], np.float16), "f4": np.array([[1, 2], [3, 4]], np.float32),
              "f8": np.array(np.pi), "i1": np.array([-1, 3], np.int8),
              "i2": np.array([300], np.int16), "i4": np.array([70000], np.int32),
              "i8": np.array([1 << 40], np.int64), "u1": np.array([255], np.uint8),
              "b": np.array([True, False, True]), "none": np.zeros((0, 3), np.float32)}
    path = cf.write_torch(tmp_path / "x.pt", {k: cf.Tensor(v) for k, v in values.items()},
                          byte_order=byte_order)
    cf.assert_same({k: ref.read() for k, ref in loaded(path).items()}, values)


def test_torch_views(tmp_path):
    base = np.arange(24, dtype=np.float32)
    cases = {
        "transposed": (cf.Tensor(base, flat=base, shape=(6, 4), strides=(1, 6)),
                       base.reshape(4, 6).T),
        "part": (cf.Tensor(base, flat=base, shape=(2, 3), strides=(6, 2), offset=7),
                 base.reshape(4, 6)[1:3, 1::2]),
        "expanded": (cf.Tensor(base, flat=base, shape=(3, 2), strides=(0, 1)),
                     np.tile(base[:2], (3, 1))),
        "bfloat16": (cf.Tensor(np.array([0x3F80, 0xC020], np.uint16)),
                     np.array([1, -2.5], np.float32)),
    }
    path = cf.write_torch(tmp_path / "x.pt", {k: v[0] for k, v in cases.items()})
    cf.assert_same({k: ref.read() for k, ref in loaded(path).items()},
                   {k: np.ascontiguousarray(v[1]) for k, v in cases.items()})


# Every container and number a pickle may hold, as Python itself writes them.
@pytest.mark.parametrize("protocol", range(2, 6))
def test_plain_pickles(tmp_path, protocol):
    value = {"a": [1, -2, 1 << 70, 2.5, None, True, False, "\N{MICRO SIGN}", b"\x00\xff"],
             "b": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)), 3: {"nested": {"x": []}},
             "long": "x" * 300, "set": {1}, "bytes": b"y" * 300}
    value["again"] = value["a"]
    result = loaded(write_raw(tmp_path / "x.pt", pickle.dumps(value, protocol)))
    assert list(result.pop("set")) == [1]
    value.pop("set")
    assert result == value
    assert result["again"] is result["a"]


# Objects of unknown classes stay inert, and tell what they are.
def test_unknown_classes_are_records(tmp_path):
    path = cf.write_torch(tmp_path / "x.pt", {
        "object": cf.Object(cf.Global("somewhere.else", "Thing"), {"x": 1}),
        "call": cf.Call(cf.Global("pathlib", "PosixPath"), "a", "b"),
        "function": cf.Global("torch.nn.functional", "silu")})
    result = loaded(path)
    assert result["object"].class_path == "somewhere.else.Thing"
    assert result["object"].attributes == {"x": 1}
    assert result["call"].args == ("a", "b")
    assert result["function"].path == "torch.nn.functional.silu"
    assert "somewhere" not in sys.modules


class Evil:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"echo run > {self.marker}",)


def hostile_pickles(marker):
    """Pickles that write ``marker`` when a pickle machine that calls things reads them."""
    command = f"echo run > {marker}".encode()
    text = b"X" + struct.pack("<I", len(command)) + command
    python = f"open({str(marker)!r}, 'w').write('run')".encode()
    code = b"X" + struct.pack("<I", len(python)) + python
    yield "reduce", pickle.dumps({"state_dict": Evil(marker)}, 2)
    yield "protocol 4", pickle.dumps([Evil(marker)], 4)
    yield "os.system", b"\x80\x02cos\nsystem\n" + text + b"\x85R."
    yield "exec", b"\x80\x02c__builtin__\nexec\n" + code + b"\x85R."
    yield "inst", b"\x80\x02(" + text + b"ios\nsystem\n."
    yield "obj", b"\x80\x02(cos\nsystem\n" + text + b"o."
    yield "newobj", b"\x80\x02csubprocess\nPopen\n" + text + b"\x85\x81."
    yield "getattr", (b"\x80\x02cbuiltins\ngetattr\ncos\nsystem\nX\x08\x00\x00\x00__call__\x86R"
                      + text + b"\x85R.")
    yield "setstate", b"\x80\x02cos\nsystem\n)R}X\x0c\x00\x00\x00__setstate__cos\nsystem\nsb."
    # a known name as the function of a call whose own function is hostile
    yield "nested", (b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\nN" + text
                     + b"\x85NtR.")


def test_hostile_pickles_do_not_run(tmp_path):
    marker = tmp_path / "marker"
    for name, data in hostile_pickles(marker):
        path = write_raw(tmp_path / "x.pt", data)
        try:
            loaded(path)
        except ConversionError:
            pass
        with pytest.raises(ConversionError):
            convert(path, tmp_path / "x.safetensors")
        assert not marker.exists(), name
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.pt"]
    # the test itself is sound: Python's own machine does run them
    pickle.loads(pickle.dumps(Evil(marker)))
    assert marker.exists()


# A good model beside a hostile object: the model is read, the object is not run.
def test_hostile_object_beside_a_model(tmp_path):
    marker = tmp_path / "marker"
    evil = cf.Call(cf.Global("posix", "system"), f"echo run > {marker}")
    path = cf.write_torch(tmp_path / "x.pt", {
        "optimizer": evil, "model_state_dict": cf.state_dict(cf.student_arrays())})
    out, = convert(path, tmp_path / "x.safetensors")
    cf.assert_same(cf.read_model(out)[0], cf.student_expected(cf.student_arrays()))
    assert not marker.exists()


# The known functions cannot be altered from inside a pickle.
def test_build_does_not_touch_known_functions(tmp_path):
    before = dict(vars(torch_file._tensor))
    data = (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN}X\x0c\x00\x00\x00__defaults__"
            b"J\x01\x00\x00\x00s\x86b.")
    loaded(write_raw(tmp_path / "x.pt", data))
    assert vars(torch_file._tensor) == before
    assert torch_file._tensor.__defaults__ is None


@pytest.mark.parametrize("data, message", [
    (b"", "damaged|ends early"),
    (b"\x80\x02", "damaged|ends early"),
    (b"\x80\x02}(K\x01u.", "damaged"),
    (b"\x80\x02q\x00.", "damaged"),
    (b"\x80\x02h\x05.", "damaged"),
    (b"\x80\x02K\x01K\x02R.", "damaged"),
    (b"\x80\x02}]K\x01s.", "damaged"),
    (b"\x80\x02\x82\x01.", "EXT1"),
    (b"\x80\x02P12\n.", "PERSID"),
    (b"\x80\x05\x97.", "NEXT_BUFFER"),
    (b"\x80\x02K\x01Q.", "damaged"),
    (b"\x80\x02X\xff\xff\xff\x7fabc.", "damaged"),
    (b"\x80\x02\xff.", "damaged"),
])
def test_damaged_pickles(tmp_path, data, message):
    with pytest.raises(ConversionError, match=message):
        loaded(write_raw(tmp_path / "x.pt", data))


def odd_tensor(**changes):
    values = np.arange(4, dtype=np.float32)
    tensor = cf.Tensor(values)
    for key, value in changes.items():
        setattr(tensor, key, value)
    return tensor


@pytest.mark.parametrize("changes, message", [
    ({"shape": (5,)}, "beyond its storage"),
    ({"offset": 1}, "beyond its storage"),
    ({"strides": (2,)}, "beyond its storage"),
    ({"strides": (-1,)}, "damaged"),
    ({"offset": -1}, "damaged"),
    ({"strides": (1, 1)}, "damaged"),
    ({"shape": (1 << 20, 1 << 20), "strides": (0, 0)}, "too large"),
    ({"shape": (1,) * 40, "strides": (1,) * 40}, "damaged"),
    ({"kind": "ComplexFloatStorage"}, "cannot be read"),
])
def test_impossible_tensors(tmp_path, changes, message):
    path = cf.write_torch(tmp_path / "x.pt", {"a": odd_tensor(**changes)})
    with pytest.raises(ConversionError, match=message):
        loaded(path)["a"].read()


def test_missing_storage(tmp_path):
    path = cf.write_torch(tmp_path / "x.pt", {"a": cf.Tensor(np.ones(2, np.float32))})
    kept = tmp_path / "y.pt"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(kept, "w") as new:
        for name in old.namelist():
            if "/data/" not in name:
                new.writestr(name, old.read(name))
    with pytest.raises(ConversionError, match="storage '0' are missing"):
        loaded(kept)["a"].read()


# A compressed megabyte of zeros that says it is a pickle stays within the limit.
def test_size_limits(tmp_path, monkeypatch):
    path = tmp_path / "x.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(1 << 20))
    monkeypatch.setattr(torch_file, "MAX_PICKLE", 1 << 16)
    with pytest.raises(ConversionError, match="too large"):
        loaded(path)
    monkeypatch.setattr(torch_file, "MAX_OPCODES", 10)
    with pytest.raises(ConversionError, match="too long"):
        loaded(write_raw(path, pickle.dumps(list(range(100)), 2)))
    monkeypatch.setattr(torch_file, "MAX_STORAGE", 4)
    cf.write_torch(path, {"a": cf.Tensor(np.ones(2, np.float32))})
    monkeypatch.setattr(torch_file, "MAX_OPCODES", 1000)
    with pytest.raises(ConversionError, match="too large"):
        loaded(path)["a"].read()


# Lists that contain one another many times over must not be walked for ever.
def test_module_trees_are_bounded(tmp_path, monkeypatch):
    leaf = cf.nn_module("a.B", {"w": np.ones(1, np.float32)})
    for _ in range(40):
        leaf = cf.nn_module("a.B", modules={"x": leaf, "y": leaf})
    monkeypatch.setattr(torch_file, "MAX_NODES", 2000)
    path = cf.write_torch(tmp_path / "x.pt", leaf)
    with pytest.raises(ConversionError, match="too often|module tree is too large"):
        convert(path, tmp_path / "x.safetensors")
    # a module that contains itself
    loop = b"\x80\x02ca\nB\n)\x81q\x00}(X\x0b\x00\x00\x00_parameters}X\x08\x00\x00\x00_modules}" \
           b"X\x01\x00\x00\x00xh\x00sub."
    with pytest.raises(ConversionError, match="nested too deeply"):
        convert(write_raw(path, loop), tmp_path / "x.safetensors")


def test_truncated_archives(tmp_path):
    path = cf.write_torch(tmp_path / "x.pt", cf.state_dict(cf.student_arrays()))
    data = path.read_bytes()
    for n in (5, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:n])
        with pytest.raises(ConversionError, match="x.pt"):
            convert(path, tmp_path / "out.safetensors")
    # a flipped byte within a tensor is caught by the archive's checksum
    middle = data.index(b"archive/data/3") + 200
    path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1:])
    with pytest.raises(ConversionError, match="damaged"):
        convert(path, tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def test_torchscript_constants(tmp_path):
    pickler = cf.Pickler()
    data = pickler.dump((cf.Tensor(np.array([1, 2], np.float32)),))
    path = tmp_path / "x.jpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", b"\x80\x02}.")
        archive.writestr("net/constants.pkl", data)
        archive.writestr("net/constants/0", pickler.storages[0].tobytes())
    with torch_file.TorchArchive(path) as archive:
        assert archive.is_torchscript
        assert archive.load_constants()[0].read().tolist() == [1, 2]


# ------------------------------------------------------------------ AIMNet2, first release
def expected_aimnet2(arrays, table=None):
    return {**arrays, **(cf.d3_rows(table) if table else {})}


def test_aimnet2_ensemble(tmp_path):
    members, table = [cf.aimnet2_arrays(k) for k in range(4)], cf.d3_arrays()
    source = cf.write_jpt(tmp_path / "ens.jpt", members, table)
    paths = convert(source, tmp_path / "net.safetensors")
    assert [p.name for p in paths] == [f"net_member{k}.safetensors" for k in range(4)]
    for k, path in enumerate(paths):
        arrays, metadata = cf.read_model(path)
        cf.assert_same(arrays, expected_aimnet2(members[k], table))
        assert json.loads(metadata["architecture"]) == {
            "architecture": "aimnet2", "variant": "ens", "nfeature": 3, "nshifts": 4,
            "d2features": True, "ncomb_v": 2, "rc": 5.0, "rmin": 0.8,
            "eta": float(np.float32(14.512472)), "num_charge_channels": 1, "aim_size": 9,
            "mlp_hidden": [[7, 6], [7, 6], [7, 6, 5]], "mlp_last_linear": [True, False, False],
            "activation": "gelu_erf", "energy_mlp_hidden": [6], "nse_epsilon": 1e-6,
            "sr_coulomb": {"rc": 4.6, "envelope": "exp"},
            "d3": {"kind": "d3bj", **cf.D3, "k1": 16.0, "k3": -4.0, "cutoff": 15.0,
                   "smoothing_on": 12.0},
            "elements": [1, 6, 8], "hartree_eV": 27.211386024367243,
            "bohr_A": 0.5291772105638411, "energy_unit": "eV", "length_unit": "angstrom",
            "member": k}
        assert f"member {k}" in metadata["source"]


def test_aimnet2_one_member(tmp_path):
    members, table = [cf.aimnet2_arrays(k) for k in range(3)], cf.d3_arrays()
    source = cf.write_jpt(tmp_path / "ens.jpt", members, table)
    path, = convert(source, tmp_path / "net.safetensors", member=2, variant="test")
    assert path == tmp_path / "net.safetensors"
    cf.assert_same(cf.read_model(path)[0], expected_aimnet2(members[2], table))
    assert architecture_of(path)["member"] == 2
    assert architecture_of(path)["variant"] == "test"
    with pytest.raises(ConversionError, match="no member 3.*members 0, 1, 2"):
        convert(source, tmp_path / "net.safetensors", member=3)


# More than nine members keep their order.
def test_aimnet2_member_order(tmp_path):
    members = [cf.aimnet2_arrays(k) for k in range(11)]
    source = cf.write_jpt(tmp_path / "ens.jpt", members, cf.d3_arrays())
    paths = convert(source, tmp_path / "net.safetensors")
    assert len(paths) == 11
    assert cf.read_model(paths[10])[0]["afv.weight"].tobytes() == \
        members[10]["afv.weight"].tobytes()


# Untrained rows of the first release stay as they are; NaN rows of later files become zero.
def test_aimnet2_elements(tmp_path):
    table = cf.d3_arrays()
    arrays = cf.aimnet2_arrays(nan_rows=True)
    path, = convert(cf.write_jpt(tmp_path / "a.jpt", [arrays], table), tmp_path / "a.safetensors")
    found = cf.read_model(path)[0]["afv.weight"]
    assert architecture_of(path)["elements"] == cf.ELEMENTS
    assert not found[[2, 3, 4, 5, 7, 9]].any()
    assert found[cf.ELEMENTS].tobytes() == arrays["afv.weight"][cf.ELEMENTS].tobytes()

    path, = convert(cf.write_jpt(tmp_path / "a.jpt", [arrays], table), tmp_path / "a.safetensors",
                    elements="H O")
    assert architecture_of(path)["elements"] == [1, 8]
    assert cf.read_model(path)[0]["d3.numbers"].tolist() == [1, 8]
    with pytest.raises(ConversionError, match="no parameters for elements.*elements 7"):
        convert(tmp_path / "a.jpt", tmp_path / "a.safetensors", elements="H N")
    with pytest.raises(ConversionError, match="'Xx' is not an element"):
        convert(tmp_path / "a.jpt", tmp_path / "a.safetensors", elements="H Xx")


def test_aimnet2_d3_table(tmp_path):
    arrays, table = cf.aimnet2_arrays(), cf.d3_arrays()
    source = cf.write_jpt(tmp_path / "a.jpt", [arrays], extra={
        "outputs.d3bj.cnmax": np.ones(3, np.float32)})
    out = tmp_path / "a.safetensors"
    with pytest.raises(ConversionError, match="does not hold the reference table.*--d3-table"):
        convert(source, out)
    # as safetensors, as a pickled dictionary, inside another TorchScript file, in the cache
    tables = [
        safetensors_file.write(tmp_path / "t.safetensors", table, {}),
        cf.write_torch(tmp_path / "t.pt",
                       {k: cf.Tensor(v) for k, v in cf.d3_packed(table).items()}),
        cf.write_jpt(tmp_path / "t.jpt", [arrays], table),
    ]
    for path in tables:
        made, = convert(source, out, d3_table=path)
        cf.assert_same(cf.read_model(made)[0], expected_aimnet2(arrays, table))
    # a converted model is a table, too
    convert(source, tmp_path / "b.safetensors", d3_table=out)
    assert (tmp_path / "b.safetensors").stat().st_size == pytest.approx(out.stat().st_size, abs=200)
    # a table is read, not written
    before = tables[0].read_bytes()
    with pytest.raises(ConversionError, match="one of the files that are read"):
        convert(source, tables[0], d3_table=tables[0])
    assert tables[0].read_bytes() == before
    cached = cache.d3_table_path()
    cached.parent.mkdir()
    safetensors_file.write(cached, table, {})
    cf.assert_same(cf.read_model(convert(source, out)[0])[0], expected_aimnet2(arrays, table))

    short = {k: v[:7, :7] if v.ndim == 4 else v[:7] for k, v in table.items()}
    safetensors_file.write(tmp_path / "t.safetensors", short, {})
    with pytest.raises(ConversionError, match="no D3 parameters for an element.*found O"):
        convert(source, out, d3_table=tmp_path / "t.safetensors")
    bent = {**table, "c6ref": table["c6ref"].copy()}
    bent["c6ref"][1, 6, 0, 1] += 1
    safetensors_file.write(tmp_path / "t.safetensors", bent, {})
    with pytest.raises(ConversionError, match="not symmetric"):
        convert(source, out, d3_table=tmp_path / "t.safetensors")
    with pytest.raises(ConversionError, match="holds no D3"):
        convert(source, out, d3_table=cf.write_torch(tmp_path / "t.pt", {"a": 1}))


def change(name, value):
    return lambda arrays: arrays.__setitem__(name, value)


@pytest.mark.parametrize("edit, message", [
    (lambda a: a.pop("mlps.1.2.weight"), r"'mlps.1.' is not an MLP"),
    (lambda a: a.pop("mlps.1.2.bias"), r"tensor 'mlps.1.2.bias' is missing"),
    (lambda a: a.pop("conv_q.agh"), r"'conv_q.agh' is missing"),
    (lambda a: a.pop("aev.eta_v"), r"'aev.eta_v' is missing"),
    (change("mlps.0.4.bias", np.ones(3, np.float32)), r"'mlps.0.4.bias' has the wrong shape.*14"),
    (change("mlps.1.0.weight", np.ones((7, 29), np.float32)), r"mlps.1.0.weight.*\[7, 37\]"),
    (change("afv.weight", np.ones((10, 3), np.float32)), "wrong shape|mlps"),
    (change("conv_q.agh", np.ones((3, 4, 2), np.float32)), "charge channels"),
    (change("mlps.0.0.bias", np.full(7, np.nan, np.float32)), "not finite"),
    (change("conv_a.agh", np.full((3, 4, 2), 1, np.int64)), "wrong type"),
    (change("aev.shifts_v", np.zeros(4, np.float32)), "bases of their own"),
    (change("extra.weight", np.zeros(4, np.float32)), "AIMNet2 does not have.*extra.weight"),
])
def test_aimnet2_refuses(tmp_path, edit, message):
    arrays = cf.aimnet2_arrays()
    edit(arrays)
    source = cf.write_jpt(tmp_path / "a.jpt", [arrays], cf.d3_arrays())
    with pytest.raises(ConversionError, match=message):
        convert(source, tmp_path / "a.safetensors")
    assert not (tmp_path / "a.safetensors").exists()


def test_aimnet2_torchscript_parts(tmp_path):
    arrays, table = cf.aimnet2_arrays(), cf.d3_arrays()
    out = tmp_path / "a.safetensors"
    source = cf.write_jpt(tmp_path / "a.jpt", [arrays], table, classes={
        "outputs.atomic_shift": "aimnet.modules.SRRep"})
    with pytest.raises(ConversionError, match="'atomic_shift' is not supported.*SRRep"):
        convert(source, out)
    with pytest.raises(ConversionError, match="k1 and k3"):
        convert(cf.write_jpt(source, [arrays], table, k1=-8.0), out)
    with pytest.raises(ConversionError, match="'s8' is not a number"):
        convert(cf.write_jpt(source, [arrays], table, d3={"a1": 0.5, "a2": 3.0}), out)
    # a model without dispersion and Coulomb has neither in its file
    bare = {k: v for k, v in arrays.items() if k != "srcoulomb.rc"}
    path, = convert(cf.write_jpt(source, [bare]), out)
    cf.assert_same(cf.read_model(path)[0], bare)
    assert architecture_of(path)["d3"] is None and architecture_of(path)["sr_coulomb"] is None
    with pytest.raises(ConversionError, match="has no D3 term"):
        convert(source, out, d3_table=safetensors_file.write(tmp_path / "t.safetensors", table, {}))


# ------------------------------------------------------------------ AIMNet2, today's state files
@pytest.fixture
def table_file(tmp_path):
    return safetensors_file.write(tmp_path / "table.safetensors", cf.d3_arrays(), {})


def test_aimnet2_state_file(tmp_path, table_file):
    arrays = cf.aimnet2_arrays(nan_rows=True, shift_dtype=np.float64)
    info = cf.aimnet2_info(d3_params={"s8": 1.5, "a1": 0.37, "a2": 4.1, "s6": 1.0})
    source = cf.write_pt(tmp_path / "aimnet2_b973c_d3_3.pt", arrays, info)
    path, = convert(source, tmp_path / "a.safetensors", d3_table=table_file)
    expected = expected_aimnet2(arrays, cf.d3_arrays())
    expected["afv.weight"] = np.nan_to_num(arrays["afv.weight"])
    cf.assert_same(cf.read_model(path)[0], expected)      # the shifts stay in float64
    architecture = architecture_of(path)
    assert architecture["variant"] == "b973c-d3" and architecture["member"] == 3
    assert architecture["d3"]["s8"] == 1.5 and architecture["d3"]["a2"] == 4.1
    assert architecture["sr_coulomb"] == {"rc": 4.6, "envelope": "exp"}
    assert "supports_charged_systems" not in architecture


def test_aimnet2_families(tmp_path, table_file):
    out = tmp_path / "a.safetensors"
    # open shell: two charge channels
    arrays = cf.aimnet2_arrays(n_charge=2)
    info = cf.aimnet2_info(cf.definition(2), family="nse")
    convert(cf.write_pt(tmp_path / "a.pt", arrays, info), out, d3_table=table_file)
    cf.assert_same(cf.read_model(out)[0], expected_aimnet2(arrays, cf.d3_arrays()))
    assert architecture_of(out)["num_charge_channels"] == 2
    # reactions: neutral only, dispersion added afterwards, dipole heads left out
    arrays = cf.aimnet2_arrays()
    heads = {"dipole": {"class": "aimnet.modules.Dipole"},
             "quadrupole": {"class": "aimnet.modules.Quadrupole"}}
    info = cf.aimnet2_info(cf.definition(outputs=heads), family="rxn", needs_dispersion=False,
                           d3_params=None, supports_charged_systems=False)
    source = cf.write_torch(tmp_path / "a.pt", {**info, "state_dict": cf.state_dict(
        {**cf.original_names(arrays), "outputs.dipole.mass": np.ones(9, np.float32)})})
    convert(source, out, d3_table=table_file)
    assert architecture_of(out)["d3"]["s8"] == 0.3908
    assert architecture_of(out)["supports_charged_systems"] is False
    cf.assert_same(cf.read_model(out)[0], expected_aimnet2(arrays, cf.d3_arrays()))
    # neither Coulomb nor dispersion; another envelope
    bare = {k: v for k, v in arrays.items() if k != "srcoulomb.rc"}
    info = cf.aimnet2_info(cf.definition(outputs={"srcoulomb": None}), coulomb_mode="none",
                           needs_coulomb=False, needs_dispersion=False, d3_params=None)
    convert(cf.write_pt(tmp_path / "a.pt", bare, info), out)
    assert architecture_of(out)["sr_coulomb"] is None and architecture_of(out)["d3"] is None
    info = cf.aimnet2_info(coulomb_sr_envelope="cosine")
    convert(cf.write_pt(tmp_path / "a.pt", arrays, info), out, d3_table=table_file)
    assert architecture_of(out)["sr_coulomb"]["envelope"] == "cosine"


def with_mlp(**kwargs):
    model = cf.definition()
    model["kwargs"]["outputs"]["energy_mlp"]["kwargs"]["mlp"].update(kwargs)
    return {"model": model}


@pytest.mark.parametrize("changes, message", [
    ({"model": cf.definition(outputs={"d3ts": {"class": "aimnet.modules.D3TS"}})}, "D3TS"),
    ({"has_embedded_d3ts": True}, "learned dispersion"),
    ({"model": {**cf.definition(), "class": "os.system"}}, "another class"),
    ({"model": cf.definition(2)}, "'num_charge_channels'.*found 2"),
    (with_mlp(activation_fn="torch.nn.SiLU"), "activation"),
    (with_mlp(last_linear=False), "last_linear"),
    ({"coulomb_mode": "full_embedded"}, "Coulomb mode"),
    ({"coulomb_mode": "none"}, "needs_coulomb contradicts"),
    ({"coulomb_mode": "none", "needs_coulomb": False}, "'srcoulomb.rc' is there"),
    ({"coulomb_sr_envelope": "box"}, "envelope"),
    ({"coulomb_sr_rc": 4.0}, "coulomb_sr_rc contradicts"),
    ({"cutoff": 6.0}, "cutoff contradicts"),
    ({"d3_params": None}, "its parameters are missing"),
    ({"d3_params": {"s8": 1.0}}, "'a1' is not a number"),
    ({"d3_params": {**cf.D3, "a2": float("nan")}}, "'a2' is not a number"),
    ({"implemented_species": [1, 7]}, None),
    ({"implemented_species": [1, 60]}, "elements 60"),
    ({"implemented_species": ["H"]}, "not a list of atomic numbers"),
    ({"model_yaml": "absent"}, "model definition is missing.*--definition"),
    ({"model_yaml": "[1, 2]"}, "not a mapping"),
])
def test_aimnet2_state_file_refuses(tmp_path, table_file, changes, message):
    source = cf.write_pt(tmp_path / "a.pt", cf.aimnet2_arrays(), cf.aimnet2_info(**changes))
    if message is None:       # a row that is finite is taken as declared
        assert convert(source, tmp_path / "a.safetensors", d3_table=table_file)
        return
    with pytest.raises(ConversionError, match=message):
        convert(source, tmp_path / "a.safetensors", d3_table=table_file)


YAML = """\
class: aimnet.models.AIMNet2
kwargs:
  nfeature: 3
  d2features: true
  hidden:
  - [7, 6]
  outputs:
    energy_mlp:
      class: aimnet.modules.Output
      kwargs: {mlp: {activation_fn: torch.nn.GELU}}
    atomic_shift: {class: aimnet.modules.AtomicShift}
    lrcoulomb:
      class: aimnet.modules.LRCoulomb
      kwargs: {rc: 4.6}
    dftd3:
      class: aimnet.modules.DFTD3
      kwargs: {s8: 0.3908, a1: 0.5660, a2: 3.1280}
"""


# YAML needs PyYAML, and says so.
def test_aimnet2_yaml(tmp_path, table_file, monkeypatch):
    arrays = cf.aimnet2_arrays()
    source = cf.write_pt(tmp_path / "a.pt", arrays, cf.aimnet2_info(model_yaml=YAML))
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "yaml", None)
        with pytest.raises(ConversionError, match="PyYAML is not installed.*pip install pyyaml"):
            convert(source, tmp_path / "a.safetensors", d3_table=table_file)
    pytest.importorskip("yaml")
    path, = convert(source, tmp_path / "a.safetensors", d3_table=table_file)
    cf.assert_same(cf.read_model(path)[0], expected_aimnet2(arrays, cf.d3_arrays()))


# A bare state dict with a definition beside it, as training leaves them.
def test_aimnet2_definition_file(tmp_path, table_file):
    arrays = cf.aimnet2_arrays()
    original = {k.replace("srcoulomb", "lrcoulomb"): v
                for k, v in cf.original_names(arrays).items()}
    source = cf.write_torch(tmp_path / "weights.pt", cf.state_dict(original))
    with pytest.raises(ConversionError, match="--definition"):
        convert(source, tmp_path / "a.safetensors")
    model = cf.definition(outputs={
        "srcoulomb": None, "lrcoulomb": {"class": "aimnet.modules.LRCoulomb",
                                         "kwargs": {"rc": 4.6}},
        "dftd3": {"class": "aimnet.modules.DFTD3", "kwargs": {"s8": 0.39, "a1": 0.5, "a2": 3}}})
    (tmp_path / "m.json").write_text(json.dumps(model))
    path, = convert(source, tmp_path / "a.safetensors", definition=tmp_path / "m.json",
                    d3_table=table_file)
    cf.assert_same(cf.read_model(path)[0], expected_aimnet2(arrays, cf.d3_arrays()))
    assert architecture_of(path)["d3"]["a2"] == 3.0
    assert architecture_of(path)["elements"] == cf.ELEMENTS
    with pytest.raises(ConversionError, match="--definition has no effect"):
        convert(cf.write_jpt(tmp_path / "a.jpt", [arrays], cf.d3_arrays()),
                tmp_path / "a.safetensors", definition=tmp_path / "m.json")


# A folder with config.json and one safetensors file per member.
def test_aimnet2_folder(tmp_path, table_file):
    folder = tmp_path / "model"
    folder.mkdir()
    members = [cf.aimnet2_arrays(k) for k in range(3)]
    for k, arrays in enumerate(members):
        safetensors_file.write(folder / f"ensemble_{k}.safetensors", cf.original_names(arrays), {})
    with pytest.raises(ConversionError, match="folder without a model"):
        convert(folder, tmp_path / "a.safetensors")
    (folder / "config.json").write_text(json.dumps(cf.aimnet2_info(family="wb97m-d3")))
    paths = convert(folder, tmp_path / "a.safetensors", d3_table=table_file)
    for k, path in enumerate(paths):
        assert path.name == f"a_member{k}.safetensors"
        cf.assert_same(cf.read_model(path)[0], expected_aimnet2(members[k], cf.d3_arrays()))
    path, = convert(folder, tmp_path / "b.safetensors", member=1, d3_table=table_file)
    assert path.name == "b.safetensors" and architecture_of(path)["member"] == 1
    path, = convert(folder / "ensemble_2.safetensors", path, d3_table=table_file)
    assert architecture_of(path)["member"] == 2


# ------------------------------------------------------------------ SchNetPack
@pytest.mark.parametrize("options", [
    {}, {"bessel": True}, {"shared_filters": True}, {"shared": True},
    {"shared": True, "shared_filters": True}])
def test_schnetpack(tmp_path, options):
    arrays = cf.painn_arrays(**options)
    widths = np.full(5, 1.25, np.float32)
    source = cf.write_torch(tmp_path / "best_model",
                            cf.schnetpack_model(arrays, epsilon=1e-6, widths=widths))
    path, = convert(source, tmp_path / "a.safetensors", energy_unit="kcal/mol", elements="H C 8")
    found, metadata = cf.read_model(path)
    cf.assert_same(found, arrays)
    assert json.loads(metadata["elements"]) == [1, 6, 8]
    assert int(metadata["n_params"]) == sum(v.size for k, v in arrays.items()
                                            if not k.startswith("rbf."))
    assert config_of(path) == {
        "format": "mlff-painn-1", "n_features": 6, "n_layers": 2, "n_rbf": 5, "cutoff": 5.0,
        "n_z": 9, "rbf": "bessel" if options.get("bessel") else "gaussian",
        "cutoff_fn": "cosine", "poly_p": 5, "envelope_on": "filter", "filter_layers": 1,
        "shared_filters": options.get("shared_filters", False),
        "shared_interactions": options.get("shared", False), "context": True,
        "update": "channel", "norm_eps": 1e-6, "dir_eps": 0.0, "readout": [6, 3, 1],
        "energy_shift": 0.0, "energy_scale": 1.0, "energy_unit": "kcal/mol",
        "length_unit": "angstrom", "has_atomref": False}


def test_schnetpack_offsets(tmp_path):
    arrays = cf.painn_arrays()
    atomref = np.zeros(12, np.float32)      # longer than the embedding, the rest empty
    atomref[[1, 6]] = -0.5, -37.25
    scale = cf.nn_module("schnetpack.transform.atomistic.ScaleProperty",
                         buffers={"scale": np.array([2.0], np.float32)},
                         input_key="energy", output_key="energy")
    model = cf.schnetpack_model(arrays, post=[
        cf.add_offsets(mean=-3.125), scale, cf.add_offsets(atomref=atomref),
        cf.add_offsets(mean=100.0, _property="dipole")])
    path, = convert(cf.write_torch(tmp_path / "best_model", model), tmp_path / "a.safetensors",
                    energy_unit="eV")
    config = config_of(path)
    assert (config["energy_scale"], config["energy_shift"], config["has_atomref"]) == \
        (2.0, -6.25, True)
    found = cf.read_model(path)[0]["atomref"]
    assert found.tolist() == atomref[:9].tolist()


def evaluated(path, elements=(6, 1, 8, 1)):
    """(energy, forces) of four atoms, kJ/mol and nm; in double precision."""
    system, force = openmm.System(), openmmmlff.MLFFForce(str(path))
    for particle, element in enumerate(elements):
        system.addParticle(1)
        force.addAtom(particle, element)
    system.addForce(force)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001),
                             openmm.Platform.getPlatformByName("Reference"))
    context.setPositions([[0, 0, 0], [0.1, 0.02, 0], [-0.05, 0.11, 0.01], [0.03, -0.1, 0.04]])
    state = context.getState(energy=True, forces=True)
    return state.getPotentialEnergy()._value, state.getForces(asNumpy=True)._value


def test_schnetpack_scale(tmp_path):
    """As docs/convert.md says: the factor is in the energy, and so in the forces, its derivatives.
    A ScaleProperty of SchNetPack's forces, or of another property, changes nothing."""
    def scale(key, factor):
        return cf.nn_module("schnetpack.transform.atomistic.ScaleProperty",
                            buffers={"scale": np.array([factor], np.float32)},
                            input_key=key, output_key=key)
    results = []
    for steps in ([], [scale("energy", 2.5)],
                  [scale("energy", 2.5), scale("forces", 7.0), scale("dipole_moment", 3.0)]):
        source = cf.write_torch(tmp_path/"best_model",
                                cf.schnetpack_model(cf.painn_arrays(), post=steps))
        path, = convert(source, tmp_path/"a.safetensors", energy_unit="eV")
        results.append(evaluated(path))
    (energy, forces), (scaled, scaled_forces), (again, forces_again) = results
    assert abs(energy) > 1e-3 and np.abs(forces).max() > 1e-3
    assert scaled == pytest.approx(2.5*energy, rel=1e-12)
    assert scaled_forces == pytest.approx(2.5*forces, rel=1e-9, abs=1e-9)
    assert again == scaled and (forces_again == scaled_forces).all()


SHIFTED_SOFTPLUS = cf.Global("schnetpack.nn.activations", "shifted_softplus")
ATOMWISE = "schnetpack.atomistic.atomwise.Atomwise"


def edited(**kwargs):
    return lambda: cf.schnetpack_model(cf.painn_arrays(), **kwargs)


def with_electronic_embedding():
    model = edited()()
    representation = model.state["_modules"]["representation"].state["_modules"]
    representation["electronic_embeddings"] = cf.module_list([cf.nn_module("x.Electronic")])
    return model


@pytest.mark.parametrize("model, message", [
    (edited(cutoff_fn="MollifierCutoff"), "MollifierCutoff, expected CosineCutoff"),
    (edited(silu=SHIFTED_SOFTPLUS), "shifted_softplus, expected SiLU"),
    (edited(post=[cf.add_offsets(mean=1.0, is_extensive=False)]), "per molecule"),
    (edited(post=[cf.add_offsets(mean=1.0)], do_postprocessing=False), "switched off"),
    (edited(post=[cf.nn_module("x.Mystery")]), "postprocessor.*Mystery"),
    (edited(outputs=[]), "which output is the energy"),
    (edited(outputs=[cf.nn_module("x.ZBLRepulsionEnergy")]), "ZBLRepulsionEnergy"),
    (edited(outputs=[cf.nn_module(ATOMWISE, output_key="energy", aggregation_mode="avg")]),
     "does not sum"),
    (with_electronic_embedding, "electronic embeddings"),
])
def test_schnetpack_refuses(tmp_path, model, message):
    source = cf.write_torch(tmp_path / "best_model", model())
    with pytest.raises(ConversionError, match=message):
        convert(source, tmp_path / "a.safetensors", energy_unit="eV")


def test_schnetpack_needs(tmp_path):
    source = cf.write_torch(tmp_path / "best_model", cf.schnetpack_model(cf.painn_arrays()))
    out = tmp_path / "a.safetensors"
    with pytest.raises(ConversionError, match="energy unit.*--energy-unit"):
        convert(source, out)
    with pytest.raises(ConversionError, match="energy unit is unknown.*found cal"):
        convert(source, out, energy_unit="cal")
    for option in ({"member": 0}, {"d3_table": source}, {"cutoff": 5.0}):
        with pytest.raises(ConversionError, match="has no effect"):
            convert(source, out, energy_unit="eV", **option)
    with pytest.raises(ConversionError, match="no row for an element"):
        convert(source, out, energy_unit="eV", elements="Cl")
    arrays = cf.painn_arrays()
    arrays["layer.1.upd.w1"] = arrays["layer.1.upd.w1"][:-1]
    cf.write_torch(source, cf.schnetpack_model(arrays))
    with pytest.raises(ConversionError, match=r"mixing.1.*wrong shape.*\[17, 6\].*\[18, 6\]"):
        convert(source, out, energy_unit="eV")
    tensors = {"representation.interactions.0.interatomic_context_net.0.weight":
               np.ones((6, 6), np.float32)}
    with pytest.raises(ConversionError, match="Convert best_model"):
        convert(cf.write_torch(source, cf.state_dict(tensors)), out, energy_unit="eV")
    assert not out.exists()


# ------------------------------------------------------------------ MLFF_Distiller
def student_file(tmp_path, form):
    arrays = cf.student_arrays()
    prefixed = {"model." + k: v for k, v in arrays.items()}
    if form == "state dict":
        return cf.write_torch(tmp_path / "a.pth", cf.state_dict(arrays))
    if form == "checkpoint":
        return cf.write_torch(tmp_path / "a.pt", {
            "epoch": 3, "model_state_dict": cf.state_dict(arrays),
            "config": {"hidden_dim": 8, "cutoff": 5.0}})
    if form == "prefix":
        return cf.write_torch(tmp_path / "a.ckpt", {"state_dict": cf.state_dict(prefixed)})
    if form == "TorchScript":
        return cf.write_torch(tmp_path / "a.pt", cf.script_tree(arrays, {}), torchscript=True)
    return cf.write_onnx(tmp_path / "a.onnx", prefixed, form)


@pytest.mark.parametrize("form", ["state dict", "checkpoint", "prefix", "TorchScript", "raw",
                                  "packed", "loose"])
def test_student(tmp_path, form):
    path, = convert(student_file(tmp_path, form), tmp_path / "a.safetensors")
    found, metadata = cf.read_model(path)
    cf.assert_same(found, cf.student_expected(cf.student_arrays()))
    assert json.loads(metadata["config"]) == {
        "format": "mlff-painn-1", "n_features": 8, "n_layers": 2, "n_rbf": 5, "cutoff": 5.0,
        "n_z": 11, "rbf": "gaussian", "cutoff_fn": "cosine", "poly_p": 5, "envelope_on": "rbf",
        "filter_layers": 2, "shared_filters": False, "shared_interactions": False,
        "context": False, "update": "spatial", "norm_eps": 0.0, "dir_eps": 1e-8,
        "readout": [8, 4, 2, 1], "energy_shift": 0.0, "energy_scale": 1.0, "energy_unit": "eV",
        "length_unit": "angstrom", "has_atomref": False}


# Exporters leave out the last layer's matrix, which nothing reads; no other may be missing.
def test_student_last_matrix(tmp_path):
    arrays = cf.student_arrays(last_matrix=False)
    path, = convert(cf.write_onnx(tmp_path / "a.onnx", arrays), tmp_path / "a.safetensors")
    cf.assert_same(cf.read_model(path)[0], cf.student_expected(arrays))
    assert not cf.read_model(path)[0]["layer.1.mix.m"].any()
    del arrays["interactions.0.update.mixing_matrix"]
    with pytest.raises(ConversionError, match="interactions.0.update.mixing_matrix' is missing"):
        convert(cf.write_onnx(tmp_path / "a.onnx", arrays), tmp_path / "a.safetensors")


def test_student_cutoff(tmp_path):
    arrays, out = cf.student_arrays(), tmp_path / "a.safetensors"
    arrays["rbf.centers"] = np.array([0, 1, 2.5, 4, 4.9], np.float32)
    source = cf.write_torch(tmp_path / "a.pt", cf.state_dict(arrays))
    with pytest.raises(ConversionError, match="--cutoff"):
        convert(source, out)
    convert(source, out, cutoff=5.0)
    assert config_of(out)["cutoff"] == 5.0
    cf.write_torch(source, {"model_state_dict": cf.state_dict(arrays), "config": {"cutoff": 4.5}})
    convert(source, out)
    assert config_of(out)["cutoff"] == 4.5
    with pytest.raises(ConversionError, match="contradicts the checkpoint"):
        convert(source, out, cutoff=5.0)


@pytest.mark.parametrize("edit, message", [
    (lambda a: a.pop("rbf.widths"), "'rbf.widths' is missing"),
    (lambda a: a.pop("energy_head.4.bias"), "'energy_head.4.bias' is missing"),
    (change("energy_head.4.weight", np.ones((2, 2), np.float32)), r"head.4.weight.*\[1, 2\]"),
    (change("interactions.1.message.rbf_to_scalar.2.bias", np.ones(8, np.float32)), r"\[24\]"),
    (change("rbf.widths", np.zeros(5, np.float32)), "no width"),
    (change("embedding.weight", np.full((11, 8), np.inf, np.float32)), "not finite"),
    (change("interactions.0.extra", np.zeros(1, np.float32)), "student does not have"),
])
def test_student_refuses(tmp_path, edit, message):
    arrays = cf.student_arrays()
    edit(arrays)
    with pytest.raises(ConversionError, match=message):
        convert(cf.write_onnx(tmp_path / "a.onnx", arrays), tmp_path / "a.safetensors")


def test_onnx_refuses(tmp_path):
    arrays = cf.student_arrays()
    source = cf.write_onnx(tmp_path / "a.onnx", arrays, external=True)
    with pytest.raises(ConversionError, match="outside the ONNX file"):
        convert(source, tmp_path / "a.safetensors")
    data = cf.write_onnx(source, arrays).read_bytes()
    for n in (40, len(data) // 2, len(data) - 20):
        source.write_bytes(data[:n])
        with pytest.raises(ConversionError, match="damaged|known kind"):
            convert(source, tmp_path / "a.safetensors")


# ------------------------------------------------------------------ the driver
def test_what_was_found_is_named(tmp_path):
    source, out = tmp_path / "x.pt", tmp_path / "x.safetensors"
    with pytest.raises(ConversionError, match="no such file"):
        convert(source, out)
    for data, message in ((b"", "empty"), (b"hello, world, hello", "no known kind.*hello"),
                          (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.xx", "before version 1.6")):
        source.write_bytes(data)
        with pytest.raises(ConversionError, match=message):
            convert(source, out)
    cf.write_torch(source, cf.state_dict({"fc.weight": np.ones((2, 2), np.float32)}))
    with pytest.raises(ConversionError, match="fc.weight.*expected AIMNet2, a SchNetPack"):
        convert(source, out)
    with pytest.raises(ConversionError, match="'conv_a.agh' is missing"):
        convert(source, out, kind="aimnet2")
    with pytest.raises(ConversionError, match="is missing.*fc.weight"):
        convert(source, out, kind="distiller")
    cf.write_torch(source, {"epoch": 1, "lr": 0.1})
    with pytest.raises(ConversionError, match="without a network.*epoch, lr"):
        convert(source, out)
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ConversionError, match="not one that PyTorch wrote.*readme.txt"):
        convert(source, out)
    assert not out.exists()


def test_arguments(tmp_path):
    source = cf.write_torch(tmp_path / "a.pt", cf.state_dict(cf.student_arrays()))
    with pytest.raises(ConversionError, match="kind of model is unknown"):
        convert(source, tmp_path / "a.safetensors", kind="mace")
    with pytest.raises(ConversionError, match="not named .safetensors"):
        convert(source, tmp_path / "a.pt")
    with pytest.raises(ConversionError, match="cannot be written"):
        convert(source, tmp_path / "missing" / "a.safetensors")
    made, = convert(source, tmp_path / "a.safetensors")
    with pytest.raises(ConversionError, match="same file"):
        convert(made, made)
    with pytest.raises(ConversionError, match="already"):
        convert(made, tmp_path / "b.safetensors")
    before = made.read_bytes()
    assert command("convert", source, tmp_path / "c.safetensors", "--json", source) == 1
    assert command("convert", source, made, "--json", made) == 1
    assert not (tmp_path / "c.safetensors").exists() and made.read_bytes() == before
    convert(str(source), str(made))                     # again: the same bytes
    assert made.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.pt", "a.safetensors"]


# Nothing of PyTorch or OpenMM is needed to read, nor is it imported.
def test_needs_numpy_alone():
    code = ("import sys, openmmmlff.convert; "
            "sys.exit(any(n in sys.modules for n in ('torch', 'onnx', 'schnetpack')))")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    folder = os.path.dirname(cf.PACKAGE.__file__)
    for name in sorted(os.listdir(folder)):
        if name.endswith(".py"):
            with open(os.path.join(folder, name), encoding="utf-8") as stream:
                text = stream.read()
            for other in ("import torch\n", "import openmm", "from openmm", "import onnx\n"):
                assert other not in text.replace("from openmmmlff", ""), (name, other)


# ------------------------------------------------------------------ command line
def command(*arguments):
    parser = argparse.ArgumentParser(prog="openmm-mlff")
    cf.module("cli").register(parser.add_subparsers(required=True))
    args = parser.parse_args([str(a) for a in arguments])
    return args.run(args)


def test_command_line(tmp_path, capsys):
    members, table = [cf.aimnet2_arrays(k) for k in range(2)], cf.d3_arrays()
    source = cf.write_jpt(tmp_path / "ens.jpt", members, table)
    assert command("convert", source, tmp_path / "a.safetensors", "--json",
                   tmp_path / "a.json") == 0
    text = capsys.readouterr().out
    assert "a_member1.safetensors: AIMNet2 ens, member 1, elements H C O" in text
    rows = json.loads((tmp_path / "a.json").read_text())
    assert [row["elements"] for row in rows] == ["H C O", "H C O"]
    assert all(len(row["sha256"]) == 64 for row in rows)

    student = student_file(tmp_path, "raw")
    assert command("convert", student, tmp_path / "b.safetensors") == 0
    captured = capsys.readouterr()
    assert "PaiNN, 2 layers of 8, cutoff 5 angstrom, eV, elements not stated" in captured.out
    assert "--elements" in captured.err
    assert command("convert", student, tmp_path / "b.safetensors", "--elements", "H,C",
                   "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)[0]["elements"] == "H C"
    assert command("convert", source, tmp_path / "a.safetensors", "--member", "7") == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("openmm-mlff convert: ") and "member 7" in captured.err
    assert captured.out == ""


# ------------------------------------------------------------------ published values
def shared_model(name):
    path = cf.SHARED / "models" / name
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return path


# The published AIMNet2 numbers, put back into a TorchScript file with the complete D3 table.
@pytest.mark.parametrize("member", [0, 3])
def test_published_aimnet2(tmp_path, member):
    reference = shared_model(f"aimnet2_wb97m_d3_member{member}.safetensors")
    arrays, metadata = cf.read_model(reference)
    table, _ = cf.read_model(shared_model("dftd3_reference_z94.safetensors"))
    fill = cf.aimnet2_arrays()         # only to make the wanted member the member-th
    source = cf.write_jpt(tmp_path / "a.jpt", [fill] * member + [arrays], table)
    path, = convert(source, tmp_path / "a.safetensors", member=member, variant="wb97m-d3")
    elements = [1, 5, 6, 7, 8, 9, 14, 15, 16, 17, 33, 34, 35, 53]
    cf.assert_same(cf.read_model(path)[0], {**arrays, **cf.d3_rows(table, elements)})
    assert architecture_of(path) == json.loads(metadata["architecture"])


@pytest.mark.parametrize("name", ["painn-rmd17-ethanol", "painn-md17-aspirin"])
def test_published_schnetpack(tmp_path, name):
    arrays, metadata = cf.read_model(shared_model(name + ".safetensors"))
    config = json.loads(metadata["config"])
    model = cf.schnetpack_model(arrays, n_layers=config["n_layers"],
                                post=[cf.add_offsets(mean=config["energy_shift"])])
    source = cf.write_torch(tmp_path / "best_model", model, byte_order="little")
    path, = convert(source, tmp_path / "a.safetensors", energy_unit="kcal/mol")
    cf.assert_same(cf.read_model(path)[0], arrays)
    assert config_of(path) == {**config, "has_atomref": False}


@pytest.mark.parametrize("size", ["21k", "77k", "427k"])
def test_published_students(tmp_path, size):
    arrays, metadata = cf.read_model(shared_model(f"painn-student-{size}.safetensors"))
    f = arrays["embedding"].shape[1]
    back = np.r_[0:f, 2 * f:3 * f, f:2 * f]        # the permutation is its own inverse
    names = {"filter.{}0": "message.rbf_to_scalar.0.{}", "filter.{}1": "message.rbf_to_scalar.2.{}",
             "upd.{}0": "update.update_mlp.0.{}", "upd.{}1": "update.update_mlp.2.{}"}
    original = {"embedding.weight": arrays["embedding"],
                "rbf.centers": arrays["rbf.mu"].astype(np.float32),
                "rbf.widths": np.sqrt(1 / arrays["rbf.beta"]).astype(np.float32)}
    n_layers = json.loads(metadata["config"])["n_layers"]
    for l in range(n_layers):
        for ours, theirs in names.items():
            for letter, word in (("w", "weight"), ("b", "bias")):
                value = arrays[f"layer.{l}." + ours.format(letter)]
                value = value[back] if ours == "filter.{}1" else value
                original[f"interactions.{l}." + theirs.format(word)] = value
        if l < n_layers - 1:
            original[f"interactions.{l}.update.mixing_matrix"] = arrays[f"layer.{l}.mix.m"]
    for k in range(3):
        original[f"energy_head.{2 * k}.weight"] = arrays[f"readout.{k}.w"]
        original[f"energy_head.{2 * k}.bias"] = arrays[f"readout.{k}.b"]
    path, = convert(cf.write_onnx(tmp_path / "a.onnx", original), tmp_path / "a.safetensors")
    cf.assert_same(cf.read_model(path)[0], arrays)
    assert config_of(path) == {**json.loads(metadata["config"]), "has_atomref": False}
    assert cf.read_model(path)[1]["n_params"] == metadata["n_params"]
