"""Which actions on which resources an operation of S3 needs: their names are not those of the operations."""

from urllib.parse import unquote

from local_aws.iam.calls import PARTITION, Call, Need
from local_aws.iam.conditions import Context

_ON_OBJECT = {
    "GetObject": "GetObject",
    "HeadObject": "GetObject",
    "SelectObjectContent": "GetObject",
    "PutObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "AbortMultipartUpload": "AbortMultipartUpload",
    "ListParts": "ListMultipartUploadParts",
    "DeleteObject": "DeleteObject",
}
_ON_BUCKET = {
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "GetBucketLocation": "GetBucketLocation",
}
_OF_A_VERSION = {
    name: name.replace("Object", "ObjectVersion")
    for name in (
        *("GetObject", "DeleteObject", "GetObjectAcl", "PutObjectAcl", "GetObjectAttributes"),
        *("GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging"),
    )
}
"""The permissions that have another name where a request names a version; those on its lock have not."""
_ASKED_BESIDES = {
    "ACL": "PutObjectAcl",
    "GrantFullControl": "PutObjectAcl",
    "GrantRead": "PutObjectAcl",
    "GrantReadACP": "PutObjectAcl",
    "GrantWriteACP": "PutObjectAcl",
    "Tagging": "PutObjectTagging",
    "ObjectLockMode": "PutObjectRetention",
    "ObjectLockRetainUntilDate": "PutObjectRetention",
    "ObjectLockLegalHoldStatus": "PutObjectLegalHold",
    "BypassGovernanceRetention": "BypassGovernanceRetention",
}
"""Parameters of a request on an object that take a permission of their own."""
_KEYS = {
    "s3:delimiter": "Delimiter",
    "s3:if-match": "IfMatch",
    "s3:if-none-match": "IfNoneMatch",
    "s3:object-lock-mode": "ObjectLockMode",
    "s3:prefix": "Prefix",
    "s3:x-amz-acl": "ACL",
    "s3:x-amz-grant-full-control": "GrantFullControl",
    "s3:x-amz-grant-read": "GrantRead",
    "s3:x-amz-grant-read-acp": "GrantReadACP",
    "s3:x-amz-grant-write-acp": "GrantWriteACP",
    "s3:x-amz-metadata-directive": "MetadataDirective",
    "s3:x-amz-server-side-encryption": "ServerSideEncryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
    "s3:x-amz-server-side-encryption-customer-algorithm": "SSECustomerAlgorithm",
    "s3:x-amz-storage-class": "StorageClass",
    "s3:x-amz-website-redirect-location": "WebsiteRedirectLocation",
}
"""The condition keys of S3 that are parameters of a request; `s3:versionid` is that of each object."""
_SETTINGS = {
    "DeleteBucketCors": "PutBucketCORS",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "DeleteBucketReplication": "PutReplicationConfiguration",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "GetBucketCors": "GetBucketCORS",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketInventoryConfiguration": "GetInventoryConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "GetBucketReplication": "GetReplicationConfiguration",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "ListBucketInventoryConfigurations": "GetInventoryConfiguration",
    "PutBucketAccelerateConfiguration": "PutAccelerateConfiguration",
    "PutBucketCors": "PutBucketCORS",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketInventoryConfiguration": "PutInventoryConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "PutBucketReplication": "PutReplicationConfiguration",
    "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
}
"""The operations on a bucket's settings whose permission has another name."""
_CREATES = {"PutObject", "CopyObject", "CompleteMultipartUpload"}
"""The operations that create an object; those on the parts of an upload do not."""


def needs(call: Call) -> list[Need] | None:
    """Return what a call of S3 needs; None when it is for the owner of the world only, see `settings`."""
    if call.operation == "ListBuckets":
        return [Need("s3:ListAllMyBuckets", ("*",))]
    if call.operation in _ON_BUCKET:
        return [Need(f"s3:{_ON_BUCKET[call.operation]}", (bucket_arn(call["Bucket"]),), _context(call))]
    copies = call.operation in {"CopyObject", "UploadPartCopy"}
    if call.operation == "DeleteObjects":
        objects = [(_ON_OBJECT["DeleteObject"], *each) for each in call.parameters["Keys"]]
    elif copies:
        objects = [("PutObject", call["Key"], "")]
    elif call.operation in _ON_OBJECT:
        objects = [(_ON_OBJECT[call.operation], call["Key"], call["VersionId"])]
    else:
        return None
    needed = [
        _on_object(call, each, call["Bucket"], key, version)
        for action, key, version in objects
        for each in (action, *_besides(call))
    ]
    if _compares(call):
        needed.append(_on_object(call, "GetObject", call["Bucket"], call["Key"], ""))
    return [_on_copied(call), *needed] if copies else needed


def settings(call: Call) -> list[Need]:
    """Return what an operation on the settings of a bucket or an object needs, which no role may call."""
    name = _SETTINGS.get(call.operation, call.operation)
    if not call["Key"]:
        return [Need(f"s3:{name}", (bucket_arn(call["Bucket"]),), _context(call))]
    reads = ["GetObject"] if name == "GetObjectAttributes" else []
    return [
        _on_object(call, each, call["Bucket"], call["Key"], call["VersionId"])
        for each in (name, *reads, *_besides(call))
    ]


def bucket_arn(bucket: str) -> str:
    """Return the ARN of a bucket."""
    return f"arn:{PARTITION}:s3:::{bucket}"


def object_arn(bucket: str, key: str) -> str:
    """Return the ARN of an object."""
    return f"{bucket_arn(bucket)}/{key}"


def _besides(call: Call) -> list[str]:
    return [action for parameter, action in _ASKED_BESIDES.items() if call[parameter]]


def _compares(call: Call) -> bool:
    """Whether a request that writes or deletes an object goes by its ETag, as `*` in that of a deletion does not."""
    wanted = call.parameters.get("IfMatch")
    if call.operation == "DeleteObject":
        return wanted not in {None, "*"}
    return call.operation in _CREATES and wanted is not None


def _on_copied(call: Call) -> Need:
    source, _, version = call["CopySource"].partition("?versionId=")
    bucket, _, key = unquote(source).removeprefix("/").partition("/")
    return _on_object(call, "GetObject", bucket, key, version)


def _on_object(call: Call, action: str, bucket: str, key: str, version: str) -> Need:
    name = _OF_A_VERSION.get(action, action) if version else action
    return Need(f"s3:{name}", (object_arn(bucket, key),), _context(call, version))


def _context(call: Call, version: str = "") -> Context:
    return {
        **{key: call.parameters.get(parameter) for key, parameter in _KEYS.items()},
        "s3:objectcreationoperation": str(call.operation in _CREATES).lower(),
        "s3:versionid": version or None,
    }
