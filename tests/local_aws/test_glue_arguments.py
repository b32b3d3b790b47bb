"""The arguments of a job run, as pure functions."""

import pytest

from local_aws.glue import arguments
from local_aws.glue.errors import InvalidInputError


def test_fixed_arguments_win_over_the_runs_those_over_the_triggers_those_over_the_defaults():
    """Each source wins over the ones that come before it."""
    merged = arguments.merge(
        {"--a": "default", "--b": "default", "--c": "default", "--d": "default"},
        {"--b": "trigger", "--c": "trigger", "--d": "trigger"},
        {"--c": "run", "--d": "run"},
        {"--d": "fixed"},
        {},
    )
    assert merged == {"--a": "default", "--b": "trigger", "--c": "run", "--d": "fixed"}


def test_names_that_glue_reserves_are_its_own():
    """What somebody gives for `--JOB_NAME` or `--mode` does not reach the script."""
    merged = arguments.merge({"--JOB_NAME": "mine", "--mode": "x"}, {}, {}, {}, {"--JOB_NAME": "glues"})
    assert merged == {"--JOB_NAME": "glues"}


def test_what_glue_acts_upon_itself_is_not_handed_to_the_script():
    """The script sees its own arguments and the run's identity."""
    line = arguments.command_line({"--conf": "a=b", "--extra-py-files": "s3://b/k.zip", "--source": "totesys"})
    assert line == ["--source", "totesys"]


def test_one_conf_argument_holds_several_settings():
    """`k1=v1 --conf k2=v2` is Glue's way to give more than one."""
    found = arguments.spark_settings({"--conf": "spark.a=1 --conf spark.b=x=y --conf 'spark.c=two words'"})
    assert found == {"spark.a": "1", "spark.b": "x=y", "spark.c": "two words"}


def test_a_conf_without_a_value_is_refused():
    """A setting that Spark would not take is named."""
    with pytest.raises(InvalidInputError, match=r"spark\.a"):
        arguments.spark_settings({"--conf": "spark.a"})


@pytest.mark.parametrize(
    ("requirement", "problem"),
    [
        ("psycopg[binary]==3.3.9", None),
        ("Typing_Extensions", None),
        ("psycopg==3.0", "psycopg==3.0 is wanted and 3.3.9 is installed"),
        ("absent==1", "absent==1 is not installed"),
        ("s3://bucket/wheels/0a1b/psycopg-3.3.9-py3-none-any.whl", None),
        ("s3://bucket/wheels/0a1b/typing_extensions-4.1-py3-none-any.whl", None),
        ("s3://b/psycopg-3.0-cp313-cp313-manylinux_2_28.whl", "psycopg==3.0 is wanted and 3.3.9 is installed"),
    ],
)
def test_a_module_is_there_in_its_version_or_is_named(requirement: str, problem: str | None):
    """Names are compared as packaging does, extras left aside."""
    installed = {"psycopg": "3.3.9", "typing-extensions": "4.1"}
    assert arguments.missing_modules([requirement], installed) == ([problem] if problem else [])
