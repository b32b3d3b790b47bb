"""Where Terraform's AWS provider can be had from: the registry, or a filesystem mirror somewhere on this machine."""

import os
import re
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from ops.deploy import build

REGISTRY = "registry.terraform.io"
PROVIDER = "hashicorp/aws"
CACHE = build.FOLDER / "terraform-providers"

_PATIENCE = 4.0  # seconds in which a registry that can be reached has answered
_DEPTH = 4  # folders below a place that may hold a mirror


def version() -> str:
    """Return the version of the provider that the configuration pins."""
    pinned = re.search(r'"hashicorp/aws"\s*version\s*=\s*"([^"]+)"', (build.ROOT / "terraform/versions.tf").read_text())
    if not pinned:
        raise ValueError("terraform/versions.tf pins no version of hashicorp/aws")
    return pinned[1]


def registry_reachable() -> bool:
    """Say whether Terraform's registry answers, within a few seconds."""
    answered = threading.Event()

    def ask() -> None:
        try:
            # Its scheme is written here, and is not a file's.
            url = f"https://{REGISTRY}/.well-known/terraform.json"
            with urllib.request.urlopen(url, timeout=_PATIENCE):  # nosec B310
                answered.set()
        except OSError:
            pass
        finally:
            ended.set()

    ended = threading.Event()
    # A thread of its own, because no timeout limits the look-up of a name.
    threading.Thread(target=ask, daemon=True).start()
    ended.wait(_PATIENCE)
    return answered.is_set()


def provider_mirror() -> Path | None:
    """Return the folder of a filesystem mirror that has the pinned provider, None when there is no such folder.

    Looked at are, in this order: what Terraform's own settings name, the folders in which Terraform looks by itself,
    and the places where software is put on a machine.
    """
    for folder in [*_configured(), *_implied()]:
        if _has_provider(folder):
            return folder
    return next((folder for place in _places() for folder in _mirrors_below(place) if _has_provider(folder)), None)


def _has_provider(folder: Path) -> bool:
    """Say whether the mirror `folder` has the pinned version, unpacked or packed."""
    provider, pinned = folder / REGISTRY / PROVIDER, version()
    try:
        unpacked = any((provider / pinned).glob("*/terraform-provider-aws*"))
        return unpacked or any(provider.glob(f"terraform-provider-aws_{pinned}_*.zip"))
    except OSError:  # a folder that may not be read is none
        return False


def _configured() -> Iterator[Path]:
    for file in [os.environ.get("TF_CLI_CONFIG_FILE"), Path.home() / ".terraformrc"]:
        if file and Path(file).is_file():
            text = Path(file).read_text(errors="replace")
            for block in re.findall(r"filesystem_mirror\s*\{(.*?)\}", text, re.DOTALL):
                yield from map(Path, re.findall(r'^\s*path\s*=\s*"([^"]+)"', block, re.MULTILINE))
            yield from map(Path, re.findall(r'^\s*plugin_cache_dir\s*=\s*"([^"]+)"', text, re.MULTILINE))
    if cache := os.environ.get("TF_PLUGIN_CACHE_DIR"):
        yield Path(cache)
    yield CACHE


def _implied() -> Iterator[Path]:
    home = Path.home()
    yield home / ".terraform.d/plugins"
    if sys.platform == "darwin":
        yield home / "Library/Application Support/io.terraform/plugins"
        yield Path("/Library/Application Support/io.terraform/plugins")
    data = [os.environ.get("XDG_DATA_HOME") or str(home / ".local/share")]
    data += (os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":")
    yield from (Path(folder) / "terraform/plugins" for folder in data if folder)


def _places() -> list[Path]:
    home = Path.home()
    below_root = ["/opt", "/usr/local/share", "/usr/local/lib", "/usr/share", "/var/lib"]
    return [home / ".terraform.d", home / ".cache", home / ".local/share", *map(Path, below_root)]


def _mirrors_below(place: Path) -> Iterator[Path]:
    """Yield the folders below `place`, not too deep, that hold a folder named for the registry."""
    for folder, names, _ in os.walk(place):
        if REGISTRY in names:
            yield Path(folder)
            names.remove(REGISTRY)
        if len(Path(folder).relative_to(place).parts) >= _DEPTH:
            names.clear()
