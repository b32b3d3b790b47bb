"""The CLI: errors without a local environment, URLs, lineage and purge."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from local_aws.state import State
from ops.sandbox.settings import SandboxSettings

ROOT = Path(__file__).resolve().parents[2]
ROLES = ("postgres", "totesys_owner", "totelake_reader", "warehouse_owner", "warehouse_reader")


def totelake(*arguments, state):
    """Run the CLI and return its completed process."""
    command = [sys.executable, "-m", "ops.cli", *arguments, "--state", str(state)]
    environment = {**os.environ, "PYTHONPATH": "glue_jobs:.", "COLUMNS": "200"}
    return subprocess.run(
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        timeout=60,
    )


@pytest.mark.parametrize(
    "command",
    [
        "seed",
        "activity",
        "run",
        "reconcile",
        "compact",
        "verify",
        "follow",
        "stop",
        "status",
        "dashboard",
        "urls",
        "down",
        "tables",
        "describe fact_payment",
        "query SELECT",
        "query SELECT --as-of 7 --show-sql",
    ],
)
def test_command_without_an_environment_fails_and_names_totelake_up(command, tmp_path):
    """One sentence without a traceback, exit status 1, and no folder is created."""
    ended = totelake(*command.split(), state=tmp_path / "none")

    assert ended.returncode == 1
    assert (
        ended.stderr == f"totelake: There is no local environment in {tmp_path / 'none'}; start one with: totelake up\n"
    )
    assert not (tmp_path / "none").exists()


def test_command_with_a_stopped_environment_says_that_it_is_down(tmp_path):
    """Its settings exist, but its processes do not."""
    settings = {"endpoint_port": 1, "postgres_port": 2, "passwords": dict.fromkeys(ROLES, "secret")}
    (tmp_path / "world.json").write_text(json.dumps(settings))

    ended = totelake("run", state=tmp_path)

    assert ended.returncode == 1
    assert (
        f"The local environment in {tmp_path} is down (the local AWS and Postgres); start it with: totelake up"
        in ended.stderr
    )


def test_up_does_not_replace_unreadable_settings(tmp_path):
    """New passwords would not match those of the databases."""
    (tmp_path / "world.json").write_text("{")

    ended = totelake("up", state=tmp_path)

    assert ended.returncode == 1
    assert f"{tmp_path / 'world.json'} cannot be read" in ended.stderr
    assert (tmp_path / "world.json").read_text() == "{"


def test_urls_prints_all_addresses_as_json(tmp_path):
    """Also while the environment is down."""
    keys = {"access_key": "AKIA", "secret_key": "s3cret"}
    settings = {"endpoint_port": 4566, "postgres_port": 5432, "passwords": dict.fromkeys(ROLES, "se/cret"), **keys}
    (tmp_path / "world.json").write_text(json.dumps(settings))

    assert json.loads(totelake("urls", "--json", state=tmp_path).stdout) == {
        "aws": "http://127.0.0.1:4566",
        "region": "eu-west-2",
        **keys,
        "totesys": "postgresql://totesys_owner:se%2Fcret@127.0.0.1:5432/totesys?require_auth=scram-sha-256",
        "warehouse": "postgresql://warehouse_owner:se%2Fcret@127.0.0.1:5432/warehouse?require_auth=scram-sha-256",
        "warehouse_reader": "postgresql://warehouse_reader:se%2Fcret@127.0.0.1:5432/warehouse?require_auth=scram-sha-256",
        "lake": str(tmp_path / "s3"),
        "state": str(tmp_path),
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--show-sql"], "prints the SQL of a query with --as-of"),
        (["--as-of", "yesterday"], "Invalid value for --as-of: 'yesterday' is neither"),
    ],
)
def test_query_as_of_an_earlier_batch_needs_a_batch_or_time(options, message, tmp_path):
    """The message says which; status 2 is wrong usage."""
    ended = totelake("query", "SELECT 1", *options, state=tmp_path / "none")

    assert ended.returncode == 2
    assert message in ended.stderr


def test_lineage_of_a_warehouse_column_is_printed_as_json(tmp_path):
    """Types per zone, transformation and rules; no local environment is needed."""
    ended = totelake("lineage", "fact_sales_order.unit_price", "--json", state=tmp_path / "none")

    assert json.loads(ended.stdout) == [
        {
            "column": "fact_sales_order.unit_price",
            "description": "Price of one bag, in the order's currency.",
            "from": "sales_order.unit_price",
            "through": [],
            "how": "cast from decimal(38,18) to decimal(10,2)",
            "types": {
                "totesys": "numeric",
                "ingested": "decimal(38,18)",
                "processed": "decimal(10,2)",
                "warehouse": "numeric(10,2)",
                "redshift": "DECIMAL(10,2)",
            },
            "nullable": False,
            "references": None,
            "rules": {"not null": "has a value", "type": "fits decimal(10,2) exactly", "range": "2 to 4"},
        }
    ]
    assert not (tmp_path / "none").exists()


def test_lineage_of_a_source_column_lists_the_columns_that_use_it(tmp_path):
    """For a foreign key, the columns that are looked up through it."""
    ended = totelake("lineage", "department_id", state=tmp_path)

    assert "staff.department_id" in ended.stdout
    assert "dim_staff.location: joins to department.location" in ended.stdout
    assert "reference: is in department" in ended.stdout


def test_unknown_column_fails_with_similar_names(tmp_path):
    """In one sentence, with exit status 1."""
    ended = totelake("lineage", "unit_prise", state=tmp_path / "none")

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == ("totelake: There is no column unit_prise; did you mean unit_price, item_unit_price?\n")


def test_purge_refuses_a_folder_that_is_not_an_environment(tmp_path):
    """It may be any folder, such as a home directory."""
    (tmp_path / "thesis.txt").touch()

    ended = totelake("down", "--purge", "--yes", state=tmp_path)

    assert (ended.returncode, (tmp_path / "thesis.txt").exists()) == (1, True)
    assert "It was not changed" in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_purge_of_a_missing_folder_succeeds(tmp_path):
    """There is nothing to remove."""
    assert totelake("down", "--purge", "--yes", state=tmp_path / "none").returncode == 0


@pytest.mark.parametrize(("answer", "kept"), [("n", True), ("y", False)])
def test_purge_asks_for_confirmation(answer, kept, tmp_path):
    """On a terminal; nothing is removed unless the answer is yes."""
    state = tmp_path / "state"
    state.mkdir()
    SandboxSettings.new(1, 2).save(State(state))
    ours, terminal = os.openpty()
    command = [sys.executable, "-m", "ops.cli", "down", "--purge", "--state", str(state)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=terminal, stdout=subprocess.PIPE, text=True)
    os.write(ours, f"{answer}\n".encode())

    output = process.communicate(timeout=60)[0]

    assert "with totesys, lake and warehouse?" in output
    assert (process.returncode, state.exists()) == (int(kept), kept)


def test_purge_without_a_terminal_requires_yes(tmp_path):
    """In one sentence, with exit status 1, and nothing is changed."""
    (tmp_path / "world.json").write_text("{}")

    ended = totelake("down", "--purge", state=tmp_path)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"totelake: There is no terminal to confirm the removal of {tmp_path}; add --yes. Nothing was changed.\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["world.json"]
