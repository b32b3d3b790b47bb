"""Glue crawlers that crawl: an S3 crawler walks the lake, reads Parquet schemas and writes tables to the catalog."""

from local_aws.glue.crawlers.api import install
from local_aws.glue.crawlers.crawl import Crawl
from local_aws.glue.crawlers.runner import start, stop, stop_all

__all__ = ["Crawl", "install", "start", "stop", "stop_all"]
