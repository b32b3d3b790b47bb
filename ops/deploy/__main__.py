"""The command line: `python -m ops.deploy bootstrap|plan|deploy|destroy ENV`, and `python -m ops.deploy wheels`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from local_aws.visible_text import visible
from ops.deploy import stages, terraform, wheels
from ops.deploy.errors import DeployError

_STAGES = {stage.__name__: stage for stage in (stages.bootstrap, stages.plan, stages.deploy, stages.destroy)}


def main(argv: Sequence[str] | None = None, configuration: Path = terraform.CONFIGURATION) -> int:
    """Do what the arguments say to the `configuration`; return the exit status, with the reason on standard error."""
    parser = argparse.ArgumentParser(prog="python -m ops.deploy", description="Bring totelake into an AWS account.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, stage in _STAGES.items():
        summary = (stage.__doc__ or "").partition("\n")[0]
        commands.add_parser(name, help=summary, description=summary).add_argument("environment", metavar="ENV")
    commands.add_parser("wheels", help="Get the wheels of the jobs' Python modules, and say where they are.")
    given = parser.parse_args(argv)
    try:
        if given.command == "wheels":
            sys.stdout.write(f"{wheels.fetch()}\n")
        else:
            _STAGES[given.command](given.environment, configuration)
    except (DeployError, terraform.TerraformMissingError) as error:
        sys.stderr.write(f"totelake: {visible(str(error))}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
