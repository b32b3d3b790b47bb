"""The jobs' Python modules: the wheels that glue_jobs/requirements.lock pins, for the platform of Glue, in one zip.

AWS documents such a zip of wheels for Glue 5.0 and later: its name ends in `.gluewheels.zip`, and its folder `wheels`
has the wheels and a requirements.txt. With `--no-index`, Glue's pip installs from it alone.
"""

import re
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from local_aws import files
from ops.deploy import build
from ops.deploy.errors import WheelsError

LOCK = build.ROOT / "glue_jobs/requirements.lock"
ARCHIVE = build.FOLDER / "totelake.gluewheels.zip"

_REQUIREMENTS = "wheels/requirements.txt"
# Glue 6.0: Python 3.13 on Amazon Linux 2023, whose glibc 2.34 satisfies all of these.
_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
_PYTHON = "3.13"


def fetch(lock: Path = LOCK, archive: Path = ARCHIVE) -> Path:
    """Return `archive` with exactly the wheels that `lock` pins; download them unless they are in it.

    pip checks each hash. Raises `WheelsError` with pip's error output.
    """
    pins = "".join(f"{pin}\n" for pin in re.findall(r"^[\w-]+==[^\s\\]+", lock.read_text(), re.MULTILINE)).encode()
    if not _is_current(archive, pins):
        with TemporaryDirectory() as folder:
            _download(lock, Path(folder))
            wheels = {f"wheels/{wheel.name}": wheel.read_bytes() for wheel in sorted(Path(folder).glob("*.whl"))}
        files.replace(archive, build.zip_bytes({_REQUIREMENTS: pins, **wheels}))
    return archive


def _is_current(archive: Path, pins: bytes) -> bool:
    if not archive.exists():
        return False
    with zipfile.ZipFile(archive) as content:
        return content.read(_REQUIREMENTS) == pins


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
