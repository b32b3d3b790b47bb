"""The chaos command with few histories."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"


def chaos(*arguments, timeout=500):
    """Run the command and return the completed process."""
    command = [sys.executable, "-m", "tests.chaos", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)


def test_histories_with_kills_and_double_starts_pass():
    """The page of the last full run is not changed."""
    before = PAGE.read_bytes() if PAGE.exists() else None

    ended = chaos("--histories", "6", "--seed", "7", "--interleavings", "0")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(r"6 histories, [1-9]\d* kills", ended.stdout)
    assert "'ingest: CommitConflictError': 1, 'transform: CommitConflictError': 1" in ended.stdout
    assert "'load: AlreadyRunningError': 1" in ended.stdout
    assert (PAGE.read_bytes() if PAGE.exists() else None) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--histories", "0"), "--histories 0: at least one history is needed"),
        (("--minutes", "0"), "--minutes 0: must be greater than 0"),
        (("--minutes", "5", "--replay", "3"), "argument --replay: not allowed with argument --minutes"),
    ],
)
def test_invalid_number_is_rejected(arguments, message):
    """In one line, before anything runs."""
    ended = chaos(*arguments)

    assert ended.returncode == 2
    assert message in ended.stderr
