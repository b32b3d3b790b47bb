"""Untrusted text is printed literally: never as markup, and never as control sequences of the terminal."""

import email
import email.policy
import json
import logging
import socket
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO
from types import SimpleNamespace

import boto3
import pytest
import typer
from moto import mock_aws

from local_aws import inbox
from local_aws.state import State
from local_aws.visible_text import visible
from ops.cli import (
    compaction,
    demonstration,
    lake_check,
    lake_query,
    lineage_view,
    log_view,
    rebuilds,
    reconciliation,
    records,
    run_view,
    screen,
    source_data,
    status_view,
    workflow_runs,
)
from ops.cli import dashboard as dashboard_view
from ops.cli.commands import jobs, sandbox, warehouse
from ops.deploy import __main__ as delivery
from ops.deploy.errors import DeployError
from ops.sandbox import deployment, lifecycle, workflow_run
from ops.sandbox.endpoint import LogFormatter
from ops.sandbox.errors import SandboxError
from ops.sandbox.job_logs import LogLine
from ops.sandbox.job_run import FinishedJobRun
from ops.sandbox.lake import CatalogRelation, QueryResult
from ops.sandbox.settings import SandboxSettings
from ops.sandbox.status import CommittedBatches, LiveFileCounts, Status
from ops.sandbox.workflow_run import ActionState, ActionSummary, WorkflowRunSummary
from totelake.lake import history, quarantine
from totelake.lake.history import RecordVersion
from totelake.lake.quarantine import RuleViolation
from totelake.verify.findings import Finding, Kind, Report

HOSTILE = {
    "[/red]": "[/red]",
    "[bold]x[/bold]": "[bold]x[/bold]",
    "[link=http://evil.example]x[/link]": "[link=http://evil.example]x[/link]",
    ":smile:": ":smile:",
    "\x1b[31mred": r"\x1b[31mred",
    "\x1b]52;c;cm0=\x07": r"\x1b]52;c;cm0=\x07",
    "\x1b]8;;http://evil.example\x1b\\x": "\\x1b]8;;http://evil.example\\x1b\\x",
    "\x9b31mred": r"\x9b31mred",
    "paid\rfree": r"paid\rfree",
    "ab\b\x7fc": r"ab\x08\x7fc",
    "\u202egpj.exe": r"\u202egpj.exe",
    "a\u2066b\u2069\u200b": r"a\u2066b\u2069\u200b",
    "a\u2028b\x85c": r"a\u2028b\x85c",
}
"""Text in rows, names or messages, and its representation on a terminal."""

PAGES = (
    *(
        lake_query,
        source_data,
        *(jobs, sandbox, warehouse),
        dashboard_view,
        compaction,
        demonstration,
        lake_check,
        lineage_view,
        log_view,
        rebuilds,
        reconciliation,
    ),
    *(records, run_view, workflow_runs, screen, status_view),
)
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
PLACE = (State.__new__(State), SandboxSettings(1, 2, {}))


@pytest.fixture
def terminal(monkeypatch) -> Callable[[], str]:
    """Replace the screen by a terminal without colours; return a function that returns its output."""
    shown = StringIO()
    shown.isatty = lambda: True
    console = screen.Screen(force_terminal=True, color_system=None, width=500, file=shown)
    for module in PAGES:
        for name in ("console", "error_console"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, console)
    for module in (screen, delivery):
        monkeypatch.setattr(module, "sys", SimpleNamespace(stdout=shown, stderr=shown))
    made = {"prefix": "totelake", "buckets": {"ingested": "i", "processed": "p"}, "athena_workgroup": "w"}
    made |= {"databases": {}, "workflow": "workflow", "crawl": "crawl", "jobs": {}}
    monkeypatch.setattr(deployment, "outputs", lambda _state: made)
    return shown.getvalue


class FakeLake:
    """A fake lake in which every name and value is the same text."""

    def __init__(self, text: str) -> None:
        """Create a result and a relation of the text."""
        column = {"Name": text, "Type": text, "Comment": text}
        self.answer = QueryResult({text: text, "other": "varchar"}, [(text, text)], 0, 0.0)
        self.its_relation = CatalogRelation(text, text, text, is_view=False, columns=[column], partition_keys=[column])

    def query(self, _sql: str) -> QueryResult:
        """Return a result of the text."""
        return self.answer

    def relation(self, _name: str) -> CatalogRelation:
        """Return the relation of the text."""
        return self.its_relation

    def relations(self) -> list[CatalogRelation]:
        """Return the relation of the text."""
        return [self.its_relation]

    def rows(self, _relation: CatalogRelation) -> int:
        """Return a number of rows."""
        return 1

    partitions = rows


def failed_run(text: str) -> WorkflowRunSummary:
    """Return a run of one action whose names and errors are the text."""
    action = ActionSummary(text, "job", ActionState.FAILED, attempt="jr_1", error=text)
    return WorkflowRunSummary(text, "ERROR", NOW, NOW, (action,), error=text)


def status_of(text: str) -> Status:
    """Return a status in which every name and message is the text."""
    batch = {"sequence": 1, "batch_id": text, "rows": 1, "quarantined": 1}
    alert = {"sent_at": NOW, "to": text, "subject": text, "topic": text, "body": text}
    alarm = {"name": text, "since": NOW, "reason": text}
    zones, rows = {text: CommittedBatches(1, (batch,))}, {text: {text: 1}}
    run, files = failed_run(text), {text: LiveFileCounts(1, 1)}
    return Status(text, "w", (text,), (run,), zones, rows, None, (alert,), {text: NOW}, (alarm,), files)


def show_history(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Show two versions of a record."""
    versions = [RecordVersion(1, text, text, deleted=False, values={text: text, "b": number}) for number in (1, text)]
    monkeypatch.setattr(history, "versions", lambda *_: versions)
    records.show_history(*PLACE, text, 1, as_json=False)


def show_quarantine(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Show a quarantined row."""
    monkeypatch.setattr(quarantine, "violations", lambda *_: [RuleViolation(text, 1, text, text, text, 1, text)])
    records.show_quarantine(*PLACE, as_json=False)


def show_lake(show: Callable[[], None]) -> Callable[[str, pytest.MonkeyPatch], None]:
    """Return a view of a lake of the text."""

    def shown(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lake_query, "_lake", lambda *_: FakeLake(text))
        show()

    return shown


def show_reconciled(text: str, _: pytest.MonkeyPatch) -> None:
    """Show the differences of a table."""
    finding = {"what": text, "reason": None, "rows": 1, "keys": [text], "columns": [text]}
    explained = finding | {"reason": text}
    counts = {"rows_in_totesys": 1, "rows_in_warehouse": 1, "differences": 1}
    screen.console.print(reconciliation.table([{"table": text, **counts, "findings": [finding, explained]}]))


def show_run_line_by_line(text: str, _: pytest.MonkeyPatch) -> None:
    """Show a run in the format without a terminal."""
    run_view._StateChangePrinter("totelake")(failed_run(text))


def show_failed_run(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Follow a run that fails, and show the end of its error log."""
    monkeypatch.setattr(workflow_runs.aws, "client", lambda *_: None)
    monkeypatch.setattr(workflow_runs, "_workflow_of", lambda *_: "workflow")
    monkeypatch.setattr(workflow_run, "follow", lambda *_: failed_run(text))
    monkeypatch.setattr(workflow_run, "log_lines", lambda *_: [text])
    workflow_runs.follow(*PLACE, "wr_1")


def show_failed_job(text: str, _: pytest.MonkeyPatch) -> None:
    """Report a failed job."""
    with pytest.raises(typer.Exit):
        workflow_runs.exit_with_failure(text, FinishedJobRun("jr_1", text, text, ()))


def show_error(error: Exception) -> Callable[[str, pytest.MonkeyPatch], None]:
    """Return a view of an error of the class `error`."""

    def shown(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lifecycle, "require", lambda _state: None)
        state = State.__new__(State)
        monkeypatch.setattr(screen, "_log_traceback", lambda _state: text)
        with pytest.raises(typer.Exit), screen.report_errors(state):
            raise error(text)

    return shown


def show_rejected_command(text: str, _: pytest.MonkeyPatch) -> None:
    """Reject a command."""
    with pytest.raises(typer.Exit):
        screen.refuse(text)


def show_steps(text: str, _: pytest.MonkeyPatch) -> None:
    """Show a step with its progress."""
    with screen.steps() as step, step(text) as tell:
        tell(text)


def show_compacted(text: str, _: pytest.MonkeyPatch) -> None:
    """Show a merged table."""
    screen.console.print(compaction.table([{"table": text, "rows": 1, "bytes": 1}], {}, {}))


def show_damage(text: str, _: pytest.MonkeyPatch) -> None:
    """Show a finding about an object of the lake."""
    lake_check.show(Report([Finding(text, Kind.ORPHAN, text, text)], Counter({text: 1})))


def show_delivery_error(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a delivery with an error."""

    def fail(*_: object) -> None:
        raise DeployError(text)

    monkeypatch.setitem(delivery._STAGES, "plan", fail)
    assert delivery.main(["plan", "dev"]) == 1


VIEWS = {
    "history": show_history,
    "quarantine": show_quarantine,
    "query": show_lake(lambda: lake_query.query(*PLACE, "SELECT 1", "table")),
    "query --output csv": show_lake(lambda: lake_query.query(*PLACE, "SELECT 1", "csv")),
    "tables": show_lake(lambda: lake_query.tables(*PLACE)),
    "describe": show_lake(lambda: lake_query.describe(*PLACE, "sale")),
    "status": lambda text, _: status_view.show(status_of(text)),
    "reconcile": show_reconciled,
    "compact": show_compacted,
    "verify": show_damage,
    "run": lambda text, _: screen.console.print(run_view.table("totelake", failed_run(text))),
    "run, line by line": show_run_line_by_line,
    "follow": show_failed_run,
    "rebuild": show_failed_job,
    "logs": lambda text, _: log_view._print([LogLine(NOW, text, text)], 6),
    "lineage": lambda text, _: screen.console.print(
        lineage_view._table(
            {"column": text, "description": text, "from": text, "how": text, "types": {text: text}}
            | {"nullable": True, "references": text, "rules": {text: text}}
        )
    ),
    "our error": show_error(SandboxError),
    "another error": show_error(ValueError),
    "refusal": show_rejected_command,
    "steps": show_steps,
    "heading": lambda text, _: demonstration._heading(text),
    "delivery": show_delivery_error,
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_view_prints_untrusted_text_literally(terminal, monkeypatch, view, text):
    """Markup is printed as text, and control characters as escape sequences."""
    VIEWS[view](text, monkeypatch)

    shown = terminal()
    assert HOSTILE[text] in shown
    if HOSTILE[text] != text:
        assert text not in shown
        for character in set(text) - set(HOSTILE[text]) - {"\x1b", "\r"}:  # which move the cursor
            assert character not in shown


def test_line_feed_in_a_value_stays_within_its_cell(terminal, monkeypatch):
    """The second line is inside the borders of the table."""
    show_quarantine("first\nsecond", monkeypatch)

    (line,) = [line for line in terminal().splitlines() if "second" in line]
    assert line.startswith("│")


def test_csv_and_logs_are_unchanged_in_a_pipe(monkeypatch, capsys):
    """Programs get the values with all control characters."""
    monkeypatch.setattr(lake_query, "_lake", lambda *_: FakeLake("\x1b[31m[/red]\x9b\u202e"))
    lake_query.query(*PLACE, "SELECT 1", "csv")
    log_view._print([LogLine(NOW, "ingest", "\x1b[31m[/red]\x9b\u202e")], 0)

    expected = "\x1b[31m[/red]\x9b\u202e"
    assert capsys.readouterr().out == f"{expected},other\n{expected},{expected}\n{expected}\n"


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_json_output_escapes_control_characters(capsys, text):
    """With JSON's own escapes, on a terminal and in a pipe."""
    screen.print_json([{text: text}])

    printed = capsys.readouterr().out
    assert json.loads(printed) == [{text: text}]
    assert printed.replace("\n", "").isprintable()
    assert printed.isascii()


def test_logged_traceback_has_no_control_characters(terminal, monkeypatch, tmp_path):
    """The log may be read on a terminal."""
    state = State(tmp_path)
    SandboxSettings(1, 2, {}).save(state)
    monkeypatch.setattr(lifecycle, "require", lambda _state: None)
    with pytest.raises(typer.Exit), screen.report_errors(state):
        raise ValueError("\x1b]52;c;cm0=\x07")

    assert r"ValueError: \x1b]52;c;cm0=\x07" in (state.logs / "totelake.log").read_text()


@pytest.mark.parametrize("path", ["/%E2%80%AEtxt", "/%C2%9B31m", "/%0Aforged", "/%1B[31m", "/\u202etxt", "/\x1b[31m"])
def test_endpoint_logs_a_refused_request_on_one_line_without_control_characters(target, caplog, path):
    """Refused requests are logged too, and need no key."""
    caplog.set_level(logging.INFO, "werkzeug")
    with socket.create_connection(("127.0.0.1", target.port)) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\n\r\n".encode())
        assert b"403" in connection.recv(4096)

    printed = [LogFormatter("%(levelname)s %(message)s").format(record) for record in caplog.records]
    assert [line.isprintable() for line in printed] == [True]


def test_message_forges_no_line_of_the_endpoint_log():
    """Line feeds in a message are escaped; those of a traceback are kept."""
    try:
        pytest.fail("a\x1b]0;x\x07b")
    except pytest.fail.Exception:
        error = sys.exc_info()
    record = logging.LogRecord("x", logging.ERROR, "", 0, "failed: %s", ("no\n2026 INFO all is well\u202e",), error)

    first, *rest = LogFormatter("%(levelname)s %(message)s").format(record).split("\n")

    assert first == r"ERROR failed: no\n2026 INFO all is well\u202e"
    assert rest[0].startswith("Traceback")
    assert rest[-1] == r"Failed: a\x1b]0;x\x07b"


def test_log_lines_are_split_at_line_feeds_only():
    """Other characters in a message cannot forge a line of another job."""
    forged = "a\x0bload | ok\x1cb\x85c\u2028d"

    assert workflow_run.lines_of(f"{forged}\r\nnext\n") == [forged, "next"]


@pytest.mark.parametrize("line", ["{not JSON", '{"event": "table_', "[" * 10, '{"a":' * 200_000])
def test_invalid_json_line_is_ignored(line):
    """A job may print anything; commands that read its counts do not fail."""
    assert workflow_run.parsed_line(line) == {}


@pytest.fixture
def mailbox(tmp_path) -> State:
    """Return the state folder whose inbox receives messages to e-mail subscriptions."""
    state = State(tmp_path / "world")
    inbox.mount(state)
    return state


def test_email_headers_have_one_line_and_no_control_characters(mailbox):
    """Line breaks in a subject or an address do not start a new header; the body is unchanged."""
    body = "\x1b]52;c;cm0=\x07 \x9b31m \u202egpj\nsecond line"
    with mock_aws():
        sns = boto3.client("sns", "eu-west-2", aws_access_key_id="local", aws_secret_access_key="local")
        topic = sns.create_topic(Name="alerts", Attributes={"DisplayName": "ops\r\nX-Name: forged"})["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="a@example.com\r\nBcc: b@example.com")
        sns.publish(TopicArn=topic, Subject="late\r\nX-Subject: forged \x1b[31m\u202e", Message=body)

    (path,) = mailbox.inbox.glob("*.eml")
    content = path.read_bytes()
    mail = email.message_from_bytes(content, policy=email.policy.default)
    assert mail["Subject"] == r"late X-Subject: forged \x1b[31m\u202e"
    assert {"Bcc", "X-Subject", "X-Name"}.isdisjoint(mail.keys())
    assert content.isascii()
    assert content.decode().replace("\r\n", "").isprintable()
    assert [message.body for message in inbox.messages(mailbox)] == [body]


def test_alarm_name_cannot_forge_an_email_header(mailbox):
    """The name may be chosen by any user that can create alarms."""
    topic = SimpleNamespace(display_name=None)
    subscription = SimpleNamespace(topic=topic, topic_arn="arn:t", endpoint="a@example.com", protocol="email")

    mail = inbox._email(subscription, "text", "1", {"subject": 'ALARM: "\nBcc: b@example.com\x07"'})

    assert mail["Subject"] == r'ALARM: " Bcc: b@example.com\x07"'
    assert mail["Bcc"] is None


ENCODED_WORDS = (
    "=?utf-8?q?=0A=1b[31mAll_OK?=",  # a line feed and an escape sequence
    "=?utf-7?q?+2AA-?=",  # a surrogate, with which the e-mail could not be written
    "=?unknown-8bit?q?=ff?=\u00e9",
    "=?rot13?q?nop?=",
)


@pytest.mark.parametrize("text", ENCODED_WORDS)
def test_encoded_words_in_email_headers_are_shown_literally(mailbox, text: str):
    """A mail program would decode them to another text, with control characters, which was checked before."""
    with mock_aws():
        sns = boto3.client("sns", "eu-west-2", aws_access_key_id="local", aws_secret_access_key="local")
        topic = sns.create_topic(Name="alerts", Attributes={"DisplayName": text})["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="a@example.com")
        sns.publish(TopicArn=topic, Subject=text, Message="late")

    (path,) = mailbox.inbox.glob("*.eml")
    mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    literal = text.replace("=?", r"=\x3f")
    assert mail["Subject"] == literal
    assert mail["From"].addresses[0].display_name == literal
    assert [message.subject for message in inbox.messages(mailbox)] == [literal]


@pytest.mark.parametrize("endpoint", ["group:;x", "=?utf-8?q?x=0A?=@b>", "@b=?x[", "not an address", "", "\u00e9@b"])
def test_invalid_email_address_prevents_no_alert(mailbox, endpoint: str):
    """Neither for the other subscriptions of the topic, nor later for a reader of the inbox."""
    with mock_aws():
        sns = boto3.client("sns", "eu-west-2", aws_access_key_id="local", aws_secret_access_key="local")
        topic = sns.create_topic(Name="alerts")["TopicArn"]
        for each in (endpoint, "ops@example.com"):
            sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=each)
        sns.publish(TopicArn=topic, Message=json.dumps({"default": "late \ud800"}), MessageStructure="json")

    messages = inbox.messages(mailbox)
    assert [message.to for message in messages][1:] == ["ops@example.com"]
    assert {message.body for message in messages} == {r"late \ud800"}


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("kind", [ValueError, lambda text: SimpleNamespace(text=text), lambda text: [text]])
def test_objects_are_printed_as_their_escaped_string(terminal, text: str, kind: Callable[[str], object]):
    """Such as an error with untrusted text in its message."""
    screen.console.print("before", kind(text), sep="|")

    assert terminal() == f"before|{visible(str(kind(text)))}\n"
