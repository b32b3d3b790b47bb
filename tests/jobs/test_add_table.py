"""Follows the runbook `add-table` on a copy of the repository: a new table needs no file that it does not name."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "docs/runbooks/add-table.md").read_text()
BLOCK = re.compile(r"^```(?:python|sql) (\S+)(?: (\w+) (\w+))?\n(.*?)^```", re.MULTILINE | re.DOTALL)
COPIED = ("glue_jobs", "totesys", "local_aws", "ops", "dashboards", "tests", "terraform", "docs", "pyproject.toml")

CARRIER_TEST = """
import psycopg
from totelake.reconcile import expected
from totelake.tables import STAR_TABLES


def test_carrier_is_loaded(lake, totesys, reader, warehouse, warehouse_database):
    with psycopg.connect(totesys) as connection:
        connection.execute("INSERT INTO carrier (carrier_name) VALUES ('By sea'), ('By air')")
    lake.ingest(reader)
    lake.transform()
    lake.load(warehouse)
    with psycopg.connect(warehouse_database) as loaded, psycopg.connect(totesys) as source:
        rows = loaded.execute("SELECT carrier_id, carrier_name FROM current_dim_carrier ORDER BY 1").fetchall()
        assert rows == [(1, "By sea"), (2, "By air")]
        carrier = STAR_TABLES["dim_carrier"]
        in_warehouse = loaded.execute(expected.in_warehouse(carrier)).fetchall()
        assert sorted(source.execute(expected.in_totesys(carrier)).fetchall()) == sorted(in_warehouse)
"""

pytestmark = [pytest.mark.postgres, pytest.mark.spark]


@pytest.fixture
def copy(tmp_path):
    """Return a copy of the repository with the blocks of the runbook in their files."""
    ignored = shutil.ignore_patterns("__pycache__", ".terraform*", "*.tfstate*")
    for name in COPIED:
        source = ROOT / name
        shutil.copytree(source, tmp_path / name, ignore=ignored) if source.is_dir() else shutil.copy(source, tmp_path)
    (tmp_path / "build").symlink_to(ROOT / "build")
    for name, registry, constant, code in BLOCK.findall(RUNBOOK):
        file = tmp_path / name
        text = file.read_text()
        if registry:
            head, tail = text.split(f"\n{registry} = {{", 1)
            listed = tail.replace("\n    )\n}", f"\n        {constant},\n    )\n}}", 1)
            assert listed != tail
            file.write_text(f"{head}\n{code}\n{registry} = {{{listed}")
        else:
            file.write_text(f"{text}\n\n{code}")
    return tmp_path


def run(copy, *arguments):
    """Run Python in the copy; fail with its output."""
    packages = os.pathsep.join(str(copy / folder) for folder in ("glue_jobs", "."))
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": packages, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"


def test_new_table_of_the_runbook_is_loaded_into_the_warehouse(copy):
    """The table is ingested, transformed, loaded, reconciled, in the catalog and in the documentation."""
    (copy / "tests/jobs/test_carrier.py").write_text(CARRIER_TEST)
    run(copy, "-m", "ops.generate", "terraform/tables.json", "docs/tables.md")
    run(copy, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", "tests/jobs/test_carrier.py")

    assert '"dim_carrier"' in (copy / "terraform/tables.json").read_text()
    assert "### dim_carrier" in (copy / "docs/tables.md").read_text()
    by_hand = "test_all_eleven_source_tables_are_declared"
    run(
        copy,
        "-m",
        "pytest",
        "-q",
        "-n0",
        "-p",
        "no:cacheprovider",
        "tests/repo/test_declarations.py",
        "-k",
        f"not {by_hand}",
    )
