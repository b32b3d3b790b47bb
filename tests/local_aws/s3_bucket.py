"""A bucket of an S3 endpoint whose objects are files, for tests."""

import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.state import State
from tests.local_aws.s3_endpoint import REGION, client, served

MIB = 1 << 20


@dataclass(frozen=True)
class S3Bucket:
    """A bucket of an endpoint, its folder, and boto3's S3 operations with the bucket's name filled in."""

    state: State
    port: int
    name: str

    def __getattr__(self, operation_name: str) -> Any:
        """Return an operation of boto3 for this bucket."""
        operation = getattr(client(self.port), operation_name)
        return lambda **arguments: operation(Bucket=self.name, **arguments)

    @property
    def folder(self) -> Path:
        """The folder of the bucket."""
        return self.state.lake / self.name

    def create(self) -> "S3Bucket":
        """Create the bucket."""
        self.create_bucket(CreateBucketConfiguration={"LocationConstraint": REGION})
        return self

    def write(self, key: str, content: bytes = b"written by Spark") -> Path:
        """Write a file directly, as another program does."""
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def read(self, key: str) -> bytes:
        """Return the content of an object."""
        content: bytes = self.get_object(Key=key)["Body"].read()
        return content

    def keys(self, **arguments: Any) -> list[str]:
        """Return the keys of one page of a listing."""
        return [each["Key"] for each in self.list_objects_v2(**arguments).get("Contents", [])]

    def upload(self, key: str, *parts: bytes) -> dict[str, Any]:
        """Upload the parts of an object; return the arguments of CompleteMultipartUpload."""
        upload = self.create_multipart_upload(Key=key)["UploadId"]
        sent = [
            {"PartNumber": n, "ETag": self.upload_part(Key=key, UploadId=upload, PartNumber=n, Body=part)["ETag"]}
            for n, part in enumerate(parts, start=1)
        ]
        return {"Key": key, "UploadId": upload, "MultipartUpload": {"Parts": sent}}


def md5(content: bytes) -> bytes:
    """Return the MD5 of some bytes."""
    return hashlib.md5(content, usedforsecurity=False).digest()


def error_of(call: Any, **arguments: Any) -> tuple[int, str, str]:
    """Return the status, code and message of a call that fails."""
    with pytest.raises(ClientError) as error:
        call(**arguments)
    response = error.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[State, int]]:
    """Serve a state folder; yield it and the port."""
    state = State(tmp_path_factory.mktemp("state"))
    with served(state) as port:
        yield state, port


@pytest.fixture
def bucket(endpoint: tuple[State, int]) -> S3Bucket:
    """Create a bucket that no other test uses."""
    return S3Bucket(*endpoint, f"b-{uuid.uuid4().hex}").create()
