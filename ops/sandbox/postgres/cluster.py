"""The Postgres server of a local environment: created once, started, stopped, recovered after a kill."""

import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from ops.sandbox.postgres import account, process, storage
from ops.sandbox.postgres.errors import PostgresError
from ops.sandbox.postgres.wheel import executable_programs

SUPERUSER = "postgres"
HOST = "127.0.0.1"
SETTINGS_FILE = "totelake.conf"
_MAX_NAME_BYTES = 63

# With wal_level=minimal a COPY into a table truncated in the same transaction skips the WAL: half the writes.
SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
password_encryption = 'scram-sha-256'
max_connections = 200
max_prepared_transactions = 20
shared_buffers = '256MB'
work_mem = '16MB'
maintenance_work_mem = '128MB'
wal_level = minimal
max_wal_senders = 0
max_wal_size = '4GB'
checkpoint_timeout = '15min'
checkpoint_completion_target = 0.9
track_commit_timestamp = off
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %d %u '
"""

NOT_DURABLE = """
fsync = off
synchronous_commit = off
full_page_writes = off
"""


@dataclass(frozen=True)
class Cluster:
    """A Postgres server with its data folder, on a port of 127.0.0.1; every login needs a password.

    `durable=False` disables crash safety for speed, in tests only. Methods can be called from any process, since all
    state of the server is in its folder.
    """

    folder: Path
    port: int
    log: Path
    durable: bool = field(default=True, kw_only=True)

    def create(self, password: str) -> None:
        """Create the data folder and the superuser `postgres` with its password, unless the folder exists."""
        self._prepare()
        if (self._data / "PG_VERSION").exists():
            return
        # Created beside its place and moved when complete: a killed `create` leaves nothing that looks like a cluster.
        shutil.rmtree(_unfinished(self.folder), ignore_errors=True)
        data = storage.choose(self.folder)
        unfinished = _unfinished(data)
        unfinished.mkdir(mode=0o755)
        unfinished.chmod(0o755)  # independent of the umask; its contents have modes of their own
        self._initialize(unfinished, password)
        (unfinished / "data").replace(data)
        shutil.rmtree(unfinished)
        if data != self.folder:
            storage.link(self.folder, data)

    def start(self, wait_seconds: float = 60) -> None:
        """Start the server unless it is running, and wait until it accepts connections.

        After a kill it removes a stale `postmaster.pid` and waits for remaining processes of the old server. Raises
        PostgresError with the end of the log after `wait_seconds`.
        """
        deadline = time.monotonic() + wait_seconds
        self._prepare()
        if not (self._data / "PG_VERSION").exists():
            raise PostgresError(f"there is no Postgres cluster in {self._data}; run: totelake up")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        while True:
            # Checked in each iteration: a server that was just killed may still be listed once.
            if self.running():
                failure = self._not_ready()
            else:
                failure = self._launch(max(1, int(deadline - time.monotonic())))
                if failure and "pre-existing shared memory block" not in failure:
                    raise PostgresError(f"Postgres did not start on port {self.port}:\n{failure}")
            if failure is None:
                return
            if time.monotonic() >= deadline:
                raise PostgresError(f"Postgres was not up on port {self.port} after {wait_seconds} s:\n{failure}")
            time.sleep(0.1)

    def stop(self, wait_seconds: float = 60) -> None:
        """Stop the server, if it is running, and close its connections."""
        server = process.find(self._data)
        if server and not process.stop(server, wait_seconds):
            raise PostgresError(f"Postgres in {self._data} did not stop in {wait_seconds} s; see {self.log}")

    def remove(self) -> None:
        """Stop the server and remove its data, in this folder or elsewhere."""
        self.stop()
        storage.remove(self.folder)

    def running(self) -> bool:
        """Return whether the server of this folder is running, and not another process with its process id."""
        return process.find(self._data) is not None

    def url(self, database: str, user: str, password: str) -> str:
        """Return the URL of `database` for `user`; SCRAM does not reveal the password to a false server."""
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"postgresql://{login}@{HOST}:{self.port}/{quote(database, safe='')}?require_auth=scram-sha-256"

    @property
    def _data(self) -> Path:
        """The data folder with links resolved, as it appears in the arguments of the server's process."""
        return self.folder.resolve()

    def _prepare(self) -> None:
        """Move the data to where the server's account can reach it, unless a suitable server is running.

        A server with capabilities, started by an earlier version, is stopped.
        """
        server = process.find(self._data)
        if server:
            if account.is_confined(server.pid) and storage.is_reachable(self.folder):
                return
            self.stop()
        storage.prepare(self.folder)

    def _initialize(self, folder: Path, password: str) -> None:
        """Run initdb in `folder`/data."""
        data, password_file = folder / "data", folder / "password"
        data.mkdir(mode=0o700)
        password_file.touch(mode=0o600, exist_ok=False)
        password_file.write_text(password + "\n", encoding="utf-8")
        account.change_owner(data)
        account.change_owner(password_file)
        options = ["-D", str(data), "-U", SUPERUSER, f"--pwfile={password_file}", "--auth=scram-sha-256"]
        options += ["--encoding=UTF8"]
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        options += [] if self.durable else ["--no-sync"]
        result = account.run([executable_programs() / "initdb", *options])
        if result.returncode:
            raise PostgresError(f"initdb failed in {folder}:\n{result.stdout}")
        # Written by the account that owns the folder: if the file were a link, root would follow it.
        configuration = data / "postgresql.conf"
        append = ("sh", "-c", 'echo "$2" >> "$1"', "sh", configuration, f"include = '{SETTINGS_FILE}'")
        if account.run(append).returncode:
            raise PostgresError(f"the account of the server cannot write to {configuration}; see its permissions")

    def _not_ready(self) -> str | None:
        """Return why the running server does not accept connections, or None when it does."""
        result = account.run([executable_programs() / "pg_isready", "-h", HOST, "-p", str(self.port)])
        return result.stdout if result.returncode else None

    def _launch(self, seconds: int) -> str | None:
        """Start the server once; return its log output if it failed, else None."""
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        self._write_settings()
        options = ["start", "-s", "-w", "-t", str(seconds), "-D", str(self._data), "-o", f"-p {self.port}"]
        # The server inherits the open log file, whose folder its account may be unable to enter.
        with self.log.open("ab") as log:
            offset = log.tell()
            result = account.run([executable_programs() / "pg_ctl", *options], log)
        return self.log.read_bytes()[offset:].decode(errors="replace") if result.returncode else None

    def _write_settings(self) -> None:
        """Write the settings to a new file; an existing one could be a link, since the account owns the folder."""
        settings = self._data / SETTINGS_FILE
        settings.unlink(missing_ok=True)
        with settings.open("x", encoding="utf-8") as file:
            file.write(SETTINGS if self.durable else SETTINGS + NOT_DURABLE)
            account.change_owner(file.fileno())


def _unfinished(data: Path) -> Path:
    return data.with_name(f"{data.name}.unfinished")


def ensure_database(connection: psycopg.Connection, name: str, owner: str) -> None:
    """Create the database `name` unless it exists, and revoke access to it from all roles but its `owner`.

    `connection` is the superuser's, in autocommit. Raises PostgresError for a name that Postgres would truncate.
    """
    if len(name.encode()) > _MAX_NAME_BYTES:
        raise PostgresError(
            f"{name} is longer than the {_MAX_NAME_BYTES} bytes of a name in Postgres; choose a shorter one"
        )
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner)))
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
