"""What is crawled, and how drift is judged: what the crawler found in the ingested bucket against the declarations."""

from crawlers.check import run

__all__ = ["run"]
