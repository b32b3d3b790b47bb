"""The arguments of a job run: their precedence, those that Glue consumes, and those passed to the script."""

import shlex
from collections.abc import Iterable, Mapping

from local_aws.glue.errors import InvalidInputError

RESERVED = frozenset({"--debug", "--mode", "--JOB_NAME", "--endpoint"})
"""Names that Glue reserves; values for them are ignored here. (Undocumented on AWS.)"""

ZIP_OF_WHEELS = ".gluewheels.zip"
"""End of the name by which Glue recognises a zip of wheels in `--additional-python-modules`."""

CONSUMED = frozenset(
    {
        "--conf",
        "--extra-py-files",
        "--extra-files",
        "--extra-jars",
        "--additional-python-modules",
        "--python-modules-installer-option",
        "--user-jars-first",
    }
)
"""Arguments that Glue applies before the script starts, and does not pass to it."""


def merge(
    defaults: Mapping[str, str],
    trigger: Mapping[str, str],
    run: Mapping[str, str],
    fixed: Mapping[str, str],
    identity: Mapping[str, str],
) -> dict[str, str]:
    """Return the arguments of a run.

    Precedence, highest first: `identity`, which Glue sets itself, the job's non-overridable arguments, those of the
    run, those of its trigger, and the job's defaults.
    """
    chosen = {**defaults, **trigger, **run, **fixed}
    return {**{name: value for name, value in chosen.items() if name not in RESERVED}, **identity}


def command_line(arguments: Mapping[str, str]) -> list[str]:
    """Return the arguments after the script's name in `sys.argv`."""
    return [word for name, value in arguments.items() if name not in CONSUMED for word in (name, value)]


def spark_settings(arguments: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of `--conf`, whose value is `k1=v1 --conf k2=v2` when there are several.

    Raises InvalidInputError for a piece that is not `name=value`.
    """
    settings = {}
    for piece in shlex.split(arguments.get("--conf", "")):
        if piece == "--conf":
            continue
        name, equals, value = piece.partition("=")
        if not equals:
            raise InvalidInputError(f"--conf holds {piece!r}, which is not name=value")
        settings[name] = value
    return settings


def listed(arguments: Mapping[str, str], name: str) -> list[str]:
    """Return the items of an argument that is a list separated by commas."""
    return [item.strip() for item in arguments.get(name, "").split(",") if item.strip()]


def missing_modules(requirements: Iterable[str], installed: Mapping[str, str]) -> list[str]:
    """Return a message for each of `requirements` that `installed` does not fulfil.

    A requirement is `name[extra]==version` or the path of a wheel, whose file name has both. `installed` maps
    normalised names of distributions to versions. With other operators than `==` any version fulfils a requirement.
    """
    problems = []
    for requirement in map(_named_by_wheel, requirements):
        named, _, version = requirement.partition("==")
        name = normalised(named)
        if name not in installed:
            problems.append(f"{requirement} is not installed")
        elif version and installed[name] != version.strip():
            problems.append(f"{requirement} is required and {installed[name]} is installed")
    return problems


def _named_by_wheel(requirement: str) -> str:
    """Return `name==version` for the path of a wheel, and any other requirement unchanged."""
    if not requirement.endswith(".whl"):
        return requirement
    name, version, *_ = requirement.rpartition("/")[2].split("-")
    return f"{name}=={version}"


def normalised(requirement: str) -> str:
    """Return the distribution's name as packaging compares it, without extras and version."""
    name = requirement.split("[", maxsplit=1)[0]
    for mark in ("==", ">=", "<=", "~=", "!=", ">", "<", ";", "@"):
        name = name.split(mark, maxsplit=1)[0]
    return name.strip().lower().replace("_", "-").replace(".", "-")
