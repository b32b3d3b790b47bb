"""The GitHub workflows: existing targets, pinned actions, least privilege and the order of deployments."""

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
def test_every_command_is_an_existing_make_target(path: Path):
    """So each step of a workflow can be run on any machine."""
    commands = [step["run"] for step in _steps(path) if "run" in step]

    assert all(set(re.findall(r"\bmake ([a-z]+)", command)) & TARGETS for command in commands)
    assert {target for command in commands for target in re.findall(r"\bmake ([a-z]+)", command)} <= TARGETS


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_third_party_action_is_pinned_to_a_commit(path: Path):
    """A tag can be moved; a comment beside the commit names its version."""
    used = re.findall(r"uses: (\S+)( # v\d+\.\d+\.\d+)?$", path.read_text(), re.MULTILINE)

    for name, version in used:
        assert name.startswith("./") or (re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", name) and version), name
        assert not name.startswith("./") or (ROOT / name).exists(), name


@workflow
def test_workflow_uses_no_stored_aws_key(path: Path):
    """It assumes a role by OIDC, for an hour."""
    text = path.read_text()

    assert not re.search(r"secrets\.AWS|aws-secret-access-key|aws-access-key-id", text)
    assert ("configure-aws-credentials" in text) == ("role-to-assume: ${{ vars.AWS_ROLE }}" in text)


@workflow
def test_only_jobs_that_assume_a_role_or_publish_pages_get_an_identity_token(path: Path):
    """Permissions are given per job; by default a workflow can only read the code."""
    assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}
    for name, job in _jobs(path).items():
        assumes_role = "deliver.yml" in job.get("uses", "") or "configure-aws-credentials" in str(job.get("steps"))
        publishes = "actions/deploy-pages" in str(job.get("steps"))
        expected = {"pages": "write"} if publishes else {"contents": "read"}
        expected |= {"id-token": "write"} if assumes_role or publishes else {}
        assert job.get("permissions", {"contents": "read"}) == expected, name


def test_main_is_deployed_to_dev_after_the_checks_and_then_to_prod():
    """Each is a GitHub environment, whose protection rules require the approval, with a tfvars file."""
    jobs = _jobs(ROOT / ".github/workflows/deploy.yml")

    assert [(name, job.get("needs"), job.get("with", {}).get("environment")) for name, job in jobs.items()] == [
        ("checks", None, None),
        ("dev", "checks", "dev"),
        ("prod", "dev", "prod"),
    ]
    assert {"dev", "prod"} == ENVIRONMENTS


@workflow
def test_deployments_of_one_environment_run_one_after_another(path: Path):
    """A running deployment is not cancelled."""
    for job in _jobs(path).values():
        if "environment" in job and "make deploy" in str(job["steps"]):
            assert job["concurrency"] == {
                "group": "deploy-${{ inputs.environment }}",
                "cancel-in-progress": False,
            }


def test_workflows_use_the_required_terraform_version():
    """It starts with the configuration's minimum version."""
    tools = (ROOT / ".github/actions/tools/action.yml").read_text()
    minimum = re.search(r'required_version = ">= ([\d.]+)"', (ROOT / "terraform/versions.tf").read_text())
    used = re.search(r'terraform_version: "([\d.]+)"', tools)

    assert minimum
    assert used
    assert used[1].startswith(minimum[1])
