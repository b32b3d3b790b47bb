"""EventBridge on the local AWS: patterns, rule states and targets, by plain boto3."""

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local_aws import events
from local_aws.events import targets
from local_aws.server import LocalAws
from local_aws.state import State
from tests.local_aws.conftest import OWNER


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    """Give clients of an endpoint whose events are delivered."""
    with LocalAws(State(tmp_path_factory.mktemp("state")), OWNER) as aws:
        yield aws.client


@pytest.fixture
def source() -> str:
    """Name an event source that no other test uses."""
    return f"test.{uuid.uuid4().hex}"


class Listener:
    """A rule whose targets are queues, directly or through a topic, and what arrived there."""

    def __init__(self, client: Callable[[str], Any], pattern: dict[str, Any] | None, **rule: Any) -> None:
        """Make a rule of this pattern and settings, and a queue."""
        self.name = f"rule-{uuid.uuid4().hex}"
        self.events, self.sqs, self.sns = client("events"), client("sqs"), client("sns")
        if pattern is not None:
            rule["EventPattern"] = json.dumps(pattern)
        self.arn = self.events.put_rule(Name=self.name, **rule)["RuleArn"]
        self.queue = self.sqs.create_queue(QueueName=self.name)["QueueUrl"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])
        self.queue_arn = attributes["Attributes"]["QueueArn"]

    def targets(self, *targets: dict[str, Any]) -> "Listener":
        """Give the rule its targets."""
        numbered = [{"Id": str(number), **target} for number, target in enumerate(targets)]
        self.events.put_targets(Rule=self.name, Targets=numbered)
        return self

    def by_topic(self, **target: Any) -> "Listener":
        """Let the rule publish to a topic that passes messages on to the queue unwrapped."""
        topic = self.sns.create_topic(Name=self.name)["TopicArn"]
        self.sns.subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=self.queue_arn, Attributes={"RawMessageDelivery": "true"}
        )
        return self.targets({"Arn": topic, **target})

    def received(self) -> list[str]:
        """Take what has arrived since the last call."""
        found = []
        while batch := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for message in batch:
                found.append(message["Body"])
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return found


def test_an_event_of_a_service_reaches_the_topic_of_a_matching_rule_whole(client: Any, source: str) -> None:
    """An SNS target without input settings gets the event as AWS writes it."""
    listener = Listener(client, {"source": [source]}).by_topic()

    event_id = events.emit(source, "Glue Job State Change", {"jobName": "ingest", "state": "FAILED"}, ["arn:x"])

    (message,) = listener.received()
    event = json.loads(message)
    assert event.pop("time").endswith("Z")
    assert event == {
        "version": "0",
        "id": event_id,
        "detail-type": "Glue Job State Change",
        "source": source,
        "account": "123456789012",
        "region": "eu-west-2",
        "resources": ["arn:x"],
        "detail": {"jobName": "ingest", "state": "FAILED"},
    }


DETAIL = {
    "state": "FAILED",
    "runs": 3,
    "job": {"name": "totelake-local-load"},
    "tags": ["night", "money"],
    "none": None,
}


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ({"state": ["FAILED", "TIMEOUT"]}, True),
        ({"state": ["SUCCEEDED"]}, False),
        ({"state": ["failed"]}, False),
        ({"state": [{"equals-ignore-case": "failed"}]}, True),
        ({"job": {"name": [{"prefix": "totelake-"}]}}, True),
        ({"job": {"name": [{"suffix": "-ingest"}]}}, False),
        ({"job": {"name": [{"wildcard": "totelake-*-load"}]}}, True),
        ({"job": {"name": ["totelake-local-load"], "owner": ["anyone"]}}, False),
        ({"state": [{"anything-but": ["SUCCEEDED", "STOPPED"]}]}, True),
        ({"state": [{"anything-but": "FAILED"}]}, False),
        ({"state": [{"anything-but": {"prefix": "FAIL"}}]}, False),
        ({"owner": [{"anything-but": "x"}]}, False),
        ({"owner": [{"exists": False}]}, True),
        ({"state": [{"exists": False}]}, False),
        ({"job": {"name": [{"exists": True}]}}, True),
        ({"runs": [{"numeric": [">", 2, "<=", 3]}]}, True),
        ({"runs": [{"numeric": [">", 3]}]}, False),
        ({"runs": [3]}, True),
        ({"tags": ["money", "day"]}, True),
        ({"tags": ["day"]}, False),
        ({"none": [None]}, True),
        ({"$or": [{"state": ["SUCCEEDED"]}, {"runs": [3]}]}, True),
    ],
)
def test_a_pattern_matches_what_it_says(client: Any, source: str, pattern: dict[str, Any], matches: bool) -> None:
    """Every condition of a pattern must hold, each by any of its alternatives."""
    listener = Listener(client, {"source": [source], "detail": pattern})
    listener.targets({"Arn": listener.queue_arn})

    events.emit(source, "Test", DETAIL)

    assert len(listener.received()) == matches


def test_a_disabled_rule_is_silent_until_it_is_enabled(client: Any, source: str) -> None:
    """Without it, moto sends the events of a disabled rule all the same."""
    listener = Listener(client, {"source": [source]}, State="DISABLED")
    listener.targets({"Arn": listener.queue_arn})

    events.emit(source, "Test", {"number": 1})
    client("events").enable_rule(Name=listener.name)
    events.emit(source, "Test", {"number": 2})

    assert [json.loads(message)["detail"]["number"] for message in listener.received()] == [2]


def test_a_rule_that_has_only_a_schedule_hears_no_event_of_the_bus(client: Any, source: str) -> None:
    """No pattern is not a pattern that matches everything."""
    listener = Listener(client, None, ScheduleExpression="rate(5 minutes)")
    listener.targets({"Arn": listener.queue_arn})

    events.emit(source, "Test", {})

    assert listener.received() == []


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"Input": '{"constant": true}'}, '{"constant": true}'),
        ({"InputPath": "$.detail.job"}, '{"name": "totelake-local-load"}'),
        (
            {
                "InputTransformer": {
                    "InputPathsMap": {"state": "$.detail.state", "type": "$.detail-type", "gone": "$.detail.gone"},
                    "InputTemplate": '"<type>: <state><gone>, <unknown>"',
                }
            },
            '"Test: FAILED, <unknown>"',
        ),
        (
            {
                "InputTransformer": {
                    "InputPathsMap": {"job": "$.detail.job", "first": "$.detail.tags[0]", "gone": "$.detail.gone"},
                    "InputTemplate": '{"job": <job>, "first": <first>, "gone": <gone>, "text": "is <job>"}',
                }
            },
            (
                r'{"job": {"name": "totelake-local-load"}, "first": "night", "gone": null,'
                r' "text": "is {\"name\": \"totelake-local-load\"}"}'
            ),
        ),
    ],
)
def test_a_target_reads_what_its_input_settings_make_of_the_event(
    client: Any, source: str, settings: dict[str, Any], expected: str
) -> None:
    """Input, InputPath and InputTransformer; a template keeps its quotation marks, as on AWS."""
    listener = Listener(client, {"source": [source]}).by_topic(**settings)

    events.emit(source, "Test", DETAIL)

    assert listener.received() == [expected]


def test_a_template_knows_its_rule(client: Any, source: str) -> None:
    """The variables that EventBridge defines need no path."""
    template = {"InputTemplate": '{"rule": "<aws.events.rule-name>", "event": <aws.events.event.json>}'}
    listener = Listener(client, {"source": [source]}).by_topic(InputTransformer=template)

    event_id = events.emit(source, "Test", {})

    message = json.loads(listener.received()[0])
    assert (message["rule"], message["event"]["id"]) == (listener.name, event_id)


def test_put_events_goes_the_same_way(client: Any, source: str) -> None:
    """An event of one's own reaches topic and log group of a matching rule."""
    listener = Listener(client, {"source": [source], "detail-type": ["Done"]}).by_topic()
    group = f"/aws/events/{listener.name}"
    client("logs").create_log_group(logGroupName=group)
    client("events").put_targets(
        Rule=listener.name, Targets=[{"Id": "log", "Arn": f"arn:aws:logs:eu-west-2:123456789012:log-group:{group}"}]
    )

    answer = client("events").put_events(
        Entries=[{"Source": source, "DetailType": kind, "Detail": '{"rows": 7}'} for kind in ("Done", "Begun")]
    )

    assert answer["FailedEntryCount"] == 0
    (message,) = listener.received()
    assert json.loads(message)["detail"] == {"rows": 7}
    (logged,) = client("logs").filter_log_events(logGroupName=group)["events"]
    assert json.loads(logged["message"]) == json.loads(message)


def test_put_events_refuses_the_sources_of_aws(client: Any, source: str) -> None:
    """Only AWS services speak as `aws.…`; the rest of the request is taken."""
    listener = Listener(client, {"source": ["aws.glue", source]})
    listener.targets({"Arn": listener.queue_arn})

    answer = client("events").put_events(
        Entries=[{"Source": name, "DetailType": "T", "Detail": "{}"} for name in ("aws.glue", source)]
    )

    assert answer["FailedEntryCount"] == 1
    assert answer["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"
    assert [json.loads(message)["source"] for message in listener.received()] == [source]


def test_a_target_that_fails_does_not_keep_the_event_from_the_others(client: Any, source: str, caplog: Any) -> None:
    """The failure is logged, and the event goes to the target's dead-letter queue."""
    listener = Listener(client, {"source": [source]})
    dead = Listener(client, {"source": ["nobody"]})
    missing = "arn:aws:sns:eu-west-2:123456789012:missing"
    listener.targets(
        {"Arn": missing, "DeadLetterConfig": {"Arn": dead.queue_arn}}, {"Arn": missing}, {"Arn": listener.queue_arn}
    )

    event_id = events.emit(source, "Test", {})

    assert [json.loads(message)["id"] for message in listener.received()] == [event_id]
    assert [json.loads(message)["id"] for message in dead.received()] == [event_id]
    assert missing in caplog.text


def test_a_workflow_is_told_the_name_and_the_event(client: Any, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Glue workflow's ARN as target calls what Glue has registered."""
    told = threading.Event()
    calls = []

    def notify_event(*call: str) -> None:
        calls.append(call)
        told.set()

    monkeypatch.setattr(targets, "_RECEIVERS", {})
    events.register("glue", "workflow", notify_event)
    listener = Listener(client, {"source": [source]})
    listener.targets(
        {"Arn": "arn:aws:glue:eu-west-2:123456789012:workflow/nightly", "RoleArn": "arn:aws:iam::1:role/x"}
    )

    event_id = events.emit(source, "Test", {})

    assert told.wait(10)
    assert calls == [("nightly", event_id)]


def test_an_archive_still_keeps_and_replays_events(client: Any, source: str) -> None:
    """What moto's EventBridge could do before, it can do still."""
    listener = Listener(client, {"source": [source]})
    listener.targets({"Arn": listener.queue_arn})
    bus = client("events").describe_event_bus()["Arn"]
    archive = f"archive-{uuid.uuid4().hex[:8]}"
    client("events").create_archive(
        ArchiveName=archive, EventSourceArn=bus, EventPattern=json.dumps({"source": [source]})
    )

    client("events").put_events(Entries=[{"Source": source, "DetailType": "T", "Detail": "{}"}])
    events.emit(source, "T", {})

    assert client("events").describe_archive(ArchiveName=archive)["EventCount"] == 2
    assert len(listener.received()) == 2
