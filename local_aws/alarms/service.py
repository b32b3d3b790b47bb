"""The thread that looks at every alarm every few seconds, and tells whom it concerns when a state has changed."""

import logging
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.models import MetricDatum, cloudwatch_backends
from moto.sns import sns_backends
from moto.sqs import sqs_backends
from moto.utilities.arns import parse_arn

from local_aws.alarms import message
from local_aws.alarms.evaluation import ALARM, INSUFFICIENT, OK, Point, judge
from local_aws.schedules.clock import Clock, SystemClock

_LOG = logging.getLogger(__name__)
_LOOK_UP = 2.0
_UNCHECKED = "Unchecked"  # how moto's reason begins while nobody has judged an alarm

type _Metric = tuple[str, str, frozenset[tuple[str, str]]]
type _Points = Mapping[_Metric, Sequence[tuple[Point, str | None]]]


@dataclass(slots=True)
class _Watch:
    clock: Clock
    thread: threading.Thread


_running: list[_Watch] = []


def start(clock: Clock | None = None) -> None:
    """Begin to look; again is no error."""
    if _running:
        return
    clock = clock or SystemClock()
    thread = threading.Thread(target=_run, args=(clock,), name="alarms", daemon=True)
    _running.append(_Watch(clock, thread))
    thread.start()


def stop() -> None:
    """Look no more, and return once the thread has ended."""
    while _running:
        watch = _running.pop()
        watch.clock.stop()
        watch.thread.join()


def look(now: datetime) -> None:
    """Bring every alarm into the state that it should be in `now`, in UTC, and tell of those that change."""
    for backend in [backend for regions in list(cloudwatch_backends.values()) for backend in list(regions.values())]:
        alarms = [alarm for alarm in list(backend.alarms.values()) if alarm.rule is None]
        points = _points(backend) if alarms else {}
        for alarm in alarms:
            try:
                _look_at(alarm, points, now)
            except Exception:  # noqa: BLE001 - whatever befalls one alarm, the others are looked at
                _LOG.exception("alarm %s could not be looked at", alarm.name)


def _run(clock: Clock) -> None:
    while not clock.wait(_LOOK_UP):
        look(clock.now())


def _points(backend: Any) -> _Points:
    """Return the figures that have been published, by metric, each with its unit; sums of figures are left out."""
    found: dict[_Metric, list[tuple[Point, str | None]]] = defaultdict(list)
    for datum in [datum for datum in list(backend.metric_data) if isinstance(datum, MetricDatum)]:
        point = Point(_utc(datum.timestamp), float(datum.value))
        found[_metric(datum, datum.name)].append((point, datum.unit))
    return found


def _metric(found: Any, name: str) -> _Metric:
    return found.namespace, name, frozenset((dimension.name, dimension.value) for dimension in found.dimensions)


def _look_at(alarm: Any, points: _Points, now: datetime) -> None:
    if alarm.state_reason.startswith(_UNCHECKED):
        alarm.state_value = INSUFFICIENT  # as on AWS; moto takes it for well
    own = [point for point, unit in points.get(_metric(alarm, alarm.metric_name), ()) if alarm.unit in (None, unit)]
    verdict = judge(alarm, own + _of_queue(alarm, now), _utc(alarm.configuration_updated_timestamp), now)
    old = alarm.state_value
    if verdict.state in (None, old) and not alarm.state_reason.startswith(_UNCHECKED):
        return
    alarm.update_state(verdict.reason, "{}", verdict.state or old)
    if alarm.state_value != old:
        _LOG.info("alarm %s: %s, was %s. %s", alarm.name, alarm.state_value, old, verdict.reason)
        _tell(alarm, old, now)


def _of_queue(alarm: Any, now: datetime) -> list[Point]:
    """Return how many messages the queue of an alarm on AWS/SQS holds: the service itself publishes that on AWS."""
    if (alarm.namespace, alarm.metric_name) != ("AWS/SQS", "ApproximateNumberOfMessagesVisible"):
        return []
    name = next((dimension.value for dimension in alarm.dimensions if dimension.name == "QueueName"), None)
    place = parse_arn(alarm.alarm_arn)
    queue = sqs_backends[place.account][place.region].queues.get(name)
    return [Point(now, float(queue.approximate_number_of_messages))] if queue else []


def _tell(alarm: Any, old: str, now: datetime) -> None:
    if not alarm.actions_enabled:
        return
    actions = {ALARM: alarm.alarm_actions, OK: alarm.ok_actions, INSUFFICIENT: alarm.insufficient_data_actions}
    for arn in actions[alarm.state_value]:
        topic = parse_arn(arn)
        if topic.service != "sns":
            _LOG.warning("alarm %s: the local AWS takes no action %s", alarm.name, arn)
            continue
        sns_backends[topic.account][topic.region].publish(
            message=message.structured(alarm, old, now),
            arn=arn,
            subject=message.subject(alarm),
            message_structure="json",
        )


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
