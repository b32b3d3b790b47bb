"""Errors of the checks: reconcile, drift and verify."""

from totelake.runtime.errors.base import TotelakeError


class ComparisonError(TotelakeError):
    """A table cannot be compared, since one side of the comparison cannot be read."""

    def __init__(self, side: str, message: str) -> None:
        """Take the name of the `side` and the `message` about its rows."""
        super().__init__(f"{side}: {message}")
        self.side, self.message = side, message


class ReconcileError(TotelakeError):
    """The warehouse differs from totesys by more than pending batches explain, or a table could not be compared."""

    def __init__(
        self, last_ingested: int, differences: dict[str, list[str]], rows: dict[str, int], failed: dict[str, str]
    ) -> None:
        """Take the last ingested batch that was loaded, and for each table its `differences` and how many `rows`.

        `failed` has for each table that could not be compared the side that could not be read, and the reason.
        """
        listed = [f"{table}: {rows[table]} rows ({'; '.join(texts)})" for table, texts in differences.items()]
        unread = [f"{table} ({reason})" for table, reason in failed.items()]
        different = (
            f"The warehouse differs from totesys by more than the changes since ingested batch {last_ingested}. "
            f"{'. '.join(listed)}. Nothing was changed. Find out what wrote or lost these rows before correcting them."
        )
        not_compared = (
            f"Could not be compared: {', '.join(unread)}. All other tables were. Correct the cause in the database or "
            f"in the privileges of the role, and run reconcile again."
        )
        super().__init__(" ".join([different] * bool(listed) + [not_compared] * bool(unread)))
        self.last_ingested, self.differences, self.rows, self.failed = last_ingested, differences, rows, failed


class CrawlError(TotelakeError):
    """The crawler has produced no result that could be checked against the declarations."""

    def __init__(self, crawler: str, reason: str) -> None:
        """Take the name of the `crawler`, and the `reason` from its last crawl."""
        super().__init__(f"Crawler {crawler}: {reason}. Nothing was checked. Run the crawl workflow, and see its log.")
        self.crawler, self.reason = crawler, reason


class DriftError(TotelakeError):
    """The ingested bucket does not match the declarations."""

    _MOST_LISTED = 5

    def __init__(self, differences: list[str]) -> None:
        """Take the `differences`, each with its table, column and batches; the message has the first five."""
        listed, rest = differences[: self._MOST_LISTED], len(differences) - self._MOST_LISTED
        more = [f"and {rest} more, see the log"] if rest > 0 else []
        super().__init__(
            f"The ingested bucket does not match the declarations: {'; '.join(listed + more)}. Nothing was changed. "
            f"Declare the column in totelake/tables/sources.py and deploy, undo the change in totesys, or accept it "
            f"in totelake/drift/accepted.py; for batches that the crawler left out see its log."
        )
        self.differences = differences


class VerifyError(TotelakeError):
    """Objects or partitions of the lake are missing, altered or superfluous."""

    _MOST_LISTED = 3

    def __init__(self, faults: list[str]) -> None:
        """Take the `faults`, each with its address and what to do; the message has the first three."""
        listed, rest = faults[: self._MOST_LISTED], len(faults) - self._MOST_LISTED
        more = [f"And {rest} more, see the log."] if rest > 0 else []
        super().__init__(f"The lake has {len(faults)} faults. {' '.join([*listed, *more])}")
        self.faults = faults
