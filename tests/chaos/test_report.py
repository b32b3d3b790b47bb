"""What a run is to do, and the page that it writes."""

import time
from collections import Counter
from dataclasses import fields

import pytest

from tests.chaos import report
from tests.chaos.__main__ import Plan
from tests.chaos.late_commits import LateCommits
from tests.chaos.people import Told
from tests.chaos.report import Figures


def test_the_page_says_how_much_was_run_and_what_happened(tmp_path):
    """In how many minutes, too; what a savepoint undid did not happen."""
    numbers = {field.name: 0 for field in fields(LateCommits) if field.type is int}
    events = {"tables swapped": 5, "table truncated": 7}
    late = LateCommits(**numbers | {"interleavings": 4_400}, seconds=600, events=events)
    figures = Figures(3, double_starts=31, history_seconds=2_940, double_start_seconds=60)
    told = Told(3, runs=9, compared=12, events=Counter({"swap columns": 4, "hide rows, rolled back": 1}))
    told.refused["UnreadableTableError"] = 2
    figures.add(told)

    report.write(figures, late, "18.6", tmp_path / "page.md")

    page = (tmp_path / "page.md").read_text()
    assert "after 60 minutes on" in page
    assert "seed 3: 1 histories, 31 double starts of each stage,\n4,400 interleavings." in page
    assert "| swap columns | 4 |" in page
    assert "hide rows" not in page
    assert "12 comparisons. 2 runs had to be refused" in page
    assert "| table truncated | 7 |\n| tables swapped | 5 |" in page


def test_a_run_of_so_many_minutes_gives_most_of_them_to_the_histories():
    """Each proof has its part, however many of them fit into it."""
    begin, plan = time.monotonic(), Plan.of_minutes(10)

    parts = [until - begin for until in (plan.until_histories, plan.until_double_starts, plan.until)]
    assert parts == [pytest.approx(seconds, abs=1) for seconds in (420, 456, 600)]
    assert plan.is_worth_a_page


def test_a_thousand_histories_are_worth_a_page_and_fewer_are_none():
    """Nor are a thousand without their interleavings."""
    assert Plan.of_histories(1_000, None).is_worth_a_page
    assert Plan.of_histories(1_000, None).interleavings == 10_000
    assert not Plan.of_histories(999, None).is_worth_a_page
    assert not Plan.of_histories(1_000, 0).is_worth_a_page
