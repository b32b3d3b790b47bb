"""What is done to an environment, from an empty account to an empty account."""

import os
import sys
from pathlib import Path

from ops.deploy import account, build, environments, wheels
from ops.deploy.environment_terraform import Configuration
from ops.deploy.environments import DeployEnvironment
from ops.deploy.errors import NotConfirmedError, StateBucketError

CONFIRM = "CONFIRM"
"""The variable in which a script says that everything is to be destroyed: it holds the prefix."""


def bootstrap(name: str, configuration: Path) -> None:
    """Make what has to be there before anything is delivered: the bucket of the state, the roles of the workflows.

    Can be run at any time and from anywhere: what is there is kept, and brought to what is written.
    """
    environment = environments.read(name, configuration)
    number = account.identify(environment)
    if not account.state_bucket_exists(environment, number):
        account.make_state_bucket(environment)
    folder = configuration / "bootstrap"
    own_values = folder / f"env/{name}.tfvars"
    values = {"environment": name, "prefix": environment.prefix, "region": environment.region}
    options = [f"-var={variable}={value}" for variable, value in values.items()]
    options.append(f"-var=local={str(environment.local).lower()}")
    if own_values.exists():
        options.append(f"-var-file={own_values}")
    place = Configuration(environment, folder, tuple(options))
    place.init()
    place.change()
    _say(f"{environment.state_bucket} in account {number} holds the state of {name}. Next: make deploy ENV={name}")


def plan(name: str, configuration: Path) -> None:
    """Show what a deployment would change."""
    _ready(name, configuration).plan()


def deploy(name: str, configuration: Path) -> None:
    """Build the package, get the wheels, and make the account what the configuration says."""
    _ready(name, configuration).change()
    _say(f"{name} runs the package {build.code_version()}")


def destroy(name: str, configuration: Path) -> None:
    """Remove all of it but the state and what bootstrap made, after the prefix was typed or was given in CONFIRM.

    Raises `NotConfirmedError` when it was not.
    """
    environment = environments.read(name, configuration)
    if not sys.stdin.isatty():  # nobody reads the plan before it is confirmed
        _confirm(environment)
    place = _ready(name, configuration)
    if place.plan("-destroy"):
        if sys.stdin.isatty():
            _confirm(environment)
        place.apply()
    _say(f"{name} is gone; {environment.state_bucket} still holds its state")


def _ready(name: str, configuration: Path) -> Configuration:
    """Return the configuration of the environment, with all it needs to be planned."""
    environment = environments.read(name, configuration)
    environments.check_settings(environment)
    number = account.identify(environment)
    if not account.state_bucket_exists(environment, number):
        raise StateBucketError(
            f"there is no bucket {environment.state_bucket} in account {number} for the state of {name}: "
            f"make bootstrap ENV={name}"
        )
    build.package()
    wheels.fetch()
    place = Configuration(environment, configuration, (f"-var-file={environment.var_file}",))
    place.init()
    return place


def _confirm(environment: DeployEnvironment) -> None:
    wanted, given = environment.prefix, os.environ.get(CONFIRM)
    if not given and sys.stdin.isatty():
        given = input(f"Type {wanted} to destroy all of it: ").strip()
    if given != wanted:
        raise NotConfirmedError(f"nothing was destroyed: type {wanted} when asked, or set {CONFIRM}={wanted}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
