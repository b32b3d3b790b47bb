"""How a machine comes by a browser: `bin/browser` with programs that stand for those of a machine."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NO_PLAYWRIGHT = "exit 1"
ROOT_USER, SOMEBODY = "echo 0", "echo 1000"


class Machine:
    """A machine with the programs that a test puts on it, and nothing else."""

    def __init__(self, folder: Path) -> None:
        """Put the script there, and what it is written in."""
        self.folder = folder
        for name in ("bin", "clone/bin", "clone/.venv/bin"):
            (folder / name).mkdir(parents=True)
        shutil.copy(ROOT / "bin" / "browser", folder / "clone" / "bin")
        for name in ("sh", "dirname", "touch", "chmod"):
            (folder / "bin" / name).symlink_to(shutil.which(name))

    def has(self, name: str, script: str, place: str = "bin") -> None:
        """Put a shell script on the machine."""
        path = self.folder / place / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def find_a_browser(self) -> tuple[int, str, str]:
        """Run the script and return exit status, what it said and what it complained of."""
        environment = {"PATH": str(self.folder / "bin")}
        command = [self.folder / "clone" / "bin" / "browser"]
        ended = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
        return ended.returncode, ended.stdout, ended.stderr


@pytest.fixture
def machine(tmp_path):
    """Make a machine without a browser, and with a Playwright that can install none."""
    machine = Machine(tmp_path)
    machine.has("python", NO_PLAYWRIGHT, "clone/.venv/bin")
    return machine


def test_a_browser_that_is_there_is_taken_in_silence(machine):
    """Nothing is installed."""
    machine.has("google-chrome", "true")

    assert machine.find_a_browser() == (0, "", "")


def test_playwright_brings_its_own(machine):
    """Its answer to whether it has one is no before, and yes after."""
    mark = machine.folder / "installed"
    machine.has("python", f'[ "$1" = -c ] && {{ [ -e {mark} ]; exit $?; }}; touch {mark}', "clone/.venv/bin")

    status, said, complaint = machine.find_a_browser()

    assert (status, complaint) == (0, "")
    assert said.startswith("Installing a browser")


def test_debian_brings_one_to_its_superuser_with_newer_lists_where_it_must(machine):
    """The first attempt fails on a machine that has no lists of packages."""
    updated, program = machine.folder / "updated", machine.folder / "bin" / "chromium"
    machine.has("id", ROOT_USER)
    machine.has(
        "apt-get", f"[ $1 = update ] && exec touch {updated}; [ -e {updated} ] && touch {program} && chmod +x {program}"
    )

    assert machine.find_a_browser()[0] == 0


def test_who_may_not_install_is_told_what_to_install(machine):
    """In one sentence; apt-get is not asked."""
    machine.has("id", SOMEBODY)
    machine.has("apt-get", f"touch {machine.folder / 'asked'}")

    status, _, complaint = machine.find_a_browser()

    assert status == 1
    assert "install Chromium or Google Chrome" in complaint
    assert not (machine.folder / "asked").exists()
