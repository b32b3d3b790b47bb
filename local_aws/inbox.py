"""The local inbox: e-mails to SNS subscriptions are written to a folder, as files that any mail program can open.

A subscription of protocol `email` or `email-json` is confirmed immediately: on AWS its owner must follow a link in an
e-mail first. (Choice; moto never asks for a confirmation either.)
"""

import email
import email.policy
import json
import re
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, formataddr
from pathlib import Path
from typing import Any, ClassVar, override

from moto.sns.models import SNSBackend, Subscription

from local_aws import mounting
from local_aws.state import State
from local_aws.visible_text import visible

DEFAULT_SUBJECT = "AWS Notification Message"
"""The subject of an e-mail whose message was published without one, as on AWS."""

_ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w.-]+", re.ASCII)
_SENDER = "no-reply@sns.amazonaws.com"
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Email:
    """An e-mail that SNS delivered; `sent_at` is in UTC, `topic` is the topic's ARN."""

    sent_at: datetime
    to: str
    subject: str
    topic: str
    body: str


def mount(state: State) -> None:
    """Mount SNS, which delivers messages to e-mail subscriptions to the inbox of `state`."""
    mounting.mount("sns", backend=LocalSNSBackend, models=[EmailSubscription], mailbox=_Mailbox(state.inbox))


def messages(state: State) -> list[Email]:
    """Return the e-mails of `state`, oldest first; none when the folder does not exist."""
    return [_read(path) for path in sorted(state.inbox.glob("*.eml"))]


class _Mailbox:
    """A folder of e-mail files whose names sort in order of arrival."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._last = datetime.min.replace(tzinfo=UTC)

    def put(self, message: EmailMessage) -> None:
        """Write one e-mail atomically."""
        name = f"{self._next_timestamp():%Y%m%dT%H%M%S.%fZ}-{uuid.uuid4().hex[:8]}.eml"
        self._folder.mkdir(parents=True, exist_ok=True)
        unfinished = self._folder / f".{name}.part"
        unfinished.write_bytes(message.as_bytes(policy=email.policy.SMTP))
        unfinished.replace(self._folder / name)

    def _next_timestamp(self) -> datetime:
        """Return the current time, or one tick after the previous timestamp, so that timestamps are unique."""
        with self._lock:
            self._last = max(datetime.now(UTC), self._last + _TICK)
            return self._last


class EmailSubscription(Subscription):  # type: ignore[misc] # moto is not typed
    """A subscription of protocol `email` or `email-json`."""

    mailbox: _Mailbox

    @override
    def publish(
        self,
        message: str,
        message_id: str,
        subject: str | None = None,
        message_attributes: dict[str, Any] | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
        message_structure: str | None = None,
    ) -> None:
        """Deliver a message into the inbox, unless the filter policy rejects it."""
        if _passes_filter(self, message, message_attributes):
            details = {
                "subject": subject,
                "message_attributes": message_attributes,
                "message_structure": message_structure,
            }
            self.mailbox.put(_email(self, message, message_id, details))


class LocalSNSBackend(SNSBackend):  # type: ignore[misc] # moto is not typed
    """SNS whose e-mail subscriptions end in the local inbox."""

    mailbox: ClassVar[_Mailbox]

    @override
    def subscribe(self, topic_arn: str, endpoint: str, protocol: str) -> Subscription:
        """Make a subscription, or return the one that there is."""
        subscription = super().subscribe(topic_arn, endpoint, protocol)
        if protocol in ("email", "email-json"):
            subscription = mounting.specialized(subscription, EmailSubscription)
            subscription.mailbox = self.mailbox
        return subscription


def _passes_filter(subscription: Any, message: str, attributes: Mapping[str, Any] | None) -> bool:
    matcher = subscription._filter_policy_matcher  # noqa: SLF001 - moto has no public access to the compiled filter
    return matcher is None or bool(matcher.matches(attributes, message))


def _email(subscription: Any, message: str, message_id: str, details: Mapping[str, Any]) -> EmailMessage:
    """Return the e-mail for a message; for a message with JSON structure, its text for this protocol.

    A text with control characters is encoded as quoted-printable, so that the file can be shown on a terminal.
    """
    if details.get("message_structure") == "json":
        texts = json.loads(message)
        message = texts.get(subscription.protocol, texts["default"])
    subject = details.get("subject")
    if subscription.protocol == "email-json":
        message = _json_notification(subscription, message, message_id, details)
    mail = EmailMessage()
    mail["From"] = formataddr((_one_line(subscription.topic.display_name or "AWS Notifications"), _SENDER))
    mail["To"] = _recipient(subscription.endpoint)
    mail["Subject"] = _one_line(subject or DEFAULT_SUBJECT)
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = f"<{message_id}@{_SENDER.partition('@')[2]}>"
    mail["X-SNS-Topic-Arn"] = subscription.topic_arn
    message = message.encode(errors="backslashreplace").decode()  # surrogates, which UTF-8 lacks
    mail.set_content(message, cte=None if visible(message) == message else "quoted-printable")
    return mail


def _recipient(endpoint: str) -> str:
    """Return an endpoint as an address, or as a name without one: some texts that are no address cannot be parsed."""
    text = _one_line(endpoint)
    return text if _ADDRESS.fullmatch(text) else formataddr((text, ""))


def _one_line(header: str) -> str:
    """Return a header value on one line, with control characters and the start of encoded words escaped.

    A mail program would decode the words, to control characters or to another text; some of them cannot be decoded.
    """
    return visible(" ".join(header.split())).replace("=?", r"=\x3f")


def _json_notification(subscription: Any, message: str, message_id: str, details: Mapping[str, Any]) -> str:
    """Return SNS's notification document in JSON, without a signature, since there is no certificate to verify it."""
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
    return Email(
        sent_at=datetime.strptime(path.name.partition("-")[0], "%Y%m%dT%H%M%S.%f%z"),
        to=str(mail["To"]),
        subject=str(mail["Subject"]),
        topic=str(mail["X-SNS-Topic-Arn"]).strip(),  # a long header value is folded onto the next line
        body=mail.get_content().replace("\r\n", "\n").removesuffix("\n"),
    )
