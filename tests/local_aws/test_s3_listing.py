"""S3 listings of a folder: keys, order, common prefixes and pages, without reading the files."""

import itertools
import random
import string
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_aws.s3.listing import Listing
from local_aws.s3.objects import FileKey
from local_aws.state import State
from tests.local_aws.s3_endpoint import REGION, client, served


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[State, Any]]:
    """Serve a state folder; yield it and a client."""
    state = State(tmp_path_factory.mktemp("state"))
    with served(state) as port:
        yield state, client(port)


@pytest.fixture
def bucket(endpoint: tuple[State, Any]) -> tuple[Any, str, Path]:
    """Create a bucket; return a client, its name and its folder."""
    state, s3 = endpoint
    name = f"b-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return s3, name, state.lake / name


def write(folder: Path, *keys: str) -> None:
    """Write empty files directly, as another program does."""
    for key in keys:
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(b"")


def pages(s3: Any, operation: str, **arguments: Any) -> list[dict[str, Any]]:
    """Return all pages of a listing."""
    return list(s3.get_paginator(operation).paginate(**arguments))


def entries(listing: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Return the keys and the common prefixes of a listing's pages."""
    keys = [each["Key"] for page in listing for each in page.get("Contents", [])]
    return keys, [each["Prefix"] for page in listing for each in page.get("CommonPrefixes", [])]


def expected(keys: list[str], prefix: str, delimiter: str, after: str) -> tuple[list[str], list[str]]:
    """Return the keys and the common prefixes that S3 would list, computed from all keys."""
    plain: list[str] = []
    groups: list[str] = []
    for key in sorted(keys):
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        if not key.startswith(prefix):
            continue
        if end >= 0:
            group = key[: end + len(delimiter)]
            if group not in groups and not after.startswith(group) and group > after:
                groups.append(group)
        elif key > after:
            plain.append(key)
    return plain, groups


def test_listings_match_those_of_s3(bucket: tuple[Any, str, Path]) -> None:
    """Combinations of prefix, delimiter, start and page size, compared with a simple computation."""
    s3, name, folder = bucket
    keys = ["a-b", "a.b", "a/b", "a/b-c", "a/c/d", "a/c/e", "a0", "b=1/x", "b=1/y", "b=2/x", "z/ü/ñ", "Z", "é+ &<>%.x"]
    write(folder, *keys)
    for prefix, delimiter, after, limit in itertools.product(
        ["", "a", "a/", "a/b", "b=", "z/ü", "none/", "a//"], ["", "/", "="], ["", "a/b", "a/c"], [2, 1000]
    ):
        arguments = {"Bucket": name, "Prefix": prefix, "Delimiter": delimiter, "PaginationConfig": {"PageSize": limit}}
        found = pages(s3, "list_objects_v2", StartAfter=after, **arguments)
        assert entries(found) == expected(keys, prefix, delimiter, after), (prefix, delimiter, after, limit)
        assert all(page["KeyCount"] <= limit for page in found)
    assert entries(pages(s3, "list_objects", Bucket=name, PaginationConfig={"PageSize": 2})) == (sorted(keys), [])
    grouped = pages(s3, "list_objects", Bucket=name, Delimiter="/", PaginationConfig={"PageSize": 2})
    assert entries(grouped) == expected(keys, "", "/", "")


def test_names_are_url_encoded_when_requested(bucket: tuple[Any, str, Path]) -> None:
    """Delimiter, marker, common prefixes and keys, in both versions of the operation; clients decode them."""
    s3, name, folder = bucket
    keys = ["a%20b/x+y/1", "a%20b/x+y/2", "a%20b/z%"]
    write(folder, *keys)
    for operation in ("list_objects", "list_objects_v2"):
        found = pages(s3, operation, Bucket=name, PaginationConfig={"PageSize": 1}, Prefix="a%20b/", Delimiter="+y/")
        assert entries(found) == (["a%20b/z%"], ["a%20b/x+y/"])
        assert {page["Delimiter"] for page in found} == {"+y/"}
    assert s3.list_objects(Bucket=name, MaxKeys=1)["NextMarker"] == keys[0]
    assert s3.list_objects(Bucket=name, Marker=keys[0])["Marker"] == keys[0]


def test_tree_is_walked_in_key_order(tmp_path: Path) -> None:
    """For random trees, prefixes and starts, the walk returns the keys in sorted order."""
    rng = random.Random(7)
    for attempt in range(30):
        root = tmp_path / str(attempt)
        root.mkdir()
        for _ in range(40):
            parts = ["".join(rng.choices("ab-/0" + string.ascii_uppercase[:2], k=rng.randint(1, 6))) for _ in "ab"]
            key = "/".join(part for part in "/".join(parts).split("/") if part)
            if key and not any((root / parent).is_file() for parent in Path(key).parents) and not (root / key).exists():
                write(root, key)
        keys = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
        for start in ["", *rng.sample(keys, 5), "a", "b/", "~"]:
            for prefix in ["", "a", "a/", start[:2]]:
                walk = Listing(root.joinpath, lambda _: False)
                expected_keys = [key for key in keys if key >= start and key.startswith(prefix)]
                assert list(walk.names(prefix, start)) == expected_keys


def test_listing_continues_from_its_token_alone(bucket: tuple[Any, str, Path]) -> None:
    """The token holds the position, so it is valid after a restart too."""
    s3, name, folder = bucket
    write(folder, "a", "b", "c")
    first = s3.list_objects_v2(Bucket=name, MaxKeys=2)
    assert (first["IsTruncated"], [each["Key"] for each in first["Contents"]]) == (True, ["a", "b"])
    (folder / "b").unlink()
    write(folder, "bb")
    rest = s3.list_objects_v2(Bucket=name, ContinuationToken=first["NextContinuationToken"])
    assert [each["Key"] for each in rest["Contents"]] == ["bb", "c"]
    with pytest.raises(s3.exceptions.ClientError, match="continuation token"):
        s3.list_objects_v2(Bucket=name, ContinuationToken="no token")


def test_folders_and_checksum_files_are_not_listed(bucket: tuple[Any, str, Path]) -> None:
    """Nor are empty folders, as common prefixes, and names that are not UTF-8."""
    s3, name, folder = bucket
    write(folder, "t/part-0", "t/.part-0.crc", ".crc", "only/.x.crc", "_SUCCESS")
    (folder / "empty/below").mkdir(parents=True)
    (folder / "t" / "not-utf8-\udcff").write_bytes(b"")
    assert entries([s3.list_objects_v2(Bucket=name)]) == ([".crc", "_SUCCESS", "t/part-0"], [])
    assert entries([s3.list_objects_v2(Bucket=name, Delimiter="/")]) == ([".crc", "_SUCCESS"], ["t/"])
    with pytest.raises(s3.exceptions.ClientError):
        s3.head_object(Bucket=name, Key="t/.part-0.crc")
    with pytest.raises(s3.exceptions.ClientError):
        s3.head_object(Bucket=name, Key="t")


def test_folder_marker_is_an_object(bucket: tuple[Any, str, Path]) -> None:
    """As the S3 console creates them: it remains after its objects are deleted, and can be deleted."""
    s3, name, folder = bucket
    s3.put_object(Bucket=name, Key="f/g/", Metadata={"k": "v"})
    write(folder, "f/g/x")
    assert s3.head_object(Bucket=name, Key="f/g/")["Metadata"] == {"k": "v"}
    assert s3.get_object(Bucket=name, Key="f/g/")["Body"].read() == b""
    assert entries([s3.list_objects_v2(Bucket=name)]) == (["f/g/", "f/g/x"], [])
    assert entries([s3.list_objects_v2(Bucket=name, Prefix="f/g/", Delimiter="/")]) == (["f/g/", "f/g/x"], [])
    assert entries([s3.list_objects_v2(Bucket=name, Delimiter="/")]) == ([], ["f/"])
    s3.delete_object(Bucket=name, Key="f/g/x")
    assert entries([s3.list_objects_v2(Bucket=name)]) == (["f/g/"], [])
    with pytest.raises(s3.exceptions.ClientError, match="must be empty"):
        s3.put_object(Bucket=name, Key="f/g/", Body=b"content")
    s3.delete_object(Bucket=name, Key="f/g/")
    assert list(folder.iterdir()) == []


def test_ten_thousand_files_are_listed_without_reading_them(
    bucket: tuple[Any, str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In order, a thousand per page; common prefixes are found without walking the folders below them."""
    s3, name, folder = bucket
    write(folder, *(f"t/batch_id={n % 10}/part-{n:05}" for n in range(10_000)))
    monkeypatch.setattr(FileKey, "body", None)
    found = pages(s3, "list_objects_v2", Bucket=name)
    assert entries(found)[0] == sorted(f"t/batch_id={n % 10}/part-{n:05}" for n in range(10_000))
    assert [page["KeyCount"] for page in found] == [1000] * 10
    walked: list[str] = []

    def locate(key: str) -> Path:
        walked.append(key)
        return folder / key

    assert len(Listing(locate, lambda _: False).page("t/", "/", "", 1000).prefixes) == 10
    assert len(walked) == 11


def test_bucket_with_objects_cannot_be_deleted(bucket: tuple[Any, str, Path]) -> None:
    """Files of other programs count; an empty bucket is deleted with its folder and empty folders below it."""
    s3, name, folder = bucket
    write(folder, "a/b/x", "a/b/.x.crc")
    with pytest.raises(s3.exceptions.ClientError) as error:
        s3.delete_bucket(Bucket=name)
    assert error.value.response["Error"]["Code"] == "BucketNotEmpty"
    (folder / "a/b/x").unlink()
    s3.delete_bucket(Bucket=name)
    assert not folder.exists()


def test_folder_becomes_a_bucket_by_create_bucket_only(endpoint: tuple[State, Any]) -> None:
    """The bucket then has the folder's files; names that could be paths are rejected."""
    state, s3 = endpoint
    write(state.lake, "left-over/x")
    with pytest.raises(s3.exceptions.NoSuchBucket):
        s3.list_objects_v2(Bucket="left-over")
    s3.create_bucket(Bucket="left-over", CreateBucketConfiguration={"LocationConstraint": REGION})
    assert entries([s3.list_objects_v2(Bucket="left-over")]) == (["x"], [])
    for name in ("...", "a..b", "Upper", "-dash"):
        with pytest.raises(s3.exceptions.ClientError, match="InvalidBucketName"):
            s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
