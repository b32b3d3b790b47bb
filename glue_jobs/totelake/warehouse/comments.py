"""What every table, column and view of a warehouse says of itself, from the declarations."""

from psycopg import sql

from totelake.tables import StarTable
from totelake.warehouse.names import SCHEMA, current_view


def on_table(table: StarTable) -> list[sql.Composed]:
    """Return the statements that describe `table` and its columns."""
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
    """Return the statement that describes the view of what `table` shows now."""
    return sql.SQL("COMMENT ON VIEW {} IS {}").format(
        sql.Identifier(SCHEMA, current_view(table)),
        sql.Literal(f"{table.name} as it is now: one row per {', '.join(table.natural_key)}, deleted ones left out."),
    )
