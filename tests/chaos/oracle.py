"""What has to be in the warehouse, computed from totesys by plain SQL, and what differs from it."""

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
_WAITING_VERSIONS = """
    SELECT v.key, v.batch, 'reference'
    FROM version AS v CROSS JOIN LATERAL jsonb_populate_record(NULL::public.{table}, v.values) AS r
    WHERE v.tbl = '{table}' AND NOT ({sound})
"""
_IS_SHOWN = "EXISTS (SELECT FROM shown_{dimension} AS d WHERE d.key = r.{column})"
_LAST_SHOWN = """
    CREATE TEMP TABLE last_{dimension} AS
    SELECT DISTINCT ON (s.key) k.is_gone AS gone_now, s.* FROM shown_{dimension} AS s
    JOIN known AS k ON k.tbl = '{table}' AND k.key = s.key AND k.moment = (SELECT max(moment) FROM moments)
    ORDER BY s.key, s.moment DESC
"""
_ROWS = "SELECT * FROM last_{dimension} WHERE NOT gone_now AND NOT is_gone"
_GONE = "SELECT key FROM last_{dimension} WHERE gone_now OR is_gone"
_WAITING = """
    SELECT k.key, 'reference' FROM known AS k
    WHERE k.tbl = '{table}' AND k.moment = (SELECT max(moment) FROM moments) AND NOT k.is_gone
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
# How many of the first columns of `_ROWS` say where the row is from.
_ABOUT = 3

type Rows = Counter[tuple[Any, ...]]


@dataclass(frozen=True)
class Batch:
    """An ingested batch: its number, its snapshot and the time of that, and the tables compared by content."""

    number: int
    snapshot: str
    taken_at: str
    compared: frozenset[str] = frozenset()


def keep_trail(connection: psycopg.Connection) -> None:
    """Make totesys keep the trail, beginning with the rows that it has."""
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


def note_restructured(connection: psycopg.Connection, table: str) -> None:
    """Keep what `table` shows now that its shape was changed, or which table it is, by the same transaction."""
    connection.execute("INSERT INTO trail.restructured (tbl) VALUES (%s)", [table])
    connection.execute("SELECT trail.compare(%s)", [table])


def present(connection: psycopg.Connection, last: Batch) -> Batch:
    """Return the batch that would be committed after the `last` one, were it not to find that nothing is left."""
    [(snapshot, taken_at)] = connection.execute(_NOW).fetchall()
    restructured = connection.execute(_RESTRUCTURED_SINCE, [last.snapshot]).fetchall()
    return Batch(last.number + 1, snapshot, taken_at, frozenset(name for (name,) in restructured))


def expected(connection: psycopg.Connection, batches: Sequence[Batch], moments: Iterable[int]) -> dict[str, Rows]:
    """Return the rows that the warehouse must hold after `batches`.

    It was built at each of the `moments`, the number of the last batch that it knew then. Of a dimension the rows that
    are there, under the name `dim_….gone` the keys of those that are deleted; and under the name `….waiting` what is
    held back, with the rule that it breaks: the keys of a dimension, of a fact also the batch of the version.
    """
    with connection.transaction(force_rollback=True):
        _give(connection, batches, moments)
        connection.execute((HERE / "oracle.sql").read_bytes())
        rows = {}
        for dimension, (table, statement) in DIMENSIONS.items():
            words = {"dimension": dimension, "table": table}
            shown = statement.format_map(_Known())
            connection.execute(f"CREATE TEMP TABLE shown_{dimension} AS {shown}".encode())
            connection.execute(_LAST_SHOWN.format(**words).encode())
            found = _rows(connection, _ROWS.format(**words))
            rows[dimension] = Counter({row[_ABOUT:]: count for row, count in found.items()})
            rows[f"{dimension}.gone"] = _rows(connection, _GONE.format(**words))
            rows[f"{dimension}.waiting"] = _rows(connection, _WAITING.format(**words))
        for fact, (table, columns) in FACTS.items():
            sound = " AND ".join(
                _IS_SHOWN.format(dimension=dimension, column=column) for column, dimension in REFERENCES[fact].items()
            )
            words = {"table": table, "columns": columns, "sound": sound}
            rows[fact] = _rows(connection, _VERSIONS.format(**words))
            rows[f"{fact}.waiting"] = _rows(connection, _WAITING_VERSIONS.format(**words))
        rows["compared by content"] = _rows(connection, _RESTRUCTURED)
        return rows


def _give(connection: psycopg.Connection, batches: Sequence[Batch], moments: Iterable[int]) -> None:
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
    """Names each source table as its records, the moments at which they are known so, and whether they are gone."""

    def __missing__(self, table: str) -> str:
        return (
            "(SELECT k.moment, k.is_gone, r.* FROM known AS k"
            f" CROSS JOIN LATERAL jsonb_populate_record(NULL::public.{table}, k.values) AS r WHERE k.tbl = '{table}')"
        )


def held(connection: psycopg.Connection) -> dict[str, Rows]:
    """Return the rows that the warehouse holds, as `expected` has them."""
    rows = {}
    for name in FACTS:
        rows[name] = _rows(connection, f"SELECT {_columns(STAR_TABLES[name])} FROM {name}")
    for name in DIMENSIONS:
        table = STAR_TABLES[name]
        described = ", ".join(column.name for column in table.columns)
        rows[name] = _rows(connection, f"SELECT {described} FROM current_{name}")
        rows[f"{name}.gone"] = _rows(connection, f"SELECT {table.key[0]} FROM {name} WHERE _deleted_at IS NOT NULL")
    return rows


def differences(expected: dict[str, Rows], held: dict[str, Rows]) -> list[str]:
    """Return a line for every row that is missing from the warehouse, or is there and must not be."""
    lines = []
    for name, rows in expected.items():
        found = held.get(name, Counter())
        lines += [f"{name}: missing {row}" for row in (rows - found).elements()]
        lines += [f"{name}: must not be there {row}" for row in (found - rows).elements()]
    return lines


def _columns(table: StarTable) -> str:
    return ", ".join(column.name for column in table.stored_columns if column.name != "_source_version")


def _rows(connection: psycopg.Connection, statement: str, parameters: tuple[Any, ...] = ()) -> Rows:
    return Counter(connection.execute(statement.encode(), parameters or None).fetchall())
