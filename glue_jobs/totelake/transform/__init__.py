"""The transform stage: builds the star tables from the batches ingested since the last run."""

from totelake.transform.stage import run

__all__ = ["run"]
