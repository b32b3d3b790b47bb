"""Copies the output of a job run, line by line while it runs, to CloudWatch Logs and to files."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from moto.logs.exceptions import ResourceAlreadyExistsException, ResourceNotFoundException
from moto.logs.models import LogsBackend, logs_backends

from local_aws.glue.jobs.runs import LOG_GROUP, now

LONGEST_EVENT = 262_118
"""The most bytes of one event of CloudWatch Logs, without its overhead of 26; longer lines are split."""

_PIECE = 65_536


class LogStream:
    """One stream of a log group."""

    def __init__(self, account_id: str, region: str, group: str, stream: str) -> None:
        """Name the stream; `open` makes it."""
        self._backend: LogsBackend = logs_backends[account_id][region]
        self._group = group
        self._stream = stream

    def open(self) -> None:
        """Make the group and the stream where they are missing."""
        with contextlib.suppress(ResourceAlreadyExistsException):
            self._backend.create_log_group(self._group, {})
        with contextlib.suppress(ResourceAlreadyExistsException):
            self._backend.create_log_stream(self._group, self._stream)

    def write(self, lines: list[str]) -> None:
        """Add an event for each line; empty lines have none, since CloudWatch rejects them."""
        moment = int(now().timestamp() * 1000)
        pieces = [line[at : at + LONGEST_EVENT] for line in lines for at in range(0, len(line), LONGEST_EVENT)]
        events = [{"timestamp": moment, "message": piece} for piece in pieces]
        if not events:
            return
        try:
            self._backend.put_log_events(self._group, self._stream, events)
        except ResourceNotFoundException:
            # The group was deleted while the job runs; without a reader of its output the job would block.
            self.open()
            self._backend.put_log_events(self._group, self._stream, events)


class Pump:
    """Two threads that copy a process's standard output and error to its files and its log streams."""

    def __init__(self, account_id: str, region: str, run_id: str, folder: Path) -> None:
        """Make the streams of a run; its files are `stdout` and `stderr` in `folder`."""
        self._folder = folder
        self._streams = {
            name: LogStream(account_id, region, f"{LOG_GROUP}/{kind}", run_id)
            for name, kind in (("stdout", "output"), ("stderr", "error"))
        }
        for stream in self._streams.values():
            stream.open()
        self._threads: list[threading.Thread] = []
        self._finished: list[str] = []

    def start(self, stdout: IO[bytes], stderr: IO[bytes], mark: bytes | None = None) -> None:
        """Begin to read, up to the end or to `mark`, which follows the output of a run."""
        for name, pipe in (("stdout", stdout), ("stderr", stderr)):
            thread = threading.Thread(target=self._copy, args=(name, pipe, mark), daemon=True, name=f"log-{name}")
            thread.start()
            self._threads.append(thread)

    def write_error(self, text: str) -> None:
        """Add lines of Glue itself to standard error."""
        self._streams["stderr"].write(text.splitlines())
        with (self._folder / "stderr").open("a", encoding="utf-8") as file:
            file.write(text + "\n")

    def finish(self, wait_seconds: float = 10) -> bool:
        """Wait until all output has been copied, and return whether it was."""
        for thread in self._threads:
            thread.join(wait_seconds)
        return len(self._finished) == len(self._threads)

    def _copy(self, name: str, pipe: IO[bytes], mark: bytes | None) -> None:
        try:
            self._copy_lines(name, pipe, mark)
        except BaseException:
            pipe.close()  # the writer gets an error, and does not block
            raise
        self._finished.append(name)

    def _copy_lines(self, name: str, pipe: IO[bytes], mark: bytes | None) -> None:
        rest = b""
        with (self._folder / name).open("ab", buffering=0) as file:
            for piece in pieces(pipe, mark):
                file.write(piece)
                *lines, rest = (rest + piece).split(b"\n")
                self._streams[name].write([line.decode("utf-8", "replace").rstrip("\r") for line in lines])
            if rest:
                self._streams[name].write([rest.decode("utf-8", "replace")])


def pieces(pipe: IO[bytes], mark: bytes | None) -> Iterator[bytes]:
    """Yield the bytes of `pipe` as they arrive, up to its end, when it is closed, or up to `mark`.

    A mark begins with a zero byte; a possible beginning of one is buffered.
    """
    buffer = b""
    while piece := pipe.read(_PIECE):
        buffer += piece
        if mark and mark in buffer:
            yield buffer.partition(mark)[0]
            return
        zero = buffer.rfind(b"\0") if mark else -1
        safe = zero if zero >= 0 and mark and mark.startswith(buffer[zero:]) else len(buffer)
        yield buffer[:safe]
        buffer = buffer[safe:]
    yield buffer
    pipe.close()
