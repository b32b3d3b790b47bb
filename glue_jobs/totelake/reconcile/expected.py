"""What the warehouse's current state has to show of totesys, in plain SQL, independent of the transforms.

For each star table but the calendar there are two statements, one for each database, which have equal rows when the
warehouse shows what totesys holds: the same columns in the same order, the first one the key. To be comparable, numbers
lose the zeros at their end, and a day that totesys holds as text stays text, so that no day can fail to be read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pycountry
from psycopg import sql

from totelake.tables import SOURCE_TABLES, STAR_TABLES, Column, StarTable
from totelake.tables.model import DATE, VARCHAR
from totelake.warehouse.names import SCHEMA, current_view, listed


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a star table's rows are in totesys: `tables` have a part in a row, the first one drives it.

    Each row of that one is a row of the star and gives it its key, whether or not what it refers to is there.

    `joined` is what follows FROM, where that is more than the first table; `columns` says how a column comes about
    that is not just the column of its name.
    """

    tables: tuple[str, ...]
    joined: sql.Composable | None = None
    columns: dict[str, str] = field(default_factory=dict)


def _stamps(table: str) -> dict[str, str]:
    """Return the columns that split the two timestamps of `table`, cut off after the millisecond."""
    stamps = {"created": f"{table}.created_at", "last_updated": f"{table}.last_updated"}
    days = {f"{name}_date": f"{stamp}::date" for name, stamp in stamps.items()}
    return days | {f"{name}_time": f"date_trunc('milliseconds', {stamp})::time" for name, stamp in stamps.items()}


# As the digits of their bytes: a name in a statement would have to be known to the encoding of the database.
_WITH_CURRENCY_NAMES = sql.SQL(
    "currency LEFT JOIN (VALUES {}) AS iso_4217 (code, name) ON code = upper(currency_code)"
).format(
    sql.SQL(", ").join(
        sql.SQL("({}, {})").format(known.alpha_3, known.name.encode().hex()) for known in pycountry.currencies
    )
)

_ORIGINS = {
    "dim_staff": Origin(
        ("staff", "department"),
        sql.SQL("staff LEFT JOIN department USING (department_id)"),
        {
            "location": "CASE WHEN department.department_id IS NOT NULL"
            " THEN coalesce(department.location, 'Undefined') END"
        },
    ),
    "dim_location": Origin(("address",), columns={"location_id": "address.address_id"}),
    "dim_currency": Origin(
        ("currency",),
        _WITH_CURRENCY_NAMES,
        {"currency_name": "convert_from(decode(iso_4217.name, 'hex'), 'UTF8')"},
    ),
    "dim_counterparty": Origin(
        ("counterparty", "address"),
        sql.SQL("counterparty LEFT JOIN address ON address_id = legal_address_id"),
        {
            **{
                f"counterparty_legal_{name}": f"address.{name}"
                for name in ("address_line_1", "address_line_2", "district", "city", "postal_code", "country")
            },
            "counterparty_legal_phone_number": "address.phone",
        },
    ),
    "fact_sales_order": Origin(("sales_order",), columns=_stamps("sales_order") | {"sales_staff_id": "staff_id"}),
    "fact_purchase_order": Origin(("purchase_order",), columns=_stamps("purchase_order")),
    "fact_payment": Origin(("payment",), columns=_stamps("payment")),
}

TABLES = tuple(table for table in STAR_TABLES.values() if table.source)
ORIGINS = {table.name: _ORIGINS.get(table.name, Origin((table.source,))) for table in TABLES if table.source}
"""Where the rows of each star table are in totesys: those of its source, unless `_ORIGINS` has an entry."""


def key_of(table: StarTable) -> str:
    """Return the column that tells the records of `table` apart: one integer in every table, and its first column."""
    (key,) = table.natural_key
    return key


def in_totesys(table: StarTable) -> sql.Composed:
    """Return the statement, for totesys, of the rows that `table` has to show now."""
    return _select(table, {column.name: _origin_of(table, column) for column in table.columns}, _from(table))


def in_warehouse(table: StarTable) -> sql.Composed:
    """Return the statement, for the warehouse, of the rows that `table` does show now."""
    shown = {
        column.name: sql.SQL("{}::text" if _is_text_in_totesys(table, column) else "{}").format(
            sql.Identifier(column.name)
        )
        for column in table.columns
    }
    return _select(table, shown, sql.Identifier(current_view(table)))


def in_redshift(table: StarTable) -> sql.Composed:
    """Return the statement, for a warehouse in Redshift, of the rows that `table` does show now, as they are."""
    return sql.SQL("SELECT {} FROM {}").format(
        listed(column.name for column in table.columns), sql.Identifier(SCHEMA, current_view(table))
    )


def versions_in_totesys(table: StarTable) -> sql.Composed:
    """Return the statement, for totesys, of what each row of `in_totesys` is made of.

    Columns: the key, then for each table of the origin the key of its row, NULL where nothing is referred to, and the
    xmin of that row, NULL where it is not there.
    """
    driving, *joined = ORIGINS[table.name].tables
    keys = {driving: SOURCE_TABLES[driving].key[0]} | {name: _reference(driving, name) for name in joined}
    parts = [
        sql.SQL("{driving}.{key} AS {its_key}, {table}.xmin::text::bigint AS {its_xmin}").format(
            driving=sql.Identifier(driving),
            table=sql.Identifier(name),
            key=sql.Identifier(key),
            its_key=sql.Identifier(f"key of {name}"),
            its_xmin=sql.Identifier(f"xmin of {name}"),
        )
        for name, key in keys.items()
    ]
    key = sql.SQL("{} AS {}").format(_origin_of(table, table.columns[0]), sql.Identifier(key_of(table)))
    return sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join([key, *parts]), _from(table))


def _reference(table: str, to: str) -> str:
    """Return the column by which the source `table` refers to another one."""
    [reference] = [column.name for column in SOURCE_TABLES[table].columns if column.references == to]
    return reference


def _from(table: StarTable) -> sql.Composable:
    origin = ORIGINS[table.name]
    return origin.joined or sql.Identifier(origin.tables[0])


def _origin_of(table: StarTable, column: Column) -> sql.Composable:
    own = ORIGINS[table.name].columns.get(column.name)
    return sql.SQL(own) if own else sql.Identifier(column.name)


def _select(table: StarTable, values: Mapping[str, sql.Composable], relation: sql.Composable) -> sql.Composed:
    items = [
        sql.SQL("trim_scale({}) AS {}" if column.type.postgres.startswith("numeric") else "{} AS {}").format(
            values[column.name], sql.Identifier(column.name)
        )
        for column in table.columns
    ]
    return sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(items), relation)


def _is_text_in_totesys(table: StarTable, column: Column) -> bool:
    """Whether `column` is a day that totesys holds as text."""
    source = SOURCE_TABLES[ORIGINS[table.name].tables[0]]
    texts = {declared.name for declared in source.columns if declared.type == VARCHAR}
    return column.type == DATE and column.name in texts
