"""A local AWS as the target of attacks, and the same without its gate, where the attacks succeed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from socketserver import BaseServer
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session
from werkzeug.serving import make_server

from local_aws.address import REGION
from local_aws.server import LocalAws, RequestHandler
from local_aws.state import State
from tests.local_aws.conftest import local_aws, world  # noqa: F401 - fixtures for attacks on jobs
from tests.unit.ops.test_setup import machine  # noqa: F401 - a fixture for attacks on downloads

BUCKET, SCRIPT = "artifacts", "jobs/ingest.py"


@dataclass(frozen=True)
class AttackTarget:
    """A local AWS that is served on two ports: behind its gate on `port`, and without it on `bare_port`."""

    state: State
    port: int
    bare_port: int
    key: Credentials

    def client(self, service: str, key: Credentials | None = None) -> Any:
        """Return a boto3 client, with the owner's key by default."""
        key = key or self.key
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            aws_access_key_id=key.access_key,
            aws_secret_access_key=key.secret_key,
            aws_session_token=key.token,
            config=Config(retries={"total_max_attempts": 1}),
        )

    @property
    def script(self) -> bytes:
        """The current script of a job."""
        content: bytes = self.client("s3").get_object(Bucket=BUCKET, Key=SCRIPT)["Body"].read()
        return content


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AttackTarget]:
    """Serve a local AWS with a bucket for the script of a job."""
    key = Credentials("AKIAOWNEROFTHISWORLD", "a secret of the world")
    with LocalAws(State(tmp_path_factory.mktemp("attacked")), key) as aws, bare(aws) as bare_port:
        location = {"LocationConstraint": REGION}
        aws.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=location)
        yield AttackTarget(aws.state, aws.port, bare_port, key)


@contextmanager
def bare(aws: LocalAws) -> Iterator[int]:
    """Serve a local AWS without its gate; yield the port."""
    with serving(make_server("127.0.0.1", 0, aws.moto, threaded=True, request_handler=RequestHandler)) as port:
        yield port


@contextmanager
def serving(server: BaseServer) -> Iterator[int]:
    """Run a server in a thread; yield its port."""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _script(request: pytest.FixtureRequest) -> None:
    """Restore the script before each test, since an attack may have replaced it."""
    if "target" in request.fixturenames:
        target = request.getfixturevalue("target")
        target.client("s3").put_object(Bucket=BUCKET, Key=SCRIPT, Body=b"the script")


@pytest.fixture
def post(target: AttackTarget):
    """Return a function that posts a form with given fields and returns the status and the error code."""

    def send(fields: dict[str, str], content: str = "evil", path: str = "ingested") -> tuple[int, str]:
        parts = [f'name="{name}"\r\n\r\n{value}' for name, value in fields.items()]
        parts.append(f'name="file"; filename="x.json"\r\n\r\n{content}')
        body = "".join(f"--b\r\nContent-Disposition: form-data; {part}\r\n" for part in parts) + "--b--\r\n"
        request = AWSRequest("POST", f"http://127.0.0.1:{target.port}/{path}", data=body.encode())
        request.headers["Content-Type"] = "multipart/form-data; boundary=b"
        response = URLLib3Session().send(request.prepare())
        code = response.text.partition("<Code>")[2].partition("</Code>")[0]
        return response.status_code, code

    return send
