"""The Terraform download: complete and verified, or nothing."""

import contextlib
import functools
import hashlib
import http.server
import io
import re
import socket
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from ops.deploy import build
from ops.deploy.terraform import process, release

FILE = f"terraform/{release.VERSION}/terraform_{release.VERSION}_{release.platform_name()}.zip"
PROGRAM = b"#!/bin/sh\necho 'Terraform v1.11.4'\n"


@contextlib.contextmanager
def serve(handler):
    """Serve with `handler` and yield the URL."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def zipped(name="terraform"):
    """Return a zip with the program."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("LICENSE.txt", "…")
        archive.writestr(name, PROGRAM)
    return buffer.getvalue()


@pytest.fixture
def releases(tmp_path):
    """Serve a release and return its URL."""
    file = tmp_path / "releases" / FILE
    file.parent.mkdir(parents=True)
    file.write_bytes(zipped())

    class ReleaseHandler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            """Log nothing."""

    with serve(functools.partial(ReleaseHandler, directory=str(tmp_path / "releases"))) as address:
        yield address


def checksum(content):
    """Return the SHA-256 of the content."""
    return hashlib.sha256(content).hexdigest()


def test_terraform_is_installed_into_the_folder(releases, tmp_path):
    """As an executable, and nothing else."""
    program = release.download(tmp_path / "new" / "tools", releases, checksum(zipped()))

    assert subprocess.run([program], check=True, capture_output=True, text=True).stdout == "Terraform v1.11.4\n"
    assert list(program.parent.iterdir()) == [program]


def test_wrong_checksum_is_rejected(releases, tmp_path):
    """Nothing is installed, and the previous program stays."""
    (tmp_path / "terraform").write_text("old")

    with pytest.raises(release.ReleaseError, match=f"has the SHA-256 {checksum(zipped())} instead of {'0' * 64}"):
        release.download(tmp_path, releases, "0" * 64)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["releases", "terraform"]
    assert (tmp_path / "terraform").read_text() == "old"


@pytest.mark.parametrize("has_content_length", [True, False])
def test_interrupted_download_leaves_nothing(tmp_path, has_content_length):
    """Half of a zip is not installed."""

    class HalfHandler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            """Respond with half of the zip."""
            self.send_response(200)
            if has_content_length:
                self.send_header("Content-Length", str(len(zipped())))
            self.end_headers()
            self.wfile.write(zipped()[: len(zipped()) // 2])

        def log_message(self, *_):
            """Log nothing."""

    with serve(HalfHandler) as address, pytest.raises(release.ReleaseError, match="run this again"):
        release.download(tmp_path, address, checksum(zipped()))

    assert list(tmp_path.iterdir()) == []


def test_zip_without_the_program_leaves_nothing(releases, tmp_path):
    """Even with the correct checksum."""
    content = zipped("something")
    (tmp_path / "releases" / FILE).write_bytes(content)

    with pytest.raises(release.ReleaseError, match="There is no item named 'terraform'"):
        release.download(tmp_path / "tools", releases, checksum(content))

    assert list((tmp_path / "tools").iterdir()) == []


def run(folder, address):
    """Run the module as `bin/setup` does."""
    return subprocess.run(
        [sys.executable, "-I", Path(release.__file__), folder],
        check=False,
        capture_output=True,
        text=True,
        env={release.VARIABLE: address},
    )


@pytest.mark.parametrize("address", ["connection refused", "http://no-such-host.invalid"])
def test_network_failure_is_one_sentence(address, tmp_path):
    """With the cause and what to do."""
    if address == "connection refused":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{free.getsockname()[1]}"

    ended = run(tmp_path, address)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert re.fullmatch(
        r"totelake: Terraform is missing and could not be downloaded from \S+ \(.+\): connect this machine to the "
        r"internet and run this again, or install Terraform .+\.\n",
        ended.stderr,
    )
    assert list(tmp_path.iterdir()) == []


def test_other_content_is_rejected_by_the_pinned_checksum(releases, tmp_path):
    """The download URL is configurable, the checksum is not."""
    ended = run(tmp_path / "tools", releases)

    assert ended.returncode == 1
    assert release.SHA256[release.platform_name()] in ended.stderr
    assert list((tmp_path / "tools").iterdir()) == []


def test_tls_is_required(tmp_path):
    """A server without TLS or a valid certificate gets no request."""

    class PlainHttpHandler(http.server.BaseHTTPRequestHandler):
        pass

    with serve(PlainHttpHandler) as address, pytest.raises(release.ReleaseError, match="SSL"):
        release.download(tmp_path, address.replace("http:", "https:"), checksum(zipped()))


def test_platform_without_a_checksum_is_told_what_to_install(tmp_path):
    """Nothing is downloaded that cannot be verified."""
    with pytest.raises(release.ReleaseError, match="whose checksum is unknown: install Terraform"):
        release.download(tmp_path, "http://127.0.0.1:1", None)


def test_pinned_version_satisfies_every_requirement():
    """Of the configuration, of the code and of the GitHub workflows."""
    required = re.search(r'required_version *= *">= *(\d+)\.(\d+)', (build.ROOT / "terraform/versions.tf").read_text())
    version = tuple(int(number) for number in release.VERSION.split("."))
    assert version[:2] >= tuple(int(number) for number in required.groups())
    assert version[:2] >= process.MINIMUM_VERSION
    assert f'terraform_version: "{release.VERSION}"' in (build.ROOT / ".github/actions/tools/action.yml").read_text()
    assert set(release.SHA256) == {f"{system}_{chip}" for system in ("darwin", "linux") for chip in ("amd64", "arm64")}
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in release.SHA256.values())
