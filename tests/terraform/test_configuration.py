"""Static checks of the Terraform configuration: format, validity, module tests, versions and environments."""

import itertools
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ops.deploy import build, terraform
from ops.deploy.terraform import provider

SOURCE = build.ROOT / "terraform"
BOOTSTRAP = SOURCE / "bootstrap"
VARIABLES = (SOURCE / "variables.tf").read_text()
# What Terraform has had since it and OpenTofu went separate ways, with the OpenTofu version that has it, or None.
LANGUAGE_FEATURES = {
    "`import` blocks": ("1.6", r"^import \{"),
    "`removed` blocks": ("1.7", r"^removed \{"),
    "provider-defined functions": ("1.7", r"\bprovider::"),
    "`templatestring`": ("1.7", r"\btemplatestring\("),
    "mocked providers in tests": ("1.8", r"^mock_provider "),
    "overrides in tests": ("1.8", r"^\s*override_(resource|data|module) \{"),
    "validation that refers to other variables": ("1.9", None),
    "`use_lockfile` of the S3 backend": ("1.10", r"\buse_lockfile\b"),
    "ephemeral values and write-only arguments": ("1.11", r"^ephemeral |\bephemeral\s*=|_wo\b|\bephemeralasnull\("),
    "mocks in a file of their own": (None, r'^mock_provider "\w+" \{\s*source\b'),
    "options of test runs": (None, r"^\s*(override_during|state_key|parallel|skip_cleanup)\s*="),
    "`terraform.applying`": (None, r"\bterraform\.applying\b"),
    "actions, queries and stores": (None, r"^\s*(action|action_trigger|list|state_store)\b.*\{$"),
}
VARIABLE = re.compile(r'^variable "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
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

    # A plan has the logins without their passwords.
    assert passed[1] == passed[0] | {"totesys": "vars.TOTESYS", "warehouse": "vars.WAREHOUSE"}
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


def _refers_to_other_variables(text: str) -> bool:
    return any(
        set(re.findall(r"\bvar\.(\w+)", validation)) - {name}
        for name, body in VARIABLE.findall(text)
        for validation in re.findall(r"^  validation \{\n(.*?)^  \}", body, re.MULTILINE | re.DOTALL)
    )


def test_language_features_are_listed_with_the_opentofu_version_that_has_them() -> None:
    """The README lists what is used; what OpenTofu lacks is used in tests only."""
    texts = {path.relative_to(SOURCE): path.read_text() for path in sorted(SOURCE.rglob("*")) if _is_hcl(path)}
    used = {
        feature: [
            path
            for path, text in texts.items()
            if (re.search(pattern, text, re.MULTILINE) if pattern else _refers_to_other_variables(text))
        ]
        for feature, (_, pattern) in LANGUAGE_FEATURES.items()
    }

    listed = dict(re.findall(r"^\| (.+?) \| (1\.\d+|none) \| ", (SOURCE / "README.md").read_text(), re.MULTILINE))
    assert listed == {
        feature: version or "none" for feature, (version, _) in LANGUAGE_FEATURES.items() if used[feature]
    }
    for feature, (version, _) in LANGUAGE_FEATURES.items():
        assert version or all(path.parts[0] == "tests" for path in used[feature]), f"{feature}: {used[feature]}"


def _is_hcl(path: Path) -> bool:
    return path.suffix in {".tf", ".hcl"} and ".terraform" not in path.parts and path.name != ".terraform.lock.hcl"


@pytest.mark.skipif(shutil.which("tofu") is None, reason="OpenTofu is not installed")
@pytest.mark.parametrize("source", [SOURCE, BOOTSTRAP], ids=["configuration", "bootstrap"])
def test_configuration_is_valid_for_opentofu(source: Path, tmp_path: Path) -> None:
    """OpenTofu asks its own registry for the provider; a mirror for Terraform's has the same program."""
    terraform.copy(tmp_path / "configuration", source)
    shutil.copytree(SOURCE / "modules", tmp_path / "modules")  # bootstrap's are beside it
    mirror = terraform.provider_mirror()
    if mirror:
        for package in mirror.glob(f"{provider.REGISTRY}/{provider.PROVIDER}/*/*"):
            own = tmp_path / "mirror/registry.opentofu.org" / package.relative_to(mirror / provider.REGISTRY)
            own.parent.mkdir(parents=True, exist_ok=True)
            own.symlink_to(package)
    options = [f"-plugin-dir={tmp_path / 'mirror'}"] if mirror else []
    for command in (["init", "-backend=false", *options], ["validate"]):
        ended = subprocess.run(
            ["tofu", *command, "-no-color"],
            cwd=tmp_path / "configuration",
            env=os.environ | {"CHECKPOINT_DISABLE": "1", "TF_INPUT": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
