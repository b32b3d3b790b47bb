"""The local inbox: a message that is published to an e-mail subscription becomes an `.eml` file."""

import email
import email.policy
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from local_aws import events, inbox
from local_aws.state import State


@pytest.fixture(scope="module")
def client() -> Iterator[Callable[[str], Any]]:
    """Yield a function that returns clients of an endpoint."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield lambda service: boto3.client(
        service,
        region_name="eu-west-2",
        endpoint_url=f"http://{host}:{port}",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    server.stop()


@pytest.fixture
def state(tmp_path: Any) -> State:
    """Return a new state folder whose inbox receives the e-mails."""
    fresh = State(tmp_path / "world")
    inbox.mount(fresh)
    return fresh


@pytest.fixture
def topic(client: Any) -> str:
    """Create a topic with one e-mail subscription, and return its ARN."""
    arn = client("sns").create_topic(Name=f"alerts-{uuid.uuid4().hex}")["TopicArn"]
    client("sns").subscribe(TopicArn=arn, Protocol="email", Endpoint="ops@example.com")
    return str(arn)


def test_published_message_arrives_as_one_email(client: Any, state: State, topic: str) -> None:
    """Subject, address, topic and text are unchanged."""
    client("sns").publish(TopicArn=topic, Subject="Load failed", Message="Zażółć\nline two\n")

    (mail,) = inbox.messages(state)
    assert (mail.to, mail.subject, mail.topic) == ("ops@example.com", "Load failed", topic)
    assert mail.body == "Zażółć\nline two"
    assert mail.sent_at.utcoffset() is not None


def test_email_file_is_valid_rfc_822(client: Any, state: State, topic: str) -> None:
    """One `.eml` file per message, and no temporary file beside it."""
    client("sns").publish(TopicArn=topic, Subject="Grüße", Message="text")

    (path,) = state.inbox.iterdir()
    mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert path.suffix == ".eml"
    assert (mail["Subject"], mail.get_content_type(), mail["From"]) == (
        "Grüße",
        "text/plain",
        "AWS Notifications <no-reply@sns.amazonaws.com>",
    )


def test_message_without_a_subject_gets_the_default_subject(client: Any, state: State, topic: str) -> None:
    """It is `AWS Notification Message`."""
    client("sns").publish(TopicArn=topic, Message="text")

    assert [mail.subject for mail in inbox.messages(state)] == ["AWS Notification Message"]


def test_email_subscription_is_confirmed_immediately(client: Any, state: State, topic: str) -> None:
    """There is no confirmation link to follow locally."""
    (subscription,) = client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]

    attributes = client("sns").get_subscription_attributes(SubscriptionArn=subscription["SubscriptionArn"])

    assert attributes["Attributes"]["PendingConfirmation"] == "false"


def test_event_that_matches_a_rule_arrives_as_email(client: Any, state: State, topic: str) -> None:
    """From the event through rule, topic and subscription to the inbox."""
    events.mount()
    source = f"test.{uuid.uuid4().hex}"
    name = f"rule-{uuid.uuid4().hex}"
    client("events").put_rule(Name=name, EventPattern=json.dumps({"source": [source]}))
    client("events").put_targets(Rule=name, Targets=[{"Id": "mail", "Arn": topic}])

    events.emit(source, "Glue Job State Change", {"state": "FAILED"})

    (mail,) = inbox.messages(state)
    assert json.loads(mail.body)["detail"] == {"state": "FAILED"}


def test_email_json_contains_the_whole_notification(client: Any, state: State, topic: str) -> None:
    """Each protocol gets its own text of a message with MessageStructure json."""
    client("sns").subscribe(TopicArn=topic, Protocol="email-json", Endpoint="robot@example.com")

    structured = json.dumps({"default": "for all", "email": "for people"})
    client("sns").publish(TopicArn=topic, Subject="S", Message=structured, MessageStructure="json")

    person, robot = inbox.messages(state)
    assert (person.to, person.body) == ("ops@example.com", "for people")
    document = json.loads(robot.body)
    assert (document["Type"], document["Message"], document["Subject"]) == ("Notification", "for all", "S")
    assert document["TopicArn"] == topic


def test_filter_policy_excludes_messages(client: Any, state: State, topic: str) -> None:
    """Only the subscription whose policy matches the attributes gets the message."""
    client("sns").subscribe(
        TopicArn=topic,
        Protocol="email",
        Endpoint="urgent@example.com",
        Attributes={"FilterPolicy": json.dumps({"severity": ["high"]})},
    )
    for severity in ("low", "high"):
        attributes = {"severity": {"DataType": "String", "StringValue": severity}}
        client("sns").publish(TopicArn=topic, Message=severity, MessageAttributes=attributes)

    assert [mail.body for mail in inbox.messages(state) if mail.to == "urgent@example.com"] == ["high"]
    assert len(inbox.messages(state)) == 3


def test_emails_are_read_in_order_of_arrival(client: Any, state: State, topic: str) -> None:
    """Concurrent messages get distinct file names, and none is lost."""
    for number in range(5):
        client("sns").publish(TopicArn=topic, Message=str(number))
    threads = [
        threading.Thread(target=client("sns").publish, kwargs={"TopicArn": topic, "Message": "many"}) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [mail.body for mail in inbox.messages(state)] == [*"01234", *["many"] * 8]


def test_inbox_without_messages_is_empty(state: State) -> None:
    """The folder need not exist."""
    assert inbox.messages(state) == []
