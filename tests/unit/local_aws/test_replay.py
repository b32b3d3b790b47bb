"""A retried request gets the response that was lost."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from local_aws.replay import Replay


def send(app, invocation, status="200 OK", service="glue", content=b""):
    """Send a request; return status and body of the response."""
    answered = []
    credential = f"AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu-west-2/{service}/aws4_request, SignedHeaders=host"
    headers = {"HTTP_AMZ_SDK_INVOCATION_ID": invocation} if invocation else {}
    headers |= {"REQUEST_METHOD": "POST", "REQUEST_URI": "/", "wsgi.input": io.BytesIO(content)}
    environ = {"status": status, "HTTP_AUTHORIZATION": credential, **headers}
    body = b"".join(app(environ, lambda status, _: answered.append(status)))
    return answered[0], body


def counting_app():
    """Return an app that responds with its number of requests."""
    seen = []

    def app(environ, start_response):
        seen.append(1)
        start_response(environ["status"], [])
        return [str(len(seen)).encode()]

    return Replay(app)


def test_retried_request_is_executed_once():
    """The same invocation id gets the same response."""
    app = counting_app()

    assert [send(app, "a"), send(app, "a"), send(app, "b")] == [("200 OK", b"1"), ("200 OK", b"1"), ("200 OK", b"2")]


def test_other_request_with_the_same_invocation_id_is_executed():
    """Knowing an invocation id does not give access to its response."""
    app = counting_app()

    assert [send(app, "a"), send(app, "a", content=b"another")] == [("200 OK", b"1"), ("200 OK", b"2")]


def test_retry_during_execution_waits_for_the_response():
    """The first connection may be closed already."""
    entered, finish, seen = threading.Event(), threading.Event(), []

    def slow(environ, start_response):
        seen.append(1)
        entered.set()
        finish.wait(10)
        start_response("200 OK", [])
        return [b"done"]

    app = Replay(slow)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(send, app, "a")
        entered.wait(10)
        second = pool.submit(send, app, "a")
        finish.set()
        assert [first.result(10), second.result(10)] == [("200 OK", b"done")] * 2
    assert seen == [1]


@pytest.mark.parametrize("error", ["503 Slow down", "400 Throttling"])
def test_error_response_is_not_stored(error):
    """Nothing was executed, and the retry is."""
    app = counting_app()

    assert [send(app, "a", error), send(app, "a")] == [(error, b"1"), ("200 OK", b"2")]


def test_requests_without_an_invocation_id_and_those_of_s3_are_always_executed():
    """Their responses are not stored."""
    app = counting_app()

    responses = [send(app, None), send(app, None), send(app, "a", service="s3"), send(app, "a", service="s3")]

    assert [body for _, body in responses] == [b"1", b"2", b"3", b"4"]
