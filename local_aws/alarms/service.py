"""The thread that evaluates every alarm every few seconds, and sends the notifications of those that change state."""

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.models import MetricDatum, cloudwatch_backends
from moto.sns import sns_backends
from moto.sqs import sqs_backends
from moto.utilities.arns import parse_arn

from local_aws.alarms import message
from local_aws.alarms.evaluation import ALARM, INSUFFICIENT, OK, DataPoint, evaluate_alarm
from local_aws.schedules.clock import Clock, SystemClock

_LOG = logging.getLogger(__name__)
_PERIOD_SECONDS = 2.0
_UNCHECKED = "Unchecked"  # the beginning of moto's reason for an alarm that has not been evaluated

type _Metric = tuple[str, str, frozenset[tuple[str, str]]]
type _Points = Mapping[_Metric, Sequence[tuple[DataPoint, str | None]]]


class Alarms:
    """Evaluates all alarms in a thread."""

    def __init__(self, clock: Callable[[], Clock] = SystemClock) -> None:
        """Prepare to evaluate; `clock` makes the clock of each start."""
        self._make_clock = clock
        self._clock: Clock | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to evaluate; does nothing when started already."""
        if self._thread:
            return
        self._clock = self._make_clock()
        self._thread = threading.Thread(target=_run, args=(self._clock,), name="alarms", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Evaluate no more, and return once the thread has ended."""
        if self._thread and self._clock:
            self._clock.stop()
            self._thread.join()
        self._thread = self._clock = None


def evaluate(now: datetime) -> None:
    """Bring every alarm into the state that it should have `now`, in UTC, and notify of each change."""
    for backend in [backend for regions in list(cloudwatch_backends.values()) for backend in list(regions.values())]:
        alarms = [alarm for alarm in list(backend.alarms.values()) if alarm.rule is None]
        points = _points(backend) if alarms else {}
        for alarm in alarms:
            try:
                _evaluate(alarm, points, now)
            except Exception:  # noqa: BLE001 - one broken alarm must not stop the evaluation of the others
                _LOG.exception("alarm %s could not be evaluated", alarm.name)


def _run(clock: Clock) -> None:
    while not clock.wait(_PERIOD_SECONDS):
        evaluate(clock.now())


def _points(backend: Any) -> _Points:
    """Return the published data points by metric, each with its unit; statistic sets are left out."""
    points: dict[_Metric, list[tuple[DataPoint, str | None]]] = defaultdict(list)
    for datum in [datum for datum in list(backend.metric_data) if isinstance(datum, MetricDatum)]:
        point = DataPoint(_utc(datum.timestamp), float(datum.value))
        points[_metric(datum, datum.name)].append((point, datum.unit))
    return points


def _metric(source: Any, name: str) -> _Metric:
    return source.namespace, name, frozenset((dimension.name, dimension.value) for dimension in source.dimensions)


def _evaluate(alarm: Any, points: _Points, now: datetime) -> None:
    if alarm.state_reason.startswith(_UNCHECKED):
        alarm.state_value = INSUFFICIENT  # as on AWS; moto says OK
    own = [point for point, unit in points.get(_metric(alarm, alarm.metric_name), ()) if alarm.unit in (None, unit)]
    evaluation = evaluate_alarm(alarm, own + _of_queue(alarm, now), _utc(alarm.configuration_updated_timestamp), now)
    old = alarm.state_value
    if evaluation.state in (None, old) and not alarm.state_reason.startswith(_UNCHECKED):
        return
    alarm.update_state(evaluation.reason, "{}", evaluation.state or old)
    if alarm.state_value != old:
        _LOG.info("alarm %s: %s, was %s. %s", alarm.name, alarm.state_value, old, evaluation.reason)
        _notify(alarm, old, now)


def _of_queue(alarm: Any, now: datetime) -> list[DataPoint]:
    """Return the number of visible messages of an AWS/SQS alarm's queue, which the service itself publishes on AWS."""
    if (alarm.namespace, alarm.metric_name) != ("AWS/SQS", "ApproximateNumberOfMessagesVisible"):
        return []
    name = next((dimension.value for dimension in alarm.dimensions if dimension.name == "QueueName"), None)
    place = parse_arn(alarm.alarm_arn)
    queue = sqs_backends[place.account][place.region].queues.get(name)
    return [DataPoint(now, float(queue.approximate_number_of_messages))] if queue else []


def _notify(alarm: Any, old: str, now: datetime) -> None:
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
