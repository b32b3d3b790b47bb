"""What is built once and shared by every local world and by the tests: `python -m local_aws.build`."""

import hashlib
import io
import os
import sys
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build"
PACKAGE = FOLDER / "totelake.zip"

_SOURCE = ROOT / "glue_jobs" / "totelake"
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say


def package_bytes(source: Path = _SOURCE) -> bytes:
    """Return the zip of the package in `source`, the same bytes for the same files wherever and whenever it is made.

    It is not compressed, since what a compressor writes depends on its version.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
            name = Path(source.name) / path.relative_to(source)
            entry = zipfile.ZipInfo(name.as_posix(), _TIMESTAMP)
            entry.create_system = 3  # Unix, on every system
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()


def package() -> Path:
    """Return the package zip, written anew where the package has changed."""
    content = package_bytes()
    if not PACKAGE.exists() or PACKAGE.read_bytes() != content:
        replace(PACKAGE, content)
    return PACKAGE


def code_version() -> str:
    """Return the twelve hex digits that name the content of the package."""
    return hashlib.sha256(package_bytes()).hexdigest()[:12]


def replace(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Put `content` into `path` in one step: a reader, or a crash, meets the old content or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def main() -> None:
    """Build whatever is not up to date, and say what was built."""
    from local_aws import spark  # noqa: PLC0415 - the command line imports this module, and wants to start fast

    for product in (spark.jdbc_jar, package, spark.archive):
        began = time.monotonic()
        before = _fingerprints()
        path = product()
        if before != _fingerprints():
            sys.stdout.write(f"Built {path.relative_to(ROOT)} ({time.monotonic() - began:.1f} s)\n")


def _fingerprints() -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in FOLDER.glob("*") if path.is_file()}


if __name__ == "__main__":
    main()
