"""The definition of the warehouse in Postgres: tables, keys, views and comments, from the declarations."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from psycopg import sql

from totelake.tables import STAR_TABLES, Column, StarTable
from totelake.tables.ledger import LEDGER, LEDGER_COLUMNS, LEDGER_COMMENT
from totelake.warehouse import comments, current_views
from totelake.warehouse.names import SCHEMA, STAGING_SCHEMA, as_text, listed
from totelake.warehouse.postgres import functions


def ddl() -> str:
    """Return the idempotent statements that create the warehouse, in order."""
    idempotent = [
        sql.SQL("DO $$ BEGIN\n    {};\nEXCEPTION WHEN duplicate_object THEN NULL;\nEND $$").format(add)
        for add in (key.add for key in foreign_keys())
    ]
    return as_text([*statements(), *idempotent])


def statements() -> list[sql.Composed]:
    """Return the idempotent statements that create everything but the foreign keys."""
    created = [
        sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(STAGING_SCHEMA)),
        _create_ledger(),
        sql.SQL("COMMENT ON TABLE {} IS {}").format(sql.Identifier(SCHEMA, LEDGER), sql.Literal(LEDGER_COMMENT)),
    ]
    for table in STAR_TABLES.values():
        created += [_create_table(table), *comments.on_table(table), current_views.create_in_postgres(table)]
        created.append(comments.on_view(table))
    created += functions.create({key.name: key.replace for key in foreign_keys()})
    mark = sql.Literal(staging_comment(created))
    return [*created, sql.SQL("COMMENT ON SCHEMA {} IS {}").format(sql.Identifier(STAGING_SCHEMA), mark)]


@dataclass(frozen=True, slots=True)
class Key:
    """A primary key or a unique key of a table."""

    table: str
    kind: str
    columns: tuple[str, ...]

    @property
    def definition(self) -> str:
        """The key as `pg_get_constraintdef` returns it."""
        return f"{self.kind} ({', '.join(self.columns)})"

    @property
    def add(self) -> sql.Composed:
        """The statement that adds it."""
        return _add(self.table, sql.SQL("{} ({})").format(sql.SQL(self.kind), listed(self.columns)))


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key of a fact to a dimension."""

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
        """The key as `pg_get_constraintdef` returns it."""
        return f"FOREIGN KEY ({self.column}) REFERENCES {SCHEMA}.{self.dimension}({', '.join(self.key)})"

    @property
    def add(self) -> sql.Composed:
        """The statement that adds it."""
        return _add(self.table, self._constraint)

    @property
    def replace(self) -> sql.Composed:
        """The statements of PL/pgSQL that add it in place of one of its name; only dropping one blocks readers."""
        table, name = f"{SCHEMA}.{self.table}", self.name
        return sql.SQL(
            "IF EXISTS (SELECT FROM pg_constraint WHERE conrelid = {}::regclass AND conname = {}) THEN"
            " ALTER TABLE {} DROP CONSTRAINT {}; END IF; {}"
        ).format(table, name, sql.Identifier(SCHEMA, self.table), sql.Identifier(name), self.add)

    @property
    def _constraint(self) -> sql.Composed:
        return sql.SQL("CONSTRAINT {name} FOREIGN KEY ({column}) REFERENCES {dimension} ({key})").format(
            name=sql.Identifier(self.name),
            column=sql.Identifier(self.column),
            dimension=sql.Identifier(SCHEMA, self.dimension),
            key=listed(self.key),
        )


def keys() -> list[Key]:
    """Return the primary and unique keys of each table."""
    result = [Key(LEDGER, "PRIMARY KEY", ("processed_sequence",)), Key(LEDGER, "UNIQUE", ("batch_id",))]
    for table in STAR_TABLES.values():
        result += [Key(table.name, "PRIMARY KEY", table.key)]
        result += [Key(table.name, "UNIQUE", table.identity)] if table.surrogate else []
    return result


def foreign_keys() -> list[ForeignKey]:
    """Return the foreign keys of all star tables."""
    return [
        ForeignKey(table.name, column.name, column.references, STAR_TABLES[column.references].key)
        for table in STAR_TABLES.values()
        for column in table.columns
        if column.references
    ]


def staging_comment(created: Iterable[sql.Composed]) -> str:
    """Return the comment on the staging schema, with a digest of the statements that `created` the warehouse."""
    digest = hashlib.sha256(as_text(created).encode()).hexdigest()[:16]
    return f"Staging tables of loads; empty between loads. Definition of the warehouse: {digest}."


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


def _create_ledger() -> sql.Composed:
    lines = (
        sql.SQL(f"    {{}} {column.postgres} {column.constraints}").format(sql.Identifier(column.name))
        for column in LEDGER_COLUMNS
    )
    return sql.SQL("CREATE TABLE IF NOT EXISTS {} (\n{}\n)").format(
        sql.Identifier(SCHEMA, LEDGER), sql.SQL(",\n").join(lines)
    )
