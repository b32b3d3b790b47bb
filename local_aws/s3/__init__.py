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

from moto.s3 import models, responses

from local_aws.s3 import policy
from local_aws.s3.backend import LakeBackend
from local_aws.s3.records import Records
from local_aws.s3.requests import LakeResponse
from local_aws.state import State

__all__ = ["install"]


def install(state: State) -> None:
    """Make moto's S3 keep its objects in `state.lake`; call it before the server answers its first request.

    What an earlier process left half done is removed. There may be one process with this on a state folder at a time.
    """
    state.lake.mkdir(parents=True, exist_ok=True)
    for passing in ("incoming", "uploads", "versions"):
        shutil.rmtree(state.s3_meta / passing, ignore_errors=True)
        (state.s3_meta / passing).mkdir(parents=True)
    records = Records(state.s3_meta / "objects")
    records.sweep(state.lake)
    models.s3_backends.clear()
    models.s3_backends.bucket_accounts.clear()
    models.s3_backends.backend = type("S3Backend", (LakeBackend,), {"state": state, "records": records})
    models.FakeBucket.get_permission = policy.permission
    responses.S3Response = LakeResponse  # moto looks it up when it builds its routes, at the first request
