"""Why a query failed, in the words of Athena.

QueryError            the state FAILED: a code, where in the query, and what it is
refused()             the error with which the API refuses a request
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
    """A query cannot be answered; `place` is the part of it that is to blame."""

    code: str
    message: str
    place: exp.Expr | None = None

    def __str__(self) -> str:
        """Say it as the reason for the change of state says it."""
        position = f"line {':'.join(map(str, where))}: " if (where := _position(self.place)) else ""
        return f"{self.code}: {position}{self.message}"

    @property
    def athena_error(self) -> dict[str, object]:
        """The same for programs."""
        system = self.code == "GENERIC_INTERNAL_ERROR"
        return {
            "ErrorCategory": _SYSTEM if system else _USER,
            "ErrorType": _ERROR_TYPES.get(self.code, _OTHER_TYPE),
            "Retryable": False,
            "ErrorMessage": str(self),
        }


def refused(message: str, code: str = "") -> JsonRESTError:
    """Return the error of a request that Athena does not take."""
    error = JsonRESTError("InvalidRequestException", message)
    if code:
        error.description = json.dumps({"__type": error.error_type, "message": message, "AthenaErrorCode": code})
    return error


def of_duckdb(error: duckdb.Error, query: exp.Expr) -> QueryError:
    """Return what an error of DuckDB's is to Athena, with its place in `query` where the message names one."""
    said = str(error).partition("\n\n")[0].partition("\nDid you mean")[0]
    if found := _NO_FUNCTION.search(said):
        return QueryError("FUNCTION_NOT_FOUND", f"Function '{found[1]}' not registered", _function(query, found[1]))
    if found := _NOT_GROUPED.search(said):
        message = f"'{found[1]}' must be an aggregate expression or appear in GROUP BY clause"
        return QueryError("EXPRESSION_NOT_AGGREGATE", message, column_named(query, found[1]))
    if found := _AMBIGUOUS.search(said):
        return QueryError("AMBIGUOUS_NAME", f"Column '{found[1]}' is ambiguous", column_named(query, found[1]))
    if "Division by zero" in said:
        return QueryError("DIVISION_BY_ZERO", "Division by zero")
    if _NO_PARQUET.search(said):
        return QueryError("HIVE_BAD_DATA", said.partition(": ")[2])
    kind, _, message = said.partition(": ")
    return QueryError(_CODES.get(kind, "GENERIC_INTERNAL_ERROR"), message.replace("\n", " ") or said)


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


def column_named(query: exp.Expr, name: str, *, line: int = 0, end: int = 0) -> exp.Column | None:
    """Return the column of `query` with this name: the one whose last letter is at `line` and `end`, else the first."""
    name = name.rpartition(".")[2].strip('"').lower()
    named = [column for column in query.find_all(exp.Column, bfs=False) if column.name.lower() == name]
    there = [column for column in named if _end(column.parts[0]) == (line, end) or _end(column.this) == (line, end)]
    return next(iter(there or named), None)


def _function(query: exp.Expr, name: str) -> exp.Expr | None:
    calls = query.find_all(exp.Func, bfs=False)
    return next((call for call in calls if call.name.lower() == name or call.sql_name().lower() == name), None)


def _end(node: exp.Expr) -> tuple[int, int]:
    return node.meta.get("line", 0), node.meta.get("col", 0)


def _position(place: exp.Expr | None) -> tuple[int, int] | None:
    """Return the line and column at which a part of a query begins, from 1."""
    if place is None:
        return None
    node = place.parts[0] if isinstance(place, exp.Column | exp.Table) else place
    if "col" not in node.meta:
        return None
    return node.meta["line"], node.meta["col"] - (node.meta["end"] - node.meta["start"])
