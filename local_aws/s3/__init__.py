"""S3 whose objects are plain files: `s3://bucket/key` is the file `<lake>/bucket/key`, for this S3 and for Spark alike.

What another program puts into a bucket's folder is an object at once; what is put through the API is a file, whole or
not at all. These are choices, where objects and files differ:

- A directory is no object, unless its key (`folder/`) was put; Hadoop's `.<name>.crc` files are not objects either.
- The ETag of what comes through the API is what S3's would be. That of a file written by another program is derived
  from its inode, size and time of change, has the form of a multipart upload's, and so is taken for an MD5 by nobody.
- Content type, user metadata, storage class, checksums and locks of an object outlive the process (`records`). Buckets
  and their settings, tags, ACLs, older versions, delete markers and unfinished uploads do not: Terraform makes the
  settings again, and a bucket that is created again finds the objects in its folder.
- The version id of a file that another program wrote is derived like its ETag; replacing it from outside leaves no
  older version. A key cannot be the beginning of another one up to a slash (`a` and `a/b`).
- A bucket policy's Deny is held to its conditions (`policy`).
"""

import shutil

from moto.s3.models import s3_backends

from local_aws import mounting
from local_aws.s3.backend import LakeBackend
from local_aws.s3.objects import FileKey
from local_aws.s3.records import ObjectRecords
from local_aws.s3.requests import LakeResponse
from local_aws.s3.storage import LakeBucket
from local_aws.s3.uploads import Upload
from local_aws.state import State

__all__ = ["mount"]


def mount(state: State) -> None:
    """Mount S3, which keeps its objects in `state.lake`.

    Unfinished files of an earlier process are removed. Only one process at a time may serve a state folder.
    """
    state.lake.mkdir(parents=True, exist_ok=True)
    for passing in ("incoming", "uploads", "versions"):
        shutil.rmtree(state.s3_meta / passing, ignore_errors=True)
        (state.s3_meta / passing).mkdir(parents=True)
    records = ObjectRecords(state.s3_meta / "objects")
    records.sweep(state.lake)
    mounting.mount(
        "s3",
        backend=LakeBackend,
        response=LakeResponse,
        models=(LakeBucket, FileKey, Upload),
        state=state,
        records=records,
        reported=set(),
    )
    s3_backends.bucket_accounts.clear()
