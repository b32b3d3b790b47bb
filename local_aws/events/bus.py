"""The event buses: which rules an event matches, and who hears of it.

moto keeps buses, rules and targets and knows how to match an event pattern; it does not look at a rule's state, lets a
rule without a pattern match everything, and knows neither SNS topics nor Glue workflows as targets. Those three are
replaced here, in `install`, and nowhere else.
"""

import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.events.models import EventsBackend, Rule, events_backends

from local_aws import inbox
from local_aws.address import REGION
from local_aws.events import targets
from local_aws.state import State

_LOG = logging.getLogger(__name__)
_MOTO_SEND = Rule.send_to_targets
_MOTO_PUT_EVENTS = EventsBackend.put_events
_RESERVED_SOURCE = {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": "Not authorized for the source."}


def install(state: State) -> None:
    """Let moto's EventBridge deliver its events, and SNS its e-mails into the inbox of `state`; may be called again."""
    inbox.install(state)
    Rule.send_to_targets = _send_to_targets
    EventsBackend.put_events = _put_events


def emit(source: str, detail_type: str, detail: Mapping[str, Any], resources: Sequence[str] = ()) -> str:
    """Put an event of an AWS service on the default bus and return the event's id.

    Targets have heard of it when this returns, save for Glue workflows, which are told from a thread of their own: the
    caller may well be the workflow engine, holding its lock.
    """
    event = _event(source, detail_type, detail, resources)
    for rule in list(_default_backend().event_buses["default"].rules.values()):
        _send_to_targets(rule, event)
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


def _send_to_targets(rule: Any, original_event: Mapping[str, Any], transform_input: bool = True) -> None:
    """Deliver an event to every target of a rule that is enabled and whose pattern matches it.

    Takes the place of `Rule.send_to_targets` of moto, which PutEvents and replays of archives call.
    """
    event = _as_delivered(original_event)
    # A rule that has only a schedule has no pattern, and no event of the bus is meant for it.
    if rule.state == "DISABLED" or not rule.event_pattern.dump() or not rule.event_pattern.matches_event(event):
        return
    _send_to_each(rule, event, original_event, transform_input=transform_input)


def _send_to_each(
    rule: Any, event: Mapping[str, Any], original_event: Mapping[str, Any], *, transform_input: bool
) -> None:
    for target in list(rule.targets):
        try:
            if not targets.deliver(rule, target, event):
                _leave_to_moto(rule, target, original_event, transform_input=transform_input)
        except Exception as error:  # noqa: BLE001 - whatever befalls one target, the others get the event
            _LOG.exception("event %s of rule %s did not reach its target %s", event["id"], rule.name, target["Arn"])
            targets.send_to_dead_letter_queue(rule, target, event, error)


def _leave_to_moto(rule: Any, target: Mapping[str, Any], event: Mapping[str, Any], *, transform_input: bool) -> None:
    """Deliver to what moto itself can reach: other buses, archives, API destinations."""
    only = object.__new__(Rule)  # and not copy(): moto remembers every model that is made in the usual way
    vars(only).update(vars(rule), targets=[target])
    _MOTO_SEND(only, {"ingestion-time": datetime.now(UTC).timestamp(), **event}, transform_input)


def _as_delivered(event: Mapping[str, Any]) -> dict[str, Any]:
    """Give moto's event the shape that AWS delivers: times as text, and nothing of moto's own."""
    delivered = json.loads(json.dumps({key: value for key, value in event.items() if key != "ingestion-time"}))
    if isinstance(delivered["time"], int | float):
        delivered["time"] = _timestamp(datetime.fromtimestamp(delivered["time"], UTC))
    return dict(delivered)


def _put_events(backend: Any, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Take the events of PutEvents, except those that pretend to come from AWS itself, as AWS does."""
    refused = {place for place, event in enumerate(events) if str(event.get("Source")).startswith("aws.")}
    entries = iter(_MOTO_PUT_EVENTS(backend, [event for place, event in enumerate(events) if place not in refused]))
    return [_RESERVED_SOURCE if place in refused else next(entries) for place in range(len(events))]
