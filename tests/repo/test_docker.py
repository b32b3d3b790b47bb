"""The script that the Docker container runs, with its commands replaced by stubs that print their arguments."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
# The arguments that each entry script requires when the warehouse is Postgres.
REQUIRED = {
    "ingest": {"source_connection", "ingested"},
    "transform": {"ingested", "processed"},
    "load": {"processed", "warehouse_connection"},
    "reconcile": {"source_connection", "warehouse_connection", "ingested", "processed"},
    "compact": {"ingested", "processed"},
    "verify": {"ingested", "processed"},
}


def _run_stage(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `docker/stage` with a pip that does nothing and a spark-submit that prints its arguments."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, script in {"python3": "exit 0", "spark-submit": 'printf "%s\\n" "$@"'}.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    variables = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_REGION": "eu-west-2", "PREFIX": "totelake-local"}
    return subprocess.run(
        [shutil.which("bash") or "bash", ROOT / "docker/stage", *arguments],
        cwd=tmp_path,
        env={**variables, "PATH": f"{programs}:{os.environ['PATH']}"},
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("stage", REQUIRED)
def test_stage_gets_the_arguments_that_its_entry_script_requires(stage: str, tmp_path: Path):
    """Further arguments are passed on at the end."""
    words = _run_stage(tmp_path, stage, "--extra", "1").stdout.splitlines()
    names = {word.removeprefix("--") for word in words if word.startswith("--")}

    assert f"{ROOT}/glue_jobs/{stage}.py" in words
    assert names & set().union(*REQUIRED.values()) == REQUIRED[stage]
    assert words[-2:] == ["--extra", "1"]


def test_unknown_stage_fails_and_lists_the_known_stages(tmp_path: Path):
    """Nothing is installed."""
    completed = _run_stage(tmp_path, "crawl")

    assert (completed.returncode, completed.stdout) == (2, "")
    assert all(stage in completed.stderr for stage in REQUIRED)


def test_container_runs_the_script_from_a_read_only_mount():
    """The mount is the clone."""
    (service,) = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())["services"].values()

    ((source, target, mode),) = (volume.split(":") for volume in service["volumes"])

    assert (source, mode) == ("..", "ro")
    assert (ROOT / service["entrypoint"][-1].removeprefix(f"{target}/")).is_file()
