"""Parsing of statements."""

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
_SHOW_PATTERNS = (
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

logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it warns of SHOW, which is parsed here


@dataclass(frozen=True, slots=True)
class ShowStatement:
    """A SHOW or DESCRIBE statement, with its database, table and pattern, if given."""

    kind: str
    database: str | None
    table: str | None
    pattern: str | None


@dataclass(frozen=True, slots=True)
class AthenaStatement:
    """A statement: its syntax tree, and Athena's statement type and substatement type."""

    tree: exp.Expr | ShowStatement
    type: str
    subtype: str


def parse(text: str, parameters: list[str] | None = None) -> AthenaStatement:
    """Return the statement in `text`, with its placeholders replaced by `parameters`.

    Raises Athena's error for an invalid request when the text is not a single valid statement, and `QueryError` when
    the statement is not supported locally.
    """
    if show := _parse_show(text):
        return show
    try:
        trees = [tree for tree in sqlglot.parse(text, read="athena") if tree]
    except ParseError as error:
        raise refused(_trino_message(error), "MALFORMED_QUERY") from error
    except SqlglotError as error:
        raise refused(f"line 1:1: {error}", "MALFORMED_QUERY") from error
    if len(trees) != 1:
        raise refused(f"Only one sql statement is allowed. Got: {text}", "MALFORMED_QUERY")
    tree = _bind(trees[0], parameters or [])
    if isinstance(tree, exp.Query):
        return AthenaStatement(tree, "DML", "SELECT")
    if isinstance(tree, exp.Create) and tree.kind == "VIEW" and not tree.args.get("exists"):
        return AthenaStatement(tree, "DDL", "CREATE_VIEW")
    if isinstance(tree, exp.Drop) and tree.kind == "VIEW" and len(tree.args["tables"]) == 1:
        return AthenaStatement(tree, "DDL", "DROP_VIEW")
    if isinstance(tree, exp.Condition | exp.Alias):
        first, *_ = text.split(maxsplit=1)
        raise refused(f"line 1:1: mismatched input '{first}': not the start of a statement", "MALFORMED_QUERY")
    raise QueryError("NOT_SUPPORTED", f"line 1:1: only {SUPPORTED} are supported locally")


def _parse_show(text: str) -> AthenaStatement | None:
    for kind, pattern in _SHOW_PATTERNS:
        if match := pattern.fullmatch(text.strip().rstrip(";").strip()):
            groups = match.groupdict()
            show = ShowStatement(
                kind, _unquote(groups.get("database")), _unquote(groups.get("table")), groups.get("pattern")
            )
            return AthenaStatement(show, "UTILITY", "DESCRIBE_TABLE" if kind == "DESCRIBE" else f"SHOW_{kind}")
    return None


def _unquote(name: str | None) -> str | None:
    quote = name[0] if name and name[0] in '`"' else ""
    return name[1:-1].replace(quote * 2, quote) if name and quote else name


def _trino_message(error: ParseError) -> str:
    """Return the parser's message in Trino's form."""
    (first, *_) = error.errors
    token = first["highlight"] or "<EOF>"
    column = (first["col"] or 1) - len(first["highlight"] or "") + 1
    return f"line {first['line']}:{max(column, 1)}: mismatched input '{token}': {first['description']}"


def _bind(tree: exp.Expr, parameters: list[str]) -> exp.Expr:
    """Replace the placeholders of `tree` by `parameters`; raise QueryError when their numbers differ."""
    placeholders = list(tree.find_all(exp.Placeholder, bfs=False))
    if len(placeholders) != len(parameters):
        raise QueryError(
            "INVALID_PARAMETER_USAGE",
            f"line 1:1: Incorrect number of parameters: expected {len(placeholders)} but found {len(parameters)}",
        )
    for placeholder, text in zip(placeholders, parameters, strict=True):
        placeholder.replace(_literal(text))
    return tree


def _literal(text: str) -> exp.Expr:
    """Return a parameter as an SQL constant; like Athena, treat any other text as a string."""
    try:
        value = sqlglot.parse_one(text, read="athena")
    except SqlglotError:
        return exp.Literal.string(text)
    is_constant = not list(value.find_all(exp.Column, exp.Query, exp.Command, exp.Anonymous))
    return value if is_constant else exp.Literal.string(text)
