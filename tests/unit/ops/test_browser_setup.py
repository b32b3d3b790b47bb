"""Installation of a browser by `bin/browser`, with shell scripts in place of the machine's programs."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
NO_PLAYWRIGHT = "exit 1"
ROOT_USER, OTHER_USER = "echo 0", "echo 1000"


class BrowserMachine:
    """A machine that has only the programs that a test puts on it."""

    def __init__(self, folder: Path) -> None:
        """Create the folders, the script and the programs that it uses."""
        self.folder = folder
        for name in ("bin", "clone/bin", "clone/.venv/bin"):
            (folder / name).mkdir(parents=True)
        shutil.copy(ROOT / "bin" / "browser", folder / "clone" / "bin")
        for name in ("sh", "dirname", "touch", "chmod"):
            (folder / "bin" / name).symlink_to(shutil.which(name))

    def add(self, name: str, script: str, folder: str = "bin") -> None:
        """Put a shell script on the machine."""
        path = self.folder / folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def run_script(self) -> tuple[int, str, str]:
        """Run the script and return exit status, stdout and stderr."""
        environment = {"PATH": str(self.folder / "bin")}
        command = [self.folder / "clone" / "bin" / "browser"]
        ended = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
        return ended.returncode, ended.stdout, ended.stderr


@pytest.fixture
def machine(tmp_path):
    """Return a machine without a browser, whose Playwright cannot install one."""
    machine = BrowserMachine(tmp_path)
    machine.add("python", NO_PLAYWRIGHT, "clone/.venv/bin")
    return machine


def test_existing_browser_is_used_without_output(machine):
    """Nothing is installed."""
    machine.add("google-chrome", "true")

    assert machine.run_script() == (0, "", "")


def test_browser_is_installed_by_playwright(machine):
    """Playwright reports no browser before the installation and one after."""
    installed = machine.folder / "installed"
    machine.add("python", f'[ "$1" = -c ] && {{ [ -e {installed} ]; exit $?; }}; touch {installed}', "clone/.venv/bin")

    status, output, error = machine.run_script()

    assert (status, error) == (0, "")
    assert output.startswith("Installing a browser")


def test_root_on_debian_installs_chromium_and_updates_the_package_lists_if_needed(machine):
    """The first attempt fails on a machine without package lists."""
    updated, program = machine.folder / "updated", machine.folder / "bin" / "chromium"
    machine.add("id", ROOT_USER)
    machine.add(
        "apt-get", f"[ $1 = update ] && exec touch {updated}; [ -e {updated} ] && touch {program} && chmod +x {program}"
    )

    assert machine.run_script()[0] == 0


def test_user_without_root_is_told_which_browser_to_install(machine):
    """In one sentence, and without a call of apt-get."""
    machine.add("id", OTHER_USER)
    machine.add("apt-get", f"touch {machine.folder / 'called'}")

    status, _, error = machine.run_script()

    assert status == 1
    assert "install Chromium or Google Chrome" in error
    assert not (machine.folder / "called").exists()
