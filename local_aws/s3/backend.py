"""moto's S3 with its objects in the folder of the lake."""

import base64
import binascii
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import time_ns
from typing import Any, BinaryIO, ClassVar
from uuid import uuid4

from moto.s3 import notifications
from moto.s3.exceptions import (
    AccessDeniedByLock,
    InvalidBucketName,
    InvalidBucketState,
    InvalidContinuationToken,
    InvalidStorageClass,
    MethodNotAllowed,
    NoSuchUpload,
)
from moto.s3.models import FakeAcl, FakeBucket, FakeDeleteMarker, FakeKey, FakeTableStorageBucket, S3Backend
from moto.s3.utils import STORAGE_CLASS

from local_aws.s3.errors import UnusableKeyError, told_as_s3
from local_aws.s3.folder import BucketFolder, Demands
from local_aws.s3.listing import Page, after, beyond, common_prefix
from local_aws.s3.objects import FileBody, FileKey
from local_aws.s3.records import Record, Records, Stamp
from local_aws.s3.uploads import Upload
from local_aws.state import State

Content = bytes | str | FileBody

_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_DEMANDS: ContextVar[Demands] = ContextVar("demands", default=Demands())
_METADATA: ContextVar[dict[str, str]] = ContextVar("metadata", default={})  # noqa: B039 - never changed in place
_EVENTS = notifications.S3NotificationEvent


@contextmanager
def demanding(demands: Demands, metadata: dict[str, str]) -> Iterator[None]:
    """Let what is written within hold to `demands` and come into the world with `metadata`.

    moto's backend knows nothing of the request; this is how the two things that must be atomic get from there to here.
    """
    tokens = _DEMANDS.set(demands), _METADATA.set(metadata)
    try:
        yield
    finally:
        _DEMANDS.reset(tokens[0])
        _METADATA.reset(tokens[1])


class LakeBackend(S3Backend):  # type: ignore[misc] # moto is not typed
    """S3 whose objects are the files in `state.lake`; `install` makes one subclass for each world."""

    state: ClassVar[State]
    records: ClassVar[Records]

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._completed: dict[str, FileKey] = {}

    def create_bucket(self, bucket_name: str, region_name: str, bucket_namespace: str | None = None) -> FakeBucket:
        """Make a bucket, and its folder unless that is there already: then its files are the bucket's objects."""
        if not _BUCKET_NAME.fullmatch(bucket_name) or ".." in bucket_name:
            raise InvalidBucketName
        return self._mount(super().create_bucket(bucket_name, region_name, bucket_namespace))

    def delete_bucket(self, bucket_name: str) -> FakeBucket | None:
        """Remove an empty bucket and its folder; return None when it is not empty."""
        bucket = self.get_bucket(bucket_name)
        return super().delete_bucket(bucket_name) if bucket.keys.remove() else None

    def create_table_storage_bucket(self, region_name: str) -> FakeTableStorageBucket:
        """Make the bucket of an S3 table."""
        return self._mount(super().create_table_storage_bucket(region_name))

    def delete_table_storage_bucket(self, bucket_name: str) -> FakeBucket | None:
        """Remove the bucket of an S3 table with what is in it."""
        shutil.rmtree(self.get_bucket(bucket_name).keys.folder)
        return super().delete_table_storage_bucket(bucket_name)

    def put_object_lock_configuration(
        self,
        bucket_name: str,
        lock_enabled: bool,  # noqa: FBT001 - moto's signature
        mode: str | None = None,
        days: int | None = None,
        years: int | None = None,
    ) -> None:
        """Set the default retention. As on AWS since 2023 the bucket need not be empty; a folder that is left may not be."""
        bucket = self.get_bucket(bucket_name)
        if not bucket.is_versioned:
            raise InvalidBucketState("Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration")
        bucket.object_lock_enabled = bucket.object_lock_enabled or lock_enabled
        bucket.default_lock_mode, bucket.default_lock_days, bucket.default_lock_years = mode, days, years

    def put_object(
        self,
        bucket_name: str,
        key_name: str,
        value: Content,
        storage: str | None = None,
        etag: str | None = None,
        multipart: object = None,  # noqa: ARG002 - moto's signature
        encryption: str | None = None,
        kms_key_id: str | None = None,
        bucket_key_enabled: Any = None,
        lock_mode: str | None = None,
        lock_legal_status: str | None = None,
        lock_until: str | None = None,
        checksum_value: str | None = None,
        request_method: str | None = "PUT",
        disable_notification: bool | None = False,  # noqa: FBT001 - moto's signature
    ) -> FileKey:
        """Write an object, whole or not at all, under the demands of the request that it is for."""
        if storage is not None and storage not in STORAGE_CLASS:
            raise InvalidStorageClass(storage=storage)
        bucket = self.get_bucket(bucket_name)
        if key_name.endswith("/"):
            if value:
                raise UnusableKeyError(key_name, "a key with a slash at its end can only be an empty marker")
            return bucket.keys.mark(key_name, _DEMANDS.get())
        described = {
            **_encryption(bucket, encryption, kms_key_id, bucket_key_enabled),
            "_storage_class": storage or "STANDARD",
            "lock_mode": lock_mode,
            "lock_legal_status": lock_legal_status,
            "lock_until": lock_until,
            "checksum_value": checksum_value,
            "_metadata": _METADATA.get(),
        }

        def write(file: BinaryIO) -> Record:
            md5 = _copy(value, file)
            return described | {"_etag": etag or md5}

        key = self._write(bucket, key_name, write)
        if not disable_notification:
            posted = request_method == "POST"
            event = _EVENTS.OBJECT_CREATED_POST_EVENT if posted else _EVENTS.OBJECT_CREATED_PUT_EVENT
            notifications.send_event(self.account_id, event, bucket, key)
        return key

    def copy_object(self, src_key: FileKey, *args: Any, **kwargs: Any) -> None:
        """Copy an object, piece by piece and as it is now, whatever becomes of the source meanwhile."""
        super().copy_object(src_key.opened(), *args, **kwargs)

    def get_object(
        self,
        bucket_name: str,
        key_name: str,
        version_id: str | None = None,
        part_number: str | None = None,  # noqa: ARG002 - an object is one file, however it was uploaded
        return_delete_marker: bool = False,  # noqa: FBT001 - moto's signature
    ) -> FileKey | None:
        """Return a version of an object, the latest one where `version_id` is None."""
        found = self.get_bucket(bucket_name).keys.version(key_name, version_id)
        if isinstance(found, FileKey):
            found.advance()
            return found
        return found if return_delete_marker else None

    def delete_object(
        self,
        bucket_name: str,
        key_name: str,
        version_id: str | None = None,
        bypass: bool = False,  # noqa: FBT001 - moto's signature
    ) -> tuple[bool, dict[str, Any]]:
        """Remove an object or one version of it; return whether there was one and what S3 says about it."""
        bucket = self.get_bucket(bucket_name)
        if isinstance(bucket, FakeTableStorageBucket):
            raise MethodNotAllowed
        if version_id is not None:
            removed = bucket.keys.delete_version(key_name, version_id, bypass=bypass)
            said = {"version-id": version_id}
            if isinstance(removed, FakeDeleteMarker):
                said["delete-marker"] = "true"
            return removed is not None, said
        there_was = bucket.keys.current(key_name)
        marker = bucket.keys.delete(key_name)
        if there_was is not None:
            notifications.send_event(self.account_id, _EVENTS.OBJECT_REMOVED_DELETE_EVENT, bucket, there_was)
        said = {"version-id": marker.version_id, "delete-marker": "true"} if marker is not None else {}
        return there_was is not None or marker is not None, said

    def delete_objects(
        self,
        bucket_name: str,
        objects: list[dict[str, Any]],
        bypass_retention: bool = False,  # noqa: FBT001 - moto's signature
    ) -> tuple[list[tuple[str, str | None, str | None]], list[str]]:
        """Remove several objects; return those that are gone and the keys of those that are locked."""
        deleted: list[tuple[str, str | None, str | None]] = []
        locked: list[str] = []
        for each in objects:
            key, version_id = each["Key"], each.get("VersionId")
            try:
                _, said = self.delete_object(bucket_name, key, version_id=version_id, bypass=bypass_retention)
            except AccessDeniedByLock:
                locked.append(key)
            else:
                deleted.append((key, version_id, said.get("version-id") if version_id is None else None))
        return deleted, locked

    def list_objects(
        self, bucket: FakeBucket, prefix: str | None, delimiter: str | None, marker: str | None, max_keys: int | None
    ) -> tuple[list[FileKey], list[str], bool, str | None]:
        """Return one page of a listing of the first version: keys, common prefixes, truncated, next marker."""
        page = self._page(bucket, prefix, delimiter, _start(marker, prefix, delimiter), max_keys)
        last = max([*page.keys, *page.prefixes], default=None)
        return _found(bucket, page), page.prefixes, page.resume is not None, last if page.resume is not None else None

    def list_objects_v2(
        self,
        bucket: FakeBucket,
        prefix: str | None,
        delimiter: str | None,
        continuation_token: str | None,
        start_after: str | None,
        max_keys: int,
    ) -> tuple[list[FileKey | str], bool, str | None]:
        """Return one page of a listing: keys and common prefixes, truncated, next token.

        A token is the place where the next page starts, so it outlives the process.
        """
        start = _from_token(continuation_token) if continuation_token else _start(start_after, prefix, delimiter)
        page = self._page(bucket, prefix, delimiter, start, max_keys)
        token = _to_token(page.resume) if page.resume is not None else None
        return [*_found(bucket, page), *page.prefixes], token is not None, token

    def create_multipart_upload(
        self,
        bucket_name: str,
        key_name: str,
        metadata: Any,
        storage_type: str,
        tags: dict[str, str],
        acl: FakeAcl | None,
        sse_encryption: str,
        kms_key_id: str,
    ) -> Upload:
        """Begin an upload in parts, for a key that can be written."""
        bucket = self.get_bucket(bucket_name)
        bucket.keys.check(key_name)
        upload = Upload(
            key_name,
            metadata,
            account_id=self.account_id,
            region_name=self.region_name,
            storage=storage_type,
            tags=tags,
            acl=acl,
            sse_encryption=sse_encryption,
            kms_key_id=kms_key_id,
        )
        with told_as_s3(key_name):
            bucket.multiparts[upload.id] = upload.place(bucket, self.state.s3_meta / "uploads")
        return upload

    def upload_part(self, bucket_name: str, multipart_id: str, part_id: int, value: bytes) -> FileKey:
        """Take one part of an upload."""
        return self._upload(bucket_name, multipart_id).set_part(part_id, value)

    def upload_part_copy(
        self,
        dest_bucket_name: str,
        multipart_id: str,
        part_id: int,
        src_bucket_name: str,
        src_key_name: str,
        src_version_id: str | None,
        start_byte: int | None,
        end_byte: int | None,
    ) -> FileKey:
        """Take one part of an upload out of another object; `end_byte` is the last one taken."""
        source = self.get_object(src_bucket_name, src_key_name, version_id=src_version_id)
        if source is None:
            raise NoSuchUpload(upload_id=multipart_id)
        body = source.body()
        if start_byte is not None and end_byte is not None:
            body = body[start_byte : end_byte + 1]
        return self._upload(dest_bucket_name, multipart_id).set_part(part_id, body)

    def complete_multipart_upload(
        self, bucket_name: str, multipart_id: str, body: Iterable[tuple[int, str]]
    ) -> FileKey | None:
        """Put the parts together to the object; doing it again says the same again."""
        if multipart_id in self._completed:
            return self._completed[multipart_id]
        bucket, upload = self.get_bucket(bucket_name), self._upload(bucket_name, multipart_id)

        def write(file: BinaryIO) -> Record:
            whole = upload.assemble(body, file)
            described = {
                **_encryption(bucket, upload.sse_encryption, upload.kms_key_id, None),
                "_etag": whole.etag,
                "_storage_class": upload.storage or "STANDARD",
                "_metadata": dict(upload.metadata),
            }
            if whole.checksum is not None:
                described["checksum_algorithm"] = whole.checksum.algorithm
                described["checksum_type"] = whole.checksum.type
                described["checksum_value"] = whole.checksum.value
                described["checksum_parts"] = whole.checksum.parts
            return described

        key = self._write(bucket, upload.key_name, write)
        key.set_acl(upload.acl)
        self.put_object_tagging(key, upload.tags)
        self._completed[multipart_id] = key
        del bucket.multiparts[multipart_id]
        done = _EVENTS.OBJECT_CREATED_COMPLETE_MULTIPART_UPLOAD_EVENT
        notifications.send_event(self.account_id, done, bucket, key)
        return key

    def _mount(self, bucket: FakeBucket) -> FakeBucket:
        """Make the bucket's folder the place of its objects."""
        aside = self.state.s3_meta / "versions" / bucket.name
        bucket.keys = BucketFolder(bucket, self.state.lake / bucket.name, aside, self.records)
        return bucket

    def _upload(self, bucket_name: str, upload_id: str) -> Upload:
        upload = self.get_bucket(bucket_name).multiparts.get(upload_id)
        if upload is None:
            raise NoSuchUpload(upload_id=upload_id)
        return upload

    def _write(self, bucket: FakeBucket, name: str, write: Callable[[BinaryIO], Record]) -> FileKey:
        """Write a file beside the buckets and give it its place when it is whole; `write` returns what to keep of it."""
        bucket.keys.check(name)
        unfinished = self.state.s3_meta / "incoming" / uuid4().hex
        try:
            with told_as_s3(name):
                with unfinished.open("xb") as file:
                    record = write(file)
                # The clock of the file system is too coarse to tell which of two versions came first.
                now = time_ns()
                os.utime(unfinished, ns=(now, now))
                stamp = Stamp.of(unfinished.stat())
            record = {"_version_id": uuid4().hex if bucket.is_versioned else "null"} | record
            key = FileKey(bucket, name, str(unfinished), stamp, record)
            bucket.keys.publish(key, _DEMANDS.get())
        finally:
            unfinished.unlink(missing_ok=True)
        return key

    def _page(
        self, bucket: FakeBucket, prefix: str | None, delimiter: str | None, start: str, limit: int | None
    ) -> Page:
        if isinstance(bucket, FakeTableStorageBucket):
            raise MethodNotAllowed
        most = limit if limit is not None else 1_000_000_000
        return bucket.keys.listing().page(prefix or "", delimiter, start, most)


def _encryption(bucket: FakeBucket, algorithm: str | None, key_id: str | None, bucket_key: Any) -> Record:
    """Return how an object is said to be encrypted: as the request says, else as the bucket does."""
    rule = (bucket.encryption or {}).get("Rule", {})
    default = rule.get("ApplyServerSideEncryptionByDefault", {})
    return {
        "encryption": algorithm or default.get("SSEAlgorithm"),
        "kms_key_id": key_id or default.get("KMSMasterKeyID"),
        "bucket_key_enabled": bucket_key or (rule.get("BucketKeyEnabled", False) if rule else bucket_key),
    }


def _copy(value: Content, file: BinaryIO) -> str:
    """Write content to a file; return its MD5 in hex."""
    md5 = hashlib.md5(usedforsecurity=False)
    for chunk in value if isinstance(value, FileBody) else [value.encode() if isinstance(value, str) else value]:
        md5.update(chunk)
        file.write(chunk)
    return md5.hexdigest()


def _found(bucket: FakeBucket, page: Page) -> list[FileKey]:
    """Return the objects of a page, without those that were removed since their names were read."""
    return [key for key in map(bucket.keys.current, page.keys) if isinstance(key, FakeKey)]


def _start(marker: str | None, prefix: str | None, delimiter: str | None) -> str:
    """Return where a listing after `marker` starts; a marker inside of a common prefix stands for all of it."""
    if not marker:
        return ""
    group = common_prefix(marker, prefix or "", delimiter)
    return beyond(group) if group is not None else after(marker)


def _to_token(start: str) -> str:
    return base64.urlsafe_b64encode(start.encode(errors="surrogatepass")).decode()


def _from_token(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode(errors="surrogatepass")
    except (binascii.Error, ValueError) as error:
        raise InvalidContinuationToken from error
