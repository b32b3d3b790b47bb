"""What a query asks for, read out of its text."""

import logging
import re
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError

from local_aws.athena.errors import QueryError, refused

SUPPORTED = "SELECT, SHOW TABLES, SHOW VIEWS, SHOW DATABASES, SHOW PARTITIONS, DESCRIBE, CREATE VIEW and DROP VIEW"

_NAME = r'(?P<{}>`(?:[^`]|``)+`|"(?:[^"]|"")+"|[\w-]+)'
_TABLE = rf"(?:{_NAME.format('database')}\.)?{_NAME.format('table')}"
_SHOWN = (
    ("DATABASES", re.compile(r"SHOW\s+(?:DATABASES|SCHEMAS)(?:\s+LIKE)?(?:\s+'(?P<pattern>[^']*)')?", re.IGNORECASE)),
    *(
        (
            kind,
            re.compile(
                rf"SHOW\s+{kind}(?:\s+(?:IN|FROM)\s+{_NAME.format('database')})?(?:\s+LIKE)?"
                r"(?:\s+'(?P<pattern>[^']*)')?",
                re.IGNORECASE,
            ),
        )
        for kind in ("TABLES", "VIEWS")
    ),
    ("PARTITIONS", re.compile(rf"SHOW\s+PARTITIONS\s+{_TABLE}", re.IGNORECASE)),
    ("DESCRIBE", re.compile(rf"DESC(?:RIBE)?\s+(?:EXTENDED\s+|FORMATTED\s+)?{_TABLE}", re.IGNORECASE)),
)

logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it warns of SHOW, which is read here


@dataclass(frozen=True, slots=True)
class Show:
    """SHOW or DESCRIBE: what is to be shown, and of which database and table, where that is said."""

    kind: str
    database: str | None
    table: str | None
    pattern: str | None


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement: what it asks for, and how Athena classes it."""

    asked: exp.Expr | Show
    type: str
    subtype: str


def parse(text: str, parameters: list[str] | None = None) -> Statement:
    """Return the statement in `text`, with `parameters` in the place of its question marks.

    Raises what the API refuses a request with when it is no SQL or more than one statement, `QueryError` when it is a
    statement that is not supported here.
    """
    if shown := _show(text):
        return shown
    try:
        trees = [tree for tree in sqlglot.parse(text, read="athena") if tree]
    except ParseError as error:
        raise refused(_where(error), "MALFORMED_QUERY") from error
    except SqlglotError as error:
        raise refused(f"line 1:1: {error}", "MALFORMED_QUERY") from error
    if len(trees) != 1:
        raise refused(f"Only one sql statement is allowed. Got: {text}", "MALFORMED_QUERY")
    tree = _filled(trees[0], parameters or [])
    if isinstance(tree, exp.Query):
        return Statement(tree, "DML", "SELECT")
    if isinstance(tree, exp.Create) and tree.kind == "VIEW" and not tree.args.get("exists"):
        return Statement(tree, "DDL", "CREATE_VIEW")
    if isinstance(tree, exp.Drop) and tree.kind == "VIEW" and len(tree.args["tables"]) == 1:
        return Statement(tree, "DDL", "DROP_VIEW")
    if isinstance(tree, exp.Condition | exp.Alias):
        first, *_ = text.split(maxsplit=1)
        raise refused(f"line 1:1: mismatched input '{first}': no statement begins so", "MALFORMED_QUERY")
    raise QueryError("NOT_SUPPORTED", f"line 1:1: this statement does not run locally; {SUPPORTED} do")


def _show(text: str) -> Statement | None:
    for kind, pattern in _SHOWN:
        if found := pattern.fullmatch(text.strip().rstrip(";").strip()):
            named = found.groupdict()
            asked = Show(kind, _unquoted(named.get("database")), _unquoted(named.get("table")), named.get("pattern"))
            return Statement(asked, "UTILITY", "DESCRIBE_TABLE" if kind == "DESCRIBE" else f"SHOW_{kind}")
    return None


def _unquoted(name: str | None) -> str | None:
    quote = name[0] if name and name[0] in '`"' else ""
    return name[1:-1].replace(quote * 2, quote) if name and quote else name


def _where(error: ParseError) -> str:
    """Return what the parser says in the form in which Trino says it."""
    (first, *_) = error.errors
    what = first["highlight"] or "<EOF>"
    column = (first["col"] or 1) - len(first["highlight"] or "") + 1
    return f"line {first['line']}:{max(column, 1)}: mismatched input '{what}': {first['description']}"


def _filled(tree: exp.Expr, parameters: list[str]) -> exp.Expr:
    marks = list(tree.find_all(exp.Placeholder, bfs=False))
    if len(marks) != len(parameters):
        raise QueryError(
            "INVALID_PARAMETER_USAGE",
            f"line 1:1: Incorrect number of parameters: expected {len(marks)} but found {len(parameters)}",
        )
    for mark, text in zip(marks, parameters, strict=True):
        mark.replace(_literal(text))
    return tree


def _literal(text: str) -> exp.Expr:
    """Return a parameter as SQL; one that is no constant is text, as Athena takes it."""
    try:
        value = sqlglot.parse_one(text, read="athena")
    except SqlglotError:
        return exp.Literal.string(text)
    constant = not list(value.find_all(exp.Column, exp.Query, exp.Command, exp.Anonymous))
    return value if constant else exp.Literal.string(text)
