"""Publication of metrics: few requests, totals, and nothing after a failure."""

import boto3
import pytest

from totelake.runtime import metrics
from totelake.runtime.metrics import Metric, publication

BY_TABLE = Metric("Things", "Count", ("Stage", "Table"), metrics.declarations.SUM, "Things.", total=("Stage",))
BY_TWO = Metric("Pairs", "Count", ("Table", "Rule"), metrics.declarations.SUM, "Pairs.", total=())


@pytest.fixture
def requests(monkeypatch):
    """Return the requests that reach CloudWatch."""
    seen = []

    class CloudWatch:
        """A CloudWatch client that records its requests."""

        def put_metric_data(self, **request):
            """Record the request."""
            seen.append(request)

    monkeypatch.setattr(boto3, "client", lambda _name, **_: CloudWatch())
    return seen


def data_of(request):
    """Return name, dimensions and value of each datum of a request."""
    return [
        (datum["MetricName"], {pair["Name"]: pair["Value"] for pair in datum["Dimensions"]}, datum["Value"])
        for datum in request["MetricData"]
    ]


def test_stage_publishes_totals_and_seconds(requests):
    """The total without data is zero and is published."""
    with metrics.stage("load") as measured:
        measured.record(BY_TABLE, {"a": 2, "b": 3})
        measured.record(BY_TWO, {})

    [request] = requests
    *rest, seconds = data_of(request)
    assert request["Namespace"] == "Totelake"
    assert rest == [
        ("Things", {"Stage": "load", "Table": "a"}, 2),
        ("Things", {"Stage": "load", "Table": "b"}, 3),
        ("Things", {"Stage": "load"}, 5),
        ("Pairs", {}, 0),
    ]
    assert seconds[:2] == ("Seconds", {"Stage": "load"})


def test_failed_stage_publishes_no_seconds(requests):
    """Only the data published before the failure."""

    def fail():
        with metrics.stage("reconcile") as measured:
            measured.record(BY_TWO, {("a", "range"): 2})
            measured.publish()
            measured.record(BY_TWO, {("a", "range"): 7})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    [request] = requests
    assert data_of(request) == [("Pairs", {"Table": "a", "Rule": "range"}, 2), ("Pairs", {}, 2)]


def test_request_has_at_most_1000_data(requests):
    """The limit of CloudWatch."""
    with metrics.stage("load") as measured:
        measured.record(BY_TABLE, {f"table_{number}": 1 for number in range(2500)})

    assert [len(request["MetricData"]) for request in requests] == [1000, 1000, 502]


def test_key_with_too_few_values_is_rejected(requests):
    """Missing dimensions would make another metric."""
    with pytest.raises(ValueError, match="zip"), metrics.stage("transform") as measured:
        measured.record(BY_TWO, {"a": 1})

    assert requests == []


def test_single_count_is_published_at_once(requests):
    """With any dimensions."""
    metrics.count("UnknownColumns", 3, Table="payment")

    assert data_of(requests[0]) == [("UnknownColumns", {"Table": "payment"}, 3)]
    assert publication.NAMESPACE == "Totelake"
