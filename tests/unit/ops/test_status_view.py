"""The status on the terminal."""

import pytest

from ops.cli.screen import Screen
from ops.cli.status_view import batches, files, first_lines
from ops.sandbox.status import CommittedBatches, LiveFileCounts


def status_of(quarantined):
    """Return the terminal output for one processed batch."""
    batch = {"sequence": 7, "batch_id": "b-7", "rows": 1200, "quarantined": quarantined}
    console = Screen(width=120)
    with console.capture() as capture:
        console.print(batches({"processed": CommittedBatches(7, (batch,))}))
    return capture.get()


def test_status_counts_quarantined_rows():
    """With the command that shows them."""
    assert "3 rows broke a rule and were quarantined; see: totelake quarantine" in status_of(3)


def test_status_without_quarantined_rows_does_not_mention_them():
    """Only the row count."""
    assert "1,200" in status_of(0)
    assert "quarantine" not in status_of(0)


def test_status_counts_live_files_and_batches_to_compact():
    """Of each zone."""
    assert files(LiveFileCounts(1234, 16)) == "1,234 live files, 16 batches not compacted yet"
    assert files(LiveFileCounts(11, 1)) == "11 live files, 1 batch not compacted yet"


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ('{"alert": "A job failed.", "error": "KeyError: \\"a\\"\\n  at b"}', ["A job failed.", 'KeyError: "a"']),
        ("An alarm.\nIts reason.\nMore.", ["An alarm.", "Its reason."]),
        ('{\n"other": 1\n}', ["{", '"other": 1']),
        ("7", ["7"]),
    ],
)
def test_first_lines_of_an_alert_are_its_alert_and_its_error(body, lines):
    """Whether it is JSON, as those about jobs, or text, as those of alarms."""
    assert first_lines(body) == lines
