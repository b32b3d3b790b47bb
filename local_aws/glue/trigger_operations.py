"""The operations on triggers."""

from local_aws.glue.api import Answer, Request, found, tag, tagged
from local_aws.glue.pages import page
from local_aws.glue.service import Glue


def create_trigger(glue: Glue, request: Request) -> Answer:
    """Add a trigger."""
    glue.triggers.create(request)
    tag(glue, "trigger", request)
    return {"Name": request["Name"]}


def update_trigger(glue: Glue, request: Request) -> Answer:
    """Replace what a trigger does and waits for."""
    return {"Trigger": glue.triggers.update(request["Name"], request["TriggerUpdate"])}


def delete_trigger(glue: Glue, request: Request) -> Answer:
    """Remove a trigger."""
    glue.triggers.delete(request["Name"])
    return {"Name": request["Name"]}


def get_trigger(glue: Glue, request: Request) -> Answer:
    """Show a trigger."""
    return {"Trigger": glue.triggers.definition(request["Name"])}


def get_triggers(glue: Glue, request: Request) -> Answer:
    """Show all triggers, or those that start a job, in pages."""
    names, token = page(glue.triggers.names(request.get("DependentJobName")), str, request, 100)
    return {"Triggers": [glue.triggers.definition(name) for name in names], **token}


def batch_get_triggers(glue: Glue, request: Request) -> Answer:
    """Show the triggers of these names."""
    present, missing = found(request["TriggerNames"], glue.triggers.definition)
    return {"Triggers": present, "TriggersNotFound": missing}


def list_triggers(glue: Glue, request: Request) -> Answer:
    """Name all triggers, or those that start a job or have these tags, in pages."""
    chosen = tagged(glue, "trigger", glue.triggers.names(request.get("DependentJobName")), request.get("Tags"))
    names, token = page(chosen, str, request, 100)
    return {"TriggerNames": names, **token}


def start_trigger(glue: Glue, request: Request) -> Answer:
    """Fire an ON_DEMAND trigger, or activate one of another type."""
    glue.start_trigger(request["Name"])
    return {"Name": request["Name"]}


def stop_trigger(glue: Glue, request: Request) -> Answer:
    """Deactivate a trigger."""
    glue.stop_trigger(request["Name"])
    return {"Name": request["Name"]}
