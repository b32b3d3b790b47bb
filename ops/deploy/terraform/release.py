"""Downloads Terraform: `python release.py FOLDER` installs the pinned version in the folder.

`bin/setup` runs this file before any package is installed, so it uses the standard library only. The zip comes from
HashiCorp, or from the URL in TOTELAKE_TERRAFORM_RELEASES, and must have the SHA-256 below.
"""

import hashlib
import http.client
import os
import platform
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import IO

VERSION = "1.11.4"
# From HashiCorp's terraform_1.11.4_SHA256SUMS.
SHA256 = {
    "darwin_amd64": "a56d5002b9f7647291faccc3dd1a70350e60fb61e4c45037629508b8fdc2575b",
    "darwin_arm64": "867e0808fa971217043e25b7a792b10720c79b1546f8a68479b74f138be73e18",
    "linux_amd64": "1ce994251c00281d6845f0f268637ba50c0005657eb3cf096b92f753b42ef4dc",
    "linux_arm64": "a43d1d0da9b9bab214a8305a39db0e40869572594ccf50c416a7756499143633",
}
RELEASES = "https://releases.hashicorp.com"
VARIABLE = "TOTELAKE_TERRAFORM_RELEASES"

_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_READ_TIMEOUT_SECONDS = 30.0
_CHUNK = 1 << 20
_BY_HAND = "install Terraform 1.11 or later (https://developer.hashicorp.com/terraform/install)"


class ReleaseError(Exception):
    """Terraform could not be downloaded; the message says why and what to do."""


def platform_name() -> str:
    """Return HashiCorp's name of this platform, such as `linux_amd64`."""
    machine = platform.machine().lower()
    return f"{platform.system().lower()}_{_ARCHITECTURES.get(machine, machine)}"


def download(folder: Path, releases: str, checksum: str | None) -> Path:
    """Install Terraform for this platform in `folder` atomically, and return its path.

    `releases` is the URL of HashiCorp's releases, `checksum` the SHA-256 of the zip or None if it is unknown. Raises
    ReleaseError when it cannot be downloaded or has another checksum; nothing is left in the folder then.
    """
    if checksum is None:
        raise ReleaseError(f"Terraform is not downloaded for {platform_name()}, whose checksum is unknown: {_BY_HAND}.")
    url = f"{releases.rstrip('/')}/terraform/{VERSION}/terraform_{VERSION}_{platform_name()}.zip"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryFile(dir=folder) as archive:
            actual = _fetch(url, archive)
            if actual != checksum:
                raise ReleaseError(
                    f"Terraform was not installed: {url} has the SHA-256 {actual} instead of {checksum}, so it is "
                    f"truncated or not HashiCorp's; run this again, or {_BY_HAND}."
                )
            return _extract(archive, folder / "terraform")
    except (OSError, http.client.HTTPException, zipfile.BadZipFile, KeyError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise ReleaseError(
            f"Terraform is missing and could not be downloaded from {url} ({reason}): connect this machine to the "
            f"internet and run this again, or {_BY_HAND}."
        ) from error


def _fetch(url: str, target: IO[bytes]) -> str:
    """Write the content of `url` to `target`, and return its SHA-256."""
    digest = hashlib.sha256()
    # The URL is HashiCorp's or the user's, and the content is verified.
    with urllib.request.urlopen(url, timeout=_READ_TIMEOUT_SECONDS) as response:  # noqa: S310 # nosec B310
        while chunk := response.read(_CHUNK):
            digest.update(chunk)
            target.write(chunk)
    return digest.hexdigest()


def _extract(archive: IO[bytes], program: Path) -> Path:
    unfinished = program.with_name(f".{program.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(archive) as files, files.open("terraform") as content, unfinished.open("wb") as file:
            shutil.copyfileobj(content, file)
        unfinished.chmod(0o755)
        unfinished.replace(program)
    finally:
        unfinished.unlink(missing_ok=True)
    return program


def main(folder: str) -> int:
    """Download Terraform; return the exit status."""
    try:
        download(Path(folder), os.environ.get(VARIABLE) or RELEASES, SHA256.get(platform_name()))
    except ReleaseError as error:
        sys.stderr.write(f"totelake: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
