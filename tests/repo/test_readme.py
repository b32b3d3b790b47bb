"""What the README and the runbooks name exists."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from ops.cli.commands import app
from totelake.runtime import errors

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))


def test_every_make_target_has_a_help_text():
    """`make` without a target prints them."""
    helped = set(re.findall(r"^([a-z]+):.*## .+\.$", MAKEFILE, re.MULTILINE))
    assert helped == TARGETS


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake ([a-z]+)\b", README))))
def test_every_make_target_that_the_readme_names_exists(target):
    """A command copied from the README runs."""
    assert target in TARGETS


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`totelake ([a-z]+)", README))))
def test_every_command_that_the_readme_names_exists(command):
    """A command copied from the README runs."""
    assert command in get_command(app).commands


@pytest.mark.parametrize("variable", sorted(set(re.findall(r"TF_VAR_([a-z_]+)", README))))
def test_every_terraform_variable_that_the_readme_names_is_declared(variable):
    """Terraform ignores an undeclared variable."""
    assert f'variable "{variable}"' in (ROOT / "terraform/variables.tf").read_text()


@pytest.mark.parametrize("folder", sorted(set(re.findall(r"^\| `([a-z_/]+/)` \|", README, re.MULTILINE))))
def test_every_folder_that_the_readme_lists_exists(folder):
    """Folders are listed in a table."""
    assert (ROOT / folder).is_dir()


RUNBOOKS = "\n".join(path.read_text() for path in sorted((ROOT / "docs/runbooks").glob("*.md")))


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:^|`)make ([a-z]+)\b", RUNBOOKS, re.MULTILINE))))
def test_every_make_target_that_a_runbook_names_exists(target):
    """A command copied from a runbook runs."""
    assert target in TARGETS


@pytest.mark.parametrize("command", sorted(set(re.findall(r"[`(]totelake ([a-z]+)", RUNBOOKS))))
def test_every_command_that_a_runbook_names_exists(command):
    """A command copied from a runbook runs."""
    assert command in get_command(app).commands


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", RUNBOOKS))))
def test_every_page_that_a_runbook_links_to_exists(link):
    """Runbooks link to each other."""
    assert (ROOT / "docs/runbooks" / link).exists()


@pytest.mark.parametrize("error", sorted(set(re.findall(r"`(\w+Error)`", RUNBOOKS))))
def test_every_error_that_a_runbook_names_exists(error):
    """It is defined in `totelake/runtime/errors.py`."""
    assert hasattr(errors, error)
