"""What Athena calls types, and how it writes values."""

import math
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from sqlglot import exp

type ColumnInfo = dict[str, Any]

_UNBOUNDED = 2**31 - 1
_NAMES = {
    "hugeint": "bigint",
    "real": "float",
    '"null"': "unknown",
    "interval": "interval day to second",
    "timestamp_s": "timestamp",
    "timestamp_ms": "timestamp",
    "timestamp_ns": "timestamp",
}
_PRECISIONS = {"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19, "float": 17, "double": 17, "timestamp": 3}
_LEAST_PLAIN, _FIRST_WITH_EXPONENT = 1e-3, 1e7


def in_athena(duckdb: str) -> str:
    """Return what Athena's SQL calls a type of DuckDB's, such as `decimal(10,2)`."""
    kind = duckdb.lower()
    return _NAMES.get(kind) or exp.DataType.build(kind, dialect="duckdb").sql("trino").lower().replace(", ", ",")


def in_hive(duckdb: str) -> str:
    """Return what the catalog calls a type of DuckDB's."""
    kind = "bigint" if duckdb == "HUGEINT" else duckdb
    return exp.DataType.build(kind, dialect="duckdb").sql("hive").lower().replace(", ", ",")


def column_info(name: str, duckdb: str) -> ColumnInfo:
    """Return what GetQueryResults tells of a column of a result."""
    kind, _, bounds = in_athena(duckdb).partition("(")
    precision, scale = _PRECISIONS.get(kind, 0), 0
    if kind == "decimal":
        precision, scale = map(int, bounds.rstrip(")").split(","))
    elif kind == "varchar":
        precision = _UNBOUNDED
    return told(name, kind, precision, scale)


def told(name: str, kind: str, precision: int = 0, scale: int = 0) -> ColumnInfo:
    """Return a column in the form in which Athena tells of one."""
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": kind,
        "Precision": precision,
        "Scale": scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": kind == "varchar",
    }


def text(value: Any) -> str | None:
    """Return a value as Athena writes it into a result; nothing for NULL."""
    if value is None or isinstance(value, str):
        return value
    for kind, write in _WRITERS:
        if isinstance(value, kind):
            return write(value)
    return str(value)


def _double(value: float) -> str:
    """Write a double as Java does."""
    if math.isnan(value) or math.isinf(value):
        return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
    if value == 0 or _LEAST_PLAIN <= abs(value) < _FIRST_WITH_EXPONENT:
        return f"{Decimal(repr(value)):f}" if "e" in repr(value) else repr(value)
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    first, rest = digits[0], "".join(map(str, digits[1:])) or "0"
    return f"{'-' if sign else ''}{first}.{rest}E{int(exponent) + len(digits) - 1}"


def _timestamp(value: datetime) -> str:
    written = f"{value:%Y-%m-%d %H:%M:%S}.{value.microsecond // 1000:03}"
    return f"{written} UTC" if value.tzinfo else written


def _nested(value: Any) -> str:
    written = text(value)
    return "null" if written is None else written


_WRITERS: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (bool, lambda value: "true" if value else "false"),
    (float, _double),
    (Decimal, lambda value: f"{value:f}"),
    (datetime, _timestamp),
    (date, date.isoformat),
    (time, lambda value: value.isoformat("milliseconds")),
    (bytes, lambda value: value.hex(" ")),
    (list, lambda value: f"[{', '.join(map(_nested, value))}]"),
    (dict, lambda value: "{" + ", ".join(f"{_nested(name)}={_nested(part)}" for name, part in value.items()) + "}"),
)
