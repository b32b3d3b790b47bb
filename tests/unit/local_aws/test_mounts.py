"""The folders of the lake that a job's Spark can read, by the policies of its role."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local_aws.glue.jobs.mounts import mount_table
from local_aws.iam import Session
from tests.roles import policy

S3 = "arn:aws:s3:::"
SESSION = Session("1", "a_role", "session", "ASIA", "secret", "token")


def allowed(*resources: str, action: str = "s3:GetObject", **rest: Any) -> dict[str, Any]:
    """Return a statement that allows an action on resources, by default to read objects."""
    return {"Effect": "Allow", "Action": action, "Resource": list(resources), **rest}


def denied(*resources: str, action: str = "s3:*") -> dict[str, Any]:
    """Return a statement that denies an action on resources."""
    return {"Effect": "Deny", "Action": action, "Resource": list(resources)}


@pytest.mark.parametrize(
    ("statements", "mounted"),
    [
        ([], set()),
        ([allowed(f"{S3}lake/log/*", f"{S3}lake/tables/*")], {"lake/log", "lake/tables"}),
        ([allowed(f"{S3}lake/tables/*/_temporary/*", action="s3:PutObject")], {"lake/tables"}),
        ([allowed(f"{S3}lake/tables/*/_temporary/*", action="s3:DeleteObject")], set()),
        ([allowed(f"{S3}lake/a/b/*", f"{S3}lake/a/*", f"{S3}lake/ab/*")], {"lake/a", "lake/ab"}),
        ([allowed(f"{S3}lake/a/one.json")], {"lake/a"}),
        ([allowed(f"{S3}lake/*", f"{S3}lake/a/*")], {"lake"}),
        ([allowed(f"{S3}la*/log/*")], {"lake/log", "lane/log"}),
        ([allowed(f"{S3}la*")], {"lake", "lane"}),
        ([allowed("*", action="*")], {"lake", "lane"}),
        ([allowed(f"{S3}lake", action="s3:*")], set()),
        ([allowed("*"), denied(f"{S3}lane/*")], {"lake"}),
        ([allowed("*"), denied(f"{S3}lane/secret/*")], {"lake"}),
        ([allowed("*"), denied(f"{S3}lane/one.json", action="s3:PutObject")], {"lake"}),
        ([allowed("*"), denied(f"{S3}lane", f"{S3}lan/*", f"{S3}l")], {"lake", "lane"}),
        ([allowed(f"{S3}lake/a/*", f"{S3}lake/b/*"), denied(f"{S3}lake/a/*/secret")], {"lake/b"}),
        ([allowed(f"{S3}lake/a/*", f"{S3}lake/*"), denied(f"{S3}lake/b/*")], {"lake/a"}),
        ([allowed(f"{S3}lake/a/*"), denied(f"{S3}*/secret")], set()),
        ([allowed(f"{S3}lake/a/*"), denied(f"{S3}lake/${{aws:userid}}/*")], set()),
        ([allowed(f"{S3}lake/a/*"), denied(f"{S3}lake/a/*", action="s3:DeleteObject")], {"lake/a"}),
        ([allowed(f"{S3}lake/a/*/b"), {"Effect": "Deny", "Action": "*", "NotResource": f"{S3}lake/a/x/*"}], set()),
        ([allowed("*", Condition={"StringEquals": {"s3:authType": "none"}})], set()),
    ],
)
def test_folders_are_mounted_that_the_policies_allow(
    statements: list[dict[str, Any]], mounted: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A pattern allows the folder before its first wildcard; a folder with a denied object is not mounted."""
    for bucket in ("lake", "lane"):
        (tmp_path / bucket).mkdir()
    monkeypatch.setattr(Session, "documents", lambda _: [policy(*statements)])

    table = mount_table(SESSION, tmp_path)

    opened = {address for address in table.values() if address.startswith("plain://")}
    assert opened == {f"plain://{tmp_path}/{folder}".removesuffix("/") for folder in mounted}
    closed = {address for address in table.values() if address.startswith("not-permitted")}
    assert closed == {f"not-permitted-to-a-role://{bucket}/" for bucket in {"lake", "lane"} - mounted}


def test_session_policy_limits_the_mounted_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """To those that both policies allow."""
    for bucket in ("lake", "lane"):
        (tmp_path / bucket).mkdir()
    monkeypatch.setattr(Session, "documents", lambda _: [policy(allowed(f"{S3}lake/*"))])
    limited = replace(SESSION, policy=policy(allowed(f"{S3}lake/a/*", f"{S3}lane/*")))

    opened = {address for address in mount_table(limited, tmp_path).values() if address.startswith("plain://")}
    assert opened == {f"plain://{tmp_path}/lake/a"}
