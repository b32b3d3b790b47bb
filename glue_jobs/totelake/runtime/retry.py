"""Retries: a stage that a transient error ended is run again, up to a limit."""

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

from totelake.runtime import log
from totelake.runtime.error_mapping import Located, explain
from totelake.runtime.errors import TransientError
from totelake.runtime.glue import JobRun

# A server restarts in seconds and fails over in about a minute. Waits of 1, 2, 4, 8, 16, 30 and 30 seconds outlast
# that; jitter of up to a second prevents a thundering herd.
MAX_ATTEMPTS = 8
INITIAL_WAIT = 1.0
_MAX_WAIT = 30.0
# Glue ends a run after an hour: an attempt that begins in the first third can still complete.
LATEST_START = 20 * 60.0


def retried[**P, T](
    stage: str, *, database: str = ""
) -> Callable[[Callable[Concatenate[JobRun, P], T]], Callable[Concatenate[JobRun, P], T]]:
    """Return the decorator that calls the function of a `stage` again after a `TransientError`.

    Each call gets the run with its own number in `JobRun.attempt`. Errors name the stage's `database`, with the address
    of the argument that is `Located`. After the last attempt the `TransientError` propagates; every other error
    propagates immediately.
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
    def log_retry(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        seconds = round(state.upcoming_sleep, 3)
        failed = {"attempt": state.attempt_number, "error": f"{type(error).__name__}: {error}"}
        log.event("retry", status="waiting", stage=stage, **failed, next_attempt_in_seconds=seconds)
        if session := SparkSession.getActiveSession():
            session.catalog.clearCache()  # DataFrames that the attempt persisted would stay until the run ends

    return Retrying(
        retry=retry_if_exception_type(TransientError),
        stop=stop_after_attempt(MAX_ATTEMPTS) | stop_before_delay(LATEST_START),
        wait=wait_exponential_jitter(multiplier=INITIAL_WAIT, max=_MAX_WAIT * INITIAL_WAIT, jitter=INITIAL_WAIT),
        before_sleep=log_retry,
        reraise=True,
    )
