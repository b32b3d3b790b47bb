"""The build: the package zip, and steps that run only for stale artifacts."""

import shutil
import zipfile
from contextlib import contextmanager
from io import BytesIO

import pytest

from local_aws import files
from local_aws.errors import SparkSetupError
from local_aws.spark import installation, jdbc
from ops.deploy import build


@pytest.fixture
def source(tmp_path):
    """Return the folder of a package with two modules, one of them in a subpackage."""
    folder = tmp_path / "totelake"
    (folder / "tables").mkdir(parents=True)
    (folder / "__init__.py").write_text('"""Root."""\n')
    (folder / "tables" / "__init__.py").write_text('"""Tables."""\n')
    return folder


def test_package_is_importable_from_its_zip(source):
    """Paths in the zip start with the package, as zipimport requires."""
    with zipfile.ZipFile(BytesIO(build.package_bytes(source))) as archive:
        assert archive.namelist() == ["totelake/__init__.py", "totelake/tables/__init__.py"]
        assert archive.read("totelake/tables/__init__.py") == b'"""Tables."""\n'


def test_package_has_only_the_modules_of_the_jobs():
    """It is on the path of every job; documentation is left out."""
    with zipfile.ZipFile(BytesIO(build.package_bytes())) as archive:
        names = set(archive.namelist())
    assert {"totelake/__init__.py", "totelake/drift/accepted.py", "totelake/compact/stage.py"} <= names
    assert all(name.startswith("totelake/") and not name.endswith(".md") for name in names)


def test_same_files_give_the_same_zip(source, tmp_path):
    """Modification times, modes and bytecode do not affect it, so its digest identifies the code."""
    copied = tmp_path / "elsewhere" / "totelake"
    shutil.copytree(source, copied)
    (copied / "__init__.py").touch()
    (copied / "__init__.py").chmod(0o600)
    (copied / "__pycache__").mkdir()
    (copied / "__pycache__" / "__init__.cpython-313.pyc").write_bytes(b"cached")

    assert build.package_bytes(copied) == build.package_bytes(source)


def test_changed_file_gives_another_zip(source):
    """Otherwise the change would not be deployed."""
    before = build.package_bytes(source)
    (source / "__init__.py").write_text('"""Other."""\n')

    assert build.package_bytes(source) != before


def test_replace_leaves_no_temporary_file(tmp_path):
    """The new content has the file's name and the given mode."""
    file = tmp_path / "world.json"
    files.replace(file, b"old", mode=0o600)
    files.replace(file, b"new", mode=0o600)

    assert [path.name for path in tmp_path.iterdir()] == ["world.json"]
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"new", 0o600)


def test_only_stale_artifacts_are_built(tmp_path, monkeypatch):
    """A second call builds nothing; after a change of the package only the zip is built."""
    monkeypatch.setattr(build, "PACKAGE", tmp_path / "totelake.zip")
    monkeypatch.setattr(installation, "JDBC_JAR", tmp_path / "postgresql.jar")
    monkeypatch.setattr(jdbc, "jdbc_jar", (tmp_path / "postgresql.jar").touch)
    monkeypatch.setattr(installation, "archive_is_current", lambda _jar, _archive: True)
    built = []

    @contextmanager
    def step(name):
        built.append(name)
        yield lambda _detail: None

    build.make(step)
    assert built == ["Download the JDBC driver of Postgres", "Zip the package of the jobs"]
    build.make(step)
    assert len(built) == 2
    build.PACKAGE.write_bytes(b"older package")
    build.make(step)
    assert built[2:] == ["Zip the package of the jobs"]


def test_missing_requirement_ends_the_build_with_its_name(monkeypatch):
    """Without a traceback."""

    def make(_steps):
        raise SparkSetupError("the JDBC driver could not be fetched")

    monkeypatch.setattr(build, "make", make)

    with pytest.raises(SystemExit, match="totelake: the JDBC driver could not be fetched"):
        build.main()
