"""Errors of the Postgres server of a local environment."""


class PostgresError(Exception):
    """The Postgres server could not be created, started or stopped; the message includes the server's output."""
