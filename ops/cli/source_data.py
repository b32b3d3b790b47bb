"""Seeding totesys and simulating business activity in it, with progress on the screen."""

from ops.cli.screen import console, number, seconds, steps
from ops.sandbox.settings import SandboxSettings
from totesys import activity as source_activity
from totesys import seed as source_seed


def seed(settings: SandboxSettings, sales_orders: int | None = None, random_seed: int | None = None) -> None:
    """Seed the empty totesys of a local environment; without `sales_orders` as large as the real one."""
    with steps() as step, step("Seed totesys") as show_detail:
        counts = source_seed.seed(
            settings.totesys_url,
            sales_orders=source_seed.SALES_ORDERS if sales_orders is None else sales_orders,
            random_seed=source_seed.RANDOM_SEED if random_seed is None else random_seed,
            progress=lambda table, rows: show_detail(f"{table}: {number(rows)}"),
        )
    console.print(f"totesys has {number(sum(counts.values()))} rows in {len(counts)} tables.")


def activity(settings: SandboxSettings, events: int, random_seed: int | None = None) -> None:
    """Simulate `events` business events in the totesys of a local environment, and print their numbers by kind."""
    done = source_activity.activity(
        settings.totesys_url,
        events=events,
        random_seed=source_activity.RANDOM_SEED if random_seed is None else random_seed,
    )
    counts = ", ".join(f"{number(count)} {name}" for name, count in done.counts.items())
    console.print(f"{number(done.events)} events in {seconds(done.seconds)}: {counts}.", soft_wrap=True)
