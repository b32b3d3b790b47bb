"""The conditions that a database enforces unique keys: usually it does, and no duplicates have to be searched for."""

from psycopg import sql

from totelake.reconcile import expected
from totelake.tables import SOURCE_TABLES, StarTable
from totelake.warehouse.names import SCHEMA

# A unique index on the key alone and all rows. It does not cover inheriting tables.
_IS_UNIQUE = sql.SQL("""(
    EXISTS (
        SELECT FROM pg_index AS index_
        JOIN pg_attribute AS own ON own.attrelid = index_.indrelid AND own.attnum = index_.indkey[0]
        WHERE index_.indrelid = to_regclass({table}) AND own.attname = {key} AND index_.indnkeyatts = 1
            AND index_.indisunique AND index_.indisvalid AND index_.indpred IS NULL
    ) AND NOT EXISTS (
        SELECT FROM pg_inherits JOIN pg_class AS parent ON parent.oid = inhparent
        WHERE inhparent = to_regclass({table}) AND parent.relkind <> 'p'
    )
)""")
_FALSE, _TRUE = sql.SQL("1 = 0"), sql.SQL("1 = 1")


def in_totesys(table: StarTable) -> sql.Composable:
    """Return the condition that each record is one row of `in_totesys`, from the keys of all its tables."""
    tables = (SOURCE_TABLES[name] for name in expected.ORIGINS[table.name].tables)
    return sql.SQL(" AND ").join(_is_unique(source.name, source.key[0]) for source in tables)


def in_warehouse(table: StarTable) -> sql.Composable:
    """Return the condition that each record is one row of `in_warehouse`; always true for the view of a fact."""
    return _TRUE if table.is_fact else _is_unique(table.name, expected.key_of(table))


def in_redshift(table: StarTable) -> sql.Composable:
    """Return the condition that each record is one row of `in_redshift`; Redshift enforces no keys."""
    return _TRUE if table.is_fact else _FALSE


def _is_unique(table: str, key: str) -> sql.Composed:
    return _IS_UNIQUE.format(table=sql.Literal(f"{SCHEMA}.{table}"), key=sql.Literal(key))
