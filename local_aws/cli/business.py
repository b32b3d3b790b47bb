"""Filling totesys, and letting its business go on, with a word on the screen."""

from local_aws.cli.screen import console, number, steps
from local_aws.settings import Settings
from totesys import activity as going_on
from totesys import seed as seeding


def seed(settings: Settings, sales_orders: int = seeding.SALES_ORDERS, random_seed: int = seeding.RANDOM_SEED) -> None:
    """Fill the empty totesys of a world."""
    with steps() as step, step("Seed totesys") as tell:
        counts = seeding.seed(
            settings.totesys_url,
            sales_orders=sales_orders,
            random_seed=random_seed,
            progress=lambda table, rows: tell(f"{table}: {number(rows)}"),
        )
    console.print(f"totesys holds {number(sum(counts.values()))} rows in {len(counts)} tables.")
