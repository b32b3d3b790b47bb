"""Which actions on which resources an operation of S3 needs: their names are not those of the operations."""

from urllib.parse import unquote

from local_aws.iam.calls import PARTITION, Call, Need

_ON_OBJECT = {
    "GetObject": "GetObject",
    "HeadObject": "GetObject",
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
_OF_A_VERSION = {"GetObject": "GetObjectVersion", "DeleteObject": "DeleteObjectVersion"}
_ASKED_BESIDES = {
    "ACL": "PutObjectAcl",
    "Tagging": "PutObjectTagging",
    "ObjectLockMode": "PutObjectRetention",
    "ObjectLockLegalHoldStatus": "PutObjectLegalHold",
    "BypassGovernanceRetention": "BypassGovernanceRetention",
}
"""Parameters of a request on an object that take a permission of their own."""


def needs(call: Call) -> list[Need] | None:
    """Return what a call of S3 needs; None when the operation is not known here."""
    if call.operation == "ListBuckets":
        return [Need("s3:ListAllMyBuckets", ("*",))]
    if call.operation in _ON_BUCKET:
        prefix = {"s3:prefix": call["Prefix"]} if call["Prefix"] else {}
        return [Need(f"s3:{_ON_BUCKET[call.operation]}", (bucket_arn(call["Bucket"]),), prefix)]
    if call.operation == "DeleteObjects":
        found = [
            Need(_action("DeleteObject", versioned), (object_arn(call["Bucket"], key),))
            for key, versioned in call.parameters["Keys"]
        ]
    elif call.operation in {"CopyObject", "UploadPartCopy"}:
        source, _, version = call["CopySource"].partition("?versionId=")
        bucket, _, key = unquote(source).removeprefix("/").partition("/")
        found = [Need(_action("GetObject", version), (object_arn(bucket, key),)), _on_object(call, "PutObject")]
    elif call.operation in _ON_OBJECT:
        found = [_on_object(call, _action(_ON_OBJECT[call.operation], call["VersionId"]))]
    else:
        return None
    besides = [_on_object(call, action) for parameter, action in _ASKED_BESIDES.items() if call[parameter]]
    return found + besides


def bucket_arn(bucket: str) -> str:
    """Return the ARN of a bucket."""
    return f"arn:{PARTITION}:s3:::{bucket}"


def object_arn(bucket: str, key: str) -> str:
    """Return the ARN of an object."""
    return f"{bucket_arn(bucket)}/{key}"


def _on_object(call: Call, action: str) -> Need:
    return Need(action if action.startswith("s3:") else f"s3:{action}", (object_arn(call["Bucket"], call["Key"]),))


def _action(name: str, version: str) -> str:
    return f"s3:{_OF_A_VERSION.get(name, name) if version else name}"
