"""AIMNet2: TorchScript ensembles and today's state files -> our safetensors files.

Tensors keep their values and their names in the original state dict, without the leading
``outputs.``; ``lrcoulomb.rc`` becomes ``srcoulomb.rc``. Metadata ``architecture`` holds the
hyper-parameters. The D3 reference rows of the model's elements travel along as ``d3.*``.
"""
import json
import math
import re

import numpy as np

from . import d3_table, published, safetensors_file, torch_file
from .arrays import read_float, shortest
from .budget import check_tree, plain_children
from .errors import brief, fail, listed, printable
from .sources import file_sha256

HARTREE_EV = 27.211386024367243
BOHR_ANGSTROM = 0.5291772105638411
D3_CUTOFF = 15.0              # angstrom; not stored in any published file
D3_SMOOTHING_ON = 12.0
D3_K1, D3_K3 = 16.0, -4.0
NSE_EPSILON = 1e-6

# Families that need D3 added although their files do not say so: the publisher's own rule.
POSTHOC_D3 = {"rxn": {"s6": 1.0, "s8": 0.3908, "a1": 0.566, "a2": 3.128}}

# Parts of a source that are replaced or not needed for energies.
_DROPPED = re.compile(r"(lrcoulomb|dftd3|d3bj)\.|(dipole|quadrupole)\.mass$")
_OUTPUT_CLASSES = {"Output", "AtomicShift", "AtomicSum", "SRCoulomb", "LRCoulomb", "DFTD3", "D3BJ",
                   "Dipole", "Quadrupole"}


def recognises(source):
    return bool(prefixes(source.tensors))


def prefixes(tensors):
    """Where the members of an ensemble begin: '' or 'models.0.module.', ... in natural order."""
    found = [name[:-len("conv_a.agh")] for name in tensors
             if name == "conv_a.agh" or name.endswith(".conv_a.agh")]
    return sorted(found, key=lambda p: [int(t) if t.isdigit() else t
                                        for t in re.split(r"(\d+)", p)])


# ------------------------------------------------------------------ network
def local_tensors(tensors, prefix, where):
    """Tensors of one member under our names."""
    local = {}
    for name, ref in tensors.items():
        if not name.startswith(prefix):
            continue
        name = name[len(prefix):]
        name = name[len("outputs."):] if name.startswith("outputs.") else name
        if name == "lrcoulomb.rc":
            local.setdefault("srcoulomb.rc", ref)
        if not _DROPPED.match(name):
            if name in local and name != "srcoulomb.rc":
                raise fail(f"tensor '{name}' occurs twice", where)
            local[name] = ref
    return local


def _layers(names, prefix, where):
    """Linear layers of an MLP: positions 0, 2, 4, ... of its Sequential."""
    found = sorted({int(m.group(1)) for m in
                    (re.fullmatch(re.escape(prefix) + r"(\d+)\.weight", n) for n in names) if m})
    if not found or found != list(range(0, 2 * len(found), 2)):
        raise fail(f"'{prefix}' is not an MLP with an activation after each layer", where,
                   f"layers {listed(found)}", "0, 2, 4, ...")
    return found


def _shape(local, name, n, where):
    if name not in local:
        raise fail(f"tensor '{name}' is missing", where,
                   remedy="The file is of another model, or incomplete")
    if len(local[name].shape) != n:
        raise fail(f"tensor '{name}' has the wrong shape", where, list(local[name].shape),
                   f"{n} dimensions")
    return local[name].shape


def network(local, where):
    """Return (arrays, hyper-parameters) of one member; every shape follows from a few sizes."""
    n_feature, n_shift, n_comb = _shape(local, "conv_a.agh", 3, where)
    n_charge = _shape(local, "conv_q.agh", 3, where)[0]
    if n_charge not in (1, 2):
        raise fail("conv_q.agh has an unknown number of charge channels", where, n_charge, "1 or 2")
    n_z = _shape(local, "afv.weight", 2, where)[0]
    width = n_feature * n_shift

    shapes = {
        "afv.weight": (n_z, width), "conv_a.agh": (n_feature, n_shift, n_comb),
        "conv_q.agh": (n_charge, n_shift, n_comb), "atomic_shift.shifts.weight": (n_z, 1),
        "aev.rc_s": (), "aev.rc_v": (), "aev.eta_s": (), "aev.eta_v": (),
        "aev.shifts_s": (n_shift,), "aev.shifts_v": (n_shift,),
    }
    if "srcoulomb.rc" in local:
        shapes["srcoulomb.rc"] = ()

    def mlp(prefix, n_in, n_out):
        """Add the shapes of one MLP; return its hidden widths and its output width."""
        hidden = []
        positions = _layers(local, prefix, where)
        for k in positions:
            weight, bias = f"{prefix}{k}.weight", f"{prefix}{k}.bias"
            n = _shape(local, weight, 2, where)[0]
            n = n_out if k == positions[-1] and n_out is not None else n
            shapes[weight], shapes[bias] = (n, n_in), (n,)
            hidden.append(n)
            n_in = n
        return hidden[:-1], hidden[-1]

    passes = sorted({int(m.group(1)) for m in (re.match(r"mlps\.(\d+)\.", n) for n in local) if m})
    if len(passes) < 2 or passes != list(range(len(passes))):
        raise fail("the message passes are not numbered 0, 1, ...", where, listed(passes))
    n_conv_a = width + n_feature * n_comb
    n_conv_q = n_charge * (1 + n_shift + n_comb)
    hidden = []
    for p in passes:
        n_in = width + n_conv_a + (n_conv_q if p > 0 else 0)
        n_out = width + 2 * n_charge if p < passes[-1] else None
        widths, aim_size = mlp(f"mlps.{p}.", n_in, n_out)
        hidden.append(widths)
    energy_hidden, _ = mlp("energy_mlp.mlp.", aim_size, 1)

    extra = sorted(set(local) - set(shapes))
    if extra:
        raise fail("has tensors that AIMNet2 does not have", where, listed(extra),
                   remedy="This variant of the model is not supported")
    arrays = {}
    for name, shape in shapes.items():
        # the atomic shifts are large: float64 is kept where the source has it
        keep = name.startswith("atomic_shift.") and local.get(name) is not None \
            and local[name].dtype == "float64"
        arrays[name] = read_float(local, name, where, shape, np.float64 if keep else np.float32,
                                  allow_nan=name in ("afv.weight", "atomic_shift.shifts.weight"))
    for part in ("rc", "eta", "shifts"):
        if not np.array_equal(arrays[f"aev.{part}_s"], arrays[f"aev.{part}_v"]):
            raise fail(f"scalar and vector features have bases of their own (aev.{part}_s differs "
                       f"from aev.{part}_v)", where, remedy="This variant is not supported")

    hyper = {
        "nfeature": n_feature, "nshifts": n_shift, "d2features": True, "ncomb_v": n_comb,
        "rc": shortest(arrays["aev.rc_s"]), "rmin": shortest(arrays["aev.shifts_s"][0]),
        "eta": float(arrays["aev.eta_s"]), "num_charge_channels": n_charge, "aim_size": aim_size,
        "mlp_hidden": hidden, "mlp_last_linear": [p == 0 for p in passes],
        "activation": "gelu_erf", "energy_mlp_hidden": energy_hidden, "nse_epsilon": NSE_EPSILON,
    }
    return arrays, hyper


def find_elements(arrays, declared, where):
    """Atomic numbers the model was trained for; checks their rows, clears those of the others.

    Without a declaration: elements with an embedding and an atomic shift. The first release keeps
    rows of random numbers for the other elements, later files keep NaN.
    """
    embedding, shift = arrays["afv.weight"], arrays["atomic_shift.shifts.weight"]
    filled = np.isfinite(embedding).all(1) & embedding.any(1) & np.isfinite(shift[:, 0])
    if declared is None:
        chosen = [z for z in range(1, len(filled)) if filled[z] and shift[z, 0] != 0]
    else:
        chosen = sorted(declared)
    bad = [z for z in chosen if not 0 < z < len(filled) or not filled[z]]
    if bad or not chosen:
        raise fail("the model has no parameters for elements it should know" if bad
                   else "the model knows no element", where,
                   f"elements {listed(bad)}" if bad else None)
    others = np.setdiff1d(np.arange(len(filled)), chosen)
    for values in (embedding, shift):
        rows = others[~np.isfinite(values[others]).all(1)]
        values[rows] = 0
    return chosen


# ------------------------------------------------------------------ what the file says of itself
def definition_of(source, path):
    """The model definition and metadata of a state file: from the file, or from ``path``."""
    info = dict(source.info)
    where = source.path
    if path is not None:
        where = path
        text = read_text(path)
        given = parse_definition(text, path)
        info.update(given if "class" not in given else {"model_yaml": text})
    model = info.get("model_yaml")
    if model is None:
        raise fail("the model definition is missing", source.path,
                   f"{source.describe()}, without 'model_yaml'",
                   remedy="Give the model's YAML or JSON definition with --definition")
    if isinstance(model, str):
        model = parse_definition(model, f"{where} (model_yaml)")
    if not isinstance(model, dict) or not isinstance(model.get("kwargs"), dict):
        raise fail("the model definition has no 'kwargs'", where)
    return model, info


def read_text(path):
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read(_MAX_DEFINITION + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise fail(f"cannot be read ({error})", path) from error


_MAX_DEFINITION = 1 << 20     # characters
_MAX_YAML = 1 << 16


def parse_definition(text, where):
    """A mapping from JSON, or from YAML where PyYAML is installed."""
    if len(text) > _MAX_DEFINITION:
        raise fail("the model definition is too long", where, f"{len(text)} characters",
                   f"at most {_MAX_DEFINITION}")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        try:
            import yaml
        except ImportError:
            raise fail("the model definition is YAML, and PyYAML is not installed", where,
                       remedy="Install it (pip install pyyaml) and try again") from None
        if len(text) > _MAX_YAML or "<<" in text or "2002:merge" in text:
            raise fail("the model definition is too long, or merges mappings", where,
                       f"{len(text)} characters", f"at most {_MAX_YAML} of YAML without '<<'")
        try:
            value = yaml.safe_load(text)
        except (yaml.YAMLError, RecursionError, ValueError, TypeError, LookupError,
                ArithmeticError) as error:
            raise fail(f"the model definition cannot be read ({brief(str(error))})",
                       where) from error
    check_tree(value, where, plain_children)
    if not isinstance(value, dict):
        raise fail("the model definition is not a mapping", where, type(value).__name__)
    return value


def _number(mapping, key, where, default=None):
    value = mapping.get(key)
    value = default if value is None else value
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise fail(f"'{key}' is not a number", where, value)
    return float(value)


def _d3_parameters(mapping, where):
    return {key: _number(mapping, key, where, 1.0 if key == "s6" else None)
            for key in ("s6", "s8", "a1", "a2")}


def check_definition(model, hyper, where):
    """The definition must say what the tensors show and what this code assumes."""
    kwargs = model["kwargs"]
    if brief(model.get("class", "")).rpartition(".")[2] != "AIMNet2":
        raise fail("the model definition is of another class", where, model.get("class"),
                   "aimnet.models.AIMNet2")
    for key, name in (("nfeature", "nfeature"), ("d2features", "d2features"),
                      ("ncomb_v", "ncomb_v"), ("num_charge_channels", "num_charge_channels"),
                      ("aim_size", "aim_size")):
        if key in kwargs and kwargs[key] != hyper[name]:
            raise fail(f"'{key}' of the model definition does not fit the tensors or is not "
                       "supported", where, kwargs[key], hyper[name])
    outputs = kwargs.get("outputs")
    if not isinstance(outputs, dict) or not all(isinstance(v, dict) for v in outputs.values()):
        raise fail("the model definition has no 'outputs'", where)
    for name, output in outputs.items():
        kind = brief(output.get("class", "")).rpartition(".")[2]
        if kind not in _OUTPUT_CLASSES:
            raise fail(f"the model's part '{name}' is not supported", where,
                       output.get("class"), "one of " + " ".join(sorted(_OUTPUT_CLASSES)),
                       "Learned dispersion (D3TS) and repulsion terms cannot be converted"
                       if kind in ("D3TS", "DispParam", "SRRep") else None)
    mlp = (_kwargs(outputs, "energy_mlp") or {}).get("mlp") or {}
    if not isinstance(mlp, dict):
        raise fail("the 'mlp' of the energy MLP is not a mapping", where, mlp)
    activation = brief(mlp.get("activation_fn", "torch.nn.GELU"))
    if activation != "torch.nn.GELU" or mlp.get("activation_kwargs"):
        raise fail("the energy MLP has an activation that is not supported", where, activation,
                   "torch.nn.GELU")
    if mlp.get("last_linear", True) is not True:
        raise fail("the energy MLP ends with an activation", where, expected="last_linear: true")
    return outputs


def _kwargs(outputs, *names):
    for name in names:
        if name in outputs:
            kwargs = outputs[name].get("kwargs") or {}
            if not isinstance(kwargs, dict):
                raise fail(f"the 'kwargs' of the model's part '{name}' are not a mapping",
                           found=kwargs)
            return kwargs
    return None


def state_file_physics(info, outputs, arrays, where):
    """Return (sr_coulomb or None, D3 parameters or None) of a state file."""
    if info.get("has_embedded_d3ts"):
        raise fail("the model has learned dispersion (D3TS)", where,
                   remedy="It cannot be converted")
    mode = info.get("coulomb_mode")
    part = _kwargs(outputs, "srcoulomb", "lrcoulomb")
    if mode is None:
        mode = "sr_embedded" if part is not None else "none"
    if mode not in ("sr_embedded", "none"):
        raise fail("the Coulomb mode is not supported", where, mode, "sr_embedded or none")
    if bool(info.get("needs_coulomb", mode == "sr_embedded")) != (mode == "sr_embedded"):
        raise fail("needs_coulomb contradicts coulomb_mode", where,
                   f"{info.get('needs_coulomb')} with {mode}")
    if (mode == "sr_embedded") != ("srcoulomb.rc" in arrays):
        if mode == "sr_embedded" and part is not None and "rc" in part:
            arrays["srcoulomb.rc"] = np.float32(_number(part, "rc", where))
        else:
            raise fail(f"the Coulomb mode is '{mode}', but tensor 'srcoulomb.rc' is "
                       f"{'there' if 'srcoulomb.rc' in arrays else 'missing'}", where)
    sr_coulomb = None
    if mode == "sr_embedded":
        envelope = info.get("coulomb_sr_envelope") or (part or {}).get("envelope") or "exp"
        if envelope not in ("exp", "cosine"):
            raise fail("the envelope of the short-range Coulomb term is unknown", where, envelope,
                       "exp or cosine")
        stored = float(arrays["srcoulomb.rc"])
        declared = info.get("coulomb_sr_rc")
        if declared is not None and abs(_number(info, "coulomb_sr_rc", where) - stored) > 1e-5:
            raise fail("coulomb_sr_rc contradicts tensor 'srcoulomb.rc'", where, declared, stored)
        if stored > float(arrays["aev.rc_s"]):
            raise fail("the short-range Coulomb radius exceeds the model's cutoff", where, stored,
                       f"at most {float(arrays['aev.rc_s'])}")
        sr_coulomb = {"rc": shortest(arrays["srcoulomb.rc"]), "envelope": envelope}

    needs_d3 = info.get("needs_dispersion")
    given = info.get("d3_params")
    part = _kwargs(outputs, "dftd3", "d3bj")
    if needs_d3 is None:
        needs_d3 = given is not None or part is not None
    family = info.get("family")
    if family is not None and not isinstance(family, str):
        raise fail("'family' is not a text", where, family)
    if family in POSTHOC_D3 and not needs_d3:
        needs_d3, given = True, POSTHOC_D3[family]
    if not needs_d3:
        return sr_coulomb, None
    given = given if given is not None else part
    if not isinstance(given, dict):
        raise fail("dispersion is needed, but its parameters are missing", where,
                   expected="d3_params with s8, a1, a2")
    return sr_coulomb, _d3_parameters(given, f"{where} (d3_params)")


def torchscript_physics(source, prefix, arrays):
    """Return (sr_coulomb or None, D3 parameters or None) of a TorchScript member."""
    where = source.path
    outputs = source.modules.get(prefix + "outputs")
    if outputs is None:
        raise fail("the network has no 'outputs'", where)
    for name, part in torch_file.module_parts(outputs):
        if isinstance(part, torch_file.Record) and part.class_name not in _OUTPUT_CLASSES:
            raise fail(f"the model's part '{name}' is not supported", where, part.class_path,
                       "one of " + " ".join(sorted(_OUTPUT_CLASSES)))
    sr_coulomb = None
    if "srcoulomb.rc" in arrays:
        part = source.modules.get(prefix + "outputs.srcoulomb")
        envelope = part.attributes.get("envelope", "exp") if part is not None else "exp"
        if envelope not in ("exp", "cosine"):
            raise fail("the envelope of the short-range Coulomb term is unknown", where, envelope,
                       "exp or cosine")
        sr_coulomb = {"rc": shortest(arrays["srcoulomb.rc"]), "envelope": envelope}
    for name in ("d3bj", "dftd3"):
        part = source.modules.get(f"{prefix}outputs.{name}")
        if part is None:
            continue
        place = f"{where} (outputs.{name})"
        k1 = _number(part.attributes, "k1", place, D3_K1)
        k3 = _number(part.attributes, "k3", place, D3_K3)
        if abs(k1) != D3_K1 or k3 != D3_K3:
            raise fail("the D3 constants k1 and k3 are not the usual ones", place, f"{k1}, {k3}",
                       f"{D3_K1}, {D3_K3}")
        return sr_coulomb, _d3_parameters(part.attributes, place)
    return sr_coulomb, None


# ------------------------------------------------------------------ conversion
def convert(source, options):
    """Return [(arrays, metadata, member)] of the wanted members."""
    options.refuse("AIMNet2", "energy_unit", "cutoff")
    files = [(source, prefix, k) for k, prefix in enumerate(prefixes(source.tensors))]
    if not files:
        raise fail("tensor 'conv_a.agh' is missing", source.path, source.describe(),
                   "an AIMNet2 network")
    if source.weights:                    # a folder with one file per member
        files = [(None, path, int(path.stem.split("_")[1])) for path in source.weights]
    if options.member is not None:
        chosen = [f for f in files if f[2] == options.member]
        if not chosen:
            raise fail(f"there is no member {options.member}", source.path,
                       f"members {listed([f[2] for f in files])}")
        files = chosen
    elif len(files) == 1 and not source.weights:
        digits = re.search(r"_(\d+)$", source.path.stem)     # aimnet2_wb97m_d3_2.pt
        files = [(source, files[0][1], int(digits.group(1)) if digits else 0)]

    sha256 = None if source.weights else source.sha256()
    results = []
    for where_from, place, member in files:
        if where_from is None:
            tensors, _ = safetensors_file.read(place)
            prefix, path, digest = _only_prefix(tensors, place), place, file_sha256(place)
        else:
            tensors, prefix, path, digest = source.tensors, place, source.path, sha256
        results.append((*convert_member(source, tensors, prefix, path, digest, member, options),
                        member))
    return results


def _only_prefix(tensors, path):
    found = prefixes(tensors)
    if len(found) != 1:
        raise fail("is not one AIMNet2 network", path, f"{len(found)} networks", "1")
    return found[0]


def convert_member(source, tensors, prefix, path, sha256, member, options):
    """Return (arrays, metadata) of one network."""
    known = published.known(sha256)
    where = path if prefix == "" else f"{path} ({prefix.rstrip('.')})"
    arrays, hyper = network(local_tensors(tensors, prefix, where), where)

    info = {}
    if source.modules and prefix + "outputs" in source.modules:
        options.refuse("TorchScript AIMNet2", "definition")
        sr_coulomb, d3 = torchscript_physics(source, prefix, arrays)
    else:
        model, info = definition_of(source, options.definition)
        outputs = check_definition(model, hyper, where)
        if "cutoff" in info and abs(_number(info, "cutoff", where)
                                    - float(arrays["aev.rc_s"])) > 1e-5:
            raise fail("the declared cutoff contradicts tensor 'aev.rc_s'", where, info["cutoff"],
                       float(arrays["aev.rc_s"]))
        sr_coulomb, d3 = state_file_physics(info, outputs, arrays, where)

    declared = options.elements or info.get("implemented_species") or None
    if declared is not None and not (isinstance(declared, list) and all(
            type(z) is int for z in declared)):
        raise fail("implemented_species is not a list of atomic numbers", where, declared)
    numbers = find_elements(arrays, declared, where)

    architecture = {
        "architecture": "aimnet2",
        "variant": options.variant or known.get("variant") or printable(info.get("family") or path.stem),
        **hyper, "sr_coulomb": sr_coulomb, "d3": None, "elements": numbers,
        "hartree_eV": HARTREE_EV, "bohr_A": BOHR_ANGSTROM, "energy_unit": "eV",
        "length_unit": "angstrom", "member": member,
    }
    if info.get("supports_charged_systems") is False:
        architecture["supports_charged_systems"] = False
    metadata = {
        "source": f"{known.get('origin', printable(path.name))}, sha256 {sha256}, member {member}",
        "converter": "openmmmlff.convert",
    }
    if d3 is not None:
        architecture["d3"] = {"kind": "d3bj", **d3, "k1": D3_K1, "k3": D3_K3,
                              "cutoff": D3_CUTOFF, "smoothing_on": D3_SMOOTHING_ON}
        table, origin = find_table(tensors, prefix, path, options)
        arrays.update(table.rows(numbers).tensors())
        metadata["d3_table"] = d3_table.citation(origin)
    elif options.d3_table is not None:
        raise fail("a D3 table was given, but the model has no D3 term", where,
                   remedy="Leave out --d3-table")
    for key in ("license", "citation"):
        if key in known:
            metadata[key] = known[key]
    metadata["architecture"] = json.dumps(architecture)
    return arrays, metadata


def find_table(tensors, prefix, path, options):
    """(table, its origin): the given one, else the one inside the source, else the cached one."""
    for name in ("d3bj", "dftd3") if options.d3_table is None else ():
        table = d3_table.from_tensors(tensors, f"{prefix}outputs.{name}.", path)
        if table is not None:
            return table, "from inside the source"
    return d3_table.find(path, options)
