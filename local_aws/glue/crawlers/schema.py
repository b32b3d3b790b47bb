"""Schemas as the Glue Data Catalog writes them: Hive types, read from Parquet, merged and compared."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa

type Schema = dict[str, str]
"""Hive types by column name, in the order of the columns."""

_SIMILAR = 0.7
"""The share of columns that two schemas must have in common to be one table's; AWS names no figure. (Choice.)"""

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


def hive_schema(schema: Any) -> Schema:
    """Give the columns of an Arrow schema with lower-case names; of names that differ in case only, the first."""
    columns: Schema = {}
    for field in schema:
        columns.setdefault(field.name.lower(), hive_type(field.type))
    return columns


def hive_type(arrow: Any) -> str:
    """Give the Hive type that holds an Arrow type; string for what Hive has no type for."""
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


def merged(schemas: Iterable[Schema]) -> Schema:
    """Give all columns of all schemas, wide enough for all; string where types have nothing in common (choice)."""
    columns: Schema = {}
    for schema in schemas:
        for name, kind in schema.items():
            columns[name] = (_wider(columns[name], kind) or "string") if name in columns else kind
    return columns


def are_alike(schemas: list[Schema], *, combine_compatible: bool) -> bool:
    """Tell whether schemas are of one table: types agree, and unless that is enough, most columns are shared."""
    first = schemas[0]
    return all(
        _is_compatible(first, other) and (combine_compatible or _shared(first, other) >= _SIMILAR)
        for other in schemas[1:]
    )


def _is_compatible(one: Schema, other: Schema) -> bool:
    return all(_wider(kind, other[name]) for name, kind in one.items() if name in other)


def _shared(one: Schema, other: Schema) -> float:
    return len(one.keys() & other.keys()) / max(len(one), len(other), 1)


def _wider(one: str, other: str) -> str | None:
    """Give the type that holds the values of both, if there is one."""
    if one == other:
        return one
    for widening in (_INTEGERS, _FLOATS):
        if one in widening and other in widening:
            return max(one, other, key=widening.index)
    decimals = [_DECIMAL.fullmatch(kind) for kind in (one, other)]
    if all(decimals):
        scale = max(int(found[2]) for found in decimals if found)
        whole = max(int(found[1]) - int(found[2]) for found in decimals if found)
        return f"decimal({whole + scale},{scale})" if whole + scale <= _MAX_PRECISION else None
    return None
