"""Everything that totelake itself can find wrong.

TotelakeError
├── TransientError         what may pass by itself: the run tries again, and so does the next one
│   ├── DatabaseUnavailableError  totesys or the warehouse does not answer, or hung up
│   ├── DatabaseInterruptedError  it broke off a statement: a deadlock, a timeout, a snapshot that is gone
│   └── AwsUnavailableError       S3, the catalog or another service does not answer
├── DatabaseRefusedError   totesys or the warehouse does not let the role in, or not do what it has to
├── StorageFullError       there is no space left where the run writes
├── SourceSchemaError      a table of totesys is not the one that was declared
├── SourceValueError       a value of totesys cannot be held exactly
├── MassDeletionError      more rows of a table are gone than may vanish at once
├── UnknownTableError      no table of that name is declared
├── UnknownColumnError     no column of that name is declared
├── ArgumentError          an argument of the job is not what it has to be
├── ConnectionSettingsError a Glue connection or its secret does not say how to connect
├── CommitConflictError    another run took the sequence number: nothing of this run is visible
├── LogError               a commit log has a gap or an unreadable record
├── CatalogError           the Glue Data Catalog refused a partition of a committed batch
├── SchemaError            a frame does not have the columns that its table declares
├── QuarantineError        more rows break the rules of their table than may be held back
├── WarehouseSchemaError   a table of the warehouse has other columns than its declaration
├── AlreadyRunningError    another run of this stage holds its lock
├── LedgerError            a batch would be loaded out of order, or twice with other content
├── StagingError           what was copied into staging is not what the batch holds
├── OrphanError            a fact refers to a row that its dimension does not have
├── StatementError         the warehouse does not carry out a statement
├── ReconcileError         the warehouse shows something else than totesys holds
├── CrawlError             the crawler has left nothing that could be judged
├── DriftError             the ingested bucket holds something else than is declared
└── UnforeseenError        something that none of these foresees
"""

from collections.abc import Iterable

_GOES_ON = "Nothing was lost; the next run goes on from the last commit."


class TotelakeError(Exception):
    """Base of every error that totelake raises itself."""


class TransientError(TotelakeError):
    """What stood in the way may pass by itself: the run tries again, and so does the next one."""


class DatabaseUnavailableError(TransientError):
    """A database does not answer, or hung up."""

    def __init__(self, database: str, said: str) -> None:
        """Name the `database` with the role and its place, and what it or the way to it `said`."""
        super().__init__(f"{database} is not available: {said}. {_GOES_ON}")
        self.database, self.said = database, said


class DatabaseInterruptedError(TransientError):
    """A database broke off what the run had asked of it."""

    def __init__(self, database: str, said: str) -> None:
        """Name the `database` with the role and its place, and what it `said`."""
        super().__init__(f"{database} broke off a statement: {said}. {_GOES_ON}")
        self.database, self.said = database, said


class AwsUnavailableError(TransientError):
    """A service of AWS does not answer, or asks to come again later."""

    def __init__(self, said: str) -> None:
        """Repeat what the service or the way to it `said`."""
        super().__init__(f"AWS is not available: {said}. {_GOES_ON}")
        self.said = said


class DatabaseRefusedError(TotelakeError):
    """A database does not let the role in, or does not let it do what the run has to do."""

    def __init__(self, database: str, said: str) -> None:
        """Name the `database` with the role and its place, and what was `said`."""
        super().__init__(
            f"{database} refused: {said}. Nothing was lost. Correct the Glue connection, its secret or the rights of "
            f"the role, and run again."
        )
        self.database, self.said = database, said


class StorageFullError(TotelakeError):
    """There is no space left where the run writes."""

    def __init__(self, said: str) -> None:
        """Repeat what was `said` by whoever could not write."""
        super().__init__(f"{said}. Nothing of the batch is visible. Make room and run again.")
        self.said = said


class SourceSchemaError(TotelakeError):
    """The source table is not the one that was declared."""

    def __init__(
        self, table: str, missing: list[str] | None, retyped: dict[str, tuple[str, str]], taken: list[str]
    ) -> None:
        """Name the `missing` columns, and for each of the `retyped` what was found and what is declared.

        Nothing is left where `missing` is None. Columns whose name is `taken` are new, and the lake has one of its own.
        """
        faults = ["the table is missing"] if missing is None else [f"column {name} is missing" for name in missing]
        faults += [f"column {name} is {found}, declared {declared}" for name, (found, declared) in retyped.items()]
        faults += [f"column {name} is new and has the name of a column of the lake" for name in taken]
        super().__init__(
            f"totesys.{table}: {'; '.join(faults)}. Nothing was read. "
            f"Undo the change in totesys or declare it in totelake/tables/sources.py."
        )
        self.table, self.missing, self.retyped, self.taken = table, missing, retyped, taken


class MassDeletionError(TotelakeError):
    """So many rows of a table are gone that it looks like an accident."""

    def __init__(self, table: str, deletes: int, alive: int, share: float) -> None:
        """Say how many of the rows `alive` at the last batch would vanish, and the `share` that may."""
        super().__init__(
            f"totesys.{table}: {deletes} of its {alive} rows are gone since the last batch, more than the share of "
            f"{share:g} that may vanish at once. Nothing was committed. Bring the rows back, or, where they were "
            f"deleted on purpose, run the job once with --deletable_share 1."
        )
        self.table, self.deletes, self.alive, self.share = table, deletes, alive, share


class ArgumentError(TotelakeError):
    """An argument of the job is not what it has to be."""

    def __init__(self, name: str, value: str, expected: str) -> None:
        """Name the argument with its `value`, and what is `expected` of it."""
        super().__init__(f"--{name} {value}: {expected} is expected.")
        self.name, self.value = name, value


class UnknownTableError(TotelakeError):
    """No table of that name is declared."""

    def __init__(self, table: str, known: Iterable[str]) -> None:
        """Name the `table` and those that are `known`."""
        super().__init__(f"There is no table {table}; there are {', '.join(sorted(known))}.")
        self.table = table


class UnknownColumnError(TotelakeError):
    """No column of that name is declared."""

    def __init__(self, column: str, near: Iterable[str]) -> None:
        """Name the `column` and those whose names are `near` to it."""
        meant = ", ".join(near)
        advice = f"did you mean {meant}?" if meant else "docs/tables.md has them all."
        super().__init__(f"There is no column {column}; {advice}")
        self.column = column


class SourceValueError(TotelakeError):
    """Rows of the source hold numbers that the lake's exact type cannot hold."""

    def __init__(self, table: str, rows: int) -> None:
        """Name the `table` and how many of its changed `rows` do."""
        super().__init__(
            f"totesys.{table}: {rows} changed rows hold a number with more than 18 digits after the point or 20 before "
            f"it, or one that is not finite. Nothing was read, since it would be rounded. Correct the rows in totesys."
        )
        self.table, self.rows = table, rows


class ConnectionSettingsError(TotelakeError):
    """A Glue connection or its secret does not say how to connect."""

    def __init__(self, connection: str, fault: str) -> None:
        """Name the Glue `connection` and what is wrong with it."""
        super().__init__(f"Glue connection {connection}: {fault}.")
        self.connection = connection


class CommitConflictError(TotelakeError):
    """Another run committed under the same sequence number."""

    def __init__(self, bucket: str, sequence: int, batch_id: str) -> None:
        """Name the number that was taken, and the batch that is left without one."""
        super().__init__(
            f"s3://{bucket}: sequence {sequence} was committed by another run at the same time. "
            f"The files of batch {batch_id} stay behind unread; the next run takes its rows again."
        )
        self.bucket, self.sequence, self.batch_id = bucket, sequence, batch_id


class LogError(TotelakeError):
    """A commit log has a gap, or a record that cannot be read."""


class CatalogError(TotelakeError):
    """The Glue Data Catalog refused a partition of a committed batch."""

    def __init__(self, table: str, partition: str, reason: str) -> None:
        """Name the `table` with its database, the `partition` by its values, and the catalog's `reason`."""
        super().__init__(
            f"{table}: partition {partition} was refused: {reason}. Its batch is committed; the next run registers it."
        )
        self.table, self.partition = table, partition


class SchemaError(TotelakeError):
    """A frame does not have the columns that its table declares."""

    def __init__(self, table: str, missing: list[str]) -> None:
        """Name the `table` and the columns that are `missing` from the frame."""
        super().__init__(f"{table}: the frame has no column {', '.join(missing)}.")
        self.table, self.missing = table, missing


class QuarantineError(TotelakeError):
    """More rows break the rules of their table than may be held back."""

    def __init__(self, table: str, broken: int, rows: int, share: float, examples: list[str]) -> None:
        """Say how many of the new `rows` of `table` are `broken`, the `share` that may be, and a few of them."""
        super().__init__(
            f"{table}: {broken} of {rows} new rows break a rule, more than the share of {share:g} that may be held "
            f"back, for example {'; '.join(examples)}. Nothing was committed. Correct the rows in totesys, or, where "
            f"they are to be held back, run the job once with --quarantine_share 1."
        )
        self.table, self.broken, self.rows, self.share = table, broken, rows, share


class WarehouseSchemaError(TotelakeError):
    """A table of the warehouse has other columns than its declaration."""

    def __init__(
        self, table: str, missing: list[str], undeclared: list[str], retyped: dict[str, tuple[str, str]]
    ) -> None:
        """Name the `missing` and `undeclared` columns, and for each of the `retyped` what it is and should be."""
        faults = [f"column {name} is missing" for name in missing]
        faults += [f"column {name} is not declared" for name in undeclared]
        faults += [f"column {name} is {found}, declared {declared}" for name, (found, declared) in retyped.items()]
        super().__init__(
            f"warehouse table {table}: {'; '.join(faults)}. Nothing was loaded. "
            f"Alter the table to match totelake/tables/stars.py, or move it out of the way and load again."
        )
        self.table, self.missing, self.undeclared, self.retyped = table, missing, undeclared, retyped

    @classmethod
    def check(cls, table: str, found: dict[str, str], declared: dict[str, str]) -> None:
        """Raise the error unless `table` has the columns that are `declared`, each with its type."""
        if found != declared:
            raise cls(
                table,
                missing=[name for name in declared if name not in found],
                undeclared=[name for name in found if name not in declared],
                retyped={
                    name: (found[name], declared[name])
                    for name in declared
                    if name in found and found[name] != declared[name]
                },
            )


class AlreadyRunningError(TotelakeError):
    """Another run of this stage holds its lock."""

    def __init__(self, stage: str, holder: str) -> None:
        """Name the `stage` and who holds its lock."""
        super().__init__(f"{stage}: already running ({holder}). Nothing was done; run again when it has ended.")
        self.stage = stage


class LedgerError(TotelakeError):
    """A batch would be loaded out of order, or the ledger and the log disagree."""


class StagingError(TotelakeError):
    """What was copied into staging is not what the batch holds."""

    def __init__(self, table: str, expected: int, found: int) -> None:
        """Say how many distinct rows the batch has for `table` and how many reached staging."""
        super().__init__(f"{table}: the batch holds {expected} rows, staging {found}. Nothing was merged; run again.")
        self.table, self.expected, self.found = table, expected, found


class OrphanError(TotelakeError):
    """A fact refers to a row that its dimension does not have."""

    def __init__(self, batch_id: str, facts: list[str]) -> None:
        """Name the batch and the `facts` in it, one of which it is."""
        super().__init__(
            f"Batch {batch_id}: rows of {' or '.join(facts)} refer to a dimension's row that neither the warehouse nor "
            f"the batch has. Nothing was loaded. Rows were lost: run the load once with --rebuild true."
        )
        self.batch_id, self.facts = batch_id, facts


class StatementError(TotelakeError):
    """The warehouse does not carry out a statement."""

    def __init__(self, place: str, said: str, statement: int | None) -> None:
        """Repeat what the warehouse at `place` `said`; the `statement` is counted from 0, None where it is not told."""
        super().__init__(f"The warehouse ({place}) refused a statement: {said}. Nothing of its transaction was kept.")
        self.said, self.statement = said, statement


class ReconcileError(TotelakeError):
    """The warehouse shows something else than totesys holds, and no batch to come explains it."""

    def __init__(self, last_ingested: int, differences: dict[str, list[str]], rows: dict[str, int]) -> None:
        """Name the ingested batch that was loaded last, and for each table its `differences` and how many `rows`."""
        told = [f"{table}: {rows[table]} rows ({'; '.join(found)})" for table, found in differences.items()]
        super().__init__(
            f"The warehouse differs from totesys beyond what came after ingested batch {last_ingested}. "
            f"{'. '.join(told)}. Nothing was changed. Find out what wrote or lost these rows before they are put right."
        )
        self.last_ingested, self.differences, self.rows = last_ingested, differences, rows


class CrawlError(TotelakeError):
    """The crawler has left nothing that could be held against the declarations."""

    def __init__(self, crawler: str, said: str) -> None:
        """Name the `crawler`, and what is `said` of its last crawl."""
        super().__init__(f"Crawler {crawler}: {said}. Nothing was judged. Run the workflow that crawls; see its log.")
        self.crawler, self.said = crawler, said


class DriftError(TotelakeError):
    """The ingested bucket holds something else than is declared."""

    _TOLD = 5

    def __init__(self, differences: list[str]) -> None:
        """Tell the first five `differences`, each naming a table, and where it has one a column and the batches."""
        more = [f"and {len(differences) - self._TOLD} more, see the log"] if len(differences) > self._TOLD else []
        super().__init__(
            f"The ingested bucket is not what is declared: {'; '.join(differences[: self._TOLD] + more)}. Nothing was "
            f"changed. Declare the column in totelake/tables/sources.py and deploy, undo the change in totesys, or "
            f"accept it in crawlers/ingested.json; what the crawler left out, its log explains."
        )
        self.differences = differences


class UnforeseenError(TotelakeError):
    """Something went wrong that no other error foresees, and said so on many lines: this is the one that tells."""

    def __init__(self, error: Exception) -> None:
        """Take the first line of `error`, or the second where Java's own begins there."""
        first, *rest = str(error).strip().splitlines()
        said = rest[0].removeprefix(":").strip() if rest and rest[0].startswith(":") else first
        super().__init__(f"{type(error).__name__}: {said.rstrip('.')}. The log has all of it.")
