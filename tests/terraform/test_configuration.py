"""Static checks of the Terraform configuration: format, validity, module tests, versions and environments."""

import itertools
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ops.deploy import build, terraform
from ops.deploy.terraform import provider

SOURCE = build.ROOT / "terraform"
BOOTSTRAP = SOURCE / "bootstrap"
VARIABLES = (SOURCE / "variables.tf").read_text()
MODULES = sorted(folder.name for folder in (SOURCE / "modules").iterdir())


def test_configuration_is_formatted() -> None:
    """`terraform fmt` has nothing to change."""
    terraform.run(SOURCE, "fmt", "-check", "-diff", "-recursive")


def test_configuration_is_valid(configuration: Path) -> None:
    """The provider's schema accepts every resource."""
    terraform.run(configuration, "validate", "-no-color")


def test_terraform_tests_of_the_modules_pass(configuration: Path) -> None:
    """`terraform test` passes, and no test is skipped."""
    files = sorted(path.relative_to(configuration) for path in (configuration / "tests").glob("*.tftest.hcl"))

    def run(half: list[Path]) -> str:
        return terraform.run(configuration, "test", "-no-color", *(f"-filter={path}" for path in half))

    with ThreadPoolExecutor(2) as pool:  # Terraform runs the files in sequence, on one core
        for output in pool.map(run, [files[::2], files[1::2]]):
            assert re.search(r"Success! \d+ passed, 0 failed\.", output), output


def test_triggers_are_created_one_after_another(configuration: Path) -> None:
    """Glue rejects concurrent changes of two triggers of one workflow."""
    graph = terraform.run(configuration, "graph")

    for before, after in itertools.pairwise(["first", "second", "third"]):
        name = "module.workflow.aws_glue_trigger"
        assert f'"{name}.{after}" -> "{name}.{before}"' in graph, f"{after} does not wait for {before}"


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_the_same_four_files(module: str) -> None:
    """So all modules have the same structure."""
    names = {path.name for path in (SOURCE / "modules" / module).iterdir()}

    assert names == {"main.tf", "variables.tf", "outputs.tf", "versions.tf"}


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.tf")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_variable_and_output_is_described(path: Path) -> None:
    """Variables also have a type."""
    blocks = re.findall(r'^(variable|output) "(\w+)" \{\n(.*?)^\}', path.read_text(), re.MULTILINE | re.DOTALL)

    for kind, name, body in blocks:
        assert re.search(r'^  description\s*= ".+\."$', body, re.MULTILINE), f"{kind} {name} lacks a description"
        assert kind == "output" or re.search(r"^  type\s*=", body, re.MULTILINE), f"variable {name} lacks a type"


def test_provider_version_is_pinned() -> None:
    """Every deployment uses the tested version, not the latest."""
    assert re.fullmatch(r"\d+\.\d+\.\d+", provider.version())


@pytest.mark.parametrize(
    ("module", "attribute"), [("redshift", "config_parameter"), ("postgres", "final_snapshot_identifier")]
)
def test_attributes_that_change_without_a_reason_are_ignored(module: str, attribute: str) -> None:
    """Redshift returns parameters that are not declared, and the name of a final snapshot has the time of the plan."""
    assert f"ignore_changes = [{attribute}]" in (SOURCE / f"modules/{module}/main.tf").read_text()


def test_jobs_are_shipped_with_the_tested_package_versions() -> None:
    """`requirements.lock` has all pins of `glue_jobs/requirements.lock`."""
    shipped, tested = (
        dict(re.findall(r"^([\w-]+)==([^\s\\]+)", (build.ROOT / lock).read_text(), re.MULTILINE))
        for lock in ("glue_jobs/requirements.lock", "requirements.lock")
    )

    assert shipped
    assert shipped.items() <= tested.items()


def test_environments_set_only_declared_variables() -> None:
    """Terraform only warns about an undeclared variable, so a misspelling would leave the default in effect."""
    declared = set(re.findall(r'^variable "(\w+)"', VARIABLES, re.MULTILINE))

    for path in (SOURCE / "env").glob("*.tfvars"):
        assigned = set(re.findall(r"^(\w+)\s*=", path.read_text(), re.MULTILINE))
        assert assigned <= declared, f"{path.name}: {', '.join(sorted(assigned - declared))}"


@pytest.mark.parametrize("schedule", re.findall(r'^variable "(\w*schedule)"', VARIABLES, re.MULTILINE))
@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_deployed_environments_enable_every_schedule(environment: str, schedule: str) -> None:
    """With cron expressions: Scheduler starts a rate when it is created, so that an apply would start the target."""
    values = (SOURCE / f"env/{environment}.tfvars").read_text()
    block = re.search(rf"^{schedule} = \{{\n(.*?)^\}}", values, re.MULTILINE | re.DOTALL)

    assert block, f"{environment}.tfvars does not set {schedule}"
    assert re.search(r"^  enabled += true$", block[1], re.MULTILINE)
    assert re.search(r'^  expression += "cron\(.+\)"$', block[1], re.MULTILINE)


def test_default_schedules_are_cron_expressions() -> None:
    """The local environment uses them."""
    defaults = re.findall(r"^ +expression = optional\(string, (.*)\)$", VARIABLES, re.MULTILINE)

    assert len(defaults) == 5
    assert all(default.startswith('"cron(') for default in defaults)


def test_every_skipped_check_has_a_reason() -> None:
    """The comment that skips a check of checkov has a sentence with the reason."""
    skips = [line for path in SOURCE.rglob("*.tf") for line in path.read_text().splitlines() if "checkov:" in line]

    assert skips
    for line in skips:
        assert re.fullmatch(r"\s*#checkov:skip=CKV2?_AWS_\d+: \S.{20,}\.", line), line


def test_events_have_no_condition_in_policies_of_topics_and_keys() -> None:
    """EventBridge supports none there, so a statement that has one never allows anything."""
    resources = re.compile(r'^resource "aws_(?:sns_topic|kms_key)(?:_policy)?" .*?^\}$', re.MULTILINE | re.DOTALL)
    found = [block for path in SOURCE.rglob("*.tf") for block in resources.findall(path.read_text())]

    assert len(found) > 2
    for statement in (statement for block in found for statement in re.split(r"\bEffect\b", block)[1:]):
        assert "events.amazonaws.com" not in statement or "Condition" not in statement, statement


def test_workflows_pass_every_documented_variable_of_an_account() -> None:
    """A deployment that lacks one would remove what it creates. The set-up names their source on GitHub."""
    documents = [*SOURCE.glob("env/*.tfvars"), SOURCE / "README.md", *(build.ROOT / "docs/runbooks").glob("*.md")]
    documented = {name for path in documents for name in re.findall(r"TF_VAR_(\w+)", path.read_text())}
    set_up = (SOURCE / "README.md").read_text().partition("## Deploy from GitHub")[2].partition("\n## ")[0]

    passed = [
        dict(re.findall(r"^ +TF_VAR_(\w+): \$\{\{ ((?:vars|secrets)\.\w+) \}\}", path.read_text(), re.MULTILINE))
        for path in (build.ROOT / f".github/workflows/{name}.yml" for name in ("deliver", "plan"))
    ]

    assert passed[0] == passed[1]
    assert passed[0].keys() == documented
    assert [source for source in passed[0].values() if f"`{source.partition('.')[2]}`" not in set_up] == []


def test_production_sets_what_development_sets() -> None:
    """Except what only makes it easy to destroy; a forgotten value would be a default that no deployment has tested."""
    dev, prod = (
        set(re.findall(r"^(\w+)\s*=", (SOURCE / f"env/{name}.tfvars").read_text(), re.MULTILINE))
        for name in ("dev", "prod")
    )

    assert dev - prod == {"force_destroy", "secret_recovery_days"}


def test_environments_have_no_passwords() -> None:
    """Logins are given by the user who applies the configuration."""
    for path in (SOURCE / "env").glob("*.tfvars"):
        assert not re.search(r"^\s*(password|totesys|warehouse)\s*=", path.read_text(), re.MULTILINE), path.name
