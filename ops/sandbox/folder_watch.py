"""Ends a world whose state folder was removed while it ran: its endpoint, its jobs and its Postgres server."""

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
_EVERY_SECONDS = 1.0
_STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Server:
    """The Postgres server of the folder, known by its process: its own folder may be gone, or another server's."""

    data: Path
    process: psutil.Process


class FolderWatch:
    """Looks every second whether the state folder is still the one that the endpoint began with."""

    def __init__(self, state: State) -> None:
        """Take the folder as it is now."""
        self._state = state
        self._descriptor = os.open(state.root, os.O_RDONLY | os.O_DIRECTORY)
        self._server: _Server | None = None
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self.gone = False
        """Whether the folder was removed, or moved, or another was put in its place."""

    def start(self, on_gone: Callable[[], None]) -> None:
        """Watch from now on, in a thread, and call `on_gone` once when the folder is gone."""

        def watch() -> None:
            while not self.gone and not self._closed.wait(_EVERY_SECONDS):
                self._look()
            if self.gone:
                _LOG.warning("%s is gone: this world ends", self._state.root)
                on_gone()

        self._thread = threading.Thread(target=watch, name="folder watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the watch; where the folder is gone, end the Postgres server and remove what was left of the world.

        Call it after everything else of the endpoint has ended.
        """
        self._closed.set()
        if self._thread:
            self._thread.join()
        if self.gone:
            self._clean_up()
        os.close(self._descriptor)

    def _look(self) -> None:
        begun = os.fstat(self._descriptor)
        try:
            now = self._state.root.stat()
        except FileNotFoundError:
            self.gone = True
            return
        self.gone = (now.st_dev, now.st_ino) != (begun.st_dev, begun.st_ino)
        if not self.gone:
            data = self._state.postgres.resolve()
            server = process.find(data)
            self._server = _Server(data, server) if server else self._server

    def _clean_up(self) -> None:
        server = self._server
        if server and not process.stop(server.process, _STOP_SECONDS):
            server.process.kill()
        if server and os.fstat(self._descriptor).st_nlink == 0:  # removed, and not merely moved
            storage.remove_unlinked(server.data)
        root = self._state.root
        # What the jobs were writing made the folder again. A world that was put in its place has more than that.
        written = {path.name for path in (self._state.lake, self._state.s3_meta, self._state.jobs, self._state.inbox)}
        if root.is_dir() and {path.name for path in root.iterdir()} <= {*written, "tmp"}:
            shutil.rmtree(root)
