"""The choice of the warehouse by a job's arguments."""

import pytest

from totelake.runtime.errors import ArgumentError
from totelake.runtime.glue import JobRun
from totelake.warehouse import ARGUMENTS, from_arguments
from totelake.warehouse.redshift.load import Redshift

REDSHIFT = {
    "redshift_workgroup": "totelake-dev",
    "redshift_database": "warehouse",
    "redshift_secret": "arn:aws:secretsmanager:eu-west-2:1:secret:admin",
    "redshift_copy_role": "arn:aws:iam::1:role/copy",
    "TempDir": "s3://artifacts/temporary",
}


def run_with(**arguments):
    """Return a run with `arguments`."""
    return JobRun("jr_1", "v1", arguments)


def test_redshift_arguments_select_a_redshift_warehouse():
    """Its place is public; the name of its secret is not shown."""
    warehouse = from_arguments(run_with(**REDSHIFT))
    assert warehouse == Redshift("totelake-dev", "warehouse", *list(REDSHIFT.values())[2:])
    assert warehouse.place == "database warehouse of the Redshift workgroup totelake-dev"
    assert set(REDSHIFT) < set(ARGUMENTS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "--warehouse_connection or --redshift_workgroup: expected one of the two"),
        ({"TempDir": "s3://a/b"}, "expected one of the two"),
        ({"warehouse_connection": "w", **REDSHIFT}, "expected one of the two, not both"),
        ({"redshift_workgroup": "w"}, "expected --redshift_database and --redshift_secret and --redshift_copy_role"),
        (
            {**REDSHIFT, "redshift_secret": None},
            "--redshift_workgroup totelake-dev: expected --redshift_secret too",
        ),
        ({**REDSHIFT, "TempDir": None}, "expected --TempDir too"),
    ],
    ids=["neither", "neither, but a folder", "both", "a workgroup alone", "no secret", "no folder"],
)
def test_ambiguous_or_incomplete_arguments_are_rejected(arguments, message):
    """The error names the missing or surplus ones."""
    given = {name: value for name, value in arguments.items() if value}
    with pytest.raises(ArgumentError) as raised:
        from_arguments(run_with(**given))
    assert message in str(raised.value)
