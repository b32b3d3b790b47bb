"""The status on the screen."""

from ops.cli.screen import Screen
from ops.cli.status_view import batches
from ops.sandbox.status import Batches


def shown(quarantined):
    """Return what the screen shows of one processed batch."""
    batch = {"sequence": 7, "batch_id": "b-7", "rows": 1200, "quarantined": quarantined}
    console = Screen(width=120)
    with console.capture() as capture:
        console.print(batches({"processed": Batches(7, (batch,))}))
    return capture.get()


def test_a_batch_that_held_rows_back_says_so():
    """Nothing is withheld in silence."""
    assert "3 rows broke a rule and were held back; see: totelake quarantine" in shown(3)


def test_a_batch_that_held_nothing_back_does_not_mention_it():
    """Its rows are all there is to say."""
    assert "1,200" in shown(0)
    assert "held back" not in shown(0)
