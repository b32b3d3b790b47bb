"""The plan of a run, and the page that it writes."""

import time
from collections import Counter
from dataclasses import fields

import pytest

from tests.chaos import report
from tests.chaos.__main__ import RunPlan
from tests.chaos.late_commits import LateCommits
from tests.chaos.report import RunFigures
from tests.chaos.writers import HistoryResult


def test_page_has_the_figures_of_the_run(tmp_path):
    """And its duration; events rolled back to a savepoint are not counted."""
    numbers = {field.name: 0 for field in fields(LateCommits) if field.type is int}
    events = {"tables swapped": 5, "table truncated": 7}
    late = LateCommits(**numbers | {"interleavings": 4_400}, seconds=600, events=events)
    figures = RunFigures(3, double_starts=31, history_seconds=2_940, double_start_seconds=60)
    result = HistoryResult(3, runs=9, compared=12, events=Counter({"swap columns": 4, "hide rows, rolled back": 1}))
    result.rejected["UnreadableTableError"] = 2
    figures.add(result)

    report.write(figures, late, "18.6", tmp_path / "page.md")

    page = (tmp_path / "page.md").read_text()
    assert "after 60 minutes on" in page
    assert "seed 3: 1 histories, 31 double starts of each stage,\n4,400 interleavings." in page
    assert "| swap columns | 4 |" in page
    assert "hide rows" not in page
    assert "12 comparisons. 2 runs had to fail" in page
    assert "| table truncated | 7 |\n| tables swapped | 5 |" in page


def test_run_limited_by_minutes_spends_most_of_them_on_histories():
    """Each part has its share of the time."""
    begin, plan = time.monotonic(), RunPlan.of_minutes(10)

    parts = [until - begin for until in (plan.until_histories, plan.until_double_starts, plan.until)]
    assert parts == [pytest.approx(seconds, abs=1) for seconds in (420, 456, 600)]
    assert plan.is_full_run


def test_run_of_a_thousand_histories_is_a_full_run():
    """Unless it has no interleavings."""
    assert RunPlan.of_histories(1_000, None).is_full_run
    assert RunPlan.of_histories(1_000, None).interleavings == 10_000
    assert not RunPlan.of_histories(999, None).is_full_run
    assert not RunPlan.of_histories(1_000, 0).is_full_run
