"""Glue as moto's subclasses: the backend with its models, and the response with all operations."""

from typing import Any, ClassVar, override

from local_aws import mounting
from local_aws.glue.crawlers import CrawlerBackend, CrawlerOperations, LocalCrawler
from local_aws.glue.operations.connections import ConnectionOperations, LocalConnection
from local_aws.glue.operations.jobs import JobOperations
from local_aws.glue.operations.tables import CatalogOperations
from local_aws.glue.operations.triggers import TriggerOperations
from local_aws.glue.operations.workflows import WorkflowOperations
from local_aws.glue.service import Glue


class LocalGlueBackend(CrawlerBackend):
    """Glue's backend; `mount` gives its `Glue`, which is the same in every region."""

    glue: ClassVar[Glue]

    @override
    def create_connection(self, catalog_id: str, connection_input: dict[str, Any], tags: dict[str, str]) -> str:
        """Make a connection."""
        status: str = super().create_connection(catalog_id, connection_input, tags)
        mounting.specialized(self.connections[connection_input["Name"]], LocalConnection)
        return status


class LocalGlueResponse(
    JobOperations,
    TriggerOperations,
    WorkflowOperations,
    ConnectionOperations,
    CrawlerOperations,
    CatalogOperations,
):
    """The operations of Glue."""


def mount(glue: Glue) -> None:
    """Mount Glue."""
    mounting.mount(
        "glue",
        backend=LocalGlueBackend,
        response=LocalGlueResponse,
        models=[LocalConnection, LocalCrawler],
        glue=glue,
        crawls=glue.crawls,
    )
