"""The account that the Postgres server runs under: the caller's own, or an unprivileged one where root starts it."""

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
# Even a set-user-ID program gives the server nothing.
_NO_PRIVILEGES = ("--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", "--no-new-privs")


def server_account() -> pwd.struct_passwd | None:
    """Return the account that the server runs under where this process is root, which Postgres refuses to run as.

    Returns None where the server runs under the account of this process. Raises PostgresError without an account.
    """
    if os.geteuid() != 0:
        return None
    for name in _NAMES:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PostgresError("Postgres does not run as root, and there is no account `postgres` or `nobody` to run it under")


def run(command: Sequence[str | Path], output: IO[bytes] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program under the server's account, without any capability; what it prints goes to `output` if given.

    Where there is no `output`, what was printed is in the result.
    """
    if output is not None:
        return subprocess.CompletedProcess(command, _run(command, output), "")
    # A file, since the server inherits the descriptors of the program that starts it, and a pipe would stay open.
    with tempfile.TemporaryFile() as file:
        status = _run(command, file)
        file.seek(0)
        return subprocess.CompletedProcess(command, status, file.read().decode(errors="replace"))


def can_enter(folder: Path) -> bool:
    """Return whether the server's account can reach what is in `folder`; asked as that account."""
    return run(["sh", "-c", 'test -x "$1"', "sh", folder]).returncode == 0


def is_confined(pid: int) -> bool:
    """Return whether a running server has no capability, as `run` starts it; an earlier version left it one."""
    if server_account() is None:
        return True
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except FileNotFoundError:  # it has ended, or this is no Linux
        return True
    return re.search(r"^CapEff:\s*0+$", status, re.MULTILINE) is not None


def give(path: int | Path) -> None:
    """Make the server's account the owner of a path, of a link itself, or of an open file."""
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
    return int(ended.returncode)


@cache
def _setpriv_works() -> bool:
    """Return whether setpriv is here and may do what is wanted of it.

    BusyBox's has fewer options, and a root without CAP_SETPCAP may not change the bounding set. The change of the
    account takes all effective and permitted capabilities in any case.
    """
    if not shutil.which("setpriv"):
        return False
    tried = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *_NO_PRIVILEGES, "--", "true"],
        check=False,
        capture_output=True,
    )
    return tried.returncode == 0
