"""The commands of `totelake`, in the order in which the help lists them."""

import typer

from ops.cli.commands.jobs import compact, crawl, follow, rebuild, reconcile, run, stop
from ops.cli.commands.lake import describe, history, lineage, quarantine, query, tables, verify
from ops.cli.commands.sandbox import dashboard, demo, down, env, logs, status, up, urls
from ops.cli.commands.source import activity, seed
from ops.cli.commands.warehouse import ddl

app = typer.Typer(
    help="A data platform on AWS Glue: totesys to lake to warehouse, exactly once, on a laptop too.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _command in (
    *(up, seed, activity, run, reconcile, compact, crawl, follow, stop, status, dashboard, urls, env, logs),
    *(history, lineage, quarantine, verify, query, tables, describe, rebuild, ddl, down, demo),
):
    app.command()(_command)

__all__ = ["app"]
