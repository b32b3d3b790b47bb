"""moto's handling of S3 requests, extended for objects that are files and for policies with conditions."""

from collections.abc import Mapping
from functools import partial
from typing import Any, override

from moto.core.mime_types import APP_XML
from moto.core.responses import TYPE_RESPONSE, ActionResult
from moto.s3.exceptions import (
    AccessDeniedByLock,
    InvalidContinuationToken,
    MethodNotAllowed,
    MissingKey,
    MissingVersion,
    NoSuchUpload,
    S3AccessDeniedError,
)
from moto.s3.models import FakeAcl, get_canned_acl
from moto.s3.responses import S3Response
from moto.s3.utils import metadata_from_headers
from werkzeug.datastructures import ImmutableMultiDict

from local_aws.iam.calls import AUTHORIZED_CALL
from local_aws.s3 import list_responses, locks, policy, tags_and_acls
from local_aws.s3.errors import LakeError, ObjectReplacedError
from local_aws.s3.folder import Preconditions
from local_aws.s3.objects import FileKey
from local_aws.s3.storage import write_context

MAX_KEYS = 1000
_FORBIDDEN: TYPE_RESPONSE = (403, {}, "")


class LakeResponse(S3Response):  # type: ignore[misc] # moto is not typed
    """One request to this S3."""

    @override
    def setup_class(self, request: Any, full_url: str | None = None, headers: Any = None) -> None:
        """Parse a request; only a request that was authorized as a form upload is one, whatever its content type."""
        call = request.environ.get(AUTHORIZED_CALL)
        may_be_form = request.method == "POST" and (call is None or call.operation == "PutObject")
        if not (may_be_form and request.mimetype == "multipart/form-data"):
            content = request.get_data(parse_form_data=False)
            vars(request).update(form=ImmutableMultiDict(), files=ImmutableMultiDict(), data=content)
        super().setup_class(request, full_url, headers)

    @override
    def _get_param(self, param_name: str, if_none: Any = None) -> Any:
        """Return a query parameter; a body, which is an object, has none."""
        values = self.querystring.get(param_name)
        return values[0] if values else if_none

    @override
    def put_object(self) -> TYPE_RESPONSE:
        """Handle PutObject: preconditions and metadata take effect atomically with the write."""
        metadata = metadata_from_headers(self.headers)
        metadata.update(metadata_from_headers(self.querystring))
        with write_context(self._preconditions(), dict(metadata)):
            return super().put_object()

    @override
    def copy_object(self) -> TYPE_RESPONSE:
        """Handle CopyObject: preconditions on the target are checked atomically with the write."""
        self._acl_from_headers(self.headers)
        self._tagging_from_headers(self.headers)
        with write_context(self._preconditions(), {}):
            return super().copy_object()

    @override
    def _acl_from_headers(self, headers: Mapping[str, str]) -> FakeAcl | None:
        parse = partial(super()._acl_from_headers, headers)
        return tags_and_acls.parse_acl(parse, "x-amz-acl", headers.get("x-amz-acl", ""))

    @override
    def _tagging_from_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        tags: dict[str, str] = super()._tagging_from_headers(headers)
        tags_and_acls.check_tags(self.backend.tagger, tags)
        return tags

    @override
    def put_object_retention(self) -> TYPE_RESPONSE:
        """Handle PutObjectRetention: an active lock is weakened or shortened only with a bypass, if at all."""
        key = self._version()
        bypass = self.headers.get("x-amz-bypass-governance-retention", "").lower() == "true"
        if locks.is_weaker(key, *self._mode_until_from_body()) and key.is_locked(governance_bypass=bypass):
            raise AccessDeniedByLock
        return super().put_object_retention()

    @override
    def put_object_legal_hold(self) -> TYPE_RESPONSE:
        """Handle PutObjectLegalHold."""
        self._version()
        return super().put_object_legal_hold()

    @override
    def delete_object_tagging(self) -> TYPE_RESPONSE:
        """Handle DeleteObjectTagging."""
        self._version()
        return super().delete_object_tagging()

    @override
    def _get_lock_details(self, bucket: Any, lock_enabled: bool) -> tuple[str | None, str | None, str | None]:
        """Return legal hold, mode and end of a lock; the bucket's default is applied at the write."""
        return locks.from_headers(self.headers)

    @override
    def _mode_until_from_body(self) -> tuple[str | None, str | None]:
        return locks.retention(self.body)

    @override
    def _legal_hold_status_from_xml(self, xml: bytes) -> str:
        return locks.legal_hold(xml)

    def _version(self) -> FileKey:
        """Return the object version of the request; raises MissingKey or MissingVersion."""
        version_id = self._get_param("versionId")
        key: FileKey | None = self.backend.get_object(self.bucket_name, self.parse_key_name(), version_id=version_id)
        if key is None:
            raise MissingVersion if version_id else MissingKey(key=self.parse_key_name())
        return key

    @override
    def list_objects(self) -> TYPE_RESPONSE:
        """Handle ListObjects."""
        query = self._list_query(start="marker")
        objects, prefixes, _, marker = self.backend.list_objects(
            self.backend.get_bucket(query.bucket), query.prefix, query.delimiter, query.start_after, query.max_keys
        )
        return 200, {"content-type": APP_XML}, list_responses.list_objects(query, objects, prefixes, marker)

    @override
    def list_objects_v2(self) -> TYPE_RESPONSE:
        """Handle ListObjectsV2."""
        query = self._list_query(start="start-after")
        if query.token == "":
            raise InvalidContinuationToken
        items, _, token = self.backend.list_objects_v2(
            self.backend.get_bucket(query.bucket),
            query.prefix,
            query.delimiter,
            query.token,
            query.start_after,
            query.max_keys,
        )
        objects = [each for each in items if isinstance(each, FileKey)]
        prefixes = [each for each in items if isinstance(each, str)]
        return 200, {"content-type": APP_XML}, list_responses.list_objects_v2(query, objects, prefixes, token)

    @override
    def serialized(self, action_result: ActionResult) -> TYPE_RESPONSE:
        """Return the response with a result; moto ignores the requested encoding of a list of versions."""
        result = action_result.result
        if isinstance(result, dict) and "DeleteMarkers" in result and self._get_param("encoding-type") == "url":
            list_responses.encode_versions(result)
        response: TYPE_RESPONSE = super().serialized(action_result)
        return response

    def _list_query(self, start: str) -> list_responses.ListQuery:
        """Return the parameters of a request to list objects; the limit is at most a thousand, as in S3."""
        query = {name: values[0] for name, values in self._get_querystring(self.request, self.uri).items()}
        return list_responses.ListQuery(
            bucket=self.bucket_name,
            prefix=query.get("prefix", ""),
            delimiter=query.get("delimiter"),
            token=query.get("continuation-token"),
            start_after=query.get(start),
            max_keys=min(int(query.get("max-keys", MAX_KEYS)), MAX_KEYS),
            url_encoded=query.get("encoding-type") == "url",
            with_owner=query.get("fetch-owner", str(start == "marker").lower()) == "true",
        )

    @override
    def _key_response_post(
        self, request: Any, body: bytes, bucket_name: str, query: dict[str, Any], key_name: str
    ) -> TYPE_RESPONSE:
        with write_context(self._preconditions(), {}):
            return super()._key_response_post(request, body, bucket_name, query, key_name)

    @override
    def _bucket_response_post(self, request: Any, bucket_name: str) -> TYPE_RESPONSE:
        """Handle DeleteObjects, or a form upload, which has no preconditions."""
        if "delete" in request.args:
            return super()._bucket_response_post(request, bucket_name)
        if not self.form_data:
            raise MethodNotAllowed
        policy.require_authorized(bucket_name, [(self.querystring["key"][0], "")])
        for acl in self.querystring.get("acl", []):
            tags_and_acls.parse_acl(partial(get_canned_acl, acl), "acl", acl)
        with write_context(Preconditions(), dict(metadata_from_headers(self.form_data))):
            return super()._bucket_response_post(request, bucket_name)

    @override
    def _bucket_response_get(self, bucket_name: str, querystring: dict[str, Any]) -> str | TYPE_RESPONSE:
        """Handle a GET of a bucket; GetBucketRequestPayment, which moto lacks, returns the owner."""
        if "requestPayment" in querystring:
            self.backend.get_bucket(bucket_name)
            return 200, {"content-type": APP_XML}, list_responses.REQUEST_PAYMENT
        response: str | TYPE_RESPONSE = super()._bucket_response_get(bucket_name, querystring)
        return response

    @override
    def _bucket_response(self, request: Any, full_url: str) -> str | TYPE_RESPONSE:
        try:
            response: str | TYPE_RESPONSE = super()._bucket_response(request, full_url)
        except LakeError as error:
            return self._error_response(error)
        return response

    @override
    def _key_response(self, request: Any, full_url: str) -> TYPE_RESPONSE:
        self._check_upload(request.args.get("uploadId"))
        try:
            response = super()._key_response(request, full_url)
        except LakeError as error:
            return self._error_response(error)
        if response == _FORBIDDEN and request.method != "HEAD":
            raise S3AccessDeniedError  # moto's response has no error document
        return response

    @override
    def _get_key(self, validate_storage_class: bool = True) -> tuple[FileKey, bool]:
        """Return the object with its content open, so that headers and content match while it is sent."""
        for _ in range(20):
            key, not_modified = super()._get_key(validate_storage_class)
            try:
                return key.open_content(), not_modified
            except FileNotFoundError:
                continue  # replaced or removed in between: retry
        raise ObjectReplacedError(self.parse_key_name())

    def _check_upload(self, upload_id: str | None) -> None:
        """Raise NoSuchUpload for an upload of another key."""
        if upload_id and not self.backend.is_upload_of(upload_id, self.bucket_name, self.parse_key_name()):
            raise NoSuchUpload(upload_id=upload_id)

    def _error_response(self, error: LakeError) -> TYPE_RESPONSE:
        """Return the response for an error, with its status; moto would send an unknown code as a 400."""
        _, headers, body = self.serialized(ActionResult(error))
        return error.status, headers, body

    def _preconditions(self) -> Preconditions:
        return Preconditions(must_not_exist=self.headers.get("If-None-Match") == "*", etag=self.headers.get("If-Match"))
