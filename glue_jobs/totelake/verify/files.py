"""Compares the files of a table with those that commit records and checkpoints name."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from totelake.lake import checkpoints
from totelake.lake.file_sets import DataFile, FileSet, LiveFiles
from totelake.runtime.clients import READER_THREADS
from totelake.verify.findings import Kind
from totelake.verify.known_sets import KnownSets
from totelake.verify.restoration import RESTORED_ETAG
from totelake.verify.zone_objects import LONGEST_RUN, ZoneObjects

_FOLDER = re.compile(r"tables/[^/]*/batch_id=[^/]*/")

type _Listed = Mapping[str, Any]
"""An object as S3 lists it."""


@dataclass(frozen=True, slots=True)
class _Damage:
    """A file of a set that is not there as it was written; its name is empty when the set is of an early version."""

    files: FileSet
    file: DataFile
    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class TableFiles:
    """The check of the files of one table; `is_complete` is False when not all records and checkpoints can be read."""

    zone: ZoneObjects
    table: str
    known: KnownSets
    live: LiveFiles
    is_complete: bool

    def check(self) -> tuple[int, set[str]]:
        """Report what is wrong with the files; return how many there are, and the paths of the damaged file sets."""
        folders: dict[str, dict[str, _Listed]] = defaultdict(dict)
        number = 0
        for item in self.zone.listed(f"tables/{self.table}/"):
            match = _FOLDER.match(item["Key"])
            folder = match[0] if match else f"tables/{self.table}/"
            folders[folder][item["Key"].removeprefix(folder)] = item
            number += 1
        damages: list[_Damage] = []
        live = {files.path for files in self.live.of(self.table)}
        for files in self.known.tables.get(self.table, {}).values():
            objects = folders.pop(files.path, {})
            damages += self._damages(files, objects)
            self._report_added(files, objects, is_live=files.path in live)
        if self.is_complete:
            for folder, objects in folders.items():
                self._report_orphans(folder, objects)
        return number, self._report(damages)

    def _report(self, damages: list[_Damage]) -> set[str]:
        """Report `damages` except files that are copies; return the paths of the damaged file sets."""
        with ThreadPoolExecutor(READER_THREADS) as readers:  # it takes a request or two for each
            damages = [damage for damage in readers.map(self._confirmed, damages) if damage]
            damaged = {damage.files.path for damage in damages}
            ways_out = readers.map(lambda damage: self._way_out(damage, damaged), damages)
            for damage, way_out in zip(damages, ways_out, strict=True):
                key, number = damage.files.path + damage.file.name, damage.files.last
                self.zone.report(damage.kind, key, f"{damage.text} {way_out}", table=self.table, number=number)
        return damaged

    def _damages(self, files: FileSet, objects: Mapping[str, _Listed]) -> Iterator[_Damage]:
        for file in files.files:
            item = objects.get(file.name)
            if item is None:
                yield _Damage(files, file, Kind.FILE_MISSING, f"A file of {_name(files)} is gone.")
            elif item["Size"] != file.bytes:
                text = f"A file of {_name(files)} has {item['Size']} bytes, it was written with {file.bytes}."
                yield _Damage(files, file, Kind.FILE_SIZE, text)
            elif item["ETag"].strip('"') != file.etag:
                text = f"A file of {_name(files)} has another content than it was written with."
                yield _Damage(files, file, Kind.FILE_ALTERED, text)
        size = sum(item["Size"] for item in objects.values())
        if not files.files and size != files.bytes:
            text = (
                f"The files of {_name(files)} have {size} bytes, they were written with {files.bytes}. "
                f"Its record lists no files, as those of early versions."
            )
            yield _Damage(files, DataFile("", files.bytes, ""), Kind.FILE_SIZE, text)

    def _confirmed(self, damage: _Damage) -> _Damage | None:
        """Return `damage`, None when the file is a copy of what was written."""
        if damage.kind is not Kind.FILE_ALTERED:
            return damage
        found = self.zone.s3.get_object(Bucket=self.zone.bucket, Key=damage.files.path + damage.file.name)
        with closing(found["Body"]) as body:
            if found["Metadata"].get(RESTORED_ETAG) == damage.file.etag:
                return None
            digest = hashlib.md5(usedforsecurity=False)
            for chunk in body.iter_chunks(2**20):
                digest.update(chunk)
        return None if digest.hexdigest() == damage.file.etag else damage

    def _way_out(self, damage: _Damage, damaged: set[str]) -> str:
        files, sentences = damage.files, []
        if files not in self.live.of(self.table):
            by = self.known.merged_into(self.table, files, self.live)
            sentences.append(
                f"No reader needs it: the merged files at {by.path} have its rows."
                if by
                else "No reader needs it: a full refresh has replaced its batch."
            )
        else:
            sentences.append("Readers fail or lack its rows.")
        key, etag = files.path + damage.file.name, damage.file.etag
        if etag and (restored := self.zone.versions.data_file(key, etag)):
            return " ".join([*sentences, restored])
        sentences.append("No version of it is stored as it was written.")
        if replaced := self.known.intact(files, damaged):
            sentences.append(
                f"The {len(replaced.sets)} file sets that it replaced are intact: delete the checkpoints from "
                f"{checkpoints.key(replaced.number)} on, then readers use these sets again, and run totelake compact."
            )
        elif self.zone.zone.name == "processed":
            sentences.append("Build the zone again from the ingested one: totelake rebuild processed")
        else:
            sentences.append("Restore it from a backup.")
        return " ".join(sentences)

    def _report_added(self, files: FileSet, objects: Mapping[str, _Listed], *, is_live: bool) -> None:
        names = {file.name for file in files.files}
        for name in sorted(set(objects) - names if names else ()):
            if _is_hidden(name) or not is_live:
                text = f"{_name(files).capitalize()} has no such file, and no query reads it."
                self.zone.report(Kind.ORPHAN, files.path + name, text, table=self.table, is_fault=False)
            else:
                text = (
                    f"Added to the folder of {_name(files)}, which had been committed without it: queries read it. "
                    f"Find out what wrote it, then delete it: aws s3 rm s3://{self.zone.bucket}/{files.path}{name}"
                )
                self.zone.report(Kind.FILE_ADDED, files.path + name, text, table=self.table, number=files.last)

    def _report_orphans(self, folder: str, objects: Mapping[str, _Listed]) -> None:
        size = sum(item["Size"] for item in objects.values())
        newest = max(item["LastModified"] for item in objects.values())
        key = folder + next(iter(objects)) if len(objects) == 1 else folder
        why = (
            "A running job may have written them."
            if newest > self.zone.now - LONGEST_RUN
            else "An attempt that was killed has left them. They are harmless, and can be deleted."
        )
        text = f"No commit record names these files ({len(objects)}, {size} bytes), and no query reads them. {why}"
        self.zone.report(Kind.ORPHAN, key, text, table=self.table, is_fault=False)


def _is_hidden(name: str) -> bool:
    """Return whether Spark and Athena ignore the file: its name or that of a folder starts with `_` or `.`."""
    return name.endswith(("/", "_$folder$")) or any(part.startswith(("_", ".")) for part in name.split("/"))


def _name(files: FileSet) -> str:
    if files.compacted:
        return f"the merged files of batches {files.first} to {files.last}"
    return f"batch {files.last}"
