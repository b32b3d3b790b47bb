"""The warehouse's current state held against totesys: counts, hashes over ranges of keys, and the keys that differ."""

from totelake.reconcile.stage import Databases, run

__all__ = ["Databases", "run"]
