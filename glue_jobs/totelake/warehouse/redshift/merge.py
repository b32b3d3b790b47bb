"""The statements that bring what is in staging into the star tables."""

from psycopg import sql

from totelake.tables import Column, StarTable
from totelake.tables.model import VARCHAR
from totelake.warehouse.names import SCHEMA, STAGING_SCHEMA, listed


def drop_held(table: StarTable) -> sql.Composed:
    """Return the statement that takes out of staging what `table` has already, so that what is left is what is new.

    A version of a fact is there when its identity is; a row of a dimension, when nothing that describes it differs.
    Redshift's MERGE has no condition for that, and would write rows that are the same.
    """
    decisive = table.identity if table.is_fact else [name for name in _names(table) if name != "_ingested_sequence"]
    columns = [column for column in table.stored_columns if column.name in decisive]
    return sql.SQL("DELETE FROM {staging} USING {table} AS held WHERE {same}").format(
        staging=staging(table),
        table=sql.Identifier(SCHEMA, table.name),
        same=sql.SQL(" AND ").join(_same(table, column) for column in columns),
    )


def bring_in(table: StarTable) -> sql.Composed:
    """Return the statement that brings what is left in staging into `table`."""
    return _append(table, staging(table)) if table.is_fact else _merge(table)


def bring_in_anew(table: StarTable) -> sql.Composed:
    """Return the statement that fills the empty `table`; of several rows of a dimension the last batch's counts."""
    if table.is_fact:
        return _append(table, staging(table))
    latest = sql.SQL(
        "(SELECT * FROM (SELECT *,"
        ' ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY "_ingested_sequence" DESC) AS "_age"'
        ' FROM {staging}) AS versions WHERE "_age" = 1) AS offered'
    ).format(key=listed(table.key), staging=staging(table))
    return _append(table, latest)


def staging(table: StarTable) -> sql.Identifier:
    """Return the name of the table into which COPY puts the rows of `table`."""
    return sql.Identifier(STAGING_SCHEMA, table.name)


def _append(table: StarTable, rows: sql.Composable) -> sql.Composed:
    return sql.SQL("INSERT INTO {table} ({columns}) SELECT {values} FROM {rows}").format(
        table=sql.Identifier(SCHEMA, table.name),
        columns=listed(_names(table)),
        values=sql.SQL(", ").join(_cast(column, sql.Identifier(column.name)) for column in table.stored_columns),
        rows=rows,
    )


def _merge(table: StarTable) -> sql.Composed:
    """Return the MERGE by key; staging has one row for a key, or the transaction has ended before."""
    offered = {column.name: _cast(column, sql.Identifier("offered", column.name)) for column in table.stored_columns}
    return sql.SQL(
        "MERGE INTO {table} USING {staging} AS offered ON {matched}"
        " WHEN MATCHED THEN UPDATE SET {changes}"
        " WHEN NOT MATCHED THEN INSERT ({columns}) VALUES ({values})"
    ).format(
        table=sql.Identifier(SCHEMA, table.name),
        staging=staging(table),
        matched=sql.SQL(" AND ").join(
            sql.SQL("{} = {}").format(sql.Identifier(table.name, name), offered[name]) for name in table.key
        ),
        changes=sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), value)
            for name, value in offered.items()
            if name not in table.key
        ),
        columns=listed(offered),
        values=sql.SQL(", ").join(offered.values()),
    )


def _same(table: StarTable, column: Column) -> sql.Composed:
    """Return the condition that a column is the same on both sides; Redshift has no IS NOT DISTINCT FROM."""
    held, staged = sql.Identifier("held", column.name), sql.Identifier(table.name, column.name)
    equal = sql.SQL("{} = {}").format(held, _cast(column, staged))
    if column.type == VARCHAR:
        # Redshift compares texts without the spaces at their ends, and counts these among their length.
        equal += sql.SQL(" AND LEN({}) = LEN({})").format(held, staged)
    if not column.nullable:
        return equal
    return sql.SQL("({} OR ({} IS NULL AND {} IS NULL))").format(equal, held, staged)


def _cast(column: Column, staged: sql.Identifier) -> sql.Composable:
    if not column.type.copied:
        return staged
    return sql.SQL("CAST({} AS {})").format(staged, sql.SQL(column.type.redshift))


def _names(table: StarTable) -> list[str]:
    return [column.name for column in table.stored_columns]
