"""What a full run found, as the page that the project shows."""

import os
import platform
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil
import psycopg

from tests.chaos.history import BOUNDARIES
from tests.chaos.interleavings import LateCommits

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
FULL = 1_000
_GIB = 2**30


@dataclass
class Figures:
    """What was done and found: histories, the runs in them, where processes were killed, and double starts."""

    seed: int
    histories: int = 0
    runs: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    batches: int = 0
    rows: int = 0
    history_seconds: float = 0
    refused: Counter[str] = field(default_factory=Counter)
    double_start_seconds: float = 0
    late_commits: LateCommits | None = None

    @property
    def killed(self) -> int:
        """How many processes were killed."""
        return self.kills.total()


def write(figures: Figures, postgres_url: str) -> None:
    """Write `figures` to the page."""
    with psycopg.connect(postgres_url) as connection:
        (postgres,) = connection.execute("SHOW server_version").fetchone() or ("?",)
    PAGE.write_text(_page(figures, postgres))


def _page(figures: Figures, postgres: str) -> str:
    late = figures.late_commits
    assert late is not None
    machine = f"{os.cpu_count()} cores, {psutil.virtual_memory().total / _GIB:.0f} GiB, {platform.machine()}"
    minutes = (figures.history_seconds + figures.double_start_seconds + late.seconds) / 60
    return f"""# No row lost, doubled or torn

`make chaos` proves it anew and writes this page. Written on {datetime.now(UTC):%Y-%m-%d} after {minutes:.0f} minutes on
{machine}, with Python {platform.python_version()}, Spark {version("pyspark")} and Postgres {postgres}; seed {figures.seed}.

## Kills

{figures.histories:,} random histories: a business writes, now and then with a transaction that stays open over several runs, is
rolled back or deletes; the platform runs, and a process is killed with SIGKILL at one of the boundaries below; it is run
again. Of {figures.runs:,} stage runs {figures.killed:,} were killed. After every history the warehouse was equal, row for row and history
included, to what plain SQL computes from totesys' own audit trail ({figures.rows:,} rows compared); no committed file had another
checksum; the catalog had the committed partitions and no other; and one more run changed nothing.

**{figures.histories:,} of {figures.histories:,} histories ended right**, in {figures.history_seconds / 60:.0f} minutes.

{_table({boundary: figures.kills[boundary] for boundary in _boundaries()}, "killed at", "times")}

## Late commits

{late.interleavings:,} generated interleavings of concurrent transactions ({late.transactions:,} transactions, {late.savepoints:,} savepoints,
{late.prepared:,} prepared, {late.rollbacks:,} rollbacks, {late.forgotten:,} updates that forgot `last_updated`) over {late.batches:,} batches of the real
ingest on a real Postgres, held against an audit trail.

| | versions due | lost | doubled |
|---|---|---|---|
| totelake | {late.versions:,} | **{late.lost:,}** | **{late.doubled:,}** |
| `last_updated > watermark` | {late.versions:,} | {late.lost_by_watermark:,} | |

The watermark loses rows in {late.watermark_loses:,} of the {late.interleavings:,} interleavings.

## Double starts

Two runs of one stage at once: one commits, the other ends with an error that says so, and nothing is doubled.

{_table(figures.refused, "refused", "times")}

## Do it again

```
make chaos                       # all of this, about an hour on two cores; writes this page
make chaos HISTORIES=50 SEED=7   # fewer
make chaos REPLAY=4711           # the history with this seed alone, told step by step
```
"""


def _boundaries() -> list[str]:
    return [f"{stage}: {boundary}" for stage, found in BOUNDARIES.items() for boundary in found]


def _table(counts: Mapping[str, int], what: str, number: str) -> str:
    lines = [f"| {what} | {number} |", "|---|---|"]
    return "\n".join(lines + [f"| {name} | {count:,} |" for name, count in sorted(counts.items())])
