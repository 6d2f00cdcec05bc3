"""Turn raw measurements into tables of Markdown and a chart."""
import json
import os
import platform
import statistics
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

from libraries import LIBRARIES
from workloads import WORKLOADS

Runs = Dict[Tuple[str, str], Dict[int, Dict[str, Any]]]  # (workload, library) -> round -> measurement
# what is compared: the faster one, it is hoped, and the other one
COMPARISONS = {**{library: ("ours", library) for library in LIBRARIES if library not in ("ours", "tf2")},
               "tf2": ("tf2", "original")}
TITLES = {library: entry.title for library, entry in LIBRARIES.items()}


def describe_machine() -> str:
    """Return the processor, the number of its cores and the system."""
    names = [line.split(":", 1)[1].strip() for line in _read("/proc/cpuinfo").splitlines() if "model name" in line]
    memory = [int(line.split()[1]) / 2 ** 20 for line in _read("/proc/meminfo").splitlines() if "MemTotal" in line]
    return ", ".join([names[0] if names else platform.machine(), f"{os.cpu_count()} cores",
                      *(f"{gib:.0f} GiB" for gib in memory), f"{platform.system()} {platform.release()}"])


def number(value: float) -> str:
    """Write a number with three digits or more."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def write(path: Path, folder: Path) -> str:
    """
    Write the tables and the chart of the measurements in a JSON file.

    :param path: the JSON file
    :param folder: where bench.md and bench.png go
    :return: the tables
    """
    stored = json.loads(path.read_text())
    runs = _by_round(stored["runs"])
    comparisons = {library: _compared(library) for library in COMPARISONS}
    text = "\n".join([
        *_heading(stored),
        *_section("Speed", "Medians, in the unit of the row.",
                  _table(runs, TITLES, _medians(runs, "value", number), units=True)),
        *_section("Times as fast", "Medians of the rounds' ratios; in brackets the lowest and the highest.",
                  _table(runs, comparisons, lambda workload, library: _ratio_cell(runs, workload, library))),
        *_section("Peak memory", "MiB, of the process that trains, without those of SubprocVecEnv.",
                  _table(runs, TITLES, _medians(runs, "peak_mib", "{:.0f}".format))),
        *_section("Building the model", "Seconds.",
                  _table(runs, TITLES, _medians(runs, "build_s", "{:.2f}".format))),
        "`-`: that library has no such algorithm, or it was not measured.", *_failures(stored["runs"])])
    (folder / "bench.md").write_text(text + "\n")
    chart = folder / "bench.png"
    if chart.exists():
        chart.unlink()
    _draw(runs, chart, [stored["machine"], *_versions(stored)])
    return "\n".join([text, "", str(folder / "bench.md"), *([str(chart)] if chart.exists() else [])])


def write_limits(limits: Dict[str, Dict[str, float]], path: Path, folder: Path) -> str:
    """
    Write the table of what the environments and the arithmetic alone take.

    :param limits: workload -> seconds per step, as ``limits.py`` prints them
    :param path: the JSON file of the measurements, which may be missing
    :param folder: where limits.md goes
    :return: the table
    """
    runs = _by_round(json.loads(path.read_text())["runs"]) if path.exists() else {}
    rows = ["# How far from the floor\n", f"Microseconds per step of one environment, one thread, {describe_machine()}."
            " Environment: its `step` alone. Acting, training: the products of the layers' matrices alone, in NumPy; "
            "training as forward alone and as forward plus backward. The floor is environment + acting + forward plus "
            "backward. Share: the floor's of what this library takes.\n"]
    cells = []
    for workload, limit in limits.items():
        floor = limit["environment"] + limit["acting"] + limit["both"]
        values = [run["value"] for run in runs.get((workload, "ours"), {}).values()]
        taken = 1 / statistics.median(values) if values else None
        cells.append([WORKLOADS[workload].title, *(f"{1e6 * seconds:.1f}" for seconds in (*limit.values(), floor)),
                      f"{1e6 * taken:.1f}" if taken else "", f"{100 * floor / taken:.0f} %" if taken else ""])
    heads = ["workload", "environment", "acting", "forward", "forward + backward", "floor", "measured", "share"]
    text = "\n".join(rows + _markdown(heads, cells))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "limits.md").write_text(text + "\n")
    return text


def _heading(stored: Dict[str, Any]) -> List[str]:
    settings, rounds = stored["settings"], 1 + max(run["round"] for run in stored["runs"])
    threads = f"{settings['threads']} thread(s) each" if settings["threads"] else "each library's default threads"
    return ["# Benchmark\n", f"{stored['machine']}; {rounds} round(s) of at least {settings['seconds']:g} seconds, "
            f"{threads}; warm-up and compilation left out.\n", *(f"- {line}" for line in _versions(stored)), ""]


def _versions(stored: Dict[str, Any]) -> List[str]:
    """Return a line of versions for each library that was measured."""
    found = {run["library"]: run["versions"] for run in stored["runs"] if "versions" in run}
    return [f"{title}: " + ", ".join(f"{name} {value}" for name, value in found[library].items())
            for library, title in TITLES.items() if library in found]


def _section(title: str, words: str, table: List[str]) -> List[str]:
    """Return a table with its heading, nothing for an empty table."""
    return [f"## {title}\n", f"{words}\n", *table] if table else []


def _failures(measurements: List[Dict[str, Any]]) -> List[str]:
    return [f"\nFailed: {run['workload']} with {LIBRARIES[run['library']].title}: {run['error'].splitlines()[-1]}"
            for run in measurements if "error" in run]


def _by_round(measurements: List[Dict[str, Any]]) -> Runs:
    runs: Runs = {}
    for run in measurements:
        if "error" not in run:
            runs.setdefault((run["workload"], run["library"]), {})[run["round"]] = run
    return runs


def _medians(runs: Runs, key: str, form: Callable[[float], str]) -> Callable[[str, str], Optional[str]]:
    """Return what writes the median of the rounds, given workload and library."""
    def cell(workload: str, library: str) -> Optional[str]:
        values = [run[key] for run in runs.get((workload, library), {}).values()]
        return form(statistics.median(values)) if values else None
    return cell


def _compared(library: str) -> str:
    """Return the heading of a comparison."""
    one, other = COMPARISONS[library]
    return f"beside {TITLES[other]}" if one == "ours" else f"{TITLES[one]}, beside {TITLES[other]}"


def _ratios(runs: Runs, workload: str, library: str) -> List[float]:
    """Return how many times as fast the one side of a comparison is, in each round that has both."""
    one, other = (runs.get((workload, side), {}) for side in COMPARISONS[library])
    ratios = [one[index]["value"] / other[index]["value"] for index in sorted(set(one) & set(other))]
    return ratios if WORKLOADS[workload].more_is_better else [1 / ratio for ratio in ratios]


def _ratio_cell(runs: Runs, workload: str, library: str) -> Optional[str]:
    ratios = _ratios(runs, workload, library)
    if not ratios:
        return None
    spread = f" ({min(ratios):.2f} to {max(ratios):.2f})" if len(ratios) > 1 else ""
    return f"{statistics.median(ratios):.2f}{spread}"


def _table(runs: Runs, heads: Dict[str, str], cell: Callable[[str, str], Optional[str]],
           units: bool = False) -> List[str]:
    """
    Write a table with a row per workload and a column per library; rows and columns without a cell are left out.

    :param heads: library -> heading
    :param cell: (workload, library) -> its text, None for nothing
    :param units: whether a column tells the unit
    """
    measured = {workload for workload, _ in runs}
    cells = {workload: {library: cell(workload, library) for library in heads}
             for workload in WORKLOADS if workload in measured}
    cells = {workload: row for workload, row in cells.items() if any(row.values())}
    if not cells:
        return []
    kept = [library for library in heads if any(row[library] for row in cells.values())]
    rows = [[WORKLOADS[workload].title, *([WORKLOADS[workload].unit] if units else []),
             *(row[library] or "-" for library in kept)] for workload, row in cells.items()]
    return _markdown(["workload", *(["unit"] if units else []), *(heads[library] for library in kept)], rows)


def _markdown(heads: List[str], rows: List[List[str]]) -> List[str]:
    """Write a table without its empty columns."""
    kept = [index for index in range(len(heads)) if any(row[index] for row in rows)]
    lines = [[heads[index] for index in kept], ["---"] * len(kept), *([row[index] for index in kept] for row in rows)]
    return [*("| " + " | ".join(line) + " |" for line in lines), ""]


def _draw(runs: Runs, path: Path, notes: List[str]) -> None:
    """Draw a bar for each ratio, with a line from the lowest to the highest; notes go below."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    import matplotlib.pyplot as plt

    bars = [(workload, library, _ratios(runs, workload, library)) for workload in WORKLOADS for library in COMPARISONS]
    bars = [bar for bar in bars if bar[2]]
    if not bars:
        return
    places = _places([workload for workload, _, _ in bars])
    figure, axes = plt.subplots(figsize=(10, 2.5 + 0.2 * places[-1]), dpi=110)
    for library in COMPARISONS:
        own = [(place, ratios) for place, (_, name, ratios) in zip(places, bars) if name == library]
        if own:
            _draw_comparison(axes, own, LIBRARIES[library].colour, _compared(library))
    limits = [limit for _, _, ratios in bars for limit in ratios]
    ticks = [2.0 ** power for power in range(-6, 9) if min(limits) / 2 < 2.0 ** power < 2 * max(limits)]
    axes.set(xscale="log", xlim=(min(0.8, min(limits) / 1.1), 1.6 * max(1, *limits)),
             xticks=ticks, ylim=(places[-1] + 1, 0))
    axes.set_xticklabels([f"{tick:.2g}" for tick in ticks])
    axes.set_xlabel("\n".join(["ratio of speeds", *notes]), fontsize=7)
    axes.minorticks_off()
    axes.axvline(1, color="black", linewidth=0.8)
    workloads = list(dict.fromkeys(workload for workload, _, _ in bars))
    axes.set_yticks([statistics.mean(place for place, bar in zip(places, bars) if bar[0] == workload)
                     for workload in workloads])
    axes.set_yticklabels([WORKLOADS[workload].title for workload in workloads], fontsize=8)
    axes.grid(axis="x", alpha=0.3)
    axes.legend(title="Times as fast", ncol=2, loc="lower left", bbox_to_anchor=(0, 1), fontsize=8)
    figure.tight_layout()
    figure.savefig(str(path))
    plt.close(figure)


def _places(workloads: List[str]) -> List[float]:
    """Return where the bars stand: those of one workload side by side, with a gap to the next one's."""
    places = [1.0]
    for before, workload in zip(workloads, workloads[1:]):
        places.append(places[-1] + (1.0 if workload == before else 1.6))
    return places


def _draw_comparison(axes: Any, bars: List[Tuple[float, List[float]]], colour: str, label: str) -> None:
    """Draw the bars of one comparison, from 1 to its median, and beside each the number."""
    places = [place for place, _ in bars]
    axes.barh(places, [statistics.median(ratios) - 1 for _, ratios in bars], left=1, color=colour, label=label,
              height=0.9)
    axes.hlines(places, [min(ratios) for _, ratios in bars], [max(ratios) for _, ratios in bars], color="black",
                linewidth=1)
    for place, ratios in bars:
        axes.annotate(f"{statistics.median(ratios):.2f}", (max(1, *ratios), place), xytext=(4, 0),
                      textcoords="offset points", verticalalignment="center", fontsize=7)


def _read(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""
