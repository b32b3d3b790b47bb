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
    draw(measured).savefig(arguments.svg, format="svg", metadata={"Date": None})
    print(arguments.svg)


def draw(measured: dict[str, Any]) -> Figure:
    """Return the figure: each value is the median of nine batches, or of nine compactions, around it.

    Points are the medians of the same change on the long lake, dotted lines the batches without compaction.
    """
    figure = Figure(figsize=(9, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    for stage, color in STAGES.items():
        style = "--" if stage == "compact" else "-"
        _plot(above, below, measured["batches"], stage, color=color, linestyle=style, label=stage)
        _plot(above, below, measured["without_compaction"], stage, color=color, linestyle=":")
        if costs := [batch[stage] for batch in measured["long"]["long"]["changes"] if stage in batch]:
            number = measured["long"]["batches"]
            for axes, values in ((above, map(_seconds, costs)), (below, map(_requests, costs))):
                axes.plot([number], [statistics.median(values)], color=color, marker="o")
    above.set_ylabel("seconds")
    below.set_ylabel("requests to S3 and Glue")
    below.set_xlabel("batch; dotted: without compaction")
    below.set_xscale("log")
    below.xaxis.set_major_formatter("{x:,.0f}")
    for axes in (above, below):
        axes.set_ylim(bottom=0)
    figure.legend(*above.get_legend_handles_labels(), loc="outside upper center", ncols=len(STAGES))
    return figure


def _plot(above: Any, below: Any, batches: list[dict[str, Any]], stage: str, **line: Any) -> None:
    numbers = [number for number, batch in enumerate(batches, 1) if stage in batch]
    costs = [batch[stage] for batch in batches if stage in batch]
    above.plot(numbers, _smooth([_seconds(cost) for cost in costs]), **line)
    below.plot(numbers, _smooth([_requests(cost) for cost in costs]), **line)


def _seconds(cost: dict[str, Any]) -> float:
    return float(cost["seconds"])


def _requests(cost: dict[str, Any]) -> float:
    return float(sum(cost["requests"].values()))


def _smooth(values: list[float]) -> list[float]:
    """Return the median of the nine values around each."""
    half = _WINDOW // 2
    return [statistics.median(values[max(0, place - half) : place + half + 1]) for place in range(len(values))]


if __name__ == "__main__":
    main()
