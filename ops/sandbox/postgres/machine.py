"""The folder of this machine for what the server's account has to reach where root starts the server.

Root's own folders stay closed to that account: below `/var/lib/totelake`, or the folder that TOTELAKE_POSTGRES_FOLDER
names, root owns everything but the data folders.
"""

import os
import stat
from pathlib import Path

from ops.sandbox.postgres import account
from ops.sandbox.postgres.errors import PostgresError

VARIABLE = "TOTELAKE_POSTGRES_FOLDER"
ADVICE = (
    f"Free the space or the permission that is missing, set {VARIABLE} to another folder that only root can write to "
    "and every account can enter, or run totelake as a user who is not root."
)
_DEFAULT = "/var/lib/totelake"
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def root() -> Path:
    """Return the folder, whether it exists or not."""
    return Path(os.path.realpath(os.environ.get(VARIABLE) or _DEFAULT))


def folder(name: str) -> Path:
    """Return the folder `name` in it, made unless it is there.

    Raises PostgresError where it cannot be made, where another account could write to it, and where the server's
    account cannot enter it.
    """
    path = root() / name
    try:
        make(path)
        for place in (root(), path):
            found = place.stat()
            if found.st_uid != os.geteuid() or found.st_mode & _WRITABLE_BY_OTHERS:
                raise PostgresError(f"{place} can be written to by other accounts than root. {ADVICE}")
    except OSError as error:
        raise PostgresError(
            f"{path}, which Postgres needs where root starts it, cannot be made: {error}. {ADVICE}"
        ) from (error)
    if not account.can_enter(path):
        raise PostgresError(f"{path} cannot be entered by the account that Postgres runs under. {ADVICE}")
    return path


def make(path: Path) -> None:
    """Make a folder that every account can enter, and those above it that are missing, whatever the umask is."""
    if path.is_dir():
        return
    make(path.parent)
    path.mkdir(exist_ok=True)
    path.chmod(0o755)
