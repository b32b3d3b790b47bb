"""TLS to both databases with verify-full, from the driver and from executors in working directories of their own."""

import asyncio
import contextlib
import datetime as dt
import json
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from local_aws import toolchain
from local_aws.spark.jdbc import jdbc_jar
from ops.deploy import build
from ops.sandbox.postgres import Cluster
from tests.jobs.cluster_home import cluster_home
from tests.postgres_servers import PASSWORD
from totelake.runtime.connections import CERTIFICATES

pytestmark = [pytest.mark.spark, pytest.mark.postgres]

_SSL_REQUEST, _GSS_REQUEST = (80877103).to_bytes(4), (80877104).to_bytes(4)

# Connections: the driver with libpq, executors with pgjdbc, executors with libpq under ADBC.
SCRIPT = """
import json, sys
import psycopg
from totelake.runtime.connections import Login
from totelake.runtime.glue import JobRun

port, password, cases = json.loads(sys.stdin.read())
ASK = "SELECT true AS connected"

def login(host, certificates):
    options = (("sslmode", "verify-full"), ("sslrootcert", certificates))
    return Login(host, port, "postgres", "postgres", password, options)

def driver(case):
    with psycopg.connect(login(*case).conninfo) as connection:
        return connection.execute(ASK).fetchone()[0]

def java(case):
    properties = {"driver": "org.postgresql.Driver", "user": "postgres", "password": password}
    return spark.read.jdbc(login(*case).jdbc_url, f"({ASK}) AS asked", properties=properties).collect()[0][0]

def python(case):
    conninfo = login(*case).conninfo
    def ask(_):
        import os
        from adbc_driver_postgresql import dbapi
        with dbapi.connect(conninfo) as connection, connection.cursor() as cursor:
            cursor.execute(ASK)
            return cursor.fetchone()[0], os.getcwd()
    (connected, folder), = spark.sparkContext.parallelize([0], 1).map(ask).collect()
    assert folder != os.getcwd(), "the executor shares the driver's folder: this would prove nothing"
    return connected

def attempt(ask, case):
    try:
        return ask(case)
    except Exception as error:
        return str(error)

import os
spark = JobRun("jr_0", "0", {}).spark
spark.sparkContext.setLogLevel("OFF")
print(json.dumps({ask.__name__: [attempt(ask, case) for case in cases] for ask in (driver, java, python)}))
"""


@dataclass(frozen=True)
class Server:
    """A Postgres on `port` with a certificate for `localhost`, signed by a private authority."""

    port: int
    authority: Path

    def connect_from(self, folder: Path, *cases: tuple[str, str]) -> dict[str, list[bool | str]]:
        """Return the result of each client in `folder` for each host and certificate file: True or the error."""
        ended = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            cwd=folder,
            env=_environment(folder),
            input=json.dumps([self.port, PASSWORD, cases]),
            check=False,
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stderr
        results: dict[str, list[bool | str]] = json.loads(ended.stdout.splitlines()[-1])
        return results


def _environment(folder: Path) -> dict[str, str]:
    """Return the environment in which Spark starts an executor as a separate process in its own folder."""
    settings = {"spark.executor.memory": "512m", "spark.task.maxFailures": "1", "spark.ui.enabled": "false"}
    conf = " ".join(f"--conf {name}={value}" for name, value in settings.items())
    submit = f"--master local-cluster[1,1,512] --jars {jdbc_jar()} {conf} pyspark-shell"
    own = {"PYSPARK_SUBMIT_ARGS": submit, "PYTHONPATH": str(build.ROOT / "glue_jobs"), "SPARK_LOCAL_IP": "127.0.0.1"}
    java = toolchain.java_home()
    own |= {"JAVA_HOME": str(java)} if java else {}
    return {**os.environ, **own, "SPARK_HOME": str(cluster_home(folder)), "PYSPARK_PYTHON": sys.executable}


def _certificate(
    name: str, issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Return a certificate for `name`, signed by `issuer`, or self-signed for an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    )
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256()), key


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while piece := await reader.read(2**16):
            writer.write(piece)
            await writer.drain()
    writer.close()


@contextmanager
def _tls_proxy(server: int, context: ssl.SSLContext) -> Iterator[int]:
    """Proxy TLS connections to the Postgres on the port `server`, which has no TLS; yield the proxy's port."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while (request := (await reader.readexactly(8))[4:]) == _GSS_REQUEST:
                writer.write(b"N")
            if request == _SSL_REQUEST:
                writer.write(b"S")
                await writer.drain()
                await writer.start_tls(context)
                answers, questions = await asyncio.open_connection("127.0.0.1", server)
                await asyncio.gather(_pump(reader, questions), _pump(answers, writer))
        writer.close()

    loop = asyncio.new_event_loop()
    front = loop.run_until_complete(asyncio.start_server(take, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield front.sockets[0].getsockname()[1]
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


@pytest.fixture(scope="module")
def server(postgres_server: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return the test server, which is built without TLS, behind a TLS proxy."""
    folder = tmp_path_factory.mktemp("tls")
    authority = _certificate("an authority", None)
    certificate, key = _certificate("localhost", authority)
    pem = serialization.Encoding.PEM
    (folder / "authority.pem").write_bytes(authority[0].public_bytes(pem))
    own = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(certificate.public_bytes(pem) + own)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    with _tls_proxy(postgres_server.port, context) as port:
        yield Server(port, folder / "authority.pem")


def test_driver_and_executors_verify_the_server_certificate(server: Server, tmp_path: Path) -> None:
    """One file beside the driver is enough; with another host or without the file every client refuses to connect."""
    (tmp_path / CERTIFICATES).write_bytes(server.authority.read_bytes())
    name = str(CERTIFICATES)

    results = server.connect_from(tmp_path, ("localhost", name), ("127.0.0.1", name), ("localhost", "absent.pem"))

    assert {client: answers[0] for client, answers in results.items()} == {"driver": True, "java": True, "python": True}
    other_host = {client: str(answers[1]) for client, answers in results.items()}
    assert 'does not match host name "127.0.0.1"' in other_host["driver"]
    assert 'does not match host name "127.0.0.1"' in other_host["python"]
    assert "The hostname 127.0.0.1 could not be verified" in other_host["java"]
    missing_file = {client: str(answers[2]) for client, answers in results.items()}
    assert 'root certificate file "absent.pem" does not exist' in missing_file["driver"]
    assert 'root certificate file "absent.pem" does not exist' in missing_file["python"]
    assert "Could not open SSL root certificate file absent.pem" in missing_file["java"]
