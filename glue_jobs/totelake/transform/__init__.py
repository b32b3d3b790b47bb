"""The transform stage: the star schemas' part in everything that was ingested since the last time."""

from totelake.transform.stage import run

__all__ = ["run"]
