"""The whole platform through its command line, and the warehouse compared with plain SQL on the source."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import time as datetime_time
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import psutil
import psycopg
import pytest
from moto.sts.utils import SESSION_TOKEN_PREFIX
from playwright.sync_api import expect

from local_aws import processes
from local_aws.state import State
from ops.deploy import build
from ops.sandbox import deployment, health, job_run, status
from ops.sandbox.lake import LakeClient
from ops.sandbox.settings import SandboxSettings
from tests.browsers import chart_values, window
from tests.chaos.outages import assert_warehouse_matches_source, change_source_rows, wait_until
from totelake.lake import objects
from totelake.lake.file_sets import LiveFiles
from totelake.tables import STAR_TABLES, StarTable
from totelake.warehouse.names import current_view

pytestmark = pytest.mark.timeout(900)

# The expected rows of the warehouse by plain SQL on totesys, by table, in the order of the warehouse's columns. A
# fact's row starts with the id of the transaction that wrote it.
FACTS = {
    "fact_sales_order": """
        SELECT xmin::text::bigint, sales_order_id, created_at::date, created_at::time, last_updated::date,
               last_updated::time, staff_id, counterparty_id, units_sold, unit_price, currency_id, design_id,
               agreed_payment_date::date, agreed_delivery_date::date, agreed_delivery_location_id
        FROM sales_order""",
    "fact_purchase_order": """
        SELECT xmin::text::bigint, purchase_order_id, created_at::date, created_at::time, last_updated::date,
               last_updated::time, staff_id, counterparty_id, item_code, item_quantity, item_unit_price, currency_id,
               agreed_delivery_date::date, agreed_payment_date::date, agreed_delivery_location_id
        FROM purchase_order""",
    "fact_payment": """
        SELECT xmin::text::bigint, payment_id, created_at::date, created_at::time, last_updated::date,
               last_updated::time, transaction_id, counterparty_id, payment_amount, currency_id, payment_type_id, paid,
               payment_date::date
        FROM payment""",
}
DIMENSIONS = {
    "dim_staff": """
        SELECT staff_id, first_name, last_name, department_name, coalesce(location, 'Undefined'), email_address
        FROM staff JOIN department USING (department_id)""",
    "dim_location": """
        SELECT address_id, address_line_1, address_line_2, district, city, postal_code, country, phone FROM address""",
    "dim_currency": """
        SELECT currency_id, currency_code,
               CASE currency_code WHEN 'GBP' THEN 'Pound Sterling' WHEN 'USD' THEN 'US Dollar'
                    WHEN 'EUR' THEN 'Euro' END
        FROM currency""",
    "dim_design": "SELECT design_id, design_name, file_location, file_name FROM design",
    "dim_counterparty": """
        SELECT counterparty_id, counterparty_legal_name, address_line_1, address_line_2, district, city, postal_code,
               country, phone
        FROM counterparty JOIN address ON address_id = legal_address_id""",
    "dim_transaction": "SELECT transaction_id, transaction_type, sales_order_id, purchase_order_id FROM transaction",
    "dim_payment_type": "SELECT payment_type_id, payment_type_name FROM payment_type",
    "dim_date": """
        SELECT day::date, extract(year FROM day)::int, extract(month FROM day)::int, extract(day FROM day)::int,
               extract(isodow FROM day)::int, to_char(day, 'FMDay'), to_char(day, 'FMMonth'),
               extract(quarter FROM day)::int
        FROM generate_series(date '2020-01-01', date '2050-12-31', '1 day') AS day""",
}
Rows = list[tuple[object, ...]]


@dataclass(frozen=True)
class CommandLineWorld:
    """A local environment, operated by its command line and queried by SQL."""

    state: Path

    def totelake(self, *arguments: str, expect: int = 0) -> str:
        """Run the command line and return its output."""
        command = [sys.executable, "-m", "ops.cli", *arguments, "--state", str(self.state)]
        ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
        assert ended.returncode == expect, f"totelake {' '.join(arguments)}:\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    @cached_property
    def _urls(self) -> dict[str, str]:
        return json.loads(self.totelake("urls", "--json"))

    def urls(self) -> dict[str, str]:
        """Return the URLs of all services; they stay the same after a kill and restart."""
        return self._urls

    def client(self, service: str) -> Any:
        """Return a boto3 client for a service of the local AWS."""
        urls = self.urls()
        credentials = {"aws_access_key_id": urls["access_key"], "aws_secret_access_key": urls["secret_key"]}
        return boto3.client(service, endpoint_url=urls["aws"], region_name=urls["region"], **credentials)

    def ask(self, database: str, query: str) -> Rows:
        """Return the sorted rows of a query on `totesys` or `warehouse`."""
        with psycopg.connect(self.urls()[database]) as connection:
            return sorted(connection.execute(query).fetchall(), key=repr)

    def in_order(self, query: str) -> Rows:
        """Return the rows of a query on the warehouse, in its order."""
        with psycopg.connect(self.urls()["warehouse"]) as connection:
            return connection.execute(query.encode()).fetchall()

    def lake(self) -> LakeClient:
        """Return the lake, to query it by SQL."""
        state = State(self.state)
        outputs = deployment.outputs(state)
        return LakeClient(SandboxSettings.load(state), outputs["athena_workgroup"], outputs["databases"])

    def expected_rows(self) -> dict[str, Rows]:
        """Return the rows that every star table should have for the current state of totesys."""
        return {table: self.ask("totesys", query) for table, query in (FACTS | DIMENSIONS).items()}

    def warehouse(self, table: str, *, relation: str | None = None) -> Rows:
        """Return a star table's rows in the shape of `expected_rows`: a fact's start with their transaction id."""
        with psycopg.connect(self.urls()["warehouse"]) as connection:
            columns = (
                "SELECT column_name FROM information_schema.columns WHERE table_name = %s ORDER BY ordinal_position"
            )
            all_names = [name for (name,) in connection.execute(columns, (table,)).fetchall()]
        names = ", ".join(name for name in all_names if not name.startswith("_") and not name.endswith("_record_id"))
        version = "_source_version & 4294967295, " if table in FACTS else ""
        return self.ask("warehouse", f"SELECT {version}{names} FROM {relation or table}")

    def row_versions(self) -> dict[str, Rows]:
        """Return the location and transaction of every row of the warehouse, which any write changes."""
        tables = [*FACTS, *DIMENSIONS, "load_ledger"]
        return {table: self.ask("warehouse", f"SELECT ctid, xmin::text FROM {table}") for table in tables}

    def all_rows(self) -> dict[str, Rows]:
        """Return all rows of the warehouse's tables without the keys that it generates."""
        rows = {}
        for table in [*FACTS, *DIMENSIONS]:
            columns = f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}'"
            names = [name for (name,) in self.ask("warehouse", columns) if not name.endswith("_record_id")]
            rows[table] = self.ask("warehouse", f"SELECT {', '.join(names)} FROM {table}")
        return rows

    def has_mail(self, *texts: str) -> bool:
        """Return whether, within seconds, a mail has all of `texts` in its subject or body."""
        for _ in range(10):
            alerts = json.loads(self.totelake("status", "--json"))["alerts"]
            if any(all(text in alert["subject"] + alert["body"] for text in texts) for alert in alerts):
                return True
            time.sleep(1)
        return False

    def live_files(self) -> dict[str, LiveFiles]:
        """Return the live files of each zone."""
        state = State(self.state)
        return status.live_files(state, SandboxSettings.load(state))

    def partitions(self) -> int:
        """Return the number of partitions of all tables in the catalog."""
        glue = self.client("glue")
        tables = [
            (database, table["Name"])
            for database in ("totesys_ingested", "totesys_processed")
            for page in glue.get_paginator("get_tables").paginate(DatabaseName=database)
            for table in page["TableList"]
        ]
        return sum(
            len(page["Partitions"])
            for database, table in tables
            for page in glue.get_paginator("get_partitions").paginate(DatabaseName=database, TableName=table)
        )

    def files(self) -> dict[str, tuple[int, int]]:
        """Return every object of the lake with its size and modification time."""
        lake = Path(self.urls()["lake"])
        paths = (
            path for bucket in ("ingested", "processed") for path in lake.glob(f"*-{bucket}/**/*") if path.is_file()
        )
        return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLineWorld]:
    """Start an environment in a new state folder, seed it, and run the workflow once."""
    world = CommandLineWorld(tmp_path_factory.mktemp("world") / "state")
    try:
        world.totelake("up")
        world.totelake("seed")
        world.totelake("run")
        yield world
    finally:
        world.totelake("down", "--purge", "--yes")


@pytest.fixture(scope="module")
def two_runs(world: CommandLineWorld) -> tuple[dict[str, Rows], dict[str, Rows]]:
    """Simulate business activity after the first run and run again; return the expected rows after each run."""
    first = world.expected_rows()
    world.totelake("activity", "--events", "300")
    world.totelake("run")
    return first, world.expected_rows()


def test_current_state_equals_the_source(world, two_runs):
    """All rows and columns of facts and dimensions."""
    _, now = two_runs

    for table in FACTS:
        assert world.warehouse(table, relation=f"current_{table}") == now[table], table
    for table in DIMENSIONS:
        assert world.warehouse(table) == now[table], table


def test_stages_of_a_run_share_one_jvm(world, two_runs):
    """They have the same deployment, and each leaves the JVM reusable."""
    log = (world.state / "logs" / "endpoint.log").read_text()
    processes_of_stages = re.findall(r"job run \S+ of totelake-local-(\w+) runs in process (\d+)", log)[-3:]

    assert [stage for stage, _ in processes_of_stages] == ["ingest", "transform", "load"]
    assert len({process for _, process in processes_of_stages}) == 1


def test_every_version_is_loaded_once(world, two_runs):
    """The versions at both runs are in the facts, no others, none twice."""
    first, now = two_runs

    for table in FACTS:
        assert len(now[table]) > len(set(now[table]) & set(first[table])), f"{table}: no activity"
        assert world.warehouse(table) == sorted({*first[table], *now[table]}, key=repr), table


def test_special_values_are_loaded(world, two_runs):
    """NULLs, apostrophes, leading zeros, milliseconds, cents, and dates 600 days ahead."""
    next_batch = {
        "a NULL": "SELECT 1 FROM dim_location WHERE district IS NULL",
        "an apostrophe": "SELECT 1 FROM dim_staff WHERE last_name = 'O''Keefe'",
        "a leading zero": "SELECT 1 FROM dim_location WHERE postal_code = '01138'",
        "milliseconds": "SELECT 1 FROM current_fact_payment WHERE extract(milliseconds FROM created_time) % 1000 <> 0",
        "cents": "SELECT 1 FROM current_fact_sales_order WHERE unit_price <> round(unit_price, 1)",
        "a date far ahead": "SELECT 1 FROM current_fact_sales_order WHERE agreed_delivery_date > created_date + 600",
        "no location": "SELECT 1 FROM dim_staff WHERE location = 'Undefined'",
    }

    missing = [what for what, query in next_batch.items() if not world.ask("warehouse", f"{query} LIMIT 1")]

    assert not missing


def test_replayed_load_changes_nothing(world, two_runs):
    """The last batch is deleted from the ledger and merged again: every row exists already."""
    facts = {table: rows for table, rows in world.row_versions().items() if table != "load_ledger"}
    with psycopg.connect(world.urls()["warehouse"]) as connection:
        last = "SELECT max(processed_sequence) FROM load_ledger"
        connection.execute(f"DELETE FROM load_ledger WHERE processed_sequence = ({last})")

    world.totelake("run")

    assert {table: rows for table, rows in world.row_versions().items() if table != "load_ledger"} == facts


def test_catalog_has_all_committed_batches_and_no_others(world, two_runs):
    """As partitions of a table; those that were compacted have been replaced."""
    glue = world.client("glue")
    pages = glue.get_paginator("get_partitions").paginate(DatabaseName="totesys_ingested", TableName="sales_order")
    registered = {partition["Values"][0] for page in pages for partition in page["Partitions"]}

    assert registered == {objects.batch_of(files.path) for files in world.live_files()["ingested"].of("sales_order")}


def test_reconcile_reports_a_change_in_the_warehouse(world, two_runs):
    """By its exit status, its output and a mail."""
    assert "different" not in world.totelake("reconcile")
    with psycopg.connect(world.urls()["warehouse"]) as connection:
        connection.execute("UPDATE dim_design SET file_name = file_name || 'x' WHERE design_id = 3")
    try:
        assert "different in file_name" in world.totelake("reconcile", expect=1)
        assert world.has_mail("dim_design: 1 rows (1 different in file_name: 3)")
        assert world.has_mail('ALARM: "totelake-local-reconcile"')
    finally:
        with psycopg.connect(world.urls()["warehouse"]) as connection:
            connection.execute("UPDATE dim_design SET file_name = rtrim(file_name, 'x') WHERE design_id = 3")


def test_deleted_and_quarantined_rows_are_listed_and_survive_a_rebuild(world, two_runs):
    """Both zones rebuilt have the same rows, with history, and no committed file has changed."""
    with psycopg.connect(world.urls()["totesys"]) as connection:
        connection.execute("DELETE FROM payment WHERE payment_id = 5")
        connection.execute("UPDATE sales_order SET agreed_payment_date = '2024-02-30' WHERE sales_order_id = 7")
    world.totelake("run")

    assert "deleted" in world.totelake("history", "payment", "5")
    [fault] = json.loads(world.totelake("quarantine", "--json"))
    assert (fault["key"], fault["column"], fault["value"]) == (7, "agreed_payment_date", "2024-02-30")
    assert world.has_mail('ALARM: "totelake-local-quarantine"')
    assert world.ask("warehouse", "SELECT 1 FROM current_fact_payment WHERE payment_id = 5") == []
    rows, files = world.all_rows(), world.files()

    assert "processed" not in world.totelake("rebuild", "nothing", expect=2)
    world.totelake("rebuild", "processed")
    assert world.all_rows() == rows
    world.totelake("rebuild", "warehouse")
    assert world.all_rows() == rows
    assert files.items() <= world.files().items()

    with psycopg.connect(world.urls()["totesys"]) as connection:
        connection.execute("UPDATE sales_order SET agreed_payment_date = '2024-02-29' WHERE sales_order_id = 7")
    world.totelake("run")
    assert world.totelake("quarantine") == "The quarantine is empty.\n"
    assert (
        world.warehouse("fact_sales_order", relation="current_fact_sales_order")
        == world.expected_rows()["fact_sales_order"]
    )
    assert "different" not in world.totelake("reconcile")


def test_queries_and_views_have_the_same_rows_in_lake_and_warehouse(world, two_runs):
    """After deletions, corrections and a rebuild: Athena's named queries, and each table's view of current rows."""
    lake = world.lake()
    athena, files = world.client("athena"), (build.ROOT / "dashboards/queries").glob("*/*.sql")
    query_ids = athena.list_named_queries(WorkGroup="totelake-local")["NamedQueryIds"]
    questions = athena.batch_get_named_query(NamedQueryIds=query_ids)["NamedQueries"]
    assert {query["Name"]: query["QueryString"] for query in questions} == {
        f"{file.parent.name}_{file.stem}": file.read_text() for file in files
    }
    assert all(query["Description"].rstrip(".").split("?")[0] in query["QueryString"] for query in questions)

    for query in questions:
        answer = lake.query(query["QueryString"])
        assert comparable(answer.rows) == comparable(world.in_order(query["QueryString"])), query["Name"]
    for table in STAR_TABLES.values():
        query = everything_in(current_view(table), table)
        rows = lake.query(query).rows
        assert rows
        assert comparable(rows) == comparable(world.in_order(query)), table.name


def test_command_line_queries_the_lake(world, two_runs):
    """With SQL; it also lists and describes tables."""
    [count] = json.loads(
        world.totelake("query", "SELECT count(*) AS orders FROM current_fact_sales_order", "--output", "json")
    )

    assert world.ask("warehouse", "SELECT count(*)::text FROM current_fact_sales_order") == [(count["orders"],)]
    assert "current_dim_staff" in world.totelake("tables")
    assert "rows in" in world.totelake("describe", "fact_payment")
    world.totelake("query", "SELECT nothing FROM dim_staff", expect=1)
    world.totelake("query", expect=2)


def test_compaction_changes_files_and_no_answer(world, two_runs):
    """Fewer partitions and live files, the same rows for the same queries and histories; the next run works."""
    for _ in range(2):
        world.totelake("activity", "--events", "100")
        world.totelake("run")
    lake = world.lake()
    queries = [file.read_text() for file in (build.ROOT / "dashboards/queries/sales").glob("*.sql")]
    queries += [everything_in(current_view(table), table) for table in STAR_TABLES.values()]
    queries += [everything_in(table.name, table) for table in STAR_TABLES.values() if table.is_fact]

    def answers() -> list[list[list[object]]]:
        return [comparable(lake.query(query).rows) for query in queries]

    before, history = answers(), world.totelake("history", "payment", "5")
    files, partitions, live = world.files(), world.partitions(), world.live_files()

    # This process reads while the job compacts: the views never lack a row, and never count one twice.
    rows = " UNION ALL ".join(
        f"SELECT '{table.name}', count(*), sum({table.natural_key[0]}) FROM {current_view(table)}"
        for table in STAR_TABLES.values()
        if table.is_fact
    )
    expected, seen = sorted(lake.query(rows).rows), []
    with ThreadPoolExecutor(1) as pool:
        compaction = pool.submit(world.totelake, "compact")
        while not compaction.done():
            seen.append(sorted(lake.query(rows).rows))
    shown = compaction.result()

    assert len(seen) > 2
    assert all(answer == expected for answer in seen)
    assert "fact_sales_order" in shown
    assert world.partitions() < partitions
    for zone, sets in world.live_files().items():
        assert sum(map(len, sets.tables.values())) < sum(map(len, live[zone].tables.values())), zone
    assert files.items() <= world.files().items()
    assert answers() == before
    assert world.totelake("history", "payment", "5") == history
    compacted = world.files()
    assert "nothing to merge" in world.totelake("compact")
    assert world.files() == compacted
    with psycopg.connect(world.urls()["totesys"]) as connection:
        connection.execute("UPDATE sales_order SET units_sold = units_sold + 1 WHERE sales_order_id < 4")
        connection.execute("DELETE FROM payment WHERE payment_id = 6")
    world.totelake("run")
    now = world.expected_rows()
    for table in FACTS:
        assert world.warehouse(table, relation=f"current_{table}") == now[table], table
    assert "different" not in world.totelake("reconcile")
    assert "live files" in world.totelake("status")


def test_all_files_are_checked(world, two_runs):
    """By the command and by the scheduled job, after runs, a rebuild and a compaction."""
    world.totelake("verify", "--read")

    run = job_run.run(world.client("glue"), world.client("logs"), "totelake-local-verify")

    assert run.succeeded, run


def everything_in(relation: str, table: StarTable) -> str:
    """Return the query for all rows and declared columns of a relation with the columns of `table`."""
    names = [column.name for column in (table.stored_columns[:-1] if table.is_fact else table.columns)]
    return f"SELECT {', '.join(names)} FROM {relation} ORDER BY {', '.join((*table.natural_key, *names))}"


def comparable(rows: Iterable[Iterable[object]]) -> list[list[object]]:
    """Return rows as text that is equal for equal values of both engines: numbers without trailing zeros."""
    return [[None if value is None else _plain(value) for value in row] for row in rows]


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime_time):
        return value.isoformat("milliseconds")
    text = str(value)
    return text.rstrip("0").rstrip(".") if re.fullmatch(r"-?\d+\.\d+", text) else text


def test_order_committed_late_is_in_the_next_run(world, two_runs):
    """Its transaction was open during a run that ingested newer rows."""
    with psycopg.connect(world.urls()["totesys"]) as late, psycopg.connect(world.urls()["totesys"]) as early:
        update = "UPDATE sales_order SET units_sold = %s, last_updated = clock_timestamp() WHERE sales_order_id = %s"
        late.execute(update, (4321, 1))
        time.sleep(0.01)
        early.execute(update, (1234, 2))
        early.commit()
        world.totelake("run")
        assert units(world) == {2: 1234} | {1: units(world)[1]}
        assert units(world)[1] != 4321
        late.commit()

    world.totelake("run")

    assert units(world) == {1: 4321, 2: 1234}
    now = world.expected_rows()
    for table in FACTS:
        assert world.warehouse(table, relation=f"current_{table}") == now[table], table


def units(world: CommandLineWorld) -> dict[int, int]:
    """Return the units of the first two orders in the warehouse."""
    query = "SELECT sales_order_id, units_sold FROM current_fact_sales_order WHERE sales_order_id IN (1, 2)"
    return dict(world.ask("warehouse", query))


def test_new_source_column_is_ingested_discovered_and_reported_by_mail(world, two_runs):
    """Ingest writes and logs it, the crawler discovers it in the batch, and the drift check reports it."""
    world.totelake("crawl")
    with psycopg.connect(world.urls()["totesys"]) as connection:
        connection.execute("ALTER TABLE design ADD COLUMN colour text")
        connection.execute("UPDATE design SET colour = 'red' WHERE design_id = 3")
    try:
        ingest = job_run.run(world.client("glue"), world.client("logs"), "totelake-local-ingest")
        assert [line["undeclared_columns"] for line in ingest.lines if "undeclared_columns" in line] == [["colour"]]

        assert "design.colour is not declared (string) in batch" in world.totelake("crawl", expect=1)

        assert world.has_mail(
            "The Glue job totelake-local-drift ended as FAILED", "design.colour is not declared (string) in batch"
        )
    finally:
        with psycopg.connect(world.urls()["totesys"]) as connection:
            connection.execute("ALTER TABLE design DROP COLUMN colour")


def test_failed_job_fails_the_run_and_sends_a_mail(world, two_runs):
    """The source lost a column: exit status and mail report it; once it is back, the run succeeds."""
    with psycopg.connect(world.urls()["totesys"]) as connection:
        connection.execute("ALTER TABLE department RENAME COLUMN manager TO boss")
    try:
        world.totelake("run", expect=1)
        assert world.has_mail("column manager is missing")
    finally:
        with psycopg.connect(world.urls()["totesys"]) as connection:
            connection.execute("ALTER TABLE department RENAME COLUMN boss TO manager")

    world.totelake("run")


def metric_values(cloudwatch: Any, name: str, statistic: str, unit: str = "", **dimensions: str) -> list[float]:
    """Return the published values of a metric, the latest minute first."""
    points = cloudwatch.get_metric_statistics(
        Namespace="Totelake",
        MetricName=name,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=datetime.now(UTC) - timedelta(hours=2),
        EndTime=datetime.now(UTC) + timedelta(minutes=1),
        Period=60,
        Statistics=[statistic],
        **({"Unit": unit} if unit else {}),
    )["Datapoints"]
    return [point[statistic] for point in sorted(points, key=lambda point: point["Timestamp"], reverse=True)]


def test_dashboard_shows_the_pipeline_during_a_run(world, two_runs):
    """Served until Ctrl-C; runs, batches and nodes match the status, without a reload."""
    arguments = [sys.executable, "-m", "ops.cli", "dashboard", "--no-open", "--state", str(world.state)]
    dashboard = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    try:
        assert dashboard.stdout is not None
        address = re.search(r"http://127\.0\.0\.1:\d+\S+", dashboard.stdout.readline())[0]
        with window() as opened:
            opened.page.goto(address)
            expect(opened.page.locator(".newest")).to_contain_text(f"batch {batches_loaded(world)}")
            opened.page.get_by_role("link", name="Pipeline").click()
            runs = opened.page.locator(".st-key-card-runs")
            expect(runs.locator("svg.marks")).to_be_visible()
            stages = chart_values(runs, "Start")
            world.totelake("run", "--no-wait")
            expect(opened.page.locator(".tiles")).to_contain_text("running")
            expect(opened.page.locator(".st-key-card-graph")).to_contain_text("running")
            expect(opened.page.locator(".tiles")).to_contain_text("succeeded")
            wait_until(lambda: len(chart_values(runs, "Start")) == len(stages) + 1)
            shown = chart_values(opened.page.locator(".st-key-card-rows"), "Rows")
            status = json.loads(world.totelake("status", "--json"))
            latest = status["batches"]["ingested"]["latest"][0]["tables"].values()
            assert {f"{rows:,}" for rows in latest} <= shown
            expect(opened.page.locator(".st-key-card-age .mark-line path")).to_be_visible()
            for name in ("graph", "runs", "age", "rows"):
                unit = opened.page.locator(f".st-key-card-{name} h3 + .unit")
                expect(unit).to_have_text(re.compile(r"^\w.+ · as of \d+ \w+ \d{4}, \d\d:\d\d:\d\d$"))
            assert opened.faults == []
    finally:
        dashboard.send_signal(signal.SIGINT)
        assert dashboard.wait(30) == 130
    assert processes.port_is_free(urlsplit(address).port)


def batches_loaded(world: CommandLineWorld) -> int:
    """Return the sequence of the last batch in the warehouse."""
    [(last,)] = world.ask("warehouse", "SELECT max(processed_sequence) FROM load_ledger")
    return last


def test_idle_run_changes_nothing_and_resets_the_warehouse_age(world, two_runs):
    """No file, no row; the load takes the snapshot time from the ingest of its workflow run."""
    world.totelake("run")
    files, rows = world.files(), world.row_versions()
    started = time.time()

    world.totelake("run")

    assert world.files() == files
    assert world.row_versions() == rows
    # The previous run may have published in the same minute: take the minimum.
    [last, *_] = metric_values(world.client("cloudwatch"), "WarehouseAge", "Minimum")
    assert 0 < last <= time.time() - started


def test_every_alarm_and_graph_has_data(world, two_runs):
    """The metrics in Terraform are those that the jobs publish, besides those that AWS's services would publish."""
    cloudwatch = world.client("cloudwatch")
    alarms = [alarm for alarm in cloudwatch.describe_alarms()["MetricAlarms"] if "MetricName" in alarm]
    assert {alarm["Namespace"] for alarm in alarms} == {"Totelake", "AWS/Events"}
    for alarm in alarms:
        if alarm["Namespace"] == "Totelake":
            dimensions = {pair["Name"]: pair["Value"] for pair in alarm["Dimensions"]}
            assert metric_values(cloudwatch, alarm["MetricName"], alarm["Statistic"], alarm["Unit"], **dimensions), (
                alarm
            )
    body = json.loads(cloudwatch.get_dashboard(DashboardName="totelake-local")["DashboardBody"])
    for graph in (widget["properties"] for widget in body["widgets"] if widget["type"] == "metric"):
        for namespace, name, *pairs in (line for line in graph["metrics"] if len(line) > 1):
            assert namespace == "Totelake"
            assert metric_values(cloudwatch, name, graph["stat"], **dict(zip(pairs[::2], pairs[1::2], strict=True))), (
                graph["title"]
            )


def test_no_secret_is_in_a_log(world, two_runs):
    """No password or session token after all runs, including a failed one: in files, log streams and mails."""
    folders = (world.state / name for name in ("logs", "jobs", "inbox"))
    texts = {
        str(path): path.read_bytes().decode(errors="replace")
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file()
    }
    logs = world.client("logs")
    for group in logs.describe_log_groups()["logGroups"]:
        streams = logs.get_paginator("describe_log_streams").paginate(logGroupName=group["logGroupName"])
        for name in (stream["logStreamName"] for page in streams for stream in page["logStreams"]):
            source = {"logGroupName": group["logGroupName"], "logStreamName": name}
            events = logs.get_log_events(**source, startFromHead=True)["events"]
            texts[f"{source}"] = "\n".join(event["message"] for event in events)
    passwords = json.loads((world.state / "world.json").read_text())["passwords"].values()
    token = re.compile(rf"{SESSION_TOKEN_PREFIX}|(secret_?access_?key|session_?token)\W{{1,4}}\w{{20}}", re.IGNORECASE)

    assert any("endpoint.log" in source for source in texts)
    assert any('"status": "failed"' in text for text in texts.values())
    secrets_in = [
        source
        for source, text in texts.items()
        if token.search(text) or any(password in text for password in passwords)
    ]
    assert secrets_in == []


def test_run_resumes_after_the_local_aws_was_killed(world, two_runs):
    """Endpoint and job are killed while star tables are written: the ingested batch stays, the rest is redone."""
    state, urls = State(world.state), world.urls()
    change_source_rows(urls["totesys"])
    files, ingested, processed = world.files().keys(), log_of(state, "ingested"), log_of(state, "processed")
    run = subprocess.Popen(
        [sys.executable, "-m", "ops.cli", "run", "--state", str(state.root)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    star_files = partial(state.lake.glob, "*-processed/tables/*/batch_id=*/**/*.parquet")
    wait_until(lambda: {str(path) for path in star_files()} - files, seconds=120)
    jobs = [process for process in psutil.process_iter() if works_in(process, state.jobs)]
    assert jobs
    for process in [psutil.Process(health.pid(state)), *jobs]:
        process.send_signal(signal.SIGKILL)
    assert run.wait(60) != 0
    assert log_of(state, "processed") == processed

    world.totelake("up")
    world.totelake("run")

    records = log_of(state, "processed")
    assert (len(log_of(state, "ingested")), len(records)) == (len(ingested) + 1, len(processed) + 1)
    full_refresh = max(source for source, record in enumerate(records) if record["first_ingested"] == 1)
    committed = [(record["sequence"], record["batch_id"]) for record in records[full_refresh:]]
    assert_warehouse_matches_source(urls["totesys"], urls["warehouse"], committed)


def log_of(state: State, zone: str) -> list[dict[str, Any]]:
    """Return the commit records of a zone."""
    return [json.loads(path.read_text()) for path in sorted(state.lake.glob(f"*-{zone}/log/*.json"))]


def works_in(process: psutil.Process, folder: Path) -> bool:
    """Return whether the working directory of the process is below `folder`."""
    try:
        return Path(process.cwd()).is_relative_to(folder)
    except psutil.Error:
        return False


def test_killed_environment_restarts_without_loss(world, two_runs):
    """After every process is killed, the committed data is in the buckets, the catalog and the warehouse."""
    files, rows = world.files(), world.row_versions()
    kill_processes_of(world.state)

    world.totelake("up")

    assert world.files() == files
    assert world.row_versions() == rows
    test_catalog_has_all_committed_batches_and_no_others(world, two_runs)
    world.totelake("run")
    assert world.files() == files


def kill_processes_of(state: Path) -> None:
    """Kill, by SIGKILL, every process with the state folder in its arguments."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(state) in words and int(process.name) != os.getpid():
            os.kill(int(process.name), 9)
