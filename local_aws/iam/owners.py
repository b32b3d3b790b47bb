"""Whose the statements of Redshift's Data API are: they have no ARN, so that a policy goes by who submitted them."""

_of_statements: dict[str, str] = {}


def remember_statement(identifier: str, user_id: str) -> None:
    """Note that a session, by its `aws:userid`, has submitted a statement."""
    _of_statements[identifier] = user_id


def of_statement(identifier: str) -> str | None:
    """Return the `aws:userid` of the session that has submitted a statement, or that of which it is a part."""
    return _of_statements.get(identifier.partition(":")[0])
