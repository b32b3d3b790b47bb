"""The statements that merge the staged rows into the star tables."""

from psycopg import sql

from totelake.tables import Column, StarTable
from totelake.tables.model import VARCHAR
from totelake.warehouse.names import SCHEMA, STAGING_SCHEMA, listed


def delete_known(table: StarTable) -> sql.Composed:
    """Return the statement that deletes the rows from staging that `table` already has, so that new rows remain.

    A version of a fact exists if its identity does; a row of a dimension, if all columns but the batch are equal.
    Redshift's MERGE has no condition for that, and would write equal rows. Nor has its DELETE aliases:
    docs.aws.amazon.com/redshift/latest/dg/r_DELETE.html.
    """
    compared = table.identity if table.is_fact else [name for name in _names(table) if name != "_ingested_sequence"]
    columns = [column for column in table.stored_columns if column.name in compared]
    return sql.SQL("DELETE FROM {staging} USING {table} WHERE {same}").format(
        staging=staging(table),
        table=sql.Identifier(SCHEMA, table.name),
        same=sql.SQL(" AND ").join(_same(table, column) for column in columns),
    )


def merge_staged(table: StarTable) -> sql.Composed:
    """Return the statement that merges the remaining staged rows into `table`."""
    return _append(table, staging(table)) if table.is_fact else _merge(table)


def insert_staged(table: StarTable) -> sql.Composed:
    """Return the statement that fills the empty `table`; of several rows of a dimension the last batch's is used."""
    if table.is_fact:
        return _append(table, staging(table))
    latest = sql.SQL(
        "(SELECT * FROM (SELECT *,"
        ' ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY "_ingested_sequence" DESC) AS "_age"'
        ' FROM {staging}) AS versions WHERE "_age" = 1) AS latest'
    ).format(key=listed(table.key), staging=staging(table))
    return _append(table, latest)


def staging(table: StarTable) -> sql.Identifier:
    """Return the identifier of the staging table of `table`."""
    return sql.Identifier(STAGING_SCHEMA, staging_name(table))


def staging_name(table: StarTable) -> str:
    """Return the name of the staging table of `table`: another than its own, so that neither needs an alias."""
    return f"staged_{table.name}"


def _append(table: StarTable, rows: sql.Composable) -> sql.Composed:
    return sql.SQL("INSERT INTO {table} ({columns}) SELECT {values} FROM {rows}").format(
        table=sql.Identifier(SCHEMA, table.name),
        columns=listed(_names(table)),
        values=sql.SQL(", ").join(_cast(column, sql.Identifier(column.name)) for column in table.stored_columns),
        rows=rows,
    )


def _merge(table: StarTable) -> sql.Composed:
    """Return the MERGE by key; an earlier step has checked that staging has one row per key."""
    staged = {column.name: _cast(column, sql.Identifier("staged", column.name)) for column in table.stored_columns}
    return sql.SQL(
        "MERGE INTO {table} USING {staging} AS staged ON {matched}"
        " WHEN MATCHED THEN UPDATE SET {changes}"
        " WHEN NOT MATCHED THEN INSERT ({columns}) VALUES ({values})"
    ).format(
        table=sql.Identifier(SCHEMA, table.name),
        staging=staging(table),
        matched=sql.SQL(" AND ").join(
            sql.SQL("{} = {}").format(sql.Identifier(table.name, name), staged[name]) for name in table.key
        ),
        changes=sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), value)
            for name, value in staged.items()
            if name not in table.key
        ),
        columns=listed(staged),
        values=sql.SQL(", ").join(staged.values()),
    )


def _same(table: StarTable, column: Column) -> sql.Composed:
    """Return the condition that a column is equal in both tables; Redshift has no IS NOT DISTINCT FROM."""
    existing, staged = (sql.Identifier(name, column.name) for name in (table.name, staging_name(table)))
    equal = sql.SQL("{} = {}").format(existing, _cast(column, staged))
    if column.type == VARCHAR:
        # Redshift ignores trailing spaces in comparisons, but not in lengths.
        equal += sql.SQL(" AND LEN({}) = LEN({})").format(existing, staged)
    if not column.nullable:
        return equal
    return sql.SQL("({} OR ({} IS NULL AND {} IS NULL))").format(equal, existing, staged)


def _cast(column: Column, staged: sql.Identifier) -> sql.Composable:
    if not column.type.copied:
        return staged
    return sql.SQL("CAST({} AS {})").format(staged, sql.SQL(column.type.redshift))


def _names(table: StarTable) -> list[str]:
    return [column.name for column in table.stored_columns]
