"""Types of the catalog, parsed by Hive's grammar, so that no text of the catalog reaches SQL as it is.

Known are the primitive types, `array<type>`, `map<type,type>` and `struct<name:type,…>`. Source: "Types" in Hive's
language manual.
"""

import re

from sqlglot import exp

_HEAD = re.compile(r"\s*([A-Za-z]+)\s*(?:\(\s*([0-9]+)\s*(?:,\s*([0-9]+)\s*)?\)\s*)?(<)?")
# A crawler writes the names of fields as they are, so that one may hold anything but what ends it.
_FIELD = re.compile(r"\s*(?:`((?:[^`]|``)+)`|([^:<>,`]+))\s*:")
_KINDS = {
    "boolean": exp.DType.BOOLEAN,
    "tinyint": exp.DType.TINYINT,
    "smallint": exp.DType.SMALLINT,
    "int": exp.DType.INT,
    "integer": exp.DType.INT,
    "bigint": exp.DType.BIGINT,
    "float": exp.DType.FLOAT,
    "double": exp.DType.DOUBLE,
    "string": exp.DType.TEXT,
    "char": exp.DType.TEXT,
    "varchar": exp.DType.TEXT,
    "binary": exp.DType.VARBINARY,
    "date": exp.DType.DATE,
    "timestamp": exp.DType.TIMESTAMP,
}
_NESTED = {("array", 1): exp.DType.ARRAY, ("map", 2): exp.DType.MAP, ("struct", 0): exp.DType.STRUCT}
_WITH_LENGTH = {"char", "varchar"}
_DECIMAL = ("10", "0")  # Hive's own, where no precision and scale are given


class HiveTypeError(ValueError):
    """A text is no type of Hive's."""


def parse(text: str) -> exp.DataType:
    """Return a type of the catalog; raise HiveTypeError where `text` is none."""
    kind, rest = _type(text)
    if rest.strip():
        raise HiveTypeError(text)
    return kind


def _type(text: str) -> tuple[exp.DataType, str]:
    """Return the type at the beginning of `text`, and what follows it."""
    head = _HEAD.match(text)
    if head is None:
        raise HiveTypeError(text)
    word, rest = head[1].lower(), text[head.end() :]
    bounds = [bound for bound in head.group(2, 3) if bound]
    if head[4]:
        return _nested(word, bounds, rest)
    if word == "decimal":
        bounds += _DECIMAL[len(bounds) :]
        parameters = [exp.DataTypeParam(this=exp.Literal.number(each)) for each in bounds]
        return exp.DataType(this=exp.DType.DECIMAL, expressions=parameters), rest
    if word not in _KINDS or len(bounds) > (word in _WITH_LENGTH):
        raise HiveTypeError(text)
    return exp.DataType(this=_KINDS[word]), rest


def _nested(word: str, bounds: list[str], rest: str) -> tuple[exp.DataType, str]:
    """Return a type with others in it, whose name and opening bracket have been read."""
    parts: list[exp.Expr] = []
    sign = ","
    while sign == ",":
        name = None
        if word == "struct":
            name, rest = _field(rest)
        part, rest = _type(rest)
        parts.append(part if name is None else exp.ColumnDef(this=name, kind=part))
        sign, rest = rest.lstrip()[:1], rest.lstrip()[1:]
    kind = _NESTED.get((word, 0 if word == "struct" else len(parts)))
    if sign != ">" or kind is None or bounds:
        raise HiveTypeError(word)
    return exp.DataType(this=kind, expressions=parts, nested=True), rest


def _field(text: str) -> tuple[exp.Identifier, str]:
    """Return the name of a field at the beginning of `text`, and what follows it and its colon."""
    field = _FIELD.match(text)
    if field is None:
        raise HiveTypeError(text)
    name = field[1].replace("``", "`") if field[1] else field[2].strip()
    return exp.to_identifier(name, quoted=True), text[field.end() :]
