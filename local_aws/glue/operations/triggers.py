"""The operations on triggers."""

from typing import override

from local_aws.glue.operations.base import ApiRequest, ApiResult, GlueOperations, find_all, operation, tag, with_tags
from local_aws.glue.operations.pages import page


class TriggerOperations(GlueOperations):
    """The operations on triggers."""

    @override
    @operation
    def create_trigger(self, request: ApiRequest) -> ApiResult:
        """Add a trigger."""
        self.glue.triggers.create(request)
        tag(self.glue, "trigger", request)
        return {"Name": request["Name"]}

    @operation
    def update_trigger(self, request: ApiRequest) -> ApiResult:
        """Replace what a trigger does and waits for."""
        return {"Trigger": self.glue.triggers.update(request["Name"], request["TriggerUpdate"])}

    @override
    @operation
    def delete_trigger(self, request: ApiRequest) -> ApiResult:
        """Remove a trigger."""
        self.glue.triggers.delete(request["Name"])
        return {"Name": request["Name"]}

    @override
    @operation
    def get_trigger(self, request: ApiRequest) -> ApiResult:
        """Show a trigger."""
        return {"Trigger": self.glue.triggers.definition(request["Name"])}

    @override
    @operation
    def get_triggers(self, request: ApiRequest) -> ApiResult:
        """Show all triggers, or those that start a job, in pages."""
        names, token = page(self.glue.triggers.names(request.get("DependentJobName")), str, request, 100)
        return {"Triggers": [self.glue.triggers.definition(name) for name in names], **token}

    @override
    @operation
    def batch_get_triggers(self, request: ApiRequest) -> ApiResult:
        """Show the triggers of these names."""
        present, missing = find_all(request["TriggerNames"], self.glue.triggers.definition)
        return {"Triggers": present, "TriggersNotFound": missing}

    @override
    @operation
    def list_triggers(self, request: ApiRequest) -> ApiResult:
        """Name all triggers, or those that start a job or have these tags, in pages."""
        chosen = with_tags(
            self.glue, "trigger", self.glue.triggers.names(request.get("DependentJobName")), request.get("Tags")
        )
        names, token = page(chosen, str, request, 100)
        return {"TriggerNames": names, **token}

    @override
    @operation
    def start_trigger(self, request: ApiRequest) -> ApiResult:
        """Fire an ON_DEMAND trigger, or activate one of another type."""
        self.glue.start_trigger(request["Name"])
        return {"Name": request["Name"]}

    @override
    @operation
    def stop_trigger(self, request: ApiRequest) -> ApiResult:
        """Deactivate a trigger."""
        self.glue.stop_trigger(request["Name"])
        return {"Name": request["Name"]}
