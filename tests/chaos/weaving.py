"""Many interleavings, woven into one sequence of steps."""

import random

from tests.chaos.schedules import Action, Interleaving, Step


def woven(group: list[Interleaving], part: int, choice: random.Random) -> list[tuple[int, Step]]:
    """Return the steps before the batch `part` of all interleavings, each one's in their order, all else by chance."""
    steps = {interleaving.number: iter(_parts(interleaving)[part]) for interleaving in group}
    order = [interleaving.number for interleaving in group for _ in _parts(interleaving)[part]]
    choice.shuffle(order)
    return [(number, next(steps[number])) for number in order]


def _parts(interleaving: Interleaving) -> list[list[Step]]:
    """Return the steps before the first batch, those before the second one, and so on."""
    parts: list[list[Step]] = [[]]
    for step in interleaving.steps:
        if step.action is Action.BATCH:
            parts.append([])
        else:
            parts[-1].append(step)
    return parts[:-1]
