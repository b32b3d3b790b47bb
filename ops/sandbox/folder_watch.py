"""Stops a local environment whose state folder was removed: its endpoint, its jobs and its Postgres server."""

import logging
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from local_aws.state import State
from ops.sandbox.postgres import process, storage

_LOG = logging.getLogger(__name__)
_CHECK_SECONDS = 1.0
_STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Server:
    """The Postgres server of the folder, remembered as a process: its data folder may be removed or replaced."""

    data: Path
    process: psutil.Process


class FolderWatch:
    """Checks every second whether the state folder is still the one with which the endpoint was started."""

    def __init__(self, state: State) -> None:
        """Remember the current folder by its inode."""
        self._state = state
        self._descriptor = os.open(state.root, os.O_RDONLY | os.O_DIRECTORY)
        self._server: _Server | None = None
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self.gone = False
        """Whether the folder was removed, moved or replaced."""

    def start(self, on_gone: Callable[[], None]) -> None:
        """Start to watch in a thread, which calls `on_gone` once when the folder is gone."""

        def watch() -> None:
            while not self.gone and not self._closed.wait(_CHECK_SECONDS):
                self._check()
            if self.gone:
                _LOG.warning("%s is gone: stopping the local environment", self._state.root)
                on_gone()

        self._thread = threading.Thread(target=watch, name="folder watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching; if the folder is gone, stop the Postgres server and remove remaining files.

        Call it after all other threads of the endpoint have ended.
        """
        self._closed.set()
        if self._thread:
            self._thread.join()
        if self.gone:
            self._clean_up()
        os.close(self._descriptor)

    def _check(self) -> None:
        watched = os.fstat(self._descriptor)
        try:
            current = self._state.root.stat()
        except FileNotFoundError:
            self.gone = True
            return
        self.gone = (current.st_dev, current.st_ino) != (watched.st_dev, watched.st_ino)
        if not self.gone:
            data = self._state.postgres.resolve()
            server = process.find(data)
            self._server = _Server(data, server) if server else self._server

    def _clean_up(self) -> None:
        server = self._server
        if server and not process.stop(server.process, _STOP_SECONDS):
            server.process.kill()
        if server and os.fstat(self._descriptor).st_nlink == 0:  # removed, not moved
            storage.remove_unlinked(server.data)
        root = self._state.root
        # Jobs that were writing may have created the folder again; a local environment in its place has more folders.
        of_jobs = {path.name for path in (self._state.lake, self._state.s3_meta, self._state.jobs, self._state.inbox)}
        if root.is_dir() and {path.name for path in root.iterdir()} <= {*of_jobs, "tmp"}:
            shutil.rmtree(root)
