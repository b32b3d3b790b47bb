"""The whole platform through its command line, and the warehouse held against plain SQL on the source."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
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
from ops.sandbox import deployment, health, job_run
from ops.sandbox.lake import Lake
from ops.sandbox.settings import Settings
from tests.browsers import said_by, window
from tests.chaos.outages import all_is_well, business_goes_on, wait_until
from totelake.tables import STAR_TABLES
from totelake.warehouse.names import current_view

pytestmark = pytest.mark.timeout(900)

# What a plain SQL transformation of totesys gives, table by table, in the order of the warehouse's columns. A fact's
# row begins with the transaction that wrote it.
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
class World:
    """A local world, driven by its command line and looked at by SQL."""

    state: Path

    def totelake(self, *arguments: str, expect: int = 0) -> str:
        """Run the command line and return what it printed."""
        command = [sys.executable, "-m", "ops.cli", *arguments, "--state", str(self.state)]
        ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
        assert ended.returncode == expect, f"totelake {' '.join(arguments)}:\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    @cached_property
    def _urls(self) -> dict[str, str]:
        return json.loads(self.totelake("urls", "--json"))

    def urls(self) -> dict[str, str]:
        """Return where everything is, which stays as it is when the world comes again after a kill."""
        return self._urls

    def client(self, service: str) -> Any:
        """Return a boto3 client of a service of the local AWS."""
        urls = self.urls()
        credentials = {"aws_access_key_id": urls["access_key"], "aws_secret_access_key": urls["secret_key"]}
        return boto3.client(service, endpoint_url=urls["aws"], region_name=urls["region"], **credentials)

    def ask(self, database: str, query: str) -> Rows:
        """Return the sorted answer of a query on `totesys` or `warehouse`."""
        with psycopg.connect(self.urls()[database]) as connection:
            return sorted(connection.execute(query).fetchall(), key=repr)

    def in_order(self, query: str) -> Rows:
        """Return the answer of a query on the warehouse, in its order."""
        with psycopg.connect(self.urls()["warehouse"]) as connection:
            return connection.execute(query.encode()).fetchall()

    def lake(self) -> Lake:
        """Return the lake, to ask it in SQL."""
        state = State(self.state)
        made = deployment.outputs(state)
        return Lake(Settings.load(state), made["athena_workgroup"], made["databases"])

    def source(self) -> dict[str, Rows]:
        """Return what every star table should show of totesys as it is now."""
        return {table: self.ask("totesys", query) for table, query in (FACTS | DIMENSIONS).items()}

    def warehouse(self, table: str, *, relation: str | None = None) -> Rows:
        """Return a star table's rows, in the shape of `source`: a fact's begin with the id of their transaction."""
        with psycopg.connect(self.urls()["warehouse"]) as connection:
            columns = (
                "SELECT column_name FROM information_schema.columns WHERE table_name = %s ORDER BY ordinal_position"
            )
            found = [name for (name,) in connection.execute(columns, (table,)).fetchall()]
        names = ", ".join(name for name in found if not name.startswith("_") and not name.endswith("_record_id"))
        version = "_source_version & 4294967295, " if table in FACTS else ""
        return self.ask("warehouse", f"SELECT {version}{names} FROM {relation or table}")

    def untouched(self) -> dict[str, Rows]:
        """Return the place and writing transaction of every row of the warehouse: any write at all changes it."""
        tables = [*FACTS, *DIMENSIONS, "load_ledger"]
        return {table: self.ask("warehouse", f"SELECT ctid, xmin::text FROM {table}") for table in tables}

    def everything(self) -> dict[str, Rows]:
        """Return all rows of the warehouse's tables, but for the numbers that it gives them itself."""
        found = {}
        for table in [*FACTS, *DIMENSIONS]:
            columns = f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}'"
            names = [name for (name,) in self.ask("warehouse", columns) if not name.endswith("_record_id")]
            found[table] = self.ask("warehouse", f"SELECT {', '.join(names)} FROM {table}")
        return found

    def is_told(self, *texts: str) -> bool:
        """Return whether, within seconds, an e-mail says all of `texts` in its subject or its body."""
        for _ in range(10):
            alerts = json.loads(self.totelake("status", "--json"))["alerts"]
            if any(all(text in alert["subject"] + alert["body"] for text in texts) for alert in alerts):
                return True
            time.sleep(1)
        return False

    def files(self) -> dict[str, tuple[int, int]]:
        """Return every object of the lake with its size and time."""
        lake = Path(self.urls()["lake"])
        found = (
            path for bucket in ("ingested", "processed") for path in lake.glob(f"*-{bucket}/**/*") if path.is_file()
        )
        return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in found}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Bring a world up in a fresh state folder, seed it, and run the workflow once."""
    world = World(tmp_path_factory.mktemp("world") / "state")
    try:
        world.totelake("up")
        world.totelake("seed")
        world.totelake("run")
        yield world
    finally:
        world.totelake("down", "--purge", "--yes")


@pytest.fixture(scope="module")
def two_runs(world: World) -> tuple[dict[str, Rows], dict[str, Rows]]:
    """Let the business go on after the first run, and run again; return the source as each of the runs saw it."""
    first = world.source()
    world.totelake("activity", "--events", "300")
    world.totelake("run")
    return first, world.source()


def test_the_current_state_equals_the_source(world, two_runs):
    """Row for row and column for column, facts and dimensions."""
    _, now = two_runs

    for table in FACTS:
        assert world.warehouse(table, relation=f"current_{table}") == now[table], table
    for table in DIMENSIONS:
        assert world.warehouse(table) == now[table], table


def test_one_jvm_serves_all_stages_of_a_run(world, two_runs):
    """They came with one deployment, and each of them leaves the JVM as it was."""
    log = (world.state / "logs" / "endpoint.log").read_text()
    led = re.findall(r"job run \S+ of totelake-local-(\w+) is led by process (\d+)", log)[-3:]

    assert [stage for stage, _ in led] == ["ingest", "transform", "load"]
    assert len({process for _, process in led}) == 1


def test_every_version_is_there_once(world, two_runs):
    """What either run saw is in the facts, and nothing else, and nothing twice."""
    first, now = two_runs

    for table in FACTS:
        assert len(now[table]) > len(set(now[table]) & set(first[table])), f"{table}: the business did not touch it"
        assert world.warehouse(table) == sorted({*first[table], *now[table]}, key=repr), table


def test_the_awkward_values_are_all_there(world, two_runs):
    """NULLs, apostrophes, leading zeros, milliseconds, cents, and dates 600 days ahead."""
    present = {
        "a NULL": "SELECT 1 FROM dim_location WHERE district IS NULL",
        "an apostrophe": "SELECT 1 FROM dim_staff WHERE last_name = 'O''Keefe'",
        "a leading zero": "SELECT 1 FROM dim_location WHERE postal_code = '01138'",
        "milliseconds": "SELECT 1 FROM current_fact_payment WHERE extract(milliseconds FROM created_time) % 1000 <> 0",
        "cents": "SELECT 1 FROM current_fact_sales_order WHERE unit_price <> round(unit_price, 1)",
        "a far day": "SELECT 1 FROM current_fact_sales_order WHERE agreed_delivery_date > created_date + 600",
        "no location": "SELECT 1 FROM dim_staff WHERE location = 'Undefined'",
    }

    missing = [what for what, query in present.items() if not world.ask("warehouse", f"{query} LIMIT 1")]

    assert not missing


def test_a_replayed_load_changes_nothing(world, two_runs):
    """The ledger forgets the last batch, and the load merges it again: every row is there already."""
    facts = {table: rows for table, rows in world.untouched().items() if table != "load_ledger"}
    with psycopg.connect(world.urls()["warehouse"]) as connection:
        last = "SELECT max(processed_sequence) FROM load_ledger"
        connection.execute(f"DELETE FROM load_ledger WHERE processed_sequence = ({last})")

    world.totelake("run")

    assert {table: rows for table, rows in world.untouched().items() if table != "load_ledger"} == facts


def test_only_committed_batches_are_in_the_catalog(world, two_runs):
    """And all of them are."""
    urls = world.urls()
    glue = world.client("glue")
    pages = glue.get_paginator("get_partitions").paginate(DatabaseName="totesys_ingested", TableName="sales_order")
    registered = {partition["Values"][0] for page in pages for partition in page["Partitions"]}
    records = [json.loads(path.read_text()) for path in Path(urls["lake"]).glob("*-ingested/log/*.json")]

    assert registered == {record["batch_id"] for record in records if "sales_order" in record["tables"]}


def test_reconcile_finds_nothing_until_somebody_changes_the_warehouse(world, two_runs):
    """Then its exit status, its words and a mail say where."""
    assert "different" not in world.totelake("reconcile")
    with psycopg.connect(world.urls()["warehouse"]) as connection:
        connection.execute("UPDATE dim_design SET file_name = file_name || 'x' WHERE design_id = 3")
    try:
        assert "different in file_name" in world.totelake("reconcile", expect=1)
        assert world.is_told("dim_design: 1 rows (1 different in file_name: 3)")
        assert world.is_told('ALARM: "totelake-local-reconcile"')
    finally:
        with psycopg.connect(world.urls()["warehouse"]) as connection:
            connection.execute("UPDATE dim_design SET file_name = rtrim(file_name, 'x') WHERE design_id = 3")


def test_what_was_deleted_and_what_is_held_back_is_shown_and_survives_a_rebuild(world, two_runs):
    """Both zones made anew have the same rows, with history, and no committed file has changed."""
    with psycopg.connect(world.urls()["totesys"]) as connection:
        connection.execute("DELETE FROM payment WHERE payment_id = 5")
        connection.execute("UPDATE sales_order SET agreed_payment_date = '2024-02-30' WHERE sales_order_id = 7")
    world.totelake("run")

    assert "deleted" in world.totelake("history", "payment", "5")
    [fault] = json.loads(world.totelake("quarantine", "--json"))
    assert (fault["key"], fault["column"], fault["value"]) == (7, "agreed_payment_date", "2024-02-30")
    assert world.is_told('ALARM: "totelake-local-quarantine"')
    assert world.ask("warehouse", "SELECT 1 FROM current_fact_payment WHERE payment_id = 5") == []
    rows, files = world.everything(), world.files()

    assert "processed" not in world.totelake("rebuild", "nothing", expect=2)
    world.totelake("rebuild", "processed")
    assert world.everything() == rows
    world.totelake("rebuild", "warehouse")
    assert world.everything() == rows
    assert files.items() <= world.files().items()

    with psycopg.connect(world.urls()["totesys"]) as connection:
        connection.execute("UPDATE sales_order SET agreed_payment_date = '2024-02-29' WHERE sales_order_id = 7")
    world.totelake("run")
    assert world.totelake("quarantine") == "Nothing is held back.\n"
    assert (
        world.warehouse("fact_sales_order", relation="current_fact_sales_order") == world.source()["fact_sales_order"]
    )
    assert "different" not in world.totelake("reconcile")


def test_every_question_and_every_view_has_the_same_answer_in_the_lake_and_in_the_warehouse(world, two_runs):
    """After runs, deletions, corrections and a rebuild: what Athena keeps under a name, and each current state."""
    lake = world.lake()
    athena, files = world.client("athena"), (build.ROOT / "dashboards/queries").glob("*/*.sql")
    kept = athena.list_named_queries(WorkGroup="totelake-local")["NamedQueryIds"]
    questions = athena.batch_get_named_query(NamedQueryIds=kept)["NamedQueries"]
    assert {query["Name"]: query["QueryString"] for query in questions} == {
        f"{file.parent.name}_{file.stem}": file.read_text() for file in files
    }
    assert all(query["Description"].rstrip(".").split("?")[0] in query["QueryString"] for query in questions)

    for query in questions:
        answer = lake.ask(query["QueryString"])
        assert comparable(answer.rows) == comparable(world.in_order(query["QueryString"])), query["Name"]
    for table in STAR_TABLES.values():
        names = ", ".join(column.name for column in (table.stored_columns[:-1] if table.is_fact else table.columns))
        query = f"SELECT {names} FROM {current_view(table)} ORDER BY {', '.join(table.natural_key)}"
        rows = lake.ask(query).rows
        assert rows
        assert comparable(rows) == comparable(world.in_order(query)), table.name


def test_the_command_line_asks_the_lake(world, two_runs):
    """In SQL, and for what there is to ask."""
    [count] = json.loads(
        world.totelake("query", "SELECT count(*) AS orders FROM current_fact_sales_order", "--output", "json")
    )

    assert world.ask("warehouse", "SELECT count(*)::text FROM current_fact_sales_order") == [(count["orders"],)]
    assert "current_dim_staff" in world.totelake("tables")
    assert "rows in" in world.totelake("describe", "fact_payment")
    world.totelake("query", "SELECT nothing FROM dim_staff", expect=1)
    world.totelake("query", expect=2)


def comparable(rows: Iterable[Iterable[object]]) -> list[list[object]]:
    """Return rows as text in which a value is the same wherever it comes from: numbers without zeros at their end."""
    return [[None if value is None else _plain(value) for value in row] for row in rows]


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime_time):
        return value.isoformat("milliseconds")
    text = str(value)
    return text.rstrip("0").rstrip(".") if re.fullmatch(r"-?\d+\.\d+", text) else text


def test_an_order_that_is_committed_late_arrives_in_the_next_run(world, two_runs):
    """Its transaction was open during a run that took younger rows."""
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
    now = world.source()
    for table in FACTS:
        assert world.warehouse(table, relation=f"current_{table}") == now[table], table


def units(world: World) -> dict[int, int]:
    """Return the units of the first two orders as the warehouse shows them."""
    query = "SELECT sales_order_id, units_sold FROM current_fact_sales_order WHERE sales_order_id IN (1, 2)"
    return dict(world.ask("warehouse", query))


def test_a_column_added_in_totesys_is_landed_discovered_and_named_by_mail(world, two_runs):
    """The ingest lands it as it is and reports it, the crawler finds it in the batch, and the drift check names it."""
    world.totelake("crawl")
    with psycopg.connect(world.urls()["totesys"]) as connection:
        connection.execute("ALTER TABLE design ADD COLUMN colour text")
        connection.execute("UPDATE design SET colour = 'red' WHERE design_id = 3")
    try:
        ingest = job_run.run(world.client("glue"), world.client("logs"), "totelake-local-ingest")
        assert [line["undeclared_columns"] for line in ingest.lines if "undeclared_columns" in line] == [["colour"]]

        assert "design.colour is not declared (string) in batch" in world.totelake("crawl", expect=1)

        assert world.is_told(
            "The Glue job totelake-local-drift ended as FAILED", "design.colour is not declared (string) in batch"
        )
    finally:
        with psycopg.connect(world.urls()["totesys"]) as connection:
            connection.execute("ALTER TABLE design DROP COLUMN colour")


def test_a_failing_job_fails_the_run_and_is_told_by_mail(world, two_runs):
    """The source lost a column: the exit status says so, the mail names it, and with the column back all is well."""
    with psycopg.connect(world.urls()["totesys"]) as connection:
        connection.execute("ALTER TABLE department RENAME COLUMN manager TO boss")
    try:
        world.totelake("run", expect=1)
        assert world.is_told("column manager is missing")
    finally:
        with psycopg.connect(world.urls()["totesys"]) as connection:
            connection.execute("ALTER TABLE department RENAME COLUMN boss TO manager")

    world.totelake("run")


def figures(cloudwatch: Any, name: str, statistic: str, unit: str = "", **dimensions: str) -> list[float]:
    """Return what the jobs have published of a metric, the latest minute first."""
    found = cloudwatch.get_metric_statistics(
        Namespace="Totelake",
        MetricName=name,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=datetime.now(UTC) - timedelta(hours=2),
        EndTime=datetime.now(UTC) + timedelta(minutes=1),
        Period=60,
        Statistics=[statistic],
        **({"Unit": unit} if unit else {}),
    )["Datapoints"]
    return [point[statistic] for point in sorted(found, key=lambda point: point["Timestamp"], reverse=True)]


def test_the_dashboard_shows_the_pipeline_while_it_runs(world, two_runs):
    """The command serves it until Ctrl-C; runs, batches and nodes are what the status says, without a reload."""
    arguments = [sys.executable, "-m", "ops.cli", "dashboard", "--no-open", "--state", str(world.state)]
    serving = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    try:
        assert serving.stdout is not None
        address = re.search(r"http://127\.0\.0\.1:\d+\S+", serving.stdout.readline())[0]
        with window() as opened:
            opened.page.goto(address)
            expect(opened.page.locator(".newest")).to_contain_text(f"batch {batches_loaded(world)}")
            opened.page.get_by_role("link", name="Pipeline").click()
            runs = opened.page.locator(".st-key-card-runs")
            expect(runs.locator("svg.marks")).to_be_visible()
            stages = said_by(runs, "Began")
            world.totelake("run", "--no-wait")
            expect(opened.page.locator(".tiles")).to_contain_text("running")
            expect(opened.page.locator(".st-key-card-graph")).to_contain_text("running")
            expect(opened.page.locator(".tiles")).to_contain_text("succeeded")
            wait_until(lambda: len(said_by(runs, "Began")) == len(stages) + 1)
            shown = said_by(opened.page.locator(".st-key-card-rows"), "Rows")
            status = json.loads(world.totelake("status", "--json"))
            latest = status["batches"]["ingested"]["latest"][0]["tables"].values()
            assert {f"{rows:,}" for rows in latest} <= shown
            expect(opened.page.locator(".st-key-card-age .mark-line path")).to_be_visible()
            for name in ("graph", "runs", "age", "rows"):
                told = opened.page.locator(f".st-key-card-{name} h3 + .unit")
                expect(told).to_have_text(re.compile(r"^\w.+ · as of \d+ \w+ \d{4}, \d\d:\d\d:\d\d$"))
            assert opened.faults == []
    finally:
        serving.send_signal(signal.SIGINT)
        assert serving.wait(30) == 130
    assert processes.port_is_free(urlsplit(address).port)


def batches_loaded(world: World) -> int:
    """Return the number of the last batch in the warehouse."""
    [(last,)] = world.ask("warehouse", "SELECT max(processed_sequence) FROM load_ledger")
    return last


def test_an_idle_run_changes_nothing_and_the_warehouse_is_as_old_as_it(world, two_runs):
    """No file, no row; the load learns from the ingest of its workflow run up to when nothing had changed."""
    world.totelake("run")
    files, rows = world.files(), world.untouched()
    began = time.time()

    world.totelake("run")

    assert world.files() == files
    assert world.untouched() == rows
    # The run before may lie in the same minute: the younger of the two.
    [last, *_] = figures(world.client("cloudwatch"), "WarehouseAge", "Minimum")
    assert 0 < last <= time.time() - began


def test_every_alarm_and_graph_of_this_world_has_data(world, two_runs):
    """What Terraform has them look at is what the jobs have published."""
    cloudwatch = world.client("cloudwatch")
    for alarm in cloudwatch.describe_alarms()["MetricAlarms"]:
        if "MetricName" in alarm:
            dimensions = {pair["Name"]: pair["Value"] for pair in alarm["Dimensions"]}
            assert figures(cloudwatch, alarm["MetricName"], alarm["Statistic"], alarm["Unit"], **dimensions), alarm
    body = json.loads(cloudwatch.get_dashboard(DashboardName="totelake-local")["DashboardBody"])
    for graph in (widget["properties"] for widget in body["widgets"] if widget["type"] == "metric"):
        for namespace, name, *pairs in (line for line in graph["metrics"] if len(line) > 1):
            assert namespace == "Totelake"
            assert figures(cloudwatch, name, graph["stat"], **dict(zip(pairs[::2], pairs[1::2], strict=True))), graph[
                "title"
            ]


def test_nothing_secret_is_in_any_log(world, two_runs):
    """Neither a password nor a session's token: after runs, a failing one among them, in files, streams and mails."""
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
            place = {"logGroupName": group["logGroupName"], "logStreamName": name}
            events = logs.get_log_events(**place, startFromHead=True)["events"]
            texts[f"{place}"] = "\n".join(event["message"] for event in events)
    passwords = json.loads((world.state / "world.json").read_text())["passwords"].values()
    token = re.compile(rf"{SESSION_TOKEN_PREFIX}|(secret_?access_?key|session_?token)\W{{1,4}}\w{{20}}", re.IGNORECASE)

    assert any("endpoint.log" in place for place in texts)
    assert any('"status": "failed"' in text for text in texts.values())
    told = [
        place for place, text in texts.items() if token.search(text) or any(password in text for password in passwords)
    ]
    assert told == []


def test_a_local_aws_that_is_killed_in_a_run_comes_again_and_the_next_run_goes_on(world, two_runs):
    """The endpoint and its job die while star tables are written: the ingested batch stays, the rest is made again."""
    state, urls = State(world.state), world.urls()
    business_goes_on(urls["totesys"])
    files, ingested, processed = world.files().keys(), log_of(state, "ingested"), log_of(state, "processed")
    following = subprocess.Popen(
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
    assert following.wait(60) != 0
    assert log_of(state, "processed") == processed

    world.totelake("up")
    world.totelake("run")

    records = log_of(state, "processed")
    assert (len(log_of(state, "ingested")), len(records)) == (len(ingested) + 1, len(processed) + 1)
    began_anew = max(place for place, record in enumerate(records) if record["first_ingested"] == 1)
    committed = [(record["sequence"], record["batch_id"]) for record in records[began_anew:]]
    all_is_well(urls["totesys"], urls["warehouse"], committed)


def log_of(state: State, zone: str) -> list[dict[str, Any]]:
    """Return the records of what was committed to a zone."""
    return [json.loads(path.read_text()) for path in sorted(state.lake.glob(f"*-{zone}/log/*.json"))]


def works_in(process: psutil.Process, folder: Path) -> bool:
    """Return whether the process has its working folder below `folder`."""
    try:
        return Path(process.cwd()).is_relative_to(folder)
    except psutil.Error:
        return False


def test_a_killed_world_comes_up_again_and_has_lost_nothing(world, two_runs):
    """Every process is killed; what was committed is there, in the buckets, the catalog and the warehouse."""
    files, rows = world.files(), world.untouched()
    kill_everything_of(world.state)

    world.totelake("up")

    assert world.files() == files
    assert world.untouched() == rows
    test_only_committed_batches_are_in_the_catalog(world, two_runs)
    world.totelake("run")
    assert world.files() == files


def kill_everything_of(state: Path) -> None:
    """Kill, without a chance to tidy up, every process that has the state folder among its arguments."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(state) in words and int(process.name) != os.getpid():
            os.kill(int(process.name), 9)
