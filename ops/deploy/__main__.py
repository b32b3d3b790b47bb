"""The command line: `python -m ops.deploy bootstrap|plan|deploy|verify|destroy ENV`, `python -m ops.deploy wheels`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from local_aws.visible_text import visible
from ops.deploy import stages, terraform, wheels
from ops.deploy.errors import DeployError

_STAGES = {
    stage.__name__: stage for stage in (stages.bootstrap, stages.plan, stages.deploy, stages.verify, stages.destroy)
}


def main(argv: Sequence[str] | None = None, configuration: Path = terraform.CONFIGURATION) -> int:
    """Run the command in the arguments with the `configuration`; return the exit status, print errors to stderr."""
    parser = argparse.ArgumentParser(prog="python -m ops.deploy", description="Deploy totelake to an AWS account.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, stage in _STAGES.items():
        summary = (stage.__doc__ or "").partition("\n")[0]
        commands.add_parser(name, help=summary, description=summary).add_argument("environment", metavar="ENV")
    commands.add_parser("wheels", help="Download the jobs' Python modules, and print the zip of their wheels.")
    arguments = parser.parse_args(argv)
    try:
        if arguments.command == "wheels":
            sys.stdout.write(f"{wheels.fetch()}\n")
        else:
            _STAGES[arguments.command](arguments.environment, configuration)
    except (DeployError, terraform.TerraformMissingError) as error:
        sys.stderr.write(f"totelake: {visible(str(error))}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
