"""Java and Terraform that were fetched are used before the machine's."""

import pytest

from local_aws import spark, toolchain
from local_aws.state import State
from ops.deploy.terraform import process


@pytest.fixture
def fetched(tmp_path):
    """Make a folder with both programs, as `bin/setup` leaves them."""
    for program, said in {"java/bin/java": "", "terraform/terraform": '"terraform_version": "1.11.4"'}.items():
        file = tmp_path / "venv" / program
        file.parent.mkdir(parents=True)
        file.write_text(f"#!/bin/sh\necho '{said}'\n")
        file.chmod(0o755)
    return tmp_path / "venv"


def test_without_a_fetched_one_the_machines_is_used(tmp_path):
    """No folder, no program."""
    assert (toolchain.java_home(tmp_path), toolchain.terraform(tmp_path)) == (None, None)


def test_every_spark_gets_the_fetched_java(fetched, tmp_path, monkeypatch):
    """Whatever JAVA_HOME says: it was found to be none that will do."""
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    monkeypatch.setattr(toolchain, "java_home", lambda: fetched / "java")

    assert spark.environment(State(tmp_path))["JAVA_HOME"] == str(fetched / "java")
    assert spark.makers(tmp_path / "none.jar")["java"] == str(fetched / "java")


def test_the_machines_java_is_left_to_the_environment(tmp_path, monkeypatch):
    """Spark finds it by JAVA_HOME or on the PATH."""
    monkeypatch.setattr(toolchain, "java_home", lambda: None)

    assert "JAVA_HOME" not in spark.environment(State(tmp_path))


def test_classes_are_archived_only_by_a_java_that_can(fetched, monkeypatch):
    """One that has no archive of its own classes makes none of Spark's."""
    monkeypatch.setattr(toolchain, "java_home", lambda: fetched / "java")
    assert not spark.can_archive()
    (fetched / "java/lib/server").mkdir(parents=True)
    (fetched / "java/lib/server/classes.jsa").touch()
    assert spark.can_archive()


def test_the_fetched_terraform_is_run(fetched, monkeypatch):
    """Also where there is another on the PATH."""
    program = fetched / "terraform" / "terraform"
    monkeypatch.setattr(toolchain, "terraform", lambda: program)

    assert process.find_terraform() == program
