"""Starting and stopping a local world.

A world is a Postgres server and an endpoint process, to which Terraform is applied. The endpoint's memory ends with it,
the files of the state folder do not: whenever an endpoint was started, Terraform is applied to it again.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from local_aws import processes
from local_aws.address import HOST
from local_aws.process_environment import inherited
from local_aws.state import State
from ops.deploy import build
from ops.deploy.build import Steps
from ops.sandbox import databases, deployment, health
from ops.sandbox.errors import BusyError, EndpointError, NoSandboxError, NotASandboxError, NotRunningError
from ops.sandbox.health import Health
from ops.sandbox.settings import SandboxSettings

_START_SECONDS = 60.0
_STOP_SECONDS = 30.0


def up(state: State, steps: Steps, *, schedules: bool = False) -> SandboxSettings:
    """Start whatever of the world is not running and deploy whatever has changed; return its settings.

    From then on its `schedules` run, or they do not.
    When it cannot, what this call started is stopped again. Raises `BusyError` while another command does the same,
    and `NotASandboxError` when the folder holds something else.
    """
    _make_private(state)
    with _alone(state):
        settings = _settings(state).with_schedules(schedules=schedules)
        settings.save(state)
        before = running(state, settings)
        try:
            _start(state, settings, before, steps)
        except BaseException:
            _stop_what_was_started(state, settings, before)
            raise
        return settings


def down(state: State, steps: Steps) -> bool:
    """Stop the world and the jobs that it runs; return whether any of it was running."""
    settings = SandboxSettings.load(state)
    with _alone(state):
        server = databases.cluster(state, settings)
        was_running = health.pid(state) is not None or server.running()
        if health.pid(state) is not None:
            with steps("Stop the local AWS"):
                _stop_endpoint(state)
        processes.kill_all_below(state.jobs)
        if server.running():
            with steps("Stop Postgres"):
                server.stop()
        return was_running


def purge(state: State, steps: Steps) -> None:
    """Stop the world and remove its folder with all that it holds; without a world there is nothing to do."""
    if not state.root.exists():
        return
    if not state.world_file.exists():
        raise NotASandboxError(state.root)
    down(state, steps)
    with steps(f"Remove {state.root}"):
        databases.cluster(state, SandboxSettings.load(state)).remove()
        shutil.rmtree(state.root)


@dataclass(frozen=True, slots=True)
class RunningParts:
    """Which parts of a world run."""

    endpoint: Health | None
    postgres: bool

    @property
    def missing(self) -> list[str]:
        """The names of the parts that are down."""
        parts = {"the local AWS": self.endpoint is not None, "Postgres": self.postgres}
        return [name for name, up in parts.items() if not up]


def running(state: State, settings: SandboxSettings) -> RunningParts:
    """Return which parts of the world in `state` run."""
    endpoint = health.ask(state, settings) if health.pid(state) is not None else None
    return RunningParts(endpoint, databases.cluster(state, settings).running())


def require(state: State) -> SandboxSettings:
    """Return the settings of a world that is up; raise `NoSandboxError` or `NotRunningError` when it is not."""
    settings = SandboxSettings.load(state)
    if missing := running(state, settings).missing:
        raise NotRunningError(state.root, missing)
    return settings


def _make_private(state: State) -> None:
    """Make the state folder, or keep the one that is there, as a folder that no other user can enter."""
    state.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    is_ours = state.root.stat().st_uid == os.geteuid()
    if not is_ours or (not state.world_file.exists() and any(path != _lock(state) for path in state.root.iterdir())):
        raise NotASandboxError(state.root)
    state.root.chmod(0o700)


def _lock(state: State) -> Path:
    return state.root / "world.lock"


@contextlib.contextmanager
def _alone(state: State) -> Iterator[None]:
    try:
        with processes.locked(_lock(state)):
            yield
    except processes.LockHeldError as error:
        raise BusyError(state.root) from error


def _settings(state: State) -> SandboxSettings:
    """Return the remembered settings, with another port for each part that is down while a stranger has its port."""
    try:
        settings = SandboxSettings.load(state)
    except NoSandboxError:
        settings = SandboxSettings.new(*processes.free_ports(2))
        settings.save(state)
        return settings
    at_work = health.pid(state) is not None, databases.cluster(state, settings).running()
    ports = settings.endpoint_port, settings.postgres_port
    kept = [
        port if works or processes.port_is_free(port) else processes.free_ports(1)[0]
        for port, works in zip(ports, at_work, strict=True)
    ]
    settings = settings.with_ports(*kept)
    settings.save(state)
    return settings


def _start(state: State, settings: SandboxSettings, before: RunningParts, steps: Steps) -> None:
    build.make(steps)
    kept = _endpoint_to_keep(state, before.endpoint)
    if kept and before.postgres and deployment.is_current(state, settings, kept.boot):
        return
    with ThreadPoolExecutor() as pool:  # which ends when all have started: a Ctrl-C finds whole processes to stop
        endpoint = pool.submit(lambda: kept or _start_endpoint(state, settings, steps))
        others = [
            pool.submit(_start_postgres, state, settings, before, steps),
            pool.submit(deployment.prepare, state, steps),
        ]
        boot = endpoint.result().boot
        for task in others:
            task.result()
    deployment.deploy(state, settings, boot, steps)


def _start_postgres(state: State, settings: SandboxSettings, before: RunningParts, steps: Steps) -> None:
    with contextlib.nullcontext() if before.postgres else steps("Start Postgres, with totesys and the warehouse"):
        databases.ensure(databases.cluster(state, settings), settings)


def _endpoint_to_keep(state: State, found: Health | None) -> Health | None:
    """Return the endpoint that runs, unless it runs other code than this or was deployed to by halves."""
    if found and found.code == health.code_version() and deployment.was_finished(state, found.boot):
        return found
    _stop_endpoint(state)
    processes.kill_all_below(state.jobs)  # an endpoint that was killed leaves its jobs behind
    return None


def _start_endpoint(state: State, settings: SandboxSettings, steps: Steps) -> Health:
    log = state.logs / "endpoint.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with steps("Start the local AWS"), _listener(settings.endpoint_port) as listener, log.open("ab") as output:
        arguments = ["--state", str(state.root), "--listener", str(listener.fileno())]
        process = subprocess.Popen(
            [sys.executable, "-m", "ops.sandbox.endpoint", *arguments],
            cwd=build.ROOT,
            env=inherited(r"HOME|TMPDIR|TOTELAKE_\w+"),  # a job can read its endpoint's variables
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C in the terminal is not for it
            pass_fds=[listener.fileno()],
        )
        listener.close()  # when the endpoint ends, nobody is to wait for its answer
        try:
            return _wait_for(process, state, settings, log)
        except BaseException:
            processes.stop(process.pid, _STOP_SECONDS)
            raise


def _listener(port: int) -> socket.socket:
    """Listen on `port` before the endpoint's process is there, in whose arguments other users could see the port."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise EndpointError(f"Port {port} cannot be listened on: {error}. Try again: totelake up") from error


def _wait_for(process: subprocess.Popen[bytes], state: State, settings: SandboxSettings, log: Path) -> Health:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if found := health.ask(state, settings):
            return found
        time.sleep(0.05)
    last_line = (log.read_text(errors="replace").strip().splitlines() or ["nothing"])[-1]
    raise EndpointError(f"The local AWS did not start; it said: {last_line}. See {log}")


def _stop_endpoint(state: State) -> None:
    if (pid := health.pid(state)) is not None:
        processes.stop(pid, _STOP_SECONDS)
    if health.pid(state) is not None:
        raise EndpointError(f"The local AWS (process {pid}) did not stop; see {state.logs / 'endpoint.log'}")


def _stop_what_was_started(state: State, settings: SandboxSettings, before: RunningParts) -> None:
    if not before.endpoint:
        _stop_endpoint(state)
    if not before.postgres:
        databases.cluster(state, settings).stop()
