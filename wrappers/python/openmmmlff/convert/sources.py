"""Open a file of any known kind: its tensors by name, and whatever else it says."""
import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from . import onnx_file, safetensors_file, torch_file
from .errors import fail, listed

# keys under which checkpoints keep their state dict
_NESTED = ("model_state_dict", "state_dict", "model", "ema_state_dict")


@dataclass
class Source:
    """One source file, opened."""

    path: Path
    container: str                                   # for messages
    tensors: dict                                    # name -> ArrayRef
    modules: dict = field(default_factory=dict)      # path -> Record, of whole modules
    info: dict = field(default_factory=dict)         # what lies beside the state dict
    weights: tuple = ()                              # further files, one per ensemble member
    close: object = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.close is not None:
            self.close()

    def sha256(self):
        return file_sha256(self.path)

    def describe(self):
        return f"{self.container} with {len(self.tensors)} tensors: " \
               f"{listed(sorted(self.tensors), 4)}"


def file_sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def open_source(path):
    """Return the Source of a file, or of a folder with config.json and safetensors files."""
    path = Path(path)
    if path.is_dir():
        return _open_folder(path)
    try:
        if path.stat().st_size == 0:
            raise fail("the file is empty", path, remedy="Fetch it again")
        if torch_file.looks_like_zip(path):
            return _open_torch(path)
        if safetensors_file.looks_like_safetensors(path):
            return _open_safetensors(path)
        if torch_file.looks_like_old_torch(path):
            raise fail("was saved in PyTorch's format of before version 1.6", path,
                       remedy="Load it with PyTorch and save it again with torch.save")
        if onnx_file.looks_like_onnx(path):
            return Source(path, "ONNX file", onnx_file.read(path))
        with open(path, "rb") as stream:
            head = stream.read(16)
    except OSError as error:
        raise fail(f"cannot be read ({error.strerror or error})", path) from error
    raise fail("is of no known kind", path, f"first bytes {head!r}",
               "a PyTorch file (.pt .pth .ckpt .jpt, best_model), safetensors or ONNX")


def _open_folder(path):
    names = sorted((p for p in path.glob("ensemble_*.safetensors")
                    if re.fullmatch(r"ensemble_\d+", p.stem)),
                   key=lambda p: int(p.stem.split("_")[1]))
    if not (path / "config.json").is_file() or not names:
        raise fail("is a folder without a model", path,
                   listed(sorted(p.name for p in path.iterdir())),
                   "config.json and ensemble_0.safetensors ...")
    first = _open_safetensors(names[0])
    first.weights = tuple(names)
    return first


def _open_safetensors(path):
    tensors, metadata = safetensors_file.read(path)
    if "architecture" in metadata or "mlff-" in metadata.get("config", ""):
        raise fail("is a model file of this package already", path,
                   remedy="Use it as it is")
    source = Source(path, "safetensors file", tensors)
    config = path.with_name("config.json")
    if config.is_file():
        source.info = read_json(config)
    return source


def read_json(path):
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise fail(f"cannot be read as JSON ({error})", path) from error
    if not isinstance(value, dict):
        raise fail("is not a JSON object", path, type(value).__name__)
    return value


def _open_torch(path):
    archive = torch_file.TorchArchive(path)
    try:
        return _torch_source(path, archive)
    except BaseException:
        archive.close()
        raise


def _torch_source(path, archive):
    root = archive.load()
    if torch_file.is_module(root):
        tensors, modules = torch_file.flatten(root, path)
        container = "TorchScript file" if archive.is_torchscript else \
            f"pickled {root.class_path}"
        return Source(path, container, tensors, modules, close=archive.close)
    if torch_file.is_state_dict(root):
        return Source(path, "PyTorch state dict", _refs(root), close=archive.close)
    if isinstance(root, dict):
        for key in _NESTED:
            value = root.get(key)
            info = {k: v for k, v in root.items() if k != key}
            if torch_file.is_state_dict(value):
                return Source(path, f"PyTorch checkpoint ('{key}')", _refs(value), {}, info,
                              close=archive.close)
            if torch_file.is_module(value):
                tensors, modules = torch_file.flatten(value, path)
                return Source(path, f"PyTorch checkpoint ('{key}', {value.class_path})", tensors,
                              modules, info, close=archive.close)
        found = f"a dictionary with {listed(root)}"
    else:
        found = repr(root) if isinstance(root, torch_file.Record) else type(root).__name__
    raise fail("is a PyTorch file without a network", path, found,
               "a module, a state dict, or a checkpoint with 'model_state_dict' or 'state_dict'")


def _refs(state_dict):
    return {name: ref for name, ref in state_dict.items() if ref is not None}
