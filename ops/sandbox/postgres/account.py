"""The operating system account of the Postgres server: the caller's, or an unprivileged one if root starts it."""

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import IO

from ops.sandbox.postgres.errors import PostgresError

_NAMES = ("postgres", "nobody")
# The server cannot gain privileges, not even by a set-user-ID program.
_NO_PRIVILEGES = ("--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", "--no-new-privs")


def server_account() -> pwd.struct_passwd | None:
    """Return the unprivileged account of the server if this process is root, as which Postgres refuses to run.

    Returns None if this process is not root: the server then has the same account. Raises PostgresError when the system
    has no suitable account.
    """
    if os.geteuid() != 0:
        return None
    for name in _NAMES:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PostgresError(
        "Postgres does not run as root, and there is no account `postgres` or `nobody`; create one of them, or run "
        "totelake as another user"
    )


def run(command: Sequence[str | Path], output: IO[bytes] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program under the server's account without any capability, with its output in `output` or the result."""
    if output is not None:
        return subprocess.CompletedProcess(command, _run(command, output), "")
    # A file and not a pipe, which the server would inherit from the program that starts it, and keep open.
    with tempfile.TemporaryFile() as file:
        status = _run(command, file)
        file.seek(0)
        return subprocess.CompletedProcess(command, status, file.read().decode(errors="replace"))


def can_enter(folder: Path) -> bool:
    """Return whether the server's account can enter `folder`, tested under that account."""
    return run(["sh", "-c", 'test -x "$1"', "sh", folder]).returncode == 0


def is_confined(pid: int) -> bool:
    """Return whether a running server has no capabilities; servers started by earlier versions have one."""
    if server_account() is None:
        return True
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except FileNotFoundError:  # the process has ended, or the system is not Linux
        return True
    return re.search(r"^CapEff:\s*0+$", status, re.MULTILINE) is not None


def change_owner(path: int | Path) -> None:
    """Make the server's account the owner of a path (a link is not followed) or of an open file."""
    if account := server_account():
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=isinstance(path, int))


def _run(command: Sequence[str | Path], output: IO[bytes]) -> int:
    account = server_account()
    identity: dict[str, int | list[int]] = {}
    if account and _setpriv_works():
        user = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
        command = ["setpriv", *user, *_NO_PRIVILEGES, "--", *command]
    elif account:
        identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    result = subprocess.run(  # type: ignore[call-overload]
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
    return int(result.returncode)


@cache
def _setpriv_works() -> bool:
    """Return whether setpriv is installed, supports the options, and is permitted to apply them.

    BusyBox's has fewer options, and root without CAP_SETPCAP cannot change the bounding set. The change of account
    alone drops all effective and permitted capabilities.
    """
    if not shutil.which("setpriv"):
        return False
    result = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *_NO_PRIVILEGES, "--", "true"],
        check=False,
        capture_output=True,
    )
    return result.returncode == 0
