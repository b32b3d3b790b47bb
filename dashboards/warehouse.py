"""The dashboard's queries of the warehouse: answers to questions, choices of the filters, and the latest batch."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import pandas as pd
import psycopg
from psycopg import RawCursor, sql

from dashboards.connections import connected
from dashboards.filters import Filters, filtered, qualified
from dashboards.questions import Question
from local_aws.visible_text import visible
from totelake.tables.ledger import LEDGER
from totelake.warehouse.names import SCHEMA


class EmptyWarehouseError(Exception):
    """Nothing has been loaded into the warehouse yet."""


@dataclass(frozen=True, slots=True)
class LatestBatch:
    """The last batch in the ledger: its number, the time of its snapshot of totesys, and the time of its load."""

    sequence: int
    snapshot_taken_at: datetime
    loaded_at: datetime


@dataclass(frozen=True, slots=True)
class FilterChoices:
    """The choices of the filters: currencies, designs, and the first and last day of orders and of due payments."""

    currencies: tuple[str, ...]
    designs: tuple[str, ...]
    orders: tuple[date, date]
    payments: tuple[date, date]


def answer(url: str, question: Question, filters: Filters) -> pd.DataFrame:
    r"""Return the answer of the warehouse at `url`, with amounts as floats and days as timestamps.

    Control characters in texts are escaped, such as `\u202e`, which would reverse the text of a chart.
    """
    query = filtered(question.query, filters)
    with connected(url) as connection, RawCursor(connection) as cursor:
        cursor.execute(qualified(query.query).encode(), query.parameters)
        names = [column.name for column in cursor.description or ()]
        rows = pd.DataFrame(cursor.fetchall(), columns=names)
    for name in names:
        rows[name] = _chart_values(rows[name])
    return rows


def latest_batch(url: str) -> LatestBatch:
    """Return the last loaded batch; raise `EmptyWarehouseError` when there is none."""
    query = sql.SQL(
        "SELECT processed_sequence, snapshot_taken_at, loaded_at FROM {} ORDER BY processed_sequence DESC LIMIT 1"
    ).format(sql.Identifier(SCHEMA, LEDGER))
    with connected(url) as connection:
        try:
            row = connection.execute(query).fetchone()
        except psycopg.errors.UndefinedTable:
            row = None
    if row is None:
        raise EmptyWarehouseError
    return LatestBatch(*row)


def choices(url: str) -> FilterChoices:
    """Return the choices of the filters."""
    with connected(url) as connection:

        def column(query: str) -> tuple[str, ...]:
            return tuple(value for (value,) in connection.execute(qualified(query).encode()).fetchall())

        def days(query: str) -> tuple[date, date]:
            first, last = connection.execute(qualified(query).encode()).fetchone() or (None, None)
            return first or date.today(), last or date.today()  # noqa: DTZ011 - as the warehouse's current_date

        return FilterChoices(
            column("SELECT currency_code FROM current_dim_currency ORDER BY currency_id"),
            column("SELECT DISTINCT design_name FROM current_dim_design ORDER BY design_name"),
            days(
                "SELECT min(created_date), max(created_date) FROM (SELECT created_date FROM fact_sales_order"
                " UNION ALL SELECT created_date FROM fact_purchase_order) AS orders"
            ),
            days("SELECT min(payment_date), max(payment_date) FROM fact_payment"),
        )


def _chart_values(values: pd.Series) -> pd.Series:
    """Return the values in types that Altair supports."""
    first = next((value for value in values if value is not None), None)
    if isinstance(first, Decimal):
        return values.astype(float)
    if isinstance(first, str):
        return values.map(visible, na_action="ignore")
    return pd.to_datetime(values) if isinstance(first, date) else values
