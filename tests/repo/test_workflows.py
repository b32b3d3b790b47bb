"""GitHub's workflows do what they say with what is there, and with no more rights than that takes."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted(path for path in (ROOT / ".github").rglob("*.yml"))
WORKFLOWS = [path for path in FILES if path.parent.name == "workflows"]
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
ENVIRONMENTS = {path.stem for path in (ROOT / "terraform/env").glob("*.tfvars")} - {"local"}

workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def _jobs(path: Path) -> dict[str, dict[str, Any]]:
    jobs: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text())["jobs"]
    return jobs


def _steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in _jobs(path).values() for step in job.get("steps", [])]


@workflow
def test_every_command_is_a_target_of_make(path: Path):
    """What a workflow does, anybody can do on their machine."""
    commands = [step["run"] for step in _steps(path) if "run" in step]

    assert all(set(re.findall(r"\bmake ([a-z]+)", command)) & TARGETS for command in commands)
    assert {target for command in commands for target in re.findall(r"\bmake ([a-z]+)", command)} <= TARGETS


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_action_of_others_is_pinned_to_a_commit(path: Path):
    """A tag can be moved; beside the commit stands the version that it is."""
    used = re.findall(r"uses: (\S+)( # v\d+\.\d+\.\d+)?$", path.read_text(), re.MULTILINE)

    for name, version in used:
        assert name.startswith("./") or (re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", name) and version), name
        assert not name.startswith("./") or (ROOT / name).exists(), name


@workflow
def test_no_key_of_aws_is_stored(path: Path):
    """A role is taken by identity, for an hour."""
    text = path.read_text()

    assert not re.search(r"secrets\.AWS|aws-secret-access-key|aws-access-key-id", text)
    assert ("configure-aws-credentials" in text) == ("role-to-assume: ${{ vars.AWS_ROLE }}" in text)


@workflow
def test_a_workflow_reads_the_code_and_only_who_takes_a_role_or_publishes_may_say_who_it_is(path: Path):
    """Rights are given job by job."""
    assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}
    for name, job in _jobs(path).items():
        takes_role = "deliver.yml" in job.get("uses", "") or "configure-aws-credentials" in str(job.get("steps"))
        publishes = "actions/deploy-pages" in str(job.get("steps"))
        wanted = {"pages": "write"} if publishes else {"contents": "read"}
        wanted |= {"id-token": "write"} if takes_role or publishes else {}
        assert job.get("permissions", {"contents": "read"}) == wanted, name


def test_main_goes_to_dev_once_checked_and_to_prod_after_that():
    """Each is an environment with a file of values, whose rules at GitHub ask for the approval."""
    jobs = _jobs(ROOT / ".github/workflows/deploy.yml")

    assert [(name, job.get("needs"), job.get("with", {}).get("environment")) for name, job in jobs.items()] == [
        ("checks", None, None),
        ("dev", "checks", "dev"),
        ("prod", "dev", "prod"),
    ]
    assert {"dev", "prod"} == ENVIRONMENTS


@workflow
def test_what_touches_an_account_waits_for_its_turn(path: Path):
    """Two deployments of one environment never run at once, and none is cut off."""
    for job in _jobs(path).values():
        if "environment" in job and "make deploy" in str(job["steps"]):
            assert job["concurrency"] == {
                "group": "deploy-${{ inputs.environment }}",
                "cancel-in-progress": False,
            }


def test_terraform_gets_the_version_that_is_asked_for():
    """The workflows' is no older than that of the configuration."""
    tools = (ROOT / ".github/actions/tools/action.yml").read_text()
    least = re.search(r'required_version = ">= ([\d.]+)"', (ROOT / "terraform/versions.tf").read_text())
    used = re.search(r'terraform_version: "([\d.]+)"', tools)

    assert least
    assert used
    assert used[1].startswith(least[1])
