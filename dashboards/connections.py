"""Connections to the warehouse for queries of the dashboard and of the command line."""

import psycopg

_CONNECT_TIMEOUT_SECONDS = 5


def connected(url: str) -> psycopg.Connection:
    """Return a read-only connection, which calls no functions and operators of other roles.

    It searches only `pg_catalog`, so a query has to name the schema of its tables: see `dashboards.filters.qualified`.
    """
    options = "-c default_transaction_read_only=on -c search_path=pg_catalog"
    return psycopg.connect(url, connect_timeout=_CONNECT_TIMEOUT_SECONDS, options=options)
