"""Rows of totesys, to compare them before and after business activity."""

import psycopg

from totesys import schema


def only_row(url, query, *values):
    """Return the only row of a query's result."""
    with psycopg.connect(url) as connection:
        (row,) = connection.execute(query, values).fetchall()
        return row


def order_and_payment(url, table, number):
    """Return an order and its payment as dictionaries."""
    with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as connection:
        order = connection.execute(f"SELECT * FROM {table} WHERE {table}_id = %s", [number]).fetchone()
        payment = connection.execute(
            f"""SELECT transaction_type, payment.* FROM payment JOIN transaction USING (transaction_id)
                WHERE {table}_id = %s""",
            [number],
        ).fetchone()
        return order, payment


def row_counts(url):
    """Return the number of rows of each table."""
    return {table: only_row(url, f"SELECT count(*) FROM {table}")[0] for table in schema.TABLES}
