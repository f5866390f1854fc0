"""convert(): any known source file -> model files of this package."""
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from . import (aimnet2, cache, d3_embed, distiller, elements as element_names, safetensors_file,
               schnetpack)
from .errors import brief, fail, listed
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
                 safetensors with config.json; SchNetPack's best_model; MLFF_Distiller .pt or .onnx;
                 a model file of this package that lacks the D3 reference table which it needs
    out          OUT.safetensors; of an ensemble OUT_member0.safetensors, OUT_member1.safetensors...
    kind         'aimnet2', 'schnetpack' or 'distiller'; None: found out from the tensors
    member       write only this member of an ensemble, to ``out`` itself
    d3_table     file with the D3 reference table, for AIMNet2 files that lack it
    energy_unit  eV, kcal/mol, kJ/mol or Hartree; SchNetPack files do not say it
    elements     elements the model was trained for ('H C N O'), where the file does not say
    cutoff       angstrom; MLFF_Distiller weights with a trained radial basis do not say it
    definition   YAML or JSON model definition, for AIMNet2 state files without one
    variant      name of the parametrisation, kept in the file

    Each file is written beside its place, read back as a model, and then renamed: none is ever
    half there, and none that cannot be computed replaces another.
    """
    source, out = Path(source), Path(out)
    if kind is not None and kind not in KINDS:
        raise fail("the kind of model is unknown", found=kind, expected=listed(sorted(KINDS)))
    if out.suffix != ".safetensors":
        raise fail("the output is not named .safetensors", out,
                   remedy=f"Write to {out.with_suffix('.safetensors').name}")
    if not source.exists():
        raise fail("there is no such file", source)
    for path in (source, d3_table, definition):
        if path is not None and Path(path).exists() and not Path(path).is_dir() and \
                not Path(path).is_file():
            raise fail("is not a regular file", path)
    if out.exists() and source.is_file() and out.samefile(source):
        raise fail("source and output are the same file", out)
    inputs = [source, *(Path(p) for p in (d3_table, definition) if p is not None)]
    options = Options(
        member=member, d3_table=None if d3_table is None else Path(d3_table),
        energy_unit=energy_unit,
        elements=None if elements is None else element_names.parse(elements), cutoff=cutoff,
        definition=None if definition is None else Path(definition), variant=variant,
        cached_d3_table=cache.d3_table_path())
    try:
        results = _results(source, kind, options)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, MemoryError,
            RecursionError) as error:
        # a value of a type that no model file has there
        raise fail("holds something that no model file has in that place "
                   f"({type(error).__name__}: {brief(str(error))})", source,
                   remedy="The file is damaged, or of a model of another kind") from error

    paths = [out] if len(results) == 1 else \
        [out.with_name(f"{out.stem}_member{number}.safetensors") for _, _, number in results]
    for path in paths:
        _refuse_input(path, inputs)
    _install(paths, results, source)
    return paths


def _results(source, kind, options):
    """[(arrays, metadata, member)] of what is in a source."""
    if kind in (None, "aimnet2") and d3_embed.lacks_table(source):
        return d3_embed.convert(source, options)
    with open_source(source) as opened:
        chosen = kind if kind is not None else detect(opened)
        return KINDS[chosen].convert(opened, options)


def _refuse_input(path, inputs):
    """An output that exists and is an input, or lies in a folder that is one, is not written."""
    for name in inputs if path.exists() else ():
        if name.exists() and (path.samefile(name) or path.resolve().parent.samefile(name)):
            raise fail("the output is one of the files that are read", path,
                       remedy="Choose another name")


def _install(paths, results, source):
    """Write all files beside their places, have the engine read them, then rename them."""
    drafts = [path.with_name(f".{path.stem[:100]}.{secrets.token_hex(6)}.safetensors")
              for path in paths]
    try:
        for draft, path, (arrays, metadata, _) in zip(drafts, paths, results):
            safetensors_file.write(draft, arrays, metadata)
            _check(draft, path, source)
        for draft, path in zip(drafts, paths):
            os.replace(draft, path)
    except OSError as error:
        raise fail(f"cannot be written ({error.strerror or error})", paths[0],
                   remedy="Check that the folder exists, is writable and has room") from error
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)


def _check(draft, path, source):
    """A file that our own reader refuses must not get its name."""
    from openmmmlff.models import checkFile
    try:
        checkFile(draft)
    except ValueError as error:
        reason = " ".join(str(error).replace(str(draft), path.name).split())
        raise fail(f"is not a model that can be computed: {brief(reason)}", source,
                   remedy=f"{path.name} was not written") from error


def detect(source):
    """The kind of model that the tensors of ``source`` belong to."""
    found = [kind for kind, module in KINDS.items() if module.recognises(source)]
    other = schnetpack.other_representation(source) if not found else None
    if other is not None:
        raise fail(f"is a SchNetPack model of the kind {other}", source.path, expected="PaiNN",
                   remedy="Of SchNetPack's networks only PaiNN can be computed here")
    if len(found) != 1:
        raise fail("the model is of no known kind", source.path, source.describe(),
                   "AIMNet2, a SchNetPack PaiNN or an MLFF_Distiller student")
    return found[0]
