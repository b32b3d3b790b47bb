"""The permissions that an operation needs, as the local endpoint derives them."""

from typing import Any

import pytest

from local_aws.iam.calls import Call
from local_aws.iam.operations import needs


@pytest.mark.parametrize(
    ("operation", "parameters", "expected"),
    [
        ("HeadObject", {"Key": "a"}, {("s3:GetObject", "lake/a")}),
        ("GetObject", {"Key": "a", "VersionId": "1"}, {("s3:GetObjectVersion", "lake/a")}),
        ("DeleteObject", {"Key": "a", "VersionId": "1"}, {("s3:DeleteObjectVersion", "lake/a")}),
        ("UploadPart", {"Key": "a"}, {("s3:PutObject", "lake/a")}),
        ("ListObjectsV2", {"Prefix": "a"}, {("s3:ListBucket", "lake")}),
        (
            "CopyObject",
            {"Key": "b", "CopySource": "other/a%20b"},
            {("s3:GetObject", "other/a b"), ("s3:PutObject", "lake/b")},
        ),
        ("DeleteObjects", {"Keys": [("a", ""), ("b", "1")]}, {
            ("s3:DeleteObject", "lake/a"),
            ("s3:DeleteObjectVersion", "lake/b"),
        }),
        ("DeleteObjects", {"Keys": [("a", ""), ("b", "")], "BypassGovernanceRetention": "true"}, {
            ("s3:DeleteObject", "lake/a"),
            ("s3:BypassGovernanceRetention", "lake/a"),
            ("s3:DeleteObject", "lake/b"),
            ("s3:BypassGovernanceRetention", "lake/b"),
        }),
        ("CopyObject", {"Key": "b", "CopySource": "other/a?versionId=1", "Tagging": "x=y"}, {
            ("s3:GetObjectVersion", "other/a"),
            ("s3:PutObject", "lake/b"),
            ("s3:PutObjectTagging", "lake/b"),
        }),
    ],
)  # fmt: skip
def test_s3_operation_needs_the_permissions_that_aws_checks(
    operation: str, parameters: Any, expected: set[tuple[str, str]]
):
    """Their names differ from those of the operations."""
    permissions = needs(Call("s3", operation, {"Bucket": "lake", **parameters}, "r", "1"))

    assert permissions is not None
    assert {(need.action, need.resources[0].removeprefix("arn:aws:s3:::")) for need in permissions} == expected


def test_s3_condition_keys_are_taken_from_the_request():
    """The version is each object's; a key missing in the request is present without a value."""
    parameters = {
        "Bucket": "lake",
        "Key": "b",
        "CopySource": "other/a?versionId=1",
        "IfNoneMatch": "*",
        "ACL": "private",
    }
    read, written, _ = needs(Call("s3", "CopyObject", parameters, "r", "1")) or ()

    assert (read.context["s3:versionid"], written.context["s3:versionid"]) == ("1", None)
    assert written.context["s3:if-none-match"] == "*"
    assert written.context["s3:x-amz-acl"] == "private"
    assert written.context["s3:x-amz-storage-class"] is None
    assert written.context["s3:objectcreationoperation"] == "true"
    (part,) = needs(Call("s3", "UploadPart", {"Bucket": "lake", "Key": "b"}, "r", "1")) or ()
    assert part.context["s3:objectcreationoperation"] == "false"


def test_glue_checks_permission_on_table_database_and_catalog():
    """All three resources."""
    (need,) = needs(Call("glue", "BatchCreatePartition", {"DatabaseName": "d", "TableName": "t"}, "r", "1")) or ()

    assert need.action == "glue:BatchCreatePartition"
    assert need.resources == tuple(f"arn:aws:glue:r:1:{name}" for name in ("catalog", "database/d", "table/d/t"))


def test_undeclared_operation_has_no_known_permissions():
    """So that it is denied."""
    assert needs(Call("glue", "MakeCoffee", {}, "r", "1")) is None
    assert needs(Call("s3", "MakeCoffee", {}, "r", "1")) is None
    assert needs(Call("kettle", "Boil", {}, "r", "1")) is None
