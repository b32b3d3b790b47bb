"""What is downloaded has the content whose hash is committed, wherever it comes from."""

import hashlib
import io
import os
import re
import subprocess
import tarfile
import zipfile

import pytest

from local_aws import spark
from local_aws.errors import SparkSetupError
from ops.deploy import build, terraform
from ops.deploy.environment_terraform import Configuration
from ops.deploy.terraform import provider, release

JAR = b"the driver"
LOCKS = [build.ROOT / folder / ".terraform.lock.hcl" for folder in ("terraform", "terraform/bootstrap")]


@pytest.fixture
def resolver(monkeypatch):
    """Return a function that has Spark's resolver find a jar, as it would in Maven's local repository or another."""
    monkeypatch.setattr(spark, "JDBC_SHA256", hashlib.sha256(JAR).hexdigest())

    def finds(content):
        def run(_arguments, variables):
            folder = re.search(r"spark\.jars\.ivy=(\S+)", variables["PYSPARK_SUBMIT_ARGS"])[1]
            (build.Path(folder) / "jars").mkdir()
            (build.Path(folder) / "jars/org.postgresql_postgresql-42.7.13.jar").write_bytes(content)
            return subprocess.CompletedProcess([], 0, "")

        monkeypatch.setattr(spark, "_run_driver", run)

    return finds


def refusal(file, content):
    """Return the pattern of the error about a file with this content."""
    found, wanted = (hashlib.sha256(each).hexdigest() for each in (content, JAR))
    return rf"^{file} has the SHA-256 {found} and not {wanted}, so it is cut off or not the JDBC driver"


def test_a_driver_of_jdbc_with_another_hash_is_not_installed(resolver, tmp_path):
    """Whichever repository it comes from; the file, both hashes and the way out are named."""
    resolver(b"another")
    with pytest.raises(SparkSetupError, match=refusal("org.postgresql_postgresql-42.7.13.jar", b"another")) as refused:
        spark.jdbc_jar(tmp_path / "postgresql.jar")
    assert "remove it from Maven's local repository" in str(refused.value)
    assert list(tmp_path.iterdir()) == []

    resolver(JAR)
    assert spark.jdbc_jar(tmp_path / "postgresql.jar").read_bytes() == JAR


def test_a_driver_of_jdbc_that_was_changed_is_not_used(resolver, tmp_path, monkeypatch):
    """Or was put there by hand: every start of a world looks at it again."""
    jar = tmp_path / "postgresql.jar"
    jar.write_bytes(b"changed")
    monkeypatch.setattr(spark, "JDBC_JAR", jar)
    monkeypatch.setattr(spark.jdbc_jar, "__defaults__", (jar,))

    with pytest.raises(SparkSetupError, match=refusal("postgresql.jar", b"changed")):
        build.make(pytest.fail)


def mirrored(folder, content):
    """Put a package of the pinned provider into a mirror in `folder`, and return the mirror."""
    package = folder / provider.REGISTRY / provider.PROVIDER / provider.version() / release.platform_name()
    package.mkdir(parents=True)
    program = package / f"terraform-provider-aws_v{provider.version()}_x5"
    program.write_bytes(content)
    program.chmod(0o755)
    return folder


@pytest.fixture
def tampered(tmp_path, monkeypatch):
    """Return a mirror whose package of the provider is not the registry's, and the only one to be had."""
    mirror = mirrored(tmp_path / "mirror", b"#!/bin/sh\n")
    monkeypatch.setattr(provider, "registry_reachable", lambda: False)
    monkeypatch.setattr(provider, "provider_mirror", lambda: mirror)
    return mirror


def test_a_provider_with_another_hash_is_not_installed(tampered, tmp_path):
    """Terraform holds it to the lock, which a world is started with."""
    folder = tmp_path / "world"
    terraform.copy(folder)

    with pytest.raises(terraform.TerraformError, match=r"doesn't match any of\s+the\s+checksums"):
        terraform.init(folder)
    assert not (folder / ".terraform/initialised.sha256").exists()


def test_a_provider_that_was_changed_is_installed_again(tmp_path, monkeypatch):
    """A world that was started without this lock is held to it at its next start."""
    commands = []
    monkeypatch.setattr("ops.deploy.terraform.configuration.run", lambda _folder, *words, **_: commands.append(words))
    monkeypatch.setattr(provider, "registry_reachable", lambda: False)
    monkeypatch.setattr(provider, "provider_mirror", lambda: tmp_path / "mirror")
    mirrored(tmp_path / "world/.terraform/providers", b"")
    terraform.copy(tmp_path / "world")
    terraform.init(tmp_path / "world")
    (tmp_path / "world/.terraform.lock.hcl").write_text("")

    terraform.init(tmp_path / "world")
    terraform.init(tmp_path / "world")

    assert [words[0] for words in commands] == ["init", "init"]
    assert all("-lockfile=readonly" in words for words in commands)


def test_a_deployment_takes_the_locked_provider_only(tmp_path, monkeypatch):
    """And changes no lock in passing."""
    commands = []
    monkeypatch.setattr(Configuration, "_run", lambda _self, *words: commands.append(words))
    environment = type("Environment", (), {"state_bucket": "b", "region": "r", "local": False})

    Configuration(environment, tmp_path, ()).init()

    assert "-lockfile=readonly" in commands[0]


@pytest.mark.parametrize("lock", LOCKS, ids=str)
def test_the_lock_is_of_the_pinned_provider_for_every_platform(lock):
    """Its registry signs a package for each of 14, and a manifest; a machine may have it packed or unpacked."""
    text = lock.read_text()

    assert re.findall(r'^provider "(\S+)"', text, re.MULTILINE) == [f"{provider.REGISTRY}/{provider.PROVIDER}"]
    assert re.findall(r'^ +version += "(\S+)"', text, re.MULTILINE) == [provider.version()]
    assert len(set(re.findall(r'"h1:[\w+/]{43}="', text))) == 14
    assert len(set(re.findall(r'"zh:[0-9a-f]{64}"', text))) == 15


@pytest.mark.parametrize("file", ["bin/setup", "Makefile"])
def test_a_package_of_python_is_held_to_its_hash(file):
    """Every installation from a lock asks for it, and for wheels, which run nothing while they are installed."""
    lines = (build.ROOT / file).read_text().replace("\\\n", "").splitlines()
    installs = [line for line in lines if re.search(r"pip(_| )install .*--requirement", line)]

    assert installs
    assert all("--require-hashes" in line and "--only-binary :all:" in line for line in installs)


def setuptools(folder, version):
    """Put a wheel of setuptools into `folder` that only says who it is when it builds, and return its hash."""
    name = f"setuptools-{version}"
    file = folder / f"{name}-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as wheel:
        wheel.writestr("setuptools/__init__.py", "")
        wheel.writestr("setuptools/build_meta.py", f"open({str(folder / 'built_by')!r}, 'w').write({version!r})")
        wheel.writestr(f"{name}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: setuptools\nVersion: {version}\n")
        wheel.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{name}.dist-info/RECORD", "")
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_what_builds_a_package_is_held_to_its_hash(machine, tmp_path):
    """An index that offers another setuptools beside the locked one does not bring it in."""
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
        f"setuptools==84.2.1 \\\n    --hash=sha256:{'0' * 64} \\\n    --hash=sha256:{setuptools(index, '84.2.1')}\n"
    )
    setuptools(index, "99.0.0")
    machine.variables.update(PIP_NO_INDEX="1", PIP_FIND_LINKS=str(index), PIP_CONFIG_FILE=os.devnull)

    machine.set_up()

    assert (index / "built_by").read_text() == "84.2.1"


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """Stand in a folder where another user has put modules; return the file that they leave when they run."""
    left = tmp_path / "ran"
    for module in ("venv", "pip", "ensurepip", "pyspark"):
        (tmp_path / f"{module}.py").write_text(f"import sys\nopen({str(left)!r}, 'w')\nsys.exit('planted')\n")
    monkeypatch.chdir(tmp_path)
    return left


def test_modules_in_the_callers_folder_do_not_run_in_the_setup(planted):
    """It may be called by its path, from a folder that others can write to."""
    ended = subprocess.run([build.ROOT / "bin/setup", "--check"], check=False, capture_output=True, text=True)
    assert (ended.returncode, planted.exists()) == (0, False), ended.stderr


def test_modules_in_the_callers_folder_do_not_run_when_the_driver_of_jdbc_is_fetched(planted, tmp_path, monkeypatch):
    """What is missing is fetched by the first command that needs it, wherever it is called."""
    java = tmp_path / "java/bin/java"
    java.parent.mkdir(parents=True)
    java.write_text("#!/bin/sh\nexit 1\n")
    java.chmod(0o755)
    monkeypatch.setattr(spark, "_launch_variables", lambda: {"JAVA_HOME": str(java.parents[1])})
    with pytest.raises(SparkSetupError, match="could it be fetched"):
        spark.jdbc_jar(tmp_path / "postgresql.jar")
    assert not planted.exists()
