"""A request that is sent again gets the answer that was lost."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from local_aws.replay import Replay


def ask(app, invocation, status="200 OK", service="glue", content=b""):
    """Send a request; return the status and the body of its answer."""
    answered = []
    credential = f"AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu-west-2/{service}/aws4_request, SignedHeaders=host"
    headers = {"HTTP_AMZ_SDK_INVOCATION_ID": invocation} if invocation else {}
    headers |= {"REQUEST_METHOD": "POST", "REQUEST_URI": "/", "wsgi.input": io.BytesIO(content)}
    environ = {"status": status, "HTTP_AUTHORIZATION": credential, **headers}
    body = b"".join(app(environ, lambda status, _: answered.append(status)))
    return answered[0], body


def counting():
    """Return an app that answers with the number of requests that it has had."""
    seen = []

    def app(environ, start_response):
        seen.append(1)
        start_response(environ["status"], [])
        return [str(len(seen)).encode()]

    return Replay(app)


def test_a_repeated_request_is_not_worked_twice():
    """The same invocation, the same answer."""
    app = counting()

    assert [ask(app, "a"), ask(app, "a"), ask(app, "b")] == [("200 OK", b"1"), ("200 OK", b"1"), ("200 OK", b"2")]


def test_the_same_name_for_another_request_gets_its_own_answer():
    """Whoever learns of an invocation does not get its answer."""
    app = counting()

    assert [ask(app, "a"), ask(app, "a", content=b"another")] == [("200 OK", b"1"), ("200 OK", b"2")]


def test_a_request_that_is_repeated_while_it_is_worked_waits_for_its_answer():
    """The second has not lost anything, and the first may not be heard any more."""
    entered, leave, seen = threading.Event(), threading.Event(), []

    def slow(environ, start_response):
        seen.append(1)
        entered.set()
        leave.wait(10)
        start_response("200 OK", [])
        return [b"done"]

    app = Replay(slow)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask, app, "a")
        entered.wait(10)
        second = pool.submit(ask, app, "a")
        leave.set()
        assert [first.result(10), second.result(10)] == [("200 OK", b"done")] * 2
    assert seen == [1]


@pytest.mark.parametrize("refusal", ["503 Slow down", "400 Throttling"])
def test_a_refusal_is_not_kept(refusal):
    """Nothing was done, and the work is tried again."""
    app = counting()

    assert [ask(app, "a", refusal), ask(app, "a")] == [(refusal, b"1"), ("200 OK", b"2")]


def test_requests_without_an_invocation_and_those_of_s3_pass():
    """Nothing is known of them."""
    app = counting()

    said = [ask(app, None), ask(app, None), ask(app, "a", service="s3"), ask(app, "a", service="s3")]

    assert [body for _, body in said] == [b"1", b"2", b"3", b"4"]
