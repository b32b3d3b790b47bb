"""The QuickSight modules, applied to a fake service: data sets, queries, visuals, filters and permissions."""

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
CONFIGURATION = """
locals {
  questions = jsondecode(file("%(root)s/terraform/questions.json"))
}

module "quicksight" {
  source = "%(root)s/terraform/modules/quicksight"

  name      = "totelake-test"
  workgroup = "totelake-test"
  database  = "totesys_processed"
  questions = local.questions
  queries   = "%(root)s/dashboards/queries"
  authors   = ["%(group)s/authors"]
  refresh   = { interval = "DAILY", time_of_the_day = "06:00", timezone = "Europe/London" }
}

module "quicksight_access" {
  source = "%(root)s/terraform/modules/quicksight_access"

  name      = "totelake-test"
  workgroup = "totelake-test"
  database  = "totesys_processed"
  lake      = { bucket = "totelake-test-processed", prefix = "tables/" }
  results   = { bucket = "totelake-test-artifacts", prefix = "athena/" }
  role      = "%(role)s"
}

module "dashboard" {
  source = "%(root)s/terraform/modules/quicksight_dashboard"

  name      = "totelake-test"
  data_sets = module.quicksight.data_sets
  questions = local.questions
  readers   = ["%(group)s/authors", "%(group)s/readers"]
}
"""
# QuickSight's types for the warehouse's types, by their names in psycopg.
POSTGRES_TYPES = {"date": "DATETIME", "text": "STRING", "varchar": "STRING", "int4": "INTEGER", "int8": "INTEGER"}


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[QuickSight, str]]:
    """Apply the modules; yield the QuickSight service, and the output of a second plan."""
    folder = tmp_path_factory.mktemp("quicksight")
    for name in ("versions.tf", "env"):
        (folder / name).symlink_to(build.ROOT / "terraform" / name)
    (folder / "main.tf").write_text(CONFIGURATION % {"root": build.ROOT, "role": ROLE, "group": GROUP})
    terraform.init(folder)
    with endpoint() as aws, quicksight() as service:
        aws.client("iam").create_role(RoleName=ROLE, Path="/service-role/", AssumeRolePolicyDocument="{}")
        environment = aws.environment | {"AWS_ENDPOINT_URL_QUICKSIGHT": f"http://127.0.0.1:{service.port}"}
        terraform.run(folder, "apply", "-auto-approve", "-input=false", "-no-color", environment=environment)
        planned = terraform.run(folder, "plan", "-input=false", "-no-color", environment=environment)
        yield service, planned


@pytest.fixture(scope="module")
def definition(applied: tuple[QuickSight, str]) -> dict[str, Any]:
    """Return the definition of the dashboard."""
    stored: dict[str, Any] = applied[0].dashboards["totelake-test"]["Definition"]
    return stored


@pytest.fixture(scope="module")
def visuals(definition: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all visuals, without their kinds."""
    return [visual for sheet in definition["Sheets"] for kind in sheet["Visuals"] for visual in kind.values()]


def test_second_plan_of_quicksight_has_no_changes(applied: tuple[QuickSight, str]) -> None:
    """All resources are described as they were applied."""
    assert "No changes." in applied[1]


def test_every_question_has_a_data_set_and_a_visual(
    applied: tuple[QuickSight, str], definition: dict[str, Any], visuals: list[dict[str, Any]]
) -> None:
    """Every file in queries/ has a visual on the sheet of its page, with its question as title."""
    files = {f"{path.parent.name}_{path.stem}" for path in QUERIES.glob("*/*.sql")}
    titles = {f"{page}_{name}": question.title for (page, name), question in QUESTIONS.items()}

    assert {name.removeprefix("totelake-test-").replace("-", "_") for name in applied[0].data_sets} == files
    assert {visual["VisualId"]: visual["Title"]["FormatText"]["PlainText"] for visual in visuals} == titles
    assert titles.keys() == files
    assert [sheet["Name"] for sheet in definition["Sheets"]] == ["Sales", "Purchases", "Payments", "Pipeline"]
    for sheet in definition["Sheets"]:
        shown = [visual["VisualId"] for kind in sheet["Visuals"] for visual in kind.values()]
        [layout] = sheet["Layouts"]
        assert [place["ElementId"] for place in layout["Configuration"]["GridLayout"]["Elements"]] == shown
        assert all(name.startswith(f"{sheet['SheetId']}_") for name in shown)


def test_visuals_use_columns_of_their_own_data_set(
    applied: tuple[QuickSight, str], visuals: list[dict[str, Any]]
) -> None:
    """Every column reference names the visual's data set and one of its columns."""
    columns = {name: set(_columns(data_set)) for name, data_set in _data_sets(applied[0]).items()}

    for visual in visuals:
        references = list(_column_references(visual))
        assert references
        for column in references:
            assert column["DataSetIdentifier"] == visual["VisualId"]
            assert column["ColumnName"] in columns[visual["VisualId"]]


def test_visuals_of_amounts_are_grouped_by_currency(
    applied: tuple[QuickSight, str], visuals: list[dict[str, Any]]
) -> None:
    """Amounts of different currencies must not be added."""
    checked = set()
    for visual in visuals:
        types = _columns(_data_sets(applied[0])[visual["VisualId"]])
        [wells] = visual["ChartConfiguration"]["FieldWells"].values()
        measures = {column["ColumnName"] for column in _column_references(wells["Values"])}
        groups = {
            column["ColumnName"]
            for well, fields in wells.items()
            if well != "Values"
            for column in _column_references(fields)
        }
        if any(types[measure] == "DECIMAL" for measure in measures):
            checked.add(visual["VisualId"])
            assert "currency" in groups, visual["VisualId"]

    assert len(checked) == sum(" AS currency" in question.query for question in QUESTIONS.values())


def test_sheets_have_filters_for_currency_and_month(definition: dict[str, Any]) -> None:
    """Where their questions have these columns, each with a control."""
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


def test_queries_run_as_subqueries_with_the_declared_columns(applied: tuple[QuickSight, str]) -> None:
    """QuickSight runs them as subqueries, in a session with another default database."""
    with duckdb.connect() as athena:
        athena.execute("CREATE SCHEMA totesys_processed")
        athena.execute("USE totesys_processed")
        for table in STAR_TABLES.values():
            athena.execute(generated._empty_view(table))
        athena.execute("USE main")
        for data_set in applied[0].data_sets.values():
            query = data_set["PhysicalTableMap"]["query"]["CustomSql"]["SqlQuery"]
            result = athena.execute(f"SELECT * FROM ({query}) AS asked")
            assert [column for column, *_ in result.description or []] == list(_columns(data_set))


def test_declared_columns_have_the_types_of_the_warehouse(
    applied: tuple[QuickSight, str], make_database: Callable[..., str]
) -> None:
    """The types are derived from the declarations, and equal those of a real warehouse's results."""
    with psycopg.connect(make_database(owner=WAREHOUSE_OWNER)) as warehouse:
        warehouse.execute(ddl())
        for (page, name), question in QUESTIONS.items():
            result = warehouse.execute(question.query)
            returned = {
                column.name: _type(psycopg.adapters.types[column.type_code].name) for column in result.description or []
            }
            assert returned == _columns(_data_sets(applied[0])[f"{page}_{name}"]), f"{page}/{name}"


def test_readers_can_view_and_authors_can_use_data_sets(applied: tuple[QuickSight, str]) -> None:
    """No permission to update or delete, since Terraform would revert the changes."""
    service = applied[0]
    [source] = service.data_sources.values()

    assert source["DataSourceParameters"] == {"AthenaParameters": {"WorkGroup": "totelake-test"}}
    assert {grant["Principal"] for grant in service.dashboards["totelake-test"]["Permissions"]} == {
        f"{GROUP}/authors",
        f"{GROUP}/readers",
    }
    for resource in (source, *service.data_sets.values()):
        assert [grant["Principal"] for grant in resource["Permissions"]] == [f"{GROUP}/authors"]
    permissions = json.dumps([source, *service.data_sets.values(), *service.dashboards.values()])
    assert not re.search(r"quicksight:(Update|Delete|Create)", permissions)
    assert service.schedules.keys() == service.data_sets.keys()


def _data_sets(service: QuickSight) -> dict[str, dict[str, Any]]:
    return {
        name.removeprefix("totelake-test-").replace("-", "_"): data_set for name, data_set in service.data_sets.items()
    }


def _columns(data_set: dict[str, Any]) -> dict[str, str]:
    return {column["Name"]: column["Type"] for column in data_set["PhysicalTableMap"]["query"]["CustomSql"]["Columns"]}


def _type(postgres: str) -> str:
    return "DECIMAL" if postgres == "numeric" else POSTGRES_TYPES[postgres]


def _column_references(part: Any) -> Iterator[dict[str, Any]]:
    """Yield all column references in a part of a definition."""
    if isinstance(part, dict):
        if "ColumnName" in part:
            yield part
        for value in part.values():
            yield from _column_references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _column_references(value)
