"""Which kind of warehouse the arguments of a job name: the one place that knows of both."""

from typing import TYPE_CHECKING

from totelake.runtime.connections import login
from totelake.runtime.errors import ArgumentError
from totelake.warehouse.contract import Warehouse

if TYPE_CHECKING:
    from totelake.runtime.glue import JobRun  # it brings Spark, and not all who ask for a name need that

_POSTGRES = "warehouse_connection"
_REDSHIFT = ("redshift_workgroup", "redshift_database", "redshift_secret", "redshift_copy_role")
ARGUMENTS = (_POSTGRES, *_REDSHIFT, "TempDir")


def named_in(run: "JobRun") -> Warehouse:
    """Return the warehouse that `run` was given: by a Glue connection, or by the four arguments of Redshift.

    Raises `ArgumentError` when both are given, neither, or only some of the four.
    """
    given = [name for name in _REDSHIFT if name in run.arguments]
    if bool(given) == (_POSTGRES in run.arguments):
        how_many = "one of the two, not both," if given else "one of the two"
        raise ArgumentError(_POSTGRES, f"or --{_REDSHIFT[0]}", how_many)
    if not given:
        from totelake.warehouse.postgres.load import Postgres  # noqa: PLC0415 - Redshift's load needs no driver

        return Postgres(login(run.arguments[_POSTGRES]))
    if missing := [name for name in (*_REDSHIFT, "TempDir") if name not in run.arguments]:
        raise ArgumentError(given[0], run.arguments[given[0]], f"also --{' and --'.join(missing)}")
    from totelake.warehouse.redshift.load import Redshift  # noqa: PLC0415 - Postgres' load needs none of it

    return Redshift(*(run.arguments[name] for name in (*_REDSHIFT, "TempDir")))
