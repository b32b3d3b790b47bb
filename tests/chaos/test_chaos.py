"""The command that proves it, with fewer histories than for the page."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_NEVER_WRITTEN = ROOT / "docs" / "reliability.md"


def chaos(*arguments, timeout=500):
    """Run the command and return how it ended."""
    command = [sys.executable, "-m", "tests.chaos", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)


def test_a_few_histories_with_kills_and_double_starts_end_right():
    """All three proofs, and the page of the last full run stays as it is."""
    before = _NEVER_WRITTEN.read_bytes() if _NEVER_WRITTEN.exists() else None

    ended = chaos("--histories", "6", "--seed", "7", "--interleavings", "0")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(r"6 histories, [1-9]\d* kills", ended.stdout)
    assert "'ingest: CommitConflictError': 1, 'transform: CommitConflictError': 1" in ended.stdout
    assert "'load: AlreadyRunningError': 1" in ended.stdout
    assert (_NEVER_WRITTEN.read_bytes() if _NEVER_WRITTEN.exists() else None) == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--histories", "0"), "--histories 0: at least one history is needed"),
        (("--minutes", "0"), "--minutes 0: some time is needed"),
        (("--minutes", "5", "--replay", "3"), "argument --replay: not allowed with argument --minutes"),
    ],
)
def test_a_number_that_is_none_is_refused(arguments, told):
    """In one line, at once."""
    ended = chaos(*arguments)

    assert ended.returncode == 2
    assert told in ended.stderr
