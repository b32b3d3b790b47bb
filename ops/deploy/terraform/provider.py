"""Sources of Terraform's AWS provider: the registry, or a filesystem mirror on this machine."""

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

_TIMEOUT_SECONDS = 4.0
_MAX_DEPTH = 4  # of the search for mirrors


def version() -> str:
    """Return the version of the provider that the configuration pins."""
    pinned = re.search(r'"hashicorp/aws"\s*version\s*=\s*"([^"]+)"', (build.ROOT / "terraform/versions.tf").read_text())
    if not pinned:
        raise ValueError("terraform/versions.tf does not pin a version of hashicorp/aws")
    return pinned[1]


def registry_reachable() -> bool:
    """Return whether Terraform's registry responds within a few seconds."""
    responded = threading.Event()

    def request() -> None:
        try:
            # The scheme is a constant, not `file:`.
            url = f"https://{REGISTRY}/.well-known/terraform.json"
            with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS):  # nosec B310
                responded.set()
        except OSError:
            pass
        finally:
            ended.set()

    ended = threading.Event()
    # In a thread, since name resolution has no timeout.
    threading.Thread(target=request, daemon=True).start()
    ended.wait(_TIMEOUT_SECONDS)
    return responded.is_set()


def provider_mirror() -> Path | None:
    """Return the folder of a filesystem mirror that has the pinned provider, or None.

    Searches, in this order, the folders in Terraform's CLI configuration, its implied mirror directories, and the
    folders where software is usually installed.
    """
    for folder in [*_configured(), *_implied()]:
        if _has_provider(folder):
            return folder
    return next((mirror for root in _search_roots() for mirror in _mirrors_below(root) if _has_provider(mirror)), None)


def _has_provider(folder: Path) -> bool:
    """Return whether the mirror `folder` has the pinned version, packed or unpacked."""
    provider, pinned = folder / REGISTRY / PROVIDER, version()
    try:
        unpacked = any((provider / pinned).glob("*/terraform-provider-aws*"))
        return unpacked or any(provider.glob(f"terraform-provider-aws_{pinned}_*.zip"))
    except OSError:  # an unreadable folder
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


def _search_roots() -> list[Path]:
    home = Path.home()
    system_folders = ["/opt", "/usr/local/share", "/usr/local/lib", "/usr/share", "/var/lib"]
    return [home / ".terraform.d", home / ".cache", home / ".local/share", *map(Path, system_folders)]


def _mirrors_below(root: Path) -> Iterator[Path]:
    """Yield the folders below `root`, down to `_MAX_DEPTH`, with a subfolder named for the registry."""
    for folder, names, _ in os.walk(root):
        if REGISTRY in names:
            yield Path(folder)
            names.remove(REGISTRY)
        if len(Path(folder).relative_to(root).parts) >= _MAX_DEPTH:
            names.clear()
