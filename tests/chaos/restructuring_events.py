"""What is done to the tables of totesys in a history, besides what a business does to its rows."""

from collections.abc import Callable

import psycopg

from tests.chaos import restructuring
from tests.chaos.events import Event, EventContext, some
from tests.chaos.oracle import note_restructured
from tests.chaos.site import DOUBLED
from totelake.tables import SOURCE_TABLES

# Nothing has such a key until what was missing is inserted.
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


def refusals(context: EventContext) -> list[str]:
    """Return why totesys cannot be read at present: the errors that a run must end with, each with what it names."""
    hidden = [f"UnreadableTableError: totesys.{table}" for table in restructuring.hidden(context.connection)]
    [(duplicated,)] = context.connection.execute(_HAS_DUPLICATES).fetchall()
    return [*hidden, *(["DuplicateKeyError: totesys.payment"] if duplicated else [])]


def make_readable(context: EventContext) -> None:
    """Undo what keeps a run from reading totesys."""
    for table in restructuring.policies(context.connection):
        restructuring.show_rows(context.connection, table)
    context.connection.execute("DROP TABLE IF EXISTS payment_double")


def _truncate_payments(context: EventContext) -> None:
    restructuring.truncate(context.connection, "payment")


def _refill_payments(context: EventContext) -> None:
    restructuring.refill(context.connection, "payment")


def _refill_designs(context: EventContext) -> None:
    """Truncate the designs and insert them again; orders do not refer to them any more."""
    restructuring.drop_incoming_references(context.connection, "design")
    restructuring.refill(context.connection, "design")


def _replace_column(context: EventContext) -> None:
    table = context.choice.choice(("department", "department", "payment", "sales_order", "design"))
    restructuring.replace_column(context.connection, table)
    note_restructured(context.connection, table)


def _swap_columns(context: EventContext) -> None:
    table = context.choice.choice(("department", "payment", "sales_order", "purchase_order", "staff", "design"))
    _once(context, table, restructuring.swap_columns)


def _swap_tables(context: EventContext) -> None:
    _once(context, context.choice.choice(DOUBLED), restructuring.swap_tables)


def _copy_and_swap_tables(context: EventContext) -> None:
    """Make a new copy of a table and put it in its place, in one transaction."""
    table = context.choice.choice(DOUBLED)
    if restructuring.policies(context.connection):
        raise LookupError(table)
    context.connection.execute(f"DROP TABLE {table}_copy CASCADE".encode())
    restructuring.make_copy(context.connection, table)
    _once(context, table, restructuring.swap_tables)


def _inherit(context: EventContext) -> None:
    """Let the rows of another table be those of a table too."""
    table = context.choice.choice(DOUBLED)
    [(both,)] = context.connection.execute(_BOTH_HAVE.format(table=table).encode()).fetchall()
    if both or restructuring.is_child(context.connection, table):
        raise LookupError(table)
    _once(context, table, restructuring.inherit)


def _disinherit(context: EventContext) -> None:
    parents = [table for table in DOUBLED if restructuring.is_parent(context.connection, table)]
    if not parents:
        raise LookupError("child")
    _once(context, context.choice.choice(parents), restructuring.disinherit)


def _hide_rows(context: EventContext) -> None:
    """Hide half of a table's rows from the reader."""
    table = context.choice.choice(list(SOURCE_TABLES))
    if table in restructuring.policies(context.connection):
        raise LookupError(table)
    restructuring.hide_rows(context.connection, table)


def _show_rows(context: EventContext) -> None:
    tables = restructuring.policies(context.connection)
    if not tables:
        raise LookupError("policy")
    for table in tables:
        restructuring.show_rows(context.connection, table)


def duplicate_key(context: EventContext) -> None:
    """Let a child of a table have a key that the table has."""
    payment = some(context, "payment")
    context.connection.execute(
        f"""CREATE TABLE payment_double () INHERITS (payment);
            INSERT INTO payment_double SELECT * FROM ONLY payment WHERE payment_id = {payment};""".encode()
    )


def _remove_duplicate(context: EventContext) -> None:
    try:
        context.connection.execute("DROP TABLE payment_double")
    except psycopg.errors.UndefinedTable as error:
        raise LookupError("payment_double") from error


def _hire_without_department(context: EventContext) -> None:
    context.business.hire(department_id=_missing(context, "department"))


def _move_staff_to_no_department(context: EventContext) -> None:
    context.business.change_staff(some(context, "staff"), department_id=_missing(context, "department"))


def _move_counterparty_to_no_address(context: EventContext) -> None:
    key = some(context, "counterparty")
    context.business.change_counterparty(key, legal_address_id=_missing(context, "address"))


def _sell_no_design(context: EventContext) -> None:
    context.business.place_sales_order(design_id=_missing(context, "design"))


def _insert_parent(context: EventContext) -> None:
    """Insert one of the records that others refer to in vain."""
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


def drop_foreign_keys_to(context: EventContext, parent: str) -> None:
    """Let records refer to one of `parent` that is not there."""
    restructuring.drop_incoming_references(context.connection, parent)


def _missing(context: EventContext, parent: str) -> int:
    """Return a key that `parent` may lack; its foreign keys are dropped."""
    drop_foreign_keys_to(context, parent)
    return context.choice.choice(_MISSING)


def _once(context: EventContext, table: str, change: Callable[..., None]) -> None:
    """Let `change` happen to `table`, unless the table was restructured since the last batch.

    Done twice it would be undone, and rows written in between would be out of sight with it.
    """
    if context.last_snapshot:
        parameters = [table, context.last_snapshot]
        [(done,)] = context.connection.execute(_RESTRUCTURED_SINCE, parameters).fetchall()
        if done:
            raise LookupError(table)
    change(context.connection, table)
    note_restructured(context.connection, table)


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
    _inherit,
    _inherit,
    _disinherit,
    _hide_rows,
    _hide_rows,
    _show_rows,
    duplicate_key,
    _remove_duplicate,
    _hire_without_department,
    _move_staff_to_no_department,
    _move_counterparty_to_no_address,
    _sell_no_design,
    _insert_parent,
    _insert_parent,
)
