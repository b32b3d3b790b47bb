"""Multipart uploads whose parts are files, assembled into one file on completion."""

import hashlib
import os
import shutil
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self, override

from moto.s3.exceptions import EntityTooSmall, InvalidPart, InvalidPartOrder, MalformedXML, NoSuchUpload
from moto.s3.models import FakeBucket, FakeMultipart
from moto.settings import S3_UPLOAD_PART_MIN_SIZE

from local_aws.checksums import ALGORITHMS
from local_aws.s3.errors import map_os_errors
from local_aws.s3.objects import FileKey
from local_aws.s3.records import Stamp


@dataclass(frozen=True, slots=True)
class Checksum:
    """The checksum of a whole object (`parts` is 1), or the checksum of the checksums of its parts (COMPOSITE)."""

    algorithm: str
    type: str
    value: str
    parts: int


@dataclass(frozen=True, slots=True)
class Assembled:
    """ETag and checksum of a completed upload."""

    etag: str
    checksum: Checksum | None


class Upload(FakeMultipart):  # type: ignore[misc] # moto is not typed
    """An upload in progress; its parts are files in its own folder."""

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Create an upload without moto's registry of all instances, which never releases them."""
        return object.__new__(cls)

    def create_folder(self, bucket: FakeBucket, uploads: Path) -> Self:
        """Create the folder of the upload in `uploads`, once, before the first part; return the upload."""
        self._bucket = bucket
        self._folder = uploads / self.id
        self._folder.mkdir(parents=True)
        return self

    @override
    def set_part(self, part_id: int, value: bytes | Iterable[bytes]) -> FileKey:
        """Store one part, replacing an earlier one of the same number."""
        if part_id < 1:
            raise NoSuchUpload(upload_id=part_id)
        path = self._folder / f"{part_id}.{os.urandom(8).hex()}"
        md5 = hashlib.md5(usedforsecurity=False)
        try:
            with map_os_errors(self.key_name), path.open("xb") as part:
                for chunk in [value] if isinstance(value, bytes) else value:
                    md5.update(chunk)
                    part.write(chunk)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        key = FileKey(self._bucket, part_id, path, Stamp.of(path.stat()), {"_etag": md5.hexdigest()})
        replaced = self.parts.get(part_id)
        self.parts[part_id] = key
        self.partlist = sorted(self.parts)
        if replaced is not None:
            replaced.path.unlink(missing_ok=True)
        return key

    def assemble(self, listed: Iterable[tuple[int, str]], target: BinaryIO) -> Assembled:
        """Write the listed parts (number, ETag) to `target` in order.

        Raises InvalidPart, InvalidPartOrder, EntityTooSmall and MalformedXML as S3 does.
        """
        parts = self._listed_parts(list(listed))
        algorithm = ALGORITHMS.get(self.metadata.get("x-amz-checksum-algorithm") or "")
        object_checksum = algorithm() if algorithm else None
        part_digests = []
        for part in parts:
            part_checksum = algorithm() if algorithm else None
            for chunk in part.body():
                target.write(chunk)
                for checksum in (object_checksum, part_checksum):
                    if checksum is not None:
                        checksum.update(chunk)
            if part_checksum is not None:
                part_digests.append(part_checksum.digest())
        md5s = b"".join(bytes.fromhex(part.etag.strip('"')) for part in parts)
        etag = f"{hashlib.md5(md5s, usedforsecurity=False).hexdigest()}-{len(parts)}"
        return Assembled(etag, self._checksum(object_checksum, part_digests))

    @override
    def dispose(self) -> None:
        """Remove the files of the parts."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _listed_parts(self, listed: list[tuple[int, str]]) -> list[FileKey]:
        """Return the listed parts, in order; raises S3's errors for an invalid list."""
        if not listed:
            raise MalformedXML
        numbers = [number for number, _ in listed]
        if numbers != sorted(set(numbers)):
            raise InvalidPartOrder
        parts = [self.parts.get(number) for number in numbers]
        for part, (_, etag) in zip(parts, listed, strict=True):
            if part is None or part.etag.strip('"') != etag.strip('"'):
                raise InvalidPart
        if any(part.size < S3_UPLOAD_PART_MIN_SIZE for part in parts[:-1]):
            raise EntityTooSmall
        return parts

    def _checksum(self, object_checksum: Any, part_digests: list[bytes]) -> Checksum | None:
        """Return the checksum of the type that the upload was created with."""
        if object_checksum is None:
            return None
        name = self.metadata["x-amz-checksum-algorithm"]
        if self.metadata.get("x-amz-checksum-type") == "FULL_OBJECT":
            return Checksum(name, "FULL_OBJECT", b64encode(object_checksum.digest()).decode(), 1)
        composite = ALGORITHMS[name]()
        composite.update(b"".join(part_digests))
        return Checksum(name, "COMPOSITE", b64encode(composite.digest()).decode(), len(part_digests))
