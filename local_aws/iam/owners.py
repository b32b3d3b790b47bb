"""The owners of Redshift Data API statements, which have no ARN: policies refer to the session that submitted them."""

from moto.redshiftdata.models import redshiftdata_backends


def of_statement(identifier: str) -> str | None:
    """Return the `aws:userid` of the session that submitted a statement, or the batch that it is part of.

    None for a statement that no session has submitted, and where Redshift is not mounted.
    """
    batches = getattr(redshiftdata_backends.backend, "batches", None)
    owner: str | None = batches.owner(identifier) if batches else None
    return owner
