"""The identity of a source table: it changes when rows change in ways that `xmin` does not show.

A row written by a transaction has a new `xmin`. Rows also change without one: another table takes the name, a child is
attached, a column is dropped and added with a default. All of that is in Postgres' catalogs.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import psycopg

from totelake.lake.batches import TableIdentity
from totelake.tables import SourceTable

# One row for each column of each table and of its children. The catalog has the value that ALTER TABLE … ADD COLUMN …
# DEFAULT gave to existing rows, and the expression of a generated column, which is not deparsed since that takes a
# lock. The rows of temporary children are visible to their own session only. The search path does not have the schema
# `public`, so Postgres writes it before the names of its tables and types; an identity has them without it.
_COLUMNS = r"""
WITH RECURSIVE family AS (
    SELECT table_.oid AS root, table_.oid AS member
    FROM pg_class AS table_
    WHERE table_.relnamespace = 'public'::regnamespace AND table_.relname = ANY(%s)
    UNION
    SELECT family.root, link.inhrelid
    FROM family
    JOIN pg_inherits AS link ON link.inhparent = family.member
    JOIN pg_class AS child ON child.oid = link.inhrelid AND child.relpersistence <> 't'
)
SELECT root.relname, root.oid = member.oid, member.oid::bigint,
       regexp_replace(member.oid::regclass::text, '^public\.', ''), member.relkind::text,
       root.relrowsecurity, row_security_active(root.oid), own.attname, own.attnum,
       format_type(own.atttypid, NULL), regexp_replace(format_type(own.atttypid, own.atttypmod), '^public\.', ''),
       own.attnotnull AND NOT EXISTS (
           SELECT FROM pg_constraint AS unchecked
           WHERE unchecked.conrelid = own.attrelid AND unchecked.contype = 'n'
               AND own.attnum = ANY(unchecked.conkey) AND NOT unchecked.convalidated
       ),
       CASE WHEN length(own.attmissingval::text) > 100 THEN md5(own.attmissingval::text)
           ELSE own.attmissingval::text END,
       CASE WHEN own.attgenerated <> '' THEN md5(value.adbin::text) END,
       EXISTS (
           WITH RECURSIVE base AS (
               SELECT own.atttypid AS type
               UNION
               SELECT domain_.typbasetype FROM pg_type AS domain_ JOIN base ON base.type = domain_.oid
               WHERE domain_.typbasetype <> 0
           )
           SELECT FROM pg_type JOIN base ON base.type = pg_type.oid
           WHERE typbasetype = 0 AND pg_type.oid >= 16384  -- those below are part of Postgres
       )
FROM family
JOIN pg_class AS root ON root.oid = family.root
JOIN pg_class AS member ON member.oid = family.member
JOIN pg_attribute AS own ON own.attrelid = member.oid AND own.attnum > 0 AND NOT own.attisdropped
LEFT JOIN pg_attrdef AS value ON value.adrelid = member.oid AND value.adnum = own.attnum
ORDER BY root.relname, root.oid = member.oid DESC, member.oid, own.attnum
"""
# Unique indexes on plain columns and all rows; that of a partitioned table is valid if every partition has it.
_UNIQUE = """
SELECT table_.relname, ARRAY(
    SELECT own.attname::text FROM pg_attribute AS own
    WHERE own.attrelid = table_.oid AND own.attnum = ANY((index_.indkey::int2[])[0:index_.indnkeyatts - 1])
)
FROM pg_index AS index_ JOIN pg_class AS table_ ON table_.oid = index_.indrelid
WHERE table_.relnamespace = 'public'::regnamespace AND table_.relname = ANY(%s)
    AND index_.indisunique AND index_.indisvalid AND index_.indpred IS NULL AND index_.indexprs IS NULL
"""
TABLE, PARTITIONED_TABLE = "r", "p"
KINDS = {"r": "table", "p": "partitioned table", "v": "view", "m": "materialized view", "f": "foreign table"}


@dataclass(frozen=True, slots=True)
class ActualColumn:
    """A column in the database: its type without modifier, and whether it is nullable.

    `has_own_type`: its type, below domains, is not part of Postgres. The type's owner may create a cast to text at any
    time, also while rows are read.
    """

    name: str
    type: str
    nullable: bool
    has_own_type: bool

    @property
    def as_text(self) -> str:
        """The template of its value as text: the type's own output, not the result of another role's function."""
        return "CASE WHEN num_nulls({0}) = 0 THEN concat({0}) END" if self.has_own_type else "{0}::text"


@dataclass(frozen=True, slots=True)
class ActualTable:
    """A table in the database: `members` are the table and its children, by oid, each with its name and kind."""

    identity: TableIdentity
    members: dict[int, tuple[str, str]]
    filtered: bool
    columns: tuple[ActualColumn, ...]
    unique: tuple[frozenset[str], ...]

    @property
    def children(self) -> list[str]:
        """Its inheriting tables and partitions, on all levels."""
        return [name for oid, (name, _) in self.members.items() if oid != self.identity.oid]

    def has_unique(self, key: tuple[str, ...]) -> bool:
        """Return whether Postgres enforces that `key` is unique and not NULL."""
        nullable = {column.name for column in self.columns if column.nullable}
        covered = not self.children or self.identity.kind == KINDS[PARTITIONED_TABLE]
        return covered and nullable.isdisjoint(key) and any(columns <= set(key) for columns in self.unique)


def inspect(connection: psycopg.Connection[Any], tables: list[SourceTable]) -> dict[str, ActualTable]:
    """Return, by name, those of `tables` that exist in the schema `public`.

    In a transaction that has locked them, they are the tables that the transaction reads.
    """
    declared = {table.name: table for table in tables}
    names = list(declared)
    encoding = connection.info.parameter_status("server_encoding") or ""
    unique: dict[str, list[frozenset[str]]] = {name: [] for name in names}
    for name, columns in connection.execute(_UNIQUE, (names,)):
        unique[name].append(frozenset(columns))
    rows: dict[str, list[tuple[Any, ...]]] = {}
    for name, *row in connection.execute(_COLUMNS, (names,)):
        rows.setdefault(name, []).append(tuple(row))
    return {name: _table(declared[name], encoding, columns, unique[name]) for name, columns in rows.items()}


def _table(table: SourceTable, encoding: str, rows: list[tuple[Any, ...]], unique: list[frozenset[str]]) -> ActualTable:
    columns: list[ActualColumn] = []
    described: list[str] = []
    members: dict[int, tuple[str, str]] = {}
    children: dict[int, list[str]] = {}
    _, oid, _, kind, row_security, filtered, *_ = rows[0]
    for is_root, member, member_name, member_kind, _, _, name, number, type_, full_type, *properties in rows:
        not_null, value, made, has_own_type = properties
        members[member] = (member_name, member_kind)
        generated = f"generated {made}" if made else ""
        description = " ".join(filter(None, [str(number), name, full_type, _default(value), generated]))
        if is_root:
            columns.append(ActualColumn(name, type_, nullable=not not_null, has_own_type=has_own_type))
            described.append(description)
        else:
            children.setdefault(member, []).append(description)
    identity = TableIdentity(
        oid=oid,
        kind=KINDS.get(kind, kind),
        encoding=encoding,
        row_security=row_security,
        columns=tuple(described),
        children=tuple(_child(oid, *members[oid], columns) for oid, columns in children.items()),
        declared=tuple(f"{column.name} {column.type.spark}" for column in table.columns),
    )
    return ActualTable(identity, members, filtered, tuple(columns), tuple(unique))


def _child(oid: int, name: str, kind: str, columns: list[str]) -> str:
    """Return the identity of a child table, with a digest of its columns since there may be many partitions."""
    digest = hashlib.sha256("\n".join(columns).encode()).hexdigest()[:16]
    return f"{oid} {name} {KINDS.get(kind, kind)} {digest}"


def _default(value: str | None) -> str:
    """Return the value of an added column in earlier rows, an empty string if there is none."""
    return "" if value is None else f"default {value}"
