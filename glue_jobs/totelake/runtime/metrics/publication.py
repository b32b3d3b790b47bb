"""The publication of what a run of a stage has measured, once, when it comes to its end."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import batched
from typing import Any

import boto3
from botocore.config import Config

from totelake.runtime.metrics.declarations import HEARTBEAT, NAMESPACE, SECONDS, STAGE, Metric

_MOST_IN_A_CALL = 1000  # PutMetricData's limit
# Whoever is asked to come again later comes again: what was measured is lost with the run.
_PATIENT = Config(retries={"mode": "standard", "total_max_attempts": 5})


class Measured:
    """What one run of a stage has measured and not published yet."""

    def __init__(self, stage: str) -> None:
        """Begin with nothing."""
        self._stage = stage
        self._data: list[dict[str, Any]] = []

    def record(self, metric: Metric, value: float | Mapping[Any, float]) -> None:
        """Take the `value` of `metric`, or one for each value of the dimensions that it has of its own.

        Those are the keys of a mapping, as tuples where there are several. A total is taken even of an empty mapping.
        """
        values = value if isinstance(value, Mapping) else {(): value}
        for key, one in values.items():
            own = dict(zip(metric.own_dimensions, key if isinstance(key, tuple) else (key,), strict=True))
            self._take(metric, one, metric.dimensions, own)
        if metric.total is not None:
            self._take(metric, sum(values.values()), metric.total, {})

    def publish(self) -> None:
        """Publish what is there, and go on with nothing."""
        _put(self._data)
        self._data = []

    def _take(self, metric: Metric, value: float, dimensions: tuple[str, ...], own: Mapping[str, str]) -> None:
        known = {STAGE: self._stage, **own}
        self._data.append(_datum(metric.name, value, metric.unit, {name: known[name] for name in dimensions}))


@contextmanager
def stage(name: str) -> Iterator[Measured]:
    """Publish what the block has measured when it comes to its end, with its seconds and a heartbeat.

    Of a block that raises nothing is published but what it has published itself. An error of CloudWatch goes on: the
    run fails, and nothing is lost of what it had committed.
    """
    began, measured = time.monotonic(), Measured(name)
    yield measured
    measured.record(SECONDS, time.monotonic() - began)
    measured.record(HEARTBEAT, 1)
    measured.publish()


def count(name: str, value: int, **dimensions: str) -> None:
    """Publish at once how many there are of something, such as `count("UnknownColumns", 3, Table="payment")`."""
    _put([_datum(name, value, "Count", dimensions)])


def _datum(name: str, value: float, unit: str, dimensions: Mapping[str, str]) -> dict[str, Any]:
    told = [{"Name": dimension, "Value": said} for dimension, said in dimensions.items()]
    return {"MetricName": name, "Value": value, "Unit": unit, "Dimensions": told}


def _put(data: list[dict[str, Any]]) -> None:
    cloudwatch = boto3.client("cloudwatch", config=_PATIENT)
    for few in batched(data, _MOST_IN_A_CALL, strict=False):
        cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=list(few))
