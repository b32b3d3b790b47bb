"""What stands in for Docker: the script that the container runs, with everything that it calls replaced by its echo."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
# What each entry script asks for, of a warehouse that is a Postgres.
ASKED = {
    "ingest": {"source_connection", "ingested"},
    "transform": {"ingested", "processed"},
    "load": {"processed", "warehouse_connection"},
    "reconcile": {"source_connection", "warehouse_connection", "ingested", "processed"},
}


def _started(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `docker/stage` where pip does nothing and spark-submit says what it was told."""
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


@pytest.mark.parametrize("stage", ASKED)
def test_a_stage_gets_what_terraform_gives_it(stage: str, tmp_path: Path):
    """The script asks for its arguments by name."""
    words = _started(tmp_path, stage, "--extra", "1").stdout.splitlines()
    names = {word.removeprefix("--") for word in words if word.startswith("--")}

    assert f"{ROOT}/glue_jobs/{stage}.py" in words
    assert names & set().union(*ASKED.values()) == ASKED[stage]
    assert words[-2:] == ["--extra", "1"]


def test_an_unknown_stage_is_told_which_there_are(tmp_path: Path):
    """Nothing is installed for it."""
    ended = _started(tmp_path, "crawl")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert all(stage in ended.stderr for stage in ASKED)


def test_the_container_runs_the_script():
    """It finds it in the clone, which it cannot write to."""
    (service,) = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())["services"].values()

    ((source, target, mode),) = (volume.split(":") for volume in service["volumes"])

    assert (source, mode) == ("..", "ro")
    assert (ROOT / service["entrypoint"][-1].removeprefix(f"{target}/")).is_file()
