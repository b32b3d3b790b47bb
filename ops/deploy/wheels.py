"""The wheels of the jobs' Python modules, pinned in glue_jobs/requirements.lock, for the platform of Glue."""

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
# Glue 6.0: Python 3.13 on Amazon Linux 2023, whose glibc 2.34 satisfies all of these.
_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
_PYTHON = "3.13"


def fetch(lock: Path = LOCK, folder: Path = FOLDER) -> Path:
    """Return `folder` with exactly the wheels that `lock` pins; download them unless they are there.

    pip checks each hash. Raises `WheelsError` with pip's error output.
    """
    lock_digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    stamp = folder / _STAMP
    if stamp.exists() and stamp.read_text() == lock_digest:
        return folder
    # Downloaded beside its place, so that an interrupted download leaves nothing that would be deployed.
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    _download(lock, unfinished)
    (unfinished / _STAMP).write_text(lock_digest)
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.replace(folder)
    return folder


def _download(lock: Path, folder: Path) -> None:
    platforms = [word for platform in _PLATFORMS for word in ("--platform", platform)]
    result = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *(
                "--only-binary=:all:",
                "--no-deps",
                "--require-hashes",
                "--implementation=cp",
                f"--python-version={_PYTHON}",
            ),
            *(*platforms, f"--requirement={lock}", f"--dest={folder}"),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise WheelsError(f"the wheels that {lock.name} pins could not be downloaded: {result.stderr.strip()}")
