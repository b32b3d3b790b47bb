"""Build products, shared by all local environments and the tests: `python -m ops.deploy.build`."""

import contextlib
import hashlib
import io
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from local_aws import files
from local_aws.errors import LocalAwsError
from local_aws.spark import archive, installation, jdbc
from local_aws.visible_text import visible

type Steps = Callable[[str], AbstractContextManager[Callable[[str], None]]]
"""Function that shows a step by its name; the context lasts as long as the step and yields a function to show details.

May be called from any thread.
"""

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build"
PACKAGE = FOLDER / "totelake.zip"

_PACKAGES = (ROOT / "glue_jobs" / "totelake",)
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)  # the earliest of the zip format


def package_bytes(*folders: Path) -> bytes:
    """Return a reproducible zip of the packages in `folders`, by default those of the jobs."""
    return zip_bytes(
        {
            path.relative_to(folder.parent).as_posix(): path.read_bytes()
            for folder in folders or _PACKAGES
            for path in sorted(path for path in folder.rglob("*") if _is_shipped(path))
        }
    )


def zip_bytes(contents: Mapping[str, bytes]) -> bytes:
    """Return a reproducible zip of `contents`, by path.

    It is not compressed, since the output of a compressor depends on its version.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in contents.items():
            entry = zipfile.ZipInfo(name, _TIMESTAMP)
            entry.create_system = 3  # Unix, on every system
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def _is_shipped(path: Path) -> bool:
    return path.is_file() and path.suffix != ".md" and "__pycache__" not in path.parts


def package() -> Path:
    """Return the path of the package zip, rebuilt if the package has changed."""
    if not _package_is_current():
        files.replace(PACKAGE, package_bytes())
    return PACKAGE


def _package_is_current() -> bool:
    return PACKAGE.exists() and PACKAGE.read_bytes() == package_bytes()


def code_version() -> str:
    """Return the first twelve hex digits of the package's SHA-256."""
    return hashlib.sha256(package_bytes()).hexdigest()[:12]


def make(steps: Steps) -> None:
    """Build the products that are not up to date, each as one step."""
    if installation.JDBC_JAR.exists():
        jdbc.jdbc_jar()  # only checks its hash
    else:
        with steps("Download the JDBC driver of Postgres"):
            jdbc.jdbc_jar()
    if not _package_is_current():
        with steps("Zip the package of the jobs"):
            package()
    if installation.can_archive() and not installation.archive_is_current(installation.JDBC_JAR, installation.ARCHIVE):
        with steps("Archive Spark's classes, for a faster start"):
            archive.make_archive()


def main() -> None:
    """Build the products that are not up to date and print their steps; exit with the error of a failed step."""
    try:
        make(_print_step)
    except LocalAwsError as error:
        sys.exit(f"totelake: {visible(str(error))}")


@contextlib.contextmanager
def _print_step(name: str) -> Iterator[Callable[[str], None]]:
    start = time.monotonic()
    yield lambda _detail: None
    sys.stdout.write(f"{name}: {time.monotonic() - start:.1f} s\n")


if __name__ == "__main__":
    main()
