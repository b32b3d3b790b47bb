"""The lake as mounted in a Spark job: only the folders that the job's role may read or write.

Spark accesses the lake's folders directly and not through the endpoint, so folders that the endpoint would deny are not
mounted.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from local_aws import spark
from local_aws.iam import Need, Session
from local_aws.iam.conditions import as_list, matches_pattern
from local_aws.iam.policies import matches_element, statements
from local_aws.iam.s3_operations import bucket_arn, object_arn
from local_aws.s3.paths import KeyPaths

_NO_SCHEME = re.compile(r"[^A-Za-z0-9.+-]")
_WILDCARD = re.compile(r"[*?$]")
_EXAMPLE = str.maketrans("*?", "xx")
_CUT = str.maketrans("*?", "\0\0")


def mount_table(session: Session, lake: Path) -> dict[str, str]:
    """Return Spark's settings that mount the folders of the buckets in `lake` that the role of `session` may access.

    The rest of a bucket maps to a file system that does not exist, whose name says why.
    """
    table: dict[str, str] = {}
    for bucket in spark.buckets(lake):
        paths = KeyPaths((lake / bucket).resolve())
        table |= spark.mount(bucket, "", f"not-permitted-to-{_NO_SCHEME.sub('-', session.role)}://{bucket}/")
        for folder in _outermost(folders(session, bucket)):
            # A pattern of keys that no object can have, such as one with `..`, has no folder.
            if path := paths.locate(f"{folder}/" if folder else ""):
                table |= spark.mount(bucket, folder, spark.local_address(path))
    return table


def folders(session: Session, bucket: str) -> Iterator[str]:
    """Yield the folders of a bucket in which the role's policies give rights to read or write objects.

    A pattern of keys stands for the folder before its first wildcard; an empty one is the whole bucket. A folder with
    a denied object is left out: a mount could not exclude it.
    """
    denied = [resource for _, resource in _resources(session, allowed=False)]
    for action, resource in _resources(session, allowed=True):
        owner, _, keys = resource.removeprefix(bucket_arn("")).partition("/")
        if not keys and owner.endswith("*"):
            keys = "*"
        example = keys.translate(_EXAMPLE)
        if keys and matches_pattern(bucket, owner) and session.allows(Need(action, (object_arn(bucket, example),))):
            folder = keys.translate(_CUT).partition("\0")[0].rpartition("/")[0]
            if not any(_reaches(each, object_arn(bucket, f"{folder}/" if folder else "")) for each in denied):
                yield folder


def _resources(session: Session, *, allowed: bool) -> Iterator[tuple[str, str]]:
    """Yield the resources that policies, boundary or session policy allow, or deny, to be read or written.

    A deny with NotResource counts as a deny of everything.
    """
    rest = None if allowed else "*"
    for document in [*session.documents(), *filter(None, (session.boundary(), session.policy))]:
        for statement in statements(document):
            for action in ("s3:GetObject", "s3:PutObject"):
                if (statement["Effect"] == "Allow") == allowed and matches_element(statement, "Action", action):
                    yield from ((action, str(resource)) for resource in as_list(statement.get("Resource", rest)))


def _reaches(resource: str, folder: str) -> bool:
    """Whether a pattern could match an object in the folder with this ARN, by the text before its first wildcard."""
    start = _WILDCARD.split(resource, maxsplit=1)[0]
    return start.startswith(folder) or (start != resource and folder.startswith(start))


def _outermost(paths: Iterable[str]) -> list[str]:
    """Return the folders that are not within another one: a mount table cannot nest mounts."""
    outermost: list[str] = []
    for folder in sorted(set(paths)):
        if not any(f"{folder}/".startswith(f"{outer}/".lstrip("/")) for outer in outermost):
            outermost.append(folder)
    return outermost
