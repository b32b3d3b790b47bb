"""The choice of the kind of warehouse from a job's arguments."""

from typing import TYPE_CHECKING

from totelake.runtime.connections import login
from totelake.runtime.errors import ArgumentError
from totelake.warehouse.contract import Warehouse

if TYPE_CHECKING:
    from totelake.runtime.glue import JobRun  # it imports Spark, which not every importer needs

_POSTGRES = "warehouse_connection"
_REDSHIFT = ("redshift_workgroup", "redshift_database", "redshift_secret", "redshift_copy_role")
ARGUMENTS = (_POSTGRES, *_REDSHIFT, "TempDir")


def from_arguments(run: "JobRun") -> Warehouse:
    """Return the warehouse of `run`: from a Glue connection to Postgres, or from the four arguments of Redshift.

    Raises `ArgumentError` when both are given, neither, or only some of the four.
    """
    given = [name for name in _REDSHIFT if name in run.arguments]
    if bool(given) == (_POSTGRES in run.arguments):
        expected = "one of the two, not both" if given else "one of the two"
        raise ArgumentError(_POSTGRES, f"or --{_REDSHIFT[0]}", expected)
    if not given:
        from totelake.warehouse.postgres.load import Postgres  # noqa: PLC0415 - Redshift's load needs no driver

        return Postgres(login(run.arguments[_POSTGRES]))
    if missing := [name for name in (*_REDSHIFT, "TempDir") if name not in run.arguments]:
        raise ArgumentError(given[0], run.arguments[given[0]], f"--{' and --'.join(missing)} too")
    from totelake.warehouse.redshift.load import Redshift  # noqa: PLC0415 - Postgres' load needs none of it

    return Redshift(*(run.arguments[name] for name in (*_REDSHIFT, "TempDir")))
