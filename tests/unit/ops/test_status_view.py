"""The status on the terminal."""

from ops.cli.screen import Screen
from ops.cli.status_view import batches
from ops.sandbox.status import CommittedBatches


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
