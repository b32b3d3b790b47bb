"""Query results: the files that Athena writes to S3, and reading them by page."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from local_aws.athena.values import ColumnInfo

type ResultRow = list[str | None]

csv.field_size_limit(2**31 - 1)  # the default is shorter than a value may be


def table(names: Iterable[str], rows: Iterable[Iterable[str | None]]) -> Iterator[bytes]:
    """Yield the lines of a `.csv` file, with a header; all values are quoted, NULL is empty."""
    for row in chain([names], rows):
        quoted = ("" if value is None else '"' + value.replace('"', '""') + '"' for value in row)
        yield (",".join(quoted) + "\n").encode()


def lines(texts: Iterable[str]) -> Iterator[bytes]:
    """Yield the lines of a `.txt` file, the result of SHOW and DESCRIBE."""
    return (f"{text}\n".encode() for text in texts)


@dataclass(frozen=True, slots=True)
class ResultPage:
    """A page of rows of a result, and the byte offset of the next page in the file; None on the last page."""

    rows: list[ResultRow]
    following: int | None


def page(file: Path, columns: list[ColumnInfo], start: int, limit: int) -> ResultPage:
    """Return up to `limit` rows of a result from the byte offset `start` of its `file`."""
    with file.open("rb") as content:
        content.seek(start)
        rows: list[ResultRow] = []
        lines = _LineReader(content, start)
        for row in _rows(lines, len(columns), is_csv=file.suffix == ".csv"):
            rows.append(row)
            if len(rows) == limit:
                break
        is_last = lines.position == file.stat().st_size
        return ResultPage(rows, None if is_last else lines.position)


class _LineReader:
    """Iterates over the lines of a file and tracks the byte offset."""

    def __init__(self, content: BinaryIO, position: int) -> None:
        self._content = content
        self.position = position

    def __iter__(self) -> Iterator[str]:
        for line in self._content:
            self.position += len(line)
            yield line.decode()


def _rows(lines: _LineReader, width: int, *, is_csv: bool) -> Iterator[ResultRow]:
    if not is_csv:
        for line in lines:
            yield [line.rstrip("\n")]
        return
    for row in csv.reader(lines, quoting=csv.QUOTE_NOTNULL):
        yield [*row] or [None] * width  # a single NULL column is an empty line
