"""Errors of queries and requests, as in Athena.

QueryError            a query fails: code, message and position
refused()             the error response to an invalid request
"""

import json
import re
from dataclasses import dataclass

import duckdb
from moto.core.exceptions import JsonRESTError
from sqlglot import exp

_SYSTEM, _USER = 1, 2
_ERROR_TYPES = {"NOT_SUPPORTED": 1007, "GENERIC_INTERNAL_ERROR": 401}
_OTHER_TYPE = 1006
_NO_FUNCTION = re.compile(r"Function with name (\w+) does not exist")
_NOT_GROUPED = re.compile(r'column "([^"]+)" must appear in the GROUP BY clause', re.IGNORECASE)
_NO_PARQUET = re.compile(r"Parquet file|magic bytes", re.IGNORECASE)
_AMBIGUOUS = re.compile(r'Ambiguous reference to column name "([^"]+)"')


@dataclass(eq=False)
class QueryError(Exception):
    """A query fails; `node` is the part of the query that causes it."""

    code: str
    message: str
    node: exp.Expr | None = None

    def __str__(self) -> str:
        """Return the text of StateChangeReason."""
        prefix = f"line {':'.join(map(str, position))}: " if (position := _position(self.node)) else ""
        return f"{self.code}: {prefix}{self.message}"

    @property
    def athena_error(self) -> dict[str, object]:
        """The AthenaError structure."""
        is_system_error = self.code == "GENERIC_INTERNAL_ERROR"
        return {
            "ErrorCategory": _SYSTEM if is_system_error else _USER,
            "ErrorType": _ERROR_TYPES.get(self.code, _OTHER_TYPE),
            "Retryable": False,
            "ErrorMessage": str(self),
        }


def refused(message: str, code: str = "") -> JsonRESTError:
    """Return the error response to an invalid request."""
    error = JsonRESTError("InvalidRequestException", message)
    if code:
        error.description = json.dumps({"__type": error.error_type, "message": message, "AthenaErrorCode": code})
    return error


def from_duckdb(error: duckdb.Error, query: exp.Expr) -> QueryError:
    """Map a DuckDB error to Athena's, with its position in `query` when the message names one."""
    text = str(error).partition("\n\n")[0].partition("\nDid you mean")[0]
    if match := _NO_FUNCTION.search(text):
        return QueryError("FUNCTION_NOT_FOUND", f"Function '{match[1]}' not registered", _function(query, match[1]))
    if match := _NOT_GROUPED.search(text):
        message = f"'{match[1]}' must be an aggregate expression or appear in GROUP BY clause"
        return QueryError("EXPRESSION_NOT_AGGREGATE", message, find_column(query, match[1]))
    if match := _AMBIGUOUS.search(text):
        return QueryError("AMBIGUOUS_NAME", f"Column '{match[1]}' is ambiguous", find_column(query, match[1]))
    if "Division by zero" in text:
        return QueryError("DIVISION_BY_ZERO", "Division by zero")
    if _NO_PARQUET.search(text):
        return QueryError("HIVE_BAD_DATA", text.partition(": ")[2])
    category, _, message = text.partition(": ")
    return QueryError(_CODES.get(category, "GENERIC_INTERNAL_ERROR"), message.replace("\n", " ") or text)


_CODES = {
    "Parser Error": "SYNTAX_ERROR",
    "Binder Error": "SYNTAX_ERROR",
    "Catalog Error": "SYNTAX_ERROR",
    "Conversion Error": "INVALID_CAST_ARGUMENT",
    "Out of Range Error": "NUMERIC_VALUE_OUT_OF_RANGE",
    "Invalid Input Error": "INVALID_FUNCTION_ARGUMENT",
    "Permission Error": "NOT_SUPPORTED",
    "Out of Memory Error": "EXCEEDED_LOCAL_MEMORY_LIMIT",
    "IO Error": "HIVE_CANNOT_OPEN_SPLIT",
}


def find_column(query: exp.Expr, name: str, *, line: int = 0, end: int = 0) -> exp.Column | None:
    """Return the column of `query` with this name whose last character is at `line` and `end`, else the first one."""
    name = name.rpartition(".")[2].strip('"').lower()
    columns = [column for column in query.find_all(exp.Column, bfs=False) if column.name.lower() == name]
    at_end = [column for column in columns if (line, end) in (_end(column.parts[0]), _end(column.this))]
    return next(iter(at_end or columns), None)


def _function(query: exp.Expr, name: str) -> exp.Expr | None:
    calls = query.find_all(exp.Func, bfs=False)
    return next((call for call in calls if call.name.lower() == name or call.sql_name().lower() == name), None)


def _end(node: exp.Expr) -> tuple[int, int]:
    return node.meta.get("line", 0), node.meta.get("col", 0)


def _position(node: exp.Expr | None) -> tuple[int, int] | None:
    """Return the line and column, from 1, of the start of a part of a query."""
    if node is None:
        return None
    first = node.parts[0] if isinstance(node, exp.Column | exp.Table) else node
    if "col" not in first.meta:
        return None
    return first.meta["line"], first.meta["col"] - (first.meta["end"] - first.meta["start"])
