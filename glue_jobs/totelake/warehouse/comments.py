"""What every table, column and view of a warehouse says of itself, from the declarations."""

from psycopg import sql

from totelake.tables import StarTable
from totelake.warehouse.names import SCHEMA, current_view

LEDGER_COMMENT = "One row per processed batch that was loaded, written in the same transaction as its rows."


def on_table(table: StarTable) -> list[sql.Composed]:
    """Return the statements that describe `table` and its columns."""
    on_columns = {column.name: column.description for column in table.stored_columns}
    if table.surrogate:
        on_columns[table.surrogate] = "Number that the warehouse gives the row; it says nothing of its age."
    return [
        sql.SQL("COMMENT ON TABLE {} IS {}").format(sql.Identifier(SCHEMA, table.name), sql.Literal(table.grain)),
        *(
            sql.SQL("COMMENT ON COLUMN {} IS {}").format(sql.Identifier(SCHEMA, table.name, name), sql.Literal(text))
            for name, text in on_columns.items()
        ),
    ]


def on_view(table: StarTable) -> sql.Composed:
    """Return the statement that describes the view of what `table` shows now."""
    return sql.SQL("COMMENT ON VIEW {} IS {}").format(
        sql.Identifier(SCHEMA, current_view(table)),
        sql.Literal(f"{table.name} as it is now: one row per {', '.join(table.natural_key)}, deleted ones left out."),
    )
