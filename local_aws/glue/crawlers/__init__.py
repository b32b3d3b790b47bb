"""Glue crawlers that crawl: an S3 crawler lists the lake, reads Parquet schemas and writes tables to the catalog."""

from local_aws.glue.crawlers.api import CrawlerBackend, CrawlerOperations
from local_aws.glue.crawlers.crawl import Crawl
from local_aws.glue.crawlers.crawler import LocalCrawler
from local_aws.glue.crawlers.runner import Crawls

__all__ = ["Crawl", "CrawlerBackend", "CrawlerOperations", "Crawls", "LocalCrawler"]
