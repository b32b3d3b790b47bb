"""The data dictionary matches the declarations."""

import re

import pytest

from ops.generate.dictionary.document import page
from totelake.tables.ledger import LEDGER, LEDGER_COLUMNS
from totelake.warehouse import postgres, redshift


def ledger(ddl):
    """Return the columns of the ledger with the first word of their types."""
    [definition] = re.findall(rf'CREATE TABLE IF NOT EXISTS "public"."{LEDGER}" \((.+?)\n\)', ddl, re.DOTALL)
    return dict(re.findall(r'^    "(\w+)" (\w+)', definition, re.MULTILINE))


def test_ledger_columns_match_the_warehouse():
    """Names in both kinds of warehouse; types in Postgres."""
    assert ledger(postgres.ddl()) == {column.name: column.postgres for column in LEDGER_COLUMNS}
    assert list(ledger(redshift.ddl())) == [column.name for column in LEDGER_COLUMNS]


@pytest.mark.parametrize("anchor", sorted(set(re.findall(r"\]\(#([^)]+)\)", page()))))
def test_every_link_of_the_page_has_a_heading(anchor):
    """GitHub's anchor of a heading is lower case with hyphens for spaces."""
    headings = re.findall(r"^#+ (.+)$", page(), re.MULTILINE)

    assert anchor in {heading.lower().replace(" ", "-") for heading in headings}
