"""Redshift's SQL, parsed by sqlglot's dialect, and the same in Postgres' words."""

import logging
import re
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

# What the parser takes for SQL of Redshift's, since it knows what Postgres can, and Redshift does not.
_NOT_IN_REDSHIFT: dict[type[exp.Expr], str] = {
    exp.OnConflict: "ON CONFLICT",
    exp.Returning: "RETURNING",
    exp.NullSafeEQ: "IS NOT DISTINCT FROM",
    exp.NullSafeNEQ: "IS DISTINCT FROM",
    exp.Index: "CREATE INDEX",
    exp.Transaction: "BEGIN within a batch, which is a transaction already,",
    exp.Commit: "COMMIT within a batch",
    exp.Rollback: "ROLLBACK within a batch",
}
# The parser takes more for a statement: what other databases have, and anything that could stand in a query.
_STATEMENTS = (
    exp.Query,
    *(exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Copy, exp.TruncateTable),
    *(exp.Create, exp.Alter, exp.Drop, exp.Comment, exp.Analyze),
    *(exp.Grant, exp.Revoke, exp.Set),
)
# A function could do what no statement may.
_MADE = {"TABLE", "VIEW", "SCHEMA"}
_WORDS = re.compile(r"\w+( \w+)*")
# The one statement of ours that the parser does not know: docs.aws.amazon.com/redshift/latest/dg/r_LOCK.html
_NAME = r'(?:"[^"]+"|\w+)(?:\.(?:"[^"]+"|\w+))?'
_LOCK = re.compile(rf"LOCK\s+(?:TABLE\s+)?({_NAME}(?:\s*,\s*{_NAME})*)\s*;?", re.IGNORECASE)

logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it warns of LOCK before the grammar above has its turn


class RedshiftSyntaxError(Exception):
    """A statement is not Redshift's, or one that does not run locally."""


def check(statement: str) -> exp.Expr:
    """Return `statement` as Redshift reads it; raise `RedshiftSyntaxError` where it cannot."""
    try:
        parsed = sqlglot.parse(statement, read="redshift")
    except SqlglotError as error:
        raise RedshiftSyntaxError(f"syntax error: {error}") from error
    tree = parsed[0] if len(parsed) == 1 else None
    if tree is None:
        raise RedshiftSyntaxError("syntax error: one statement at a time")
    for node in tree.walk():
        if said := _NOT_IN_REDSHIFT.get(type(node)):
            raise RedshiftSyntaxError(f"syntax error: Redshift has no {said}")
        if isinstance(node, exp.Distinct) and node.args.get("on"):
            raise RedshiftSyntaxError("syntax error: Redshift has no DISTINCT ON")
        # sqlglot writes these as they stand.
        if isinstance(node, exp.Var | exp.Placeholder) and not _WORDS.fullmatch(node.name):
            raise RedshiftSyntaxError(f"syntax error: '{node.name}' is no word of SQL")
        if isinstance(node, exp.Merge):
            _check_merge(node)
    if not _LOCK.fullmatch(statement.strip()):
        _check_kind(tree, statement)
    return tree


@lru_cache(512)
def translated(statement: str) -> tuple[exp.Expr, str]:
    """Return `statement` as Redshift reads it, and what Postgres has to be told to do what it does in Redshift."""
    tree = check(statement)
    if locked := _LOCK.fullmatch(statement.strip()):
        return tree, f"LOCK TABLE {locked[1]} IN ACCESS EXCLUSIVE MODE"
    return tree, _without_redshifts_own(tree.copy()).sql("postgres")


def _check_kind(tree: exp.Expr, statement: str) -> None:
    """Hold a statement to those that run locally."""
    if not isinstance(tree, _STATEMENTS):
        raise RedshiftSyntaxError(f"syntax error at or near {statement.split(maxsplit=1)[0]}")
    if isinstance(tree, exp.Create | exp.Alter | exp.Drop) and tree.kind not in _MADE:
        raise RedshiftSyntaxError(f"{tree.key.upper()} {tree.kind}: only tables, views and schemas are made locally")
    if isinstance(tree, exp.Copy):
        _check_copy(tree)


def _check_merge(merge: exp.Merge) -> None:
    """Hold MERGE to what docs.aws.amazon.com/redshift/latest/dg/r_MERGE.html lets it have."""
    if not isinstance(merge.args["using"], exp.Table):
        raise RedshiftSyntaxError("MERGE: the source has to be a table")
    if merge.this.alias:
        raise RedshiftSyntaxError("MERGE: the target has no alias")
    if any(when.args.get("condition") for when in merge.find_all(exp.When)):
        raise RedshiftSyntaxError("MERGE: WHEN has no condition of its own")


def _check_copy(copy: exp.Copy) -> None:
    """Hold COPY to the one direction that it has, from an address into a table."""
    is_address = [isinstance(file, exp.Literal) and file.is_string for file in copy.args["files"]]
    if not (copy.args["kind"] and isinstance(copy.this, exp.Table) and is_address == [True]):
        raise RedshiftSyntaxError("COPY: what is copied is a file of S3, named by its address, into a table")


def _without_redshifts_own(tree: exp.Expr) -> exp.Expr:
    """Leave out where rows are kept, and the keys, which Redshift does not enforce; say what sqlglot does not.

    STRTOL is a cast from bits for Postgres, and DATEDIFF of two times of day their difference in its own epoch.
    """
    for node in [*tree.find_all(exp.FromBase, exp.TsOrDsDiff)]:
        if isinstance(node, exp.FromBase):
            node.replace(
                _cast(_cast(exp.DPipe(this=exp.Literal.string("x0"), expression=node.this), "BIT(64)"), "BIGINT")
            )
        else:
            since = exp.Paren(this=exp.Sub(this=node.this, expression=node.expression))
            seconds = exp.Extract(this=exp.var("EPOCH"), expression=since)
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


def _cast(value: exp.Expr, kind: str) -> exp.Expr:
    return exp.Cast(this=exp.Paren(this=value), to=exp.DataType.build(kind, dialect="postgres"))
