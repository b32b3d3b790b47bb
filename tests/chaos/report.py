"""The figures of a full run, and the page that shows them."""

import os
import platform
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from tests.chaos.history import BOUNDARIES
from tests.chaos.interleavings import LateCommits
from tests.chaos.writers import ROLLED_BACK, HistoryResult

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
_TEMPLATE = Path(__file__).with_name("reliability.md.template")
_GIB = 2**30


@dataclass
class RunFigures:
    """What was run and found; `kills` counts by stage and boundary, `rejected` by stage and error.

    `events` counts the events of the histories, `rejected_runs` by error the runs that had to fail, `compared` the
    tables compared by content, and `quarantined` the rows that a batch quarantined.
    """

    seed: int
    histories: int = 0
    runs: int = 0
    rows: int = 0
    repeated: int = 0
    compactions: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    rejected_runs: Counter[str] = field(default_factory=Counter)
    compared: int = 0
    quarantined: int = 0
    history_seconds: float = 0.0
    double_starts: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    double_start_seconds: float = 0.0

    def add(self, result: HistoryResult) -> None:
        """Count a history that passed."""
        self.histories += 1
        self.runs += result.runs
        self.rows += result.rows
        self.repeated += result.repeated
        self.compactions += result.compactions
        self.kills += result.kills
        self.events += result.events
        self.rejected_runs += result.rejected
        self.compared += result.compared
        self.quarantined += result.quarantined


def write(figures: RunFigures, late: LateCommits, postgres: str, page: Path = PAGE) -> None:
    """Write the `page`; `postgres` is the version of the server."""
    page.write_text(_page(figures, late, postgres))


def _page(figures: RunFigures, late: LateCommits, postgres: str) -> str:
    numbers = {name: f"{value:,}" for name, value in asdict(late).items() if isinstance(value, int)}
    seconds = figures.history_seconds + figures.double_start_seconds + late.seconds
    return _TEMPLATE.read_text().format(
        **numbers,
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        minutes=round(seconds / 60),
        machine=f"{os.cpu_count()} cores and {psutil.virtual_memory().total / _GIB:.0f} GiB ({platform.machine()})",
        python=platform.python_version(),
        spark=version("pyspark"),
        postgres=postgres,
        seed=figures.seed,
        histories=f"{figures.histories:,}",
        passed=f"{figures.histories:,}",
        runs=f"{figures.runs:,}",
        killed=f"{figures.kills.total():,}",
        rows=f"{figures.rows:,}",
        repeated=f"{figures.repeated:,}",
        compactions=f"{figures.compactions:,}",
        history_minutes=round(figures.history_seconds / 60),
        kills=_table({name: figures.kills[name] for name in _boundaries()}, "killed at"),
        updates=f"{late.versions - late.deletions:,}",
        double_starts=f"{figures.double_starts:,}",
        rejections=_table(figures.rejected, "rejected"),
        rejected_runs=f"{figures.rejected_runs.total():,}",
        compared_tables=f"{figures.compared:,}",
        quarantined=f"{figures.quarantined:,}",
        events=_table(_committed(figures.events), "event"),
        restructured=_table(_by_name(late.events), "change"),
    )


def _boundaries() -> list[str]:
    return [f"{stage}: {boundary}" for stage, boundaries in BOUNDARIES.items() for boundary in boundaries]


def _by_name(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _committed(events: Mapping[str, int]) -> dict[str, int]:
    """Return the count of each event, without those rolled back to a savepoint."""
    return {name: count for name, count in sorted(events.items()) if not name.endswith(ROLLED_BACK)}


def _table(counts: Mapping[str, int], what: str) -> str:
    lines = [f"| {what} | times |", "|---|---|"]
    return "\n".join(lines + [f"| {name} | {count:,} |" for name, count in counts.items()])
