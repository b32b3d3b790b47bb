"""Errors of the lake: commit log, catalog and quarantine."""

from totelake.runtime.errors.base import TotelakeError


class CommitConflictError(TotelakeError):
    """Another run committed the same sequence number."""

    def __init__(self, bucket: str, sequence: int, batch_id: str) -> None:
        """Take the `sequence` that was taken, and the batch that was not committed."""
        super().__init__(
            f"s3://{bucket}: another run committed sequence {sequence} at the same time. "
            f"The files of batch {batch_id} are never read; the next run processes its rows again."
        )
        self.bucket, self.sequence, self.batch_id = bucket, sequence, batch_id


class LogError(TotelakeError):
    """A commit log has a gap or an unreadable record."""


class CatalogError(TotelakeError):
    """The Glue Data Catalog rejected a partition of a committed batch."""

    def __init__(self, table: str, partition: str, reason: str) -> None:
        """Take the `table` with its database, the values of the `partition`, and the catalog's `reason`."""
        super().__init__(
            f"{table}: the Glue Data Catalog rejected partition {partition}: {reason}. Its batch is committed; the "
            f"next run registers the partition."
        )
        self.table, self.partition = table, partition


class CompactionError(TotelakeError):
    """Merged files have not as many rows as the files that they were to replace."""

    def __init__(self, url: str, table: str, expected: int, actual: int) -> None:
        """Take the `url` of the merged files of `table`, and their `expected` and `actual` rows."""
        super().__init__(
            f"{table}: the merged files at {url} have {actual} rows, those that they were to replace have {expected} "
            f"according to the log. Nothing was replaced; `totelake verify` tells which file lost rows."
        )
        self.url, self.table = url, table


class QuarantineError(TotelakeError):
    """More rows break the rules of their table than the limit allows."""

    def __init__(self, table: str, broken: int, rows: int, share: float, examples: list[str]) -> None:
        """Take how many of the new `rows` of `table` are `broken`, the permitted `share`, and some examples."""
        super().__init__(
            f"{table}: {broken} of {rows} new rows break a rule, more than the permitted share of {share:g}, for "
            f"example {'; '.join(examples)}. Nothing was committed. Correct the rows in totesys or, to quarantine "
            f"them, run the job once with --quarantine_share 1."
        )
        self.table, self.broken, self.rows, self.share = table, broken, rows, share
