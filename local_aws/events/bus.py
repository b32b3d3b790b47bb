"""The event buses: which rules an event matches, and to which targets it is delivered.

moto has buses, rules and targets and matches event patterns; it ignores the state of a rule, lets a rule without a
pattern match everything, and supports neither SNS topics nor Glue workflows as targets. `LocalRule` does.
"""

import json
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, ClassVar, override

from moto.core import DEFAULT_ACCOUNT_ID
from moto.events.models import EventsBackend, Rule, events_backends

from local_aws import mounting
from local_aws.address import REGION
from local_aws.events import targets
from local_aws.events.targets import Receiver

_LOG = logging.getLogger(__name__)
_NO_RECEIVERS: Mapping[tuple[str, str], Receiver] = MappingProxyType({})
_RESERVED_SOURCE = {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": "Not authorized for the source."}


def _accept(_expression: str) -> None:
    """Accept a schedule expression; moto has checked its form."""


def mount(
    receivers: Mapping[tuple[str, str], Receiver] = _NO_RECEIVERS, check_schedule: Callable[[str], None] = _accept
) -> None:
    """Mount EventBridge.

    `receivers` receive the events for targets of other services, by the service and the resource type in the ARN of a
    target. A receiver must return soon and may not wait for a lock that its service holds while it emits an event.
    `check_schedule` raises moto's ValidationException for a schedule expression of a rule that AWS would refuse.
    """
    mounting.mount(
        "events",
        backend=LocalEventsBackend,
        models=[LocalRule],
        receivers=receivers,
        check_schedule=staticmethod(check_schedule),
    )


def emit(source: str, detail_type: str, detail: Mapping[str, Any], resources: Sequence[str] = ()) -> str:
    """Put an event of an AWS service on the default bus and return the event's id.

    Its targets have received it when this returns, except for Glue workflows, which are notified from another thread:
    the caller may be the workflow engine, holding its lock.
    """
    event = _event(source, detail_type, detail, resources)
    for rule in list(_default_backend().event_buses["default"].rules.values()):
        rule.send_to_targets(event)
    return str(event["id"])


def emit_scheduled(rule: Any, scheduled_time: datetime) -> str:
    """Send the `Scheduled Event` of a rule with a schedule to the targets of that rule; return the event's id."""
    event = _event("aws.events", "Scheduled Event", {}, [rule.arn]) | {
        "time": _timestamp(scheduled_time),
        "region": rule.region_name,
        "account": rule.account_id,
    }
    _send_to_each(rule, event, event, transform_input=True)
    return str(event["id"])


def _event(source: str, detail_type: str, detail: Mapping[str, Any], resources: Sequence[str]) -> dict[str, Any]:
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": source,
        "account": DEFAULT_ACCOUNT_ID,
        "time": _timestamp(datetime.now(UTC)),
        "region": REGION,
        "resources": list(resources),
        "detail": dict(detail),
    }


def _default_backend() -> Any:
    return events_backends[DEFAULT_ACCOUNT_ID][REGION]


def _timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class LocalRule(Rule):  # type: ignore[misc] # moto is not typed
    """A rule that delivers to the targets that the local AWS has."""

    @override
    def send_to_targets(self, original_event: Mapping[str, Any], transform_input: bool = True) -> None:
        """Deliver an event to every target of a rule that is enabled and whose pattern matches it.

        PutEvents, and replays of archives, call it.
        """
        event = _as_delivered(original_event)
        # A rule that has only a schedule has no pattern, and no event of the bus is meant for it.
        if self.state == "DISABLED" or not self.event_pattern.dump() or not self.event_pattern.matches_event(event):
            return
        _send_to_each(self, event, original_event, transform_input=transform_input)


class LocalEventsBackend(EventsBackend):  # type: ignore[misc] # moto is not typed
    """EventBridge with rules that deliver; `mount` gives its attributes."""

    receivers: ClassVar[Mapping[tuple[str, str], Receiver]]
    check_schedule: ClassVar[Callable[[str], None]]

    @override
    def put_rule(
        self,
        name: str,
        description: str | None = None,
        event_bus_arn: str | None = None,
        event_pattern: str | None = None,
        role_arn: str | None = None,
        scheduled_expression: str | None = None,
        state: str | None = None,
        managed_by: str | None = None,
        tags: list[dict[str, str]] | None = None,
    ) -> Rule:
        """Make a rule, or replace it; a schedule expression that AWS would refuse is refused."""
        if scheduled_expression:
            type(self).check_schedule(scheduled_expression)
        rule = super().put_rule(
            name, description, event_bus_arn, event_pattern, role_arn, scheduled_expression, state, managed_by, tags
        )
        return mounting.specialized(rule, LocalRule)

    @override
    def put_events(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Put the events of PutEvents on the bus; those whose source claims to be AWS itself are refused, as by AWS."""
        refused = {place for place, event in enumerate(events) if str(event.get("Source")).startswith("aws.")}
        entries = iter(super().put_events([event for place, event in enumerate(events) if place not in refused]))
        return [_RESERVED_SOURCE if place in refused else next(entries) for place in range(len(events))]


def _send_to_each(
    rule: Any, event: Mapping[str, Any], original_event: Mapping[str, Any], *, transform_input: bool
) -> None:
    for target in list(rule.targets):
        try:
            if not targets.deliver(rule, target, event):
                _leave_to_moto(rule, target, original_event, transform_input=transform_input)
        except Exception as error:  # noqa: BLE001 - the failure of one target must not keep the event from the others
            _LOG.exception("event %s of rule %s did not reach its target %s", event["id"], rule.name, target["Arn"])
            targets.send_to_dead_letter_queue(rule, target, event, error)


def _leave_to_moto(rule: Any, target: Mapping[str, Any], event: Mapping[str, Any], *, transform_input: bool) -> None:
    """Deliver to a target that moto supports: another bus, an archive, an API destination."""
    only = object.__new__(Rule)  # and not copy(): moto keeps every model that is made in the usual way
    vars(only).update(vars(rule), targets=[target])
    only.send_to_targets({"ingestion-time": datetime.now(UTC).timestamp(), **event}, transform_input)


def _as_delivered(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event of moto's as AWS delivers it: times as text, without moto's own members."""
    delivered = json.loads(json.dumps({key: value for key, value in event.items() if key != "ingestion-time"}))
    if isinstance(delivered["time"], int | float):
        delivered["time"] = _timestamp(datetime.fromtimestamp(delivered["time"], UTC))
    return dict(delivered)
