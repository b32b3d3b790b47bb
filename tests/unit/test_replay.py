"""A request that is sent again gets the answer that was lost."""

from local_aws.replay import Replay


def ask(app, invocation, status="200 OK", path="/"):
    """Send a request; return the status and the body of its answer."""
    answered = []
    headers = {"HTTP_AMZ_SDK_INVOCATION_ID": invocation} if invocation else {}
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": path, "status": status, **headers}
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


def test_an_answer_that_asks_for_a_repetition_is_not_kept():
    """Then the work is tried again."""
    app = counting()

    assert [ask(app, "a", "503 Slow down"), ask(app, "a")] == [("503 Slow down", b"1"), ("200 OK", b"2")]


def test_requests_without_an_invocation_and_those_of_s3_pass():
    """Nothing is known of them."""
    app = counting()

    assert [ask(app, None)[1], ask(app, None)[1], ask(app, "a", path="/b")[1], ask(app, "a", path="/b")[1]] == [
        b"1",
        b"2",
        b"3",
        b"4",
    ]
