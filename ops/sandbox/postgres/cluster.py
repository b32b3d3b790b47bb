"""The Postgres server of a local world: made once, started and stopped, and none the worse for being killed."""

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
_LONGEST_NAME = 63  # bytes

# wal_level=minimal lets a COPY into tables that its transaction truncated skip the log: half the writes.
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
    """One Postgres server with its data folder, on a port of 127.0.0.1, with passwords for everybody.

    `durable=False` trades the safety of a crash for speed and is for tests only. Every method may be called from any
    process: what is known of the server stands in its folder.
    """

    folder: Path
    port: int
    log: Path
    durable: bool = field(default=True, kw_only=True)

    def create(self, password: str) -> None:
        """Make the data folder with the superuser `postgres` and its password; an existing one is left as it is."""
        self._prepare()
        if (self._data / "PG_VERSION").exists():
            return
        # Made beside its place and moved there when whole: a killed `create` leaves nothing that looks like a cluster.
        shutil.rmtree(_unfinished(self.folder), ignore_errors=True)
        data = storage.choose(self.folder)
        unfinished = _unfinished(data)
        unfinished.mkdir()
        unfinished.chmod(0o755)  # whatever the umask is: what it holds is closed
        self._initialize(unfinished, password)
        (unfinished / "data").replace(data)
        shutil.rmtree(unfinished)
        if data != self.folder:
            storage.link(self.folder, data)

    def start(self, wait_seconds: float = 60) -> None:
        """Start the server and return when it takes connections; one that runs already is left alone.

        After a kill it recovers by itself: a stale `postmaster.pid` is removed, processes that the dead server left
        behind are waited for. Raises PostgresError with what the log says when it is not up in `wait_seconds`.
        """
        deadline = time.monotonic() + wait_seconds
        self._prepare()
        if not (self._data / "PG_VERSION").exists():
            raise PostgresError(f"there is no Postgres cluster in {self._data}; create it before it is started")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        while True:
            # Asked anew each time: a server that was just killed may be seen alive once.
            if self.running():
                failure = self._unready()
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
        """Stop the server, ending its connections; one that does not run is left alone."""
        server = process.find(self._data)
        if server and not process.stop(server, wait_seconds):
            raise PostgresError(f"Postgres in {self._data} did not stop in {wait_seconds} s; see {self.log}")

    def remove(self) -> None:
        """Stop the server and remove its data, wherever it lies."""
        self.stop()
        storage.remove(self.folder)

    def running(self) -> bool:
        """Whether the server of this folder is alive; a process that merely inherited its number is not."""
        return process.find(self._data) is not None

    def url(self, database: str, user: str, password: str) -> str:
        """Return the URL by which `user` reaches `database` on this server, and tells no other server the password."""
        who = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"postgresql://{who}@{HOST}:{self.port}/{quote(database, safe='')}?require_auth=scram-sha-256"

    @property
    def _data(self) -> Path:
        """The folder by its one true name, by which the server's process is known."""
        return self.folder.resolve()

    def _prepare(self) -> None:
        """Have the data where the server's account can reach it; a server that runs there is not disturbed.

        One that an earlier version has started, with the right to enter every folder, is stopped.
        """
        server = process.find(self._data)
        if server:
            if account.is_confined(server.pid) and storage.is_reachable(self.folder):
                return
            self.stop()
        storage.prepare(self.folder)

    def _initialize(self, folder: Path, password: str) -> None:
        """Make the data in `folder`/data."""
        data, secret = folder / "data", folder / "password"
        data.mkdir(mode=0o700)
        secret.touch(mode=0o600)
        secret.write_text(password + "\n", encoding="utf-8")
        account.give(data)
        account.give(secret)
        options = ["-D", str(data), "-U", SUPERUSER, f"--pwfile={secret}", "--auth=scram-sha-256", "--encoding=UTF8"]
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        options += [] if self.durable else ["--no-sync"]
        ended = account.run([executable_programs() / "initdb", *options])
        if ended.returncode:
            raise PostgresError(f"initdb failed in {folder}:\n{ended.stdout}")
        # By the account, whose folder it is by now: where a link is in the place of the file, root would follow it.
        configuration = data / "postgresql.conf"
        append = ("sh", "-c", 'echo "$2" >> "$1"', "sh", configuration, f"include = '{SETTINGS_FILE}'")
        if account.run(append).returncode:
            raise PostgresError(f"{configuration} cannot be written to by the account of the server")

    def _unready(self) -> str | None:
        """Return why the running server takes no connections, or None when it does."""
        asked = account.run([executable_programs() / "pg_isready", "-h", HOST, "-p", str(self.port)])
        return asked.stdout if asked.returncode else None

    def _launch(self, seconds: int) -> str | None:
        """Start the server once; return what it said if it failed."""
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        self._write_settings()
        options = ["start", "-s", "-w", "-t", str(seconds), "-D", str(self._data), "-o", f"-p {self.port}"]
        # The server inherits the open log, which may lie where its account cannot go.
        with self.log.open("ab") as log:
            said_before = log.tell()
            ended = account.run([executable_programs() / "pg_ctl", *options], log)
        return self.log.read_bytes()[said_before:].decode(errors="replace") if ended.returncode else None

    def _write_settings(self) -> None:
        """Write the settings anew, as a file of their own: the data folder is the account's, and may hold any link."""
        settings = self._data / SETTINGS_FILE
        settings.unlink(missing_ok=True)
        with settings.open("x", encoding="utf-8") as file:
            file.write(SETTINGS if self.durable else SETTINGS + NOT_DURABLE)
            account.give(file.fileno())


def _unfinished(data: Path) -> Path:
    return data.with_name(f"{data.name}.unfinished")


def ensure_database(connection: psycopg.Connection, name: str, owner: str) -> None:
    """Create the database `name` for the role `owner`, and nobody else, where it is missing.

    `connection` is the superuser's, in autocommit. Raises PostgresError for a name that Postgres would cut off.
    """
    if len(name.encode()) > _LONGEST_NAME:
        raise PostgresError(
            f"{name} is longer than the {_LONGEST_NAME} bytes of a name in Postgres; choose a shorter one"
        )
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner)))
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
