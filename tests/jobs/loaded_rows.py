"""The rows of a warehouse, to compare them before and after a load."""

from totelake.tables import STAR_TABLES


def contents(query):
    """Return every row of every star table and of the ledger, with its row version in Postgres."""
    tables = [*STAR_TABLES, "load_ledger"]
    return {table: sorted(map(repr, query(f"SELECT xmin::text, ctid::text, * FROM {table}"))) for table in tables}


def rows_without_surrogate_keys(query):
    """Return every row of every star table without the keys that the warehouse generates."""
    tables = {name: [column.name for column in table.stored_columns] for name, table in STAR_TABLES.items()}
    return {name: sorted(map(repr, query(f"SELECT {', '.join(names)} FROM {name}"))) for name, names in tables.items()}
