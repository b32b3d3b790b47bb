"""Instructions to restore objects from their versions, with the commands."""

import shlex
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

RESTORED_ETAG = "restored-etag"
"""The metadata of a copy of an object version: the ETag that the original had. With SSE-KMS, a copy has another one."""

_DENIED = {"AccessDenied", "403"}


@dataclass(frozen=True, slots=True)
class ObjectVersions:
    """The versions of the objects of a bucket; `s3` is the client, whose role may not be allowed to list them."""

    s3: Any
    bucket: str

    def data_file(self, key: str, etag: str) -> str | None:
        """Return how to restore the version of `key` with this `etag`, None when there is none."""
        listed = self._listed(key)
        if listed is None:
            return f"Copy its version with the ETag {etag} back; the versions: {self._list_command(key)}"
        version = next((each for each in listed["Versions"] if each["ETag"].strip('"') == etag), None)
        if version is None:
            return None
        return f"Restore it: {self._copy_command(key, version)} --metadata {RESTORED_ETAG}={etag}"

    def record(self, key: str, *, is_present: bool) -> str | None:
        """Return how to restore the first version of the immutable `key`, None when there is none.

        The bucket policy permits only the creation of a record: a present one is deleted before, which keeps it as a
        version.
        """
        listed = self._listed(key)
        if listed is None:
            return f"Put its first version back; the versions: {self._list_command(key)}"
        older = [each for each in listed["Versions"] if not (is_present and each["IsLatest"])]
        if not older:
            return None
        commands = [
            f"aws s3api get-object {self._of(key)} --version-id {shlex.quote(older[-1]['VersionId'])} record.json",
            *([f"aws s3api delete-object {self._of(key)}"] if is_present else []),
            f"aws s3api put-object {self._of(key)} --body record.json --if-none-match '*'",
        ]
        return f"Restore it: {' && '.join(commands)}"

    def is_deleted(self, key: str) -> bool:
        """Return whether `key` was deleted, as far as versions may be listed."""
        listed = self._listed(key)
        return listed is not None and any(marker["IsLatest"] for marker in listed["DeleteMarkers"])

    def _listed(self, key: str) -> dict[str, list[dict[str, Any]]] | None:
        """Return the versions and delete markers of `key`, the latest first; None when the role may not list them."""
        try:
            listed = self.s3.list_object_versions(Bucket=self.bucket, Prefix=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in _DENIED:
                return None
            raise
        kinds = ("Versions", "DeleteMarkers")
        return {kind: [each for each in listed.get(kind, []) if each["Key"] == key] for kind in kinds}

    def _copy_command(self, key: str, version: dict[str, Any]) -> str:
        source = shlex.quote(f"{self.bucket}/{key}?versionId={version['VersionId']}")
        return f"aws s3api copy-object {self._of(key)} --copy-source {source} --metadata-directive REPLACE"

    def _list_command(self, key: str) -> str:
        return f"aws s3api list-object-versions --bucket {shlex.quote(self.bucket)} --prefix {shlex.quote(key)}"

    def _of(self, key: str) -> str:
        return f"--bucket {shlex.quote(self.bucket)} --key {shlex.quote(key)}"
