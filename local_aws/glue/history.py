"""The history of runs on disk: a line of JSON for each start and end, so that a restart preserves them."""

import json
from pathlib import Path
from typing import Any


class History:
    """A file of records with an `id`; the last record of an id counts."""

    def __init__(self, path: Path) -> None:
        """Use this file, which need not exist."""
        self._path = path

    def write(self, record: dict[str, Any]) -> None:
        """Add a record."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def read(self) -> list[dict[str, Any]]:
        """Return the last record of every id, in the order in which the ids appeared, and drop the others.

        A line that a crash cut off is left out.
        """
        records: dict[str, dict[str, Any]] = {}
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError:
                continue
            records[record["id"]] = record
        rewritten = self._path.with_suffix(".new")
        rewritten.write_text("".join(json.dumps(record) + "\n" for record in records.values()), encoding="utf-8")
        rewritten.replace(self._path)
        return list(records.values())
