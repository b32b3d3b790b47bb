"""The Glue entry point: the arguments that a job gets, and the error that Glue gets."""

import pytest

from totelake.runtime import glue
from totelake.runtime.errors import LogError, UnexpectedError
from totelake.runtime.workflow import WorkflowRun

ARGUMENTS = ["load.py", "--JOB_NAME", "j", "--JOB_RUN_ID", "jr_1", "--code_version", "v"]
WORKFLOW = ["--WORKFLOW_NAME", "totelake", "--WORKFLOW_RUN_ID=wr_1"]


def test_job_in_a_workflow_knows_its_workflow_run():
    """It is not one of the job's arguments."""
    with glue.job([*ARGUMENTS, *WORKFLOW]) as run:
        assert run.workflow == WorkflowRun("totelake", "wr_1")
        assert run.arguments == {}


def test_job_outside_a_workflow_has_no_workflow_run():
    """Glue passes the two arguments in a workflow only."""
    with glue.job(ARGUMENTS) as run:
        assert run.workflow is None


def fail(error):
    """Run a job that raises `error`."""
    with glue.job(ARGUMENTS):
        raise error


@pytest.mark.parametrize(
    ("message", "shortened"),
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
def test_multiline_error_is_shortened_to_its_informative_line(message, shortened, capsys):
    """The stack trace is in the log."""
    with pytest.raises(UnexpectedError) as raised:
        fail(ValueError(message))

    assert str(raised.value) == f"ValueError: {shortened} The log has the complete error."
    assert str(raised.value.__cause__) == message


@pytest.mark.parametrize("error", [LogError("one\ntwo"), ValueError("one line")])
def test_short_or_totelake_error_is_raised_unchanged(error):
    """Errors of totelake, and any of one line."""
    with pytest.raises(type(error)) as raised:
        fail(error)

    assert raised.value is error
