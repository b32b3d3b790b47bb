"""Workgroups and named queries: operations that moto lacks, and errors for unknown names."""

import json
from typing import Any, override

from moto.athena.models import WorkGroup
from moto.athena.responses import AthenaResponse
from moto.core.responses import ActionResult

from local_aws.athena.errors import refused

_PRIMARY = "primary"


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


class WorkgroupResponse(AthenaResponse):  # type: ignore[misc] # moto is not typed
    """The operations on workgroups and named queries."""

    @override
    def get_work_group(self) -> str:
        """Handle GetWorkGroup."""
        named(self, self._get_param("WorkGroup"))
        described: str = super().get_work_group()
        return described

    def update_work_group(self) -> ActionResult:
        """Handle UpdateWorkGroup."""
        workgroup = named(self, self._get_param("WorkGroup"))
        updates = self._get_param("ConfigurationUpdates") or {}
        results = updates.pop("ResultConfigurationUpdates", {})
        own = workgroup.configuration.setdefault("ResultConfiguration", {})
        for update, configuration in ((updates, workgroup.configuration), (results, own)):
            for name, value in update.items():
                if name.startswith("Remove"):
                    configuration.pop(name.removeprefix("Remove"), None)
                else:
                    configuration[name] = value
        workgroup.description = self._get_param("Description") or workgroup.description
        return ActionResult({})

    @override
    def get_named_query(self) -> str:
        """Handle GetNamedQuery."""
        self._named_query_id()
        described: str = super().get_named_query()
        return described

    def batch_get_named_query(self) -> ActionResult:
        """Handle BatchGetNamedQuery."""
        queries, identifiers = self.athena_backend.named_queries, self._get_param("NamedQueryIds")
        found = [
            {
                "NamedQueryId": query.id,
                "Name": query.name,
                "Description": query.description,
                "Database": query.database,
                "QueryString": query.query_string,
                "WorkGroup": query.workgroup.name,
            }
            for query in (queries[identifier] for identifier in identifiers if identifier in queries)
        ]
        unknown = [{"NamedQueryId": identifier} for identifier in identifiers if identifier not in queries]
        return ActionResult({"NamedQueries": found, "UnprocessedNamedQueryIds": unknown})

    def delete_named_query(self) -> str:
        """Handle DeleteNamedQuery."""
        self.athena_backend.named_queries.pop(self._named_query_id())
        return json.dumps({})

    def _named_query_id(self) -> str:
        """Return the id of the requested query; raise Athena's error when there is none."""
        query_id: str = self._get_param("NamedQueryId")
        if query_id not in self.athena_backend.named_queries:
            raise refused(f"NamedQuery {query_id} does not exist")
        return query_id
