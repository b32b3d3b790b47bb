"""The commands of the runbooks, run in a shell against a local environment in place of an account."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNBOOKS = ROOT / "docs/runbooks"
# A block marked `sh` is run; one marked `sh aws` needs an account or a change of the code.
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)

# What is run after the commands of a runbook.
AFTERWARDS = {"first-day": f"{sys.executable} -m ops.deploy verify local"}

pytestmark = pytest.mark.timeout(600)


def scripts() -> dict[str, str]:
    """Return the commands of each runbook by its name."""
    scripts_by_name = {path.stem: "\n".join(BLOCK.findall(path.read_text())) for path in sorted(RUNBOOKS.glob("*.md"))}
    return {name: script for name, script in scripts_by_name.items() if script}


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return shell commands that select a local environment with a few orders in its warehouse."""
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
def test_every_command_of_a_runbook_runs(shell: str, runbook: str):
    """In a shell that stops at the first error."""
    script = f"set -euo pipefail\n{shell}\n{scripts()[runbook]}\n{AFTERWARDS.get(runbook, '')}"
    ended = subprocess.run(["bash"], input=script, capture_output=True, text=True, cwd=ROOT, timeout=300, check=False)
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    assert "FAILED" not in ended.stdout.split()
