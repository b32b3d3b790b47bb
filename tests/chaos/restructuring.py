"""Statements that change the visible rows of a table without new row versions, or replace the table.

All of them take exclusive locks. Tables are named as in totesys; the copy and the child of a table are `…_copy` and
`…_child`.
"""

import psycopg
from psycopg import sql

from totelake.tables import SOURCE_TABLES
from totesys import roles

# The change to rows of a copy: a value that no rule of the warehouse forbids.
MARKS = {
    "sales_order": "units_sold = units_sold + 1",
    "purchase_order": "item_quantity = item_quantity + 1",
    "payment": "paid = NOT paid",
    "transaction": "transaction_type = 'OTHER'",
    "counterparty": "counterparty_legal_name = counterparty_legal_name || ' Ltd'",
    "address": "city = city || ' Spa'",
    "staff": "last_name = last_name || '-Smith'",
    "department": "manager = 'A. Copy'",
    "design": "file_name = 'copy/' || file_name",
    "currency": "currency_code = 'EUR'",
    "payment_type": "payment_type_name = payment_type_name || '_COPY'",
}
# A column dropped and added again, with its type and default.
REPLACED = {
    "sales_order": ("unit_price", "numeric NOT NULL DEFAULT 2.75"),
    "purchase_order": ("item_code", "varchar NOT NULL DEFAULT 'ABCDEFG'"),
    "payment": ("payment_amount", "numeric NOT NULL DEFAULT 12.50"),
    "transaction": ("transaction_type", "varchar NOT NULL DEFAULT 'SALE'"),
    "counterparty": ("counterparty_legal_name", "varchar NOT NULL DEFAULT 'Unknown'"),
    "address": ("district", "varchar DEFAULT 'Avon'"),
    "staff": ("email_address", "varchar NOT NULL DEFAULT 'nobody@example.com'"),
    "department": ("location", "varchar DEFAULT 'Leeds'"),
    "design": ("file_location", "varchar NOT NULL DEFAULT '/usr'"),
    "currency": ("currency_code", "varchar(3) NOT NULL DEFAULT 'EUR'"),
    "payment_type": ("payment_type_name", "varchar NOT NULL DEFAULT 'SALES_RECEIPT'"),
}
# Two columns of one type whose names are swapped.
SWAPPED = {
    "sales_order": ("agreed_delivery_date", "agreed_payment_date"),
    "purchase_order": ("agreed_delivery_date", "agreed_payment_date"),
    "payment": ("company_ac_number", "counterparty_ac_number"),
    "transaction": ("created_at", "last_updated"),
    "counterparty": ("commercial_contact", "delivery_contact"),
    "address": ("city", "country"),
    "staff": ("first_name", "last_name"),
    "department": ("location", "manager"),
    "design": ("file_location", "file_name"),
    "currency": ("created_at", "last_updated"),
    "payment_type": ("created_at", "last_updated"),
}
FIRST_KEY_OF_CHILD = 500_000
_ROWS_OF_CHILD = 3

_REFERRING = """
    SELECT conrelid::regclass::text, conname FROM pg_constraint
    WHERE contype = 'f' AND confrelid = %s::regclass ORDER BY 1, 2
"""
_TRIGGERS = """
    SELECT pg_get_triggerdef(oid) FROM pg_trigger
    WHERE tgrelid = %s::regclass AND NOT tgisinternal ORDER BY tgname
"""
_COPY = """
    CREATE TABLE {copy} (LIKE {table} INCLUDING ALL);
    INSERT INTO {copy} ({columns}) SELECT {columns} FROM {table};
    DELETE FROM {copy} WHERE {key} % 7 = 5;
    UPDATE {copy} SET {mark} WHERE {key} % 2 = 0;
    GRANT SELECT ON {copy} TO {reader};
"""
_CHILD = """
    CREATE TABLE {child} (LIKE {table} INCLUDING ALL EXCLUDING IDENTITY);
    INSERT INTO {child} ({columns}) SELECT {values} FROM {table} ORDER BY {key} LIMIT {rows};
"""
_REFILL = """
    CREATE TEMP TABLE {kept} ON COMMIT DROP AS SELECT {columns} FROM {table};
    TRUNCATE {table};
    INSERT INTO {table} ({columns}) SELECT {columns} FROM {kept};
    DROP TABLE {kept};
"""
_REPLACE_COLUMN = "ALTER TABLE {table} DROP COLUMN {column}; ALTER TABLE {table} ADD COLUMN {column} {definition}"
_SWAP_COLUMNS = """
    ALTER TABLE {table} RENAME COLUMN {first} TO swapped;
    ALTER TABLE {table} RENAME COLUMN {second} TO {first};
    ALTER TABLE {table} RENAME COLUMN swapped TO {second};
"""
_SWAP_TABLES = """
    ALTER TABLE {table} RENAME TO swapped;
    ALTER TABLE {copy} RENAME TO {bare};
    ALTER TABLE public.swapped RENAME TO {bare_copy};
"""
# A new record gets a key that neither table has used.
_NEXT_KEY = """
    SELECT setval(pg_get_serial_sequence({name}, {key_name}), greatest(
        (SELECT max({key}) FROM {table} WHERE {key} < {below}), nextval(pg_get_serial_sequence({copy_name}, {key_name}))
    ))
"""
_HIDE_ROWS = """
    CREATE POLICY hides ON {table} FOR SELECT TO {reader} USING ({key} % 2 = 0);
    ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
"""
_SHOW_ROWS = "ALTER TABLE {table} DISABLE ROW LEVEL SECURITY; DROP POLICY hides ON {table}"
_HIDDEN = """
    SELECT relname FROM pg_class
    WHERE relrowsecurity AND relnamespace = 'public'::regnamespace AND relname = ANY(%s) ORDER BY 1
"""
_POLICIES = "SELECT polrelid::regclass::text FROM pg_policy WHERE polname = 'hides' ORDER BY 1"
_IS_CHILD = """
    SELECT EXISTS (
        SELECT FROM pg_inherits
        WHERE inhrelid = to_regclass(%s) AND inhparent = coalesce(to_regclass(%s), inhparent)
    )
"""


def make_copy(connection: psycopg.Connection, table: str) -> None:
    """Create a copy of `table`, with its triggers, in which some rows differ and some are missing."""
    _do(connection, _COPY, table, mark=sql.SQL(MARKS[table]))
    _copy_triggers(connection, table, f"{table}_copy")


def make_child(connection: psycopg.Connection, table: str) -> None:
    """Create a table with rows of its own that can become the child of `table`."""
    key = SOURCE_TABLES[table].key[0]
    values = [
        sql.SQL("{} + {}").format(sql.Literal(FIRST_KEY_OF_CHILD), sql.Identifier(name))
        if name == key
        else sql.Identifier(name)
        for name in SOURCE_TABLES[table].column_names
    ]
    _do(connection, _CHILD, table, values=sql.SQL(", ").join(values), rows=sql.Literal(_ROWS_OF_CHILD))
    _copy_triggers(connection, table, f"{table}_child")


def drop_incoming_references(connection: psycopg.Connection, table: str) -> None:
    """Drop the foreign keys of other tables to `table`."""
    for referring, name in connection.execute(_REFERRING, [f"public.{table}"]).fetchall():
        connection.execute(
            sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(sql.SQL(referring), sql.Identifier(name))
        )


def truncate(connection: psycopg.Connection, table: str) -> None:
    """Truncate `table`, which no foreign key may reference."""
    _do(connection, "TRUNCATE {table}", table)


def refill(connection: psycopg.Connection, table: str) -> None:
    """Truncate `table`, which no foreign key may reference, and insert the same rows again."""
    _do(connection, _REFILL, table)


def replace_column(connection: psycopg.Connection, table: str) -> None:
    """Drop a column and add one with the same name and a default: every row shows it without being written."""
    column, definition = REPLACED[table]
    _do(connection, _REPLACE_COLUMN, table, column=sql.Identifier(column), definition=sql.SQL(definition))


def swap_columns(connection: psycopg.Connection, table: str) -> None:
    """Swap the names of two columns."""
    first, second = map(sql.Identifier, SWAPPED[table])
    _do(connection, _SWAP_COLUMNS, table, first=first, second=second)


def swap_tables(connection: psycopg.Connection, table: str) -> None:
    """Swap the names of `table` and its copy; foreign keys to `table` are dropped."""
    drop_incoming_references(connection, table)
    _do(connection, _SWAP_TABLES, table)
    _do(connection, _NEXT_KEY, table, below=sql.Literal(100_000))


def attach_child(connection: psycopg.Connection, table: str) -> None:
    """Attach the child to `table`."""
    _do(connection, "ALTER TABLE {child} INHERIT {table}", table)


def detach_child(connection: psycopg.Connection, table: str) -> None:
    """Detach the child from `table`."""
    _do(connection, "ALTER TABLE {child} NO INHERIT {table}", table)


def is_parent(connection: psycopg.Connection, table: str) -> bool:
    """Return whether the child is attached to `table`."""
    [(is_attached,)] = connection.execute(_IS_CHILD, [f"public.{table}_child", f"public.{table}"]).fetchall()
    return bool(is_attached)


def is_child(connection: psycopg.Connection, table: str) -> bool:
    """Return whether the child is attached to `table` or to its copy."""
    [(is_attached,)] = connection.execute(_IS_CHILD, [f"public.{table}_child", None]).fetchall()
    return bool(is_attached)


def hide_rows(connection: psycopg.Connection, table: str) -> None:
    """Hide half of the rows of `table` from the reader by a policy."""
    _do(connection, _HIDE_ROWS, table)


def show_rows(connection: psycopg.Connection, table: str) -> None:
    """Drop the policy of `hide_rows` on `table`, which may be a copy by now."""
    connection.execute(sql.SQL(_SHOW_ROWS).format(table=sql.Identifier("public", table)))


def hidden(connection: psycopg.Connection) -> list[str]:
    """Return the tables of totesys with hidden rows."""
    return [name for (name,) in connection.execute(_HIDDEN, [list(SOURCE_TABLES)]).fetchall()]


def policies(connection: psycopg.Connection) -> list[str]:
    """Return the tables with the policy of `hide_rows`, which may be copies by now."""
    return [name for (name,) in connection.execute(_POLICIES).fetchall()]


def _copy_triggers(connection: psycopg.Connection, table: str, other: str) -> None:
    for (definition,) in connection.execute(_TRIGGERS, [f"public.{table}"]).fetchall():
        connection.execute(definition.replace(f" ON public.{table} ", f" ON public.{other} ").encode())


def _do(connection: psycopg.Connection, statements: str, table: str, **words: sql.Composable) -> None:
    key = SOURCE_TABLES[table].key[0]
    names: dict[str, sql.Composable] = {
        "table": sql.Identifier("public", table),
        "copy": sql.Identifier("public", f"{table}_copy"),
        "bare": sql.Identifier(table),
        "bare_copy": sql.Identifier(f"{table}_copy"),
        "child": sql.Identifier("public", f"{table}_child"),
        "kept": sql.Identifier(f"{table}_kept"),
        "key": sql.Identifier(key),
        "columns": sql.SQL(", ").join(map(sql.Identifier, SOURCE_TABLES[table].column_names)),
        "reader": sql.Identifier(roles.READER),
        "name": sql.Literal(f"public.{table}"),
        "copy_name": sql.Literal(f"public.{table}_copy"),
        "key_name": sql.Literal(key),
    }
    connection.execute(sql.SQL(statements).format(**names, **words))
