"""The expected rows of the warehouse, computed from totesys by plain SQL, and the differences to the actual ones."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.chaos.expectations import DIMENSIONS, FACTS, REFERENCES
from totelake.tables import SOURCE_TABLES, STAR_TABLES, StarTable

HERE = Path(__file__).parent
_VERSIONS = """
    SELECT {columns}, v.batch, v.deleted_at
    FROM version AS v CROSS JOIN LATERAL jsonb_populate_record(NULL::public.{table}, v.values) AS r
    WHERE v.tbl = '{table}' AND {sound}
"""
_QUARANTINED_VERSIONS = """
    SELECT v.key, v.batch, 'reference'
    FROM version AS v CROSS JOIN LATERAL jsonb_populate_record(NULL::public.{table}, v.values) AS r
    WHERE v.tbl = '{table}' AND NOT ({sound})
"""
_IS_SHOWN = "EXISTS (SELECT FROM shown_{dimension} AS d WHERE d.key = r.{column})"
_LAST_SHOWN = """
    CREATE TEMP TABLE last_{dimension} AS
    SELECT DISTINCT ON (s.key) k.is_deleted AS deleted_now, s.* FROM shown_{dimension} AS s
    JOIN known AS k ON k.tbl = '{table}' AND k.key = s.key AND k.moment = (SELECT max(moment) FROM moments)
    ORDER BY s.key, s.moment DESC
"""
_ROWS = "SELECT * FROM last_{dimension} WHERE NOT deleted_now AND NOT is_deleted"
_DELETED = "SELECT key FROM last_{dimension} WHERE deleted_now OR is_deleted"
_QUARANTINED = """
    SELECT k.key, 'reference' FROM known AS k
    WHERE k.tbl = '{table}' AND k.moment = (SELECT max(moment) FROM moments) AND NOT k.is_deleted
        AND NOT EXISTS (SELECT FROM shown_{dimension} AS s WHERE s.moment = k.moment AND s.key = k.key)
"""
_NOW = "SELECT pg_current_snapshot()::text, (now() AT TIME ZONE 'UTC')::text"
_RESTRUCTURED_SINCE = """
    SELECT DISTINCT tbl FROM trail.restructured WHERE NOT pg_visible_in_snapshot(transaction, %s::pg_snapshot)
"""
_RESTRUCTURED = """
    SELECT b.batch, r.tbl FROM batches AS b JOIN trail.restructured AS r
        ON pg_visible_in_snapshot(r.transaction, b.snapshot)
    WHERE EXISTS (
        SELECT FROM batches AS before
        WHERE before.batch = b.batch - 1 AND NOT pg_visible_in_snapshot(r.transaction, before.snapshot)
    )
"""
# The number of leading columns of `_ROWS` that are not the star table's.
_ABOUT = 3

type Rows = Counter[tuple[Any, ...]]


@dataclass(frozen=True)
class OracleBatch:
    """An ingested batch: its number, its snapshot with the time, and the tables compared by content."""

    number: int
    snapshot: str
    taken_at: str
    compared: frozenset[str] = frozenset()


def install_trail(connection: psycopg.Connection) -> None:
    """Install the audit trail in totesys, starting with the existing rows."""
    connection.execute((HERE / "audit_trail.sql").read_bytes())
    for name in SOURCE_TABLES:
        words = {"name": sql.Literal(name), "table": sql.Identifier("public", name)}
        for statement in (
            "SELECT trail.compare({name})",
            (
                "CREATE TRIGGER trail AFTER INSERT OR UPDATE OR DELETE ON {table}"
                " FOR EACH ROW EXECUTE FUNCTION trail.keep({name})"
            ),
            "CREATE TRIGGER truncation AFTER TRUNCATE ON {table} EXECUTE FUNCTION trail.keep_truncation({name})",
        ):
            connection.execute(sql.SQL(statement).format(**words))


def record_restructuring(connection: psycopg.Connection, table: str) -> None:
    """Record in the same transaction that `table` was altered or replaced, and its rows that differ from the trail."""
    connection.execute("INSERT INTO trail.restructured (tbl) VALUES (%s)", [table])
    connection.execute("SELECT trail.compare(%s)", [table])


def next_batch(connection: psycopg.Connection, last: OracleBatch) -> OracleBatch:
    """Return the batch that the next ingest would commit if there were changes."""
    [(snapshot, taken_at)] = connection.execute(_NOW).fetchall()
    restructured = connection.execute(_RESTRUCTURED_SINCE, [last.snapshot]).fetchall()
    return OracleBatch(last.number + 1, snapshot, taken_at, frozenset(name for (name,) in restructured))


def expected(connection: psycopg.Connection, batches: Sequence[OracleBatch], moments: Iterable[int]) -> dict[str, Rows]:
    """Return the expected rows of the warehouse after `batches`.

    It was built at each of `moments`: the number of the last batch known at that build. For a dimension the result has
    its rows, and under `dim_….deleted` the deleted keys. Under `….quarantined` it has the keys of quarantined rows with
    the rule that they violate, for a fact with the batch of the version.
    """
    with connection.transaction(force_rollback=True):
        _insert_batches(connection, batches, moments)
        connection.execute((HERE / "oracle.sql").read_bytes())
        rows = {}
        for dimension, (table, statement) in DIMENSIONS.items():
            words = {"dimension": dimension, "table": table}
            shown = statement.format_map(_Known())
            connection.execute(f"CREATE TEMP TABLE shown_{dimension} AS {shown}".encode())
            connection.execute(_LAST_SHOWN.format(**words).encode())
            rows_found = _rows(connection, _ROWS.format(**words))
            rows[dimension] = Counter({row[_ABOUT:]: count for row, count in rows_found.items()})
            rows[f"{dimension}.deleted"] = _rows(connection, _DELETED.format(**words))
            rows[f"{dimension}.quarantined"] = _rows(connection, _QUARANTINED.format(**words))
        for fact, (table, columns) in FACTS.items():
            sound = " AND ".join(
                _IS_SHOWN.format(dimension=dimension, column=column) for column, dimension in REFERENCES[fact].items()
            )
            words = {"table": table, "columns": columns, "sound": sound}
            rows[fact] = _rows(connection, _VERSIONS.format(**words))
            rows[f"{fact}.quarantined"] = _rows(connection, _QUARANTINED_VERSIONS.format(**words))
        rows["compared by content"] = _rows(connection, _RESTRUCTURED)
        return rows


def _insert_batches(connection: psycopg.Connection, batches: Sequence[OracleBatch], moments: Iterable[int]) -> None:
    connection.execute("CREATE TEMP TABLE batches (batch int, snapshot pg_snapshot, taken_at timestamp)")
    connection.execute("CREATE TEMP TABLE compared (batch int, tbl text)")
    connection.execute("CREATE TEMP TABLE moments (moment int)")
    with connection.cursor() as cursor:
        rows = [(batch.number, batch.snapshot, batch.taken_at) for batch in batches]
        cursor.executemany("INSERT INTO batches VALUES (%s, %s, %s)", rows)
        compared = [(batch.number, table) for batch in batches for table in sorted(batch.compared)]
        cursor.executemany("INSERT INTO compared VALUES (%s, %s)", compared)
        cursor.executemany("INSERT INTO moments VALUES (%s)", [(moment,) for moment in moments])


class _Known(dict[str, str]):
    """Formats a source table's name as a subquery of its records, with their moments and deletions."""

    def __missing__(self, table: str) -> str:
        return (
            "(SELECT k.moment, k.is_deleted, r.* FROM known AS k"
            f" CROSS JOIN LATERAL jsonb_populate_record(NULL::public.{table}, k.values) AS r WHERE k.tbl = '{table}')"
        )


def actual(connection: psycopg.Connection) -> dict[str, Rows]:
    """Return the rows of the warehouse in the form of `expected`."""
    rows = {}
    for name in FACTS:
        rows[name] = _rows(connection, f"SELECT {_columns(STAR_TABLES[name])} FROM {name}")
    for name in DIMENSIONS:
        table = STAR_TABLES[name]
        described = ", ".join(column.name for column in table.columns)
        rows[name] = _rows(connection, f"SELECT {described} FROM current_{name}")
        rows[f"{name}.deleted"] = _rows(connection, f"SELECT {table.key[0]} FROM {name} WHERE _deleted_at IS NOT NULL")
    return rows


def differences(expected: dict[str, Rows], actual: dict[str, Rows]) -> list[str]:
    """Return a line for every missing and every unexpected row of the warehouse."""
    lines = []
    for name, rows in expected.items():
        rows_found = actual.get(name, Counter())
        lines += [f"{name}: missing {row}" for row in (rows - rows_found).elements()]
        lines += [f"{name}: unexpected {row}" for row in (rows_found - rows).elements()]
    return lines


def _columns(table: StarTable) -> str:
    return ", ".join(column.name for column in table.stored_columns if column.name != "_source_version")


def _rows(connection: psycopg.Connection, statement: str, parameters: tuple[Any, ...] = ()) -> Rows:
    return Counter(connection.execute(statement.encode(), parameters or None).fetchall())
