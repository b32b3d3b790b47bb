"""What goes wrong with the Postgres server of a local world."""


class PostgresError(Exception):
    """The Postgres server could not be made, started or stopped; the message holds what the server said."""
