"""What came out of the comparison of one table: how many records differ, in which way, and why."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from totelake.reconcile.compare import What
from totelake.reconcile.explanations import Reason

KEYS_TOLD = 5


@dataclass(slots=True)
class Finding:
    """Records that differ in the same way for the same reason: how many, the first `keys`, the `columns` of these."""

    rows: int = 0
    keys: list[int] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)

    def add(self, key: int) -> None:
        """Count one more record."""
        self.rows += 1
        if len(self.keys) < KEYS_TOLD:
            self.keys.append(key)


@dataclass(frozen=True, slots=True)
class Report:
    """One star table: its rows on both sides, and what was found; a reason of None is a difference that counts."""

    rows_in_totesys: int
    rows_in_warehouse: int
    findings: dict[tuple[What, Reason | None], Finding] = field(default_factory=lambda: defaultdict(Finding))

    @property
    def differences(self) -> int:
        """How many records differ and should not."""
        return sum(finding.rows for (_, reason), finding in self.findings.items() if reason is None)

    @property
    def explained(self) -> int:
        """How many records differ, and a run to come brings them."""
        return sum(finding.rows for (_, reason), finding in self.findings.items() if reason is not None)

    def told(self) -> list[str]:
        """Return a few words on each finding that counts; values stay out of them, since they reach mails and logs."""
        return [_words(what, finding) for (what, reason), finding in self.findings.items() if reason is None]

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON's types."""
        return {
            "rows_in_totesys": self.rows_in_totesys,
            "rows_in_warehouse": self.rows_in_warehouse,
            "differences": self.differences,
            "explained": self.explained,
            "findings": [
                {
                    "what": what.value,
                    "reason": reason.value if reason else None,
                    "rows": finding.rows,
                    "keys": finding.keys,
                    "columns": finding.columns,
                }
                for (what, reason), finding in self.findings.items()
            ],
        }


def _words(what: What, finding: Finding) -> str:
    columns = f" in {', '.join(finding.columns)}" if finding.columns else ""
    more = ", …" if finding.rows > len(finding.keys) else ""
    return f"{finding.rows} {what}{columns}: {', '.join(map(str, finding.keys))}{more}"
