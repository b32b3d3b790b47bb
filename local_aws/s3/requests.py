"""moto's handling of S3 requests, where objects that are files and policies with conditions ask for more."""

from typing import Any, override

from moto.core.mime_types import APP_XML
from moto.core.responses import TYPE_RESPONSE, ActionResult
from moto.s3.exceptions import AccessDeniedByLock, InvalidContinuationToken, NoSuchUpload, S3AccessDeniedError
from moto.s3.responses import S3Response
from moto.s3.utils import metadata_from_headers
from werkzeug.datastructures import ImmutableMultiDict

from local_aws.s3 import answers
from local_aws.s3.errors import LakeError, ObjectReplacedError
from local_aws.s3.folder import Demands
from local_aws.s3.objects import FileKey
from local_aws.s3.storage import demanding

MOST_KEYS = 1000
_FORBIDDEN: TYPE_RESPONSE = (403, {}, "")


class LakeResponse(S3Response):  # type: ignore[misc] # moto is not typed
    """One request to this S3."""

    @override
    def setup_class(self, request: Any, full_url: str | None = None, headers: Any = None) -> None:
        """Read a request; only what is posted as a form is one, whatever the type of an object may be."""
        if not (request.method == "POST" and request.mimetype == "multipart/form-data"):
            content = request.get_data(parse_form_data=False)
            vars(request).update(form=ImmutableMultiDict(), files=ImmutableMultiDict(), data=content)
        super().setup_class(request, full_url, headers)

    @override
    def _get_param(self, param_name: str, if_none: Any = None) -> Any:
        """Return a parameter of the query string, and of nothing else: a body is an object."""
        values = self.querystring.get(param_name)
        return values[0] if values else if_none

    @override
    def put_object(self) -> TYPE_RESPONSE:
        """Handle PutObject: its conditions hold at the moment of writing, its metadata is there from the first."""
        metadata = metadata_from_headers(self.headers)
        metadata.update(metadata_from_headers(self.querystring))
        with demanding(self._demands(), dict(metadata)):
            return super().put_object()

    @override
    def copy_object(self) -> TYPE_RESPONSE:
        """Handle CopyObject under the conditions that it makes on the object to be written."""
        with demanding(self._demands(), {}):
            return super().copy_object()

    @override
    def put_object_retention(self) -> TYPE_RESPONSE:
        """Handle PutObjectRetention: a lock that holds is made weaker or shorter by nobody, or with a bypass."""
        key = self.backend.get_object(self.bucket_name, self.parse_key_name(), version_id=self._get_param("versionId"))
        bypass = self.headers.get("x-amz-bypass-governance-retention", "").lower() == "true"
        mode, until = self._mode_until_from_body()
        is_weaker = key is not None and (mode != key.lock_mode or (until or "") < (key.lock_until or ""))
        if is_weaker and key.lock_mode and key.is_locked(governance_bypass=bypass):
            raise AccessDeniedByLock
        return super().put_object_retention()

    @override
    def list_objects_v2(self) -> TYPE_RESPONSE:
        """Handle ListObjectsV2."""
        query = self._list_query()
        if query.token == "":
            raise InvalidContinuationToken
        found, _, token = self.backend.list_objects_v2(
            self.backend.get_bucket(query.bucket),
            query.prefix,
            query.delimiter,
            query.token,
            query.start_after,
            query.most,
        )
        objects = [each for each in found if isinstance(each, FileKey)]
        prefixes = [each for each in found if isinstance(each, str)]
        return 200, {"content-type": APP_XML}, answers.list_objects_v2(query, objects, prefixes, token)

    def _list_query(self) -> answers.ListQuery:
        """Return what a ListObjectsV2 request asks for; like S3, at most a thousand keys at a time."""
        asked = {name: values[0] for name, values in self._get_querystring(self.request, self.uri).items()}
        return answers.ListQuery(
            bucket=self.bucket_name,
            prefix=asked.get("prefix", ""),
            delimiter=asked.get("delimiter"),
            token=asked.get("continuation-token"),
            start_after=asked.get("start-after"),
            most=min(int(asked.get("max-keys", MOST_KEYS)), MOST_KEYS),
            url_encoded=asked.get("encoding-type") == "url",
            owners=asked.get("fetch-owner") == "true",
        )

    @override
    def _key_response_post(
        self, request: Any, body: bytes, bucket_name: str, query: dict[str, Any], key_name: str
    ) -> TYPE_RESPONSE:
        with demanding(self._demands(), {}):
            return super()._key_response_post(request, body, bucket_name, query, key_name)

    @override
    def _bucket_response_post(self, request: Any, bucket_name: str) -> TYPE_RESPONSE:
        """Handle DeleteObjects, or a form upload: it writes an object, as PutObject does."""
        if "delete" in request.args:
            return super()._bucket_response_post(request, bucket_name)
        with demanding(self._demands(), dict(metadata_from_headers(self.form_data))):
            return super()._bucket_response_post(request, bucket_name)

    @override
    def _bucket_response(self, request: Any, full_url: str) -> str | TYPE_RESPONSE:
        try:
            response: str | TYPE_RESPONSE = super()._bucket_response(request, full_url)
        except LakeError as error:
            return self._told(error)
        return response

    @override
    def _key_response(self, request: Any, full_url: str) -> TYPE_RESPONSE:
        self._check_upload(request.args.get("uploadId"))
        try:
            response = super()._key_response(request, full_url)
        except LakeError as error:
            return self._told(error)
        if response == _FORBIDDEN and request.method != "HEAD":
            raise S3AccessDeniedError  # moto says nothing at all
        return response

    @override
    def _get_key(self, validate_storage_class: bool = True) -> tuple[FileKey, bool]:
        """Find the object and open it, so that it stays what its headers say while it is sent."""
        for _ in range(20):
            key, not_modified = super()._get_key(validate_storage_class)
            try:
                return key.opened(), not_modified
            except FileNotFoundError:
                continue  # replaced or removed in between: look again
        raise ObjectReplacedError(self.parse_key_name())

    def _check_upload(self, upload_id: str | None) -> None:
        """Raise NoSuchUpload for an upload that is one of another key."""
        if upload_id and not self.backend.is_upload_of(upload_id, self.bucket_name, self.parse_key_name()):
            raise NoSuchUpload(upload_id=upload_id)

    def _told(self, error: LakeError) -> TYPE_RESPONSE:
        """Return the answer that an error makes; moto would send it as a 400, not knowing its code."""
        _, headers, body = self.serialized(ActionResult(error))
        return error.status, headers, body

    def _demands(self) -> Demands:
        return Demands(absent=self.headers.get("If-None-Match") == "*", etag=self.headers.get("If-Match"))
