"""Filling totesys, and letting its business go on, with a word on the screen."""

from ops.cli.screen import console, number, seconds, steps
from ops.sandbox.settings import SandboxSettings
from totesys import activity as going_on
from totesys import seed as seeding


def seed(settings: SandboxSettings, sales_orders: int | None = None, random_seed: int | None = None) -> None:
    """Fill the empty totesys of a world; by default as large as the real one."""
    with steps() as step, step("Seed totesys") as tell:
        counts = seeding.seed(
            settings.totesys_url,
            sales_orders=seeding.SALES_ORDERS if sales_orders is None else sales_orders,
            random_seed=seeding.RANDOM_SEED if random_seed is None else random_seed,
            progress=lambda table, rows: tell(f"{table}: {number(rows)}"),
        )
    console.print(f"totesys holds {number(sum(counts.values()))} rows in {len(counts)} tables.")


def activity(settings: SandboxSettings, events: int, random_seed: int | None = None) -> None:
    """Let `events` things happen in the totesys of a world, and tell what they were."""
    done = going_on.activity(
        settings.totesys_url,
        events=events,
        random_seed=going_on.RANDOM_SEED if random_seed is None else random_seed,
    )
    told = ", ".join(f"{number(count)} {name}" for name, count in done.counts.items())
    console.print(f"{number(done.events)} events in {seconds(done.seconds)}: {told}.", soft_wrap=True)
