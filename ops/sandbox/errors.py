"""Everything that the local world can find wrong.

SandboxError
├── NoSandboxError         there is no world in the state folder
├── NotRunningError      there is one, and a part of it is down
├── DamagedSandboxError    its world.json cannot be read
├── BusyError            another command is starting or stopping it
├── NotASandboxError       the folder holds something else than a world
├── EndpointError        the local AWS did not start or did not stop
├── RunError       a run could not start
├── QueryFailedError     Athena has no answer to a query
├── LakeTableNotFoundError    the lake has no table of the name
└── DashboardError       the dashboard could not be served
"""

from pathlib import Path

from ops.errors import OperationError


class SandboxError(OperationError):
    """Base of every error about the local world; the message says what to do."""


class NoSandboxError(SandboxError):
    """There is no world in the state folder."""

    def __init__(self, folder: Path) -> None:
        """Name the state `folder`."""
        super().__init__(f"There is no local world in {folder}; run: totelake up")
        self.folder = folder


class NotRunningError(SandboxError):
    """A part of the world is down."""

    def __init__(self, folder: Path, parts: list[str]) -> None:
        """Name the state `folder` and the `parts` that are down."""
        super().__init__(f"The local world in {folder} is down ({' and '.join(parts)}); run: totelake up")
        self.folder, self.parts = folder, parts


class DamagedSandboxError(SandboxError):
    """The file that holds ports, key and passwords cannot be read."""

    def __init__(self, file: Path) -> None:
        """Name the `file`."""
        super().__init__(
            f"{file} cannot be read: it holds the world's ports, key and passwords. Restore it, or remove the folder "
            f"{file.parent} to begin anew."
        )
        self.file = file


class BusyError(SandboxError):
    """Another command is starting or stopping the world."""

    def __init__(self, folder: Path) -> None:
        """Name the state `folder`."""
        super().__init__(f"Another command is starting or stopping the world in {folder}; try again when it has ended.")
        self.folder = folder


class NotASandboxError(SandboxError):
    """The folder holds something else than a world."""

    def __init__(self, folder: Path) -> None:
        """Name the `folder`."""
        super().__init__(
            f"{folder} is not the state of a local world: it has no world.json, or belongs to another user. "
            "It was left as it is. Name a folder of the world's own with --state."
        )
        self.folder = folder


class EndpointError(SandboxError):
    """The local AWS did not start or did not stop."""


class RunError(SandboxError):
    """A run of the workflow or of a job could not start."""


class DashboardError(SandboxError):
    """The dashboard could not be served."""


class QueryFailedError(SandboxError):
    """Athena has no answer to a query; the message is what it says."""


class LakeTableNotFoundError(SandboxError):
    """The lake has no table and no view of the name."""

    def __init__(self, name: str, near: list[str]) -> None:
        """Name what was asked for, and what is called nearly so."""
        meant = f"did you mean {' or '.join(near)}? All of them:" if near else "see what there is with:"
        super().__init__(f"The lake has no table {name}; {meant} totelake tables")
        self.name, self.near = name, near
