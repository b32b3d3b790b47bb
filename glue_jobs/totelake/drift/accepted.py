"""The differences that are known and stay; drift does not report them."""

from dataclasses import dataclass

from totelake.drift.differences import Difference


@dataclass(frozen=True, slots=True)
class Accepted:
    """A column that may be as it was discovered, because of a `reason`; `found` is None where it may be missing."""

    table: str
    column: str
    found: str | None
    reason: str

    def covers(self, difference: Difference) -> bool:
        """Return whether a difference is this one."""
        return (self.table, self.column, self.found) == (difference.table, difference.column, difference.found)


ACCEPTED: tuple[Accepted, ...] = ()
"""For example `Accepted("design", "colour", "string", "Nobody reports on it.")`; another type is reported again."""
