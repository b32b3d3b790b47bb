"""The result of the check: what is missing, altered or superfluous, by file."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What is wrong with an object or a partition; the values are in logs and metrics."""

    RECORD_MISSING = "record_missing"
    RECORD_UNREADABLE = "record_unreadable"
    RECORD_INCONSISTENT = "record_inconsistent"
    CHECKPOINT_MISSING = "checkpoint_missing"
    CHECKPOINT_UNREADABLE = "checkpoint_unreadable"
    CHECKPOINT_WRONG = "checkpoint_wrong"
    NOT_A_RECORD = "not_a_record"
    FILE_MISSING = "file_missing"
    FILE_SIZE = "size_differs"
    FILE_ALTERED = "file_altered"
    FILE_UNREADABLE = "file_unreadable"
    FILE_ADDED = "file_added"
    ROWS_DIFFER = "rows_differ"
    PARTITION_MISSING = "partition_missing"
    PARTITION_SUPERFLUOUS = "partition_superfluous"
    TABLE_MISSING = "table_missing"
    ORPHAN = "orphan"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong at `url`, and in the `explanation` what to do about it.

    `number` is that of the commit record or checkpoint, `table` is empty for those. What is not a fault is information:
    nothing is lost or read wrongly.
    """

    zone: str
    kind: Kind
    url: str
    explanation: str
    table: str = ""
    number: int | None = None
    is_fault: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON types."""
        return asdict(self) | {"kind": self.kind.value}


@dataclass(slots=True)
class Report:
    """The findings, and how much was checked: numbers of `records`, `checkpoints` and so on."""

    findings: list[Finding] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)

    @property
    def faults(self) -> list[Finding]:
        """The findings that are not only information."""
        return [finding for finding in self.findings if finding.is_fault]

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON types."""
        return {
            "faults": len(self.faults),
            "checked": dict(self.checked),
            "findings": [finding.to_json() for finding in self.findings],
        }
