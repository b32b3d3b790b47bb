"""What a month costs, reckoned from resources as Terraform plans them."""

import json

import pytest

from ops.generate.cost import estimate
from ops.generate.cost.plan import Resource

WORKERS = {"glue_version": "6.0", "worker_type": "G.1X", "number_of_workers": 2}


def resource(kind, **values):
    """Return a resource of the module `part`."""
    return Resource(f"module.part.{kind}.this", kind, values)


def job(name, **changed):
    """Return a job of two small workers."""
    return resource("aws_glue_job", **{"name": name, **WORKERS, **changed})


def trigger(workflow, **action):
    """Return a trigger with one action."""
    return resource("aws_glue_trigger", workflow_name=workflow, actions=[action])


def schedule(expression, state="ENABLED", **request):
    """Return a schedule that starts what `request` names."""
    return resource(
        "aws_scheduler_schedule",
        schedule_expression=expression,
        schedule_expression_timezone="Europe/London",
        state=state,
        target=[{"input": json.dumps(request)}],
    )


def environment(crawls="rate(1 day)", **changed):
    """Return an environment with a workflow of two jobs, a job of its own, and a workflow that crawls."""
    return estimate.environment(
        [
            *(job(name, **changed) for name in ("ingest", "load", "reconcile", "drift")),
            *(trigger("main", job_name=name) for name in ("ingest", "load")),
            trigger("crawl", crawler_name="ingested"),
            trigger("crawl", job_name="drift"),
            schedule("rate(15 minutes)", Name="main"),
            schedule(crawls, Name="crawl"),
            schedule("rate(1 hour)", JobName="reconcile"),
        ]
    )


@pytest.mark.parametrize(
    ("expression", "runs"),
    [
        ("rate(30 minutes)", 1460),
        ("rate(1 hour)", 730),
        ("cron(0 5 * * ? *)", 730 / 24),
        ("cron(0/15 8-17 ? * MON-FRI *)", 4 * 10 * 20 * 730 / 672),
    ],
)
def test_rates_and_times_are_counted_alike(expression, runs):
    """Over four weeks, in a month of 730 hours."""
    assert estimate.runs_a_month(expression, "UTC") == pytest.approx(runs)


def test_a_run_costs_a_minute_of_its_workers():
    """Two DPUs for a minute; twice as large workers cost twice as much, an older Glue its own price."""
    [(ingest, runs), *_] = environment().jobs(1460)

    assert (ingest.name, runs, ingest.size) == ("ingest", 1460, "2 × G.1X, Glue 6.0")  # noqa: RUF001
    assert ingest.run == pytest.approx(2 * 0.308 / 60)
    assert ingest.flex_run == pytest.approx(2 * 0.203 / 60)
    [(larger, _), *_] = environment(worker_type="G.2X", glue_version="5.1").jobs(1460)
    assert larger.run == pytest.approx(4 * 0.44 / 60)


def test_what_a_schedule_starts_is_what_its_triggers_lead_to():
    """The drift check is counted with the crawler that it follows."""
    found = environment()

    assert [(job.name, runs) for job, runs in found.jobs(10)] == [("ingest", 10), ("load", 10), ("reconcile", 730)]
    assert found.pipeline.runs == 2920
    assert found.crawl_run == pytest.approx(0.44 * 2 / 6 + 2 * 0.308 / 60)


def test_a_schedule_that_is_disabled_costs_nothing():
    """It is there and never fires."""
    [start] = [estimate._start(schedule("rate(1 hour)", "DISABLED", JobName="a").values, [], {"a": None})]

    assert start.runs == 0


def test_the_numbers_decide_how_often_the_lake_is_crawled():
    """Larger workers make a crawl the smaller part, so there may be more of them."""
    assert environment().recommended_frequency() == "every week"
    assert environment(worker_type="G.8X").recommended_frequency() == "every 6 hours"


def test_what_costs_by_being_there_is_counted():
    """Alarms by their metrics, interface endpoints by their zones, gateway endpoints not at all."""
    found = estimate.standing(
        [
            resource("aws_kms_key"),
            resource("aws_cloudwatch_metric_alarm", metric_query=[]),
            resource("aws_cloudwatch_metric_alarm", metric_query=[{"metric": [{}]}, {"metric": [{}]}, {"metric": []}]),
            resource("aws_subnet"),
            resource("aws_subnet"),
            resource("aws_vpc_endpoint", vpc_endpoint_type="Interface"),
            resource("aws_vpc_endpoint", vpc_endpoint_type="Interface", subnet_ids=["subnet-1"]),
            resource("aws_vpc_endpoint", vpc_endpoint_type="Gateway"),
        ]
    )

    assert {part.price.unit: (part.count, round(part.month, 2)) for part in found} == {
        "key": (1, 1.0),
        "metric of an alarm": (3, 0.3),
        "interface endpoint in one zone": (3, 21.9),
    }


def test_what_has_no_price_is_named():
    """Nobody is to think that it costs nothing."""
    found = ("aws_rds_cluster", "aws_iam_role", "aws_glue_crawler", "aws_kms_key")

    assert estimate.unpriced(map(resource, found)) == ["aws_rds_cluster"]


@pytest.mark.parametrize(("multi_az", "instances"), [(True, 2), (False, 1)])
def test_a_database_is_its_instances_and_their_disks(multi_az, instances):
    """A standby costs what the one costs that it stands by for."""
    database = resource("aws_db_instance", instance_class="db.t4g.medium", multi_az=multi_az, allocated_storage=20)

    assert [part.count for part in estimate.standing([database])] == [instances, instances * 20]
    assert estimate.unpriced([database]) == []


def test_a_database_of_an_unknown_class_has_no_price():
    """It is named instead."""
    database = resource("aws_db_instance", instance_class="db.x2g.16xlarge", multi_az=False, allocated_storage=20)

    assert estimate.standing([database]) == []
    assert estimate.unpriced([database]) == ["aws_db_instance"]
