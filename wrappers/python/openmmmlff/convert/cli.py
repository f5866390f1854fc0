"""The sub-commands ``convert`` and ``get`` of the command line."""
import json
import sys

from ..output import OutputError, checkTarget, printable, tell, writeJson
from . import download, elements as element_names, painn
from .converter import KINDS, convert
from .errors import ConversionError
from .safetensors_file import read_header
from .sources import file_sha256

CONVERT_HELP = "turn a published model file into one of ours"
CONVERT_TEXT = """\
Reads AIMNet2 (.jpt of the first release, .pt or safetensors of the aimnet package), SchNetPack 2
(best_model with a PaiNN) and MLFF_Distiller (.pt, .onnx). PyTorch is not needed, and nothing inside
the file is run. An ensemble becomes one file per member."""

GET_HELP = "download a published model; it is then known by name"
GET_TEXT = """\
Downloads the file its makers published, checks its SHA-256, converts it and keeps the result in the
user's cache (OPENMMMLFF_CACHE, or XDG_CACHE_HOME/openmmmlff, or ~/.cache/openmmmlff)."""


def register(subparsers):
    """Add both sub-commands; each parser gets a default ``run``: function(args) -> exit status."""
    parser = subparsers.add_parser("convert", help=CONVERT_HELP, description=CONVERT_TEXT)
    convert_add_arguments(parser)
    parser.set_defaults(run=convert_run)
    parser = subparsers.add_parser("get", help=GET_HELP, description=GET_TEXT)
    get_add_arguments(parser)
    parser.set_defaults(run=get_run)


# ------------------------------------------------------------------ convert
def convert_add_arguments(parser):
    add = parser.add_argument
    add("source", metavar="SOURCE", help="published file, or a folder with config.json and weights")
    add("out", metavar="OUT.safetensors",
        help="file to write; of an ensemble OUT_member0.safetensors, OUT_member1.safetensors, ...")
    add("--kind", choices=sorted(KINDS), help="kind of model (default: found out)")
    add("--member", type=int, metavar="N", help="write only member N of an ensemble, to OUT")
    add("--d3-table", metavar="FILE",
        help="D3 reference table, for AIMNet2 files that lack it (safetensors, or aimnet's "
             "dftd3_data.pt)")
    add("--energy-unit", choices=painn.ENERGY_UNITS,
        help="unit of the model's energies; SchNetPack files do not say it")
    add("--elements", metavar="LIST",
        help="elements the model was trained for, such as 'H C N O', if the file does not say")
    add("--cutoff", type=float, metavar="ANGSTROM",
        help="cutoff of an MLFF_Distiller model whose radial basis was trained")
    add("--definition", metavar="FILE",
        help="YAML or JSON definition of an AIMNet2 state file that has none inside")
    add("--variant", metavar="NAME", help="name of the parametrisation, kept in the file")
    add("--json", metavar="FILE", help="write what was made to FILE as JSON ('-': stdout)")


def convert_run(args):
    try:
        _check_json(args.json, [args.source, args.d3_table, args.definition], args.out)
        paths = convert(args.source, args.out, kind=args.kind, member=args.member,
                        d3_table=args.d3_table, energy_unit=args.energy_unit,
                        elements=args.elements, cutoff=args.cutoff, definition=args.definition,
                        variant=args.variant)
        return _report("convert", paths, args.json)
    except (ConversionError, OutputError) as error:
        return _failed("convert", error)


# ------------------------------------------------------------------ get
def get_add_arguments(parser):
    add = parser.add_argument
    add("name", metavar="NAME", nargs="?", help="a name of --list")
    add("--from", dest="source_file", metavar="FILE",
        help="use this copy of the published file instead of downloading")
    add("--url", metavar="URL", help="another address of the same file")
    add("--cache", metavar="FOLDER", help="keep the models here")
    add("--force", action="store_true", help="also if the model is there already")
    add("--list", action="store_true", dest="list_names", help="show the names and stop")
    add("--quiet", action="store_true", help="no progress on stderr")
    add("--json", metavar="FILE", help="write what was made to FILE as JSON ('-': stdout)")


def get_run(args):
    if args.list_names:
        for name, entry in download.REGISTRY.items():
            path = download.resolve(name, cache=args.cache)
            print(f"{name}: {entry.text}; {entry.n_bytes / 1e6:.0f} MB; {entry.licence}; "
                  f"{path if path else 'not on this machine'}")
        return 0
    if args.name is None:
        return _failed("get", "which model? Expected one of " + ", ".join(download.names()) + ".")
    try:
        _check_json(args.json, [args.source_file])
        paths = download.get(args.name, cache=args.cache, source_file=args.source_file,
                             url=args.url, progress=not args.quiet, force=args.force)
        return _report("get", paths, args.json)
    except (ConversionError, OutputError) as error:
        return _failed("get", error)


# ------------------------------------------------------------------ what both print
def _check_json(path, inputs, out=None):
    """Refuse a --json that cannot be written before the work begins."""
    if path and path != "-":
        checkTarget("--json", path, filter(None, inputs), [("OUT", out)] if out else ())


def _report(command, paths, json_file):
    rows = [_describe(path) for path in paths]
    if json_file == "-":
        print(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        elements = printable(row["elements"]) or "not stated"
        print(f"{printable(row['file'])}: {printable(row['model'])}, elements {elements}")
    if json_file:
        writeJson(json_file, rows, "--json", paths)
    if any(not row["elements"] for row in rows):
        print("note: the source does not say which elements it was trained for; name them with "
              "--elements, so that others are refused", file=sys.stderr)
    return 0


def _describe(path):
    _, metadata, _ = read_header(path)
    if "architecture" in metadata:
        settings = json.loads(metadata["architecture"])
        model = (f"AIMNet2 {settings.get('variant', 'wb97m-d3')}, "
                 f"member {settings.get('member', 0)}")     # docs/model-file.md has the defaults
        elements = element_names.symbols(settings["elements"])
    else:
        settings = json.loads(metadata["config"])
        model = f"PaiNN, {settings['n_layers']} layers of {settings['n_features']}, " \
                f"cutoff {settings['cutoff']:g} angstrom, {settings['energy_unit']}"
        elements = metadata.get("elements", "")
        if elements.startswith("["):
            elements = element_names.symbols(json.loads(elements))
    return {"file": str(path), "model": model, "elements": elements,
            "sha256": file_sha256(path), "source": metadata.get("source", "")}


def _failed(command, error):
    tell(command, error)
    return 1
