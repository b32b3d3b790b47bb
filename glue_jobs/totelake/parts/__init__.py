"""One star table's part in a processed batch, from the rows that were ingested to the files in the bucket."""

from totelake.parts.attempt import Attempt, Part
from totelake.parts.dimension import build_dimension
from totelake.parts.fact import build_fact, pending_versions
from totelake.parts.references import missing_references

__all__ = ["Attempt", "Part", "build_dimension", "build_fact", "missing_references", "pending_versions"]
