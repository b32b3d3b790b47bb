"""Everything that totelake itself can find wrong.

TotelakeError
├── TransientError         what may pass by itself: the run tries again, and so does the next one
│   ├── DatabaseUnavailableError  totesys or the warehouse does not answer, or hung up
│   ├── DatabaseInterruptedError  it broke off a statement: a deadlock, a timeout, a snapshot that is gone
│   ├── SourceChangedError        a table of totesys was altered while it was read
│   └── AwsUnavailableError       S3, the catalog or another service does not answer
├── DatabaseRefusedError   totesys or the warehouse does not let the role in, or not do what it has to
│   └── DatabaseReadOnlyError     it takes no writes: a standby, or a setting of the role or database
├── StorageFullError       there is no space left where the run writes
├── SourceSchemaError      a table of totesys is not the one that was declared
│   └── UnreadableTableError      its rows, or their changes, cannot be read reliably
├── SourceValueError       a value of totesys cannot be stored exactly
├── DuplicateKeyError      rows of totesys have the same key, or none
├── EncodingError          a database's encoding does not say what its text is
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
├── WarehouseSchemaError   the tables of the warehouse are not those that were declared and loaded
│   ├── WarehouseColumnsError     a table has other columns than its declaration
│   ├── WarehouseTablesError      a table is missing or empty, although rows of it were loaded
│   ├── WarehouseKeysError        a table lacks a key, and its rows do not allow it
│   └── WarehouseReferenceError   a foreign key of a table that is not totelake's keeps a rebuild out
├── AlreadyRunningError    another run of this stage holds its lock
├── LedgerError            a batch would be loaded out of order, or twice with other content
├── StagingError           what was copied into staging is not what the batch holds
├── OrphanError            a fact refers to a row that its dimension does not have
├── StatementError         the warehouse does not carry out a statement
├── ReconcileError         the warehouse shows something else than totesys holds, or a table could not be compared
├── ComparisonError        a table cannot be compared, since one side cannot be read
├── CrawlError             the crawler has left nothing that could be judged
├── DriftError             the ingested bucket holds something else than is declared
└── UnforeseenError        something that none of these foresees
"""

import re
from collections.abc import Iterable, Sequence

_GOES_ON = "Nothing was lost; the next run goes on from the last commit."
_REBUILD = "`totelake rebuild warehouse` (on AWS: the load job once with --rebuild true)"
_REBUILD_PROCESSED = (
    "`totelake rebuild processed` (on AWS: the transform job once with --rebuild true, then the load job)"
)
# What Postgres adds to the first line of an error, up to the next of its headings or the end of Java's message.
_DETAILS = re.compile(
    r"^\s*(?:detail|hint): +(.+?)(?=^\s*(?:detail|hint|context|where|query|position|line \d+): |^\s+at |\Z)",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)


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


class SourceChangedError(TransientError):
    """A table of totesys was altered while it was read, so that the batch would not show one moment of it."""

    def __init__(self, table: str) -> None:
        """Name the `table`."""
        super().__init__(
            f"totesys.{table} was altered, or a child attached to it, while it was read. Nothing was committed; the "
            f"batch is read again."
        )
        self.table = table


class AwsUnavailableError(TransientError):
    """A service of AWS does not answer, or asks to come again later."""

    def __init__(self, said: str) -> None:
        """Repeat what the service or the way to it `said`."""
        super().__init__(f"AWS is not available: {said}. {_GOES_ON}")
        self.said = said


class DatabaseRefusedError(TotelakeError):
    """A database does not let the role in, or does not let it do what the run has to do."""

    _WAY_OUT = "Correct the Glue connection, its secret or the rights of the role, and run again."

    def __init__(self, database: str, said: str) -> None:
        """Name the `database` with the role and its place, and what was `said`."""
        super().__init__(f"{database} refused: {said}. Nothing was lost. {self._WAY_OUT}")
        self.database, self.said = database, said


class DatabaseReadOnlyError(DatabaseRefusedError):
    """A database takes no writes."""

    _WAY_OUT = (
        "The database is read-only: point the Glue connection to the primary server if this is a standby; otherwise "
        "reset default_transaction_read_only (ALTER ROLE … RESET, ALTER DATABASE … RESET). Then run again."
    )


class StorageFullError(TotelakeError):
    """There is no space left where the run writes."""

    def __init__(self, said: str) -> None:
        """Repeat what was `said` by whoever could not write."""
        super().__init__(f"{said}. Nothing of the batch is visible. Make room and run again.")
        self.said = said


class SourceSchemaError(TotelakeError):
    """The source table is not the one that was declared."""

    def __init__(self, table: str, faults: list[str], remedy: str = "") -> None:
        """List the `faults` of `table`, and say how to correct them where undoing or declaring the change does not."""
        super().__init__(
            f"totesys.{table}: {'; '.join(faults)}. Nothing was read. "
            f"{remedy or 'Undo the change in totesys or declare it in totelake/tables/sources.py.'}"
        )
        self.table, self.faults = table, faults


class UnreadableTableError(SourceSchemaError):
    """All rows of a source table, or all of their changes, cannot be read reliably."""


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
    """Rows of the source hold values that the lake cannot store exactly."""

    def __init__(self, table: str, column: str, rows: int, keys: list[str], limits: str) -> None:
        """Name the `column`, how many changed `rows` hold such a value, a few of their `keys`, and what is possible."""
        super().__init__(
            f"totesys.{table}: {rows} changed rows hold a value in column {column} that would not arrive exactly, "
            f"which takes {limits}: {_listed(keys, rows)}. Nothing was read. Correct these rows in totesys."
        )
        self.table, self.column, self.rows, self.keys = table, column, rows, keys


class DuplicateKeyError(TotelakeError):
    """Rows of a source table have the same key, or no key."""

    def __init__(self, table: str, key: str, keys: list[str], duplicates: int, children: list[str]) -> None:
        """Name the `key` columns, how many keys are `duplicates`, some of them, and the table's `children`."""
        of_children = (
            f" Rows of {', '.join(children)} count as rows of this table, unless ALTER TABLE … NO INHERIT detaches it."
            if children
            else ""
        )
        super().__init__(
            f"totesys.{table}: {key} is declared as the key, and {duplicates} of its values are NULL or occur more "
            f"than once: {_listed(keys, duplicates)}. Nothing was committed.{of_children} Remove or correct the rows "
            f"in totesys; a primary key or a unique constraint keeps them out."
        )
        self.table, self.key, self.keys, self.duplicates = table, key, keys, duplicates


class EncodingError(TotelakeError):
    """A database has an encoding in which text does not arrive exactly."""

    def __init__(self, database: str, encoding: str, reason: str, remedy: str) -> None:
        """Name the `database` with its place, its `encoding`, the `reason` why that will not do, and the `remedy`."""
        super().__init__(f"{database} has the encoding {encoding}: {reason}. {remedy}")
        self.database, self.encoding = database, encoding


def _listed(examples: list[str], of: int) -> str:
    return ", ".join(examples) + (", …" if of > len(examples) else "")


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
    """The tables of the warehouse are not those that were declared and loaded."""


class WarehouseColumnsError(WarehouseSchemaError):
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
            f"Alter the table to look as `totelake ddl` prints it, or rename it and run {_REBUILD}."
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


class WarehouseTablesError(WarehouseSchemaError):
    """Tables of the warehouse are missing or empty, although rows of them were loaded."""

    def __init__(self, faults: dict[str, str]) -> None:
        """Say of each table what its fault is, such as `is missing`."""
        told = "; ".join(f"{table} {fault}" for table, fault in faults.items())
        super().__init__(
            f"Tables of the warehouse lost their rows: {told}. Nothing was loaded. Restore them from a backup, or run "
            f"{_REBUILD}, which makes what is missing and loads every batch again."
        )
        self.faults = faults


class WarehouseKeysError(WarehouseSchemaError):
    """A table of the warehouse lacks a key, and it cannot be added."""

    def __init__(self, table: str, key: str, statement: str, said: str) -> None:
        """Name the `table` and the `key`, the `statement` that adds it, and what the database `said` to that."""
        super().__init__(
            f"warehouse table {table}: {key} is missing and cannot be added: {said}. Nothing was loaded. Correct the "
            f"rows and run `{statement}`, or run {_REBUILD}."
        )
        self.table, self.key = table, key


class WarehouseReferenceError(WarehouseSchemaError):
    """Foreign keys of other tables refer to star tables, which therefore cannot be emptied for a rebuild."""

    def __init__(self, references: list[tuple[str, str, str, str]]) -> None:
        """Name each reference: the table that refers, its constraint, the star table, and the definition."""
        told = "; ".join(f"{constraint} of {table} refers to {star}" for table, constraint, star, _ in references)
        drop = "; ".join(f"ALTER TABLE {table} DROP CONSTRAINT {name}" for table, name, _, _ in references)
        add = "; ".join(f"ALTER TABLE {table} ADD CONSTRAINT {name} {text}" for table, name, _, text in references)
        super().__init__(
            f"Foreign keys of other tables keep the warehouse from being rebuilt: {told}. Nothing was changed. Drop "
            f"them (`{drop}`), rebuild, and add them again (`{add}`). A rebuild numbers the rows of facts anew."
        )
        self.references = references


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

    def __init__(
        self,
        table: str,
        expected: int,
        found: int,
        key: Sequence[str] = (),
        duplicates: Sequence[tuple[tuple[object, ...], int]] = (),
    ) -> None:
        """Say how many distinct rows the batch has for `table` and how many reached staging.

        `duplicates` are values of the columns `key` that the batch has more than once, each with how often.
        """
        counts = f"{table}: the batch holds {expected} rows, staging {found}"
        if duplicates:
            told = ", ".join(f"({', '.join(map(str, values))}) {copies} times" for values, copies in duplicates)
            why = (
                f"its files have the same key ({', '.join(key)}) more than once: {told}. Nothing was merged. A batch "
                f"never changes, so run {_REBUILD_PROCESSED}: the batch is made again without duplicates."
            )
        elif found < expected:
            why = f"{expected - found} rows did not arrive. Nothing was merged; run again."
        else:
            why = f"{found - expected} rows are more than its record says. Nothing was merged; run again."
        super().__init__(f"{counts}: {why}")
        self.table, self.expected, self.found, self.duplicates = table, expected, found, tuple(duplicates)


class OrphanError(TotelakeError):
    """A fact refers to a row that its dimension does not have."""

    def __init__(self, batch_id: str | None, facts: list[str], said: str = "") -> None:
        """Name the batch, if there is one, the `facts` one of which it is, and what the database `said`."""
        super().__init__(
            f"{f'Batch {batch_id}: rows' if batch_id else 'Rows'} of {' or '.join(facts)} refer to a dimension's row "
            f"that neither the warehouse nor the batch has{f': {said}' if said else ''}. Nothing was loaded. Rows were "
            f"lost: run {_REBUILD}."
        )
        self.batch_id, self.facts = batch_id, facts


class StatementError(TotelakeError):
    """The warehouse does not carry out a statement."""

    def __init__(self, place: str, said: str, statement: int | None) -> None:
        """Repeat what the warehouse at `place` `said`; the `statement` is counted from 0, None where it is not told."""
        super().__init__(
            f"The warehouse ({place}) refused a statement: {said}. Nothing of its transaction was kept. Correct what "
            f"it names, such as a trigger or a constraint that was added to a table, and run again."
        )
        self.said, self.statement = said, statement


class ComparisonError(TotelakeError):
    """A table cannot be compared, since one side of the comparison cannot be read."""

    def __init__(self, side: str, said: str) -> None:
        """Name the `side`, and repeat what was `said` of its rows."""
        super().__init__(f"{side}: {said}")
        self.side, self.said = side, said


class ReconcileError(TotelakeError):
    """The warehouse shows something else than totesys holds and no batch to come explains it, or cannot be compared."""

    def __init__(
        self, last_ingested: int, differences: dict[str, list[str]], rows: dict[str, int], failed: dict[str, str]
    ) -> None:
        """Name the ingested batch that was loaded last, and for each table its `differences` and how many `rows`.

        `failed` says for each table that could not be compared which side could not be read, and why.
        """
        told = [f"{table}: {rows[table]} rows ({'; '.join(found)})" for table, found in differences.items()]
        unread = [f"{table} ({said})" for table, said in failed.items()]
        different = (
            f"The warehouse differs from totesys beyond what came after ingested batch {last_ingested}. "
            f"{'. '.join(told)}. Nothing was changed. Find out what wrote or lost these rows before they are put right."
        )
        not_compared = (
            f"Could not be compared: {', '.join(unread)}. Every other table was. Correct what is said, in the database "
            f"or in the rights of the role, and run reconcile again."
        )
        super().__init__(" ".join([different] * bool(told) + [not_compared] * bool(unread)))
        self.last_ingested, self.differences, self.rows, self.failed = last_ingested, differences, rows, failed


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
        """Take the first line of `error`, or the second where Java's own begins there, and a database's details."""
        first, *rest = str(error).strip().splitlines()
        said = rest[0].removeprefix(":").strip() if rest and rest[0].startswith(":") else first
        details = [" ".join(found[1].split()) for found in _DETAILS.finditer(str(error))]
        said = ". ".join(each.rstrip(".") for each in (said, *details))
        super().__init__(f"{type(error).__name__}: {said.rstrip('.')}. The log has all of it.")
