"""The local inbox: an e-mail subscription of an SNS topic ends in a folder of files that any mail program can open.

A subscription of protocol `email` or `email-json` is confirmed at once: on AWS its owner has to follow a link in an
e-mail first, and here there is nobody else who could. (Choice; moto never asks for a confirmation either.)
"""

import email
import email.policy
import json
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, formataddr
from pathlib import Path
from typing import Any

from moto.sns.models import Subscription

from local_aws.state import State
from local_aws.visible_text import visible

DEFAULT_SUBJECT = "AWS Notification Message"
"""The subject of an e-mail whose message was published without one, as on AWS."""

_SENDER = "no-reply@sns.amazonaws.com"
_MOTO_PUBLISH = Subscription.publish
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Email:
    """One e-mail that SNS delivered; `sent_at` is in UTC, `topic` is the topic's ARN."""

    sent_at: datetime
    to: str
    subject: str
    topic: str
    body: str


def install(state: State) -> None:
    """Deliver what is published to e-mail subscriptions into the inbox of `state`; may be called again."""
    mailbox = _Mailbox(state.inbox)

    def publish(subscription: Any, message: str, message_id: str, **details: Any) -> None:
        if subscription.protocol not in ("email", "email-json"):
            _MOTO_PUBLISH(subscription, message, message_id, **details)
        elif _is_wanted(subscription, message, details.get("message_attributes")):
            mailbox.put(_email(subscription, message, message_id, details))

    Subscription.publish = publish


def messages(state: State) -> list[Email]:
    """Read the e-mails of `state`, oldest first; a folder that does not exist holds none."""
    return [_read(path) for path in sorted(state.inbox.glob("*.eml"))]


class _Mailbox:
    """A folder that takes e-mails as files whose names sort in the order of their arrival."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._last = datetime.min.replace(tzinfo=UTC)

    def put(self, message: EmailMessage) -> None:
        """Write one e-mail; a reader finds it whole or not at all."""
        name = f"{self._next_moment():%Y%m%dT%H%M%S.%fZ}-{uuid.uuid4().hex[:8]}.eml"
        self._folder.mkdir(parents=True, exist_ok=True)
        unfinished = self._folder / f".{name}.part"
        unfinished.write_bytes(message.as_bytes(policy=email.policy.SMTP))
        unfinished.replace(self._folder / name)

    def _next_moment(self) -> datetime:
        with self._lock:
            self._last = max(datetime.now(UTC), self._last + _TICK)
            return self._last


def _is_wanted(subscription: Any, message: str, attributes: Mapping[str, Any] | None) -> bool:
    matcher = subscription._filter_policy_matcher  # noqa: SLF001 - moto keeps the compiled filter policy nowhere else
    return matcher is None or bool(matcher.matches(attributes, message))


def _email(subscription: Any, message: str, message_id: str, details: Mapping[str, Any]) -> EmailMessage:
    """Write the e-mail of one message; of a message with a JSON structure, the part for this protocol.

    A text with control characters is encoded: a terminal that shows the file gets none, a mail program reads them all.
    """
    if details.get("message_structure") == "json":
        parts = json.loads(message)
        message = parts.get(subscription.protocol, parts["default"])
    subject = details.get("subject")
    if subscription.protocol == "email-json":
        message = _as_json(subscription, message, message_id, details)
    mail = EmailMessage()
    mail["From"] = formataddr((_one_line(subscription.topic.display_name or "AWS Notifications"), _SENDER))
    mail["To"] = _one_line(subscription.endpoint)
    mail["Subject"] = _one_line(subject or DEFAULT_SUBJECT)
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = f"<{message_id}@{_SENDER.partition('@')[2]}>"
    mail["X-SNS-Topic-Arn"] = subscription.topic_arn
    mail.set_content(message, cte=None if visible(message) == message else "quoted-printable")
    return mail


def _one_line(header: str) -> str:
    """Return the text of a header: on one line, with control characters as escapes."""
    return visible(" ".join(header.split()))


def _as_json(subscription: Any, message: str, message_id: str, details: Mapping[str, Any]) -> str:
    """Give the JSON document that SNS posts, without the signature: there is no certificate to check it against."""
    document = {
        "Type": "Notification",
        "MessageId": message_id,
        "TopicArn": subscription.topic_arn,
        "Subject": details.get("subject"),
        "Message": message,
        "Timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "MessageAttributes": details.get("message_attributes"),
    }
    return json.dumps({key: value for key, value in document.items() if value}, indent=2)


def _read(path: Path) -> Email:
    mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    moment = datetime.strptime(path.name.partition("-")[0], "%Y%m%dT%H%M%S.%f%z")
    return Email(
        sent_at=moment,
        to=str(mail["To"]),
        subject=str(mail["Subject"]),
        topic=str(mail["X-SNS-Topic-Arn"]).strip(),  # a long header is folded onto a line of its own
        body=mail.get_content().replace("\r\n", "\n").removesuffix("\n"),
    )
