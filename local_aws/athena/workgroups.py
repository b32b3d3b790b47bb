"""Workgroups and named queries: operations that moto lacks, and errors for unknown names."""

import json
from typing import Any

from moto.athena.models import WorkGroup
from moto.athena.responses import AthenaResponse
from moto.core.responses import ActionResult

from local_aws.athena.errors import refused

_PRIMARY = "primary"

_moto_get_workgroup = AthenaResponse.get_work_group
_moto_get_query = AthenaResponse.get_named_query


def install() -> None:
    """Replace moto's operations."""
    AthenaResponse.get_work_group = _get_work_group
    AthenaResponse.update_work_group = _update_work_group
    AthenaResponse.get_named_query = _get_named_query
    AthenaResponse.batch_get_named_query = _batch_get_named_query
    AthenaResponse.delete_named_query = _delete_named_query


def named(response: AthenaResponse, name: str | None) -> WorkGroup:
    """Return a workgroup, by default the primary one; raise Athena's error when it does not exist."""
    workgroup = response.athena_backend.work_groups.get(name or _PRIMARY)
    if workgroup is None:
        raise refused(f"WorkGroup {name} is not found.")
    return workgroup


def result_settings(workgroup: WorkGroup, requested: dict[str, Any]) -> dict[str, Any]:
    """Return the result configuration: the workgroup's, overridden by the request unless the workgroup enforces it.

    Raises Athena's error for a missing or invalid output location.
    """
    own = workgroup.configuration.get("ResultConfiguration") or {}
    settings = dict(own) if workgroup.configuration["EnforceWorkGroupConfiguration"] else own | requested
    if not settings.get("OutputLocation"):
        raise refused(
            "No output location provided. An output location is required either through the Workgroup result "
            "configuration setting or as an API input."
        )
    if not settings["OutputLocation"].startswith("s3://"):
        raise refused(f"outputLocation is not a valid S3 path: {settings['OutputLocation']}")
    return settings


def _get_work_group(response: AthenaResponse) -> str:
    named(response, response._get_param("WorkGroup"))  # noqa: SLF001 - moto's way
    body: str = _moto_get_workgroup(response)
    return body


def _update_work_group(response: AthenaResponse) -> ActionResult:
    workgroup = named(response, response._get_param("WorkGroup"))  # noqa: SLF001 - moto's way
    updates = response._get_param("ConfigurationUpdates") or {}  # noqa: SLF001
    results = updates.pop("ResultConfigurationUpdates", {})
    own = workgroup.configuration.setdefault("ResultConfiguration", {})
    for update, configuration in ((updates, workgroup.configuration), (results, own)):
        for name, value in update.items():
            if name.startswith("Remove"):
                configuration.pop(name.removeprefix("Remove"), None)
            else:
                configuration[name] = value
    workgroup.description = response._get_param("Description") or workgroup.description  # noqa: SLF001
    return ActionResult({})


def _get_named_query(response: AthenaResponse) -> str:
    _query_id(response)
    body: str = _moto_get_query(response)
    return body


def _batch_get_named_query(response: AthenaResponse) -> ActionResult:
    queries, query_ids = response.athena_backend.named_queries, response._get_param("NamedQueryIds")  # noqa: SLF001
    named_queries = [
        {
            "NamedQueryId": query.id,
            "Name": query.name,
            "Description": query.description,
            "Database": query.database,
            "QueryString": query.query_string,
            "WorkGroup": query.workgroup.name,
        }
        for query in (queries[query_id] for query_id in query_ids if query_id in queries)
    ]
    unknown = [{"NamedQueryId": query_id} for query_id in query_ids if query_id not in queries]
    return ActionResult({"NamedQueries": named_queries, "UnprocessedNamedQueryIds": unknown})


def _delete_named_query(response: AthenaResponse) -> str:
    response.athena_backend.named_queries.pop(_query_id(response))
    return json.dumps({})


def _query_id(response: AthenaResponse) -> str:
    """Return the id of the requested named query; raise Athena's error when it does not exist."""
    query_id: str = response._get_param("NamedQueryId")  # noqa: SLF001 - moto's way
    if query_id not in response.athena_backend.named_queries:
        raise refused(f"NamedQuery {query_id} does not exist")
    return query_id
