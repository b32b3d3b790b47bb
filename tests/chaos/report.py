"""What a full run found, as the page that the project shows."""

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
from tests.chaos.people import ROLLED_BACK, Told

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
_TEMPLATE = Path(__file__).with_name("reliability.md.template")
_GIB = 2**30


@dataclass
class Figures:
    """What was done and found; `kills` counts by stage and boundary, `refused` by stage and error.

    `events` counts what happened in the histories, `refused_runs` by error the runs that must not read totesys,
    `compared` the tables that were compared by content, and `waited` the rows that a batch held back.
    """

    seed: int
    histories: int = 0
    runs: int = 0
    rows: int = 0
    once_more: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    refused_runs: Counter[str] = field(default_factory=Counter)
    compared: int = 0
    waited: int = 0
    history_seconds: float = 0.0
    double_starts: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    double_start_seconds: float = 0.0

    def add(self, told: Told) -> None:
        """Count a history that ended right."""
        self.histories += 1
        self.runs += told.runs
        self.rows += told.rows
        self.once_more += told.once_more
        self.kills += told.kills
        self.events += told.events
        self.refused_runs += told.refused
        self.compared += told.compared
        self.waited += told.waited


def write(figures: Figures, late: LateCommits, postgres: str, page: Path = PAGE) -> None:
    """Write the `page`; `postgres` is the version of the server."""
    page.write_text(_page(figures, late, postgres))


def _page(figures: Figures, late: LateCommits, postgres: str) -> str:
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
        right=f"{figures.histories:,}",
        runs=f"{figures.runs:,}",
        killed=f"{figures.kills.total():,}",
        rows=f"{figures.rows:,}",
        once_more=f"{figures.once_more:,}",
        history_minutes=round(figures.history_seconds / 60),
        kills=_table({name: figures.kills[name] for name in _boundaries()}, "killed at"),
        updates=f"{late.versions - late.deletions:,}",
        double_starts=f"{figures.double_starts:,}",
        refusals=_table(figures.refused, "refused"),
        refused_runs=f"{figures.refused_runs.total():,}",
        compared_tables=f"{figures.compared:,}",
        waited=f"{figures.waited:,}",
        events=_table(_kept(figures.events), "event"),
        restructured=_table(_by_name(late.events), "what was done"),
    )


def _boundaries() -> list[str]:
    return [f"{stage}: {boundary}" for stage, boundaries in BOUNDARIES.items() for boundary in boundaries]


def _by_name(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _kept(events: Mapping[str, int]) -> dict[str, int]:
    """Return how often each event happened, without those that a savepoint undid at once."""
    return {name: count for name, count in sorted(events.items()) if not name.endswith(ROLLED_BACK)}


def _table(counts: Mapping[str, int], what: str) -> str:
    lines = [f"| {what} | times |", "|---|---|"]
    return "\n".join(lines + [f"| {name} | {count:,} |" for name, count in counts.items()])
