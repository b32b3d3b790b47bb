"""The expected state of the warehouse, as SQL on totesys, independent of the transforms.

For each star table but the calendar there are two queries, one for each database, which have equal rows if the
warehouse is right: the same columns in the same order, the first one the key. To be comparable, numbers have no
trailing zeros, and a date that is text in totesys stays text, so that no date fails to parse.
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
    """The origin of a star table's rows in totesys: `tables` are joined, the first one is the driving table.

    Each of its rows is a row of the star and has its key, whether or not the rows that it references exist.

    `joined` is the FROM clause, if there is more than one table; `columns` are the expressions of columns that are not
    the source column of the same name.
    """

    tables: tuple[str, ...]
    joined: sql.Composable | None = None
    columns: dict[str, str] = field(default_factory=dict)


def _stamps(table: str) -> dict[str, str]:
    """Return the expressions of the dates and times of the two timestamps of `table`, truncated to milliseconds."""
    stamps = {"created": f"{table}.created_at", "last_updated": f"{table}.last_updated"}
    days = {f"{name}_date": f"{stamp}::date" for name, stamp in stamps.items()}
    return days | {f"{name}_time": f"date_trunc('milliseconds', {stamp})::time" for name, stamp in stamps.items()}


# Names as hexadecimal digits: the encoding of the database may not have all of their characters.
_WITH_CURRENCY_NAMES = sql.SQL(
    "public.currency LEFT JOIN (VALUES {}) AS iso_4217 (code, name) ON code = upper(currency_code)"
).format(
    sql.SQL(", ").join(
        sql.SQL("({}, {})").format(known.alpha_3, known.name.encode().hex()) for known in pycountry.currencies
    )
)

_ORIGINS = {
    "dim_staff": Origin(
        ("staff", "department"),
        sql.SQL("public.staff LEFT JOIN public.department USING (department_id)"),
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
        sql.SQL("public.counterparty LEFT JOIN public.address ON address_id = legal_address_id"),
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
"""The origin of each star table's rows in totesys: its source, unless `_ORIGINS` has an entry."""


def key_of(table: StarTable) -> str:
    """Return the natural key of `table`: one integer column, the first one, in every table."""
    (key,) = table.natural_key
    return key


def in_totesys(table: StarTable) -> sql.Composed:
    """Return the query on totesys for the rows that `table` must currently have."""
    return _select(table, {column.name: _origin_of(table, column) for column in table.columns}, _from(table))


def in_warehouse(table: StarTable) -> sql.Composed:
    """Return the query on the warehouse for the current rows of `table`."""
    values = {
        column.name: sql.SQL("{}::text" if _is_text_in_totesys(table, column) else "{}").format(
            sql.Identifier(column.name)
        )
        for column in table.columns
    }
    return _select(table, values, sql.Identifier(SCHEMA, current_view(table)))


def in_redshift(table: StarTable) -> sql.Composed:
    """Return the query on a warehouse in Redshift for the current rows of `table`, without conversions."""
    return sql.SQL("SELECT {} FROM {}").format(
        listed(column.name for column in table.columns), sql.Identifier(SCHEMA, current_view(table))
    )


def versions_in_totesys(table: StarTable) -> sql.Composed:
    """Return the query on totesys for the versions of the source rows of each row of `in_totesys`.

    Columns: the key, then for each table of the origin the key of its row, NULL without a reference, and the xmin of
    that row, NULL if it does not exist.
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
    """Return the foreign key of the source `table` to another one."""
    [reference] = [column.name for column in SOURCE_TABLES[table].columns if column.references == to]
    return reference


def _from(table: StarTable) -> sql.Composable:
    origin = ORIGINS[table.name]
    return origin.joined or sql.Identifier("public", origin.tables[0])


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
    """Whether `column` is a date that is text in totesys."""
    source = SOURCE_TABLES[ORIGINS[table.name].tables[0]]
    texts = {declared.name for declared in source.columns if declared.type == VARCHAR}
    return column.type == DATE and column.name in texts
