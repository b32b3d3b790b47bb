"""Starting and stopping a local environment.

It is a Postgres server and an endpoint process, to which Terraform is applied. The endpoint keeps resources in memory,
so Terraform is applied again after each start; the files of the state folder persist.
"""

import contextlib
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
    """Start the parts that are down, deploy changes, enable or disable the schedules; return the settings.

    On an error everything that this call started is stopped. Raises `BusyError` while another command starts or stops
    the local environment, and `NotASandboxError` when the folder is not a state folder.
    """
    _make_private(state)
    with _locked(state):
        settings = _settings(state).with_schedules(schedules=schedules)
        settings.save(state)
        before = running(state, settings)
        try:
            _start(state, settings, before, steps)
        except BaseException:
            _stop_started(state, settings, before)
            raise
        return settings


def down(state: State, steps: Steps) -> bool:
    """Stop the local environment and its jobs; return whether any part of it was running."""
    settings = SandboxSettings.load(state)
    with _locked(state):
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
    """Stop the local environment and remove its state folder; do nothing if the folder does not exist."""
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
    """The running parts of a local environment."""

    endpoint: Health | None
    postgres: bool

    @property
    def missing(self) -> list[str]:
        """The names of the parts that are down."""
        parts = {"the local AWS": self.endpoint is not None, "Postgres": self.postgres}
        return [name for name, up in parts.items() if not up]


def running(state: State, settings: SandboxSettings) -> RunningParts:
    """Return the running parts of the local environment in `state`."""
    endpoint = health.check(state, settings) if health.pid(state) is not None else None
    return RunningParts(endpoint, databases.cluster(state, settings).running())


def require(state: State) -> SandboxSettings:
    """Return the settings of a running local environment; raise `NoSandboxError` or `NotRunningError` otherwise."""
    settings = SandboxSettings.load(state)
    if missing := running(state, settings).missing:
        raise NotRunningError(state.root, missing)
    return settings


def _make_private(state: State) -> None:
    """Create the state folder if it is missing, and restrict it to its owner.

    Raises `NotASandboxError` when it belongs to another user, or is neither a state folder nor empty.
    """
    state.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    other_files = (path for path in state.root.iterdir() if path != _lock_file(state))
    if not state.is_ours or (not state.world_file.exists() and any(other_files)):
        raise NotASandboxError(state.root)
    state.root.chmod(0o700)


def _lock_file(state: State) -> Path:
    return state.root / "world.lock"


@contextlib.contextmanager
def _locked(state: State) -> Iterator[None]:
    """Hold the lock of the state folder during the block; raise `BusyError` when another command holds it."""
    try:
        with processes.locked(_lock_file(state)):
            yield
    except processes.LockHeldError as error:
        raise BusyError(state.root) from error


def _settings(state: State) -> SandboxSettings:
    """Return the saved or new settings; a part that is down gets another port if a foreign process uses its own."""
    try:
        settings = SandboxSettings.load(state)
    except NoSandboxError:
        settings = SandboxSettings.new(*processes.free_ports(2))
        settings.save(state)
        return settings
    is_running = health.pid(state) is not None, databases.cluster(state, settings).running()
    saved_ports = settings.endpoint_port, settings.postgres_port
    ports = [
        port if running or processes.port_is_free(port) else processes.free_ports(1)[0]
        for port, running in zip(saved_ports, is_running, strict=True)
    ]
    settings = settings.with_ports(*ports)
    settings.save(state)
    return settings


def _start(state: State, settings: SandboxSettings, before: RunningParts, steps: Steps) -> None:
    build.make(steps)
    usable = _usable_endpoint(state, before.endpoint)
    if usable and before.postgres and deployment.is_current(state, settings, usable.boot):
        return
    with (
        ThreadPoolExecutor() as pool
    ):  # its exit waits for all starts, so that after Ctrl-C every process can be stopped
        endpoint = pool.submit(lambda: usable or _start_endpoint(state, settings, steps))
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


def _usable_endpoint(state: State, endpoint: Health | None) -> Health | None:
    """Return the running endpoint if it runs this code and its deployment was finished; else stop it, return None."""
    if endpoint and endpoint.code == health.code_version() and deployment.was_finished(state, endpoint.boot):
        return endpoint
    _stop_endpoint(state)
    processes.kill_all_below(state.jobs)  # of an endpoint that was killed
    return None


def _start_endpoint(state: State, settings: SandboxSettings, steps: Steps) -> Health:
    log = state.logs / "endpoint.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with steps("Start the local AWS"), _listener(settings.endpoint_port) as listener, log.open("ab") as output:
        arguments = ["--state", str(state.root), "--listener", str(listener.fileno())]
        process = subprocess.Popen(
            [sys.executable, "-m", "ops.sandbox.endpoint", *arguments],
            cwd=build.ROOT,
            env=inherited(r"HOME|TMPDIR|TOTELAKE_\w+"),  # no others, since jobs can read the endpoint's variables
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that Ctrl-C in the terminal does not stop it
            pass_fds=[listener.fileno()],
        )
        listener.close()  # so that connections are refused once the endpoint has ended
        try:
            return _wait_until_healthy(process, state, settings, log)
        except BaseException:
            processes.stop(process.pid, _STOP_SECONDS)
            raise


def _listener(port: int) -> socket.socket:
    """Listen on `port` before the endpoint's process starts: its arguments, which other users see, lack the port."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise EndpointError(f"Cannot listen on port {port}: {error}. Try again: totelake up") from error


def _wait_until_healthy(process: subprocess.Popen[bytes], state: State, settings: SandboxSettings, log: Path) -> Health:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if endpoint := health.check(state, settings):
            return endpoint
        time.sleep(0.05)
    last_line = (log.read_text(errors="replace").strip().splitlines() or ["(empty)"])[-1]
    raise EndpointError(f"The local AWS did not start; the last line of its log: {last_line}. See {log}")


def _stop_endpoint(state: State) -> None:
    if (pid := health.pid(state)) is not None:
        processes.stop(pid, _STOP_SECONDS)
    if health.pid(state) is not None:
        raise EndpointError(f"The local AWS (process {pid}) did not stop; see {state.logs / 'endpoint.log'}")


def _stop_started(state: State, settings: SandboxSettings, before: RunningParts) -> None:
    if not before.endpoint:
        _stop_endpoint(state)
    if not before.postgres:
        databases.cluster(state, settings).stop()
