"""The reconcile stage: compares the warehouse with totesys by counts and hashes over key ranges, then by key."""

from totelake.reconcile.stage import Databases, run

__all__ = ["Databases", "run"]
