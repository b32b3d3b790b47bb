"""Where the data folder of a server lies: in its own place, or where root starts the server, where the account can go.

A data folder that its account could not reach lies in the folder of the machine, and in its own place is a link to it.
A note beside the data names that link, so that data whose link is gone is known and removed some days later.
"""

import secrets
import shutil
import time
from pathlib import Path

from ops.sandbox.postgres import account, machine, process
from ops.sandbox.postgres.errors import PostgresError

KEPT_SECONDS = 7 * 24 * 3600.0
"""How long data is kept after its last start when nothing links to it: the world may have been moved."""

_STOP_SECONDS = 10.0
_DATA, _NOTE = "postgres", "world"


def choose(folder: Path) -> Path:
    """Return where the data of the new server `folder` is to lie: there, or in a new place that its account can reach.

    In that case `link` has to follow when the data is there.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    if account.server_account() is None or account.can_enter(folder.parent):
        return folder
    remove_abandoned()
    place = machine.folder("data") / secrets.token_hex(8)
    machine.make(place)
    (place / _NOTE).write_text(str(folder), encoding="utf-8")
    return place / _DATA


def link(folder: Path, data: Path) -> None:
    """Put a link to `data` in the place `folder`, in one step."""
    unfinished = folder.with_name(f"{folder.name}.link")
    unfinished.unlink(missing_ok=True)
    unfinished.symlink_to(data)
    unfinished.replace(folder)


def is_reachable(folder: Path) -> bool:
    """Return whether the server's account can reach the data of `folder`."""
    return account.server_account() is None or account.can_enter(folder.resolve())


def prepare(folder: Path) -> None:
    """Bring the data of the stopped server `folder` to where its account can reach it, and note that it is in use.

    Raises PostgresError when the data is gone, and when it belongs to another world.
    """
    aside = _aside(folder)
    if aside.exists() and not folder.exists(follow_symlinks=False):
        aside.replace(folder)  # a move was interrupted before the link was made
    if folder.is_symlink() and not folder.exists():
        raise PostgresError(
            f"the data of Postgres is missing: {folder} leads to {folder.readlink()}. Restore that folder, or give "
            "up what this world holds with: totelake down --purge"
        )
    if not folder.exists():
        return
    if not is_reachable(folder):
        _move(folder)
    if aside.exists():
        shutil.rmtree(aside)
    if place := _place(folder):
        _claim(folder, place)


def remove(folder: Path) -> None:
    """Remove the data of the stopped server `folder`, wherever it lies, unless it belongs to another folder."""
    place = _place(folder)
    if place and (_owner(place) == folder or not _is_linked(place)):
        shutil.rmtree(place)
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def remove_unlinked(data: Path) -> None:
    """Remove the data `data`, whose link was removed; where it lay in the place of the link, it is gone already."""
    if data.name == _DATA and (data.parent / _NOTE).exists() and not _is_linked(data.parent):
        shutil.rmtree(data.parent)


def remove_abandoned() -> None:
    """Remove the data in the folder of the machine to which nothing has linked for some days, and stop its servers."""
    for place in (machine.root() / "data").glob("*"):
        owner = _owner(place)
        if owner is None or _is_linked(place):
            continue
        server = process.find(place / _DATA)
        if server and not owner.parent.exists():
            process.stop(server, _STOP_SECONDS)
        elif not server and time.time() - (place / _NOTE).stat().st_mtime > KEPT_SECONDS:
            shutil.rmtree(place)


def _place(folder: Path) -> Path | None:
    """Return the place in the folder of the machine to which `folder` links, None where it is no such link."""
    if not folder.is_symlink():
        return None
    data = folder.readlink()
    return data.parent if data.name == _DATA and (data.parent / _NOTE).exists() else None


def _owner(place: Path) -> Path | None:
    """Return the link that the note of a place names, None without a note."""
    try:
        return Path((place / _NOTE).read_text(encoding="utf-8"))
    except OSError:
        return None


def _is_linked(place: Path) -> bool:
    owner = _owner(place)
    return owner is not None and owner.is_symlink() and owner.readlink() == place / _DATA


def _claim(folder: Path, place: Path) -> None:
    """Note that the data in `place` is that of `folder`, unless another folder that links to it has it."""
    owner = _owner(place)
    if owner is not None and owner != folder and _is_linked(place):
        raise PostgresError(
            f"{folder} is a copy of {owner}, and both lead to the same data in {place}. Remove the copied world, whose "
            "databases were not copied with it."
        )
    (place / _NOTE).write_text(str(folder), encoding="utf-8")


def _aside(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.moving")


def _move(folder: Path) -> None:
    """Move the data of `folder`, which its account cannot reach, to the folder of the machine, and leave a link."""
    data = choose(folder)
    if data == folder:
        raise PostgresError(f"{folder} cannot be entered by the account that Postgres runs under; see its permissions")
    # Whole before anything is taken away: it is copied, then the link takes the place of the folder.
    try:
        shutil.copytree(folder.resolve(), data, symlinks=True)
        for path in reversed([data, *data.rglob("*")]):  # a folder last: its new owner can put a link in it
            account.give(path)
    except OSError as error:
        shutil.rmtree(data.parent, ignore_errors=True)
        raise PostgresError(f"the data in {folder} could not be copied to {data}: {error}. {machine.ADVICE}") from error
    if folder.is_symlink():
        link(folder, data)
        return
    folder.replace(_aside(folder))
    link(folder, data)
