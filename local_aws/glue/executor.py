"""How a job run is carried out: its files are fetched, its process is started, watched and ended."""

import logging
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_aws import spark
from local_aws.glue.definitions import SESSION_POLICY
from local_aws.glue.errors import GlueError
from local_aws.glue.job_runs import FAILED, STOPPED, SUCCEEDED, TIMEOUT, JobRun
from local_aws.glue.log_streams import Pump
from local_aws.glue.preparation import Preparation, PreparationError, prepare
from local_aws.glue.process import DriverProcess, WarmProcess
from local_aws.glue.warm import DRIVER_MEMORY, Spare
from local_aws.glue.world import World
from local_aws.iam import IamError, Session, assume
from local_aws.process_environment import inherited

CLOSE_SECONDS = 10.0
"""How long the end of the endpoint waits for the end of a run that it has killed."""

_SERVICE = "glue.amazonaws.com"
_SESSION = "GlueJobRunnerSession"
"""As whom Glue takes a job's role, and what it calls the session."""

INTERRUPTED = "The local endpoint ended while this run was under way."

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    state: str
    error_message: str | None = None


class Execution:
    """One run under way; `stop` may be called at any time, from any thread."""

    def __init__(self) -> None:
        """Begin without a process and without an order."""
        self._lock = threading.Lock()
        self._process: DriverProcess | None = None
        self.ordered: Outcome | None = None
        """How the run was told to end, if it was."""

    def begin(self, process: DriverProcess) -> bool:
        """Take the process of the run; false when the run was told to end before it had one."""
        with self._lock:
            self._process = process
            return self.ordered is None

    def release(self) -> Outcome | None:
        """Let go of the process, whose run has ended, and return how the run was told to end, if it was."""
        with self._lock:
            self._process = None
            return self.ordered

    def stop(self, outcome: Outcome) -> None:
        """End the run, which then has this outcome; the first order counts."""
        with self._lock:
            if self.ordered is None:
                self.ordered = outcome
                if self._process:
                    self._process.terminate()

    def kill(self, outcome: Outcome) -> None:
        """End the run's processes at once."""
        with self._lock:
            self.ordered = self.ordered or outcome
            if self._process:
                self._process.kill()


@dataclass
class Executor:
    """Carries out job runs, each in a thread that waits for its process."""

    world: World
    spare: Spare | None = None
    _executions: dict[str, tuple[threading.Thread, Execution]] = field(default_factory=dict)
    _closed: bool = False

    def expect(self, command: Mapping[str, str]) -> None:
        """Get ready for a job with this command: a world with a Spark job in it keeps a warm spare."""
        if self.spare and _needs_spark(command):
            threading.Thread(target=self.spare.prepare, daemon=True, name="spare").start()

    def start(
        self,
        run: JobRun,
        definition: Mapping[str, Any],
        on_running: Callable[[str], None],
        on_end: Callable[[str, Outcome], None],
    ) -> None:
        """Begin a run and return; `on_running` and `on_end` are called from its thread, with its id."""
        if self._closed:
            return
        execution = Execution()

        def carry_out() -> None:
            try:
                outcome = self._carry_out(run, definition, execution, on_running)
            except Exception as error:  # noqa: BLE001 - the end of a thread: the run has to end with it
                _LOG.exception("job run %s could not be carried out", run.id)
                outcome = Outcome(FAILED, f"{type(error).__name__}: {error}")
            del self._executions[run.id]
            on_end(run.id, outcome)

        thread = threading.Thread(target=carry_out, daemon=True, name=f"job-{run.job_name}-{run.id[:11]}")
        self._executions[run.id] = (thread, execution)
        thread.start()

    def stop(self, run_id: str, outcome: Outcome) -> None:
        """Tell a run to end with this outcome; one that has ended is left alone."""
        found = self._executions.get(run_id)
        if found:
            found[1].stop(outcome)

    def close(self) -> None:
        """End all runs at once, and the spare; what is started after that never begins."""
        self._closed = True
        for thread, execution in list(self._executions.values()):
            execution.kill(Outcome(STOPPED, INTERRUPTED))
            thread.join(CLOSE_SECONDS)
        if self.spare:
            self.spare.close()

    def _carry_out(
        self, run: JobRun, definition: Mapping[str, Any], execution: Execution, on_running: Callable[[str], None]
    ) -> Outcome:
        command = definition["Command"]
        folder = self.world.state.jobs.resolve() / run.id
        (folder / "tmp").mkdir(parents=True, exist_ok=True)
        pump = Pump(self.world.account_id, self.world.region, run.id, folder)
        try:
            session = self._take_role(run, definition["Role"])
            preparation = prepare(self.world, session, run, command, folder)
        except (PreparationError, GlueError, IamError) as error:
            message = error.message if isinstance(error, GlueError) else str(error)
            pump.say(message)
            return execution.ordered or Outcome(FAILED, message)
        process = self._process(preparation, command, folder)
        _LOG.info("job run %s of %s is led by process %d", run.id, run.job_name, process.id)
        timer = threading.Timer((run.timeout or 0) * self.world.seconds_per_minute, self._time_out, (run, execution))
        timer.daemon = True
        pump.start(*process.output, process.mark)
        if execution.begin(process):
            on_running(run.id)
            if run.timeout:
                timer.start()
        else:
            process.kill()
        status = process.wait()
        timer.cancel()
        ordered = execution.release()
        told_all = pump.finish()
        shutil.rmtree(folder / "tmp", ignore_errors=True)
        if self.spare and isinstance(process, WarmProcess):
            self.spare.give_back(process, sound=process.goes_on and told_all and not ordered)
        return ordered or _judged(status, Path(preparation.assignment.outcome))

    def _take_role(self, run: JobRun, role: str) -> Session:
        """Take the role of a job for a run; raises NotTrustedError where the role does not let Glue in for the job."""
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

    def _time_out(self, run: JobRun, execution: Execution) -> None:
        execution.stop(Outcome(TIMEOUT, f"Job run exceeded its timeout of {run.timeout} minutes."))

    def _process(self, preparation: Preparation, command: Mapping[str, str], folder: Path) -> DriverProcess:
        """Return the process of the run: the spare where that can be it, else a new one."""
        spark_job = _needs_spark(command)
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


def _needs_spark(command: Mapping[str, str]) -> bool:
    return command.get("Name") != "pythonshell"


def _judged(status: int, outcome: Path) -> Outcome:
    if status == 0:
        return Outcome(SUCCEEDED)
    try:
        message = outcome.read_text(encoding="utf-8")
    except FileNotFoundError:
        message = f"Command failed with exit code {status}" if status > 0 else f"Command was ended by signal {-status}"
    return Outcome(FAILED, message)
