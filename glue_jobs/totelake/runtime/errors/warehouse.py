"""Errors of the warehouse: its tables, its ledger, and the load into it."""

from collections.abc import Sequence

from totelake.runtime.errors.base import TotelakeError

_REBUILD = "`totelake rebuild warehouse` (on AWS: the load job once with --rebuild true)"
_REBUILD_PROCESSED = (
    "`totelake rebuild processed` (on AWS: the transform job once with --rebuild true, then the load job)"
)


class WarehouseSchemaError(TotelakeError):
    """The tables of the warehouse do not match the declarations and the ledger."""


class WarehouseColumnsError(WarehouseSchemaError):
    """A table of the warehouse has other columns than its declaration."""

    def __init__(
        self, table: str, missing: list[str], undeclared: list[str], retyped: dict[str, tuple[str, str]]
    ) -> None:
        """Take the `missing` and `undeclared` columns, and the actual and declared type of each of the `retyped`."""
        problems = [f"column {name} is missing" for name in missing]
        problems += [f"column {name} is not declared" for name in undeclared]
        problems += [f"column {name} is {actual}, declared {declared}" for name, (actual, declared) in retyped.items()]
        super().__init__(
            f"warehouse table {table}: {'; '.join(problems)}. Nothing was loaded. "
            f"Alter the table to match `totelake ddl`, or rename it and run {_REBUILD}."
        )
        self.table, self.missing, self.undeclared, self.retyped = table, missing, undeclared, retyped

    @classmethod
    def check(cls, table: str, actual: dict[str, str], declared: dict[str, str]) -> None:
        """Raise the error unless the `actual` columns and types of `table` are the `declared` ones."""
        if actual != declared:
            raise cls(
                table,
                missing=[name for name in declared if name not in actual],
                undeclared=[name for name in actual if name not in declared],
                retyped={
                    name: (actual[name], declared[name])
                    for name in declared
                    if name in actual and actual[name] != declared[name]
                },
            )


class WarehouseDefinitionError(WarehouseSchemaError):
    """The warehouse lacks tables, views or keys, and the role of the load does not own it, so it cannot create them."""

    def __init__(self, missing: list[str]) -> None:
        """Take the names of what is missing, none if it is the schema of the staging tables."""
        super().__init__(
            f"The warehouse lacks {', '.join(missing) or 'the schema staging'}, which only its owner can create. "
            "Nothing was loaded. Run the define job, or the statements of `totelake ddl --roles` as owner, then load."
        )
        self.missing = missing


class WarehouseTablesError(WarehouseSchemaError):
    """Tables of the warehouse are missing or empty, although rows of them were loaded."""

    def __init__(self, problems: dict[str, str]) -> None:
        """Take the problem of each table, such as `is missing`."""
        listed = "; ".join(f"{table} {problem}" for table, problem in problems.items())
        super().__init__(
            f"Tables of the warehouse lost their rows: {listed}. Nothing was loaded. Restore them from a backup, or "
            f"run {_REBUILD}, which loads every batch again."
        )
        self.problems = problems


class WarehouseOwnerError(WarehouseSchemaError):
    """Relations with the names of tables or views of the warehouse, or its staging schema, belong to other roles."""

    def __init__(self, owners: dict[str, str]) -> None:
        """Take the owner of each relation or schema."""
        listed = "; ".join(f"{relation} belongs to {owner}" for relation, owner in owners.items())
        super().__init__(
            f"Relations of the warehouse belong to other roles, whose functions they could call: {listed}. Nothing was "
            "read or loaded. Rename or drop them, or change their owner (ALTER TABLE … OWNER TO …, ALTER SCHEMA …) if "
            "you trust it."
        )
        self.owners = owners


class WarehouseKeysError(WarehouseSchemaError):
    """A table of the warehouse lacks a key, and it cannot be added."""

    def __init__(self, table: str, key: str, statement: str, message: str) -> None:
        """Take the `table`, the `key`, the `statement` that adds it, and the `message` of the database."""
        super().__init__(
            f"warehouse table {table}: {key} is missing and cannot be added: {message}. Nothing was loaded. Correct "
            f"the rows and run `{statement}`, or run {_REBUILD}."
        )
        self.table, self.key = table, key


class WarehouseReferenceError(WarehouseSchemaError):
    """Foreign keys of other tables reference star tables or the ledger, so a rebuild cannot empty these."""

    def __init__(self, references: list[tuple[str, str, str, str]]) -> None:
        """Take the references: the referencing table, its constraint, the referenced table, and the definition."""
        listed = "; ".join(f"{constraint} of {table} references {star}" for table, constraint, star, _ in references)
        drop = "; ".join(f"ALTER TABLE {table} DROP CONSTRAINT {name}" for table, name, _, _ in references)
        add = "; ".join(f"ALTER TABLE {table} ADD CONSTRAINT {name} {text}" for table, name, _, text in references)
        super().__init__(
            f"Foreign keys of other tables prevent a rebuild of the warehouse: {listed}. Nothing was changed. Drop "
            f"them (`{drop}`), rebuild, and add them again (`{add}`). A rebuild assigns new surrogate keys to facts."
        )
        self.references = references


class LedgerError(TotelakeError):
    """A batch would be loaded out of order, or ledger and commit log disagree."""


class StagingError(TotelakeError):
    """The staged rows do not match the batch."""

    def __init__(
        self,
        table: str,
        expected: int,
        actual: int,
        key: Sequence[str] = (),
        duplicates: Sequence[tuple[tuple[object, ...], int]] = (),
    ) -> None:
        """Take how many distinct rows of `table` are `expected` from the batch and how many are staged.

        `duplicates` are values of the columns `key` that the batch has more than once, each with its count.
        """
        counts = f"{table}: the batch has {expected} rows, staging {actual}"
        if duplicates:
            listed = ", ".join(f"({', '.join(map(str, values))}) {copies} times" for values, copies in duplicates)
            reason = (
                f"its files have the same key ({', '.join(key)}) more than once: {listed}. Nothing was merged. A batch "
                f"is immutable, so run {_REBUILD_PROCESSED}, which writes it again without duplicates."
            )
        elif actual < expected:
            reason = f"{expected - actual} rows did not arrive. Nothing was merged; run again."
        else:
            reason = f"{actual - expected} rows are more than its commit record lists. Nothing was merged; run again."
        super().__init__(f"{counts}: {reason}")
        self.table, self.expected, self.actual, self.duplicates = table, expected, actual, tuple(duplicates)


class OrphanError(TotelakeError):
    """A fact references a row that its dimension does not have."""

    def __init__(self, batch_id: str | None, facts: list[str], message: str = "") -> None:
        """Take the batch if there is one, the `facts` that may be affected, and the `message` of the database."""
        super().__init__(
            f"{f'Batch {batch_id}: rows' if batch_id else 'Rows'} of {' or '.join(facts)} reference a dimension row "
            f"that neither the warehouse nor the batch has{f': {message}' if message else ''}. Nothing was loaded. "
            f"Dimension rows were lost: run {_REBUILD}."
        )
        self.batch_id, self.facts = batch_id, facts


class StatementError(TotelakeError):
    """The warehouse rejected a statement."""

    def __init__(self, place: str, message: str, statement: int | None) -> None:
        """Take the `message` of the warehouse at `place`, and the statement's index, None where it is not known."""
        super().__init__(
            f"The warehouse ({place}) rejected a statement: {message}. Its transaction was rolled back. Correct the "
            f"cause, such as a trigger or a constraint that was added to a table, and run again."
        )
        self.message, self.statement = message, statement
