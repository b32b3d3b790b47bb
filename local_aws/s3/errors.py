"""S3 errors whose cause is that objects are files, and denials by a bucket policy.

LakeError                 base: an S3 error with its HTTP status
├── UnusableKeyError      the key cannot be the path of a file in the bucket's folder
├── StorageFullError      the disk is full
├── StorageError          the file system reports another error
├── VersioningLockedError versioning cannot be suspended, because the bucket has an Object Lock configuration
└── ObjectReplacedError   the object was replaced repeatedly while it was being opened

DeniedByBucketError       a bucket policy denies a request
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from moto.s3.exceptions import S3ClientError

from local_aws.iam import IamError

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
_UNUSABLE_PATH = {
    errno.ENOTDIR: "its prefix up to one of its slashes is itself an object",
    errno.EEXIST: "its prefix up to one of its slashes is itself an object",
    errno.EISDIR: "it is a prefix of other objects' keys",
    errno.ENOTEMPTY: "a folder of that name has files that are not objects",
    errno.ENAMETOOLONG: "it is longer than the file system allows",
}


class LakeError(S3ClientError):  # type: ignore[misc] # moto is not typed
    """An S3 error with its HTTP status."""

    code = "InternalError"
    status = 500


class UnusableKeyError(LakeError):
    """The key cannot be the path of a file in the bucket's folder."""

    code = "InvalidRequest"
    status = 400

    def __init__(self, key: str, reason: str) -> None:
        """Name the key and the reason."""
        super().__init__(f"The key {key!r} cannot be used: {reason}. This endpoint stores objects as files.")


class VersioningLockedError(LakeError):
    """Versioning cannot be suspended, because the bucket has an Object Lock configuration.

    The message is exactly AWS's: Terraform recognizes it and destroys the bucket anyway.
    """

    code = "InvalidBucketState"
    status = 409

    def __init__(self) -> None:
        """Set AWS's message."""
        super().__init__(
            "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed."
        )


class LakeFullError(LakeError):
    """The disk is full; nothing was written."""

    code = "InsufficientStorage"
    status = 507

    def __init__(self, key: str) -> None:
        """Name the object."""
        super().__init__(
            f"The object {key!r} was not written: the disk of the lake is full. Free some space and retry."
        )


class StorageError(LakeError):
    """The file system reports an error; nothing was written."""

    def __init__(self, key: str, cause: OSError) -> None:
        """Name the object and the error of the file system."""
        super().__init__(f"The object {key!r} was not changed: the file system of the lake reports {cause.strerror!r}.")


class ObjectReplacedError(LakeError):
    """The object was replaced repeatedly while it was being opened."""

    code = "OperationAborted"
    status = 409

    def __init__(self, key: str) -> None:
        """Name the object."""
        super().__init__(f"The object {key!r} is being replaced continuously; try again.")


class DeniedByBucketError(IamError):
    """A bucket policy denies a request."""

    def __init__(self, action: str, resource: str) -> None:
        """Name the action and the resource."""
        super().__init__(
            f"Not authorized to perform: {action} on resource: {resource} with an explicit deny in a resource-based "
            "policy"
        )


@contextmanager
def map_os_errors(key: str) -> Iterator[None]:
    """Map file system errors in the block to S3 errors on the object `key`."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise LakeFullError(key) from error
        if error.errno in _UNUSABLE_PATH:
            raise UnusableKeyError(key, _UNUSABLE_PATH[error.errno]) from error
        raise StorageError(key, error) from error
