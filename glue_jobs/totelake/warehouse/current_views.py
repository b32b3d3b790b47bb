"""The view `current_<table>` of each star table in Postgres, Redshift and Athena: the current records of totesys.

For a fact it has the latest version of each record, by ingested batch and not by `_source_version`: two transactions
can write a row in the opposite order of their ids. Deleted records are excluded.
"""

from psycopg import sql

from totelake.tables.model import DELETED_AT, INGESTED_SEQUENCE, Column, StarTable
from totelake.warehouse.names import SCHEMA, current_columns, current_view, listed


def create_in_postgres(table: StarTable) -> sql.Composed:
    """Return the statement that creates the view in Postgres."""
    # Descending, to match a backward scan of the identity's index.
    return _create(
        table,
        sql.SQL(
            '(SELECT DISTINCT ON ({key}) * FROM {table} ORDER BY {descending}, "_ingested_sequence" DESC) AS latest'
        ).format(
            key=listed(table.natural_key),
            table=sql.Identifier(SCHEMA, table.name),
            descending=sql.SQL(", ").join(
                sql.SQL("{} DESC").format(sql.Identifier(name)) for name in table.natural_key
            ),
        ),
    )


def create_in_redshift(table: StarTable) -> sql.Composed:
    """Return the statement that creates the view in Redshift."""
    # The condition on _age is in an inner query, so that _deleted_at is tested on the latest version only.
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
    """Return the columns of the view in Athena: the warehouse's, without the surrogate key, which the lake lacks."""
    names = current_columns(table)
    return [column for column in table.stored_columns if column.name in names]


def query_in_athena(table: StarTable, versions: str = "") -> str:
    """Return the query of the view in Athena's SQL, of all rows of `table` or of those that the query `versions` has.

    The catalog has the partitions of active batches only, so superseded batches do not count.
    """
    names = ", ".join(_quoted(column.name) for column in columns_in_athena(table))
    key = ", ".join(map(_quoted, table.natural_key))
    newest_first = f"row_number() OVER (PARTITION BY {key} ORDER BY {_quoted(INGESTED_SEQUENCE.name)} DESC)"
    rows = f"({versions})" if versions else _quoted(table.name)
    numbered = f"SELECT *, {newest_first} AS version FROM {rows}"  # noqa: S608 - declared names
    return f"SELECT {names} FROM ({numbered}) WHERE version = 1 AND {_quoted(DELETED_AT.name)} IS NULL"  # noqa: S608


def versions_in_athena(table: StarTable, database: str, last: int) -> str:
    """Return the query of the rows of `table` in `database` up to the ingested batch `last`, in Athena's SQL."""
    rows = f"{_quoted(database)}.{_quoted(table.name)}"
    return f"SELECT * FROM {rows} WHERE {_quoted(INGESTED_SEQUENCE.name)} <= {last:d}"  # noqa: S608 - declared names


def _quoted(name: str) -> str:
    return f'"{name}"'
