"""The page that says what a month costs."""

from collections.abc import Iterable

from ops.generate.cost import estimate
from ops.generate.cost.estimate import CRAWL, FREQUENCIES, REFERENCE_RUNS, SHARE, EnvironmentSchedules
from ops.generate.cost.plan import Resource
from ops.generate.cost.prices import (
    AS_OF,
    BY_USE,
    CRAWLER,
    CRAWLER_DPUS,
    CRAWLER_LEAST_MINUTES,
    HOURS,
    SPARK_LEAST_MINUTES,
)

_HEAD = """\
# What a month costs

Made by `make generated` from what Terraform plans for `env/{name}.tfvars`, and from the list prices in
`ops/generate/cost/prices.py`: US dollars, us-east-1, {as_of}, without free tiers and taxes. A month has
{hours:.0f} hours."""

_JOBS = """\
## The jobs

Glue bills a run by the second, and for {least:g} minute at least. That minute is what is reckoned here: it is the least
that a month costs, and where the runs of a job take three minutes, that job costs three times as much. Flex is
cheaper and starts when there is room, maybe much later: how fresh the warehouse is then depends on it.

The workflow runs every 30 minutes:

{reference}

As configured, `{expression}`:

{configured}"""

_CRAWLER = """\
## What the crawler adds

A crawl is billed for {minutes:g} minutes at least, at {hour} an hour for each of {dpus} DPUs: {crawl}. With the drift
check after it that is {each}, beside {jobs} a month for the jobs when the workflow runs every 30 minutes:

{table}

Drift is rare, and little is lost by learning of it later: the ingest lands a new column as it is, and stops by
itself where a declared one is gone or has another type. So crawling may cost {share:.0%} of what the jobs cost, and
happens as often as that allows: **{recommended_frequency}**. Configured is `{expression}`."""

_BY_USE = """\
## What costs by its use

No configuration tells how much of it there will be, so it is in no sum.{unpriced}

{table}"""


def page(name: str, resources: list[Resource]) -> str:
    """Return the page of the environment `name` in Markdown."""
    environment = estimate.environment(resources)
    parts = [
        _HEAD.format(name=name, as_of=AS_OF, hours=HOURS),
        _jobs(environment),
        _crawler(environment),
        _standing(resources),
        _by_use(resources),
        _together(environment, resources),
    ]
    return "\n\n".join(parts) + "\n"


def _jobs(environment: EnvironmentSchedules) -> str:
    return _JOBS.format(
        least=SPARK_LEAST_MINUTES,
        reference=_jobs_table(environment, REFERENCE_RUNS),
        expression=environment.pipeline.expression,
        configured=_jobs_table(environment, environment.pipeline.runs),
    )


def _jobs_table(environment: EnvironmentSchedules, pipeline_runs: float) -> str:
    found = environment.jobs(pipeline_runs)
    rows = [
        (_short(job.name), job.size, f"{runs:,.0f}", _dollars(runs * job.run), _dollars(runs * job.flex_run))
        for job, runs in found
    ]
    flex = sum(runs * job.flex_run for job, runs in found)
    together = ("**together**", "", "", _dollars(environment.jobs_month(pipeline_runs)), _dollars(flex))
    return _table(("job", "workers", "runs a month", "on demand", "Flex"), [*rows, together])


def _crawler(environment: EnvironmentSchedules) -> str:
    each, jobs = environment.crawl_run, environment.jobs_month(REFERENCE_RUNS)
    rows = [
        (name, f"{crawls:,.0f}", _dollars(crawls * each), f"{crawls * each / jobs:.0%}")
        for name, crawls in FREQUENCIES.items()
    ]
    return _CRAWLER.format(
        minutes=CRAWLER_LEAST_MINUTES,
        hour=_dollars(CRAWLER.amount),
        dpus=CRAWLER_DPUS,
        crawl=_dollars(CRAWL, 3),
        each=_dollars(each, 3),
        jobs=_dollars(jobs),
        table=_table(("crawled", "crawls a month", "a month", "of what the jobs cost"), rows),
        share=SHARE,
        recommended_frequency=environment.recommended_frequency(),
        expression=environment.crawl.expression,
    )


def _standing(resources: list[Resource]) -> str:
    rows = [
        (
            f"[{part.price.unit}]({part.price.source})",
            str(part.count),
            _dollars(part.price.amount),
            _dollars(part.month),
        )
        for part in estimate.standing(resources)
    ]
    return "## What costs by being there\n\n" + _table(("each", "how many", "a month of one", "a month"), rows)


def _by_use(resources: list[Resource]) -> str:
    unpriced = ", ".join(f"`{kind}`" for kind in estimate.unpriced(resources))
    rows = [
        (f"[{what}]({price.source})", f"{_dollars(price.amount, 4)} per {price.unit}") for what, price in BY_USE.items()
    ]
    return _BY_USE.format(
        unpriced=f" Nor is what no price is declared for: {unpriced}." if unpriced else "",
        table=_table(("what", "price"), rows),
    )


def _together(environment: EnvironmentSchedules, resources: list[Resource]) -> str:
    crawling = environment.crawl.runs * environment.crawl_run
    standing = sum(part.month for part in estimate.standing(resources))
    rows = []
    for name, runs in (("every 30 minutes", REFERENCE_RUNS), ("as configured", environment.pipeline.runs)):
        jobs = environment.jobs_month(runs)
        rows.append((name, *map(_dollars, (jobs, crawling, standing, jobs + crawling + standing))))
    heads = ("the workflow runs", "jobs, on demand", "crawling", "by being there", "a month")
    return "## Together, without what costs by its use\n\n" + _table(heads, rows)


def _short(name: str) -> str:
    return name.rpartition("-")[2]


def _dollars(amount: float, digits: int = 2) -> str:
    return f"${amount:,.{digits}f}"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, ("---", *("---:" for _ in heads[1:])), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
