"""Validation of Redshift's SQL and its translation to Postgres, based on sqlglot's dialects."""

import logging
import re
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

# Postgres syntax that the parser accepts but Redshift does not support.
_NOT_IN_REDSHIFT: dict[type[exp.Expr], str] = {
    exp.OnConflict: "ON CONFLICT",
    exp.Returning: "RETURNING",
    exp.Operator: "OPERATOR()",
    exp.Parameter: "parameters of this form, only :name,",
    exp.NullSafeEQ: "IS NOT DISTINCT FROM",
    exp.NullSafeNEQ: "IS DISTINCT FROM",
    exp.Index: "CREATE INDEX",
    exp.Transaction: "BEGIN within a batch, which is already a transaction,",
    exp.Commit: "COMMIT within a batch",
    exp.Rollback: "ROLLBACK within a batch",
}
# The parser accepts more: statements of other databases, and bare expressions.
_STATEMENTS = (
    exp.Query,
    *(exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Copy, exp.TruncateTable),
    *(exp.Create, exp.Alter, exp.Drop, exp.Comment, exp.Analyze),
    *(exp.Grant, exp.Revoke, exp.Set),
)
# No functions: they could execute statements that are not supported.
_CREATABLE = {"TABLE", "VIEW", "SCHEMA"}
_IDENTIFIER = re.compile(r"[\w$]+")
_KEYWORDS = re.compile(r"\w+( \w+)*")
# The parser does not support LOCK: docs.aws.amazon.com/redshift/latest/dg/r_LOCK.html
_NAME = r'(?:"[^"]+"|\w+)(?:\.(?:"[^"]+"|\w+))?'
_LOCK = re.compile(rf"LOCK\s+(?:TABLE\s+)?({_NAME}(?:\s*,\s*{_NAME})*)\s*;?", re.IGNORECASE)

logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it warns of LOCK


class RedshiftSyntaxError(Exception):
    """A statement is invalid in Redshift, or not supported locally."""


def check(statement: str) -> exp.Expr:
    """Return the syntax tree of `statement`; raise `RedshiftSyntaxError` when it is invalid or not supported."""
    try:
        parsed = sqlglot.parse(statement, read="redshift")
    except SqlglotError as error:
        raise RedshiftSyntaxError(f"syntax error: {error}") from error
    tree = parsed[0] if len(parsed) == 1 else None
    if tree is None:
        raise RedshiftSyntaxError("syntax error: only one statement is allowed")
    for node in tree.walk():
        _check_node(node)
    if not _LOCK.fullmatch(statement.strip()):
        _check_statement_type(tree, statement)
    return tree


@lru_cache(512)
def translate(statement: str) -> tuple[exp.Expr, str]:
    """Return the syntax tree of `statement`, and the equivalent SQL for Postgres."""
    tree = check(statement)
    if lock := _LOCK.fullmatch(statement.strip()):
        return tree, f"LOCK TABLE {lock[1]} IN ACCESS EXCLUSIVE MODE"
    return tree, _to_postgres(tree.copy()).sql("postgres")


def _check_node(node: exp.Expr) -> None:
    """Raise `RedshiftSyntaxError` for what Redshift lacks, or sqlglot would generate with a name that is not quoted."""
    if unsupported := _NOT_IN_REDSHIFT.get(type(node)):
        raise RedshiftSyntaxError(f"syntax error: Redshift has no {unsupported}")
    if isinstance(node, exp.Distinct) and node.args.get("on"):
        raise RedshiftSyntaxError("syntax error: Redshift has no DISTINCT ON")
    if isinstance(node, exp.Var | exp.Placeholder) and not _KEYWORDS.fullmatch(node.name):
        raise RedshiftSyntaxError(f"syntax error: '{node.name}' is not a keyword")
    if isinstance(node, exp.Identifier) and not node.quoted and not _IDENTIFIER.fullmatch(node.name):
        raise RedshiftSyntaxError(f"syntax error: '{node.name}' is not an identifier")
    if isinstance(node, exp.Merge):
        _check_merge(node)
    if isinstance(node, exp.Delete):
        _check_delete(node)


def _check_statement_type(tree: exp.Expr, statement: str) -> None:
    """Raise `RedshiftSyntaxError` for a statement that is not supported locally."""
    if not isinstance(tree, _STATEMENTS):
        raise RedshiftSyntaxError(f"syntax error at or near {statement.split(maxsplit=1)[0]}")
    if isinstance(tree, exp.Create | exp.Alter | exp.Drop) and tree.kind not in _CREATABLE:
        raise RedshiftSyntaxError(
            f"{tree.key.upper()} {tree.kind}: only tables, views and schemas are supported locally"
        )
    if isinstance(tree, exp.Copy):
        _check_copy(tree)


def _check_merge(merge: exp.Merge) -> None:
    """Raise `RedshiftSyntaxError` for syntax outside docs.aws.amazon.com/redshift/latest/dg/r_MERGE.html."""
    if not isinstance(merge.args["using"], exp.Table):
        raise RedshiftSyntaxError("MERGE: the source must be a table")
    if merge.this.alias:
        raise RedshiftSyntaxError("MERGE: the target must not have an alias")
    if any(when.args.get("condition") for when in merge.find_all(exp.When)):
        raise RedshiftSyntaxError("MERGE: WHEN must not have an additional condition")


def _check_delete(delete: exp.Delete) -> None:
    """Raise `RedshiftSyntaxError` for syntax outside docs.aws.amazon.com/redshift/latest/dg/r_DELETE.html."""
    tables = [delete.this, *(delete.args.get("using") or ())]
    if any(not isinstance(table, exp.Table) or table.alias for table in tables):
        raise RedshiftSyntaxError("DELETE: only tables, without aliases, are allowed")


def _check_copy(copy: exp.Copy) -> None:
    """Raise `RedshiftSyntaxError` unless COPY is from an S3 URI into a table."""
    is_uri = [isinstance(file, exp.Literal) and file.is_string for file in copy.args["files"]]
    if not (copy.args["kind"] and isinstance(copy.this, exp.Table) and is_uri == [True]):
        raise RedshiftSyntaxError("COPY: only a copy from an S3 URI into a table is supported")


def _to_postgres(tree: exp.Expr) -> exp.Expr:
    """Remove distribution and sort keys, and the constraints that Redshift does not enforce; translate functions.

    STRTOL becomes a cast from bits, and DATEDIFF of two times of day the difference of their epochs.
    """
    for node in [*tree.find_all(exp.FromBase, exp.TsOrDsDiff)]:
        if isinstance(node, exp.FromBase):
            node.replace(
                _cast(_cast(exp.DPipe(this=exp.Literal.string("x0"), expression=node.this), "BIT(64)"), "BIGINT")
            )
        else:
            difference = exp.Paren(this=exp.Sub(this=node.this, expression=node.expression))
            seconds = exp.Extract(this=exp.var("EPOCH"), expression=difference)
            node.replace(_cast(exp.Mul(this=seconds, expression=exp.Literal.number(1000)), "BIGINT"))
    if isinstance(tree, exp.Create) and tree.kind == "TABLE":
        tree.set("properties", None)
        for key in [*tree.find_all(exp.PrimaryKey, exp.ForeignKey)]:
            key.pop()
        for constraint in [*tree.find_all(exp.ColumnConstraint)]:
            kinds = (exp.Reference, exp.PrimaryKeyColumnConstraint, exp.UniqueColumnConstraint)
            if isinstance(constraint.args["kind"], kinds):
                constraint.pop()
    return tree


def _cast(value: exp.Expr, type_name: str) -> exp.Expr:
    return exp.Cast(this=exp.Paren(this=value), to=exp.DataType.build(type_name, dialect="postgres"))
