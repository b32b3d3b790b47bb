"""The actions and resources that each S3 operation needs: S3's actions are not named like its operations."""

from urllib.parse import unquote

from local_aws.iam.calls import PARTITION, Call, Need
from local_aws.iam.conditions import Context

_OBJECT_ACTIONS = {
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
_BUCKET_ACTIONS = {
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "GetBucketLocation": "GetBucketLocation",
}
_VERSION_ACTIONS = {
    name: name.replace("Object", "ObjectVersion")
    for name in (
        *("GetObject", "DeleteObject", "GetObjectAcl", "PutObjectAcl", "GetObjectAttributes"),
        *("GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging"),
    )
}
"""The actions that have another name when a request names a version; those on object locks have not."""
_PARAMETER_ACTIONS = {
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
"""Parameters of an operation on an object that need an additional action."""
_CONDITION_KEYS = {
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
"""The condition keys of S3 that are parameters of a request; `s3:versionid` is set for each object."""
_SETTING_ACTIONS = {
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
"""The operations on bucket settings whose action has another name."""
_CREATES_OBJECT = {"PutObject", "CopyObject", "CompleteMultipartUpload"}
"""The operations that create an object; uploads of parts do not."""


def needs(call: Call) -> list[Need] | None:
    """Return the permissions that an S3 call needs; None for an operation of the owner only, see `settings`."""
    if call.operation == "ListBuckets":
        return [Need("s3:ListAllMyBuckets", ("*",))]
    if call.operation in _BUCKET_ACTIONS:
        return [Need(f"s3:{_BUCKET_ACTIONS[call.operation]}", (bucket_arn(call["Bucket"]),), _context(call))]
    copies = call.operation in {"CopyObject", "UploadPartCopy"}
    if call.operation == "DeleteObjects":
        objects = [(_OBJECT_ACTIONS["DeleteObject"], *each) for each in call.parameters["Keys"]]
    elif copies:
        objects = [("PutObject", call["Key"], "")]
    elif call.operation in _OBJECT_ACTIONS:
        objects = [(_OBJECT_ACTIONS[call.operation], call["Key"], call["VersionId"])]
    else:
        return None
    permissions = [
        _on_object(call, each, call["Bucket"], key, version)
        for action, key, version in objects
        for each in (action, *_parameter_actions(call))
    ]
    if _compares_etag(call):
        permissions.append(_on_object(call, "GetObject", call["Bucket"], call["Key"], ""))
    return [_on_copy_source(call), *permissions] if copies else permissions


def settings(call: Call) -> list[Need]:
    """Return the permissions of an operation on settings of a bucket or an object, which no role may call."""
    name = _SETTING_ACTIONS.get(call.operation, call.operation)
    if not call["Key"]:
        return [Need(f"s3:{name}", (bucket_arn(call["Bucket"]),), _context(call))]
    read_actions = ["GetObject"] if name == "GetObjectAttributes" else []
    return [
        _on_object(call, each, call["Bucket"], call["Key"], call["VersionId"])
        for each in (name, *read_actions, *_parameter_actions(call))
    ]


def bucket_arn(bucket: str) -> str:
    """Return the ARN of a bucket."""
    return f"arn:{PARTITION}:s3:::{bucket}"


def object_arn(bucket: str, key: str) -> str:
    """Return the ARN of an object."""
    return f"{bucket_arn(bucket)}/{key}"


def _parameter_actions(call: Call) -> list[str]:
    return [action for parameter, action in _PARAMETER_ACTIONS.items() if call[parameter]]


def _compares_etag(call: Call) -> bool:
    """Return whether a write or a deletion depends on the object's ETag; `*` in a deletion does not."""
    if_match = call.parameters.get("IfMatch")
    if call.operation == "DeleteObject":
        return if_match not in {None, "*"}
    return call.operation in _CREATES_OBJECT and if_match is not None


def _on_copy_source(call: Call) -> Need:
    source, _, version = call["CopySource"].partition("?versionId=")
    bucket, _, key = unquote(source).removeprefix("/").partition("/")
    return _on_object(call, "GetObject", bucket, key, version)


def _on_object(call: Call, action: str, bucket: str, key: str, version: str) -> Need:
    name = _VERSION_ACTIONS.get(action, action) if version else action
    return Need(f"s3:{name}", (object_arn(bucket, key),), _context(call, version))


def _context(call: Call, version: str = "") -> Context:
    return {
        **{key: call.parameters.get(parameter) for key, parameter in _CONDITION_KEYS.items()},
        "s3:objectcreationoperation": str(call.operation in _CREATES_OBJECT).lower(),
        "s3:versionid": version or None,
    }
