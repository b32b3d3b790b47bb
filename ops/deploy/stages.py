"""The commands on an environment: bootstrap, plan, deploy, verify, destroy."""

import os
import sys
from pathlib import Path

from local_aws.visible_text import visible
from ops.deploy import account, build, deployment_checks, environments, wheels
from ops.deploy.deployment_checks import Outcome
from ops.deploy.environment_terraform import Configuration
from ops.deploy.environments import DeployEnvironment
from ops.deploy.errors import ChecksFailedError, NotConfirmedError, StateBucketError

CONFIRM = "CONFIRM"
"""Environment variable with which a script confirms a destruction; its value is the prefix."""


def bootstrap(name: str, configuration: Path) -> None:
    """Create or update the bucket of Terraform's state and the roles of the GitHub workflows. Idempotent."""
    environment = environments.read(name, configuration)
    account_id = account.identify(environment)
    if not account.state_bucket_exists(environment, account_id):
        account.create_state_bucket(environment)
    folder = configuration / "bootstrap"
    own_values = folder / f"env/{name}.tfvars"
    values = {"environment": name, "prefix": environment.prefix, "region": environment.region}
    options = [f"-var={variable}={value}" for variable, value in values.items()]
    options.append(f"-var=local={str(environment.local).lower()}")
    if own_values.exists():
        options.append(f"-var-file={own_values}")
    terraform_root = Configuration(environment, folder, tuple(options))
    terraform_root.init()
    terraform_root.plan_and_apply()
    _print(f"The bucket {environment.state_bucket} in account {account_id} is ready. Next: make deploy ENV={name}")


def plan(name: str, configuration: Path) -> None:
    """Show what a deployment would change."""
    _prepared(name, configuration).plan()


def deploy(name: str, configuration: Path) -> None:
    """Build the package, download the modules, plan, and apply that plan."""
    _prepared(name, configuration).plan_and_apply()
    _print(f"Deployed the package {build.code_version()} to {name}")


def verify(name: str, configuration: Path) -> None:
    """Check the deployment and its first runs, read-only: one line for each check, with what to do.

    Raises `ChecksFailedError` unless all checks are ok.
    """
    environment = environments.read(name, configuration)
    account_id = account.identify(environment)
    results = []
    for result in deployment_checks.run(environment):
        _print(visible(str(result)))
        results.append(result)
    open_checks = sum(result.outcome is not Outcome.OK for result in results)
    if open_checks:
        raise ChecksFailedError(f"{open_checks} of {len(results)} checks of {name} in account {account_id} are not ok")


def destroy(name: str, configuration: Path) -> None:
    """Remove everything but the state and the resources of bootstrap, after its prefix was typed or given in CONFIRM.

    Raises `NotConfirmedError`.
    """
    environment = environments.read(name, configuration)
    if not sys.stdin.isatty():  # without a terminal the confirmation does not depend on the plan
        _confirm(environment)
    _prepared(name, configuration).plan_and_apply("-destroy", confirm=lambda: _confirm(environment))
    _print(f"Destroyed {name}; its state is still in the bucket {environment.state_bucket}")


def _prepared(name: str, configuration: Path) -> Configuration:
    """Return the initialised configuration of the environment, with package and zip of wheels built."""
    environment = environments.read(name, configuration)
    environments.check_settings(environment)
    account_id = account.identify(environment)
    if not account.state_bucket_exists(environment, account_id):
        raise StateBucketError(
            f"there is no bucket {environment.state_bucket} in account {account_id} for the state of {name}; run: "
            f"make bootstrap ENV={name}"
        )
    build.package()
    wheels.fetch()
    terraform_root = Configuration(environment, configuration, (f"-var-file={environment.var_file}",))
    terraform_root.init()
    return terraform_root


def _confirm(environment: DeployEnvironment) -> None:
    expected, confirmation = environment.prefix, os.environ.get(CONFIRM)
    if not confirmation and sys.stdin.isatty():
        confirmation = input(f"Type {expected} to destroy everything in it: ").strip()
    if confirmation != expected:
        raise NotConfirmedError(f"nothing was destroyed: type {expected} when asked, or set {CONFIRM}={expected}")


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
