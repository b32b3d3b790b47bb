"""Parsing of the catalog's column types by Hive's grammar, so that SQL never contains text of the catalog.

Supports the primitive types, `array<type>`, `map<type,type>` and `struct<name:type,…>`. Source: "Types" in Hive's
language manual.
"""

import re

from sqlglot import exp

_HEAD = re.compile(r"\s*([A-Za-z]+)\s*(?:\(\s*([0-9]+)\s*(?:,\s*([0-9]+)\s*)?\)\s*)?(<)?")
# Crawlers do not quote field names, so an unquoted one may contain any character except delimiters.
_FIELD = re.compile(r"\s*(?:`((?:[^`]|``)+)`|([^:<>,`]+))\s*:")
_PRIMITIVE_TYPES = {
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
_NESTED_TYPES = {("array", 1): exp.DType.ARRAY, ("map", 2): exp.DType.MAP, ("struct", 0): exp.DType.STRUCT}
_WITH_LENGTH = {"char", "varchar"}
_DEFAULT_DECIMAL = ("10", "0")  # precision and scale


class HiveTypeError(ValueError):
    """A text is not a Hive type."""


def parse(text: str) -> exp.DataType:
    """Parse a type of the catalog; raise HiveTypeError when it is invalid."""
    type_, rest = _parse_type(text)
    if rest.strip():
        raise HiveTypeError(text)
    return type_


def _parse_type(text: str) -> tuple[exp.DataType, str]:
    """Return the type at the start of `text`, and the rest of the text."""
    head = _HEAD.match(text)
    if head is None:
        raise HiveTypeError(text)
    name, rest = head[1].lower(), text[head.end() :]
    parameters = [parameter for parameter in head.group(2, 3) if parameter]
    if head[4]:
        return _parse_nested(name, parameters, rest)
    if name == "decimal":
        parameters += _DEFAULT_DECIMAL[len(parameters) :]
        expressions = [exp.DataTypeParam(this=exp.Literal.number(each)) for each in parameters]
        return exp.DataType(this=exp.DType.DECIMAL, expressions=expressions), rest
    if name not in _PRIMITIVE_TYPES or len(parameters) > (name in _WITH_LENGTH):
        raise HiveTypeError(text)
    return exp.DataType(this=_PRIMITIVE_TYPES[name]), rest


def _parse_nested(type_name: str, parameters: list[str], rest: str) -> tuple[exp.DataType, str]:
    """Return a nested type, whose name and opening bracket have been parsed, and the rest of the text."""
    elements: list[exp.Expr] = []
    delimiter = ","
    while delimiter == ",":
        name = None
        if type_name == "struct":
            name, rest = _parse_field_name(rest)
        element, rest = _parse_type(rest)
        elements.append(element if name is None else exp.ColumnDef(this=name, kind=element))
        delimiter, rest = rest.lstrip()[:1], rest.lstrip()[1:]
    type_ = _NESTED_TYPES.get((type_name, 0 if type_name == "struct" else len(elements)))
    if delimiter != ">" or type_ is None or parameters:
        raise HiveTypeError(type_name)
    return exp.DataType(this=type_, expressions=elements, nested=True), rest


def _parse_field_name(text: str) -> tuple[exp.Identifier, str]:
    """Return the field name at the start of `text`, and the text after its colon."""
    field = _FIELD.match(text)
    if field is None:
        raise HiveTypeError(text)
    name = field[1].replace("``", "`") if field[1] else field[2].strip()
    return exp.to_identifier(name, quoted=True), text[field.end() :]
