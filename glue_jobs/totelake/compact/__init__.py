"""The compact stage: merges the small files of many batches into few, without changing a row."""

from totelake.compact.stage import run

__all__ = ["run"]
