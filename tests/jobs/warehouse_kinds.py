"""Marks of tests that apply to one kind of warehouse only."""

import pytest

postgres_only = pytest.mark.parametrize("kind", ["postgres"], indirect=True)
redshift_only = pytest.mark.parametrize("kind", ["redshift"], indirect=True)
