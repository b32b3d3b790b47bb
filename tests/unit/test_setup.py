"""The check of the tools, before there is any Python: one clear sentence for what is missing."""

import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("sh", "sed", "cat", "cksum", "dirname", "rm")
JAVA_17 = """echo 'openjdk version "17.0.15" 2025-04-15' >&2"""
TERRAFORM = "echo 'Terraform v1.11.4'"
PYTHON = f'exec "{sys.executable}" "$@"'


@dataclass
class Machine:
    """A machine with the programs that a test puts on it, and nothing else."""

    root: Path
    variables: dict[str, str] = field(default_factory=dict)

    def has(self, **programs: str) -> None:
        """Put shell scripts on the PATH, by the names of the programs (`_` stands for a point)."""
        for name, script in programs.items():
            write(self.root / "bin" / name.replace("_", "."), script)

    def check(self) -> tuple[int, str]:
        """Check the tools and return exit status and what was said."""
        command = [self.root / "clone" / "bin" / "setup", "--check"]
        environment = {"PATH": str(self.root / "bin"), "HOME": str(self.root), **self.variables}
        ended = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
        assert ended.stdout == ""
        return ended.returncode, ended.stderr


def write(path: Path, script: str) -> None:
    """Write a shell script that can be run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path):
    """Make a machine with all that is needed, and a clone without a virtual environment."""
    (tmp_path / "clone" / "bin").mkdir(parents=True)
    (tmp_path / "clone" / "terraform").mkdir()
    shutil.copy(ROOT / "bin" / "setup", tmp_path / "clone" / "bin")
    shutil.copy(ROOT / "terraform" / "versions.tf", tmp_path / "clone" / "terraform")
    machine = Machine(tmp_path)
    machine.has(java=JAVA_17, terraform=TERRAFORM, python3_13=PYTHON)
    for name in NEEDED:
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    return machine


def test_a_machine_with_everything_is_told_nothing(machine):
    """No news is good news."""
    assert machine.check() == (0, "")


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("java", "Java is missing: install a JDK of version 17 or later"),
        ("terraform", "Terraform is missing: install it"),
        ("python3.13", "Python 3.13 is missing (with its modules venv and ensurepip), and so is uv"),
    ],
)
def test_a_missing_tool_is_named_in_one_sentence(machine, program, said):
    """With how to get it."""
    (machine.root / "bin" / program).unlink()

    status, sentence = machine.check()

    assert status == 1
    assert sentence.startswith(f"totelake: {said}")
    assert "https://" in sentence
    assert sentence.count("\n") == 1


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ('java version "1.8.0_402"', "Java 1.8.0_402 is too old"),
        ('openjdk version "11.0.22" 2024-01-16', "Java 11.0.22 is too old"),
        ('openjdk version "17" 2021-09-14', ""),
        ('openjdk version "21-ea" 2023-09-19', ""),
        ('openjdk version "25.0.1" 2025-10-21 LTS', ""),
        ('Picked up JAVA_TOOL_OPTIONS: -Dx=y\nopenjdk version "17.0.15" 2025-04-15', ""),
        ("no version at all", "Java did not tell its version"),
    ],
)
def test_java_has_to_be_17_or_later(machine, version, told):
    """In all the ways in which JDKs write their version."""
    machine.has(java=f"cat >&2 <<'.'\n{version}\n.")

    status, sentence = machine.check()

    assert (status, told in sentence, bool(sentence)) == (bool(told), True, bool(told))


def test_a_java_that_only_asks_to_be_installed_is_none(machine):
    """As macOS has it."""
    machine.has(java="echo 'Unable to locate a Java Runtime.' >&2; exit 1")

    assert "Java is missing" in machine.check()[1]


def test_java_home_wins_over_the_path(machine):
    """It is what Spark itself takes."""
    write(machine.root / "old" / "bin" / "java", "echo 'java version \"1.8.0_402\"' >&2")
    machine.variables["JAVA_HOME"] = str(machine.root / "old")

    assert "Java 1.8.0_402 is too old" in machine.check()[1]


def test_a_java_home_without_java_is_named(machine):
    """A stale variable is hard to find otherwise."""
    machine.variables["JAVA_HOME"] = "/nowhere"

    assert "JAVA_HOME is /nowhere, where there is no bin/java" in machine.check()[1]


def test_an_old_terraform_is_told_what_is_asked_for(machine):
    """The least version stands in the configuration only."""
    machine.has(terraform="echo 'Terraform v1.5.7'")

    assert "Terraform 1.5.7 is older than 1.11" in machine.check()[1]


def test_a_shim_that_runs_no_python_is_not_taken_for_one(machine):
    """A shim of pyenv stands on the PATH also where its version is not chosen."""
    machine.has(python3_13="echo 'pyenv: python3.13: command not found' >&2; exit 127")

    assert "Python 3.13 is missing" in machine.check()[1]


def test_a_version_that_pyenv_has_but_has_not_chosen_is_found(machine):
    """It is there, so nobody has to choose it first."""
    machine.has(python3_13="exit 127")
    write(machine.root / ".pyenv" / "versions" / "3.13.0" / "bin" / "python3.13", PYTHON)

    assert machine.check() == (0, "")


def test_another_python_will_not_do(machine):
    """The jobs run on the version that Glue has."""
    (machine.root / "bin" / "python3.13").unlink()
    machine.has(python3='case "$*" in *version_info*) exit 1;; esac')

    assert "Python 3.13 is missing" in machine.check()[1]


def test_uv_is_enough_without_python(machine):
    """It brings one."""
    (machine.root / "bin" / "python3.13").unlink()
    machine.has(uv="echo 'uv 0.9.0'")

    assert machine.check() == (0, "")


def test_all_that_is_missing_is_told_at_once(machine):
    """Nobody wants to find out one by one."""
    for program in ("java", "terraform"):
        (machine.root / "bin" / program).unlink()

    status, said = machine.check()

    assert (status, len(said.splitlines())) == (1, 2)
