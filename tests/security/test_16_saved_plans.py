"""A saved plan of Terraform contains the passwords: no other user can read it, and it is always removed."""

import contextlib
import stat
import threading
from pathlib import Path

import pytest

from ops.deploy.environment_terraform import Configuration
from ops.deploy.environments import DeployEnvironment
from ops.deploy.errors import NotConfirmedError, TerraformFailedError

pytestmark = pytest.mark.terraform

PASSWORD = "open sesame"
CONFIGURATION = """
variable "password" {
  type      = string
  sensitive = true
}

resource "terraform_data" "this" {
  input = nonsensitive(var.password != null)

  lifecycle {
    precondition {
      condition     = var.password != "wrong"
      error_message = "The password is wrong."
    }
  }
}
"""


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    """Return a configuration with a password, whose plan file exists and is readable for everyone."""
    (tmp_path / "main.tf").write_text(CONFIGURATION)
    root = Configuration(DeployEnvironment("dev", tmp_path, "p", "eu-west-2", local=False), tmp_path, ())
    root._run("init")
    root._data.mkdir(parents=True, exist_ok=True)
    root._plan.touch()
    root._plan.chmod(0o644)
    return root


def test_other_users_can_never_read_a_plan(configuration, monkeypatch):
    """Not while Terraform prints it, which may take as long as a pager is open; when it was applied it is removed."""
    monkeypatch.setenv("TF_VAR_password", PASSWORD)
    modes, ended = set(), threading.Event()

    def watch() -> None:
        while not ended.wait(0.001):
            with contextlib.suppress(FileNotFoundError):
                modes.add(stat.S_IMODE(configuration._plan.stat().st_mode))

    thread = threading.Thread(target=watch)
    configuration._plan.unlink()
    thread.start()
    try:
        configuration.plan_and_apply()
    finally:
        ended.set()
        thread.join()

    assert modes == {0o600}
    assert not configuration._plan.exists()


def test_existing_file_does_not_determine_the_mode_of_a_plan(configuration, monkeypatch):
    """Such as one that an earlier version left."""
    monkeypatch.setenv("TF_VAR_password", PASSWORD)
    modes = []

    configuration.plan_and_apply(confirm=lambda: modes.append(stat.S_IMODE(configuration._plan.stat().st_mode)))

    assert modes == [0o600]


def test_failed_plan_is_removed(configuration, monkeypatch):
    """Terraform saves it, with the passwords."""
    monkeypatch.setenv("TF_VAR_password", "wrong")

    with pytest.raises(TerraformFailedError):
        configuration.plan_and_apply()

    assert not configuration._plan.exists()


def test_refused_plan_is_removed_and_not_applied(configuration, monkeypatch):
    """When the destruction is not confirmed."""
    monkeypatch.setenv("TF_VAR_password", PASSWORD)

    def refuse() -> None:
        assert configuration._plan.exists()
        raise NotConfirmedError("no")

    with pytest.raises(NotConfirmedError):
        configuration.plan_and_apply(confirm=refuse)

    assert not configuration._plan.exists()
    assert not (configuration.folder / "terraform.tfstate").exists()


def test_plan_without_changes_is_removed(configuration, monkeypatch):
    """Nothing is applied, and it has the passwords too."""
    monkeypatch.setenv("TF_VAR_password", PASSWORD)
    configuration.plan_and_apply()

    configuration.plan_and_apply()

    assert not configuration._plan.exists()


def test_plan_that_is_only_shown_is_not_saved(configuration, monkeypatch, capfd):
    """`make plan` applies nothing."""
    monkeypatch.setenv("TF_VAR_password", PASSWORD)
    configuration._plan.unlink()

    configuration.plan()

    assert "1 to add" in capfd.readouterr().out
    files = [path for path in configuration.folder.rglob("*") if path.is_file()]
    assert not any(PASSWORD.encode() in path.read_bytes() or path.name == "plan" for path in files)
