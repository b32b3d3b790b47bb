"""moto's S3 backend with its buckets as folders, and the atomic write of an object."""

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, BinaryIO, ClassVar, override
from uuid import uuid4

from moto.iam.access_control import PermissionResult
from moto.s3 import notifications
from moto.s3.exceptions import InvalidBucketName, InvalidBucketState, InvalidStorageClass, MalformedXML
from moto.s3.models import FakeBucket, FakeTableStorageBucket, S3Backend
from moto.s3.utils import STORAGE_CLASS

from local_aws import mounting
from local_aws.s3 import policy
from local_aws.s3.errors import UnusableKeyError, VersioningLockedError, map_os_errors
from local_aws.s3.folder import BucketFolder, Preconditions
from local_aws.s3.locks import object_retention
from local_aws.s3.objects import FileBody, FileKey
from local_aws.s3.records import ObjectRecords, Record, Stamp
from local_aws.state import State

Content = bytes | str | FileBody

EVENTS = notifications.S3NotificationEvent
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_NONE = Preconditions()
_PRECONDITIONS: ContextVar[Preconditions] = ContextVar("preconditions", default=_NONE)
_METADATA: ContextVar[Mapping[str, str]] = ContextVar("metadata", default=MappingProxyType({}))


@contextmanager
def write_context(preconditions: Preconditions, metadata: Mapping[str, str]) -> Iterator[None]:
    """Apply `preconditions` and `metadata` to the object that is written in the block.

    moto's backend does not see the request; this passes on the two parts of it that must be atomic with the write.
    """
    tokens = _PRECONDITIONS.set(preconditions), _METADATA.set(metadata)
    try:
        yield
    finally:
        _PRECONDITIONS.reset(tokens[0])
        _METADATA.reset(tokens[1])


class LakeBucket(FakeBucket):  # type: ignore[misc] # moto is not typed
    """A bucket whose policy is evaluated with its conditions."""

    @override
    def get_permission(self, action: str, resource: str) -> PermissionResult:
        """Return the verdict on one key of a DeleteObjects request.

        moto also calls it for other requests, on which `policy.check` has already decided.
        """
        return policy.permission(resource)


class LakeStorage(S3Backend):  # type: ignore[misc] # moto is not typed
    """S3 whose buckets are the folders in `state.lake`; `mount` creates one subclass for each world."""

    state: ClassVar[State]
    records: ClassVar[ObjectRecords]
    reported: ClassVar[set[tuple[str, str]]]
    """The statements of bucket policies that are not supported, and their handling, each of which is logged once."""

    @override
    def create_bucket(self, bucket_name: str, region_name: str, bucket_namespace: str | None = None) -> FakeBucket:
        """Create a bucket and its folder; the files of an existing folder become the bucket's objects."""
        if not _BUCKET_NAME.fullmatch(bucket_name) or ".." in bucket_name:
            raise InvalidBucketName
        return self._mount(super().create_bucket(bucket_name, region_name, bucket_namespace))

    @override
    def delete_bucket(self, bucket_name: str) -> FakeBucket | None:
        """Delete an empty bucket and its folder; return None when it is not empty."""
        bucket = self.get_bucket(bucket_name)
        return super().delete_bucket(bucket_name) if bucket.keys.remove() else None

    @override
    def create_table_storage_bucket(self, region_name: str) -> FakeTableStorageBucket:
        """Create the bucket of an S3 table."""
        return self._mount(super().create_table_storage_bucket(region_name))

    @override
    def delete_table_storage_bucket(self, bucket_name: str) -> FakeBucket | None:
        """Delete the bucket of an S3 table with its content."""
        shutil.rmtree(self.get_bucket(bucket_name).keys.folder)
        return super().delete_table_storage_bucket(bucket_name)

    @override
    def put_object_lock_configuration(
        self,
        bucket_name: str,
        lock_enabled: bool,
        mode: str | None = None,
        days: int | None = None,
        years: int | None = None,
    ) -> None:
        """Set the default retention. As on AWS since 2023, the bucket may have objects, as an existing folder does."""
        bucket = self.get_bucket(bucket_name)
        if not bucket.is_versioned:
            raise InvalidBucketState("Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration")
        bucket.object_lock_enabled = bucket.object_lock_enabled or lock_enabled
        bucket.default_lock_mode, bucket.default_lock_days, bucket.default_lock_years = mode, days, years

    @override
    def put_bucket_versioning(self, bucket_name: str, status: str) -> None:
        """Enable or suspend versioning; raises VersioningLockedError for suspension with Object Lock."""
        if status not in {"Enabled", "Suspended"}:
            raise MalformedXML
        if status == "Suspended" and self.get_bucket(bucket_name).object_lock_enabled:
            raise VersioningLockedError
        super().put_bucket_versioning(bucket_name, status)

    @override
    def put_object(
        self,
        bucket_name: str,
        key_name: str,
        value: Content,
        storage: str | None = None,
        etag: str | None = None,
        multipart: object = None,
        encryption: str | None = None,
        kms_key_id: str | None = None,
        bucket_key_enabled: Any = None,
        lock_mode: str | None = None,
        lock_legal_status: str | None = None,
        lock_until: str | None = None,
        checksum_value: str | None = None,
        request_method: str | None = "PUT",
        disable_notification: bool | None = False,
    ) -> FileKey:
        """Write an object atomically, under the preconditions of the request."""
        if storage is not None and storage not in STORAGE_CLASS:
            raise InvalidStorageClass(storage=storage)
        bucket = self.get_bucket(bucket_name)
        if key_name.endswith("/") and value:
            raise UnusableKeyError(key_name, "an object whose key ends with a slash must be empty")
        attributes = {
            **encryption_settings(bucket, encryption, kms_key_id, bucket_key_enabled),
            "_storage_class": storage or "STANDARD",
            **object_retention(bucket, lock_mode, lock_until),
            "lock_legal_status": lock_legal_status,
            "checksum_value": checksum_value,
            "_metadata": dict(_METADATA.get()),
        }
        if key_name.endswith("/"):
            marker: FileKey = bucket.keys.put_marker(key_name, attributes, _PRECONDITIONS.get())
            return marker

        def write(file: BinaryIO) -> Record:
            md5 = _copy(value, file)
            return attributes | {"_etag": etag or md5}

        key = self.write(bucket, key_name, write)
        if not disable_notification:
            is_post = request_method == "POST"
            event = EVENTS.OBJECT_CREATED_POST_EVENT if is_post else EVENTS.OBJECT_CREATED_PUT_EVENT
            notifications.send_event(self.account_id, event, bucket, key)
        return key

    @override
    def copy_object(self, src_key: FileKey, *args: Any, **kwargs: Any) -> None:
        """Copy an object in chunks, from its content at the start, even if the source is replaced meanwhile."""
        source = src_key.open_content()
        if source.checksum_type == "COMPOSITE":
            source.checksum_value = None  # the copy has no parts
        super().copy_object(source, *args, **kwargs)

    def write(self, bucket: FakeBucket, name: str, write: Callable[[BinaryIO], Record]) -> FileKey:
        """Write a file outside the buckets and move it to its place once complete; `write` returns its record."""
        bucket.keys.check(name)
        unfinished = self.state.s3_meta / "incoming" / uuid4().hex
        try:
            with map_os_errors(name):
                with unfinished.open("xb") as file:
                    record = write(file)
                stamp = Stamp.of(unfinished.stat())
            record = {"_version_id": uuid4().hex if bucket.is_versioned else "null"} | record
            key = FileKey(bucket, name, unfinished, stamp, record)
            bucket.keys.publish(key, _PRECONDITIONS.get())
        finally:
            unfinished.unlink(missing_ok=True)
        return key

    def _mount(self, bucket: FakeBucket) -> FakeBucket:
        """Store the bucket's objects in its folder."""
        archive = self.state.s3_meta / "versions" / bucket.name
        bucket = mounting.specialized(bucket, LakeBucket)
        bucket.keys = BucketFolder(bucket, self.state.lake / bucket.name, archive, self.records)
        return bucket


def encryption_settings(bucket: FakeBucket, algorithm: str | None, key_id: str | None, bucket_key: Any) -> Record:
    """Return the encryption attributes of an object: the request's, else the bucket's default."""
    rule = (bucket.encryption or {}).get("Rule", {})
    default = rule.get("ApplyServerSideEncryptionByDefault", {})
    return {
        "encryption": algorithm or default.get("SSEAlgorithm"),
        "kms_key_id": key_id or default.get("KMSMasterKeyID"),
        "bucket_key_enabled": bucket_key or (rule.get("BucketKeyEnabled", False) if rule else bucket_key),
    }


def _copy(value: Content, file: BinaryIO) -> str:
    """Write content to a file; return its MD5 in hexadecimal."""
    md5 = hashlib.md5(usedforsecurity=False)
    for chunk in value if isinstance(value, FileBody) else [value.encode() if isinstance(value, str) else value]:
        md5.update(chunk)
        file.write(chunk)
    return md5.hexdigest()
