"""Terraform where the machine has none: fetched whole, checked, or not at all."""

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
    """Serve with `handler` and yield the address."""
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
    """Serve a release and return its address."""
    file = tmp_path / "releases" / FILE
    file.parent.mkdir(parents=True)
    file.write_bytes(zipped())

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            """Be quiet."""

    with serve(functools.partial(Handler, directory=str(tmp_path / "releases"))) as address:
        yield address


def checksum(content):
    """Return its SHA-256."""
    return hashlib.sha256(content).hexdigest()


def test_terraform_is_put_into_the_folder(releases, tmp_path):
    """As a program that can be run, and nothing beside it."""
    program = release.get(tmp_path / "new" / "tools", releases, checksum(zipped()))

    assert subprocess.run([program], check=True, capture_output=True, text=True).stdout == "Terraform v1.11.4\n"
    assert list(program.parent.iterdir()) == [program]


def test_a_wrong_checksum_is_refused(releases, tmp_path):
    """Nothing of it is kept, and the one that was there stays."""
    (tmp_path / "terraform").write_text("old")

    with pytest.raises(release.ReleaseError, match=f"has the SHA-256 {checksum(zipped())} and not {'0' * 64}"):
        release.get(tmp_path, releases, "0" * 64)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["releases", "terraform"]
    assert (tmp_path / "terraform").read_text() == "old"


@pytest.mark.parametrize("says_its_length", [True, False])
def test_an_interrupted_download_leaves_nothing(tmp_path, says_its_length):
    """Half of the zip is not installed."""

    class Half(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            """Answer with half of it."""
            self.send_response(200)
            if says_its_length:
                self.send_header("Content-Length", str(len(zipped())))
            self.end_headers()
            self.wfile.write(zipped()[: len(zipped()) // 2])

        def log_message(self, *_):
            """Be quiet."""

    with serve(Half) as address, pytest.raises(release.ReleaseError, match="run this again"):
        release.get(tmp_path, address, checksum(zipped()))

    assert list(tmp_path.iterdir()) == []


def test_a_zip_without_the_program_leaves_nothing(releases, tmp_path):
    """Even where the checksum is right."""
    content = zipped("something")
    (tmp_path / "releases" / FILE).write_bytes(content)

    with pytest.raises(release.ReleaseError, match="There is no item named 'terraform'"):
        release.get(tmp_path / "tools", releases, checksum(content))

    assert list((tmp_path / "tools").iterdir()) == []


def run(folder, address):
    """Run it as `bin/setup` does."""
    return subprocess.run(
        [sys.executable, "-I", Path(release.__file__), folder],
        check=False,
        capture_output=True,
        text=True,
        env={release.VARIABLE: address},
    )


@pytest.mark.parametrize("address", ["nobody listens", "http://no-such-host.invalid"])
def test_without_a_network_one_sentence_says_so(address, tmp_path):
    """What failed, and what to do."""
    if address == "nobody listens":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{free.getsockname()[1]}"

    ended = run(tmp_path, address)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert re.fullmatch(
        r"totelake: Terraform is missing and could not be fetched from \S+ \(.+\): connect this machine to the "
        r"internet and run this again, or install Terraform .+\.\n",
        ended.stderr,
    )
    assert list(tmp_path.iterdir()) == []


def test_what_another_server_sends_is_refused_by_the_pinned_checksum(releases, tmp_path):
    """The address may be changed, and what is accepted may not."""
    ended = run(tmp_path / "tools", releases)

    assert ended.returncode == 1
    assert release.SHA256[release.platform_name()] in ended.stderr
    assert list((tmp_path / "tools").iterdir()) == []


def test_a_certificate_is_checked(tmp_path):
    """What does not speak TLS, or not with a valid certificate, is not asked."""

    class Handler(http.server.BaseHTTPRequestHandler):
        pass

    with serve(Handler) as address, pytest.raises(release.ReleaseError, match="SSL"):
        release.get(tmp_path, address.replace("http:", "https:"), checksum(zipped()))


def test_a_machine_without_a_checksum_is_told_what_to_install(tmp_path):
    """Nothing is fetched that cannot be checked."""
    with pytest.raises(release.ReleaseError, match="whose checksum is not known: install Terraform"):
        release.get(tmp_path, "http://127.0.0.1:1", None)


def test_the_pinned_version_is_the_one_that_is_asked_for():
    """By the configuration, by the code, and by the workflows on GitHub."""
    asked = re.search(r'required_version *= *">= *(\d+)\.(\d+)', (build.ROOT / "terraform/versions.tf").read_text())
    version = tuple(int(number) for number in release.VERSION.split("."))
    assert version[:2] >= tuple(int(number) for number in asked.groups())
    assert version[:2] >= process.MINIMUM_VERSION
    assert f'terraform_version: "{release.VERSION}"' in (build.ROOT / ".github/actions/tools/action.yml").read_text()
    assert set(release.SHA256) == {f"{system}_{chip}" for system in ("darwin", "linux") for chip in ("amd64", "arm64")}
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in release.SHA256.values())
