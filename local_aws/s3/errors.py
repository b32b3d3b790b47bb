"""What this S3 says no to because its objects are files.

LakeError                 an S3 error with the HTTP status that it travels under
├── UnusableKeyError      the key cannot be the path of a file in the bucket's folder
├── StorageFullError      there is no room on the disk
├── StorageError          the file system refused for any other reason
├── VersioningLockedError versioning cannot be suspended, because the bucket has an Object Lock configuration
└── ObjectReplacedError   the object was replaced again and again while it was being opened

DeniedByBucketError       a bucket's policy denies a request, whoever has made it
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from moto.s3.exceptions import S3ClientError

from local_aws.iam import IamError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_NO_SUCH_PATH = {
    errno.ENOTDIR: "what comes before one of its slashes is an object itself",
    errno.EEXIST: "what comes before one of its slashes is an object itself",
    errno.EISDIR: "it is the beginning of the keys of other objects",
    errno.ENOTEMPTY: "a folder of that name holds files that are no objects",
    errno.ENAMETOOLONG: "it is longer than the file system takes",
}


class LakeError(S3ClientError):  # type: ignore[misc] # moto is not typed
    """An S3 error with the HTTP status that it travels under."""

    code = "InternalError"
    status = 500


class UnusableKeyError(LakeError):
    """The key cannot be the path of a file in the bucket's folder."""

    code = "InvalidRequest"
    status = 400

    def __init__(self, key: str, reason: str) -> None:
        """Say which key and why."""
        super().__init__(f"The key {key!r} cannot be used: {reason}. This endpoint keeps objects as files.")


class VersioningLockedError(LakeError):
    """Versioning cannot be suspended, because the bucket has an Object Lock configuration.

    The message is word for word that of AWS: by it Terraform knows that the bucket may be destroyed all the same.
    """

    code = "InvalidBucketState"
    status = 409

    def __init__(self) -> None:
        """Say it as AWS does."""
        super().__init__(
            "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed."
        )


class StorageFullError(LakeError):
    """There is no room on the disk; nothing was written."""

    code = "InsufficientStorage"
    status = 507

    def __init__(self, key: str) -> None:
        """Say which object."""
        super().__init__(
            f"The object {key!r} was not written: the disk of the lake is full. Free some space and retry."
        )


class StorageError(LakeError):
    """The file system refused; nothing was written."""

    def __init__(self, key: str, cause: OSError) -> None:
        """Say which object, and what the file system says."""
        super().__init__(f"The object {key!r} was left as it is: the file system of the lake says {cause.strerror!r}.")


class ObjectReplacedError(LakeError):
    """The object was replaced again and again while it was being opened."""

    code = "OperationAborted"
    status = 409

    def __init__(self, key: str) -> None:
        """Say which object."""
        super().__init__(f"The object {key!r} is being replaced over and over; try again.")


class DeniedByBucketError(IamError):
    """The policy of a bucket denies a request."""

    def __init__(self, action: str, resource: str) -> None:
        """Name the action and the resource."""
        super().__init__(
            f"Nobody is authorized to perform: {action} on resource: {resource} with an explicit deny in a "
            "resource-based policy"
        )


@contextmanager
def told_as_s3(key: str) -> Iterator[None]:
    """Turn the file system's errors within into S3's, for the object `key`."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise StorageFullError(key) from error
        if error.errno in _NO_SUCH_PATH:
            raise UnusableKeyError(key, _NO_SUCH_PATH[error.errno]) from error
        raise StorageError(key, error) from error
