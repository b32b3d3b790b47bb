"""Downloads are verified against committed hashes: JDBC driver, Terraform provider and Python packages."""

import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import zipfile

import pytest

from local_aws.errors import SparkSetupError
from local_aws.spark import installation, jdbc
from ops.deploy import build, terraform
from ops.deploy.environment_terraform import Configuration
from ops.deploy.terraform import provider, release
from tests import browsers

JAR = b"the driver"
LOCKS = [build.ROOT / folder / ".terraform.lock.hcl" for folder in ("terraform", "terraform/bootstrap")]


@pytest.fixture
def resolver(monkeypatch):
    """Return a function that makes Spark's resolver return a jar with given content."""
    monkeypatch.setattr(jdbc, "JDBC_SHA256", hashlib.sha256(JAR).hexdigest())

    def resolve_to(content):
        def run(_arguments, variables):
            folder = re.search(r"spark\.jars\.ivy=(\S+)", variables["PYSPARK_SUBMIT_ARGS"])[1]
            (build.Path(folder) / "jars").mkdir()
            (build.Path(folder) / "jars/org.postgresql_postgresql-42.7.13.jar").write_bytes(content)
            return subprocess.CompletedProcess([], 0, "")

        monkeypatch.setattr(installation, "run_driver", run)

    return resolve_to


def hash_error(file, content):
    """Return the pattern of the error for a file with this content."""
    actual, expected = (hashlib.sha256(each).hexdigest() for each in (content, JAR))
    return rf"^{file} has the SHA-256 {actual}, not {expected}, so it is truncated or not the JDBC driver"


def test_jdbc_driver_with_a_wrong_hash_is_not_installed(resolver, tmp_path):
    """From any repository; the error names the file, both hashes and the solution."""
    resolver(b"another")
    with pytest.raises(SparkSetupError, match=hash_error("org.postgresql_postgresql-42.7.13.jar", b"another")) as error:
        jdbc.jdbc_jar(tmp_path / "postgresql.jar")
    assert "remove it from Maven's local repository" in str(error.value)
    assert list(tmp_path.iterdir()) == []

    resolver(JAR)
    assert jdbc.jdbc_jar(tmp_path / "postgresql.jar").read_bytes() == JAR


def test_modified_jdbc_driver_is_not_used(resolver, tmp_path, monkeypatch):
    """Every start of an environment verifies it."""
    jar = tmp_path / "postgresql.jar"
    jar.write_bytes(b"changed")
    monkeypatch.setattr(installation, "JDBC_JAR", jar)
    monkeypatch.setattr(jdbc.jdbc_jar, "__defaults__", (jar,))

    with pytest.raises(SparkSetupError, match=hash_error("postgresql.jar", b"changed")):
        build.make(pytest.fail)


def create_mirror(folder, content):
    """Create a mirror in `folder` with a package of the pinned provider, and return it."""
    package = folder / provider.REGISTRY / provider.PROVIDER / provider.version() / release.platform_name()
    package.mkdir(parents=True)
    program = package / f"terraform-provider-aws_v{provider.version()}_x5"
    program.write_bytes(content)
    program.chmod(0o755)
    return folder


@pytest.fixture
def tampered(tmp_path, monkeypatch):
    """Return a mirror with a modified package of the provider, which is the only source."""
    mirror = create_mirror(tmp_path / "mirror", b"#!/bin/sh\n")
    monkeypatch.setattr(provider, "registry_reachable", lambda: False)
    monkeypatch.setattr(provider, "provider_mirror", lambda: mirror)
    return mirror


def test_provider_with_a_wrong_hash_is_not_installed(tampered, tmp_path):
    """Terraform verifies it against the lock file."""
    folder = tmp_path / "world"
    terraform.copy(folder)

    with pytest.raises(terraform.TerraformError, match=r"doesn't match any of\s+the\s+checksums"):
        terraform.init(folder)
    assert not (folder / ".terraform/initialised.sha256").exists()


def test_provider_is_initialized_again_when_the_lock_file_differs(tmp_path, monkeypatch):
    """An environment that was started without this lock file is verified at its next start."""
    commands = []
    monkeypatch.setattr("ops.deploy.terraform.configuration.run", lambda _folder, *words, **_: commands.append(words))
    monkeypatch.setattr(provider, "registry_reachable", lambda: False)
    monkeypatch.setattr(provider, "provider_mirror", lambda: tmp_path / "mirror")
    create_mirror(tmp_path / "world/.terraform/providers", b"")
    terraform.copy(tmp_path / "world")
    terraform.init(tmp_path / "world")
    (tmp_path / "world/.terraform.lock.hcl").write_text("")

    terraform.init(tmp_path / "world")
    terraform.init(tmp_path / "world")

    assert [words[0] for words in commands] == ["init", "init"]
    assert all("-lockfile=readonly" in words for words in commands)


def test_deployment_uses_the_locked_provider_only(tmp_path, monkeypatch):
    """It does not change the lock file."""
    commands = []
    monkeypatch.setattr(Configuration, "_run", lambda _self, *words: commands.append(words))
    environment = type("Environment", (), {"state_bucket": "b", "region": "r", "local": False})

    Configuration(environment, tmp_path, ()).init()

    assert "-lockfile=readonly" in commands[0]


@pytest.mark.parametrize("lock", LOCKS, ids=str)
def test_lock_file_has_the_pinned_provider_for_every_platform(lock):
    """Hashes of packed and unpacked packages for 14 platforms, and of the manifest."""
    text = lock.read_text()

    assert re.findall(r'^provider "(\S+)"', text, re.MULTILINE) == [f"{provider.REGISTRY}/{provider.PROVIDER}"]
    assert re.findall(r'^ +version += "(\S+)"', text, re.MULTILINE) == [provider.version()]
    assert len(set(re.findall(r'"h1:[\w+/]{43}="', text))) == 14
    assert len(set(re.findall(r'"zh:[0-9a-f]{64}"', text))) == 15


@pytest.mark.parametrize("file", ["bin/setup", "Makefile"])
def test_python_packages_are_installed_with_hashes(file):
    """Every installation from a lock file requires hashes, and wheels, which execute nothing during installation."""
    lines = (build.ROOT / file).read_text().replace("\\\n", "").splitlines()
    installs = [line for line in lines if re.search(r"pip(_| )install .*--requirement", line)]

    assert installs
    assert all("--require-hashes" in line and "--only-binary :all:" in line for line in installs)


def build_wheel(folder, version):
    """Write a wheel of setuptools to `folder` that records its version when it builds, and return its hash."""
    name = f"setuptools-{version}"
    file = folder / f"{name}-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as wheel:
        wheel.writestr("setuptools/__init__.py", "")
        wheel.writestr("setuptools/build_meta.py", f"open({str(folder / 'built_by')!r}, 'w').write({version!r})")
        wheel.writestr(f"{name}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: setuptools\nVersion: {version}\n")
        wheel.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{name}.dist-info/RECORD", "")
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_build_tools_are_installed_with_hashes(machine, tmp_path):
    """A newer setuptools in the index is not used."""
    index = tmp_path / "index"
    index.mkdir()
    with tarfile.open(index / "pyspark-4.1.1.tar.gz", "w:gz") as archive:
        metadata = b"Metadata-Version: 2.1\nName: pyspark\nVersion: 4.1.1\n"
        for name, content in (("setup.py", b""), ("PKG-INFO", metadata)):
            member = tarfile.TarInfo(f"pyspark-4.1.1/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    pyspark = hashlib.sha256((index / "pyspark-4.1.1.tar.gz").read_bytes()).hexdigest()
    (machine.root / "clone/requirements.lock").write_text(
        f"pyspark==4.1.1 \\\n    --hash=sha256:{pyspark}\n"
        f"setuptools==84.2.1 \\\n    --hash=sha256:{'0' * 64} \\\n    --hash=sha256:{build_wheel(index, '84.2.1')}\n"
    )
    build_wheel(index, "99.0.0")
    machine.variables.update(PIP_NO_INDEX="1", PIP_FIND_LINKS=str(index), PIP_CONFIG_FILE=os.devnull)

    machine.set_up()

    assert (index / "built_by").read_text() == "84.2.1"


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """Change to a folder with another user's modules; return the file that they write when executed."""
    marker = tmp_path / "ran"
    for module in ("venv", "pip", "ensurepip", "pyspark"):
        (tmp_path / f"{module}.py").write_text(f"import sys\nopen({str(marker)!r}, 'w')\nsys.exit('planted')\n")
    monkeypatch.chdir(tmp_path)
    return marker


def test_setup_does_not_execute_modules_of_the_callers_folder(planted):
    """It may be called from a folder that others can write to."""
    completed = subprocess.run([build.ROOT / "bin/setup", "--check"], check=False, capture_output=True, text=True)
    assert (completed.returncode, planted.exists()) == (0, False), completed.stderr


def test_download_of_the_jdbc_driver_does_not_execute_modules_of_the_callers_folder(planted, tmp_path, monkeypatch):
    """The first command that needs the driver downloads it, in any folder."""
    java = tmp_path / "java/bin/java"
    java.parent.mkdir(parents=True)
    java.write_text("#!/bin/sh\nexit 1\n")
    java.chmod(0o755)
    monkeypatch.setattr(installation, "launch_variables", lambda: {"JAVA_HOME": str(java.parents[1])})
    with pytest.raises(SparkSetupError, match="could not be fetched"):
        jdbc.jdbc_jar(tmp_path / "postgresql.jar")
    assert not planted.exists()


@pytest.fixture
def window():
    """Open a browser."""
    with browsers.window() as opened:
        yield opened


def test_altered_script_is_not_executed_by_the_documentation(window, tmp_path):
    """Without Mermaid the theme would load its latest version from the same host, whatever that contains."""
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path)]
    subprocess.run(command, cwd=build.ROOT, check=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    (diagrams, *_) = (page for page in tmp_path.rglob("*.html") if '<pre class="mermaid">' in page.read_text())
    requested = []

    def altered(route):
        requested.append(route.request.url)
        route.fulfill(
            content_type="text/javascript", body="altered = true", headers={"Access-Control-Allow-Origin": "*"}
        )

    window.page.route(lambda url: url.startswith("https:"), altered)
    window.page.goto(diagrams.as_uri(), wait_until="networkidle")

    assert len(requested) == 1
    assert window.page.evaluate("typeof altered") == "undefined"
    assert "Mermaid was not loaded" in str(window.faults)
