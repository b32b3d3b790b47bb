"""Athena's names of types and format of values."""

import math
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from sqlglot import exp

type ColumnInfo = dict[str, Any]

_UNBOUNDED = 2**31 - 1
_TYPE_NAMES = {
    "hugeint": "bigint",
    "real": "float",
    '"null"': "unknown",
    "interval": "interval day to second",
    "timestamp_s": "timestamp",
    "timestamp_ms": "timestamp",
    "timestamp_ns": "timestamp",
}
_PRECISIONS = {"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19, "float": 17, "double": 17, "timestamp": 3}
_MIN_PLAIN, _MIN_EXPONENT = 1e-3, 1e7
"""The range in which doubles are written without an exponent."""


def athena_type(duckdb_type: str) -> str:
    """Return Athena's SQL name of a DuckDB type, such as `decimal(10,2)`."""
    name = duckdb_type.lower()
    return _TYPE_NAMES.get(name) or exp.DataType.build(name, dialect="duckdb").sql("trino").lower().replace(", ", ",")


def hive_type(duckdb_type: str) -> str:
    """Return the catalog's name of a DuckDB type."""
    name = "bigint" if duckdb_type == "HUGEINT" else duckdb_type
    return exp.DataType.build(name, dialect="duckdb").sql("hive").lower().replace(", ", ",")


def column_info(name: str, duckdb_type: str) -> ColumnInfo:
    """Return the ColumnInfo structure of a result column."""
    type_, _, parameters = athena_type(duckdb_type).partition("(")
    precision, scale = _PRECISIONS.get(type_, 0), 0
    if type_ == "decimal":
        precision, scale = map(int, parameters.rstrip(")").split(","))
    elif type_ == "varchar":
        precision = _UNBOUNDED
    return describe_column(name, type_, precision, scale)


def describe_column(name: str, type_: str, precision: int = 0, scale: int = 0) -> ColumnInfo:
    """Return the ColumnInfo structure with these values."""
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": type_,
        "Precision": precision,
        "Scale": scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": type_ == "varchar",
    }


def text(value: Any) -> str | None:
    """Return a value in the format of Athena's results; None for NULL."""
    if value is None or isinstance(value, str):
        return value
    for python_type, format_value in _FORMATTERS:
        if isinstance(value, python_type):
            return format_value(value)
    return str(value)


def _double(value: float) -> str:
    """Format a double as Java does."""
    if math.isnan(value) or math.isinf(value):
        return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
    if value == 0 or _MIN_PLAIN <= abs(value) < _MIN_EXPONENT:
        return f"{Decimal(repr(value)):f}" if "e" in repr(value) else repr(value)
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    first, rest = digits[0], "".join(map(str, digits[1:])) or "0"
    return f"{'-' if sign else ''}{first}.{rest}E{int(exponent) + len(digits) - 1}"


def _timestamp(value: datetime) -> str:
    formatted = f"{value:%Y-%m-%d %H:%M:%S}.{value.microsecond // 1000:03}"
    return f"{formatted} UTC" if value.tzinfo else formatted


def _nested(value: Any) -> str:
    formatted = text(value)
    return "null" if formatted is None else formatted


_FORMATTERS: tuple[tuple[type, Callable[[Any], str]], ...] = (
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
