"""The view `current_<table>` of each star table, in each system that has it: records as they are in totesys now.

Of a fact it shows the latest version of each record, by the number of the ingested batch and not by `_source_version`:
two transactions can write a row in the opposite order of their numbers. Deleted records are left out.
"""

from psycopg import sql

from totelake.tables.model import DELETED_AT, INGESTED_SEQUENCE, Column, StarTable
from totelake.warehouse.names import SCHEMA, current_columns, current_view, listed


def create_in_postgres(table: StarTable) -> sql.Composed:
    """Return the statement that creates the view in Postgres."""
    # Backwards, so that the index of the identity has the rows in this order.
    return _create(
        table,
        sql.SQL(
            '(SELECT DISTINCT ON ({key}) * FROM {table} ORDER BY {downwards}, "_ingested_sequence" DESC) AS latest'
        ).format(
            key=listed(table.natural_key),
            table=sql.Identifier(SCHEMA, table.name),
            downwards=sql.SQL(", ").join(sql.SQL("{} DESC").format(sql.Identifier(name)) for name in table.natural_key),
        ),
    )


def create_in_redshift(table: StarTable) -> sql.Composed:
    """Return the statement that creates the view in Redshift."""
    # The condition on _age is in a query of its own, so that _deleted_at is asked of the latest version only.
    return _create(
        table,
        sql.SQL(
            "(\n    SELECT {columns} FROM (\n        SELECT {columns},"
            ' ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY "_ingested_sequence" DESC) AS "_age"\n'
            '        FROM {table}\n    ) AS versions WHERE "_age" = 1\n) AS latest'
        ).format(
            columns=listed([*current_columns(table), "_deleted_at"]),
            key=listed(table.natural_key),
            table=sql.Identifier(SCHEMA, table.name),
        ),
    )


def _create(table: StarTable, latest_versions: sql.Composed) -> sql.Composed:
    return sql.SQL(
        'CREATE OR REPLACE VIEW {view} AS\nSELECT {columns}\nFROM {rows}\nWHERE "_deleted_at" IS NULL'
    ).format(
        view=sql.Identifier(SCHEMA, current_view(table)),
        columns=listed(current_columns(table)),
        rows=latest_versions if table.is_fact else sql.Identifier(SCHEMA, table.name),
    )


def columns_in_athena(table: StarTable) -> list[Column]:
    """Return the columns of the view in Athena: the warehouse's, without the surrogate key that only it assigns."""
    shown = current_columns(table)
    return [column for column in table.stored_columns if column.name in shown]


def query_in_athena(table: StarTable) -> str:
    """Return the query of the view in Athena's SQL.

    The catalog has only the partitions of active batches, so a zone that was rebuilt counts once.
    """
    names = ", ".join(_quoted(column.name) for column in columns_in_athena(table))
    key = ", ".join(map(_quoted, table.natural_key))
    youngest = f"row_number() OVER (PARTITION BY {key} ORDER BY {_quoted(INGESTED_SEQUENCE.name)} DESC)"
    versions = f"SELECT *, {youngest} AS version FROM {_quoted(table.name)}"  # noqa: S608 - declared names
    return f"SELECT {names} FROM ({versions}) WHERE version = 1 AND {_quoted(DELETED_AT.name)} IS NULL"  # noqa: S608


def _quoted(name: str) -> str:
    return f'"{name}"'
