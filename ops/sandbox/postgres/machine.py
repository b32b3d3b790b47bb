"""The machine-wide folder for files that the server's account must reach if root starts the server.

Root's own folders stay inaccessible to that account. The folder is `/var/lib/totelake` or the value of
TOTELAKE_POSTGRES_FOLDER; root owns everything in it except the data folders.
"""

import os
import stat
from pathlib import Path

from ops.sandbox.postgres import account
from ops.sandbox.postgres.errors import PostgresError

VARIABLE = "TOTELAKE_POSTGRES_FOLDER"
ADVICE = (
    f"Provide the missing space or permission, set {VARIABLE} to another folder that only root can write to and every "
    "account can enter, or run totelake as a user who is not root."
)
_DEFAULT = "/var/lib/totelake"
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def root() -> Path:
    """Return the path of the folder, which may not exist."""
    return Path(os.path.realpath(os.environ.get(VARIABLE) or _DEFAULT))


def folder(name: str) -> Path:
    """Return its subfolder `name`, and create it if it is missing.

    Raises PostgresError when it cannot be created, other accounts can write to it, or the server's account cannot
    enter it.
    """
    path = root() / name
    try:
        make(path)
        for checked in (root(), path):
            status = checked.stat()
            if status.st_uid != os.geteuid() or status.st_mode & _WRITABLE_BY_OTHERS:
                raise PostgresError(f"Accounts other than root can write to {checked}. {ADVICE}")
    except OSError as error:
        raise PostgresError(
            f"Cannot create {path}, which Postgres needs when root starts it: {error}. {ADVICE}"
        ) from error
    if not account.can_enter(path):
        raise PostgresError(f"The account of the Postgres server cannot enter {path}. {ADVICE}")
    return path


def make(path: Path) -> None:
    """Create a folder and its missing parents with mode 755, independent of the umask."""
    if path.is_dir():
        return
    make(path.parent)
    path.mkdir(mode=0o755, exist_ok=True)
    path.chmod(0o755)
