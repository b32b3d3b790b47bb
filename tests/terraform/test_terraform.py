"""Discovery of Terraform and its provider, and initialization of a folder."""

from pathlib import Path

import pytest

from local_aws import toolchain
from ops.deploy import terraform
from ops.deploy.terraform import configuration as steps
from ops.deploy.terraform import process, provider


def _mirror(folder: Path, version: str | None = None) -> Path:
    binary = folder / f"registry.terraform.io/hashicorp/aws/{version or provider.version()}/linux_amd64"
    binary.mkdir(parents=True)
    (binary / "terraform-provider-aws_x5").touch()
    return folder


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the home directory of a machine without a provider mirror."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("TF_CLI_CONFIG_FILE", "TF_PLUGIN_CACHE_DIR", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path / "share"))
    monkeypatch.setattr(provider, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(provider, "_search_roots", lambda: [tmp_path / "opt"])
    return home


def test_missing_terraform_is_an_error_that_names_make_setup(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The message also has the required version."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(toolchain, "terraform", lambda: None)

    with pytest.raises(
        terraform.TerraformMissingError, match=r"Terraform is missing; `make setup` installs 1\.11 or later"
    ):
        terraform.find_terraform()


def test_too_old_terraform_is_an_error_that_names_its_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Versions are compared as numbers: 1.9 is older than 1.11."""
    old = tmp_path / "terraform"
    old.write_text("""#!/bin/sh\necho '{"terraform_version": "1.9.8"}'\n""")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(toolchain, "terraform", lambda: None)

    with pytest.raises(terraform.TerraformMissingError, match=r"is version 1\.9, too old"):
        terraform.find_terraform()


@pytest.mark.parametrize("place", ["opt/a/b", "home/.terraform.d/plugins", "share/terraform/plugins", "cache"])
def test_provider_mirror_is_found_in_common_folders(bare_machine: Path, tmp_path: Path, place: str) -> None:
    """Without any configuration."""
    assert terraform.provider_mirror() is None

    mirror = _mirror(tmp_path / place)

    assert terraform.provider_mirror() == mirror


def test_configured_provider_mirror_takes_precedence(
    bare_machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is set in Terraform's CLI configuration file."""
    _mirror(tmp_path / "opt")
    chosen = _mirror(tmp_path / "chosen")
    settings = tmp_path / "settings.tfrc"
    settings.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{chosen}"\n  }}\n}}\n')
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(settings))

    assert terraform.provider_mirror() == chosen


def test_provider_mirror_of_another_version_is_ignored(bare_machine: Path, tmp_path: Path) -> None:
    """The configuration pins the version."""
    _mirror(tmp_path / "opt", version="4.67.0")

    assert terraform.provider_mirror() is None


def test_packed_provider_mirror_is_found(bare_machine: Path, tmp_path: Path) -> None:
    """`terraform providers mirror` writes zips."""
    provider_folder = tmp_path / "opt/registry.terraform.io/hashicorp/aws"
    provider_folder.mkdir(parents=True)
    (provider_folder / f"terraform-provider-aws_{provider.version()}_linux_amd64.zip").touch()

    assert terraform.provider_mirror() == tmp_path / "opt"


def test_init_without_registry_and_mirror_fails_with_a_solution(
    bare_machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the provider, and how to create a mirror."""
    monkeypatch.setattr(provider, "registry_reachable", lambda: False)

    with pytest.raises(terraform.TerraformError, match=r"hashicorp/aws 5\.\S+ Go online once, or copy a mirror"):
        terraform.init(tmp_path)


def test_mirror_is_used_when_the_download_from_the_registry_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The registry may be reachable while its downloads are blocked."""
    commands: list[tuple[str, ...]] = []

    def run(folder: Path, *arguments: str, environment: object = None) -> str:
        commands.append(arguments)
        if len(commands) == 1:
            raise terraform.TerraformError("no download")
        (folder / ".terraform").mkdir()
        return ""

    monkeypatch.setattr(steps, "run", run)
    monkeypatch.setattr(provider, "registry_reachable", lambda: True)
    monkeypatch.setattr(provider, "provider_mirror", lambda: tmp_path / "mirror")
    monkeypatch.setattr(provider, "CACHE", tmp_path / "cache")

    terraform.init(tmp_path)

    assert [f"-plugin-dir={tmp_path / 'mirror'}" in command for command in commands] == [False, True]


def test_init_does_nothing_in_an_initialized_folder(configuration: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another start of an environment neither contacts the registry nor runs Terraform."""
    monkeypatch.setattr(provider, "registry_reachable", lambda: pytest.fail("the registry was asked"))
    monkeypatch.setattr(steps, "run", lambda *_, **__: pytest.fail("Terraform was run"))

    terraform.init(configuration)


def test_copy_keeps_the_state_and_removes_obsolete_files(tmp_path: Path) -> None:
    """Otherwise Terraform would still apply files that were removed from the configuration."""
    source, folder = tmp_path / "source", tmp_path / "world"
    (source / "modules/new").mkdir(parents=True)
    (source / "modules/new/main.tf").touch()
    (source / "main.tf").write_text("new")
    (folder / "modules/gone").mkdir(parents=True)
    for stale in ("modules/gone/main.tf", "gone.tf", "main.tf"):
        (folder / stale).write_text("old")
    (folder / "terraform.tfstate").write_text("state")

    terraform.copy(folder, source)

    files = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert files == {"main.tf": "new", "modules/new/main.tf": "", "terraform.tfstate": "state"}


def test_terraform_does_not_inherit_the_callers_aws_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither a profile, nor other Terraform variables, nor a missing CLI configuration file."""
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("TF_VAR_prefix", "production")
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(tmp_path / "gone"))

    environment = process._environment({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"})

    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert not environment.keys() & {"AWS_PROFILE", "TF_VAR_prefix", "TF_CLI_CONFIG_FILE"}
