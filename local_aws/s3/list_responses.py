"""The XML responses of listings: moto's serializer takes half a second for a thousand keys, a template takes none."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from local_aws.s3.objects import FileKey

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_OWNER = "<Owner><ID>75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a</ID></Owner>"
REQUEST_PAYMENT = (
    f'<?xml version="1.0" encoding="UTF-8"?>\n<RequestPaymentConfiguration xmlns="{_NAMESPACE}">'
    "<Payer>BucketOwner</Payer></RequestPaymentConfiguration>"
)
"""The response to GetBucketRequestPayment."""


@dataclass(frozen=True, slots=True)
class ListQuery:
    """The parameters of a request to list objects; `start_after` is the marker of ListObjects."""

    bucket: str
    prefix: str
    delimiter: str | None
    token: str | None
    start_after: str | None
    max_keys: int
    url_encoded: bool
    with_owner: bool

    def name(self, value: str) -> str:
        """Return a key or prefix, encoded for the response."""
        return quote(value) if self.url_encoded else escape(value)


def list_objects(query: ListQuery, objects: Iterable[FileKey], prefixes: list[str], next_marker: str | None) -> str:
    """Return the response to a ListObjects request."""
    pages = [
        f"<Marker>{query.name(query.start_after or '')}</Marker>",
        f"<NextMarker>{query.name(next_marker)}</NextMarker>" if next_marker is not None else "",
    ]
    return _listing(query, pages, objects, prefixes, is_truncated=next_marker is not None)


def list_objects_v2(query: ListQuery, objects: list[FileKey], prefixes: list[str], next_token: str | None) -> str:
    """Return the response to a ListObjectsV2 request."""
    pages = [
        f"<KeyCount>{len(objects) + len(prefixes)}</KeyCount>",
        f"<ContinuationToken>{escape(query.token)}</ContinuationToken>" if query.token else "",
        f"<NextContinuationToken>{escape(next_token)}</NextContinuationToken>" if next_token is not None else "",
        f"<StartAfter>{query.name(query.start_after)}</StartAfter>" if query.start_after else "",
    ]
    return _listing(query, pages, objects, prefixes, is_truncated=next_token is not None)


def encode_versions(result: dict[str, Any]) -> None:
    """URL-encode the names in moto's `result` of ListObjectVersions: some keys cannot be in XML otherwise."""
    result["EncodingType"] = "url"
    for name in ("Prefix", "Delimiter", "KeyMarker", "NextKeyMarker"):
        if result.get(name):
            result[name] = quote(result[name])
    for each in [*result["Versions"], *result["DeleteMarkers"]]:
        each["Key"] = quote(each["Key"])
    for group in result.get("CommonPrefixes", []):
        group["Prefix"] = quote(group["Prefix"])


def _listing(
    query: ListQuery, pages: list[str], objects: Iterable[FileKey], prefixes: list[str], *, is_truncated: bool
) -> str:
    name = query.name
    parts = [
        f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="{_NAMESPACE}">',
        f"<Name>{escape(query.bucket)}</Name>",
        f"<Prefix>{name(query.prefix)}</Prefix><MaxKeys>{query.max_keys}</MaxKeys>",
        f"<IsTruncated>{str(is_truncated).lower()}</IsTruncated>",
        f"<Delimiter>{name(query.delimiter)}</Delimiter>" if query.delimiter else "",
        "<EncodingType>url</EncodingType>" if query.url_encoded else "",
        *pages,
        *(_contents(each, name(str(each.name)), with_owner=query.with_owner) for each in objects),
        *(f"<CommonPrefixes><Prefix>{name(each)}</Prefix></CommonPrefixes>" for each in prefixes),
        "</ListBucketResult>",
    ]
    return "".join(parts)


def _contents(key: FileKey, name: str, *, with_owner: bool) -> str:
    checksum = f"<ChecksumAlgorithm>{key.checksum_algorithm}</ChecksumAlgorithm>" if key.checksum_algorithm else ""
    return (
        f"<Contents><Key>{name}</Key><LastModified>{key.last_modified:%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
        f"<ETag>{escape(key.etag)}</ETag>{checksum}<Size>{key.size}</Size>"
        f"<StorageClass>{key.storage_class}</StorageClass>{_OWNER if with_owner else ''}</Contents>"
    )
