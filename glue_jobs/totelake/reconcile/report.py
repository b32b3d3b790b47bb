"""The result of the comparison of a table: how many records differ, by kind and reason."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from totelake.reconcile.compare import DifferenceKind
from totelake.reconcile.explanations import Reason

MAX_KEYS = 5


@dataclass(slots=True)
class Finding:
    """The records with one kind of difference for one reason: their number, the first `keys`, their `columns`."""

    rows: int = 0
    keys: list[int] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)

    def add(self, key: int) -> None:
        """Count one more record."""
        self.rows += 1
        if len(self.keys) < MAX_KEYS:
            self.keys.append(key)


@dataclass(frozen=True, slots=True)
class Report:
    """The report on a star table: the rows on both sides, and the findings; those without a reason are errors."""

    rows_in_totesys: int
    rows_in_warehouse: int
    findings: dict[tuple[DifferenceKind, Reason | None], Finding] = field(default_factory=lambda: defaultdict(Finding))

    @property
    def differences(self) -> int:
        """The number of records that differ without a reason."""
        return sum(finding.rows for (_, reason), finding in self.findings.items() if reason is None)

    @property
    def explained(self) -> int:
        """The number of records that differ for a reason."""
        return sum(finding.rows for (_, reason), finding in self.findings.items() if reason is not None)

    def descriptions(self) -> list[str]:
        """Return a description of each finding without a reason, without values since it gets into mails and logs."""
        return [_describe(kind, finding) for (kind, reason), finding in self.findings.items() if reason is None]

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON types."""
        return {
            "rows_in_totesys": self.rows_in_totesys,
            "rows_in_warehouse": self.rows_in_warehouse,
            "differences": self.differences,
            "explained": self.explained,
            "findings": [
                {
                    "what": kind.value,
                    "reason": reason.value if reason else None,
                    "rows": finding.rows,
                    "keys": finding.keys,
                    "columns": finding.columns,
                }
                for (kind, reason), finding in self.findings.items()
            ],
        }


def _describe(kind: DifferenceKind, finding: Finding) -> str:
    columns = f" in {', '.join(finding.columns)}" if finding.columns else ""
    more = ", …" if finding.rows > len(finding.keys) else ""
    return f"{finding.rows} {kind}{columns}: {', '.join(map(str, finding.keys))}{more}"
