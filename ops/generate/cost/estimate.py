"""The monthly cost of an environment's scheduled runs and fixed resources. Pure functions."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from local_aws.schedules.expressions import is_rate, next_fire, period
from ops.generate.cost.plan import Resource
from ops.generate.cost.prices import (
    CRAWLER,
    CRAWLER_DPUS,
    CRAWLER_MIN_MINUTES,
    DATABASE_STORAGE,
    DPUS,
    FREE,
    HOURS,
    INSTANCES,
    LOG_MB_OF_RUN,
    LOGS,
    METRIC,
    MONTHLY,
    NETWORK,
    REDSHIFT,
    REDSHIFT_MIN_MINUTES,
    SECRET,
    SPARK,
    SPARK_MIN_MINUTES,
    Price,
)
from totelake.runtime.metrics import METRICS

_POSTGRES = "aws_db_instance"
_REDSHIFT = "aws_redshiftserverless_workgroup"
_REDSHIFT_STAGES = ("load", "reconcile")
_SAMPLE = timedelta(days=28)
_START = datetime(2026, 1, 1, tzinfo=UTC)

REFERENCE_RUNS = 2 * HOURS
"""Runs of the workflow a month in comparisons: every 30 minutes."""

FREQUENCIES = {
    "every 30 minutes, with each ingest": 2 * HOURS,
    "every hour": HOURS,
    "every 6 hours": HOURS / 6,
    "every day": HOURS / 24,
    "every week": HOURS / 168,
}
"""Possible frequencies of crawls, in crawls a month, most frequent first."""

CRAWL_SHARE = 0.1
"""The maximum cost of crawling as a share of the cost of the jobs."""

CRAWL = CRAWLER.amount * CRAWLER_DPUS * CRAWLER_MIN_MINUTES / 60
"""The minimum cost of a crawl."""


@dataclass(frozen=True, slots=True)
class Job:
    """A Glue job: its workers, and the cost of a minute on demand and with Flex."""

    name: str
    size: str
    minute: float
    flex_minute: float

    @property
    def stage(self) -> str:
        """Its name without the prefix."""
        return self.name.rpartition("-")[2]

    @property
    def run(self) -> float:
        """The minimum cost of a run on demand."""
        return self.minute * SPARK_MIN_MINUTES

    @property
    def flex_run(self) -> float:
        """The minimum cost of a run with Flex."""
        return self.flex_minute * SPARK_MIN_MINUTES


@dataclass(frozen=True, slots=True)
class ScheduledStart:
    """A schedule: its target, its expression, its runs a month, and the jobs and crawlers of each run."""

    target: str
    expression: str
    runs: float
    jobs: tuple[Job, ...]
    crawlers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FixedCost:
    """Resources with a fixed monthly price: their number, and the price of one."""

    count: float
    price: Price

    @property
    def month(self) -> float:
        """The cost of a month."""
        return self.count * self.price.amount


@dataclass(frozen=True, slots=True)
class MonthlyCosts:
    """The costs of a month, in US dollars."""

    jobs: float
    crawling: float
    network: float
    metrics: float
    logs: float
    other: float
    database: float

    @property
    def platform(self) -> float:
        """All of them without the database."""
        return self.jobs + self.crawling + self.network + self.metrics + self.logs + self.other

    @property
    def total(self) -> float:
        """All of them."""
        return self.platform + self.database


@dataclass(frozen=True, slots=True)
class EnvironmentSchedules:
    """The schedules of an environment: of the pipeline's workflow, of the crawl workflow, and of single jobs."""

    pipeline: ScheduledStart
    crawl: ScheduledStart
    others: tuple[ScheduledStart, ...]

    @property
    def crawl_run(self) -> float:
        """The minimum cost of a crawl and of the jobs that follow it."""
        return CRAWL + sum(job.run for job in self.crawl.jobs)

    def jobs(self, pipeline_runs: float) -> list[tuple[Job, float]]:
        """Return all jobs except those after a crawl, each with its runs a month, given those of the workflow."""
        schedules = [(self.pipeline.jobs, pipeline_runs), *((start.jobs, start.runs) for start in self.others)]
        return [(job, runs) for jobs, runs in schedules for job in jobs]

    def jobs_month(self, pipeline_runs: float) -> float:
        """Return the monthly cost of those jobs on demand."""
        return sum(runs * job.run for job, runs in self.jobs(pipeline_runs))

    def stage_runs(self, pipeline_runs: float) -> dict[str, float]:
        """Return the runs a month of each stage, given those of the workflow."""
        after_crawls = [(job, self.crawl.runs) for job in self.crawl.jobs]
        return {job.stage: runs for job, runs in [*self.jobs(pipeline_runs), *after_crawls]}

    def recommended_frequency(self) -> str:
        """Return the highest of `FREQUENCIES` whose cost is within `CRAWL_SHARE` of the cost of the jobs."""
        budget = CRAWL_SHARE * self.jobs_month(REFERENCE_RUNS)
        return next((name for name, crawls in FREQUENCIES.items() if crawls * self.crawl_run <= budget), "never")


def runs_a_month(expression: str, timezone: str) -> float:
    """Return the number of starts of a schedule in a month of 730 hours."""
    if is_rate(expression):
        return HOURS / (period(expression) / timedelta(hours=1))
    starts, moment = 0, _START
    while (following := next_fire(expression, timezone, moment)) and following <= _START + _SAMPLE:
        starts, moment = starts + 1, following
    return starts * HOURS / (_SAMPLE / timedelta(hours=1))


def environment(resources: Iterable[Resource]) -> EnvironmentSchedules:
    """Return the schedules among `resources`; a disabled one has no runs."""
    resources = list(resources)
    jobs = {job.name: job for job in map(_job, _of_type(resources, "aws_glue_job"))}
    starts = [_start(schedule.values, resources, jobs) for schedule in _of_type(resources, "aws_scheduler_schedule")]
    [crawl] = [start for start in starts if start.crawlers]
    [pipeline] = [start for start in starts if len(start.jobs) > 1 and not start.crawlers]
    others = [start for start in starts if start not in (crawl, pipeline)]
    return EnvironmentSchedules(pipeline, crawl, tuple(others))


def month(resources: Iterable[Resource], pipeline_runs: float | None = None) -> MonthlyCosts:
    """Return the costs of a month with `pipeline_runs` of the workflow, by default as scheduled."""
    resources = list(resources)
    schedules = environment(resources)
    runs = schedules.stage_runs(schedules.pipeline.runs if pipeline_runs is None else pipeline_runs)
    return MonthlyCosts(
        jobs=schedules.jobs_month(schedules.pipeline.runs if pipeline_runs is None else pipeline_runs),
        crawling=schedules.crawl.runs * schedules.crawl_run,
        network=_sum(fixed_costs(resources, NETWORK)),
        metrics=metric_months(runs) * METRIC.amount,
        logs=sum(runs.values()) * LOG_MB_OF_RUN / 1024 * LOGS.amount,
        other=_sum(fixed_costs(resources)),
        database=_sum(database_costs(resources, runs)),
    )


def metric_months(runs: Mapping[str, float]) -> float:
    """Return the billed months of all metrics, given the runs a month of each stage; two in an hour count once."""
    return sum(min(1.0, sum(runs.get(stage, 0.0) for stage in stages) / HOURS) for stages in _publishers())


def series() -> int:
    """Return the number of metrics with their dimensions."""
    return len(_publishers())


def _publishers() -> list[tuple[str, ...]]:
    """Return the stages that publish each metric, for each combination of dimensions.

    Those of tables and rules are omitted: they have values only when rows are quarantined.
    """
    return [
        stages
        for metric in METRICS
        for names in metric.dimension_sets
        if set(names) <= {"Stage"}
        for stages in ([(stage,) for stage in metric.stages] if names else [metric.stages])
    ]


def fixed_costs(resources: Iterable[Resource], prices: Mapping[str, Price] = MONTHLY) -> list[FixedCost]:
    """Return the fixed costs of those of `resources` that have one of `prices`."""
    resources = list(resources)
    counts = {kind: sum(map(_quantity, _of_type(resources, kind))) for kind in prices}
    return [FixedCost(count, prices[kind]) for kind, count in counts.items() if count]


def database_costs(resources: Iterable[Resource], runs: Mapping[str, float]) -> list[FixedCost]:
    """Return the costs of a warehouse among `resources`, with its secret, given the runs a month of each stage."""
    resources = list(resources)
    postgres = [cost for database in _of_type(resources, _POSTGRES) for cost in _postgres_costs(database)]
    redshift = [FixedCost(rpu_hours(group, runs), REDSHIFT) for group in _of_type(resources, _REDSHIFT)]
    return [*postgres, *redshift, FixedCost(1, SECRET)] if postgres or redshift else []


def rpu_hours(workgroup: Resource, runs: Mapping[str, float]) -> float:
    """Return the minimum RPU-hours of a month, given the runs a month of each stage."""
    sessions = sum(runs[stage] for stage in _REDSHIFT_STAGES)
    hours: float = sessions * workgroup.values["base_capacity"] * REDSHIFT_MIN_MINUTES / 60
    return hours


def unpriced(resources: Iterable[Resource]) -> list[str]:
    """Return the types of resources without a declared price."""
    known = (*MONTHLY, *NETWORK, *FREE, "aws_redshiftserverless_", "aws_glue_job", "aws_glue_crawler")
    return sorted(
        {resource.type for resource in resources if not resource.type.startswith(known) and not _is_priced(resource)}
    )


def _is_priced(resource: Resource) -> bool:
    return resource.type == _POSTGRES and resource.values["instance_class"] in INSTANCES


def _postgres_costs(database: Resource) -> list[FixedCost]:
    """Return the costs of a database's instances and disks, including its standby; none for an unknown class."""
    values, copies = database.values, 2 if database.values["multi_az"] else 1
    if not _is_priced(database):
        return []
    return [
        FixedCost(copies, INSTANCES[values["instance_class"]]),
        FixedCost(copies * values["allocated_storage"], DATABASE_STORAGE),
    ]


def _sum(costs: Iterable[FixedCost]) -> float:
    return sum(cost.month for cost in costs)


def _start(schedule: dict[str, Any], resources: list[Resource], jobs: dict[str, Job]) -> ScheduledStart:
    [target] = schedule["target"]
    request = json.loads(target["input"])
    name = request.get("JobName") or request["Name"]
    actions = [{"job_name": name}] if "JobName" in request else _actions(resources, name)
    expression: str = schedule["schedule_expression"]
    runs = runs_a_month(expression, schedule["schedule_expression_timezone"])
    return ScheduledStart(
        target=name,
        expression=expression,
        runs=runs if schedule["state"] == "ENABLED" else 0.0,
        jobs=tuple(jobs[action["job_name"]] for action in actions if action.get("job_name")),
        crawlers=tuple(action["crawler_name"] for action in actions if action.get("crawler_name")),
    )


def _actions(resources: list[Resource], workflow: str) -> list[dict[str, str]]:
    triggers = (trigger.values for trigger in _of_type(resources, "aws_glue_trigger"))
    return [action for trigger in triggers if trigger["workflow_name"] == workflow for action in trigger["actions"]]


def _job(resource: Resource) -> Job:
    values = resource.values
    on_demand, flex = SPARK[values["glue_version"]]
    dpu_minutes = DPUS[values["worker_type"]] * values["number_of_workers"] / 60
    size = f"{values['number_of_workers']} × {values['worker_type']}, Glue {values['glue_version']}"  # noqa: RUF001
    return Job(values["name"], size, on_demand.amount * dpu_minutes, flex.amount * dpu_minutes)


def _quantity(resource: Resource) -> int:
    """Return the number of priced units of a resource, such as the metrics of an alarm."""
    values = resource.values
    if resource.type == "aws_cloudwatch_metric_alarm":
        queries = values.get("metric_query") or []
        return max(1, sum(1 for query in queries if query.get("metric")))
    if resource.type == "aws_vpc_endpoint":
        return len(values["subnet_ids"]) if values.get("vpc_endpoint_type") == "Interface" else 0
    return 1


def _of_type(resources: Iterable[Resource], kind: str) -> list[Resource]:
    return [resource for resource in resources if resource.type == kind]
