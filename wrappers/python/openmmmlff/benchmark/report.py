"""Table on stdout, progress on stderr, plot."""
import io
import sys

from openmmmlff.benchmark.measure import isWrong
from openmmmlff.output import printable

HEAD = (f"{'':15}{'energy + forces, ms':^27}{'step, ms':^18}{'ns/':>8}{'memory':>7}{'GFLOP':>7}"
        f"{'% of':>6}{'times ours':>12}\n"
        f"{'':15}{'p50':>9}{'p95':>9}{'min':>9}{'p50':>9}{'p95':>9}{'day':>8}{'MB':>7}{'/s':>7}"
        f"{'peak':>6}{'p50':>6}{'min':>6}")


def progress(text):
    print(f"{text} ...", file=sys.stderr, flush=True)


def head(result):
    machine, versions = result["machine"], result["versions"]
    print(f"{machine['processor']}, {machine['cores']} cores "
          f"({' '.join(machine.get('vector_units', []))}), {result['threads']} threads")
    print(", ".join(f"{name} {version}" for name, version in versions.items()))
    print(f"{result['date']}   load average {result['load_average'][0]:.2f}   "
          f"float32 peak (BLAS) {result['peak_gflops'][0]:.0f} GFLOP/s")
    for note in result["notes"]:
        print(printable(note))
    sys.stdout.flush()


def case(case):
    weights = ", random weights" if case["weights"] == "random" else ""
    print(f"\n{printable(case['model'], 200)}{weights}, {case['atoms']} atoms ({case['system']}), "
          f"{case['pairs']:,} pairs, {case['gflop']:.3g} GFLOP, load {case['load_average']:.1f}")
    print(HEAD)
    for contender in case["contenders"]:
        _line(contender, case["ratios"])
    for contender in case["contenders"]:
        for line in _ofDevice(contender):
            print(line)
    sys.stdout.flush()


def _ofDevice(contender):
    """What there is to say beside the table of a contender on a device."""
    if contender.get("step_message"):
        yield f"  {contender['name']}, no step: {contender['step_message']}"[:100]
    if contender.get("peak_of") != "device":
        return
    words = [contender.get("device", "device without a name")]
    words += [f"{contender['nodes']} nodes"] if "nodes" in contender else []
    execution = contender.get("execution", {})
    words += [f"{key} {execution[key]}" for key in ("mode", "graph", "matrix_precision")
              if key in execution]
    if "tflops" in contender:
        words += [f"{100*contender['peak_share']:.1f} % of {contender['tflops']:g} TFLOP/s",
                  f"{100*contender['bandwidth_share']:.1f} % of {contender['tb_per_s']:g} TB/s"]
    if _deviceMemory(contender) is not None:
        words.append(f"{_deviceMemory(contender):.0f} MB there")
    yield f"  {contender['name']}: " + ", ".join(words)


def _line(contender, ratios):
    if contender["status"] != "ok":
        print(f"{contender['name']:15}{printable(contender['message'])}"[:100])
        return
    forces, step = contender["forces"], contender.get("step")
    line = f"{contender['name']:15}" + _three(forces)
    if step:
        line += _ms(step["p50_ms"]) + _ms(step["p95_ms"]) + f"{_perDay(step):>8}"
    else:
        line += f"{'-':>9}{'-':>9}{'-':>8}"
    line += f"{contender['memory_mb']:7.0f}{_short(contender['gflops']):>7}" + _peak(contender)
    ratio = [r for r in ratios if r["contender"] == contender["name"] and r["what"] == "forces"]
    if ratio:
        line += "".join(f"{ratio[0][key]:6.{3 if ratio[0][key] >= 1 else 2}g}"
                        for key in ("p50", "min"))
    print(line)


def _deviceMemory(contender):
    """MB: by the driver, all that came with a contender; else what the MLFFForce, or PyTorch's
    allocator, says."""
    for key in ("memory_device_mb", "memory_force_mb", "memory_torch_mb"):
        if key in contender:
            return contender[key]
    return None


def _peak(contender):
    return f"{100*contender['peak_share']:6.1f}" if "peak_share" in contender else f"{'-':>6}"


def _perDay(step):
    value = step["ns_per_day"]
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def _short(value):
    return f"{value:.1f}" if value < 10000 else f"{value:.0f}"


def sweepHead(model):
    weights = ", random weights" if model.weights == "random" else ""
    print(f"\n{model.name}{weights}: a step\n{'':29}{'step, ms':^20}{'us an':>9}{'ns/':>9}"
          f"{'memory, MB':^16}{'GFLOP':>7}{'% of':>6}\n{'atoms':>7}  {'':15}{'nodes':>6}"
          f"{'p50':>9}{'p95':>10}{'atom':>9}{'day':>9}{'process':>8}{'device':>8}{'/s':>7}"
          f"{'peak':>6}", flush=True)


def sweepCase(case):
    for contender in case["contenders"]:
        line = f"{case['atoms']:7d}  {contender['name']:15}"
        if contender["status"] != "ok":
            print((line + f"{contender['status']}: {printable(contender['message'])}")[:100])
            continue
        step = contender.get("step")
        line += f"{contender.get('nodes', '-'):>6}"
        if step:
            line += (_ms(step["p50_ms"]) + f"{_ms(step['p95_ms']):>10}"
                     f"{1e-3*step['p50_ns_per_atom']:9.4g}{_perDay(step):>9}")
        else:
            line += f"{'-':>9}{'-':>10}{'-':>9}{'-':>9}"
        device = _deviceMemory(contender)
        line += (f"{contender['memory_mb']:8.0f}{'-' if device is None else f'{device:.0f}':>8}"
                 f"{_short(contender['gflops']):>7}" + _peak(contender))
        print(line)
    sys.stdout.flush()


def _three(statistics):
    return "".join(_ms(statistics[f"{key}_ms"]) for key in ("p50", "p95", "min"))


def _ms(value):
    return f"{value:9.3f}" if value < 1000 else f"{value:9.1f}"


def mixed(case):
    weights = ", random weights" if case["weights"] == "random" else ""
    print(f"\n{case['model']}{weights}: {case['molecule']}, {case['network_atoms']} atoms, in water"
          f", {case['atoms']:,} atoms in all, {case['platform']}")
    print(f"{'step, ms':24}{'p50':>9}{'p95':>9}{'min':>9}{'ns/day':>9}")
    for contender in case["contenders"]:
        if contender["status"] != "ok":
            print(f"{contender['name']:24}{printable(contender['message'])}"[:100])
            continue
        step = contender["step"]
        print(f"{contender['name']:24}{_three(step)}{_perDay(step):>9}")
    if case["coupling_ms"]:
        field, mixed, _ = (c["step"] for c in case["contenders"])
        print(f"{'mixed / force field':24}{mixed['p50_ms']/field['p50_ms']:9.3f}{'':9}"
              f"{mixed['min_ms']/field['min_ms']:9.3f}")
    rows = {"network_in_system": "mixed - force field",
            "beyond_network_alone": "... - network alone"}
    for key, name in rows.items() if case["coupling_ms"] else ():
        coupling = case["coupling_ms"][key]
        print(f"{name:24}{_ms(coupling['p50'])}{'':9}{_ms(coupling['min'])}")
    sys.stdout.flush()


def close(result):
    """What the reader of the table must know."""
    for left in result.get("sweep", {}).get("left_out", []):
        print(f"{left['model']}, {left['contender']}, from {left['from_atoms']} atoms on not "
              f"measured: {left['reason']}")
    contenders = [c for case in result["cases"] for c in case["contenders"] if c["status"] == "ok"]
    overhead = [c["overhead"]["p50_ms"] for c in contenders if "overhead" in c]
    device = next((c for c in contenders if c.get("peak_of") == "device"), None)
    print()
    if overhead:
        print("Times of OpenMM include positions in and forces out through Python: "
              f"{min(overhead):.3f} to {max(overhead):.3f} ms\n(the same calls on a System without "
              "forces). Those of torch have no neighbor search.")
    if contenders:
        worst = max(contenders, key=lambda c: c["force_error_relative"])
        print("Largest difference between forces: "
              f"{worst['force_error_relative']:.1e} of the largest force ({worst['name']}).")
    for case in result["cases"]:
        for c in case["contenders"]:
            if isWrong(c):
                print(f"WRONG: {c['name']}, {case['model']}, {case['atoms']} atoms: forces differ "
                      f"by {c['force_error_relative']:.1e} of the largest")
    if device:
        print("Steps on a device: the mean of a block of steps between two waits; GFLOP/s by the "
              "step.")
    print("float32 peak (BLAS) before and after each model: "
          + ", ".join(f"{p:.0f}" for p in result["peak_gflops"]) + " GFLOP/s;\nload average at the "
          "beginning and the end: " + ", ".join(f"{x:.2f}" for x in result["load_average"]))


def plot(result):
    """A picture (PNG, bytes): the sweep's step, else the time of energy and forces; over the atoms,
    a panel per model."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    if "sweep" in result:
        return _plotSweep(result, pyplot)
    models = list(dict.fromkeys(case["model"] for case in result["cases"]))
    figure, panels = pyplot.subplots(1, len(models), figsize=(1 + 4*len(models), 4), sharey=True,
                                     squeeze=False)
    for axes, model in zip(panels[0], models):
        lines = {}
        for case in (c for c in result["cases"] if c["model"] == model):
            for c in case["contenders"]:
                if c["status"] == "ok":
                    lines.setdefault(c["name"], []).append((case["atoms"], c["forces"]))
        for name, points in lines.items():
            middle = [p["p50_ms"] for _, p in points]
            spread = [[p["p50_ms"] - p["min_ms"] for _, p in points],
                      [p["p95_ms"] - p["p50_ms"] for _, p in points]]
            axes.errorbar([n for n, _ in points], middle, yerr=spread, marker="o", capsize=3,
                          label=name)
        axes.set(xscale="log", yscale="log", title=model, xlabel="atoms")
        sizes = sorted({case["atoms"] for case in result["cases"]})
        axes.set_xticks(sizes, [str(n) for n in sizes], minor=False)
        axes.set_xticks([], minor=True)
        axes.grid(alpha=0.3)
    panels[0][0].set_ylabel("energy + forces, ms (min, p50, p95)")
    panels[0][0].legend()
    figure.suptitle(f"{result['machine']['processor']}, {result['threads']} threads, "
                    f"{result['date'][:10]}", fontsize=10)
    figure.tight_layout()
    return _png(figure, pyplot)


def _png(figure, pyplot):
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=150)
    pyplot.close(figure)
    return image.getvalue()


# One look for a contender in all plots.
LOOKS = {"CUDA": ("#1b7837", "o"), "CUDA SplitHalf": ("#4d9221", "P"),
         "CUDA TF32": ("#a6dba0", "X"), "OpenCL": ("#7fbf7b", "o"), "HIP": ("#1b7837", "o"),
         "CPU": ("#2166ac", "s"), "Reference": ("#888888", "s"), "torch": ("#b2182b", "^"),
         "torch compiled": ("#ef8a62", "v"), "torch graph": ("#762a83", "D")}


def _plotSweep(result, pyplot):
    """The step's time of an atom over the number of atoms."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
    models = list(dict.fromkeys(case["model"] for case in result["cases"]))
    figure, panels = pyplot.subplots(1, max(1, len(models)), figsize=(0.8 + 4.6*len(models), 4.4),
                                     sharex=True, sharey=True, squeeze=False)
    shown, devices = {}, set()
    for axes, model in zip(panels[0], models):
        lines, weights = {}, ""
        for case in (c for c in result["cases"] if c["model"] == model):
            weights = " (random weights)" if case["weights"] == "random" else ""
            for c in case["contenders"]:
                if c["status"] == "ok" and "step" in c:
                    lines.setdefault(c["name"], []).append((case["atoms"], c["step"]))
                    devices.add(c.get("device"))
        for name, points in lines.items():
            atoms = [n for n, _ in points]
            middle = [1e3*step["p50_ms"]/n for n, step in points]
            high = [1e3*(step["p95_ms"] - step["p50_ms"])/n for n, step in points]
            color, marker = LOOKS.get(name, (None, "o"))
            shown[name] = axes.errorbar(atoms, middle, yerr=[[0]*len(high), high], color=color,
                                        marker=marker, markersize=5, linewidth=1.6, capsize=2,
                                        elinewidth=0.8)
        axes.set(xscale="log", yscale="log", title=model + weights, xlabel="atoms")
        axes.grid(which="major", alpha=0.4)
        axes.grid(which="minor", alpha=0.12)
    for axis in (panels[0][0].xaxis, panels[0][0].yaxis):
        low, high = axis.get_view_interval()
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 300*low else (1,), numticks=20))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axis.set_minor_formatter(NullFormatter())
    panels[0][0].set_ylabel("step, \N{MICRO SIGN}s an atom (p50, bar to p95)")
    figure.legend(shown.values(), shown, loc="outside lower center", ncols=min(5, len(shown) or 1),
                  frameon=False)
    where = [*sorted(devices - {None}), f"{result['machine']['processor']}, "
             f"{result['threads']} threads", result["date"][:10]]
    figure.suptitle("   ".join(where), fontsize=9)
    figure.set_layout_engine("constrained")
    return _png(figure, pyplot)
