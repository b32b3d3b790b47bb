"""The local inbox: what is published to an e-mail subscription becomes a file that can be read."""

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
    """Give clients of an endpoint."""
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
    """Make a fresh state folder whose inbox gets the e-mails."""
    fresh = State(tmp_path / "world")
    inbox.install(fresh)
    return fresh


@pytest.fixture
def topic(client: Any) -> str:
    """Make a topic with one e-mail subscription."""
    arn = client("sns").create_topic(Name=f"alerts-{uuid.uuid4().hex}")["TopicArn"]
    client("sns").subscribe(TopicArn=arn, Protocol="email", Endpoint="ops@example.com")
    return str(arn)


def test_a_published_message_is_one_email(client: Any, state: State, topic: str) -> None:
    """Subject, address, topic and text arrive as they were sent."""
    client("sns").publish(TopicArn=topic, Subject="Load failed", Message="Zażółć\nline two\n")

    (mail,) = inbox.messages(state)
    assert (mail.to, mail.subject, mail.topic) == ("ops@example.com", "Load failed", topic)
    assert mail.body == "Zażółć\nline two"
    assert mail.sent_at.utcoffset() is not None


def test_the_file_is_an_email_that_any_mail_program_reads(client: Any, state: State, topic: str) -> None:
    """RFC 822, one `.eml` per message, and nothing half-written beside it."""
    client("sns").publish(TopicArn=topic, Subject="Grüße", Message="text")

    (path,) = state.inbox.iterdir()
    mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert path.suffix == ".eml"
    assert (mail["Subject"], mail.get_content_type(), mail["From"]) == (
        "Grüße",
        "text/plain",
        "AWS Notifications <no-reply@sns.amazonaws.com>",
    )


def test_a_message_without_subject_has_the_subject_that_aws_gives(client: Any, state: State, topic: str) -> None:
    """It is `AWS Notification Message`."""
    client("sns").publish(TopicArn=topic, Message="text")

    assert [mail.subject for mail in inbox.messages(state)] == ["AWS Notification Message"]


def test_an_email_subscription_is_confirmed_at_once(client: Any, state: State, topic: str) -> None:
    """Nobody here could follow the link of a confirmation."""
    (subscription,) = client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]

    attributes = client("sns").get_subscription_attributes(SubscriptionArn=subscription["SubscriptionArn"])

    assert attributes["Attributes"]["PendingConfirmation"] == "false"


def test_an_event_of_a_rule_arrives_as_email(client: Any, state: State, topic: str) -> None:
    """From a service's event through rule, topic and subscription into the inbox."""
    events.install(state)
    source = f"test.{uuid.uuid4().hex}"
    name = f"rule-{uuid.uuid4().hex}"
    client("events").put_rule(Name=name, EventPattern=json.dumps({"source": [source]}))
    client("events").put_targets(Rule=name, Targets=[{"Id": "mail", "Arn": topic}])

    events.emit(source, "Glue Job State Change", {"state": "FAILED"})

    (mail,) = inbox.messages(state)
    assert json.loads(mail.body)["detail"] == {"state": "FAILED"}


def test_email_json_carries_the_whole_notification(client: Any, state: State, topic: str) -> None:
    """Each protocol gets its own part of a message with a JSON structure."""
    client("sns").subscribe(TopicArn=topic, Protocol="email-json", Endpoint="robot@example.com")

    structured = json.dumps({"default": "for all", "email": "for people"})
    client("sns").publish(TopicArn=topic, Subject="S", Message=structured, MessageStructure="json")

    person, robot = inbox.messages(state)
    assert (person.to, person.body) == ("ops@example.com", "for people")
    document = json.loads(robot.body)
    assert (document["Type"], document["Message"], document["Subject"]) == ("Notification", "for all", "S")
    assert document["TopicArn"] == topic


def test_a_filter_policy_keeps_messages_out(client: Any, state: State, topic: str) -> None:
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


def test_emails_are_read_in_the_order_in_which_they_came(client: Any, state: State, topic: str) -> None:
    """Even when many are published at once, no name is taken twice and none is lost."""
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


def test_an_inbox_that_got_nothing_is_empty(state: State) -> None:
    """The folder need not exist."""
    assert inbox.messages(state) == []
