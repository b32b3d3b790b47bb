"""The lake as Spark sees it in a job: the folders that the job's role may read or write, and nothing else.

Spark reads and writes the lake's folders themselves and not through the endpoint, so what the endpoint would refuse has
to be out of reach: it is not mounted.
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
    """Return Spark's settings that mount what the role of `session` may see of the buckets in `lake`.

    All else of a bucket leads to a file system that does not exist, whose name says why.
    """
    table: dict[str, str] = {}
    for bucket in spark.buckets(lake):
        paths = KeyPaths((lake / bucket).resolve())
        table |= spark.mount(bucket, "", f"not-permitted-to-{_NO_SCHEME.sub('-', session.role)}://{bucket}/")
        for folder in _outermost(folders(session, bucket)):
            # A pattern of keys that no object can have, as with a part `..`, opens no folder.
            if path := paths.locate(f"{folder}/" if folder else ""):
                table |= spark.mount(bucket, folder, spark.local_address(path))
    return table


def folders(session: Session, bucket: str) -> Iterator[str]:
    """Yield the folders of a bucket in which the role's policies give rights to read or write objects.

    A pattern of keys counts as the folder before its first wildcard; an empty one is the whole bucket. A folder in
    which something is denied is not among them: a mount could not leave it out.
    """
    denied = [resource for _, resource in _named(session, allowed=False)]
    for action, resource in _named(session, allowed=True):
        owner, _, keys = resource.removeprefix(bucket_arn("")).partition("/")
        if not keys and owner.endswith("*"):
            keys = "*"
        example = keys.translate(_EXAMPLE)
        if keys and matches_pattern(bucket, owner) and session.allows(Need(action, (object_arn(bucket, example),))):
            folder = keys.translate(_CUT).partition("\0")[0].rpartition("/")[0]
            if not any(_reaches(each, object_arn(bucket, f"{folder}/" if folder else "")) for each in denied):
                yield folder


def _named(session: Session, *, allowed: bool) -> Iterator[tuple[str, str]]:
    """Yield what policies of the role and the session name together with the right to read or write objects.

    That is what they allow, or what they deny: all, where a deny has NotResource.
    """
    rest = None if allowed else "*"
    for document in (*session.documents(), *([session.policy] if session.policy else [])):
        for statement in statements(document):
            for action in ("s3:GetObject", "s3:PutObject"):
                if (statement["Effect"] == "Allow") == allowed and matches_element(statement, "Action", action):
                    yield from ((action, str(resource)) for resource in as_list(statement.get("Resource", rest)))


def _reaches(resource: str, folder: str) -> bool:
    """Whether a pattern could match an object in the folder with this ARN, by what comes before its first wildcard."""
    start = _WILDCARD.split(resource, maxsplit=1)[0]
    return start.startswith(folder) or (start != resource and folder.startswith(start))


def _outermost(found: Iterable[str]) -> list[str]:
    """Return the folders that do not lie in another one: a mount table mounts nothing below a mount."""
    outermost: list[str] = []
    for folder in sorted(set(found)):
        if not any(f"{folder}/".startswith(f"{outer}/".lstrip("/")) for outer in outermost):
            outermost.append(folder)
    return outermost
