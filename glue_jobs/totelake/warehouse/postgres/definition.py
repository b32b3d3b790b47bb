"""The warehouse as Postgres defines it: tables, keys, indexes, views and comments, all from the declarations."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from psycopg import sql

from totelake.tables import STAR_TABLES, Column, StarTable
from totelake.warehouse import comments
from totelake.warehouse.names import LEDGER, SCHEMA, STAGING_SCHEMA, as_text, current_columns, current_view, listed

_LEDGER_TABLE = """\
CREATE TABLE IF NOT EXISTS {ledger} (
    "processed_sequence" integer PRIMARY KEY,
    "batch_id" varchar NOT NULL UNIQUE,
    "first_ingested" integer NOT NULL,
    "last_ingested" integer NOT NULL,
    "snapshot_taken_at" timestamptz NOT NULL,
    "rows" jsonb NOT NULL,
    "run_id" varchar NOT NULL,
    "code_version" varchar NOT NULL,
    "loaded_at" timestamptz NOT NULL DEFAULT clock_timestamp()
)"""


def ddl() -> str:
    """Return the statements that make the warehouse, in order; where all of it is there they change nothing."""
    idempotent = [
        sql.SQL("DO $$ BEGIN\n    {};\nEXCEPTION WHEN duplicate_object THEN NULL;\nEND $$").format(add)
        for add in (key.add for key in foreign_keys())
    ]
    return as_text([*statements(), *idempotent])


def statements() -> list[sql.Composed]:
    """Return the statements that make everything but the foreign keys, each of them idempotent."""
    made = [
        sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(STAGING_SCHEMA)),
        sql.SQL(_LEDGER_TABLE).format(ledger=sql.Identifier(SCHEMA, LEDGER)),
        sql.SQL("COMMENT ON TABLE {} IS {}").format(
            sql.Identifier(SCHEMA, LEDGER), sql.Literal(comments.LEDGER_COMMENT)
        ),
    ]
    for table in STAR_TABLES.values():
        made += [_create_table(table), *comments.on_table(table), _create_current_view(table)]
        made.append(comments.on_view(table))
    mark = sql.Literal(staging_comment(made))
    return [*made, sql.SQL("COMMENT ON SCHEMA {} IS {}").format(sql.Identifier(STAGING_SCHEMA), mark)]


@dataclass(frozen=True, slots=True)
class Key:
    """A primary key or a unique key of a table."""

    table: str
    kind: str
    columns: tuple[str, ...]

    @property
    def definition(self) -> str:
        """The key as `pg_get_constraintdef` tells it."""
        return f"{self.kind} ({', '.join(self.columns)})"

    @property
    def add(self) -> sql.Composed:
        """The statement that adds it."""
        return _add(self.table, sql.SQL("{} ({})").format(sql.SQL(self.kind), listed(self.columns)))


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A reference of a fact to a dimension, which is a constraint of its own name."""

    table: str
    column: str
    dimension: str
    key: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the constraint."""
        return f"{self.table}_{self.column}_fkey"

    @property
    def definition(self) -> str:
        """The key as `pg_get_constraintdef` tells it."""
        return f"FOREIGN KEY ({self.column}) REFERENCES {self.dimension}({', '.join(self.key)})"

    @property
    def add(self) -> sql.Composed:
        """The statement that adds it."""
        key = sql.SQL("CONSTRAINT {name} FOREIGN KEY ({column}) REFERENCES {dimension} ({key})").format(
            name=sql.Identifier(self.name),
            column=sql.Identifier(self.column),
            dimension=sql.Identifier(SCHEMA, self.dimension),
            key=listed(self.key),
        )
        return _add(self.table, key)

    @property
    def drop(self) -> sql.Composed:
        """The statement that drops it."""
        return sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(
            sql.Identifier(SCHEMA, self.table), sql.Identifier(self.name)
        )


def keys() -> list[Key]:
    """Return the primary key of each table, and what else is unique in it."""
    found = [Key(LEDGER, "PRIMARY KEY", ("processed_sequence",)), Key(LEDGER, "UNIQUE", ("batch_id",))]
    for table in STAR_TABLES.values():
        found += [Key(table.name, "PRIMARY KEY", table.key)]
        found += [Key(table.name, "UNIQUE", table.identity)] if table.surrogate else []
    return found


def foreign_keys() -> list[ForeignKey]:
    """Return every reference of a star table."""
    return [
        ForeignKey(table.name, column.name, column.references, STAR_TABLES[column.references].key)
        for table in STAR_TABLES.values()
        for column in table.columns
        if column.references
    ]


def staging_comment(made: Iterable[sql.Composed]) -> str:
    """Return what the staging schema says of itself; its digest tells whether a warehouse has the statements `made`."""
    digest = hashlib.sha256(as_text(made).encode()).hexdigest()[:16]
    return f"Where loads copy to; empty between them. Definition of the warehouse: {digest}."


def _add(table: str, constraint: sql.Composed) -> sql.Composed:
    return sql.SQL("ALTER TABLE {} ADD {}").format(sql.Identifier(SCHEMA, table), constraint)


def _create_table(table: StarTable) -> sql.Composed:
    lines = [_column(column) for column in table.stored_columns]
    if table.surrogate:
        surrogate = sql.Identifier(table.surrogate)
        lines.insert(0, sql.SQL("{} integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY").format(surrogate))
        lines.append(sql.SQL("UNIQUE ({})").format(listed(table.identity)))
    else:
        lines.append(sql.SQL("PRIMARY KEY ({})").format(listed(table.key)))
    return sql.SQL("CREATE TABLE IF NOT EXISTS {} (\n    {}\n)").format(
        sql.Identifier(SCHEMA, table.name), sql.SQL(",\n    ").join(lines)
    )


def _column(column: Column) -> sql.Composed:
    line = sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.type.postgres))
    return line if column.nullable else line + sql.SQL(" NOT NULL")


def _create_current_view(table: StarTable) -> sql.Composed:
    return sql.SQL(
        'CREATE OR REPLACE VIEW {view} AS\nSELECT {columns}\nFROM {rows}\nWHERE "_deleted_at" IS NULL'
    ).format(
        view=sql.Identifier(SCHEMA, current_view(table)),
        columns=listed(current_columns(table)),
        rows=_latest_versions(table) if table.is_fact else sql.Identifier(SCHEMA, table.name),
    )


def _latest_versions(table: StarTable) -> sql.Composed:
    # Not by _source_version: two transactions can write a row in the opposite order of their numbers. Backwards, so
    # that the index of the identity has the rows in this order.
    return sql.SQL(
        '(SELECT DISTINCT ON ({key}) * FROM {table} ORDER BY {downwards}, "_ingested_sequence" DESC) AS latest'
    ).format(
        key=listed(table.natural_key),
        table=sql.Identifier(SCHEMA, table.name),
        downwards=sql.SQL(", ").join(sql.SQL("{} DESC").format(sql.Identifier(name)) for name in table.natural_key),
    )
