"""convert(): any known source file -> model files of this package."""
from dataclasses import dataclass
from pathlib import Path

from . import aimnet2, cache, distiller, elements as element_names, safetensors_file, schnetpack
from .errors import fail, listed
from .sources import open_source

# kind -> module with recognises(source) and convert(source, options)
KINDS = {"aimnet2": aimnet2, "schnetpack": schnetpack, "distiller": distiller}


@dataclass(frozen=True)
class Options:
    """What the caller says beside the file; None: nothing."""

    member: int = None
    d3_table: Path = None
    energy_unit: str = None
    elements: list = None          # atomic numbers
    cutoff: float = None           # angstrom
    definition: Path = None
    variant: str = None
    cached_d3_table: Path = None

    def refuse(self, kind, *names):
        """An option that cannot take effect is an error."""
        for name in names:
            if getattr(self, name) is not None:
                option = "--" + name.replace("_", "-")
                raise fail(f"{option} has no effect on a model of kind {kind}",
                           remedy="Leave it out")


def convert(source, out, *, kind=None, member=None, d3_table=None, energy_unit=None,
            elements=None, cutoff=None, definition=None, variant=None):
    """Convert a published model file; return the paths written.

    source       file or folder: AIMNet2 TorchScript (.jpt), aimnet's .pt, a folder or file of
                 safetensors with config.json; SchNetPack's best_model; MLFF_Distiller .pt or .onnx
    out          OUT.safetensors; of an ensemble OUT_member0.safetensors, OUT_member1.safetensors...
    kind         'aimnet2', 'schnetpack' or 'distiller'; None: found out from the tensors
    member       write only this member of an ensemble, to ``out`` itself
    d3_table     file with the D3 reference table, for AIMNet2 files that lack it
    energy_unit  eV, kcal/mol, kJ/mol or Hartree; SchNetPack files do not say it
    elements     elements the model was trained for ('H C N O'), where the file does not say
    cutoff       angstrom; MLFF_Distiller weights with a trained radial basis do not say it
    definition   YAML or JSON model definition, for AIMNet2 state files without one
    variant      name of the parametrisation, kept in the file

    Each file is written beside its place and renamed, so that none is ever half there.
    """
    source, out = Path(source), Path(out)
    if kind is not None and kind not in KINDS:
        raise fail("the kind of model is unknown", found=kind, expected=listed(sorted(KINDS)))
    if out.suffix != ".safetensors":
        raise fail("the output is not named .safetensors", out,
                   remedy=f"Write to {out.with_suffix('.safetensors').name}")
    if not source.exists():
        raise fail("there is no such file", source)
    if out.exists() and source.is_file() and out.samefile(source):
        raise fail("source and output are the same file", out)
    inputs = [source, *(Path(p) for p in (d3_table, definition) if p is not None)]
    options = Options(
        member=member, d3_table=None if d3_table is None else Path(d3_table),
        energy_unit=energy_unit,
        elements=None if elements is None else element_names.parse(elements), cutoff=cutoff,
        definition=None if definition is None else Path(definition), variant=variant,
        cached_d3_table=cache.d3_table_path())
    with open_source(source) as opened:
        chosen = kind if kind is not None else detect(opened)
        results = KINDS[chosen].convert(opened, options)

    paths = [out] if len(results) == 1 else \
        [out.with_name(f"{out.stem}_member{number}.safetensors") for _, _, number in results]
    for path in paths:
        _refuse_input(path, inputs)
    for path, (arrays, metadata, _) in zip(paths, results):
        safetensors_file.write(path, arrays, metadata)
    return paths


def _refuse_input(path, inputs):
    """An output that exists and is an input, or lies in a folder that is one, is not written."""
    for name in inputs if path.exists() else ():
        if name.exists() and (path.samefile(name) or path.resolve().parent.samefile(name)):
            raise fail("the output is one of the files that are read", path,
                       remedy="Choose another name")


def detect(source):
    """The kind of model that the tensors of ``source`` belong to."""
    found = [kind for kind, module in KINDS.items() if module.recognises(source)]
    if len(found) != 1:
        raise fail("the model is of no known kind", source.path, source.describe(),
                   "AIMNet2, a SchNetPack PaiNN or an MLFF_Distiller student")
    return found[0]
