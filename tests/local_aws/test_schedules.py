"""Schedules on the local AWS: when they fire, what they invoke, and what becomes of failures."""

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
from cronsim import CronSim

from local_aws import schedules
from local_aws.schedules import Entry, ScheduleExpressionError, next_fire
from local_aws.schedules.invocation import Target, invoke
from local_aws.schedules.timetable import Timetable
from local_aws.server import LocalAws
from local_aws.state import State
from tests import roles
from tests.local_aws.conftest import OWNER


def at(text: str) -> datetime:
    """Read a time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class FakeClock:
    """A clock that moves only when it is told to, or waited for."""

    def __init__(self, now: datetime) -> None:
        """Begin at `now`."""
        self.time = now
        self.waits: list[float] = []
        self.stopped = False

    def now(self) -> datetime:
        """Give the time."""
        return self.time

    def wait(self, seconds: float) -> bool:
        """Move on without sleeping."""
        self.waits.append(seconds)
        self.time += timedelta(seconds=seconds)
        return self.stopped

    def stop(self) -> None:
        """End every wait."""
        self.stopped = True


CALENDAR = [
    # expression, after, next: 2024 is a leap year; 2025-03-01 is a Saturday
    ("cron(0 10 * * ? *)", "2025-03-01T09:59:59", "2025-03-01T10:00"),
    ("cron(0 10 * * ? *)", "2025-03-01T10:00", "2025-03-02T10:00"),
    ("cron(15 12 * * ? *)", "2025-12-31T12:15", "2026-01-01T12:15"),
    ("cron(0/15 * * * ? *)", "2025-03-01T10:45:30", "2025-03-01T11:00"),
    ("cron(5/20 8-9 ? * MON-FRI *)", "2025-02-28T09:45", "2025-03-03T08:05"),
    ("cron(*/10 * ? * 2-6 *)", "2025-02-28T23:55", "2025-03-03T00:00"),
    ("cron(0 18 ? * 1 *)", "2025-03-01T00:00", "2025-03-02T18:00"),  # 1 is Sunday
    ("cron(0 18 ? * 7 *)", "2025-03-01T00:00", "2025-03-01T18:00"),  # 7 is Saturday
    ("cron(0 18 ? * L *)", "2025-03-02T00:00", "2025-03-08T18:00"),  # so is L
    ("cron(0 8 1 * ? *)", "2025-03-01T08:00", "2025-04-01T08:00"),
    ("cron(0 0 L * ? *)", "2024-02-01T00:00", "2024-02-29T00:00"),
    ("cron(0 0 L * ? *)", "2025-02-01T00:00", "2025-02-28T00:00"),
    ("cron(0 0 29 2 ? *)", "2025-01-01T00:00", "2028-02-29T00:00"),
    ("cron(0 0 31 * ? *)", "2025-03-31T00:00", "2025-05-31T00:00"),
    ("cron(0 0 1,L * ? *)", "2025-03-02T00:00", "2025-03-31T00:00"),
    ("cron(0 0 1W * ? *)", "2025-02-28T00:00", "2025-03-03T00:00"),  # Saturday the 1st: not back into February
    ("cron(0 0 15W * ? *)", "2025-03-01T00:00", "2025-03-14T00:00"),  # Saturday: the Friday before
    ("cron(0 0 15W 6 ? *)", "2025-03-01T00:00", "2025-06-16T00:00"),  # Sunday: the Monday after
    ("cron(0 0 31W 8 ? *)", "2025-03-01T00:00", "2025-08-29T00:00"),  # Sunday the 31st: not into September
    ("cron(0 0 31W * ? *)", "2025-04-01T00:00", "2025-05-30T00:00"),  # April has no 31st
    ("cron(0 0 LW * ? *)", "2025-05-01T00:00", "2025-05-30T00:00"),  # Saturday the 31st
    ("cron(0 9 ? * 2#1 *)", "2025-03-01T00:00", "2025-03-03T09:00"),
    ("cron(0 9 ? * FRI#3 *)", "2025-03-01T00:00", "2025-03-21T09:00"),
    ("cron(0 9 ? * 7#5 *)", "2025-03-30T00:00", "2025-05-31T09:00"),  # no fifth Saturday in April
    ("cron(0 9 ? * 6L *)", "2025-03-01T00:00", "2025-03-28T09:00"),
    ("cron(0 9 ? JAN,jul MONL *)", "2025-03-01T00:00", "2025-07-28T09:00"),
    ("cron(0 0 ? 3/3 2#1 2026-2027)", "2025-03-01T00:00", "2026-03-02T00:00"),
    ("cron(30 2 1 1 ? 2025)", "2025-03-01T00:00", None),
    ("cron(0 0 30 2 ? *)", "2025-03-01T00:00", None),
    ("rate(5 minutes)", "2025-03-01T00:00:07", "2025-03-01T00:05:07"),
    ("rate(1 hour)", "2025-03-01T23:30", "2025-03-02T00:30"),
    ("rate(1 days)", "2024-02-28T12:00", "2024-02-29T12:00"),
    ("at(2025-03-01T10:00:00)", "2025-03-01T09:00", "2025-03-01T10:00"),
    ("at(2025-03-01T10:00:00)", "2025-03-01T10:00", None),
]


@pytest.mark.parametrize(("expression", "after", "expected"), CALENDAR)
def test_an_expression_fires_next_when_the_calendar_says(expression: str, after: str, expected: str | None) -> None:
    """In UTC, strictly later than the given time."""
    assert next_fire(expression, "UTC", at(after)) == (None if expected is None else at(expected))


DAYLIGHT_SAVING = [
    # London: forward at 01:00 UTC on 30 March 2025, back at 01:00 UTC on 26 October 2025
    ("cron(0 9 * * ? *)", "Europe/London", "2025-03-29T09:00", "2025-03-30T08:00"),
    ("cron(0 9 * * ? *)", "Europe/London", "2025-10-25T08:00", "2025-10-26T09:00"),
    ("cron(30 1 * * ? *)", "Europe/London", "2025-03-29T01:30", "2025-03-31T00:30"),  # 01:30 does not exist on the 30th
    ("cron(30 1 * * ? *)", "Europe/London", "2025-10-25T12:00", "2025-10-26T00:30"),  # the first of two 01:30
    ("cron(30 1 * * ? *)", "Europe/London", "2025-10-26T00:30", "2025-10-27T01:30"),  # and not the second
    ("cron(0/20 * * * ? *)", "Europe/London", "2025-10-26T00:40", "2025-10-26T02:00"),
    ("cron(0/20 * * * ? *)", "Europe/London", "2025-03-30T00:40", "2025-03-30T01:00"),
    ("rate(1 day)", "Europe/London", "2025-03-29T09:00", "2025-03-30T09:00"),  # 24 hours
    ("at(2025-07-01T09:00:00)", "America/New_York", "2025-01-01T00:00", "2025-07-01T13:00"),
    ("cron(0 0 1 * ? *)", "Asia/Kolkata", "2025-03-01T00:00", "2025-03-31T18:30"),
]


@pytest.mark.parametrize(("expression", "timezone", "after", "expected"), DAYLIGHT_SAVING)
def test_an_expression_follows_the_clocks_of_its_time_zone(
    expression: str, timezone: str, after: str, expected: str
) -> None:
    """Times that do not exist are skipped, times that exist twice fire once, a rate counts hours."""
    assert next_fire(expression, timezone, at(after)) == at(expected)


@pytest.mark.parametrize(
    ("aws", "unix"),
    [
        ("7/13 3-20/4 * * ? *", "7/13 3-20/4 * * *"),
        ("0 0 L 2,4,12 ? *", "0 0 L 2,4,12 *"),
        ("59 23 LW * ? *", "59 23 LW * *"),
        ("30 6 ? * 2-6/2 *", "30 6 * * 1-5/2"),
        ("0 12 ? 1/5 1#4 *", "0 12 * 1/5 0#4"),
        ("0 12 ? * 3L *", "0 12 * * 2L"),
    ],
)
def test_cron_agrees_with_a_library_where_the_dialects_meet(aws: str, unix: str) -> None:
    """Days of the week are counted from one here and from zero there."""
    start = at("2023-11-05T17:03")
    simulated = CronSim(unix, start)

    moment = start
    for _ in range(200):
        following = next_fire(f"cron({aws})", "UTC", moment)
        assert following == next(simulated)
        assert following is not None
        moment = following


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("every hour", "rate(…), cron(…) or at(…)"),
        ("rate(0 minutes)", "positive number"),
        ("rate(5 seconds)", "minutes, hours or days"),
        ("cron(0 10 * * ?)", "six fields and not 5"),
        ("cron(0 10 * * * *)", "exactly one"),
        ("cron(0 10 ? * ? *)", "exactly one"),
        ("cron(60 10 * * ? *)", "the minute '60' has to be 0 to 59"),
        ("cron(0 10 ? * 0 *)", "the day of the week '0' has to be 1 to 7"),
        ("cron(0 10 ? * 2#6 *)", "'2#6'"),
        ("cron(0 22-2 * * ? *)", "runs backwards"),
        ("cron(0/0 10 * * ? *)", "the step '0' of the minute"),
        ("at(2025-03-01 10:00)", "yyyy-mm-ddThh:mm:ss"),
    ],
)
def test_an_expression_that_cannot_be_read_says_what_is_wrong(expression: str, reason: str) -> None:
    """The message names the expression and the field."""
    with pytest.raises(ScheduleExpressionError) as caught:
        next_fire(expression, "UTC", at("2025-03-01T00:00"))

    assert str(caught.value).startswith(f"Invalid Schedule Expression {expression}: ")
    assert reason in str(caught.value)


def test_an_unknown_time_zone_is_refused() -> None:
    """It is an error and not UTC."""
    with pytest.raises(ScheduleExpressionError, match="Mars/Olympus"):
        next_fire("rate(1 hour)", "Mars/Olympus", at("2025-03-01T00:00"))


class Tape:
    """An entry of the timetable and what it has recorded."""

    def __init__(self, expression: str, **settings: Any) -> None:
        """Record what fires on `expression`."""
        self.fired: list[datetime] = []
        self.finished = threading.Event()
        self.entry = Entry("tape", expression, self.fired.append, finish=self.finished.set, **settings)
        self.entries = [self.entry]
        self.timetable = Timetable({"test": lambda: self.entries})

    def play(self, start: str, minutes: int, step: float = 1) -> list[str]:
        """Tick from `start` on, every `step` minutes; give the times that were fired, as hours and minutes."""
        now = at(start)
        for tick in range(int(minutes / step) + 1):
            self.timetable.tick(now + tick * timedelta(minutes=step))
        for thread in threading.enumerate():
            if thread.name == "schedule-tape":
                thread.join()
        return [f"{moment:%H:%M}" for moment in sorted(self.fired)]


def test_cron_fires_on_its_minutes_and_not_when_it_is_first_seen() -> None:
    """A time that was before the schedule was known is not caught up."""
    assert Tape("cron(0/15 * * * ? *)").play("2025-03-01T10:00", 45) == ["10:15", "10:30", "10:45"]


def test_times_that_were_missed_fire_once() -> None:
    """A laptop that slept does not start a run for every hour it slept."""
    assert Tape("cron(0 * * * ? *)").play("2025-03-01T10:30", 330, step=300) == ["11:00"]


def test_a_rate_that_was_missed_fires_once_and_keeps_its_beat() -> None:
    """After the gap it goes on where it would have been."""
    tape = Tape("rate(10 minutes)", at_once=True)
    tape.play("2025-03-01T10:00", 0)

    assert tape.play("2025-03-01T11:05", 10) == ["10:00", "10:10", "11:10"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"at_once": True}, ["10:00", "10:10", "10:20"]),
        ({}, ["10:10", "10:20"]),
        ({"at_once": True, "starts": at("2025-03-01T10:05")}, ["10:05", "10:15", "10:25"]),
        ({"at_once": True, "starts": at("2025-03-01T09:58")}, ["10:08", "10:18"]),
        ({"at_once": True, "ends": at("2025-03-01T10:15")}, ["10:00", "10:10"]),
    ],
)
def test_a_rate_counts_from_its_start(settings: dict[str, Any], expected: list[str]) -> None:
    """From the start date, or from when it was made: EventBridge Scheduler fires then, a rule one period later."""
    assert Tape("rate(10 minutes)", **settings).play("2025-03-01T10:00", 25) == expected


def test_cron_fires_between_its_start_and_its_end() -> None:
    """Both bounds belong to it."""
    bounds = {"starts": at("2025-03-01T10:10"), "ends": at("2025-03-01T10:20")}

    assert Tape("cron(0/5 * * * ? *)", **bounds).play("2025-03-01T10:00", 40) == ["10:10", "10:15", "10:20"]


def test_a_schedule_is_finished_after_its_last_time() -> None:
    """Not before, and not when there is another one to come."""
    daily = Tape("cron(0 10 * * ? *)", ends=at("2025-03-02T12:00"))
    daily.play("2025-03-01T09:00", 120, step=60)
    assert not daily.finished.is_set()
    daily.play("2025-03-02T09:00", 120, step=60)
    assert daily.finished.is_set()
    once = Tape("at(2025-03-01T10:10:00)")
    assert once.play("2025-03-01T10:00", 9) == []
    assert not once.finished.is_set()
    assert once.play("2025-03-01T10:10", 20) == ["10:10"]
    assert once.finished.is_set()


def test_a_flexible_window_fires_within_it_with_the_scheduled_time() -> None:
    """The target learns the time that was meant."""
    tape = Tape("at(2025-03-01T10:10:00)", window=timedelta(minutes=10))

    tape.timetable.tick(at("2025-03-01T10:00"))
    due = tape.timetable.tick(at("2025-03-01T10:09"))

    assert due is not None
    assert at("2025-03-01T10:10") <= due <= at("2025-03-01T10:20")
    assert tape.play("2025-03-01T10:10", 10) == ["10:10"]


def test_a_schedule_that_is_changed_starts_anew_and_a_deleted_one_is_silent() -> None:
    """What the sources say now is what counts."""
    tape = Tape("cron(30 * * * ? *)")
    tape.play("2025-03-01T10:00", 1)
    tape.entries = [Entry("tape", "cron(20 * * * ? *)", tape.fired.append)]
    assert tape.play("2025-03-01T10:02", 40) == ["10:20"]
    tape.entries = []
    assert tape.play("2025-03-01T11:00", 60) == ["10:20"]


def test_a_source_that_fails_does_not_stop_the_others() -> None:
    """Nor does an expression that cannot be read."""
    tape = Tape("cron(30 * * * ? *)")
    tape.entries.append(Entry("bad", "cron(nonsense)", tape.fired.append))

    def broken() -> list[Entry]:
        raise RuntimeError

    tape.timetable._sources["broken"] = broken

    assert tape.play("2025-03-01T10:00", 60) == ["10:30"]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    """Give clients of an endpoint whose schedules fire."""
    with LocalAws(State(tmp_path_factory.mktemp("state")), OWNER) as aws:
        roles.create(aws.client("iam"), "schedule", service="scheduler.amazonaws.com")
        yield aws.client


class Queue:
    """A queue to which something is to be delivered."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        """Make it, under a name that is free."""
        self.sqs = client("sqs")
        self.name = f"queue-{uuid.uuid4().hex}"
        self.url = self.sqs.create_queue(QueueName=self.name)["QueueUrl"]
        self.arn = f"arn:aws:sqs:eu-west-2:123456789012:{self.name}"

    def take(self, seconds: float = 10) -> dict[str, Any]:
        """Wait for one message and give it."""
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
        """Tell whether nothing has arrived."""
        return "Messages" not in self.sqs.receive_message(QueueUrl=self.url)


ROLE = "arn:aws:iam::123456789012:role/schedule"


def create(client: Callable[[str], Any], expression: str, target: dict[str, Any], **settings: Any) -> tuple[str, str]:
    """Create a schedule and give its name and its ARN."""
    name = f"schedule-{uuid.uuid4().hex}"
    settings = {"FlexibleTimeWindow": {"Mode": "OFF"}, **settings}
    answer = client("scheduler").create_schedule(
        Name=name, ScheduleExpression=expression, Target={"RoleArn": ROLE, **target}, **settings
    )
    return name, answer["ScheduleArn"]


def soon(zone: str = "UTC") -> tuple[str, datetime]:
    """Give an expression for the next second but one in `zone`, and the moment it means."""
    moment = (datetime.now(UTC) + timedelta(seconds=2)).replace(microsecond=0)
    return f"at({moment.astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M:%S})", moment


def test_a_schedule_starts_a_glue_workflow_by_the_universal_target(client: Any) -> None:
    """At its time in its time zone, with the scheduled time in the run properties, once; then it is deleted."""
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


def test_a_schedule_starts_a_glue_job_by_the_universal_target(client: Any) -> None:
    """By its name, as the reconcile's does."""
    name = f"hourly-{uuid.uuid4().hex}"
    client("glue").create_job(Name=name, Role=ROLE, Command={"Name": "glueetl", "ScriptLocation": "s3://x/y.py"})
    arn = "arn:aws:scheduler:::aws-sdk:glue:startJobRun"

    create(client, "rate(1 hour)", {"Arn": arn, "Input": json.dumps({"JobName": name})})

    deadline = time.monotonic() + 15
    while not (runs := client("glue").get_job_runs(JobName=name)["JobRuns"]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [run["JobName"] for run in runs] == [name]


def test_context_attributes_are_filled_in(client: Any) -> None:
    """Schedule, execution, attempt and time are known to the target."""
    queue = Queue(client)
    attributes = ("scheduled-time", "schedule-arn", "execution-id", "attempt-number")
    text = json.dumps({name: f"<aws.scheduler.{name}>" for name in attributes})

    _, arn = create(client, "rate(1 day)", {"Arn": queue.arn, "Input": text})

    told = json.loads(queue.take()["Body"])
    assert (told["schedule-arn"], told["attempt-number"]) == (arn, "1")
    assert datetime.fromisoformat(told["scheduled-time"]) <= datetime.now(UTC)
    assert uuid.UUID(told["execution-id"])


def test_a_topic_gets_the_schedules_input(client: Any) -> None:
    """Without an input it gets the event that AWS makes up."""
    queue = Queue(client)
    topic = client("sns").create_topic(Name=queue.name)["TopicArn"]
    client("sns").subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=queue.arn, Attributes={"RawMessageDelivery": "true"}
    )

    _, arn = create(client, "rate(1 day)", {"Arn": topic})

    event = json.loads(queue.take()["Body"])
    assert (event["source"], event["detail-type"], event["resources"]) == ("aws.scheduler", "Scheduled Event", [arn])


def test_an_event_bus_gets_an_event_whose_detail_is_the_input(client: Any) -> None:
    """It goes through the rules of the bus."""
    queue = Queue(client)
    client("events").put_rule(Name=queue.name, EventPattern=json.dumps({"source": [queue.name]}))
    client("events").put_targets(Rule=queue.name, Targets=[{"Id": "1", "Arn": queue.arn}])
    bus = client("events").describe_event_bus()["Arn"]

    parameters = {"Source": queue.name, "DetailType": "Tick"}
    create(client, "rate(1 day)", {"Arn": bus, "Input": '{"n": 1}', "EventBridgeParameters": parameters})

    assert json.loads(queue.take()["Body"])["detail"] == {"n": 1}


def test_a_disabled_schedule_is_silent_until_it_is_enabled(client: Any) -> None:
    """An update is noticed without a restart."""
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
def test_the_api_refuses_an_expression_that_cannot_be_read(client: Any, operation: str) -> None:
    """Rather than take a schedule that never fires."""
    queue = Queue(client)
    name, _ = create(client, "rate(1 day)", {"Arn": queue.arn}, State="DISABLED")

    with pytest.raises(ClientError) as caught:
        getattr(client("scheduler"), operation)(
            Name=name if operation == "update_schedule" else "other",
            ScheduleExpression="cron(0 25 * * ? *)",
            Target={"Arn": queue.arn, "RoleArn": ROLE},
            FlexibleTimeWindow={"Mode": "OFF"},
        )

    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert "the hour '25' has to be" in caught.value.response["Error"]["Message"]


def test_a_rule_with_a_schedule_sends_its_event_to_its_targets(client: Any) -> None:
    """Its times are in UTC and its expression is checked when it is put."""
    queue = Queue(client)
    arn = client("events").put_rule(Name=queue.name, ScheduleExpression="rate(5 minutes)")["RuleArn"]
    client("events").put_targets(Rule=queue.name, Targets=[{"Id": "1", "Arn": queue.arn}])
    timetable = Timetable({"rules": schedules.rules.entries})

    timetable.tick(at("2025-03-01T10:00"))
    timetable.tick(at("2025-03-01T10:05"))

    event = json.loads(queue.take()["Body"])
    assert (event["detail-type"], event["source"], event["resources"]) == ("Scheduled Event", "aws.events", [arn])
    assert event["time"] == "2025-03-01T10:05:00Z"
    with pytest.raises(ClientError, match="the hour '25' has to be"):
        client("events").put_rule(Name=queue.name, ScheduleExpression="cron(0 25 * * ? *)")


def failing_target(queue: Queue, **policy: int) -> Target:
    """Give a target that the service refuses with an error that may pass."""
    settings = {
        "Arn": "arn:aws:scheduler:::aws-sdk:glue:startWorkflowRun",
        "Input": '{"Name": "busy", "RunProperties": {"attempt": "<aws.scheduler.attempt-number>"}}',
        "DeadLetterConfig": {"Arn": queue.arn},
        "RetryPolicy": policy,
        "RoleArn": ROLE,
    }
    return Target.of("arn:aws:scheduler:eu-west-2:123456789012:schedule/default/test", settings)


@pytest.fixture
def refusals(monkeypatch: pytest.MonkeyPatch) -> list[Exception | None]:
    """Let calls of targets end as listed, one after the other; the last of the list goes on for ever."""
    outcomes: list[Exception | None] = []

    def call(*_: Any) -> None:
        outcome = outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]
        if outcome is not None:
            raise outcome

    monkeypatch.setattr("local_aws.schedules.invocation.call", call)
    return outcomes


def refusal(code: str) -> ClientError:
    """Make the error that a client raises."""
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "StartWorkflowRun")


def test_a_failure_is_retried_and_then_goes_to_the_dead_letter_queue(
    client: Any, refusals: list[Exception | None]
) -> None:
    """As often as the policy says, at growing distances."""
    refusals.append(refusal("ConcurrentRunsExceededException"))
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


def test_a_failure_that_passes_leaves_nothing_behind(client: Any, refusals: list[Exception | None]) -> None:
    """The second attempt succeeds and is the last."""
    refusals.extend([refusal("ThrottlingException"), None])
    queue = Queue(client)
    clock = FakeClock(at("2025-03-01T10:00"))

    invoke(failing_target(queue), at("2025-03-01T10:00"), clock)

    assert clock.waits == [1]
    assert queue.is_empty()


def test_an_event_that_is_too_old_is_given_up(client: Any, refusals: list[Exception | None]) -> None:
    """Its age counts from the first attempt."""
    refusals.append(refusal("ThrottlingException"))
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
def test_a_failure_that_no_repetition_cures_is_not_retried(client: Any, arn: str, text: str, code: str) -> None:
    """A target that is gone, or an input that is wrong, goes to the dead-letter queue at once."""
    queue = Queue(client)
    clock = FakeClock(at("2025-03-01T10:00"))
    settings = {"Arn": arn, "Input": text, "DeadLetterConfig": {"Arn": queue.arn}, "RoleArn": ROLE}

    invoke(Target.of("arn:aws:scheduler:eu-west-2:123456789012:schedule/default/t", settings), clock.now(), clock)

    assert clock.waits == []
    assert queue.take()["MessageAttributes"]["ERROR_CODE"]["StringValue"] == code


def test_stopping_ends_the_retries(client: Any, refusals: list[Exception | None]) -> None:
    """Nothing is left running, and nothing is declared dead."""
    refusals.append(refusal("ThrottlingException"))
    queue = Queue(client)
    clock = FakeClock(at("2025-03-01T10:00"))
    clock.stop()

    invoke(failing_target(queue), at("2025-03-01T10:00"), clock)

    assert queue.is_empty()


def test_schedules_can_be_stopped_and_started_again(client: Any) -> None:
    """Stopped, nothing fires; a start too many does no harm."""
    queue = Queue(client)
    schedules.stop()
    create(client, "rate(1 day)", {"Arn": queue.arn, "Input": "tick"})
    time.sleep(0.8)
    assert queue.is_empty()

    schedules.start()
    schedules.start()

    assert queue.take()["Body"] == "tick"
    assert queue.is_empty()
