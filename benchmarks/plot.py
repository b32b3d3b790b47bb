"""Draws the measurements of `benchmarks.comparison` as an SVG: `python -m benchmarks.plot`, as `make bench` does."""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
STEPS = {"extract": "#4c78a8", "transform": "#f58518", "load": "#54a24b", "other": "#bab0ac"}


def main() -> None:
    """Draw one bar for each contender: the median seconds of its steps, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=ROOT / "build/comparison.json", help="file with the measurements")
    parser.add_argument("--svg", type=Path, default=ROOT / "docs/images/comparison.svg", help="file for the plot")
    arguments = parser.parse_args()
    measured = json.loads(arguments.json.read_text(encoding="utf-8"))
    mpl.rcParams["svg.hashsalt"] = "comparison"  # the same measurements make the same file
    draw(measured).savefig(arguments.svg, format="svg", metadata={"Date": None})
    print(arguments.svg)


def draw(measured: dict[str, Any]) -> Figure:
    """Return the figure; `other` is the time between the steps, in which processes start."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots()
    for name, measurements in measured["results"].items():
        begin = 0.0
        steps = {step: statistics.median(each["steps"].get(step, 0) for each in measurements) for step in STEPS}
        whole = statistics.median(each["seconds"] for each in measurements)
        steps["other"] = max(whole - sum(steps.values()), 0)
        for step, seconds in steps.items():
            axes.barh(name, seconds, left=begin, color=STEPS[step], label=step)
            begin += seconds
        axes.text(begin, name, f" {whole:.1f} s", va="center")
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.set_xlabel(f"seconds, {measured['rows']:,} rows")
    handles, labels = axes.get_legend_handles_labels()
    by_label = dict(zip(labels, handles, strict=True))
    axes.legend(by_label.values(), by_label.keys())
    return figure


if __name__ == "__main__":
    main()
