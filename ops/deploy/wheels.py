"""The wheels of the jobs' Python modules: those that glue_jobs/requirements.lock pins, as Glue's machines take them."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from ops.deploy import build
from ops.deploy.errors import WheelsError

LOCK = build.ROOT / "glue_jobs/requirements.lock"
FOLDER = build.FOLDER / "wheels"

_STAMP = "complete"
# Glue 6.0: Python 3.13 on Amazon Linux 2023, whose C library is newer than the newest of these.
_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
_PYTHON = "3.13"


def fetch(lock: Path = LOCK, folder: Path = FOLDER) -> Path:
    """Return `folder` with exactly the wheels that `lock` pins, downloaded when they are not there yet.

    pip holds each one to its hash. Raises `WheelsError` with what pip said.
    """
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    stamp = folder / _STAMP
    if stamp.exists() and stamp.read_text() == wanted:
        return folder
    # Made beside its place: an interrupted download leaves nothing that would be shipped.
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    _download(lock, unfinished)
    (unfinished / _STAMP).write_text(wanted)
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.replace(folder)
    return folder


def _download(lock: Path, folder: Path) -> None:
    which = [word for platform in _PLATFORMS for word in ("--platform", platform)]
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *(
                "--only-binary=:all:",
                "--no-deps",
                "--require-hashes",
                "--implementation=cp",
                f"--python-version={_PYTHON}",
            ),
            *(*which, f"--requirement={lock}", f"--dest={folder}"),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise WheelsError(f"the wheels that {lock.name} pins could not be downloaded: {ended.stderr.strip()}")
