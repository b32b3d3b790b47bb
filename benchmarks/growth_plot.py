"""Draws seconds and requests of each batch as an SVG: `python -m benchmarks.growth_plot`, as `make growth` does."""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
STAGES = {"ingest": "#4c78a8", "transform": "#f58518", "load": "#54a24b", "compact": "#b279a2"}
_WINDOW = 9


def main() -> None:
    """Draw two curves for each stage: the seconds and the requests of each batch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks/results/growth.json", help="the measurements")
    parser.add_argument("--svg", type=Path, default=ROOT / "docs/images/growth.svg", help="file for the plot")
    arguments = parser.parse_args()
    measured = json.loads(arguments.json.read_text(encoding="utf-8"))
    mpl.rcParams["svg.hashsalt"] = "growth"  # the same measurements make the same file
    draw(measured["batches"]).savefig(arguments.svg, format="svg", metadata={"Date": None})
    print(arguments.svg)


def draw(batches: list[dict[str, Any]]) -> Figure:
    """Return the figure: each value is the median of nine batches, or of nine compactions, around it."""
    figure = Figure(figsize=(9, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    for stage, color in STAGES.items():
        numbers = [number for number, batch in enumerate(batches, 1) if stage in batch]
        costs = [batch[stage] for batch in batches if stage in batch]
        style = "--" if stage == "compact" else "-"
        seconds = [cost["seconds"] for cost in costs]
        requests = [sum(cost["requests"].values()) for cost in costs]
        above.plot(numbers, _smooth(seconds), color=color, linestyle=style, label=stage)
        below.plot(numbers, _smooth(requests), color=color, linestyle=style, label=stage)
    above.set_ylabel("seconds")
    below.set_ylabel("requests to S3 and Glue")
    below.set_xlabel("batch")
    for axes in (above, below):
        axes.set_ylim(bottom=0)
    figure.legend(*above.get_legend_handles_labels(), loc="outside upper center", ncols=len(STAGES))
    return figure


def _smooth(values: list[float]) -> list[float]:
    """Return the median of the nine values around each."""
    half = _WINDOW // 2
    return [statistics.median(values[max(0, place - half) : place + half + 1]) for place in range(len(values))]


if __name__ == "__main__":
    main()
