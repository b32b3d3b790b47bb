"""Events of a history that restructure tables of totesys or break its references."""

from collections.abc import Callable

import psycopg

from tests.chaos import restructuring
from tests.chaos.events import Event, HistoryContext, some
from tests.chaos.oracle import record_restructuring
from tests.chaos.testbed import TABLES_WITH_COPY
from totelake.tables import SOURCE_TABLES

# No row has such a key until the missing parent is inserted.
_MISSING = range(900_000, 900_003)
_PARENTS = {
    "department": ("staff", "department_id"),
    "address": ("counterparty", "legal_address_id"),
    "design": ("sales_order", "design_id"),
}
_ORPHANS_OF = """
    SELECT DISTINCT {column} FROM {child} WHERE {column} NOT IN (SELECT {parent}_id FROM {parent}) ORDER BY 1
"""
_RESTRUCTURED_SINCE = """
    SELECT EXISTS (
        SELECT FROM trail.restructured WHERE tbl = %s AND NOT pg_visible_in_snapshot(transaction, %s::pg_snapshot)
    )
"""
_HAS_DUPLICATES = "SELECT EXISTS (SELECT FROM payment GROUP BY payment_id HAVING count(*) > 1)"
_BOTH_HAVE = "SELECT EXISTS (SELECT FROM ONLY {table} JOIN {table}_child USING ({table}_id))"


def rejections(context: HistoryContext) -> list[str]:
    """Return the errors with which a run must fail at present, each with the table that it names."""
    hidden = [f"UnreadableTableError: totesys.{table}" for table in restructuring.hidden(context.connection)]
    [(duplicated,)] = context.connection.execute(_HAS_DUPLICATES).fetchall()
    return [*hidden, *(["DuplicateKeyError: totesys.payment"] if duplicated else [])]


def make_readable(context: HistoryContext) -> None:
    """Undo everything that prevents a run from reading totesys."""
    for table in restructuring.policies(context.connection):
        restructuring.show_rows(context.connection, table)
    context.connection.execute("DROP TABLE IF EXISTS payment_double")


def _truncate_payments(context: HistoryContext) -> None:
    restructuring.truncate(context.connection, "payment")


def _refill_payments(context: HistoryContext) -> None:
    restructuring.refill(context.connection, "payment")


def _refill_designs(context: HistoryContext) -> None:
    """Truncate the designs and insert them again; foreign keys to them are dropped."""
    restructuring.drop_incoming_references(context.connection, "design")
    restructuring.refill(context.connection, "design")


def _replace_column(context: HistoryContext) -> None:
    table = context.choice.choice(("department", "department", "payment", "sales_order", "design"))
    restructuring.replace_column(context.connection, table)
    record_restructuring(context.connection, table)


def _swap_columns(context: HistoryContext) -> None:
    table = context.choice.choice(("department", "payment", "sales_order", "purchase_order", "staff", "design"))
    _once(context, table, restructuring.swap_columns)


def _swap_tables(context: HistoryContext) -> None:
    _once(context, context.choice.choice(TABLES_WITH_COPY), restructuring.swap_tables)


def _copy_and_swap_tables(context: HistoryContext) -> None:
    """Replace a table by a new copy, in one transaction."""
    table = context.choice.choice(TABLES_WITH_COPY)
    if restructuring.policies(context.connection):
        raise LookupError(table)
    context.connection.execute(f"DROP TABLE {table}_copy CASCADE".encode())
    restructuring.make_copy(context.connection, table)
    _once(context, table, restructuring.swap_tables)


def _attach_child(context: HistoryContext) -> None:
    """Attach a child with rows to a table."""
    table = context.choice.choice(TABLES_WITH_COPY)
    [(both,)] = context.connection.execute(_BOTH_HAVE.format(table=table).encode()).fetchall()
    if both or restructuring.is_child(context.connection, table):
        raise LookupError(table)
    _once(context, table, restructuring.attach_child)


def _detach_child(context: HistoryContext) -> None:
    parents = [table for table in TABLES_WITH_COPY if restructuring.is_parent(context.connection, table)]
    if not parents:
        raise LookupError("child")
    _once(context, context.choice.choice(parents), restructuring.detach_child)


def _hide_rows(context: HistoryContext) -> None:
    """Hide half of a table's rows from the reader."""
    table = context.choice.choice(list(SOURCE_TABLES))
    if table in restructuring.policies(context.connection):
        raise LookupError(table)
    restructuring.hide_rows(context.connection, table)


def _show_rows(context: HistoryContext) -> None:
    tables = restructuring.policies(context.connection)
    if not tables:
        raise LookupError("policy")
    for table in tables:
        restructuring.show_rows(context.connection, table)


def duplicate_key(context: HistoryContext) -> None:
    """Insert a row with an existing key into a child table."""
    payment = some(context, "payment")
    context.connection.execute(
        f"""CREATE TABLE payment_double () INHERITS (payment);
            INSERT INTO payment_double SELECT * FROM ONLY payment WHERE payment_id = {payment};""".encode()
    )


def _remove_duplicate(context: HistoryContext) -> None:
    try:
        context.connection.execute("DROP TABLE payment_double")
    except psycopg.errors.UndefinedTable as error:
        raise LookupError("payment_double") from error


def _hire_for_missing_department(context: HistoryContext) -> None:
    context.business.hire(department_id=_missing(context, "department"))


def _move_staff_to_missing_department(context: HistoryContext) -> None:
    context.business.change_staff(some(context, "staff"), department_id=_missing(context, "department"))


def _move_counterparty_to_missing_address(context: HistoryContext) -> None:
    key = some(context, "counterparty")
    context.business.change_counterparty(key, legal_address_id=_missing(context, "address"))


def _sell_missing_design(context: HistoryContext) -> None:
    context.business.place_sales_order(design_id=_missing(context, "design"))


def _insert_parent(context: HistoryContext) -> None:
    """Insert a missing parent of some row."""
    missing = [
        (parent, key)
        for parent, (child, column) in _PARENTS.items()
        for (key,) in context.connection.execute(
            _ORPHANS_OF.format(parent=parent, child=child, column=column).encode()
        ).fetchall()
    ]
    if not missing:
        raise LookupError("parent")
    parent, key = context.choice.choice(missing)
    names = ", ".join(name for name in SOURCE_TABLES[parent].column_names if name != f"{parent}_id")
    insert = f"INSERT INTO {parent} ({parent}_id, {names}) SELECT {key}, {names} FROM {parent}"
    context.connection.execute(f"{insert} ORDER BY {parent}_id LIMIT 1".encode())


def drop_foreign_keys_to(context: HistoryContext, parent: str) -> None:
    """Drop the foreign keys to `parent`, so that rows may reference missing ones."""
    restructuring.drop_incoming_references(context.connection, parent)


def _missing(context: HistoryContext, parent: str) -> int:
    """Return a key that may be missing in `parent`; foreign keys to it are dropped."""
    drop_foreign_keys_to(context, parent)
    return context.choice.choice(_MISSING)


def _once(context: HistoryContext, table: str, change: Callable[..., None]) -> None:
    """Apply `change` to `table` unless it was restructured since the last batch.

    A second change could undo the first and hide rows written in between.
    """
    if context.last_snapshot:
        parameters = [table, context.last_snapshot]
        [(done,)] = context.connection.execute(_RESTRUCTURED_SINCE, parameters).fetchall()
        if done:
            raise LookupError(table)
    change(context.connection, table)
    record_restructuring(context.connection, table)


RESTRUCTURING: tuple[Event, ...] = (
    _truncate_payments,
    _refill_payments,
    _refill_designs,
    _replace_column,
    _replace_column,
    _swap_columns,
    _swap_columns,
    _swap_tables,
    _swap_tables,
    _copy_and_swap_tables,
    _attach_child,
    _attach_child,
    _detach_child,
    _hide_rows,
    _hide_rows,
    _show_rows,
    duplicate_key,
    _remove_duplicate,
    _hire_for_missing_department,
    _move_staff_to_missing_department,
    _move_counterparty_to_missing_address,
    _sell_missing_design,
    _insert_parent,
    _insert_parent,
)
