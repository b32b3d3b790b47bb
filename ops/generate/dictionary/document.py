"""The page that says what is in the tables."""

from collections.abc import Iterable, Mapping

from ops.generate.dictionary import diagrams
from ops.generate.dictionary.bookkeeping import QUARANTINE_COLUMNS
from totelake.tables import SOURCE_TABLES, STAR_TABLES, Column, SourceTable, StarTable
from totelake.tables.ledger import LEDGER, LEDGER_COLUMNS, LEDGER_COMMENT
from totelake.tables.lineage import LINEAGE, LOOKUPS, SOURCE_COLUMNS, Lineage, Lookup, SourceColumn, shown_in
from totelake.warehouse.names import current_view

_HEAD = """\
# The tables

Made by `make generated` from the declarations in `glue_jobs/totelake/tables/`: what totesys has, what the warehouse
shows of it, and where each column comes from. `totelake lineage COLUMN` tells the same of one column.

{contents}"""

_SOURCE = """\
## totesys

The ingest lands these {count} tables as they are. In the lake each row also has {lineage}, in folders by `{partition}`.

{diagram}"""

_STARS = """\
## The stars

Facts keep every version of a record, deletions included; dimensions show a record as last known. What is so now is in
the view of each table whose name begins with `current_`. In both the lake and the warehouse a row that breaks a rule
of its table is missing: it is [held back](#what-is-held-back)."""

_PIPELINE = """\
## What the pipeline adds

Names of such columns begin with `_`; they come last in the tables of the stars.

{table}"""

_LEDGER = """\
## What is loaded

`{name}` in the warehouse: {comment}

{table}"""

_QUARANTINE = """\
## What is held back

Parquet files in the processed bucket, below `quarantine/` in a folder for each table and batch: one line for each rule
that a row breaks, with the key of the record in totesys first. The last set of a table is complete.
`totelake quarantine` shows what waits in it.

{table}"""


def page() -> str:
    """Return the page in Markdown."""
    facts = [table for table in STAR_TABLES.values() if table.is_fact]
    dimensions = [table for table in STAR_TABLES.values() if not table.is_fact]
    ledger = {column.name: (column.postgres, column.description) for column in LEDGER_COLUMNS}
    parts = [
        _HEAD.format(contents=_contents(facts, dimensions)),
        _source(),
        *map(_source_table, SOURCE_TABLES.values()),
        _STARS,
        *(f"### The star of {fact.name}\n\n{diagrams.star(fact)}" for fact in facts),
        *map(_star_table, [*facts, *dimensions]),
        _PIPELINE.format(table=_added()),
        _LEDGER.format(name=LEDGER, comment=LEDGER_COMMENT, table=_beside_tables("in the warehouse", ledger)),
        _QUARANTINE.format(table=_beside_tables("in the lake", QUARANTINE_COLUMNS)),
    ]
    return "\n\n".join(parts) + "\n"


def _contents(facts: Iterable[StarTable], dimensions: Iterable[StarTable]) -> str:
    facts = list(facts)
    entries = [
        ("totesys", SOURCE_TABLES),
        ("The stars", (f"The star of {fact.name}" for fact in facts)),
        ("Facts", (fact.name for fact in facts)),
        ("Dimensions", (dimension.name for dimension in dimensions)),
    ]
    lines = [f"- {_group(heading)}: {', '.join(map(_link, names))}" for heading, names in entries]
    others = map(_link, ("What the pipeline adds", "What is loaded", "What is held back"))
    return "\n".join([*lines, *(f"- {other}" for other in others)])


def _group(heading: str) -> str:
    return _link(heading) if heading in ("totesys", "The stars") else heading


def _link(heading: str) -> str:
    return f"[{heading}](#{heading.lower().replace(' ', '-')})"


def _source() -> str:
    table = next(iter(SOURCE_TABLES.values()))
    added = [column for column in table.stored_columns if column not in table.columns]
    return _SOURCE.format(
        count=len(SOURCE_TABLES),
        lineage=" and ".join(f"`{column.name}`" for column in added),
        partition=table.partition_columns[0].name,
        diagram=diagrams.totesys(),
    )


def _source_table(table: SourceTable) -> str:
    heads = ("column", "in totesys", "in the lake", "may be NULL", "refers to", "what it is", "where it shows")
    rows = [_source_row(SOURCE_COLUMNS[f"{table.name}.{column.name}"]) for column in table.columns]
    stops = f"When more than {table.deletable_share:.0%} of its rows are gone at once, the ingest stops."
    return f"### {table.name}\n\n{table.grain} Its key is {_code(table.key)}. {stops}\n\n{_table(heads, rows)}"


def _source_row(place: SourceColumn) -> tuple[str, ...]:
    column = place.column
    return (
        _named(column, place.table.key),
        column.type.source,
        column.type.hive,
        "yes" if column.nullable else "no",
        _link(column.references) if column.references else "",
        column.description,
        ", ".join(_code([lineage.star.name]) for lineage in shown_in(place)) or "in the lake alone",
    )


def _star_table(table: StarTable) -> str:
    heads = ("column", "in the lake", "in the warehouse", "may be NULL", "refers to", "what it is")
    origin = ("column", "comes from", "how", "rules")
    own = [column for column in table.warehouse_columns if column not in table.lineage]
    told = [LINEAGE[f"{table.name}.{column.name}"] for column in own]
    parts = [
        f"### {table.name}",
        f"{table.grain} {_key(table)}The current rows are in `{current_view(table)}`.",
        _table(heads, [_star_row(lineage) for lineage in told]),
        _table(origin, [*map(_origin_row, told), *map(_lookup_row, LOOKUPS[table.name])]),
    ]
    return "\n\n".join(parts)


def _key(table: StarTable) -> str:
    if table.is_fact:
        return f"Its key is {_code(table.key)}; {_code(table.natural_key)} is the key of the record. "
    return f"Its key is {_code(table.key)}. "


def _star_row(lineage: Lineage) -> tuple[str, ...]:
    table, column = lineage.star.table, lineage.star.column
    return (
        _named(column, table.key),
        "" if column.name == table.surrogate else column.type.hive,
        column.type.postgres,
        "yes" if column.nullable else "no",
        _link(column.references) if column.references else "",
        column.description,
    )


def _origin_row(lineage: Lineage) -> tuple[str, ...]:
    origin = _code([lineage.origin.name]) if lineage.origin else ""
    return (_code([lineage.star.column.name]), origin, lineage.how, _rules(lineage.rules))


def _lookup_row(lookup: Lookup) -> tuple[str, ...]:
    leads = f"not shown: leads to {_link(lookup.key.table.name)}"
    return ("", _code([lookup.reference.name]), leads, _rules(lookup.rules))


def _rules(rules: Mapping[str, str]) -> str:
    return "; ".join(f"{rule}: {demanded}" for rule, demanded in rules.items())


def _added() -> str:
    tables = STAR_TABLES.values()
    columns = dict.fromkeys(column for table in tables for column in table.lineage)
    rows = [
        (
            _code([column.name]),
            column.type.hive,
            column.type.postgres,
            "yes" if column.nullable else "no",
            "every table" if all(column in table.lineage for table in tables) else "facts",
            column.description,
        )
        for column in columns
    ]
    return _table(("column", "in the lake", "in the warehouse", "may be NULL", "of", "what it is"), rows)


def _beside_tables(place: str, columns: Mapping[str, tuple[str, str]]) -> str:
    rows = [(_code([name]), kind, description) for name, (kind, description) in columns.items()]
    return _table(("column", place, "what it is"), rows)


def _named(column: Column, key: tuple[str, ...]) -> str:
    return f"**{_code([column.name])}**" if column.name in key else _code([column.name])


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
