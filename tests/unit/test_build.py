"""What is built once: the package zip, and the steps that make only what is stale."""

import shutil
import zipfile
from contextlib import contextmanager
from io import BytesIO

import pytest

from local_aws import files, spark
from local_aws.errors import SparkSetupError
from ops.deploy import build


@pytest.fixture
def source(tmp_path):
    """Make a package with two modules, one of them in a package of its own."""
    folder = tmp_path / "totelake"
    (folder / "tables").mkdir(parents=True)
    (folder / "__init__.py").write_text('"""Root."""\n')
    (folder / "tables" / "__init__.py").write_text('"""Tables."""\n')
    return folder


def test_the_package_imports_from_its_zip(source):
    """The names in the zip begin with the package, as Python asks for on its path."""
    with zipfile.ZipFile(BytesIO(build.package_bytes(source))) as archive:
        assert archive.namelist() == ["totelake/__init__.py", "totelake/tables/__init__.py"]
        assert archive.read("totelake/tables/__init__.py") == b'"""Tables."""\n'


def test_the_jobs_get_the_package_and_nothing_else():
    """It is on the path of every job; what is only read by people is not."""
    with zipfile.ZipFile(BytesIO(build.package_bytes())) as archive:
        names = set(archive.namelist())
    assert {"totelake/__init__.py", "totelake/drift/accepted.py"} <= names
    assert all(name.startswith("totelake/") and not name.endswith(".md") for name in names)


def test_the_same_files_make_the_same_zip(source, tmp_path):
    """Neither times nor modes nor what Python cached show in it, so that its digest names the code."""
    copied = tmp_path / "elsewhere" / "totelake"
    shutil.copytree(source, copied)
    (copied / "__init__.py").touch()
    (copied / "__init__.py").chmod(0o600)
    (copied / "__pycache__").mkdir()
    (copied / "__pycache__" / "__init__.cpython-313.pyc").write_bytes(b"cached")

    assert build.package_bytes(copied) == build.package_bytes(source)


def test_a_changed_file_makes_another_zip(source):
    """Otherwise a change would not be deployed."""
    before = build.package_bytes(source)
    (source / "__init__.py").write_text('"""Other."""\n')

    assert build.package_bytes(source) != before


def test_replacing_a_file_leaves_no_other_behind(tmp_path):
    """The new content takes the name, with the mode that was asked for."""
    file = tmp_path / "world.json"
    files.replace(file, b"old", mode=0o600)
    files.replace(file, b"new", mode=0o600)

    assert [path.name for path in tmp_path.iterdir()] == ["world.json"]
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"new", 0o600)


def test_only_what_is_stale_is_built(tmp_path, monkeypatch):
    """A second call has nothing to do, and a changed package is all that is made then."""
    monkeypatch.setattr(build, "PACKAGE", tmp_path / "totelake.zip")
    monkeypatch.setattr(spark, "JDBC_JAR", tmp_path / "postgresql.jar")
    monkeypatch.setattr(spark, "jdbc_jar", (tmp_path / "postgresql.jar").touch)
    monkeypatch.setattr(spark, "archive_is_current", lambda _jar, _archive: True)
    done = []

    @contextmanager
    def step(name):
        done.append(name)
        yield lambda _detail: None

    build.make(step)
    assert done == ["Get the JDBC driver of Postgres", "Zip the package of the jobs"]
    build.make(step)
    assert len(done) == 2
    build.PACKAGE.write_bytes(b"of an older package")
    build.make(step)
    assert done[2:] == ["Zip the package of the jobs"]


def test_a_step_that_lacks_something_ends_with_what_it_lacks(monkeypatch):
    """And not with where in the code it was missed."""

    def make(_steps):
        raise SparkSetupError("the JDBC driver could not be fetched")

    monkeypatch.setattr(build, "make", make)

    with pytest.raises(SystemExit, match="totelake: the JDBC driver could not be fetched"):
        build.main()
