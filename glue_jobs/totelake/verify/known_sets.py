"""The file sets that the commit records and checkpoints of a zone name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from totelake.lake.checkpoints import Checkpoint
from totelake.lake.file_sets import FileSet, LiveFiles
from totelake.verify.records import Record


@dataclass(frozen=True, slots=True)
class Replacement:
    """The `sets` that a compaction replaced with its checkpoint `number`."""

    number: int
    sets: tuple[FileSet, ...]


@dataclass(slots=True)
class KnownSets:
    """All file sets, by table and path: those that are live and those that were.

    `made_at` is the time at which the set of a path became live, `replaced_at` the one at which a compaction replaced
    it. `replaced` is what a compaction replaced by the set of a path. `refresh` is the last full refresh.
    """

    tables: dict[str, dict[str, FileSet]] = field(default_factory=dict)
    made_at: dict[str, str] = field(default_factory=dict)
    replaced_at: dict[str, str] = field(default_factory=dict)
    replaced: dict[str, Replacement] = field(default_factory=dict)
    refresh: Record | None = None

    def add_records(self, records: Mapping[int, Record]) -> None:
        """Add the sets of `records`."""
        for record in records.values():
            self.refresh = record if record.is_full_refresh else self.refresh
            for table, sets in record.file_sets.items():
                self._add(table, sets, record.committed_at)

    def add_checkpoint(self, checkpoint: Checkpoint, live: LiveFiles) -> None:
        """Add the sets that are `live` at `checkpoint`, and what its compaction replaced."""
        for table, sets in live.tables.items():
            self._add(table, sets, checkpoint.written_at)
        for table, sets in checkpoint.replaced.items():
            self.replaced_at.update((files.path, checkpoint.written_at) for files in sets)
            if (by := compacted_by(checkpoint, table)) is not None:
                self.replaced[by.path] = Replacement(checkpoint.number, sets)

    def intact(self, files: FileSet, damaged: Iterable[str]) -> Replacement | None:
        """Return what the compacted `files` replaced, if none of these sets is among the `damaged` paths."""
        replacement = self.replaced.get(files.path)
        return replacement if replacement and not {each.path for each in replacement.sets} & set(damaged) else None

    def merged_into(self, table: str, files: FileSet, live: LiveFiles) -> FileSet | None:
        """Return the compacted live set of `table` that has the rows of `files`, None if there is none."""
        return next(
            (
                each
                for each in live.of(table)
                if each.compacted and each.first <= files.first and files.last <= each.last
            ),
            None,
        )

    def ended_at(self, files: FileSet) -> str | None:
        """Return when a compaction or a full refresh replaced `files`, None if none did."""
        if self.refresh and files.last < self.refresh.sequence:
            return self.refresh.committed_at
        return self.replaced_at.get(files.path)

    def _add(self, table: str, sets: Iterable[FileSet], made_at: str) -> None:
        known = self.tables.setdefault(table, {})
        for files in sets:
            if files.path not in known:
                known[files.path] = files
                self.made_at[files.path] = made_at


def compacted_by(checkpoint: Checkpoint, table: str) -> FileSet | None:
    """Return the set of `table` that the compaction of `checkpoint` has written, None if there is none."""
    written = [
        files for files in checkpoint.files.of(table) if f"/batch_id={checkpoint.compaction}/" in f"/{files.path}"
    ]
    return written[0] if written else None
