"""EventBridge on the local AWS: patterns, rule states, targets and their inputs, tested with boto3."""

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from moto.events.models import events_backends

from local_aws import events
from local_aws.server import LocalAws
from local_aws.state import State
from tests.local_aws.conftest import OWNER


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    """Yield a function that returns clients of an endpoint that delivers events."""
    with LocalAws(State(tmp_path_factory.mktemp("state")), OWNER) as aws:
        yield aws.client


@pytest.fixture
def source() -> str:
    """Return the name of an event source that no other test uses."""
    return f"test.{uuid.uuid4().hex}"


class Listener:
    """A rule and a queue that receives its events, directly or through a topic."""

    def __init__(self, client: Callable[[str], Any], pattern: dict[str, Any] | None, **rule: Any) -> None:
        """Create a rule with a pattern and settings, and a queue."""
        self.name = f"rule-{uuid.uuid4().hex}"
        self.events, self.sqs, self.sns = client("events"), client("sqs"), client("sns")
        if pattern is not None:
            rule["EventPattern"] = json.dumps(pattern)
        self.arn = self.events.put_rule(Name=self.name, **rule)["RuleArn"]
        self.queue = self.sqs.create_queue(QueueName=self.name)["QueueUrl"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])
        self.queue_arn = attributes["Attributes"]["QueueArn"]

    def targets(self, *targets: dict[str, Any]) -> "Listener":
        """Set the targets of the rule."""
        numbered = [{"Id": str(number), **target} for number, target in enumerate(targets)]
        self.events.put_targets(Rule=self.name, Targets=numbered)
        return self

    def by_topic(self, **target: Any) -> "Listener":
        """Set a topic as the rule's target, which delivers raw messages to the queue."""
        topic = self.sns.create_topic(Name=self.name)["TopicArn"]
        self.sns.subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=self.queue_arn, Attributes={"RawMessageDelivery": "true"}
        )
        return self.targets({"Arn": topic, **target})

    def received(self) -> list[str]:
        """Remove and return the messages that have arrived since the last call."""
        bodies = []
        while batch := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for message in batch:
                bodies.append(message["Body"])
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return bodies


def test_service_event_reaches_the_topic_of_a_matching_rule(client: Any, source: str) -> None:
    """Without input settings, the target gets the whole event in AWS's format."""
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
def test_pattern_matches_the_event(client: Any, source: str, pattern: dict[str, Any], matches: bool) -> None:
    """Every field of a pattern must match, each by any of its alternatives."""
    listener = Listener(client, {"source": [source], "detail": pattern})
    listener.targets({"Arn": listener.queue_arn})

    events.emit(source, "Test", DETAIL)

    assert len(listener.received()) == matches


def test_disabled_rule_delivers_nothing_until_it_is_enabled(client: Any, source: str) -> None:
    """Unmodified moto delivers events of disabled rules too."""
    listener = Listener(client, {"source": [source]}, State="DISABLED")
    listener.targets({"Arn": listener.queue_arn})

    events.emit(source, "Test", {"number": 1})
    client("events").enable_rule(Name=listener.name)
    events.emit(source, "Test", {"number": 2})

    assert [json.loads(message)["detail"]["number"] for message in listener.received()] == [2]


def test_rule_with_a_schedule_only_matches_no_event(client: Any, source: str) -> None:
    """A missing pattern does not match everything."""
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
                '{"job": {"name": "totelake-local-load"}, "first": "night", "gone": null,'
                ' "text": "is {"name": "totelake-local-load"}"}'
            ),
        ),
    ],
)
def test_target_gets_the_event_transformed_by_its_input_settings(
    client: Any, source: str, settings: dict[str, Any], expected: str
) -> None:
    """Input, InputPath and InputTransformer; quotation marks of a template are kept, values within them not escaped."""
    listener = Listener(client, {"source": [source]}).by_topic(**settings)

    events.emit(source, "Test", DETAIL)

    assert listener.received() == [expected]


def test_input_template_can_use_the_predefined_variables(client: Any, source: str) -> None:
    """Those of EventBridge need no path."""
    template = {"InputTemplate": '{"rule": "<aws.events.rule-name>", "event": <aws.events.event.json>}'}
    listener = Listener(client, {"source": [source]}).by_topic(InputTransformer=template)

    event_id = events.emit(source, "Test", {})

    message = json.loads(listener.received()[0])
    assert (message["rule"], message["event"]["id"]) == (listener.name, event_id)


def test_value_outside_of_quotation_marks_is_escaped_and_one_within_is_not(client: Any, source: str) -> None:
    """A message with quotation marks, line breaks and backslashes breaks a template only where it is quoted."""
    message = 'column "code" is missing\n\tin C:\\totesys <state>'
    paths = {"InputPathsMap": {"message": "$.detail.message", "state": "$.detail.state"}}
    listener = Listener(client, {"source": [source]}).by_topic(
        InputTransformer=paths | {"InputTemplate": '{\n  "error": <message>,\n  "text": "<message>"\n}'}
    )

    events.emit(source, "Test", {"message": message, "state": "FAILED"})

    assert listener.received() == [f'{{\n  "error": {json.dumps(message)},\n  "text": "{message}"\n}}']


def document(statement: dict[str, Any]) -> str:
    """Return a policy of one statement."""
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


PUBLISH = {"Effect": "Allow", "Action": "sns:Publish", "Resource": "*"}


@pytest.mark.parametrize(
    ("service", "statement", "published"),
    [
        ("events.amazonaws.com", PUBLISH, True),
        ("events.amazonaws.com", PUBLISH | {"Resource": "arn:aws:sns:eu-west-2:123456789012:other"}, False),
        ("scheduler.amazonaws.com", PUBLISH, False),
    ],
)
def test_topic_is_published_to_with_the_role_of_the_target(
    client: Any, source: str, service: str, statement: dict[str, Any], published: bool
) -> None:
    """The role has to trust EventBridge and allow the topic; otherwise the event is sent to the dead-letter queue."""
    listener = Listener(client, {"source": [source]})
    dead = Listener(client, {"source": ["nobody"]})
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
    trust["Condition"] = {"ArnEquals": {"aws:SourceArn": listener.arn}}
    iam = client("iam")
    role = iam.create_role(RoleName=listener.name, AssumeRolePolicyDocument=document(trust))
    iam.put_role_policy(RoleName=listener.name, PolicyName="role", PolicyDocument=document(statement))
    listener.by_topic(RoleArn=role["Role"]["Arn"], DeadLetterConfig={"Arn": dead.queue_arn})

    event_id = events.emit(source, "Test", {})

    assert [json.loads(message)["id"] for message in listener.received()] == [event_id] * published
    assert [json.loads(message)["id"] for message in dead.received()] == [event_id] * (not published)


def test_put_events_reaches_topic_and_log_group(client: Any, source: str) -> None:
    """A custom event reaches the targets of a matching rule."""
    listener = Listener(client, {"source": [source], "detail-type": ["Done"]}).by_topic()
    group = f"/aws/events/{listener.name}"
    client("logs").create_log_group(logGroupName=group)
    client("events").put_targets(
        Rule=listener.name, Targets=[{"Id": "log", "Arn": f"arn:aws:logs:eu-west-2:123456789012:log-group:{group}"}]
    )

    response = client("events").put_events(
        Entries=[{"Source": source, "DetailType": kind, "Detail": '{"rows": 7}'} for kind in ("Done", "Begun")]
    )

    assert response["FailedEntryCount"] == 0
    (message,) = listener.received()
    assert json.loads(message)["detail"] == {"rows": 7}
    (logged,) = client("logs").filter_log_events(logGroupName=group)["events"]
    assert json.loads(logged["message"]) == json.loads(message)


def test_put_events_rejects_sources_of_aws(client: Any, source: str) -> None:
    """Sources that begin with `aws.` are reserved; other entries of the request are accepted."""
    listener = Listener(client, {"source": ["aws.glue", source]})
    listener.targets({"Arn": listener.queue_arn})

    response = client("events").put_events(
        Entries=[{"Source": name, "DetailType": "T", "Detail": "{}"} for name in ("aws.glue", source)]
    )

    assert response["FailedEntryCount"] == 1
    assert response["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"
    assert [json.loads(message)["source"] for message in listener.received()] == [source]


def test_failing_target_does_not_affect_the_others(client: Any, source: str, caplog: Any) -> None:
    """The failure is logged, and the event is sent to the target's dead-letter queue."""
    listener = Listener(client, {"source": [source]})
    dead = Listener(client, {"source": ["nobody"]})  # its queue is the dead-letter queue
    missing = "arn:aws:sns:eu-west-2:123456789012:missing"
    listener.targets(
        {"Arn": missing, "DeadLetterConfig": {"Arn": dead.queue_arn}},
        {"Arn": missing},
        {"Arn": listener.queue_arn},
    )

    event_id = events.emit(source, "Test", {})

    assert [json.loads(message)["id"] for message in listener.received()] == [event_id]
    assert [json.loads(message)["id"] for message in dead.received()] == [event_id]
    assert missing in caplog.text


def test_workflow_target_gets_its_name_and_the_event_id(
    client: Any, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Glue workflow's ARN as target calls the receiver of Glue."""
    notified = threading.Event()
    calls = []

    def notify_event(*call: str) -> None:
        calls.append(call)
        notified.set()

    monkeypatch.setattr(events_backends.backend, "receivers", {("glue", "workflow"): notify_event})
    listener = Listener(client, {"source": [source]})
    listener.targets(
        {"Arn": "arn:aws:glue:eu-west-2:123456789012:workflow/nightly", "RoleArn": "arn:aws:iam::1:role/x"}
    )

    event_id = events.emit(source, "Test", {})

    assert notified.wait(10)
    assert calls == [("nightly", event_id)]


def test_archive_records_events(client: Any, source: str) -> None:
    """A feature of moto that must keep working; the archive's own rule receives the events too."""
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
