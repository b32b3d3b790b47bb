"""The publication of metrics: in few requests, with totals, and nothing of a block that fails."""

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
        """Takes what it gets."""

        def put_metric_data(self, **request):
            """Take it."""
            seen.append(request)

    monkeypatch.setattr(boto3, "client", lambda _name, **_: CloudWatch())
    return seen


def told(request):
    """Return the name, dimensions and value of each datum of a request."""
    return [
        (datum["MetricName"], {pair["Name"]: pair["Value"] for pair in datum["Dimensions"]}, datum["Value"])
        for datum in request["MetricData"]
    ]


def test_a_stage_publishes_once_with_sums_seconds_and_a_heartbeat(requests):
    """The sum of nothing is nothing, and is told."""
    with metrics.stage("load") as measured:
        measured.record(BY_TABLE, {"a": 2, "b": 3})
        measured.record(BY_TWO, {})

    [request] = requests
    *rest, seconds, heartbeat = told(request)
    assert request["Namespace"] == "Totelake"
    assert rest == [
        ("Things", {"Stage": "load", "Table": "a"}, 2),
        ("Things", {"Stage": "load", "Table": "b"}, 3),
        ("Things", {"Stage": "load"}, 5),
        ("Pairs", {}, 0),
    ]
    assert seconds[:2] == ("Seconds", {"Stage": "load"})
    assert heartbeat == ("Heartbeat", {"Stage": "load"}, 1)


def test_a_stage_that_fails_publishes_what_it_had_published(requests):
    """And no heartbeat."""

    def fail():
        with metrics.stage("reconcile") as measured:
            measured.record(BY_TWO, {("a", "range"): 2})
            measured.publish()
            measured.record(BY_TWO, {("a", "range"): 7})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    [request] = requests
    assert told(request) == [("Pairs", {"Table": "a", "Rule": "range"}, 2), ("Pairs", {}, 2)]


def test_no_request_is_larger_than_cloudwatch_takes(requests):
    """A thousand figures at most."""
    with metrics.stage("load") as measured:
        measured.record(BY_TABLE, {f"table_{number}": 1 for number in range(2500)})

    assert [len(request["MetricData"]) for request in requests] == [1000, 1000, 503]


def test_a_key_that_does_not_fit_the_dimensions_is_refused(requests):
    """Half a key would be another metric."""
    with pytest.raises(ValueError, match="zip"), metrics.stage("transform") as measured:
        measured.record(BY_TWO, {"a": 1})

    assert requests == []


def test_a_single_count_goes_out_at_once(requests):
    """With whatever dimensions it has."""
    metrics.count("UnknownColumns", 3, Table="payment")

    assert told(requests[0]) == [("UnknownColumns", {"Table": "payment"}, 3)]
    assert publication.NAMESPACE == "Totelake"
