"""Results as Athena keeps them in S3, and how they are read page by page."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from local_aws.athena.values import ColumnInfo

type Row = list[str | None]


def table(names: Iterable[str], rows: Iterable[Iterable[str | None]]) -> Iterator[bytes]:
    """Yield the lines of a `.csv`: the names first; all is quoted but NULL, which is nothing."""
    for row in chain([names], rows):
        quoted = ("" if value is None else '"' + value.replace('"', '""') + '"' for value in row)
        yield (",".join(quoted) + "\n").encode()


def lines(texts: Iterable[str]) -> Iterator[bytes]:
    """Yield the lines of a `.txt`, which is what SHOW and DESCRIBE have as their result."""
    return (f"{text}\n".encode() for text in texts)


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a result, and where in its file the next ones begin; None when there are no more."""

    rows: list[Row]
    following: int | None


def page(file: Path, columns: list[ColumnInfo], start: int, limit: int) -> Page:
    """Return up to `limit` rows of a result from the byte `start` of its `file` on."""
    with file.open("rb") as content:
        content.seek(start)
        rows: list[Row] = []
        reading = _Lines(content, start)
        for row in _rows(reading, len(columns), quoted=file.suffix == ".csv"):
            rows.append(row)
            if len(rows) == limit:
                break
        ended = reading.position == file.stat().st_size
        return Page(rows, None if ended else reading.position)


class _Lines:
    """The lines of a file, and the byte up to which they have been read."""

    def __init__(self, content: BinaryIO, position: int) -> None:
        self._content = content
        self.position = position

    def __iter__(self) -> Iterator[str]:
        for line in self._content:
            self.position += len(line)
            yield line.decode()


def _rows(reading: _Lines, width: int, *, quoted: bool) -> Iterator[Row]:
    if not quoted:
        for line in reading:
            yield [line.rstrip("\n")]
        return
    for row in csv.reader(reading, quoting=csv.QUOTE_NOTNULL):
        yield [*row] or [None] * width  # a NULL alone in its row is an empty line
