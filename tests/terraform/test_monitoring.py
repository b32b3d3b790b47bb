"""Alarms and dashboard graphs use only metrics that the jobs or SQS publish."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from ops.deploy import build, terraform
from totelake.runtime.metrics import METRICS, NAMESPACE

from .conftest import AwsEndpoint, endpoint

# tests/jobs/test_metrics.py asserts that real runs of the stages publish exactly these.
PUBLISHED = {
    (NAMESPACE, metric.name, dimensions, metric.unit, statistic)
    for metric in METRICS
    for dimensions in (tuple(sorted(names)) for names in metric.dimension_sets)
    for statistic in metric.statistics
}
# SQS publishes it for every queue: docs.aws.amazon.com/AWSSimpleQueueService, "Available CloudWatch metrics".
QUEUE = ("AWS/SQS", "ApproximateNumberOfMessagesVisible", ("QueueName",), "Count", "Maximum")
# EventBridge publishes it for every rule: docs.aws.amazon.com/eventbridge, "Monitoring Amazon EventBridge".
RULE = ("AWS/Events", "FailedInvocations", ("RuleName",), "Count", "Sum")
QUEUES = ["totelake-test-run-missed", "totelake-test-reconcile-run-missed"]

CONFIGURATION = """
locals {
  declared = jsondecode(file("%(root)s/terraform/metrics.json"))
}

module "monitoring" {
  source = "%(root)s/terraform/modules/monitoring"

  prefix          = "totelake-test"
  declared        = local.declared
  topic_arn       = "arn:aws:sns:eu-west-2:123456789012:totelake-test-alerts"
  missed_queues   = %(queues)s
  alert_rules     = { job-failed = "totelake-test-job-failed", crawler-failed = "totelake-test-crawler-failed" }

  undelivered_queue = "totelake-test-alerts-undelivered"

  expected        = { workflow = true, reconcile = true, drift = true, compact = true, verify = true }
  longest_seconds = { ingest = 1, transform = 2, load = 3, reconcile = 4, compact = 5, verify = 6 }
  volume_band     = 3
  composite       = false
}

module "dashboard" {
  source = "%(root)s/terraform/modules/dashboard"

  name          = "totelake-test"
  declared      = local.declared
  alarm_arns    = module.monitoring.alarm_arns
  missed_queues = %(queues)s
}

output "alarm_arns" {
  value = module.monitoring.alarm_arns
}
"""


@pytest.fixture(scope="module")
def monitored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsEndpoint]:
    """Apply all alarms and the dashboard; yield the endpoint."""
    folder = tmp_path_factory.mktemp("monitored")
    for name in ("versions.tf", "env"):
        (folder / name).symlink_to(build.ROOT / "terraform" / name)
    (folder / "main.tf").write_text(CONFIGURATION % {"root": build.ROOT, "queues": json.dumps(QUEUES)})
    terraform.init(folder)
    with endpoint() as aws:
        options = ("-auto-approve", "-input=false", "-no-color")
        terraform.run(folder, "apply", *options, environment=aws.environment)
        yield aws


@pytest.fixture(scope="module")
def alarms(monitored: AwsEndpoint) -> list[dict[str, Any]]:
    """Return the alarms as CloudWatch describes them."""
    described: list[dict[str, Any]] = monitored.client("cloudwatch").describe_alarms()["MetricAlarms"]
    return described


@pytest.fixture(scope="module")
def widgets(monitored: AwsEndpoint) -> list[dict[str, Any]]:
    """Return the widgets of the dashboard."""
    body = monitored.client("cloudwatch").get_dashboard(DashboardName="totelake-test")["DashboardBody"]
    described: list[dict[str, Any]] = json.loads(body)["widgets"]
    return described


def metric_of(alarm: dict[str, Any]) -> tuple[Any, ...]:
    """Return an alarm's metric (namespace, name, dimension names, unit, statistic) and its dimensions."""
    if "MetricName" in alarm:
        metric, unit, statistic = alarm, alarm["Unit"], alarm["Statistic"]
    else:
        [stat] = [query["MetricStat"] for query in alarm["Metrics"] if "MetricStat" in query]
        metric, unit, statistic = stat["Metric"], stat["Unit"], stat["Stat"]
    dimensions = {pair["Name"]: pair["Value"] for pair in metric["Dimensions"]}
    return (metric["Namespace"], metric["MetricName"], tuple(sorted(dimensions)), unit, statistic), dimensions


def is_published(name: str, dimensions: dict[str, str]) -> bool:
    """Return whether the stage in `dimensions` publishes the metric `name`."""
    [metric] = [metric for metric in METRICS if metric.name == name]
    return dimensions.get("Stage", metric.stages[0]) in metric.stages


def test_every_alarm_uses_a_published_metric(alarms: list[dict[str, Any]]) -> None:
    """With its namespace, dimensions and unit, and one of its statistics."""
    assert len(alarms) == 24
    for alarm in alarms:
        metric, dimensions = metric_of(alarm)
        assert metric in PUBLISHED | {QUEUE, RULE}, alarm["AlarmName"]
        assert dimensions.get("QueueName") in {None, *QUEUES, "totelake-test-alerts-undelivered"}
        assert metric in {QUEUE, RULE} or is_published(metric[1], dimensions), alarm["AlarmName"]


def test_every_graph_shows_published_metrics(widgets: list[dict[str, Any]]) -> None:
    """Including the metrics of SEARCH expressions."""
    graphs = [widget["properties"] for widget in widgets if widget["type"] == "metric"]
    without_unit = {(*metric[:3], metric[4]) for metric in PUBLISHED | {QUEUE}}
    for graph in graphs:
        for line in graph["metrics"]:
            if isinstance(line[0], dict):
                metric, dimensions = searched_metric(line[0]["expression"])
            else:
                namespace, name, *pairs = line
                dimensions = dict(zip(pairs[::2], pairs[1::2], strict=True))
                metric = (namespace, name, tuple(sorted(dimensions)), graph["stat"])
            assert metric in without_unit, graph["title"]
            assert metric[0] == "AWS/SQS" or is_published(metric[1], dimensions), graph["title"]


def searched_metric(expression: str) -> tuple[tuple[Any, ...], dict[str, str]]:
    """Return the metric of a SEARCH expression, and the dimensions that it requires."""
    match = re.fullmatch(r"SEARCH\('\{([\w,]+)\} MetricName=\"(\w+)\"(.*)', '(\w+)', \d+\)", expression)
    assert match, expression
    namespace, *names = match[1].split(",")
    return (namespace, match[2], tuple(sorted(names)), match[4]), dict(re.findall(r'(\w+)="(\w+)"', match[3]))


def test_every_metric_is_used_with_each_of_its_dimensions(
    widgets: list[dict[str, Any]], alarms: list[dict[str, Any]]
) -> None:
    """By a graph or an alarm: each combination of dimensions is billed."""
    graphs = [widget["properties"] for widget in widgets if widget["type"] == "metric"]
    used = set()
    for line in (line for graph in graphs for line in graph["metrics"]):
        if isinstance(line[0], dict):
            metric, _ = searched_metric(line[0]["expression"])
            used.add((metric[1], metric[2], None))
        elif line[0] == NAMESPACE:
            pairs = dict(zip(line[2::2], line[3::2], strict=True))
            used.add((line[1], tuple(sorted(pairs)), pairs.get("Stage")))
    for metric, pairs in map(metric_of, alarms):
        if metric[0] == NAMESPACE:
            used.add((metric[1], metric[2], pairs.get("Stage")))

    assert used == {
        (metric.name, tuple(sorted(names)), stage)
        for metric in METRICS
        for names in metric.dimension_sets
        for stage in (metric.stages if "Stage" in names else (None,))
    }


def test_dashboard_begins_with_the_states_of_all_alarms(
    widgets: list[dict[str, Any]], alarms: list[dict[str, Any]]
) -> None:
    """Its widgets do not overlap."""
    assert sorted(widgets[0]["properties"]["alarms"]) == sorted(alarm["AlarmArn"] for alarm in alarms)
    covered = [
        (x, y)
        for widget in widgets
        for x in range(widget["x"], widget["x"] + widget["width"])
        for y in range(widget["y"], widget["y"] + widget["height"])
    ]
    assert len(covered) == len(set(covered))
    assert max(x for x, _ in covered) < 24


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_interval_and_maximum_run_times_fit_into_half_an_hour(environment: str) -> None:
    """A change just after a snapshot waits for the next run, and is in the warehouse at its end."""
    text = (build.ROOT / "terraform/variables.tf").read_text()
    limits = re.search(r'"longest_seconds" \{.*?default\s*= \{(.*?)\}', text, re.DOTALL)
    values = (build.ROOT / f"terraform/env/{environment}.tfvars").read_text()
    interval = re.search(r'^schedule = \{\s*expression = "cron\(0/(\d+) \* ', values, re.MULTILINE)
    assert limits
    assert interval
    seconds = {name: int(value) for name, value in re.findall(r"(\w+) = (\d+)", limits[1])}
    run = seconds["ingest"] + seconds["transform"] + seconds["load"]

    assert run < int(interval[1]) * 60
    assert run + int(interval[1]) * 60 <= 30 * 60


def test_local_environment_has_the_alarms_of_the_outputs(deployment: Any) -> None:
    """Each of them notifies the topic."""
    described = deployment.endpoint.client("cloudwatch").describe_alarms()["MetricAlarms"]

    assert sorted(alarm["AlarmName"] for alarm in described) == deployment.applied.outputs["alarms"]
    assert {action for alarm in described for action in alarm["AlarmActions"]} == {
        deployment.applied.outputs["topic_arn"]
    }
