"""AWS Glue that runs: jobs are processes, triggers fire, workflows go from one to the next.

moto's Glue keeps the catalog, the connections and the crawlers' definitions; what is here takes the place of its jobs,
triggers and workflows: `job_operations`, `trigger_operations` and `workflow_operations` name every operation, and
`connection_operations` what moto lacks of connections, and `catalog` whom it shows which tables.
"""

import logging
import threading

from local_aws import events, schedules
from local_aws.glue import api, catalog, connection_operations, job_operations, trigger_operations, workflow_operations
from local_aws.glue.service import Glue
from local_aws.glue.world import World
from local_aws.state import State

_LOG = logging.getLogger(__name__)
_installed: list[Glue] = []


def install(state: State, endpoint_url: str, *, seconds_per_minute: float = 60.0) -> Glue:
    """Make moto's Glue run jobs, triggers and workflows for the world in `state`, whose endpoint is at this URL.

    The runs of an earlier endpoint are known again; those that were under way count as ended. A second call serves
    another world from then on, and ends what runs in the first.
    """
    shutdown()
    glue = Glue(World(state, endpoint_url, seconds_per_minute=seconds_per_minute))
    _installed.append(glue)
    for module in (connection_operations, job_operations, trigger_operations, workflow_operations):
        api.replace_methods(module, service)
    catalog.install()
    schedules.register("Glue triggers", glue.schedule_entries)
    events.register("glue", "workflow", _notify_in_thread)
    return glue


def service() -> Glue:
    """Return the Glue that is served; raises RuntimeError before `install`."""
    if not _installed:
        raise RuntimeError("local_aws.glue.install has not been called")
    return _installed[-1]


def shutdown() -> None:
    """End every job and every process that was started here; without `install` before, do nothing."""
    while _installed:
        _installed.pop().close()


def notify_event(workflow_name: str, event_id: str) -> None:
    """Hand an event to a workflow, as EventBridge does with glue:notifyEvent; its EVENT trigger gathers and fires."""
    service().notify(workflow_name, event_id)


def _notify_in_thread(workflow_name: str, event_id: str) -> None:
    """Hand an event to a workflow from a thread of its own: Glue may hold its lock while it emits an event."""

    def notify() -> None:
        try:
            notify_event(workflow_name, event_id)
        except Exception:  # noqa: BLE001 - the end of a thread: there is no caller that could report it
            _LOG.exception("event %s did not start the Glue workflow %s", event_id, workflow_name)

    threading.Thread(target=notify, name=f"notify-{workflow_name}", daemon=True).start()
