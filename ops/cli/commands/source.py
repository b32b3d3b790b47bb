"""Commands that write to totesys."""

# ruff: noqa: PLC0415 - with all imports at the top `totelake --help` takes 1.1 s instead of 0.4 s

from typing import Annotated

import typer

from ops.cli.commands.options import DEFAULT_STATE, RandomSeed, StateOption, running_sandbox


def seed(
    folder: StateOption = DEFAULT_STATE,
    sales_orders: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Sales orders; the other tables in proportion.")
    ] = None,
    random_seed: RandomSeed = None,
) -> None:
    """Fill totesys with generated business data."""
    from ops.cli import source_data

    with running_sandbox(folder, "Interrupted; totesys is unchanged.") as (_, settings):
        source_data.seed(settings, sales_orders, random_seed)


def activity(
    folder: StateOption = DEFAULT_STATE,
    events: Annotated[int, typer.Option(min=1, metavar="N", help="Number of business events.")] = 300,
    random_seed: RandomSeed = None,
) -> None:
    """Simulate business activity in totesys: orders, payments, corrections, some of them committed late."""
    from ops.cli import source_data

    with running_sandbox(folder, "Interrupted; events that were committed stay.") as (_, settings):
        source_data.activity(settings, events, random_seed)
