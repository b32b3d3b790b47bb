"""Execution of job runs: fetching files, and starting, timing out and stopping the process."""

import logging
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_aws import spark
from local_aws.glue.drivers.process import DriverProcess, WarmProcess
from local_aws.glue.drivers.warm import DRIVER_MEMORY, Spare
from local_aws.glue.errors import GlueError
from local_aws.glue.jobs.definitions import SESSION_POLICY
from local_aws.glue.jobs.log_streams import Pump
from local_aws.glue.jobs.preparation import Preparation, PreparationError, prepare
from local_aws.glue.jobs.runs import FAILED, STOPPED, SUCCEEDED, TIMEOUT, GlueJobRun
from local_aws.glue.world import World
from local_aws.iam import IamError, Session, assume
from local_aws.process_environment import inherited

CLOSE_SECONDS = 10.0
"""How long the endpoint waits at its end for a run that it has killed."""

_SERVICE = "glue.amazonaws.com"
_SESSION = "GlueJobRunnerSession"
"""The principal as which Glue assumes a job's role, and the name of the session."""

INTERRUPTED = "The local endpoint ended while this run was under way."

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended."""

    state: str
    error_message: str | None = None


class ActiveRun:
    """One run in progress; `stop` may be called at any time, from any thread."""

    def __init__(self) -> None:
        """Begin without a process."""
        self._lock = threading.Lock()
        self._process: DriverProcess | None = None
        self.requested: RunOutcome | None = None
        """The outcome of the first `stop` or `kill`, if any."""

    def begin(self, process: DriverProcess) -> bool:
        """Set the process of the run; returns False when the run was stopped before."""
        with self._lock:
            self._process = process
            return self.requested is None

    def release(self) -> RunOutcome | None:
        """Forget the process, whose run has ended, and return the outcome of the first `stop` or `kill`, if any."""
        with self._lock:
            self._process = None
            return self.requested

    def stop(self, outcome: RunOutcome) -> None:
        """End the run with this outcome; only the first call counts."""
        with self._lock:
            if self.requested is None:
                self.requested = outcome
                if self._process:
                    self._process.terminate()

    def kill(self, outcome: RunOutcome) -> None:
        """End the run's processes at once."""
        with self._lock:
            self.requested = self.requested or outcome
            if self._process:
                self._process.kill()


@dataclass
class Executor:
    """Executes job runs, each in a thread that waits for its process."""

    world: World
    spare: Spare | None = None
    _active: dict[str, tuple[threading.Thread, ActiveRun]] = field(default_factory=dict)
    _closed: bool = False

    def expect(self, command: Mapping[str, str]) -> None:
        """Prepare for a job with this command: the first Spark job starts the warm spare."""
        if self.spare and _is_spark(command):
            threading.Thread(target=self.spare.prepare, daemon=True, name="spare").start()

    def start(
        self,
        run: GlueJobRun,
        definition: Mapping[str, Any],
        on_running: Callable[[str], None],
        on_end: Callable[[str, RunOutcome], None],
    ) -> None:
        """Start a run and return; `on_running` and `on_end` are called in its thread, with its id."""
        if self._closed:
            return
        active_run = ActiveRun()

        def execute() -> None:
            try:
                outcome = self._execute(run, definition, active_run, on_running)
            except Exception as error:  # noqa: BLE001 - the end of a thread: the run has to end with it
                _LOG.exception("job run %s could not be executed", run.id)
                outcome = RunOutcome(FAILED, f"{type(error).__name__}: {error}")
            del self._active[run.id]
            on_end(run.id, outcome)

        thread = threading.Thread(target=execute, daemon=True, name=f"job-{run.job_name}-{run.id[:11]}")
        self._active[run.id] = (thread, active_run)
        thread.start()

    def stop(self, run_id: str, outcome: RunOutcome) -> None:
        """End a run with this outcome; does nothing when it has ended."""
        active = self._active.get(run_id)
        if active:
            active[1].stop(outcome)

    def close(self) -> None:
        """Kill all runs and the spare; `start` does nothing from then on."""
        self._closed = True
        for thread, active_run in list(self._active.values()):
            active_run.kill(RunOutcome(STOPPED, INTERRUPTED))
            thread.join(CLOSE_SECONDS)
        if self.spare:
            self.spare.close()

    def _execute(
        self, run: GlueJobRun, definition: Mapping[str, Any], active_run: ActiveRun, on_running: Callable[[str], None]
    ) -> RunOutcome:
        command = definition["Command"]
        folder = self.world.state.jobs.resolve() / run.id
        (folder / "tmp").mkdir(parents=True, exist_ok=True)
        pump = Pump(self.world.account_id, self.world.region, run.id, folder)
        try:
            session = self._take_role(run, definition["Role"])
            preparation = prepare(self.world, session, run, command, folder)
        except (PreparationError, GlueError, IamError) as error:
            message = error.message if isinstance(error, GlueError) else str(error)
            pump.write_error(message)
            return active_run.requested or RunOutcome(FAILED, message)
        process = self._process(preparation, command, folder)
        _LOG.info("job run %s of %s runs in process %d", run.id, run.job_name, process.id)
        timer = threading.Timer((run.timeout or 0) * self.world.seconds_per_minute, self._time_out, (run, active_run))
        timer.daemon = True
        pump.start(*process.output, process.mark)
        if active_run.begin(process):
            on_running(run.id)
            if run.timeout:
                timer.start()
        else:
            process.kill()
        status = process.wait()
        timer.cancel()
        requested = active_run.release()
        logs_complete = pump.finish()
        shutil.rmtree(folder / "tmp", ignore_errors=True)
        if self.spare and isinstance(process, WarmProcess):
            self.spare.give_back(process, sound=process.is_reusable and logs_complete and not requested)
        return requested or _outcome_of(status, Path(preparation.assignment.outcome))

    def _take_role(self, run: GlueJobRun, role: str) -> Session:
        """Assume the role of a job for a run; raises NotTrustedError where the role does not trust Glue for the job."""
        account, region = self.world.account_id, self.world.region
        return assume(
            role,
            service=_SERVICE,
            source_arn=f"arn:aws:glue:{region}:{account}:job/{run.job_name}",
            account=account,
            region=region,
            name=_SESSION,
            policy=run.settings.get(SESSION_POLICY),
        )

    def _time_out(self, run: GlueJobRun, active_run: ActiveRun) -> None:
        active_run.stop(RunOutcome(TIMEOUT, f"Job run exceeded its timeout of {run.timeout} minutes."))

    def _process(self, preparation: Preparation, command: Mapping[str, str], folder: Path) -> DriverProcess:
        """Return the process of the run: the warm spare where it can be used, else a new one."""
        spark_job = _is_spark(command)
        if spark_job and self.spare and not preparation.needs_own_jvm:
            warm = self.spare.take(preparation.assignment, preparation.deployment)
            if warm:
                return warm
        scratch = folder / "tmp"
        environment = {**inherited(), "HOME": str(scratch), "TMPDIR": str(scratch)}
        if spark_job:
            settings = preparation.assignment.settings
            environment |= spark.environment(
                self.world.state, driver_memory=DRIVER_MEMORY, conf=settings, scratch=scratch, mounts={}
            )
        process = DriverProcess(folder, environment)
        process.assign(preparation.assignment)
        return process


def _is_spark(command: Mapping[str, str]) -> bool:
    return command.get("Name") != "pythonshell"


def _outcome_of(status: int, outcome: Path) -> RunOutcome:
    if status == 0:
        return RunOutcome(SUCCEEDED)
    try:
        message = outcome.read_text(encoding="utf-8")
    except FileNotFoundError:
        message = f"Command failed with exit code {status}" if status > 0 else f"Command was ended by signal {-status}"
    return RunOutcome(FAILED, message)
