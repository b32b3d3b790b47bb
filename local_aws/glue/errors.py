"""The errors of the Glue API, by the names that clients catch.

GlueError
├── EntityNotFoundError              what was named does not exist
├── AlreadyExistsError               what is to be made exists
├── InvalidInputError                the request breaks a rule of the API
├── ConcurrentRunsExceededError      as many runs are under way as the job or workflow allows
├── ResourceNumberLimitExceededError a workflow would hold more than it may
└── IllegalWorkflowStateError        the run is not in a state in which this can be asked of it
"""

from moto.core.exceptions import ServiceException


class GlueError(ServiceException):  # type: ignore[misc]
    """An error that the client gets with its code and its message."""


class EntityNotFoundError(GlueError):
    """What the request names does not exist."""

    code = "EntityNotFoundException"


class AlreadyExistsError(GlueError):
    """What the request is to make exists already."""

    code = "AlreadyExistsException"


class InvalidInputError(GlueError):
    """The request breaks a rule of the API."""

    code = "InvalidInputException"


class ConcurrentRunsExceededError(GlueError):
    """As many runs are under way as the job or the workflow allows."""

    code = "ConcurrentRunsExceededException"


class ResourceNumberLimitExceededError(GlueError):
    """A workflow would hold more jobs, crawlers and triggers than it may."""

    code = "ResourceNumberLimitExceededException"


class IllegalWorkflowStateError(GlueError):
    """The workflow run is not in a state in which this can be asked of it."""

    code = "IllegalWorkflowStateException"
