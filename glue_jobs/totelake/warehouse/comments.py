"""The comments on the tables, columns and views of a warehouse, from the declarations."""

from psycopg import sql

from totelake.tables import StarTable
from totelake.warehouse.names import SCHEMA, current_view


def on_table(table: StarTable) -> list[sql.Composed]:
    """Return the statements that comment on `table` and its columns."""
    return [
        sql.SQL("COMMENT ON TABLE {} IS {}").format(sql.Identifier(SCHEMA, table.name), sql.Literal(table.grain)),
        *(
            sql.SQL("COMMENT ON COLUMN {} IS {}").format(
                sql.Identifier(SCHEMA, table.name, column.name), sql.Literal(column.description)
            )
            for column in table.warehouse_columns
        ),
    ]


def on_view(table: StarTable) -> sql.Composed:
    """Return the statement that comments on the current view of `table`."""
    return sql.SQL("COMMENT ON VIEW {} IS {}").format(
        sql.Identifier(SCHEMA, current_view(table)),
        sql.Literal(
            f"Current state of {table.name}: one row per {', '.join(table.natural_key)}, without deleted ones."
        ),
    )
