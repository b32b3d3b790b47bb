"""The dictionary of the data names what is there."""

import re

import pytest

from ops.generate.dictionary.document import page
from totelake.tables.ledger import LEDGER, LEDGER_COLUMNS
from totelake.warehouse import postgres, redshift


def ledger(ddl):
    """Return the columns of the ledger, each with the first word of its type."""
    [made] = re.findall(rf'CREATE TABLE IF NOT EXISTS "public"."{LEDGER}" \((.+?)\n\)', ddl, re.DOTALL)
    return dict(re.findall(r'^    "(\w+)" (\w+)', made, re.MULTILINE))


def test_the_ledgers_columns_are_those_of_the_warehouse():
    """Both kinds of warehouse have the same; the types are Postgres'."""
    assert ledger(postgres.ddl()) == {column.name: column.postgres for column in LEDGER_COLUMNS}
    assert list(ledger(redshift.ddl())) == [column.name for column in LEDGER_COLUMNS]


@pytest.mark.parametrize("anchor", sorted(set(re.findall(r"\]\(#([^)]+)\)", page()))))
def test_every_link_of_the_page_leads_to_a_heading(anchor):
    """GitHub names a heading in small letters, with hyphens for blanks."""
    headings = re.findall(r"^#+ (.+)$", page(), re.MULTILINE)

    assert anchor in {heading.lower().replace(" ", "-") for heading in headings}
