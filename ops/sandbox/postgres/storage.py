"""The location of a server's data: its own folder, or the machine-wide folder if its account cannot reach the former.

In the second case the server's folder is a link to the data. A file beside the data, its claim, names that link, so
that data without a link can be recognised and removed some days later.
"""

import secrets
import shutil
import time
from pathlib import Path

from local_aws import files
from ops.sandbox.postgres import account, machine, process
from ops.sandbox.postgres.errors import PostgresError

KEPT_SECONDS = 7 * 24 * 3600.0
"""How long data without a link is kept after its last start: the state folder may have been moved."""

_STOP_SECONDS = 10.0
_DATA, _CLAIM = "postgres", "world"


def choose(folder: Path) -> Path:
    """Return the data folder for the new server `folder`: the same, or a new one that the server's account can reach.

    If it is another one, call `link` after the data has been created.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    if account.server_account() is None or account.can_enter(folder.parent):
        return folder
    remove_abandoned()
    location = machine.folder("data") / secrets.token_hex(8)
    machine.make(location)
    _write_claim(location, folder)
    return location / _DATA


def link(folder: Path, data: Path) -> None:
    """Make `folder` a link to `data`, atomically."""
    unfinished = folder.with_name(f"{folder.name}.link")
    unfinished.unlink(missing_ok=True)
    unfinished.symlink_to(data)
    unfinished.replace(folder)


def is_reachable(folder: Path) -> bool:
    """Return whether the server's account can reach the data of `folder`."""
    return account.server_account() is None or account.can_enter(folder.resolve())


def prepare(folder: Path) -> None:
    """Move the data of the stopped server `folder` to where its account can reach it, and renew its claim.

    Raises PostgresError when the data is missing, and when another state folder uses it.
    """
    backup = _backup(folder)
    if backup.exists() and not folder.exists(follow_symlinks=False):
        backup.replace(folder)  # a move was interrupted before the link was created
    if folder.is_symlink() and not folder.exists():
        raise PostgresError(
            f"the data of Postgres is missing: {folder} links to {folder.readlink()}. Restore that folder, or remove "
            "this local environment with: totelake down --purge"
        )
    if not folder.exists():
        return
    if not is_reachable(folder):
        _move(folder)
    if backup.exists():
        shutil.rmtree(backup)
    if location := _location(folder):
        _claim(folder, location)


def remove(folder: Path) -> None:
    """Remove the stopped server `folder` and its data, unless another folder uses the data."""
    location = _location(folder)
    if location and (_owner(location) == folder or not _is_linked(location)):
        shutil.rmtree(location)
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def remove_unlinked(data: Path) -> None:
    """Remove data in the machine-wide folder whose link was removed; data elsewhere was removed with its folder."""
    if data.name == _DATA and (data.parent / _CLAIM).exists() and not _is_linked(data.parent):
        shutil.rmtree(data.parent)


def remove_abandoned() -> None:
    """Remove data in the machine-wide folder that has had no link for some days, and stop servers without a link."""
    for location in (machine.root() / "data").glob("*"):
        owner = _owner(location)
        if owner is None or _is_linked(location):
            continue
        server = process.find(location / _DATA)
        if server and not owner.parent.exists():
            process.stop(server, _STOP_SECONDS)
        elif not server and time.time() - (location / _CLAIM).stat().st_mtime > KEPT_SECONDS:
            shutil.rmtree(location)


def _location(folder: Path) -> Path | None:
    """Return the location in the machine-wide folder to which `folder` links, or None if it is no such link."""
    if not folder.is_symlink():
        return None
    data = folder.readlink()
    return data.parent if data.name == _DATA and (data.parent / _CLAIM).exists() else None


def _owner(location: Path) -> Path | None:
    """Return the link that the claim of a location names, or None without a claim."""
    try:
        return Path((location / _CLAIM).read_text(encoding="utf-8"))
    except OSError:
        return None


def _write_claim(location: Path, folder: Path) -> None:
    """Record `folder` as the owner, in a file that only this user can change, whatever the umask is."""
    files.replace(location / _CLAIM, str(folder).encode())


def _is_linked(location: Path) -> bool:
    owner = _owner(location)
    return owner is not None and owner.is_symlink() and owner.readlink() == location / _DATA


def _claim(folder: Path, location: Path) -> None:
    """Record `folder` as the owner of the data in `location`, unless another folder owns and links to it."""
    owner = _owner(location)
    if owner is not None and owner != folder and _is_linked(location):
        raise PostgresError(
            f"{folder} is a copy of {owner}, and both link to the same data in {location}. Remove the copied state "
            "folder: its databases were not copied."
        )
    _write_claim(location, folder)


def _backup(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.moving")


def _move(folder: Path) -> None:
    """Move the data of `folder`, which its account cannot reach, to the machine-wide folder, and leave a link."""
    data = choose(folder)
    if data == folder:
        raise PostgresError(f"the account of the Postgres server cannot enter {folder}; see its permissions")
    # Copied completely first; then the link replaces the folder.
    try:
        shutil.copytree(folder.resolve(), data, symlinks=True)
        for path in reversed([data, *data.rglob("*")]):  # contents before folders, in which the new owner can put links
            account.change_owner(path)
    except OSError as error:
        shutil.rmtree(data.parent, ignore_errors=True)
        raise PostgresError(f"the data in {folder} could not be copied to {data}: {error}. {machine.ADVICE}") from error
    if folder.is_symlink():
        link(folder, data)
        return
    folder.replace(_backup(folder))
    link(folder, data)
