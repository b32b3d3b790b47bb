"""The log of a crawl in CloudWatch Logs, in the format of Glue."""

import json
import time
from typing import Any

from moto.logs import logs_backends

from local_aws.glue.crawlers.crawl import Crawl


class CrawlLog:
    """Lines of one crawl in the stream of its crawler."""

    def __init__(self, account: str, region: str, crawl: Crawl) -> None:
        """Make log group and stream where they do not exist."""
        self._logs: Any = logs_backends[account][region]
        self._crawl = crawl
        if crawl.log_group not in self._logs.groups:
            self._logs.create_log_group(crawl.log_group, {})
        if crawl.log_stream not in self._logs.groups[crawl.log_group].streams:
            self._logs.create_log_stream(crawl.log_group, crawl.log_stream)

    def benchmark(self, text: str) -> None:
        """Write a line about a stage of the crawl."""
        self._write("BENCHMARK", text)

    def info(self, text: str) -> None:
        """Write a line about a result."""
        self._write("INFO", text)

    def warn(self, text: str) -> None:
        """Write a line about something that was skipped."""
        self._write("WARN", text)

    def error(self, text: str) -> None:
        """Write a line about the failure of the crawl."""
        self._write("ERROR", text)

    def run_summary(self) -> None:
        """Write how many tables and partitions were added, updated and deleted."""
        for kind, counts in json.loads(self._crawl.summary()).items():
            self.info(f"Run Summary For {kind}:")
            for action, count in counts.items():
                self.info(f"{action}: {count}")

    def _write(self, level: str, text: str) -> None:
        line = {"timestamp": int(time.time() * 1000), "message": f"[{self._crawl.id}] {level} : {text}"}
        self._logs.put_log_events(self._crawl.log_group, self._crawl.log_stream, [line])
