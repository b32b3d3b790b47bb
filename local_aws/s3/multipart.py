"""Uploads in parts, where a part is a file and so is the object."""

from collections.abc import Iterable
from typing import Any, BinaryIO, override

from moto.s3 import notifications
from moto.s3.exceptions import NoSuchUpload
from moto.s3.models import FakeAcl

from local_aws.s3.errors import told_as_s3
from local_aws.s3.locks import retained
from local_aws.s3.objects import FileKey
from local_aws.s3.records import Record
from local_aws.s3.storage import EVENTS, LakeStorage, encrypted
from local_aws.s3.uploads import Upload


class LakeUploads(LakeStorage):
    """The part of S3 that takes objects in parts."""

    def __init__(self, region_name: str, account_id: str) -> None:
        """Begin with no uploads."""
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

    @override
    def upload_part(self, bucket_name: str, multipart_id: str, part_id: int, value: bytes) -> FileKey:
        """Take one part of an upload."""
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
        """Take one part of an upload out of another object; `end_byte` is the last one taken."""
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
        """Put the parts together to the object; doing it again says the same again."""
        if multipart_id in self._completed:
            return self._completed[multipart_id]
        bucket, upload = self.get_bucket(bucket_name), self._upload(bucket_name, multipart_id)

        def write(file: BinaryIO) -> Record:
            whole = upload.assemble(body, file)
            described = {
                **encrypted(bucket, upload.sse_encryption, upload.kms_key_id, None),
                **retained(bucket, None, None),
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

        key = self.write(bucket, upload.key_name, write)
        key.set_acl(upload.acl)
        self.put_object_tagging(key, upload.tags)
        self._completed[multipart_id] = key
        del bucket.multiparts[multipart_id]
        done = EVENTS.OBJECT_CREATED_COMPLETE_MULTIPART_UPLOAD_EVENT
        notifications.send_event(self.account_id, done, bucket, key)
        return key

    def is_upload_of(self, upload_id: str, bucket_name: str, key_name: str) -> bool:
        """Whether an upload that is under way, or completed, is one of this key."""
        if upload_id in self._completed:
            done = self._completed[upload_id]
            return (done.bucket_name, done.name) == (bucket_name, key_name)
        upload = self.get_bucket(bucket_name).multiparts.get(upload_id)
        return upload is not None and upload.key_name == key_name

    def _upload(self, bucket_name: str, upload_id: str) -> Upload:
        upload: Upload | None = self.get_bucket(bucket_name).multiparts.get(upload_id)
        if upload is None:
            raise NoSuchUpload(upload_id=upload_id)
        return upload
