"""Errors of a local environment.

SandboxError
├── NoSandboxError           the state folder contains no local environment
├── NotRunningError          a part of it is down
├── DamagedSandboxError      its world.json cannot be read
├── BusyError                another command is starting or stopping it
├── NotASandboxError         the folder is not a state folder, or belongs to another user
├── EndpointError            the local AWS did not start or did not stop
├── RunError                 a run could not be started, stopped or found
├── QueryFailedError         Athena rejected a query, or the query failed
├── LakeTableNotFoundError   the lake has no table of this name
├── NoBatchAsOfError         the processed zone has no batch at the requested number or time
├── NotAskedAsOfError        a query cannot be answered as of an earlier batch
└── DashboardError           the dashboard could not be served
"""

from pathlib import Path

from ops.errors import OperationError


class SandboxError(OperationError):
    """Base of all errors of a local environment; the message says what to do."""


class NoSandboxError(SandboxError):
    """The state folder contains no local environment."""

    def __init__(self, folder: Path) -> None:
        """Name the state `folder`."""
        super().__init__(f"There is no local environment in {folder}; start one with: totelake up")
        self.folder = folder


class NotRunningError(SandboxError):
    """A part of the local environment is down."""

    def __init__(self, folder: Path, parts: list[str]) -> None:
        """Name the state `folder` and the `parts` that are down."""
        super().__init__(
            f"The local environment in {folder} is down ({' and '.join(parts)}); start it with: totelake up"
        )
        self.folder, self.parts = folder, parts


class DamagedSandboxError(SandboxError):
    """The file with ports, key and passwords cannot be read."""

    def __init__(self, file: Path) -> None:
        """Name the `file`."""
        super().__init__(
            f"{file} cannot be read: it contains the ports, key and passwords of the local environment. Restore it, or "
            f"remove the folder {file.parent} to start with a new one."
        )
        self.file = file


class BusyError(SandboxError):
    """Another command is starting or stopping the local environment."""

    def __init__(self, folder: Path) -> None:
        """Name the state `folder`."""
        super().__init__(
            f"Another command is starting or stopping the local environment in {folder}; try again when it has ended."
        )
        self.folder = folder


class NotASandboxError(SandboxError):
    """The folder is not a state folder, or belongs to another user."""

    def __init__(self, folder: Path) -> None:
        """Name the `folder`."""
        super().__init__(
            f"{folder} is not the state folder of a local environment: it has no world.json, or belongs to another "
            "user. It was not changed. Name a new or empty folder with --state."
        )
        self.folder = folder


class EndpointError(SandboxError):
    """The local AWS did not start or did not stop."""


class RunError(SandboxError):
    """A run of a workflow or job could not be started, stopped or found."""


class DashboardError(SandboxError):
    """The dashboard could not be served."""


class QueryFailedError(SandboxError):
    """Athena rejected a query, or the query failed; the message is Athena's."""


class LakeTableNotFoundError(SandboxError):
    """The lake has no table or view of this name."""

    def __init__(self, name: str, similar: list[str]) -> None:
        """Name the table that was asked for, and `similar` names that exist."""
        hint = f"did you mean {' or '.join(similar)}? List all with:" if similar else "list all with:"
        super().__init__(f"The lake has no table {name}; {hint} totelake tables")
        self.name, self.similar = name, similar


class NoBatchAsOfError(SandboxError):
    """The processed zone has no batch at the requested number or time; the message names those that it has."""


class NotAskedAsOfError(SandboxError):
    """A query cannot be answered as of an earlier batch; the message says why."""
