"""The owners of Redshift Data API statements, which have no ARN: policies refer to the session that submitted them."""

_statement_owners: dict[str, str] = {}


def remember_statement(identifier: str, user_id: str) -> None:
    """Record the `aws:userid` of the session that submitted a statement."""
    _statement_owners[identifier] = user_id


def of_statement(identifier: str) -> str | None:
    """Return the `aws:userid` of the session that submitted a statement, or the batch that it is part of."""
    return _statement_owners.get(identifier.partition(":")[0])
