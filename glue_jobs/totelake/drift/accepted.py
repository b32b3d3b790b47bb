"""The accepted differences, which drift does not report."""

from dataclasses import dataclass

from totelake.drift.differences import SchemaDifference


@dataclass(frozen=True, slots=True)
class Accepted:
    """A column accepted with its `discovered` type, for a `reason`; the type is None if the column may be missing."""

    table: str
    column: str
    discovered: str | None
    reason: str

    def covers(self, difference: SchemaDifference) -> bool:
        """Return whether `difference` is this one."""
        accepted = (self.table, self.column, self.discovered)
        return accepted == (difference.table, difference.column, difference.discovered)


ACCEPTED: tuple[Accepted, ...] = ()
"""For example `Accepted("design", "colour", "string", "Not used in reports.")`; another type is reported again."""
