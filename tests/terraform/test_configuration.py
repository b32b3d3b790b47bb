"""The configuration as it is written: its format, its modules' own tests, and what it shares with other files."""

import itertools
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ops.deploy import build, terraform
from ops.deploy.terraform import provider

SOURCE = build.ROOT / "terraform"
BOOTSTRAP = SOURCE / "bootstrap"
MODULES = sorted(folder.name for folder in (SOURCE / "modules").iterdir())


def test_the_configuration_is_formatted() -> None:
    """`terraform fmt` has nothing to change."""
    terraform.run(SOURCE, "fmt", "-check", "-diff", "-recursive")


def test_the_configuration_is_valid(configuration: Path) -> None:
    """The provider's schema accepts every resource."""
    terraform.run(configuration, "validate", "-no-color")


def test_the_modules_pass_their_own_tests(configuration: Path) -> None:
    """What `terraform test` asserts of policies, triggers and names holds; no test is skipped."""
    files = sorted(path.relative_to(configuration) for path in (configuration / "tests").glob("*.tftest.hcl"))

    def run(half: list[Path]) -> str:
        return terraform.run(configuration, "test", "-no-color", *(f"-filter={path}" for path in half))

    with ThreadPoolExecutor(2) as both:  # Terraform runs one file after the other and keeps one core busy
        for said in both.map(run, [files[::2], files[1::2]]):
            assert re.search(r"Success! \d+ passed, 0 failed\.", said), said


def test_the_triggers_are_made_one_after_the_other(configuration: Path) -> None:
    """Glue refuses two triggers of one workflow at the same time."""
    graph = terraform.run(configuration, "graph")

    for before, after in itertools.pairwise(["first", "second", "third"]):
        name = "module.workflow.aws_glue_trigger"
        assert f'"{name}.{after}" -> "{name}.{before}"' in graph, f"{after} does not wait for {before}"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_four_files(module: str) -> None:
    """Whoever knows one module knows where to look in every other."""
    names = {path.name for path in (SOURCE / "modules" / module).iterdir()}

    assert names == {"main.tf", "variables.tf", "outputs.tf", "versions.tf"}


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.tf")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_variable_and_output_is_described(path: Path) -> None:
    """A variable says what it means and of what type it is; an output says what it is."""
    blocks = re.findall(r'^(variable|output) "(\w+)" \{\n(.*?)^\}', path.read_text(), re.MULTILINE | re.DOTALL)

    for kind, name, body in blocks:
        assert re.search(r'^  description\s*= ".+\."$', body, re.MULTILINE), f"{kind} {name} lacks a description"
        assert kind == "output" or re.search(r"^  type\s*=", body, re.MULTILINE), f"variable {name} lacks a type"


def test_the_provider_is_pinned_exactly() -> None:
    """Every deployment gets the one version that was tested, not whatever is the newest."""
    assert re.fullmatch(r"\d+\.\d+\.\d+", provider.version())


def test_the_jobs_are_shipped_with_the_versions_that_are_tested() -> None:
    """What glue_jobs/requirements.lock pins, requirements.lock pins too."""
    shipped, tested = (
        dict(re.findall(r"^([\w-]+)==([^\s\\]+)", (build.ROOT / lock).read_text(), re.MULTILINE))
        for lock in ("glue_jobs/requirements.lock", "requirements.lock")
    )

    assert shipped
    assert shipped.items() <= tested.items()


def test_an_environment_is_values_of_variables() -> None:
    """Terraform only warns of a value that no variable takes: a slip would leave the default in force."""
    declared = set(re.findall(r'^variable "(\w+)"', (SOURCE / "variables.tf").read_text(), re.MULTILINE))

    for path in (SOURCE / "env").glob("*.tfvars"):
        set_there = set(re.findall(r"^(\w+)\s*=", path.read_text(), re.MULTILINE))
        assert set_there <= declared, f"{path.name}: {', '.join(sorted(set_there - declared))}"


def test_a_check_that_is_left_out_has_its_reason() -> None:
    """Whoever finds a suppression of checkov's finds there why."""
    skips = [line for path in SOURCE.rglob("*.tf") for line in path.read_text().splitlines() if "checkov:" in line]

    assert skips
    for line in skips:
        assert re.fullmatch(r"\s*#checkov:skip=CKV2?_AWS_\d+: \S.{20,}\.", line), line


def test_no_environment_holds_a_password() -> None:
    """Logins come from whoever applies."""
    for path in (SOURCE / "env").glob("*.tfvars"):
        assert not re.search(r"^\s*(password|totesys|warehouse)\s*=", path.read_text(), re.MULTILINE), path.name
