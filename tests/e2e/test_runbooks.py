"""The runbooks, typed into a shell as they stand: a local world takes the place of the account."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNBOOKS = ROOT / "docs/runbooks"
# A block that says `sh` is typed; one that says `sh aws` needs an account or a change of the code.
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.timeout(600)


def scripts() -> dict[str, str]:
    """Return what each runbook has to be typed, by its name."""
    found = {path.stem: "\n".join(BLOCK.findall(path.read_text())) for path in sorted(RUNBOOKS.glob("*.md"))}
    return {name: script for name, script in found.items() if script}


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return what a shell is told first, so that AWS is a local world with a few orders in the warehouse."""
    state = tmp_path_factory.mktemp("runbooks") / "state"

    def totelake(*arguments: str) -> str:
        command = [sys.executable, "-m", "ops.cli", *arguments, "--state", str(state)]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout

    try:
        totelake("up")
        totelake("seed", "--sales-orders", "50")
        totelake("run")
        yield totelake("env")
    finally:
        totelake("down", "--purge", "--yes")


@pytest.mark.parametrize("runbook", scripts())
def test_every_command_of_a_runbook_does_what_it_is_there_for(shell: str, runbook: str):
    """Typed by an operator at night, it has to run."""
    script = f"set -euo pipefail\n{shell}\n{scripts()[runbook]}"
    ended = subprocess.run(["bash"], input=script, capture_output=True, text=True, cwd=ROOT, timeout=300, check=False)
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    assert "FAILED" not in ended.stdout.split()
