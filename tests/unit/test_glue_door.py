"""The door to Glue: what a job is told of itself, and what Glue is told of an error."""

import pytest

from totelake.runtime import glue
from totelake.runtime.errors import LogError, UnforeseenError
from totelake.runtime.workflow import WorkflowRun

ARGUMENTS = ["load.py", "--JOB_NAME", "j", "--JOB_RUN_ID", "jr_1", "--code_version", "v"]
WORKFLOW = ["--WORKFLOW_NAME", "totelake", "--WORKFLOW_RUN_ID=wr_1"]


def test_a_job_in_a_workflow_knows_the_run():
    """It is no argument of the job's own."""
    with glue.job([*ARGUMENTS, *WORKFLOW]) as run:
        assert run.workflow == WorkflowRun("totelake", "wr_1")
        assert run.arguments == {}


def test_a_job_by_itself_is_in_no_workflow():
    """Glue passes the two arguments in a workflow only."""
    with glue.job(ARGUMENTS) as run:
        assert run.workflow is None


def fail(error):
    """Run a job that raises `error`."""
    with glue.job(ARGUMENTS):
        raise error


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("[DIVIDE_BY_ZERO] Division by zero.\n== SQL ==\nSELECT 1/0", "[DIVIDE_BY_ZERO] Division by zero."),
        (
            "An error occurred while calling o9.x.\n: java.io.IOException: gone\n\tat a.B.c",
            "java.io.IOException: gone.",
        ),
        (
            'cannot truncate\nDETAIL:  Table "budget" refers.\nHINT:  Drop\n"it".\nCONTEXT:  SQL',
            'cannot truncate. Table "budget" refers. Drop "it".',
        ),
        (
            "Calling o9.x.\n: a.SQLException: gone\n  Detail: Key (7).\n  Where: COPY\n\tat a.B.c",
            "a.SQLException: gone. Key (7).",
        ),
    ],
)
def test_of_an_error_of_many_lines_the_mail_gets_the_one_that_tells(said, told, capsys):
    """The page of Java is in the log."""
    with pytest.raises(UnforeseenError) as raised:
        fail(ValueError(said))

    assert str(raised.value) == f"ValueError: {told} The log has all of it."
    assert str(raised.value.__cause__) == said


@pytest.mark.parametrize("error", [LogError("one\ntwo"), ValueError("one line")])
def test_what_says_it_well_enough_goes_on_as_it_is(error):
    """Errors of totelake's own, and those of one line."""
    with pytest.raises(type(error)) as raised:
        fail(error)

    assert raised.value is error
