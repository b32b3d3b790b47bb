"""What S3 lists of a folder: the keys, order, groups and pages of S3, without a look into the files."""

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
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[State, Any]]:
    """Serve one state folder; give it and a client."""
    state = State(tmp_path_factory.mktemp("world"))
    with served(state) as port:
        yield state, client(port)


@pytest.fixture
def bucket(world: tuple[State, Any]) -> tuple[Any, str, Path]:
    """Make a bucket; give a client, its name and its folder."""
    state, s3 = world
    name = f"b-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return s3, name, state.lake / name


def write(folder: Path, *keys: str) -> None:
    """Write files as another program does."""
    for key in keys:
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(b"")


def pages(s3: Any, operation: str, **arguments: Any) -> list[dict[str, Any]]:
    """Return every page of a listing."""
    return list(s3.get_paginator(operation).paginate(**arguments))


def entries(found: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Return the keys and the common prefixes of pages."""
    keys = [each["Key"] for page in found for each in page.get("Contents", [])]
    return keys, [each["Prefix"] for page in found for each in page.get("CommonPrefixes", [])]


def expected(keys: list[str], prefix: str, delimiter: str, after: str) -> tuple[list[str], list[str]]:
    """Return what S3 lists, worked out from all keys."""
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


def test_every_listing_is_what_s3_would_give(bucket: tuple[Any, str, Path]) -> None:
    """Prefixes, delimiters, starts and page sizes of all kinds, against a plain working-out of the same."""
    s3, name, folder = bucket
    keys = ["a-b", "a.b", "a/b", "a/b-c", "a/c/d", "a/c/e", "a0", "b=1/x", "b=1/y", "b=2/x", "z/ü/ñ", "Z", "é+ &<>%.x"]
    write(folder, *keys)
    for prefix, delimiter, after, most in itertools.product(
        ["", "a", "a/", "a/b", "b=", "z/ü", "none/", "a//"], ["", "/", "="], ["", "a/b", "a/c"], [2, 1000]
    ):
        arguments = {"Bucket": name, "Prefix": prefix, "Delimiter": delimiter, "PaginationConfig": {"PageSize": most}}
        found = pages(s3, "list_objects_v2", StartAfter=after, **arguments)
        assert entries(found) == expected(keys, prefix, delimiter, after), (prefix, delimiter, after, most)
        assert all(page["KeyCount"] <= most for page in found)
    assert entries(pages(s3, "list_objects", Bucket=name, PaginationConfig={"PageSize": 2})) == (sorted(keys), [])
    grouped = pages(s3, "list_objects", Bucket=name, Delimiter="/", PaginationConfig={"PageSize": 2})
    assert entries(grouped) == expected(keys, "", "/", "")


def test_all_names_of_an_answer_are_encoded_where_that_is_asked_for(bucket: tuple[Any, str, Path]) -> None:
    """Delimiter, marker, groups and keys, which clients decode; by the first version of the listing too."""
    s3, name, folder = bucket
    keys = ["a%20b/x+y/1", "a%20b/x+y/2", "a%20b/z%"]
    write(folder, *keys)
    for operation in ("list_objects", "list_objects_v2"):
        found = pages(s3, operation, Bucket=name, PaginationConfig={"PageSize": 1}, Prefix="a%20b/", Delimiter="+y/")
        assert entries(found) == (["a%20b/z%"], ["a%20b/x+y/"])
        assert {page["Delimiter"] for page in found} == {"+y/"}
    assert s3.list_objects(Bucket=name, MaxKeys=1)["NextMarker"] == keys[0]
    assert s3.list_objects(Bucket=name, Marker=keys[0])["Marker"] == keys[0]


def test_any_tree_is_walked_in_the_order_of_its_keys(tmp_path: Path) -> None:
    """Random trees, started anywhere, give what sorting all their keys gives."""
    choose = random.Random(7)
    for attempt in range(30):
        root = tmp_path / str(attempt)
        root.mkdir()
        for _ in range(40):
            parts = [
                "".join(choose.choices("ab-/0" + string.ascii_uppercase[:2], k=choose.randint(1, 6))) for _ in "ab"
            ]
            key = "/".join(part for part in "/".join(parts).split("/") if part)
            if key and not any((root / parent).is_file() for parent in Path(key).parents) and not (root / key).exists():
                write(root, key)
        keys = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
        for start in ["", *choose.sample(keys, 5), "a", "b/", "~"]:
            for prefix in ["", "a", "a/", start[:2]]:
                walk = Listing(root.joinpath, lambda _: False)
                wanted = [key for key in keys if key >= start and key.startswith(prefix)]
                assert list(walk.names(prefix, start)) == wanted


def test_a_page_can_be_continued_after_a_restart(bucket: tuple[Any, str, Path]) -> None:
    """A token says where to go on, and needs nobody who remembers it."""
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


def test_folders_and_checksums_are_not_listed(bucket: tuple[Any, str, Path]) -> None:
    """Empty folders are no common prefix either; a name that is not UTF-8 is no key."""
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


def test_a_folder_that_is_put_is_an_object(bucket: tuple[Any, str, Path]) -> None:
    """As the S3 console makes them; it stays when its objects go, and goes itself without them."""
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
    with pytest.raises(s3.exceptions.ClientError, match="empty marker"):
        s3.put_object(Bucket=name, Key="f/g/", Body=b"content")
    s3.delete_object(Bucket=name, Key="f/g/")
    assert list(folder.iterdir()) == []


def test_ten_thousand_files_are_listed_without_a_look_into_them(
    bucket: tuple[Any, str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every one of them, in order, a thousand at a time; groups come without a walk through what they hold."""
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


def test_a_bucket_with_objects_is_not_deleted(bucket: tuple[Any, str, Path]) -> None:
    """Another program's file counts; an empty bucket goes with its folder, whatever empty folders are in that."""
    s3, name, folder = bucket
    write(folder, "a/b/x", "a/b/.x.crc")
    with pytest.raises(s3.exceptions.ClientError) as refused:
        s3.delete_bucket(Bucket=name)
    assert refused.value.response["Error"]["Code"] == "BucketNotEmpty"
    (folder / "a/b/x").unlink()
    s3.delete_bucket(Bucket=name)
    assert not folder.exists()


def test_a_folder_is_no_bucket_and_a_bucket_takes_its_folder(world: tuple[State, Any]) -> None:
    """Only CreateBucket makes one; names that could be paths are refused."""
    state, s3 = world
    write(state.lake, "left-over/x")
    with pytest.raises(s3.exceptions.NoSuchBucket):
        s3.list_objects_v2(Bucket="left-over")
    s3.create_bucket(Bucket="left-over", CreateBucketConfiguration={"LocationConstraint": REGION})
    assert entries([s3.list_objects_v2(Bucket="left-over")]) == (["x"], [])
    for name in ("...", "a..b", "Upper", "-dash"):
        with pytest.raises(s3.exceptions.ClientError, match="InvalidBucketName"):
            s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
