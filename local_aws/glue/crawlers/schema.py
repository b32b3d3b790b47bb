"""Schemas as the Glue Data Catalog writes them: Hive types, read from Parquet, merged and compared."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa

type HiveSchema = dict[str, str]
"""Hive types by column name, in the order of the columns."""

_SIMILAR = 0.7
"""The share of columns that two schemas must share to be of one table; AWS documents no number. (Choice.)"""

_INTEGERS = ("tinyint", "smallint", "int", "bigint")
_FLOATS = ("float", "double")
_MAX_PRECISION = 38
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
_TYPES = {
    pa.bool_(): "boolean",
    pa.int8(): "tinyint",
    pa.int16(): "smallint",
    pa.int32(): "int",
    pa.int64(): "bigint",
    # Hive has no unsigned types: the next wider one holds all values.
    pa.uint8(): "smallint",
    pa.uint16(): "int",
    pa.uint32(): "bigint",
    pa.uint64(): "decimal(20,0)",
    pa.float16(): "float",
    pa.float32(): "float",
    pa.float64(): "double",
    pa.date32(): "date",
    pa.date64(): "date",
    pa.null(): "string",
}


def hive_schema(schema: Any) -> HiveSchema:
    """Return the columns of an Arrow schema with lower-case names; of names that differ in case only, the first."""
    columns: HiveSchema = {}
    for field in schema:
        columns.setdefault(field.name.lower(), hive_type(field.type))
    return columns


def hive_type(arrow: Any) -> str:
    """Return the Hive type of an Arrow type; string where Hive has none."""
    if arrow in _TYPES:
        return _TYPES[arrow]
    return next((write(arrow) for is_kind, write in _KINDS if is_kind(arrow)), "string")


def _decimal(arrow: Any) -> str:
    return f"decimal({arrow.precision},{arrow.scale})" if arrow.precision <= _MAX_PRECISION else "string"


def _time(arrow: Any) -> str:
    # Parquet keeps a time of day as a number: milliseconds in 32 bits, finer ones in 64.
    return "int" if arrow.bit_width == 32 else "bigint"  # noqa: PLR2004


def _struct(arrow: Any) -> str:
    return f"struct<{','.join(f'{field.name}:{hive_type(field.type)}' for field in arrow)}>"


def _array(arrow: Any) -> str:
    return f"array<{hive_type(arrow.value_type)}>"


_KINDS: tuple[tuple[Callable[[Any], bool], Callable[[Any], str]], ...] = (
    (pa.types.is_dictionary, lambda arrow: hive_type(arrow.value_type)),
    (pa.types.is_timestamp, lambda _: "timestamp"),
    (pa.types.is_decimal, _decimal),
    (pa.types.is_time, _time),
    (pa.types.is_struct, _struct),
    (pa.types.is_map, lambda arrow: f"map<{hive_type(arrow.key_type)},{hive_type(arrow.item_type)}>"),
    (pa.types.is_list, _array),
    (pa.types.is_large_list, _array),
    (pa.types.is_fixed_size_list, _array),
    (pa.types.is_binary, lambda _: "binary"),
    (pa.types.is_large_binary, lambda _: "binary"),
    (pa.types.is_fixed_size_binary, lambda _: "binary"),
)


def merged(schemas: Iterable[HiveSchema]) -> HiveSchema:
    """Return all columns of all schemas with the widest type; string for incompatible types (choice)."""
    columns: HiveSchema = {}
    for schema in schemas:
        for name, kind in schema.items():
            columns[name] = (_wider(columns[name], kind) or "string") if name in columns else kind
    return columns


def are_alike(schemas: list[HiveSchema], *, combine_compatible: bool) -> bool:
    """Whether schemas belong to one table: types are compatible, and unless that is enough, most columns are shared."""
    first = schemas[0]
    return all(
        _is_compatible(first, other) and (combine_compatible or _shared(first, other) >= _SIMILAR)
        for other in schemas[1:]
    )


def _is_compatible(one: HiveSchema, other: HiveSchema) -> bool:
    return all(_wider(kind, other[name]) for name, kind in one.items() if name in other)


def _shared(one: HiveSchema, other: HiveSchema) -> float:
    return len(one.keys() & other.keys()) / max(len(one), len(other), 1)


def _wider(one: str, other: str) -> str | None:
    """Return the type that holds the values of both, if there is one."""
    if one == other:
        return one
    for widening in (_INTEGERS, _FLOATS):
        if one in widening and other in widening:
            return max(one, other, key=widening.index)
    decimals = [_DECIMAL.fullmatch(kind) for kind in (one, other)]
    if all(decimals):
        scale = max(int(match[2]) for match in decimals if match)
        whole = max(int(match[1]) - int(match[2]) for match in decimals if match)
        return f"decimal({whole + scale},{scale})" if whole + scale <= _MAX_PRECISION else None
    return None
