"""moto's S3 backend with its objects in the folder of the lake."""

import base64
import binascii
import sys
from collections.abc import Iterator
from typing import Any, override

from moto.s3 import notifications
from moto.s3.exceptions import AccessDeniedByLock, InvalidContinuationToken, MethodNotAllowed, MissingKey
from moto.s3.models import FakeBucket, FakeDeleteMarker, FakeTableStorageBucket

from local_aws.s3 import policy
from local_aws.s3.folder import BucketFolder, ObjectVersion
from local_aws.s3.listing import ListingPage, after_prefix, common_prefix, successor
from local_aws.s3.multipart import LakeUploads
from local_aws.s3.objects import FileKey
from local_aws.s3.storage import EVENTS


class LakeBackend(LakeUploads):
    """S3 whose objects are the files in `state.lake`; `mount` creates one subclass for each world."""

    @override
    def get_object(
        self,
        bucket_name: str,
        key_name: str,
        version_id: str | None = None,
        part_number: str | None = None,
        return_delete_marker: bool = False,
    ) -> FileKey | None:
        """Return a version of an object, by default the latest one."""
        version = self.get_bucket(bucket_name).keys.version(key_name, version_id)
        if isinstance(version, FileKey):
            version.advance()
            return version
        return version if return_delete_marker else None

    @override
    def put_object_retention(
        self, bucket_name: str, key_name: str, version_id: str | None, retention: tuple[str | None, str | None]
    ) -> None:
        """Set mode and end of the retention of an existing object."""
        key = self.get_object(bucket_name, key_name, version_id=version_id)
        if key is None:
            raise MissingKey(key=key_name)
        key.retain(*retention)

    @override
    def delete_object(
        self,
        bucket_name: str,
        key_name: str,
        version_id: str | None = None,
        bypass: bool = False,
    ) -> tuple[bool, dict[str, Any]]:
        """Delete an object or one version of it; return whether it existed, and the response headers."""
        bucket = self.get_bucket(bucket_name)
        if isinstance(bucket, FakeTableStorageBucket):
            raise MethodNotAllowed
        if version_id is not None:
            is_bypass = str(bypass).lower() == "true"  # moto passes the text of a header
            removed = bucket.keys.delete_version(key_name, version_id, bypass=is_bypass)
            headers = {"version-id": version_id}
            if isinstance(removed, FakeDeleteMarker):
                headers["delete-marker"] = "true"
            return removed is not None, headers
        deleted = bucket.keys.current(key_name)
        marker = bucket.keys.delete(key_name)
        if deleted is not None:
            notifications.send_event(self.account_id, EVENTS.OBJECT_REMOVED_DELETE_EVENT, bucket, deleted)
        headers = {"version-id": marker.version_id, "delete-marker": "true"} if marker is not None else {}
        return deleted is not None or marker is not None, headers

    @override
    def delete_objects(
        self,
        bucket_name: str,
        objects: list[dict[str, Any]],
        bypass_retention: bool = False,
    ) -> tuple[list[tuple[str, str | None, str | None]], list[str]]:
        """Delete several objects; return the deleted ones and the keys of locked ones."""
        policy.require_authorized(bucket_name, [(each["Key"], each.get("VersionId") or "") for each in objects])
        deleted: list[tuple[str, str | None, str | None]] = []
        locked: list[str] = []
        for each in objects:
            key, version_id = each["Key"], each.get("VersionId")
            try:
                _, headers = self.delete_object(bucket_name, key, version_id=version_id, bypass=bypass_retention)
            except AccessDeniedByLock:
                locked.append(key)
            else:
                deleted.append((key, version_id, headers.get("version-id") if version_id is None else None))
        return deleted, locked

    @override
    def list_objects(
        self, bucket: FakeBucket, prefix: str | None, delimiter: str | None, marker: str | None, max_keys: int | None
    ) -> tuple[list[FileKey], list[str], bool, str | None]:
        """Return one page of ListObjects: objects, common prefixes, is truncated, next marker."""
        objects, page = self.page(bucket, prefix, delimiter, _start(marker, prefix, delimiter), max_keys)
        last = max([*page.keys, *page.prefixes], default=None)
        return objects, page.prefixes, page.next_start is not None, last if page.next_start is not None else None

    @override
    def list_objects_v2(
        self,
        bucket: FakeBucket,
        prefix: str | None,
        delimiter: str | None,
        continuation_token: str | None,
        start_after: str | None,
        max_keys: int,
    ) -> tuple[list[FileKey | str], bool, str | None]:
        """Return one page of ListObjectsV2: objects and common prefixes, is truncated, next token.

        A token encodes the start of the next page, so it stays valid after a restart.
        """
        start = _from_token(continuation_token) if continuation_token else _start(start_after, prefix, delimiter)
        objects, page = self.page(bucket, prefix, delimiter, start, max_keys)
        token = _to_token(page.next_start) if page.next_start is not None else None
        return [*objects, *page.prefixes], token is not None, token

    @override
    def list_object_versions(
        self,
        bucket_name: str,
        delimiter: str | None = None,
        key_marker: str | None = None,
        max_keys: int | None = 1000,
        prefix: str = "",
        version_id_marker: str | None = None,
    ) -> tuple[list[FileKey], list[str], list[FakeDeleteMarker], str | None, str | None]:
        """Return one page of versions, common prefixes and delete markers, and the markers of the next page.

        A page continues after the previous one even if the last item of that was deleted meanwhile.
        """
        folder = self.get_bucket(bucket_name).keys
        start = key_marker if key_marker and version_id_marker else _start(key_marker, prefix, delimiter)
        last: tuple[str | None, str | None] = (None, None)
        versions: list[FileKey] = []
        groups: list[str] = []
        markers: list[FakeDeleteMarker] = []
        for key, version in _all_versions(folder, prefix, start or ""):
            group = common_prefix(key, prefix, delimiter)
            if group is not None and group in groups[-1:]:
                continue
            is_at_marker = group is None and key == key_marker
            if is_at_marker and version_id_marker and _is_listed(folder, version, version_id_marker):
                continue
            if max_keys is not None and len(versions) + len(groups) + len(markers) >= max_keys:
                return versions, groups, markers, *last
            if group is not None:
                groups.append(group)
            else:
                (versions if isinstance(version, FileKey) else markers).append(version)
            last = (group, None) if group is not None else (key, version.version_id)
        return versions, groups, markers, None, None

    def page(
        self, bucket: FakeBucket, prefix: str | None, delimiter: str | None, start: str, limit: int | None
    ) -> tuple[list[FileKey], ListingPage]:
        """Return the objects of one page of a listing, and the page; without `limit`, all."""
        if isinstance(bucket, FakeTableStorageBucket):
            raise MethodNotAllowed
        result: tuple[list[FileKey], ListingPage] = bucket.keys.page(
            prefix or "", delimiter, start, sys.maxsize if limit is None else limit
        )
        return result


def _all_versions(folder: BucketFolder, prefix: str, start: str) -> Iterator[tuple[str, ObjectVersion]]:
    """Yield each version of each key, with `is_latest` set."""
    for key, versions in folder.histories(prefix, start):
        for version in versions:
            version.is_latest = version is versions[0]
            yield key, version


def _is_listed(folder: BucketFolder, version: ObjectVersion, version_id: str) -> bool:
    """Return whether a version is the one with this id or newer; False when that one no longer exists."""
    ids = [each.version_id for each in reversed(folder.versions(version.name))]
    return version_id in ids and ids.index(version.version_id) <= ids.index(version_id)


def _start(marker: str | None, prefix: str | None, delimiter: str | None) -> str:
    """Return the start of a listing after `marker`; a marker within a common prefix stands for all of it."""
    if not marker:
        return ""
    group = common_prefix(marker, prefix or "", delimiter)
    return after_prefix(group) if group is not None else successor(marker)


def _to_token(start: str) -> str:
    return base64.urlsafe_b64encode(start.encode(errors="surrogatepass")).decode()


def _from_token(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode(errors="surrogatepass")
    except (binascii.Error, ValueError) as error:
        raise InvalidContinuationToken from error
