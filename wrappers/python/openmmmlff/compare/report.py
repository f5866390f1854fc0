"""Table on stdout, progress on stderr, plot."""
import io
import os
import sys
import textwrap

from openmmmlff.output import printable

WIDTH = 100
MARKERS = "os^Dv<>P*X"
PARTS = {"mlff": "MLFFForce", "whole": "whole System"}
HEAD = "\n".join([
    f"{'':19}{'energy, eV':^18}{'forces, eV/angstrom':^27}{'of the':>9}{'worst':>11}{'charge':>8}",
    f"{'platform':11}{'prec.':8}{'total':>9}{'per atom':>9}{'median':>9}{'rms':>9}{'largest':>9}"
    f"{'largest':>9}{'atom':>11}{'e':>8}"])


def progress(text):
    """For who sits in front of it: the Reference platform can take long."""
    if sys.stderr.isatty():
        print(f"{text} ...", file=sys.stderr, flush=True)


# ------------------------------------------------------------------ table
def table(result):
    _head(result)
    for part in result["parts"]:
        print(f"\ndifference to {_name(result['base'])}, {PARTS[part]}"
              + (", largest of all frames" if len(result["frames"]) > 1 else ""))
        print(HEAD)
        for contender in result["contenders"]:
            _line(contender, part, len(result["frames"]) > 1)
    print()
    for contender in result["contenders"]:
        _details(contender, result["parts"])
    _components(result)
    sys.stdout.flush()


def _name(contender):
    return f"{contender['platform']} {contender['precision']} {contender.get('matrix', '')}".rstrip()


def _precision(contender):
    """For a column of 8: single, mixed, double; s.TF32, m.halves."""
    matrix = {"SplitHalf": "halves", "Full": "full"}.get(contender["matrix"], contender["matrix"])
    return f"{contender['precision'][0]}.{matrix}" if matrix else contender["precision"]


def _head(result):
    for model in result["models"]:
        print(f"model      {_path(os.path.basename(model['file']), 50)} "
              f"({model['architecture']}, SHA-256 {model['sha256'][:12]}...)")
    frames = result["frames"]
    numbers = sorted({f["ml_atoms"] for f in frames}), sorted({f["particles"] for f in frames})
    text = _range(numbers[0])
    if numbers[0] != numbers[1]:
        text += f" of {_range(numbers[1])} particles by the networks"
    print(f"file       {_path(result['file'])}")
    if result["positions_file"] != result["file"]:
        print(f"positions  {_path(result['positions_file'])}")
    print(f"atoms      {text}" + (f", in {len(frames)} frames" if len(frames) > 1 else ""))
    if result["steps"]:
        print(f"after      {result['steps']} steps on each platform, 300 K, 1 fs")
    devices = dict.fromkeys((c["platform"], c["device"])
                            for c in (result["base"], *result["contenders"]) if c["device"])
    for platform, device in devices:
        print(f"device     {platform}: {printable(device)}")


def _path(path, width=WIDTH - 11):
    path = printable(path)
    return path if len(path) <= width else "..." + path[3 - width:]


def _range(values):
    return f"{values[0]:,}" if len(values) == 1 else f"{values[0]:,} to {values[-1]:,}"


def _line(contender, part, several):
    name = f"{contender['platform']:11}{_precision(contender):8}"
    worst = contender.get("worst", {}).get(part)
    if worst is None:
        text = contender["message"]
        text = ({"unavailable": "not compared: ", "failed": "FAILED: "}[contender["status"]]
                + printable(text))
        print(textwrap.fill(text, WIDTH, initial_indent=name, subsequent_indent=" "*19))
        return
    atom = worst["worst_atom"]
    where = f"{atom['element'] or ''} {atom['index']}" + (f" ({atom['frame']})" if several else "")
    values = [worst.get(key) for key in ("energy_difference", "energy_difference_per_atom",
                                         "force_median", "force_rms", "force_max",
                                         "force_relative")]
    verdict = "BEYOND" if worst["beyond"] else "ok"
    if contender["status"] == "failed":
        verdict = "FAILED"
    print(name + "".join(_number(v, 9) for v in values) + f"{where:>11}"
          + _number(worst.get("charge_max"), 8) + f" {verdict}")


def _number(value, width):
    if value is None:
        return f"{'-':>{width}}"
    return f"{value:{width}.1e}" if value else f"{0:>{width}}"


def _details(contender, parts):
    """What is behind BEYOND and FAILED."""
    lines = []
    if contender["status"] == "failed" and contender["worst"]:
        lines.append(printable(contender["message"]))
    for part in parts:
        worst = contender.get("worst", {}).get(part, {"beyond": []})
        frames = [f[part] | {"frame": f["frame"]} for f in contender.get("frames", ()) if part in f]
        for name in worst["beyond"]:
            figures = max(frames, key=lambda f: _value(f, name)/f["tolerances"][name])
            unit = {"energy": "eV", "force": "eV/angstrom", "charge": "e"}[name]
            where = f"frame {figures['frame']}, {PARTS[part]}: the {name} differs by "
            lines.append(f"{where}{_value(figures, name):.2e} {unit}, tolerance "
                         f"{figures['tolerances'][name]:.2e}")
        lines += _rounding(frames)
    for line in lines:
        print(textwrap.fill(f"{_name(contender)}: {line}", WIDTH, subsequent_indent="  "))


def _rounding(frames):
    """Why force differences beyond the tolerance are ok: a line about all frames, or none."""
    found = [f for f in frames if "rounding" in f and "force" not in f["beyond"]]
    if not found:
        return []
    which = ", ".join(str(f["frame"]) for f in found[:10]) + (", ..." if len(found) > 10 else "")
    left, shift = (max(f["rounding"][key] for f in found) for key in ("force_max", "displacement"))
    return [f"frame{'s' if len(found) > 1 else ''} {which}: forces change with the last digit of "
            f"the positions; they are within {left:.1e} eV/angstrom of the base's at positions "
            f"that differ by {shift:.1e} angstrom, less than single precision resolves"]


def _value(figures, name):
    return figures[{"energy": "energy_difference", "force": "force_max", "charge": "charge_max"}
                   [name]]


def _components(result):
    """The term of the energy that differs most."""
    found = [(term["difference"], name, _name(c), f["frame"])
             for c in result["contenders"] for f in c.get("frames", ())
             for name, term in f.get("mlff", {}).get("components", {}).items()]
    if found:
        difference, name, contender, frame = max(found)
        print(f"Of the terms of the energy {name.replace('_', ' ')} differs most: "
              f"{difference:.1e} eV ({contender}, frame {frame}).")
    print("Atoms are counted from 0.")


# ------------------------------------------------------------------ plot
def plot(result, points):
    """A picture (PNG, bytes): difference of forces over force by atom; energies by platform; a row
    of panels per part."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    compared = [c for c in result["contenders"] if c.get("worst")]
    rows = len(result["parts"])
    figure, panels = pyplot.subplots(rows, 2, figsize=(11.5, 1 + 4.1*rows), squeeze=False,
                                     width_ratios=(1.6, 1), layout="constrained")
    several = len(result["frames"]) > 1
    for axes, part in zip(panels, result["parts"]):
        drawn = [c for c in compared if part in c["worst"]]
        _forcePanel(axes[0], drawn, part, points)
        _energyPanel(axes[1], drawn, part)
        if several:
            axes[1].set_title("least, median, largest of the frames", loc="right", fontsize=8,
                              color="0.35")
        if rows > 1:
            axes[0].set_title(PARTS[part], loc="left", fontsize=10)
    steps = f", after {result['steps']} steps" if result["steps"] else ""
    file = printable(os.path.basename(result["file"]), 60)
    figure.suptitle(f"{file}: difference to {_name(result['base'])}{steps}", fontsize=11,
                    parse_math=False)
    handles, labels = panels[0][0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 7),
                      fontsize=9, markerscale=1.6, frameon=False)
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=150)
    pyplot.close(figure)
    return image.getvalue()


def _tolerances(contender, part, name):
    """(least, largest) over the frames; of the energy per atom."""
    values = [f[part]["tolerances"][name]/(f[part]["atoms"] if name == "energy" else 1)
              for f in contender["frames"] if part in f]
    return min(values), max(values)


def _least(rows):
    """The least positive number."""
    return min((float(row[row > 0].min()) for row in rows if (row > 0).any()), default=1e-16)


def _forcePanel(axes, contenders, part, points):
    import numpy as np
    limits = {}
    clouds = [np.concatenate(points[part, _name(c)]) for c in contenders]
    least_force = _least(cloud[:, 0] for cloud in clouds)
    floor = 0.3*_least(cloud[:, 1] for cloud in clouds)     # where a difference of 0 is drawn
    for k, (contender, cloud) in enumerate(zip(contenders, clouds)):
        axes.plot(np.maximum(cloud[:, 0], least_force), np.maximum(cloud[:, 1], floor),
                  MARKERS[k % len(MARKERS)], color=f"C{k % 10}", markersize=4, alpha=0.6,
                  markeredgewidth=0, label=_name(contender))
        limits.setdefault(_tolerances(contender, part, "force"), []).append(k)
    for (low, high), users in limits.items():
        color = f"C{users[0] % 10}" if len(users) == 1 and len(limits) > 1 else "0.35"
        text = "tolerance"
        if len(limits) > 1:
            text += ", " + ", ".join(dict.fromkeys(contenders[k]["precision"] for k in users))
        axes.axhline(high, color=color, linestyle="--", linewidth=1)
        if high > low:
            axes.axhspan(low, high, color=color, alpha=0.12, linewidth=0)
            text += ", by frame"
        axes.annotate(text, (0.01, high), xycoords=("axes fraction", "data"), xytext=(0, 2),
                      textcoords="offset points", fontsize=8, color=color,
                      bbox=dict(facecolor="white", edgecolor="none", alpha=0.8, pad=0.5))
    axes.margins(y=0.08)
    axes.set(xscale="log", yscale="log", xlabel="force on an atom, eV/Å",
             ylabel="difference, eV/Å")
    axes.grid(alpha=0.3)


def _energyPanel(axes, contenders, part):
    """Least, median and largest difference over the frames."""
    import numpy as np
    values = [np.array([f[part]["energy_difference_per_atom"] for f in c["frames"] if part in f])
              for c in contenders]
    floor, named = 0.3*_least(values), set()
    for k, (contender, row) in enumerate(zip(contenders, values)):
        row = np.maximum(row, floor)
        color, middle = f"C{k % 10}", np.median(row)
        axes.errorbar([middle], [k], xerr=[[middle - row.min()], [row.max() - middle]], capsize=4,
                      color=color, fmt=MARKERS[k % len(MARKERS)])
        limit = _tolerances(contender, part, "energy")[0]
        axes.plot([limit], [k], "|", color="0.2", markersize=22)
        if limit not in named:
            named.add(limit)
            axes.annotate("tolerance", (limit, k), xytext=(-4, 10), textcoords="offset points",
                          fontsize=8, color="0.35", ha="right")
    axes.set(xscale="log", ylim=(len(contenders) - 0.4, -0.6),
             xlabel="energy difference, eV per atom")
    axes.set_yticks(range(len(contenders)), [_name(c) for c in contenders])
    axes.grid(alpha=0.3, axis="x")
    axes.margins(x=0.08)
