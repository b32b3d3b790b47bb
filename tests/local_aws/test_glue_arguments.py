"""The arguments of a job run: precedence, reserved names, Spark settings and Python modules."""

import pytest

from local_aws.glue.errors import InvalidInputError
from local_aws.glue.jobs import arguments


def test_arguments_take_precedence_from_fixed_to_run_to_trigger_to_default():
    """`merge` takes them in ascending order of precedence."""
    merged = arguments.merge(
        {"--a": "default", "--b": "default", "--c": "default", "--d": "default"},
        {"--b": "trigger", "--c": "trigger", "--d": "trigger"},
        {"--c": "run", "--d": "run"},
        {"--d": "fixed"},
        {},
    )
    assert merged == {"--a": "default", "--b": "trigger", "--c": "run", "--d": "fixed"}


def test_reserved_arguments_are_set_by_glue_only():
    """A caller's `--JOB_NAME` or `--mode` does not reach the script."""
    merged = arguments.merge({"--JOB_NAME": "mine", "--mode": "x"}, {}, {}, {}, {"--JOB_NAME": "glues"})
    assert merged == {"--JOB_NAME": "glues"}


def test_arguments_for_glue_itself_are_not_passed_to_the_script():
    """The script gets its own arguments only."""
    line = arguments.command_line({"--conf": "a=b", "--extra-py-files": "s3://b/k.zip", "--source": "totesys"})
    assert line == ["--source", "totesys"]


def test_one_conf_argument_can_hold_several_settings():
    """In the form of Glue: `k1=v1 --conf k2=v2`."""
    settings = arguments.spark_settings({"--conf": "spark.a=1 --conf spark.b=x=y --conf 'spark.c=two words'"})
    assert settings == {"spark.a": "1", "spark.b": "x=y", "spark.c": "two words"}


def test_conf_without_a_value_is_rejected():
    """The error names the setting."""
    with pytest.raises(InvalidInputError, match=r"spark\.a"):
        arguments.spark_settings({"--conf": "spark.a"})


@pytest.mark.parametrize(
    ("requirement", "problem"),
    [
        ("psycopg[binary]==3.3.9", None),
        ("Typing_Extensions", None),
        ("psycopg==3.0", "psycopg==3.0 is required and 3.3.9 is installed"),
        ("absent==1", "absent==1 is not installed"),
        ("s3://bucket/wheels/0a1b/psycopg-3.3.9-py3-none-any.whl", None),
        ("wheels/typing_extensions-4.1-py3-none-any.whl", None),
        ("s3://b/psycopg-3.0-cp313-cp313-manylinux_2_28.whl", "psycopg==3.0 is required and 3.3.9 is installed"),
    ],
)
def test_missing_modules_are_listed_with_their_versions(requirement: str, problem: str | None):
    """Names are compared in normalized form, without extras."""
    installed = {"psycopg": "3.3.9", "typing-extensions": "4.1"}
    assert arguments.missing_modules([requirement], installed) == ([problem] if problem else [])
