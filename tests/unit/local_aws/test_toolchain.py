"""Downloaded Java and Terraform take precedence over the machine's."""

import pytest

from local_aws import spark, toolchain
from local_aws.spark import installation
from local_aws.state import State
from ops.deploy.terraform import process


@pytest.fixture
def downloaded(tmp_path):
    """Return a folder with both programs, as `bin/setup` installs them."""
    for program, output in {"java/bin/java": "", "terraform/terraform": '"terraform_version": "1.11.4"'}.items():
        file = tmp_path / "venv" / program
        file.parent.mkdir(parents=True)
        file.write_text(f"#!/bin/sh\necho '{output}'\n")
        file.chmod(0o755)
    return tmp_path / "venv"


def test_machine_tools_are_used_without_a_download(tmp_path):
    """Without the folder there is no path."""
    assert (toolchain.java_home(tmp_path), toolchain.terraform(tmp_path)) == (None, None)


def test_every_spark_uses_the_downloaded_java(downloaded, tmp_path, monkeypatch):
    """Also with JAVA_HOME set: setup has rejected that one."""
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    monkeypatch.setattr(toolchain, "java_home", lambda: downloaded / "java")

    assert spark.environment(State(tmp_path))["JAVA_HOME"] == str(downloaded / "java")
    assert installation.archive_inputs(tmp_path / "none.jar")["java"] == str(downloaded / "java")


def test_machine_java_is_left_to_the_environment(tmp_path, monkeypatch):
    """Spark finds it by JAVA_HOME or on the PATH."""
    monkeypatch.setattr(toolchain, "java_home", lambda: None)

    assert "JAVA_HOME" not in spark.environment(State(tmp_path))


def test_class_archive_needs_a_java_with_its_own(downloaded, monkeypatch):
    """A JDK without a CDS archive of its classes cannot make one of Spark's."""
    monkeypatch.setattr(toolchain, "java_home", lambda: downloaded / "java")
    assert not installation.can_archive()
    (downloaded / "java/lib/server").mkdir(parents=True)
    (downloaded / "java/lib/server/classes.jsa").touch()
    assert installation.can_archive()


def test_downloaded_terraform_is_run(downloaded, monkeypatch):
    """Also with another one on the PATH."""
    program = downloaded / "terraform" / "terraform"
    monkeypatch.setattr(toolchain, "terraform", lambda: program)

    assert process.find_terraform() == program
