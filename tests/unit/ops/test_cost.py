"""The monthly cost, estimated from the resources of a Terraform plan."""

import json

import pytest

from ops.generate.cost import estimate
from ops.generate.cost.plan import Resource
from ops.generate.cost.prices import NETWORK

WORKERS = {"glue_version": "6.0", "worker_type": "G.1X", "number_of_workers": 2}


def resource(kind, **values):
    """Return a resource of the module `part`."""
    return Resource(f"module.part.{kind}.this", kind, values)


def job(name, **changed):
    """Return a job with two small workers."""
    return resource("aws_glue_job", **{"name": name, **WORKERS, **changed})


def trigger(workflow, **action):
    """Return a trigger with one action."""
    return resource("aws_glue_trigger", workflow_name=workflow, actions=[action])


def schedule(expression, state="ENABLED", **request):
    """Return a schedule that starts the target of `request`."""
    return resource(
        "aws_scheduler_schedule",
        schedule_expression=expression,
        schedule_expression_timezone="Europe/London",
        state=state,
        target=[{"input": json.dumps(request)}],
    )


def database(**changed):
    """Return a small database with 20 GB."""
    return resource("aws_db_instance", **{"instance_class": "db.t4g.medium", "allocated_storage": 20, **changed})


def plan(crawls="rate(1 day)", **changed):
    """Return a plan with a workflow of two jobs, further jobs, and a workflow with a crawler."""
    return [
        *(job(name, **changed) for name in ("ingest", "load", "reconcile", "drift", "compact")),
        *(trigger("main", job_name=name) for name in ("ingest", "load")),
        trigger("crawl", crawler_name="ingested"),
        trigger("crawl", job_name="drift"),
        schedule("rate(15 minutes)", Name="main"),
        schedule(crawls, Name="crawl"),
        schedule("rate(1 hour)", JobName="reconcile"),
        schedule("rate(4 hours)", JobName="compact"),
    ]


def environment(**changed):
    """Return the schedules of such a plan."""
    return estimate.environment(plan(**changed))


@pytest.mark.parametrize(
    ("expression", "runs"),
    [
        ("rate(30 minutes)", 1460),
        ("rate(1 hour)", 730),
        ("cron(0/15 * * * ? *)", 2920),
        ("cron(0 5 * * ? *)", 730 / 24),
        ("cron(0/15 8-17 ? * MON-FRI *)", 4 * 10 * 20 * 730 / 672),
    ],
)
def test_runs_per_month_of_rate_and_cron_expressions(expression, runs):
    """Counted over four weeks, for a month of 730 hours."""
    assert estimate.runs_a_month(expression, "UTC") == pytest.approx(runs)


def test_run_costs_one_minute_of_its_workers():
    """Two DPUs for a minute; workers of double size cost double, another Glue version has its own price."""
    [(ingest, runs), *_] = environment().jobs(1460)

    assert (ingest.name, runs, ingest.size) == ("ingest", 1460, "2 × G.1X, Glue 6.0")  # noqa: RUF001
    assert ingest.run == pytest.approx(2 * 0.308 / 60)
    assert ingest.flex_run == pytest.approx(2 * 0.203 / 60)
    [(larger, _), *_] = environment(worker_type="G.2X", glue_version="5.1").jobs(1460)
    assert larger.run == pytest.approx(4 * 0.44 / 60)


def test_schedule_starts_all_actions_of_its_workflow():
    """The drift check is counted with the crawler before it, a compaction by its own schedule: six runs a day."""
    estimated = environment()

    assert [(job.name, runs) for job, runs in estimated.jobs(10)] == [
        ("ingest", 10),
        ("load", 10),
        ("reconcile", 730),
        ("compact", 182.5),
    ]
    assert estimated.pipeline.runs == 2920
    assert estimated.crawl_run == pytest.approx(0.44 * 2 / 6 + 2 * 0.308 / 60)


def test_disabled_schedule_costs_nothing():
    """It has no runs."""
    [start] = [estimate._start(schedule("rate(1 hour)", "DISABLED", JobName="a").values, [], {"a": None})]

    assert start.runs == 0


def test_recommended_crawl_frequency_follows_the_cost():
    """With larger workers a crawl is a smaller share, so more crawls are recommended."""
    assert environment().recommended_frequency() == "every week"
    assert environment(worker_type="G.8X").recommended_frequency() == "every 6 hours"


def test_fixed_costs_are_counted():
    """Alarms per metric, interface endpoints per zone, gateway endpoints not at all."""
    planned = [
        resource("aws_kms_key"),
        resource("aws_cloudwatch_metric_alarm", metric_query=[]),
        resource("aws_cloudwatch_metric_alarm", metric_query=[{"metric": [{}]}, {"metric": [{}]}, {"metric": []}]),
        resource("aws_vpc_endpoint", vpc_endpoint_type="Interface", subnet_ids=[None]),
        resource("aws_vpc_endpoint", vpc_endpoint_type="Interface", subnet_ids=["subnet-1", "subnet-2"]),
        resource("aws_vpc_endpoint", vpc_endpoint_type="Gateway"),
    ]
    costs = [*estimate.fixed_costs(planned), *estimate.fixed_costs(planned, NETWORK)]

    assert {part.price.unit: (part.count, round(part.month, 2)) for part in costs} == {
        "key": (1, 1.0),
        "metric of an alarm": (3, 0.3),
        "interface endpoint in one zone": (3, 24.09),
    }


def test_metric_is_billed_for_the_hours_in_which_it_has_values():
    """Two runs in an hour count once, a run a day is a 24th of a month."""
    stages = ("ingest", "transform", "load", "reconcile", "drift", "compact", "verify")
    often, daily = (estimate.metric_months(dict.fromkeys(stages, runs)) for runs in (1460, 730 / 24))

    assert often == estimate.series()
    assert daily == pytest.approx(often / 24)


def test_month_adds_up_all_costs():
    """The platform is all but the database."""
    planned = [*plan(), resource("aws_kms_key"), database(multi_az=False)]
    costs = estimate.month(planned, 1460)

    assert costs.jobs == pytest.approx((2 * 1460 + 730 + 182.5) * 2 * 0.308 / 60)
    assert costs.other == 1.0
    assert costs.logs == pytest.approx((2 * 1460 + 730 + 182.5 + 365 / 12) * 0.5 / 1024 * 0.5985)
    assert costs.network == 0
    assert costs.database == pytest.approx(0.065 * 730 + 20 * 0.133 + 0.40)
    assert costs.total == pytest.approx(costs.platform + costs.database)
    assert estimate.month(planned).jobs > costs.jobs


def test_redshift_bills_a_minute_for_each_run_that_uses_it():
    """Of eight RPUs, with its secret."""
    group = resource("aws_redshiftserverless_workgroup", base_capacity=8)
    runs = {"load": 1460, "reconcile": 365}

    assert estimate.rpu_hours(group, runs) == pytest.approx(1825 * 8 / 60)
    [compute, secret] = estimate.database_costs([group], runs)
    assert compute.month == pytest.approx(1825 * 8 / 60 * 0.375)
    assert (secret.count, secret.month) == (1, 0.40)
    assert estimate.unpriced([group]) == []


def test_resource_without_a_price_is_named():
    """So that it is not assumed to be free."""
    kinds = ("aws_rds_cluster", "aws_iam_role", "aws_glue_crawler", "aws_kms_key")

    assert estimate.unpriced(map(resource, kinds)) == ["aws_rds_cluster"]


@pytest.mark.parametrize(("multi_az", "instances"), [(True, 2), (False, 1)])
def test_database_costs_its_instances_their_disks_and_its_secret(multi_az, instances):
    """A standby costs as much as the primary."""
    planned = [database(multi_az=multi_az)]

    assert [part.count for part in estimate.database_costs(planned, {})] == [instances, instances * 20, 1]
    assert estimate.unpriced(planned) == []


def test_database_of_an_unknown_class_has_no_price():
    """It is listed as unpriced."""
    planned = [database(instance_class="db.x2g.16xlarge", multi_az=False)]

    assert estimate.database_costs(planned, {}) == []
    assert estimate.unpriced(planned) == ["aws_db_instance"]
