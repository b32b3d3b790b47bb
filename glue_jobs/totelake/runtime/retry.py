"""The attempts of a run: a stage that a passing fault cut off is tried again, within a bound."""

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from itertools import count
from typing import Concatenate

from pyspark.sql import SparkSession
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_before_delay,
    wait_exponential_jitter,
)

from totelake.runtime import worklog
from totelake.runtime.error_mapping import Located, explain
from totelake.runtime.errors import TransientError
from totelake.runtime.glue import JobRun

# A server restarts in seconds and fails over in a minute or so. Waits of 1, 2, 4, 8, 16, 30 and 30 seconds outlast it;
# each is up to a second longer, so that jobs that fell together do not come again together.
ATTEMPTS = 8
FIRST_WAIT = 1.0
_LONGEST_WAIT = 30.0
# Glue ends a run after an hour: an attempt that begins in the first third can still become whole.
LAST_BEGIN = 20 * 60.0


def retried[**P, T](
    stage: str, *, database: str = ""
) -> Callable[[Callable[Concatenate[JobRun, P], T]], Callable[Concatenate[JobRun, P], T]]:
    """Return the decorator that calls the function of a `stage` again after a fault that may pass.

    Each call gets the run with a number of its own in `JobRun.attempt`. The argument that is `Located`
    says where the database of the stage is, and `database` is what errors call it. After the bound the `TransientError`
    goes on; every other error goes on at once.
    """

    def decorate(function: Callable[Concatenate[JobRun, P], T]) -> Callable[Concatenate[JobRun, P], T]:
        @wraps(function)
        def stage_run(run: JobRun, /, *args: P.args, **kwargs: P.kwargs) -> T:
            located = next((value for value in (*args, *kwargs.values()) if isinstance(value, Located)), None)
            numbers = count(1)

            def attempt() -> T:
                number = next(numbers)
                try:
                    return function(run if number == 1 else replace(run, attempt=number), *args, **kwargs)
                except Exception as error:
                    explained = explain(error, database, located)
                    if explained is None:
                        raise
                    raise explained from error

            return _retrying(stage)(attempt)

        return stage_run

    return decorate


def _retrying(stage: str) -> Retrying:
    def announce(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        seconds = round(state.upcoming_sleep, 3)
        failed = {"attempt": state.attempt_number, "error": f"{type(error).__name__}: {error}"}
        worklog.say("retry", status="waiting", stage=stage, **failed, next_attempt_in_seconds=seconds)
        if session := SparkSession.getActiveSession():
            session.catalog.clearCache()  # what the attempt had persisted would stay until the run ends

    return Retrying(
        retry=retry_if_exception_type(TransientError),
        stop=stop_after_attempt(ATTEMPTS) | stop_before_delay(LAST_BEGIN),
        wait=wait_exponential_jitter(multiplier=FIRST_WAIT, max=_LONGEST_WAIT * FIRST_WAIT, jitter=FIRST_WAIT),
        before_sleep=announce,
        reraise=True,
    )
