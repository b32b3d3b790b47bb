"""Merges the steps of many interleavings into one sequence."""

import random

from tests.chaos.schedules import Interleaving, ScheduleStep, StepKind


def merged_steps(group: list[Interleaving], part: int, choice: random.Random) -> list[tuple[int, ScheduleStep]]:
    """Return the steps before batch `part` of all interleavings, shuffled but in the order of each interleaving."""
    steps = {interleaving.number: iter(_parts(interleaving)[part]) for interleaving in group}
    order = [interleaving.number for interleaving in group for _ in _parts(interleaving)[part]]
    choice.shuffle(order)
    return [(number, next(steps[number])) for number in order]


def _parts(interleaving: Interleaving) -> list[list[ScheduleStep]]:
    """Return the steps before the first batch, those before the second one, and so on."""
    parts: list[list[ScheduleStep]] = [[]]
    for step in interleaving.steps:
        if step.action is StepKind.BATCH:
            parts.append([])
        else:
            parts[-1].append(step)
    return parts[:-1]
