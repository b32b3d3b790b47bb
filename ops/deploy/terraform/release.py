"""Gets Terraform where the machine has none: `python release.py FOLDER` puts the pinned version into the folder.

`bin/setup` runs it as a file, before any package is installed: it needs the standard library only. The zip comes from
HashiCorp, or from the address in TOTELAKE_TERRAFORM_RELEASES, and has to have the SHA-256 that is written here.
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
# As HashiCorp publishes them in terraform_1.11.4_SHA256SUMS.
SHA256 = {
    "darwin_amd64": "a56d5002b9f7647291faccc3dd1a70350e60fb61e4c45037629508b8fdc2575b",
    "darwin_arm64": "867e0808fa971217043e25b7a792b10720c79b1546f8a68479b74f138be73e18",
    "linux_amd64": "1ce994251c00281d6845f0f268637ba50c0005657eb3cf096b92f753b42ef4dc",
    "linux_arm64": "a43d1d0da9b9bab214a8305a39db0e40869572594ccf50c416a7756499143633",
}
RELEASES = "https://releases.hashicorp.com"
VARIABLE = "TOTELAKE_TERRAFORM_RELEASES"

_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_PATIENCE = 30.0  # seconds without a byte
_CHUNK = 1 << 20
_BY_HAND = "install Terraform 1.11 or later (https://developer.hashicorp.com/terraform/install)"


class ReleaseError(Exception):
    """Terraform could not be fetched; the message says why and what to do."""


def platform_name() -> str:
    """Return what HashiCorp calls this machine, such as `linux_amd64`."""
    machine = platform.machine().lower()
    return f"{platform.system().lower()}_{_ARCHITECTURES.get(machine, machine)}"


def get(folder: Path, releases: str, checksum: str | None) -> Path:
    """Put Terraform for this machine into `folder` in one step, and return its path.

    `releases` is the address of HashiCorp's releases, `checksum` the SHA-256 of the zip, None where none is known.
    Raises ReleaseError when it cannot be fetched or is not what it should be; then nothing is left in the folder.
    """
    if checksum is None:
        raise ReleaseError(f"Terraform is not fetched for {platform_name()}, whose checksum is not known: {_BY_HAND}.")
    url = f"{releases.rstrip('/')}/terraform/{VERSION}/terraform_{VERSION}_{platform_name()}.zip"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryFile(dir=folder) as archive:
            found = _download(url, archive)
            if found != checksum:
                raise ReleaseError(
                    f"Terraform was not installed: {url} has the SHA-256 {found} and not {checksum}, so it is cut off "
                    f"or not HashiCorp's; run this again, or {_BY_HAND}."
                )
            return _extract(archive, folder / "terraform")
    except (OSError, http.client.HTTPException, zipfile.BadZipFile, KeyError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise ReleaseError(
            f"Terraform is missing and could not be fetched from {url} ({reason}): connect this machine to the "
            f"internet and run this again, or {_BY_HAND}."
        ) from error


def _download(url: str, target: IO[bytes]) -> str:
    """Write what is at `url` to `target`, and return its SHA-256."""
    digest = hashlib.sha256()
    # The address is HashiCorp's or the user's, and its content is checked.
    with urllib.request.urlopen(url, timeout=_PATIENCE) as answer:  # noqa: S310 # nosec B310
        while chunk := answer.read(_CHUNK):
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
    """Get Terraform; return the exit status."""
    try:
        get(Path(folder), os.environ.get(VARIABLE) or RELEASES, SHA256.get(platform_name()))
    except ReleaseError as error:
        sys.stderr.write(f"totelake: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
