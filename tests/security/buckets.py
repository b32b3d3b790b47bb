"""Buckets for attacks: one with a commit record that its policy protects, and one with versions and a secret."""

from typing import Any

import pytest

from local_aws.address import REGION
from tests import roles
from tests.security.conftest import AttackTarget

BUCKET = "ingested"
COMMITTED = "log/000001.json"
WRITE_ONCE = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:PutObject",
    "Resource": f"arn:aws:s3:::{BUCKET}/log/*",
    "Condition": {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}},
}


KEEP_VERSIONS = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": ["s3:BypassGovernanceRetention", "s3:DeleteObjectVersion"],
    "Resource": f"arn:aws:s3:::{BUCKET}/*",
}


@pytest.fixture(scope="module")
def bucket(target: AttackTarget) -> Any:
    """Create a bucket with the policy of the ingested zone and a commit record; return a client."""
    s3 = target.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_policy(Bucket=BUCKET, Policy=roles.policy(WRITE_ONCE, KEEP_VERSIONS))
    s3.put_object(Bucket=BUCKET, Key=COMMITTED, Body=b"committed", IfNoneMatch="*")
    return s3


def read(s3: Any, key: str) -> bytes:
    """Return the content of an object."""
    content: bytes = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return content


@pytest.fixture
def files(target):
    """Return a client and a bucket with two versions of an object below `mine/`, and a secret object."""
    s3 = target.client("s3")
    name = f"files-{target.port}"
    if name not in [each["Name"] for each in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        for key, content in (("mine/x", b"OLD"), ("mine/x", b"NEW"), ("secret.key", b"SECRET")):
            s3.put_object(Bucket=name, Key=key, Body=content)
    return s3, name
