"""S3 form uploads: the signed policy, the bucket's policy and the role's permissions apply to them."""

import base64
from typing import Any

import pytest

from tests import roles
from tests.security.buckets import BUCKET, COMMITTED, bucket, files, read
from tests.security.signed_requests import assume

__all__ = ["bucket", "files"]


def test_form_cannot_replace_a_commit_record(bucket, post):
    """The form's policy allows it, but the bucket's policy does not, since a form has no `If-None-Match`."""
    form = bucket.generate_presigned_post(BUCKET, COMMITTED)
    assert post(form["fields"]) == (403, "AccessDenied")
    assert read(bucket, COMMITTED) == b"committed"


def test_form_upload_within_its_policy_is_accepted(bucket, post):
    """With metadata, the file's name in the key, and a range of lengths."""
    conditions = [["starts-with", "$key", "tables/"], ["content-length-range", 1, 10], {"x-amz-meta-by": "form"}]
    form = bucket.generate_presigned_post(
        BUCKET, "tables/${filename}", Fields={"x-amz-meta-by": "form"}, Conditions=conditions
    )
    assert post(form["fields"], "rows") == (204, "")
    found = bucket.get_object(Bucket=BUCKET, Key="tables/x.json")
    assert (found["Body"].read(), found["Metadata"]) == (b"rows", {"by": "form"})


def changed(form: dict[str, Any], change: dict[str, str]) -> dict[str, str]:
    """Return the fields of a form with some of them changed."""
    return {**form["fields"], **change}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"key": "tables/2"}, "AccessDenied"),
        ({"acl": "public-read"}, "AccessDenied"),
        ({"x-amz-signature": "0" * 64}, "SignatureDoesNotMatch"),
        ({"policy": base64.b64encode(b'{"expiration": "2099-01-01T00:00:00Z", "conditions": []}').decode()}, ""),
        ({"x-amz-credential": "AKIAMADEUP0000000000/20260101/eu-west-2/s3/aws4_request"}, "InvalidAccessKeyId"),
        ({"x-amz-date": "20200101T000000Z"}, "SignatureDoesNotMatch"),
        ({"x-amz-algorithm": "AWS4"}, "InvalidRequest"),
    ],
    ids=str,
)
def test_changed_form_is_rejected(bucket, post, change, code):
    """The policy limits the fields, and is signed."""
    form = bucket.generate_presigned_post(BUCKET, "tables/1")
    status, found = post(changed(form, change))
    assert (status in {400, 403}, found) == (True, code or "SignatureDoesNotMatch")
    assert "tables/1" not in [each["Key"] for each in bucket.list_objects_v2(Bucket=BUCKET)["Contents"]]


def test_form_with_a_wrong_bucket_time_or_length_is_rejected(bucket, post):
    """All of them are in the policy."""
    form = bucket.generate_presigned_post(BUCKET, "tables/1")
    assert post(form["fields"], path="artifacts") == (403, "AccessDenied")
    expired = bucket.generate_presigned_post(BUCKET, "tables/1", ExpiresIn=-1)
    assert post(expired["fields"]) == (403, "AccessDenied")
    short = bucket.generate_presigned_post(BUCKET, "tables/1", Conditions=[["content-length-range", 1, 3]])
    assert post(short["fields"]) == (403, "AccessDenied")


def test_form_of_a_role_requires_its_permissions(target, bucket, post):
    """PutObject on the key, and PutObjectAcl for an ACL."""
    allowed = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{BUCKET}/mine/*"}
    roles.create(target.client("iam"), "uploader", allowed)
    s3 = target.client("s3", assume("uploader"))

    assert post(s3.generate_presigned_post(BUCKET, "mine/1")["fields"]) == (204, "")
    assert post(s3.generate_presigned_post(BUCKET, "tables/1")["fields"]) == (403, "AccessDenied")
    public = s3.generate_presigned_post(
        BUCKET, "mine/2", Fields={"acl": "public-read"}, Conditions=[{"acl": "public-read"}]
    )
    assert post(public["fields"]) == (403, "AccessDenied")


def test_file_name_in_a_form_cannot_change_the_prefix_of_the_key(files, post):
    """`${filename}` is replaced in the same way by authorization and by moto."""
    s3, bucket = files
    form = s3.generate_presigned_post(bucket, "public-a/${filename}")
    status, _ = post({**form["fields"], "key": "public${filename}/stolen"}, path=bucket)
    assert status == 403
