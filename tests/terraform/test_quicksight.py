"""What QuickSight is told when the modules are applied: data sets, their queries, and a dashboard of all questions."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import psycopg
import pytest

from dashboards.questions import QUERIES, read
from ops.deploy import build, terraform
from ops.generate import quicksight as generated
from ops.generate.visuals import VISUALS
from tests.postgres_servers import WAREHOUSE_OWNER
from totelake.tables import STAR_TABLES
from totelake.warehouse.postgres import ddl

from .conftest import endpoint
from .quicksight_endpoint import QuickSight, quicksight

QUESTIONS = {(page, name): read(page, name) for page, visuals in VISUALS.items() for name in visuals}
ROLE = "aws-quicksight-service-role-v0"
GROUP = "arn:aws:quicksight:eu-west-2:123456789012:group/default"
EVERYTHING = """
locals {
  questions = jsondecode(file("%(root)s/terraform/questions.json"))
}

module "quicksight" {
  source = "%(root)s/terraform/modules/quicksight"

  name      = "totelake-test"
  workgroup = "totelake-test"
  database  = "totesys_processed"
  lake      = { bucket = "totelake-test-processed", prefix = "tables/" }
  results   = { bucket = "totelake-test-artifacts", prefix = "athena/" }
  role      = "%(role)s"
  questions = local.questions
  queries   = "%(root)s/dashboards/queries"
  authors   = ["%(group)s/authors"]
  refresh   = { interval = "DAILY", time_of_the_day = "06:00", timezone = "Europe/London" }
}

module "dashboard" {
  source = "%(root)s/terraform/modules/quicksight_dashboard"

  name      = "totelake-test"
  data_sets = module.quicksight.data_sets
  questions = local.questions
  readers   = ["%(group)s/authors", "%(group)s/readers"]
}
"""
# What QuickSight calls the types of the warehouse, as psycopg names them.
POSTGRES_TYPES = {"date": "DATETIME", "text": "STRING", "varchar": "STRING", "int4": "INTEGER", "int8": "INTEGER"}


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[QuickSight, str]]:
    """Return what QuickSight was told, and what Terraform plans to change right after."""
    folder = tmp_path_factory.mktemp("quicksight")
    for name in ("versions.tf", "env"):
        (folder / name).symlink_to(build.ROOT / "terraform" / name)
    (folder / "main.tf").write_text(EVERYTHING % {"root": build.ROOT, "role": ROLE, "group": GROUP})
    terraform.init(folder)
    with endpoint() as aws, quicksight() as service:
        aws.client("iam").create_role(RoleName=ROLE, Path="/service-role/", AssumeRolePolicyDocument="{}")
        environment = aws.environment | {"AWS_ENDPOINT_URL_QUICKSIGHT": f"http://127.0.0.1:{service.port}"}
        terraform.run(folder, "apply", "-auto-approve", "-input=false", "-no-color", environment=environment)
        planned = terraform.run(folder, "plan", "-input=false", "-no-color", environment=environment)
        yield service, planned


@pytest.fixture(scope="module")
def definition(applied: tuple[QuickSight, str]) -> dict[str, Any]:
    """Return the definition of the dashboard, as the service got it."""
    found: dict[str, Any] = applied[0].dashboards["totelake-test"]["Definition"]
    return found


@pytest.fixture(scope="module")
def visuals(definition: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all visuals, each without the name of its kind."""
    return [visual for sheet in definition["Sheets"] for kind in sheet["Visuals"] for visual in kind.values()]


def test_what_is_applied_stays_as_it_is(applied: tuple[QuickSight, str]) -> None:
    """A second apply finds nothing to change: what the service tells is what the configuration says."""
    assert "No changes." in applied[1]


def test_every_question_is_a_data_set_and_a_visual_that_asks_it(
    applied: tuple[QuickSight, str], definition: dict[str, Any], visuals: list[dict[str, Any]]
) -> None:
    """Every file in queries/ is shown, on the sheet of its page, under its own question."""
    files = {f"{path.parent.name}_{path.stem}" for path in QUERIES.glob("*/*.sql")}
    asked = {f"{page}_{name}": question.title for (page, name), question in QUESTIONS.items()}

    assert {name.removeprefix("totelake-test-").replace("-", "_") for name in applied[0].data_sets} == files
    assert {visual["VisualId"]: visual["Title"]["FormatText"]["PlainText"] for visual in visuals} == asked
    assert asked.keys() == files
    assert [sheet["Name"] for sheet in definition["Sheets"]] == ["Sales", "Purchases", "Payments", "Pipeline"]
    for sheet in definition["Sheets"]:
        shown = [visual["VisualId"] for kind in sheet["Visuals"] for visual in kind.values()]
        [layout] = sheet["Layouts"]
        assert [place["ElementId"] for place in layout["Configuration"]["GridLayout"]["Elements"]] == shown
        assert all(name.startswith(f"{sheet['SheetId']}_") for name in shown)


def test_a_visual_shows_columns_that_its_data_set_has(
    applied: tuple[QuickSight, str], visuals: list[dict[str, Any]]
) -> None:
    """Whatever names a column names its own data set, and one of the columns that are imported."""
    columns = {name: set(_columns(data_set)) for name, data_set in _data_sets(applied[0]).items()}

    for visual in visuals:
        named = list(_named(visual))
        assert named
        for column in named:
            assert column["DataSetIdentifier"] == visual["VisualId"]
            assert column["ColumnName"] in columns[visual["VisualId"]]


def test_no_visual_adds_currencies_up(applied: tuple[QuickSight, str], visuals: list[dict[str, Any]]) -> None:
    """Whatever shows an amount is grouped by currency."""
    checked = set()
    for visual in visuals:
        types = _columns(_data_sets(applied[0])[visual["VisualId"]])
        [wells] = visual["ChartConfiguration"]["FieldWells"].values()
        measures = {column["ColumnName"] for column in _named(wells["Values"])}
        groups = {
            column["ColumnName"] for well, fields in wells.items() if well != "Values" for column in _named(fields)
        }
        if any(types[measure] == "DECIMAL" for measure in measures):
            checked.add(visual["VisualId"])
            assert "currency" in groups, visual["VisualId"]

    assert len(checked) == sum(" AS currency" in question.query for question in QUESTIONS.values())


def test_a_sheet_is_filtered_by_what_its_questions_know(definition: dict[str, Any]) -> None:
    """By currency where there is one, by month where there is one, each with a control of its own."""
    filters = {
        identifier: (group["ScopeConfiguration"]["SelectedSheets"], kind, group["CrossDataset"])
        for group in definition["FilterGroups"]
        for entry in group["Filters"]
        for kind, identifier in [(kind, settings["FilterId"]) for kind, settings in entry.items()]
    }
    controls = {
        settings["SourceFilterId"]: sheet["SheetId"]
        for sheet in definition["Sheets"]
        for control in sheet.get("FilterControls", [])
        for settings in control.values()
    }

    assert {name: kind for name, (_, kind, _) in filters.items()} == {
        f"{page}_{column}_filter": kind
        for page in ("sales", "purchases", "payments")
        for column, kind in (("currency", "CategoryFilter"), ("month", "TimeRangeFilter"))
    }
    assert controls.keys() == filters.keys()
    for name, (scope, _, across) in filters.items():
        assert across == "ALL_DATASETS"
        assert scope["SheetVisualScopingConfigurations"] == [{"Scope": "ALL_VISUALS", "SheetId": controls[name]}]


def test_a_query_runs_where_quicksight_puts_it(applied: tuple[QuickSight, str]) -> None:
    """In brackets, in a session whose database is another one, and with the columns that were declared."""
    with duckdb.connect() as athena:
        athena.execute("CREATE SCHEMA totesys_processed")
        athena.execute("USE totesys_processed")
        for table in STAR_TABLES.values():
            athena.execute(generated._empty_view(table))
        athena.execute("USE main")
        for data_set in applied[0].data_sets.values():
            query = data_set["PhysicalTableMap"]["query"]["CustomSql"]["SqlQuery"]
            answer = athena.execute(f"SELECT * FROM ({query}) AS asked")
            assert [column for column, *_ in answer.description or []] == list(_columns(data_set))


def test_the_columns_are_those_that_the_warehouse_returns(
    applied: tuple[QuickSight, str], make_database: Callable[..., str]
) -> None:
    """The types are derived from the declarations; a real warehouse answers with the same."""
    with psycopg.connect(make_database(owner=WAREHOUSE_OWNER)) as warehouse:
        warehouse.execute(ddl())
        for (page, name), question in QUESTIONS.items():
            answer = warehouse.execute(question.query)
            returned = {
                column.name: _type(psycopg.adapters.types[column.type_code].name) for column in answer.description or []
            }
            assert returned == _columns(_data_sets(applied[0])[f"{page}_{name}"]), f"{page}/{name}"


def test_readers_look_and_authors_use(applied: tuple[QuickSight, str]) -> None:
    """Nobody changes in the console what Terraform would change back."""
    service = applied[0]
    [source] = service.data_sources.values()

    assert source["DataSourceParameters"] == {"AthenaParameters": {"WorkGroup": "totelake-test"}}
    assert {grant["Principal"] for grant in service.dashboards["totelake-test"]["Permissions"]} == {
        f"{GROUP}/authors",
        f"{GROUP}/readers",
    }
    for made in (source, *service.data_sets.values()):
        assert [grant["Principal"] for grant in made["Permissions"]] == [f"{GROUP}/authors"]
    granted = json.dumps([source, *service.data_sets.values(), *service.dashboards.values()])
    assert not re.search(r"quicksight:(Update|Delete|Create)", granted)
    assert service.schedules.keys() == service.data_sets.keys()


def _data_sets(service: QuickSight) -> dict[str, dict[str, Any]]:
    return {
        name.removeprefix("totelake-test-").replace("-", "_"): data_set for name, data_set in service.data_sets.items()
    }


def _columns(data_set: dict[str, Any]) -> dict[str, str]:
    return {column["Name"]: column["Type"] for column in data_set["PhysicalTableMap"]["query"]["CustomSql"]["Columns"]}


def _type(postgres: str) -> str:
    return "DECIMAL" if postgres == "numeric" else POSTGRES_TYPES[postgres]


def _named(part: Any) -> Iterator[dict[str, Any]]:
    """Yield whatever names a column in a part of a definition."""
    if isinstance(part, dict):
        if "ColumnName" in part:
            yield part
        for value in part.values():
            yield from _named(value)
    elif isinstance(part, list):
        for value in part:
            yield from _named(value)
