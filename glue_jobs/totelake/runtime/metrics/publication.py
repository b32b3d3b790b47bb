"""Publication of a stage's metrics, once, when its run completes."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import batched
from typing import Any

import boto3
from botocore.config import Config

from totelake.runtime.metrics.declarations import NAMESPACE, SECONDS, STAGE, Metric

_MAX_METRICS_PER_CALL = 1000  # PutMetricData's limit
# Retry when throttled: unpublished metrics are lost with the run.
_RETRYING = Config(retries={"mode": "standard", "total_max_attempts": 5})


class StageMetrics:
    """The metrics that one run of a stage has recorded and not published yet."""

    def __init__(self, stage: str) -> None:
        """Start empty."""
        self._stage = stage
        self._data: list[dict[str, Any]] = []

    def record(self, metric: Metric, value: float | Mapping[Any, float]) -> None:
        """Record the `value` of `metric`, or a mapping with a value for each combination of its own dimensions.

        A key is a tuple if there are several dimensions. A total is recorded even for an empty mapping.
        """
        values = value if isinstance(value, Mapping) else {(): value}
        for key, number in values.items():
            own = dict(zip(metric.own_dimensions, key if isinstance(key, tuple) else (key,), strict=True))
            self._append(metric, number, metric.dimensions, own)
        if metric.total is not None:
            self._append(metric, sum(values.values()), metric.total, {})

    def publish(self) -> None:
        """Publish the recorded metrics, and discard them."""
        _put(self._data)
        self._data = []

    def _append(self, metric: Metric, value: float, dimensions: tuple[str, ...], own: Mapping[str, str]) -> None:
        all_dimensions = {STAGE: self._stage, **own}
        named = {name: all_dimensions[name] for name in dimensions}
        self._data.append(_datum(metric.name, value, metric.unit, named))


@contextmanager
def stage(name: str) -> Iterator[StageMetrics]:
    """Publish the metrics that the block records when it completes, with its duration.

    When the block raises, only the metrics that it has published itself are published. An error of CloudWatch
    propagates: the run fails, and its committed data stays.
    """
    began, recorded = time.monotonic(), StageMetrics(name)
    yield recorded
    recorded.record(SECONDS, time.monotonic() - began)
    recorded.publish()


def count(name: str, value: int, **dimensions: str) -> None:
    """Publish a count immediately, such as `count("UnknownColumns", 3, Table="payment")`."""
    _put([_datum(name, value, "Count", dimensions)])


def _datum(name: str, value: float, unit: str, dimensions: Mapping[str, str]) -> dict[str, Any]:
    pairs = [{"Name": dimension, "Value": text} for dimension, text in dimensions.items()]
    return {"MetricName": name, "Value": value, "Unit": unit, "Dimensions": pairs}


def _put(data: list[dict[str, Any]]) -> None:
    cloudwatch = boto3.client("cloudwatch", config=_RETRYING)
    for chunk in batched(data, _MAX_METRICS_PER_CALL, strict=False):
        cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=list(chunk))
