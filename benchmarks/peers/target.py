"""What the peers have in common in the target database."""

import psycopg

from benchmarks.peers.steps import Plan


def create_currencies(target: psycopg.Connection, plan: Plan) -> None:
    """Create the table of the names of currencies beside the copies of the source tables."""
    target.execute("CREATE TABLE raw.iso_4217 (code text, name text)")
    with target.cursor() as cursor, cursor.copy("COPY raw.iso_4217 FROM STDIN") as copy:
        for currency in plan["currencies"]:
            copy.write_row(currency)


def create_tables(target: psycopg.Connection, plan: Plan) -> None:
    """Create the empty star tables."""
    target.execute("CREATE SCHEMA star")
    for statement in plan["create_tables"]:
        target.execute(statement)


def fill_tables(target: psycopg.Connection, plan: Plan) -> None:
    """Fill the star tables by SQL, from the copies of the source tables."""
    for table, select in plan["selects"].items():
        target.execute(f"INSERT INTO star.{table} {select}")


def add_keys(target: psycopg.Connection, plan: Plan) -> None:
    """Add the primary and foreign keys, which validates every row."""
    for statement in plan["add_keys"]:
        target.execute(statement)
