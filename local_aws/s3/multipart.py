"""Multipart uploads, whose parts are files."""

from collections.abc import Iterable
from typing import Any, BinaryIO, override

from moto.s3 import notifications
from moto.s3.exceptions import NoSuchUpload
from moto.s3.models import FakeAcl

from local_aws.s3.errors import UnusableKeyError, map_os_errors
from local_aws.s3.locks import object_retention
from local_aws.s3.objects import FileKey
from local_aws.s3.records import Record
from local_aws.s3.storage import EVENTS, LakeStorage, encryption_settings
from local_aws.s3.uploads import Upload


class LakeUploads(LakeStorage):
    """The multipart upload operations of S3."""

    def __init__(self, region_name: str, account_id: str) -> None:
        """Create a backend without uploads."""
        super().__init__(region_name, account_id)
        self._completed: dict[str, FileKey] = {}

    @override
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
        """Start a multipart upload; raises UnusableKeyError for a key that cannot be written."""
        bucket = self.get_bucket(bucket_name)
        bucket.keys.check(key_name)
        if key_name.endswith("/"):  # the file would be the object with the key without the slash
            raise UnusableKeyError(key_name, "an object whose key ends with a slash cannot have parts")
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
        with map_os_errors(key_name):
            bucket.multiparts[upload.id] = upload.create_folder(bucket, self.state.s3_meta / "uploads")
        return upload

    @override
    def upload_part(self, bucket_name: str, multipart_id: str, part_id: int, value: bytes) -> FileKey:
        """Store one part of an upload."""
        return self._upload(bucket_name, multipart_id).set_part(part_id, value)

    @override
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
        """Store a part of an upload, copied from another object; `end_byte` is inclusive."""
        source = self.get_object(src_bucket_name, src_key_name, version_id=src_version_id)
        if source is None:
            raise NoSuchUpload(upload_id=multipart_id)
        body = source.body()
        if start_byte is not None and end_byte is not None:
            body = body[start_byte : end_byte + 1]
        return self._upload(dest_bucket_name, multipart_id).set_part(part_id, body)

    @override
    def complete_multipart_upload(
        self, bucket_name: str, multipart_id: str, body: Iterable[tuple[int, str]]
    ) -> FileKey | None:
        """Assemble the parts to the object; idempotent."""
        if multipart_id in self._completed:
            return self._completed[multipart_id]
        bucket, upload = self.get_bucket(bucket_name), self._upload(bucket_name, multipart_id)

        def write(file: BinaryIO) -> Record:
            assembled = upload.assemble(body, file)
            record = {
                **encryption_settings(bucket, upload.sse_encryption, upload.kms_key_id, None),
                **object_retention(bucket, None, None),
                "_etag": assembled.etag,
                "_storage_class": upload.storage or "STANDARD",
                "_metadata": dict(upload.metadata),
            }
            if assembled.checksum is not None:
                record["checksum_algorithm"] = assembled.checksum.algorithm
                record["checksum_type"] = assembled.checksum.type
                record["checksum_value"] = assembled.checksum.value
                record["checksum_parts"] = assembled.checksum.parts
            return record

        key = self.write(bucket, upload.key_name, write)
        key.set_acl(upload.acl)
        self.put_object_tagging(key, upload.tags)
        self._completed[multipart_id] = key
        del bucket.multiparts[multipart_id]
        event = EVENTS.OBJECT_CREATED_COMPLETE_MULTIPART_UPLOAD_EVENT
        notifications.send_event(self.account_id, event, bucket, key)
        return key

    def is_upload_of(self, upload_id: str, bucket_name: str, key_name: str) -> bool:
        """Return whether an upload, in progress or completed, is one of this key."""
        if upload_id in self._completed:
            key = self._completed[upload_id]
            return (key.bucket_name, key.name) == (bucket_name, key_name)
        upload = self.get_bucket(bucket_name).multiparts.get(upload_id)
        return upload is not None and upload.key_name == key_name

    def _upload(self, bucket_name: str, upload_id: str) -> Upload:
        upload: Upload | None = self.get_bucket(bucket_name).multiparts.get(upload_id)
        if upload is None:
            raise NoSuchUpload(upload_id=upload_id)
        return upload
