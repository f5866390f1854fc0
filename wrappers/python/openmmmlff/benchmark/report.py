"""Table on stdout, progress on stderr, plot."""
import sys

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
        print(note)
    sys.stdout.flush()


def case(case):
    weights = ", random weights" if case["weights"] == "random" else ""
    print(f"\n{case['model']}{weights}, {case['atoms']} atoms ({case['system']}), "
          f"{case['pairs']:,} pairs, {case['gflop']:.3g} GFLOP, load {case['load_average']:.1f}")
    print(HEAD)
    for contender in case["contenders"]:
        _line(contender, case["ratios"])
    sys.stdout.flush()


def _line(contender, ratios):
    if contender["status"] != "ok":
        print(f"{contender['name']:15}{contender['message']}"[:100])
        return
    forces, step = contender["forces"], contender.get("step")
    line = f"{contender['name']:15}" + _three(forces)
    if step:
        line += _ms(step["p50_ms"]) + _ms(step["p95_ms"]) + f"{step['ns_per_day']:8.3g}"
    else:
        line += f"{'-':>9}{'-':>9}{'-':>8}"
    line += (f"{contender['memory_mb']:7.0f}{contender['gflops']:7.1f}"
             f"{100*contender['peak_share']:6.1f}")
    ratio = [r for r in ratios if r["contender"] == contender["name"] and r["what"] == "forces"]
    if ratio:
        line += f"{ratio[0]['p50']:6.3g}{ratio[0]['min']:6.3g}"
    print(line)


def _three(statistics):
    return "".join(_ms(statistics[f"{key}_ms"]) for key in ("p50", "p95", "min"))


def _ms(value):
    return f"{value:9.3f}" if value < 1000 else f"{value:9.1f}"


def mixed(case):
    weights = ", random weights" if case["weights"] == "random" else ""
    print(f"\n{case['model']}{weights}: {case['network_atoms']} atoms in water, "
          f"{case['atoms']:,} atoms in all, {case['platform']}")
    print(f"{'step, ms':24}{'p50':>9}{'p95':>9}{'min':>9}{'ns/day':>9}")
    for contender in case["contenders"]:
        if contender["status"] != "ok":
            print(f"{contender['name']:24}{contender['message']}"[:100])
            continue
        step = contender["step"]
        print(f"{contender['name']:24}{_three(step)}{step['ns_per_day']:9.3g}")
    rows = {"network_in_system": "mixed - force field",
            "beyond_network_alone": "... - network alone"}
    for key, name in rows.items() if case["coupling_ms"] else ():
        coupling = case["coupling_ms"][key]
        print(f"{name:24}{_ms(coupling['p50'])}{'':9}{_ms(coupling['min'])}")
    sys.stdout.flush()


def close(result):
    """What the reader of the table must know."""
    contenders = [c for case in result["cases"] for c in case["contenders"] if c["status"] == "ok"]
    overhead = [c["overhead"]["p50_ms"] for c in contenders if "overhead" in c]
    print()
    if overhead:
        print("Times of OpenMM include positions in and forces out through Python: "
              f"{min(overhead):.3f} to {max(overhead):.3f} ms\n(the same calls on a System without "
              "forces). Those of torch have no neighbor search.")
    if contenders:
        worst = max(contenders, key=lambda c: c["force_error_relative"])
        print("Largest difference between forces: "
              f"{worst['force_error_relative']:.1e} of the largest force ({worst['name']}).")
    print("float32 peak (BLAS) before and after each model: "
          + ", ".join(f"{p:.0f}" for p in result["peak_gflops"]) + " GFLOP/s;\nload average at the "
          "beginning and the end: " + ", ".join(f"{x:.2f}" for x in result["load_average"]))


def plot(result, path):
    """Time of energy and forces over the number of atoms, a panel a model."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
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
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
