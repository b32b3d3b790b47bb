"""Writes the figures of `benchmarks.growth` into docs/performance.md: `python -m benchmarks.growth_report`."""

import argparse
import json
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks/results/growth.json"
PAGE = ROOT / "docs/performance.md"
BEGIN, END = "<!-- figures of benchmarks.growth_report -->\n", "<!-- end of the figures -->\n"
STAGES = ("ingest", "transform", "load", "compact")
EARLY = slice(5, 14)
"""Batches 6 to 14; the last nine are compared with them."""
LATE = slice(-9, None)
_COMPACTIONS = 5

type Costs = list[dict[str, Any]]


def main() -> None:
    """Replace the figures in the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=RESULTS, help="file with the measurements")
    parser.add_argument("--page", type=Path, default=PAGE, help="page with the section")
    arguments = parser.parse_args()
    measured = json.loads(arguments.json.read_text(encoding="utf-8"))
    page = arguments.page.read_text(encoding="utf-8")
    arguments.page.write_text(with_figures(page, measured), encoding="utf-8")
    print(arguments.page)


def with_figures(page: str, measured: dict[str, Any]) -> str:
    """Return the text `page` with the figures of the measurements in their place."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return "".join([before, BEGIN, "\n", figures(measured), "\n", END, after])


def figures(measured: dict[str, Any]) -> str:
    """Return the paragraphs and tables in Markdown."""
    parts = []
    if batches := measured.get("batches"):
        parts.append(_of_batches(batches))
    if batches := measured.get("without_compaction"):
        parts.append(_without_compaction(batches))
    if "long" in measured:
        if "changes" in measured["long"]["short"]:
            parts.append(_of_changes(measured["long"]))
        parts.append(_of_long_lake(measured["long"]))
    if "sizes" in measured:
        parts.append(_of_sizes(*measured["sizes"]))
    return "\n".join(parts)


def _of_batches(batches: list[dict[str, Any]]) -> str:
    last = len(batches)
    rows = []
    for stage in STAGES:
        costs = [batch[stage] for batch in batches if stage in batch]
        if stage == "compact":
            early, late = costs[:_COMPACTIONS], costs[-_COMPACTIONS:]
        else:
            early, late = costs[EARLY], costs[LATE]
        rows.append(_compared(stage, early, late))
    return _table(
        f"The same change of four rows, {last:,} times; a compaction after every eighth. Medians of batches 6 to 14 "
        f"and {last - 8:,} to {last:,}, for compact of the first and the last {_COMPACTIONS}:",
        ("stage", "batch 10", f"batch {last - 4:,}"),
        rows,
    )


def _of_changes(measured: dict[str, Any]) -> str:
    short, long = (measured[side]["changes"] for side in ("short", "long"))
    rows = [
        _compared(stage, [batch[stage] for batch in short], [batch[stage] for batch in long])
        for stage in STAGES
        if all(stage in batch for batch in (*short, *long))
    ]
    number = f"{measured['batches']:,}"
    return _table(f"The same change after one batch and after {number}:", ("stage", "one batch", number), rows)


def _of_sizes(small: dict[str, Any], large: dict[str, Any]) -> str:
    rows = [
        _compared(stage, *([batch[stage] for batch in size["costs"]] for size in (small, large)))
        for stage in STAGES
        if all(stage in batch for batch in small["costs"])
    ]
    names = [f"{size['orders']:,} orders, {size['bytes'] / 1e6:,.0f} MB" for size in (small, large)]
    scans = [statistics.median(batch["ingest"]["seconds"] for batch in size["costs"]) for size in (small, large)]
    rate = (scans[1] - scans[0]) / (large["bytes"] - small["bytes"]) * 1e9
    return "\n".join(
        [
            _table("The same change of a totesys of two sizes:", ("stage", *names), rows),
            f"The difference of the ingest is the time of the scans: {rate:.2f} s per gigabyte of totesys.\n",
        ]
    )


def _without_compaction(batches: list[dict[str, Any]]) -> str:
    last = len(batches)
    rows = [
        _compared(stage, [batch[stage] for batch in batches[EARLY]], [batch[stage] for batch in batches[LATE]])
        for stage in STAGES
        if stage in batches[0]
    ]
    return _table(f"Without any compaction, {last:,} times:", ("stage", "batch 10", f"batch {last - 4:,}"), rows)


def _of_long_lake(measured: dict[str, Any]) -> str:
    long, short = measured["long"], measured["short"]
    number = f"{measured['batches']:,}"
    names = ("one batch", f"{number} batches{'' if measured['compacted'] else ', none compacted'}")
    by_stage = [
        _compared(stage, *([repetition[stage] for repetition in side["events"]["costs"]] for side in (short, long)))
        for stage in STAGES
    ]
    reads = [_compared(name, short["reads"][name], long["reads"][name]) for name in short["reads"]]
    loads = [_compared(name, short["loads"]["into an empty warehouse"], long["loads"][name]) for name in long["loads"]]
    seconds = [sum(side["questions"]["seconds"].values()) for side in (short, long)]
    scanned = [sum(side["questions"]["bytes"].values()) for side in (short, long)]
    asked = len(short["questions"]["seconds"])
    partitions = measured["partitions"]
    most = max(partitions, key=lambda name: partitions[name])
    athena = (
        f"The {asked} questions of `dashboards/queries` in the local Athena: on the same rows in one batch "
        f"{seconds[0]:.2f} s and {scanned[0]:,} bytes, in {number} batches {seconds[1]:.2f} s and {scanned[1]:,} "
        f"bytes, ratio {_ratio(seconds)}.\n"
    )
    catalog = (
        f"After {number} batches, {sum(measured['rows'].values()):,} rows in star tables, the catalog has "
        f"{sum(partitions.values())} partitions of {len(partitions)} tables, at most {partitions[most]} of one "
        f"(`{most}`).\n"
    )
    return "\n".join(
        [
            _table(f"300 events on a lake of one batch and on one of {number}:", ("stage", *names), by_stage),
            _table("Reads of these lakes:", ("", *names), reads),
            _table("Loads of the same rows, in one batch into an empty warehouse and otherwise:", ("", *names), loads),
            athena,
            catalog,
        ]
    )


def _compared(name: str, early: Costs, late: Costs) -> tuple[str, ...]:
    """Return the cells of a row: seconds, requests and files of both, and the ratios."""
    seconds = [statistics.median(cost["seconds"] for cost in costs) for costs in (early, late)]
    requests = [statistics.median(sum(cost["requests"].values()) for cost in costs) for costs in (early, late)]
    files = [statistics.median(cost["files"] for cost in costs) for costs in (early, late)]
    cells = (f"{seconds[side]:.2f} s, {requests[side]:.0f} requests, {files[side]:.0f} files" for side in (0, 1))
    return (name, *cells, _ratio(seconds), _ratio(requests))


def _ratio(pair: list[float]) -> str:
    return f"{pair[1] / pair[0]:.2f}" if pair[0] else ""


def _table(title: str, names: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    header = [*names, "ratio of seconds", "ratio of requests"]
    lines = [title, "", f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows), ""])


if __name__ == "__main__":
    main()
