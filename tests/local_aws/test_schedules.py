"""Schedules on the local AWS: firing times, targets, retries and dead-letter queues."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from botocore.exceptions import ClientError

from local_aws import schedules
from local_aws.schedules import ScheduleEntry
from local_aws.schedules.invocation import Target, invoke
from local_aws.schedules.timetable import Timetable
from local_aws.server import LocalAws
from local_aws.state import State
from tests import roles
from tests.local_aws.conftest import OWNER


def at(text: str) -> datetime:
    """Parse a time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class FakeClock:
    """A clock that advances only by its `wait`."""

    def __init__(self, now: datetime) -> None:
        """Start at `now`."""
        self.time = now
        self.waits: list[float] = []
        self.stopped = False

    def now(self) -> datetime:
        """Return the time."""
        return self.time

    def wait(self, seconds: float) -> bool:
        """Advance without sleeping."""
        self.waits.append(seconds)
        self.time += timedelta(seconds=seconds)
        return self.stopped

    def stop(self) -> None:
        """Make every `wait` report a stop."""
        self.stopped = True


class RecordedSchedule:
    """A timetable with one entry, and the times at which it fired."""

    def __init__(self, expression: str, **settings: Any) -> None:
        """Create the entry with `expression`, and record its firing times."""
        self.fired: list[datetime] = []
        self.finished = threading.Event()
        self.entry = ScheduleEntry("recorded", expression, self.fired.append, finish=self.finished.set, **settings)
        self.entries = [self.entry]
        self.timetable = Timetable({"test": lambda: self.entries})

    def run(self, start: str, minutes: int, step: float = 1) -> list[str]:
        """Tick from `start` on, every `step` minutes; return all firing times as HH:MM."""
        now = at(start)
        for tick in range(int(minutes / step) + 1):
            self.timetable.tick(now + tick * timedelta(minutes=step))
        for thread in threading.enumerate():
            if thread.name == "schedule-recorded":
                thread.join()
        return [f"{moment:%H:%M}" for moment in sorted(self.fired)]


def test_cron_fires_at_its_minutes_only() -> None:
    """Times before the schedule was created are not made up for."""
    assert RecordedSchedule("cron(0/15 * * * ? *)").run("2025-03-01T10:00", 45) == ["10:15", "10:30", "10:45"]


def test_missed_cron_times_fire_once() -> None:
    """A laptop that was asleep does not start a run for every hour."""
    assert RecordedSchedule("cron(0 * * * ? *)").run("2025-03-01T10:30", 330, step=300) == ["11:00"]


def test_missed_rate_fires_once_and_keeps_its_phase() -> None:
    """After the gap it continues at the original times."""
    recorded = RecordedSchedule("rate(10 minutes)", fires_immediately=True)
    recorded.run("2025-03-01T10:00", 0)

    assert recorded.run("2025-03-01T11:05", 10) == ["10:00", "10:10", "11:10"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"fires_immediately": True}, ["10:00", "10:10", "10:20"]),
        ({}, ["10:10", "10:20"]),
        ({"fires_immediately": True, "starts": at("2025-03-01T10:05")}, ["10:05", "10:15", "10:25"]),
        ({"fires_immediately": True, "starts": at("2025-03-01T09:58")}, ["10:08", "10:18"]),
        ({"fires_immediately": True, "ends": at("2025-03-01T10:15")}, ["10:00", "10:10"]),
    ],
)
def test_rate_counts_from_its_start(settings: dict[str, Any], expected: list[str]) -> None:
    """The start date or the creation: EventBridge Scheduler fires immediately, a rule one period later."""
    assert RecordedSchedule("rate(10 minutes)", **settings).run("2025-03-01T10:00", 25) == expected


def test_cron_fires_between_its_start_and_its_end() -> None:
    """Both bounds are inclusive."""
    bounds = {"starts": at("2025-03-01T10:10"), "ends": at("2025-03-01T10:20")}

    assert RecordedSchedule("cron(0/5 * * * ? *)", **bounds).run("2025-03-01T10:00", 40) == ["10:10", "10:15", "10:20"]


def test_schedule_is_finished_after_its_last_time() -> None:
    """Not before, and not if another time follows."""
    daily = RecordedSchedule("cron(0 10 * * ? *)", ends=at("2025-03-02T12:00"))
    daily.run("2025-03-01T09:00", 120, step=60)
    assert not daily.finished.is_set()
    daily.run("2025-03-02T09:00", 120, step=60)
    assert daily.finished.is_set()
    one_time = RecordedSchedule("at(2025-03-01T10:10:00)")
    assert one_time.run("2025-03-01T10:00", 9) == []
    assert not one_time.finished.is_set()
    assert one_time.run("2025-03-01T10:10", 20) == ["10:10"]
    assert one_time.finished.is_set()


def test_flexible_window_fires_within_it_and_passes_the_scheduled_time() -> None:
    """The target gets the scheduled time, not the actual one."""
    recorded = RecordedSchedule("at(2025-03-01T10:10:00)", window=timedelta(minutes=10))

    recorded.timetable.tick(at("2025-03-01T10:00"))
    due = recorded.timetable.tick(at("2025-03-01T10:09"))

    assert due is not None
    assert at("2025-03-01T10:10") <= due <= at("2025-03-01T10:20")
    assert recorded.run("2025-03-01T10:10", 10) == ["10:10"]


def test_changed_schedule_is_reset_and_deleted_schedule_does_not_fire() -> None:
    """Each tick uses the current entries of the sources."""
    recorded = RecordedSchedule("cron(30 * * * ? *)")
    recorded.run("2025-03-01T10:00", 1)
    recorded.entries = [ScheduleEntry("recorded", "cron(20 * * * ? *)", recorded.fired.append)]
    assert recorded.run("2025-03-01T10:02", 40) == ["10:20"]
    recorded.entries = []
    assert recorded.run("2025-03-01T11:00", 60) == ["10:20"]


def test_failing_source_does_not_stop_the_others() -> None:
    """Nor does an invalid expression."""
    recorded = RecordedSchedule("cron(30 * * * ? *)")
    recorded.entries.append(ScheduleEntry("bad", "cron(nonsense)", recorded.fired.append))

    def broken() -> list[ScheduleEntry]:
        raise RuntimeError

    recorded.timetable._sources["broken"] = broken

    assert recorded.run("2025-03-01T10:00", 60) == ["10:30"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """Serve a local AWS with running schedules."""
    with LocalAws(State(tmp_path_factory.mktemp("state")), OWNER) as aws:
        roles.create(aws.client("iam"), "schedule", service="scheduler.amazonaws.com")
        yield aws


@pytest.fixture(scope="module")
def client(served: LocalAws) -> Callable[[str], Any]:
    """Return a function that returns clients of it."""
    return served.client


class Queue:
    """An SQS queue for deliveries."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        """Create the queue under a unique name."""
        self.sqs = client("sqs")
        self.name = f"queue-{uuid.uuid4().hex}"
        self.url = self.sqs.create_queue(QueueName=self.name)["QueueUrl"]
        self.arn = f"arn:aws:sqs:eu-west-2:123456789012:{self.name}"

    def take(self, seconds: float = 10) -> dict[str, Any]:
        """Wait for a message, remove it and return it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for message in self.sqs.receive_message(QueueUrl=self.url, MessageAttributeNames=["All"]).get(
                "Messages", []
            ):
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
                return dict(message)
            time.sleep(0.05)
        raise AssertionError(f"nothing arrived in {self.name}")

    def is_empty(self) -> bool:
        """Return whether no message has arrived."""
        return "Messages" not in self.sqs.receive_message(QueueUrl=self.url)


ROLE = "arn:aws:iam::123456789012:role/schedule"


def create(client: Callable[[str], Any], expression: str, target: dict[str, Any], **settings: Any) -> tuple[str, str]:
    """Create a schedule and return its name and its ARN."""
    name = f"schedule-{uuid.uuid4().hex}"
    settings = {"FlexibleTimeWindow": {"Mode": "OFF"}, **settings}
    response = client("scheduler").create_schedule(
        Name=name, ScheduleExpression=expression, Target={"RoleArn": ROLE, **target}, **settings
    )
    return name, response["ScheduleArn"]


def soon(zone: str = "UTC") -> tuple[str, datetime]:
    """Return an `at` expression in `zone` for two seconds from now, and its moment."""
    moment = (datetime.now(UTC) + timedelta(seconds=2)).replace(microsecond=0)
    return f"at({moment.astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M:%S})", moment


def test_schedule_starts_a_glue_workflow_by_the_universal_target(client: Any) -> None:
    """Once, in its time zone and with the scheduled time as run property; then the schedule is deleted."""
    name = f"nightly-{uuid.uuid4().hex}"
    client("glue").create_workflow(Name=name)
    expression, moment = soon("Asia/Kolkata")
    run = {"Name": name, "RunProperties": {"logical_date": "<aws.scheduler.scheduled-time>"}}
    schedule, _ = create(
        client,
        expression,
        {"Arn": "arn:aws:scheduler:::aws-sdk:glue:startWorkflowRun", "Input": json.dumps(run)},
        ScheduleExpressionTimezone="Asia/Kolkata",
        ActionAfterCompletion="DELETE",
    )

    deadline = time.monotonic() + 15
    while not (runs := client("glue").get_workflow_runs(Name=name).get("Runs")) and time.monotonic() < deadline:
        time.sleep(0.1)

    (only,) = runs
    assert only["WorkflowRunProperties"] == {"logical_date": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}
    names = [one["Name"] for one in client("scheduler").list_schedules()["Schedules"]]
    while schedule in names and time.monotonic() < deadline:
        names = [one["Name"] for one in client("scheduler").list_schedules()["Schedules"]]
    assert schedule not in names


def test_schedule_starts_a_glue_job_by_the_universal_target(client: Any) -> None:
    """As the schedule of reconcile does."""
    name = f"hourly-{uuid.uuid4().hex}"
    client("glue").create_job(Name=name, Role=ROLE, Command={"Name": "glueetl", "ScriptLocation": "s3://x/y.py"})
    arn = "arn:aws:scheduler:::aws-sdk:glue:startJobRun"

    create(client, "rate(1 hour)", {"Arn": arn, "Input": json.dumps({"JobName": name})})

    deadline = time.monotonic() + 15
    while not (runs := client("glue").get_job_runs(JobName=name)["JobRuns"]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [run["JobName"] for run in runs] == [name]


def test_context_attributes_are_replaced_in_the_input(client: Any) -> None:
    """Time, schedule, execution id and attempt number."""
    queue = Queue(client)
    attributes = ("scheduled-time", "schedule-arn", "execution-id", "attempt-number")
    text = json.dumps({name: f"<aws.scheduler.{name}>" for name in attributes})

    _, arn = create(client, "rate(1 day)", {"Arn": queue.arn, "Input": text})

    received = json.loads(queue.take()["Body"])
    assert (received["schedule-arn"], received["attempt-number"]) == (arn, "1")
    assert datetime.fromisoformat(received["scheduled-time"]) <= datetime.now(UTC)
    assert uuid.UUID(received["execution-id"])


def test_topic_gets_the_default_event_without_an_input(client: Any) -> None:
    """It is AWS's `Scheduled Event`."""
    queue = Queue(client)
    topic = client("sns").create_topic(Name=queue.name)["TopicArn"]
    client("sns").subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=queue.arn, Attributes={"RawMessageDelivery": "true"}
    )

    _, arn = create(client, "rate(1 day)", {"Arn": topic})

    event = json.loads(queue.take()["Body"])
    assert (event["source"], event["detail-type"], event["resources"]) == ("aws.scheduler", "Scheduled Event", [arn])


def test_event_bus_gets_an_event_with_the_input_as_detail(client: Any) -> None:
    """The rules of the bus apply to it."""
    queue = Queue(client)
    client("events").put_rule(Name=queue.name, EventPattern=json.dumps({"source": [queue.name]}))
    client("events").put_targets(Rule=queue.name, Targets=[{"Id": "1", "Arn": queue.arn}])
    bus = client("events").describe_event_bus()["Arn"]

    parameters = {"Source": queue.name, "DetailType": "Tick"}
    create(client, "rate(1 day)", {"Arn": bus, "Input": '{"n": 1}', "EventBridgeParameters": parameters})

    assert json.loads(queue.take()["Body"])["detail"] == {"n": 1}


def test_disabled_schedule_does_not_fire_until_it_is_enabled(client: Any) -> None:
    """The update takes effect without a restart."""
    queue = Queue(client)
    target = {"Arn": queue.arn, "Input": "tick", "RoleArn": ROLE}
    name, _ = create(client, "rate(1 day)", target, State="DISABLED")
    time.sleep(1.2)
    assert queue.is_empty()

    client("scheduler").update_schedule(
        Name=name,
        ScheduleExpression="rate(2 days)",
        Target=target,
        State="ENABLED",
        FlexibleTimeWindow={"Mode": "OFF"},
    )

    assert queue.take()["Body"] == "tick"


@pytest.mark.parametrize("operation", ["create_schedule", "update_schedule"])
def test_api_rejects_an_invalid_expression(client: Any, operation: str) -> None:
    """With a ValidationException that names the field."""
    queue = Queue(client)
    name, _ = create(client, "rate(1 day)", {"Arn": queue.arn}, State="DISABLED")

    with pytest.raises(ClientError) as error:
        getattr(client("scheduler"), operation)(
            Name=name if operation == "update_schedule" else "other",
            ScheduleExpression="cron(0 25 * * ? *)",
            Target={"Arn": queue.arn, "RoleArn": ROLE},
            FlexibleTimeWindow={"Mode": "OFF"},
        )

    assert error.value.response["Error"]["Code"] == "ValidationException"
    assert "the hour '25' must be" in error.value.response["Error"]["Message"]


def test_rule_with_a_schedule_sends_an_event_to_its_targets(client: Any) -> None:
    """Its times are in UTC; an invalid expression is rejected."""
    queue = Queue(client)
    arn = client("events").put_rule(Name=queue.name, ScheduleExpression="rate(5 minutes)")["RuleArn"]
    client("events").put_targets(Rule=queue.name, Targets=[{"Id": "1", "Arn": queue.arn}])
    timetable = Timetable({"rules": schedules.rules.entries})

    timetable.tick(at("2025-03-01T10:00"))
    timetable.tick(at("2025-03-01T10:05"))

    event = json.loads(queue.take()["Body"])
    assert (event["detail-type"], event["source"], event["resources"]) == ("Scheduled Event", "aws.events", [arn])
    assert event["time"] == "2025-03-01T10:05:00Z"
    with pytest.raises(ClientError, match="the hour '25' must be"):
        client("events").put_rule(Name=queue.name, ScheduleExpression="cron(0 25 * * ? *)")


def failing_target(queue: Queue, **policy: int) -> Target:
    """Return a target with a dead-letter queue and a retry policy, whose calls are to fail."""
    settings = {
        "Arn": "arn:aws:scheduler:::aws-sdk:glue:startWorkflowRun",
        "Input": '{"Name": "busy", "RunProperties": {"attempt": "<aws.scheduler.attempt-number>"}}',
        "DeadLetterConfig": {"Arn": queue.arn},
        "RetryPolicy": policy,
        "RoleArn": ROLE,
    }
    return Target.of("arn:aws:scheduler:eu-west-2:123456789012:schedule/default/test", settings)


@pytest.fixture
def call_outcomes(monkeypatch: pytest.MonkeyPatch) -> list[Exception | None]:
    """Return a list of outcomes for calls of targets, in order: an error or None; the last one repeats."""
    outcomes: list[Exception | None] = []

    def call(*_: Any) -> None:
        outcome = outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]
        if outcome is not None:
            raise outcome

    monkeypatch.setattr("local_aws.schedules.invocation.call", call)
    return outcomes


def client_error(code: str) -> ClientError:
    """Return the error that a client raises."""
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "StartWorkflowRun")


def test_failure_is_retried_and_then_sent_to_the_dead_letter_queue(
    client: Any, call_outcomes: list[Exception | None]
) -> None:
    """With the number of attempts of the policy, and exponential backoff."""
    call_outcomes.append(client_error("ConcurrentRunsExceededException"))
    queue = Queue(client)
    clock = FakeClock(at("2025-03-01T10:00"))

    invoke(failing_target(queue, MaximumRetryAttempts=3), at("2025-03-01T10:00"), clock)

    message = queue.take()
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert clock.waits == [1, 2, 4]
    assert json.loads(message["Body"])["RunProperties"] == {"attempt": "4"}
    assert attributes["ERROR_CODE"] == "ConcurrentRunsExceededException"
    assert attributes["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts"
    assert attributes["RETRY_ATTEMPTS"] == "3"


def test_successful_retry_sends_nothing_to_the_dead_letter_queue(
    client: Any, call_outcomes: list[Exception | None]
) -> None:
    """The second attempt succeeds."""
    call_outcomes.extend([client_error("ThrottlingException"), None])
    queue = Queue(client)
    clock = FakeClock(at("2025-03-01T10:00"))

    invoke(failing_target(queue), at("2025-03-01T10:00"), clock)

    assert clock.waits == [1]
    assert queue.is_empty()


def test_event_is_not_retried_beyond_its_maximum_age(client: Any, call_outcomes: list[Exception | None]) -> None:
    """The age counts from the first attempt."""
    call_outcomes.append(client_error("ThrottlingException"))
    queue = Queue(client)
    clock = FakeClock(at("2025-03-01T10:00"))

    invoke(failing_target(queue, MaximumEventAgeInSeconds=60), at("2025-03-01T10:00"), clock)

    attributes = queue.take()["MessageAttributes"]
    assert attributes["EXHAUSTED_RETRY_CONDITION"]["StringValue"] == "MaximumEventAgeInSeconds"
    assert sum(clock.waits) < 120


@pytest.mark.parametrize(
    ("arn", "text", "code"),
    [
        ("arn:aws:scheduler:::aws-sdk:glue:startWorkflowRun", '{"Name": "missing"}', "EntityNotFoundException"),
        ("arn:aws:scheduler:::aws-sdk:glue:startWorkflowRun", '{"name": "x"}', "ParamValidationError"),
        ("arn:aws:scheduler:::aws-sdk:glue:startWorkflowRun", "not JSON", "JSONDecodeError"),
        ("arn:aws:scheduler:::aws-sdk:glue:makeCoffee", "{}", "UnknownTargetError"),
        ("arn:aws:scheduler:::aws-sdk:kettle:boil", "{}", "UnknownServiceError"),
        ("arn:aws:kinesis:eu-west-2:123456789012:stream/x", "{}", "UnknownTargetError"),
    ],
)
def test_permanent_failure_is_not_retried(client: Any, arn: str, text: str, code: str) -> None:
    """For a missing target or an invalid input, the event is sent to the dead-letter queue at once."""
    queue = Queue(client)
    clock = FakeClock(at("2025-03-01T10:00"))
    settings = {"Arn": arn, "Input": text, "DeadLetterConfig": {"Arn": queue.arn}, "RoleArn": ROLE}

    invoke(Target.of("arn:aws:scheduler:eu-west-2:123456789012:schedule/default/t", settings), clock.now(), clock)

    assert clock.waits == []
    assert queue.take()["MessageAttributes"]["ERROR_CODE"]["StringValue"] == code


def test_stop_ends_the_retries(client: Any, call_outcomes: list[Exception | None]) -> None:
    """The event is not sent to the dead-letter queue."""
    call_outcomes.append(client_error("ThrottlingException"))
    queue = Queue(client)
    clock = FakeClock(at("2025-03-01T10:00"))
    clock.stop()

    invoke(failing_target(queue), at("2025-03-01T10:00"), clock)

    assert queue.is_empty()


def test_schedules_can_be_stopped_and_restarted(client: Any, served: LocalAws) -> None:
    """Nothing fires while they are stopped; starting is idempotent."""
    queue = Queue(client)
    served.schedules.stop()
    create(client, "rate(1 day)", {"Arn": queue.arn, "Input": "tick"})
    time.sleep(0.8)
    assert queue.is_empty()

    served.schedules.start()
    served.schedules.start()

    assert queue.take()["Body"] == "tick"
    assert queue.is_empty()
