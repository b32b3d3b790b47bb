"""The dashboard serves only its own pages to holders of its key, and sends no requests to other hosts."""

import http.client
import http.server
import re
import socket
import subprocess
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
import psycopg
import pytest
from playwright.sync_api import Page, expect

from dashboards import controls, graph, server
from dashboards.access import HEALTH
from dashboards.pipeline import PipelineNode, PipelineWorkflow
from dashboards.server import ServedDashboard
from local_aws.state import State
from ops.cli import dashboard as cli_dashboard
from ops.sandbox.errors import DashboardError
from ops.sandbox.settings import WAREHOUSE_READER, SandboxSettings
from ops.sandbox.workflow_run import ActionState
from tests.browsers import window
from tests.chaos.outages import wait_until
from tests.e2e.test_dashboard import LEDGER, ROWS
from tests.postgres_servers import PASSWORD, WAREHOUSE_OWNER, superuser
from totelake.warehouse import postgres
from totesys import roles

pytestmark = pytest.mark.browser

STREAM = "/_stcore/stream"
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    "Sec-WebSocket-Protocol": "streamlit",
}
USER_SETTINGS = {
    "STREAMLIT_SERVER_ADDRESS": "0.0.0.0",  # noqa: S104 - it must have no effect
    "STREAMLIT_SERVER_ENABLE_CORS": "false",
    "STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION": "false",
    "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "true",
}
"""Streamlit settings that a user may have in their environment."""

HOSTILE = "![x](http://evil.example/x.png) <img src=http://evil.example/y.png> :red[z] \u202etxt"
HOSTILE_SHOWN = r"![x](http://evil.example/x.png) <img src=http://evil.example/y.png> :red[z] \u202etxt"


@dataclass(frozen=True)
class Dashboard:
    """A running dashboard, and the first lines of requests that its process sent to other hosts."""

    served: ServedDashboard
    log: Path
    outside: list[bytes]

    @property
    def port(self) -> int:
        """The port of its address."""
        return int(urlsplit(self.served.address).port or 0)

    @property
    def host(self) -> str:
        """The host and the port of its address."""
        return f"127.0.0.1:{self.port}"

    @property
    def cookie(self) -> str:
        """The cookie of a browser that has opened it."""
        (key,) = parse_qs(urlsplit(self.served.address).query)["key"]
        return f"totelake-dashboard-{self.port}={key}"

    def get(self, path: str, **headers: str | None) -> http.client.HTTPResponse:
        """Send a request with the cookie and the right host; `headers` override them, None omits one."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.putrequest("GET", path, skip_host=True)
        for name, value in ({"Host": self.host, "Cookie": self.cookie} | headers).items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders()
        return connection.getresponse()

    def handshake(self, **headers: str | None) -> int:
        """Return the HTTP status of a WebSocket handshake; 101 means that it was opened."""
        return self.get(STREAM, **HANDSHAKE | headers).status


@contextmanager
def listening(outside: list[bytes]) -> Iterator[str]:
    """Run a proxy during the block that records the first line of each request in `outside`; yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def record() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    outside.append(connection.recv(200).partition(b"\r\n")[0])

        threading.Thread(target=record, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory) -> Iterator[Dashboard]:
    """Serve a dashboard without an environment; its requests to other hosts are recorded."""
    state = State(tmp_path_factory.mktemp("dashboard"))
    outside: list[bytes] = []
    with listening(outside) as proxy, ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in USER_SETTINGS.items():
                patch.setenv(name, value)
            for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
                patch.setenv(name, proxy)
            for name in ("no_proxy", "NO_PROXY"):
                patch.delenv(name, raising=False)
            served = stack.enter_context(server.serving(state))
        yield Dashboard(served, state.logs / "dashboard.log", outside)


FOREIGN_HOSTS = ("evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}", "127.0.0.1:1", "", None)
FOREIGN_ORIGINS = ("http://evil.example", "http://evil.example:{port}", "http://127.0.0.1:1", "https://{host}", "null")


@pytest.mark.parametrize("path", ["/", HEALTH, "/_stcore/host-config", "/?key={key}"])
@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_request_with_another_host_name_is_rejected(dashboard, path, host):
    """As after DNS rebinding, even with the cookie or the key."""
    key = dashboard.cookie.partition("=")[2]
    named = host and host.format(port=dashboard.port)

    assert dashboard.get(path.format(key=key), Host=named).status in {400, 403}


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
@pytest.mark.parametrize("path", ["/", HEALTH, "/_stcore/host-config", "/media/x"])
def test_request_of_another_origin_is_rejected(dashboard, path, origin):
    """For every path, even if the response has no secrets."""
    named = origin.format(port=dashboard.port, host=dashboard.host)

    assert dashboard.get(path, Origin=named).status == 403


def test_websocket_of_the_dashboards_own_page_is_opened(dashboard):
    """With either host name, and for a program that sends no origin but has the key."""
    by_name = f"localhost:{dashboard.port}"

    assert dashboard.handshake(Origin=f"http://{dashboard.host}") == 101
    assert dashboard.handshake(Host=by_name, Origin=f"http://{by_name}") == 101
    assert dashboard.handshake() == 101


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_websocket_of_another_origin_is_rejected(dashboard, origin):
    """Even with the cookie."""
    assert dashboard.handshake(Origin=origin.format(port=dashboard.port, host=dashboard.host)) == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}"])
def test_websocket_after_dns_rebinding_is_rejected(dashboard, host):
    """Host and origin agree, so to the browser it is the same origin."""
    named = host.format(port=dashboard.port)

    assert dashboard.handshake(Host=named, Origin=f"http://{named}") == 403


def test_dashboard_sends_no_requests_to_other_hosts(dashboard):
    """By default Streamlit looks up the external IP address for a foreign origin, and sends usage statistics."""
    for path in ("/", "/_stcore/host-config", "/_stcore/metrics", "/media/x", "/component/x"):
        dashboard.get(path, Origin="http://evil.example").read()
    dashboard.handshake(Origin="http://evil.example")
    dashboard.handshake(Host="evil.example", Origin="http://evil.example:1")

    assert dashboard.outside == []


def test_only_the_health_check_is_available_without_the_key(dashboard):
    """Other users of the machine can connect to the port."""
    for cookie in (None, "totelake-dashboard-1=x", f"totelake-dashboard-{dashboard.port}=wrong"):
        responses = [
            dashboard.get(path, Cookie=cookie) for path in ("/", "/_stcore/host-config", "/?key=wrong", "/?key=")
        ]
        assert [response.status for response in responses] == [403] * 4
        assert dashboard.handshake(Cookie=cookie) == 403
        assert dashboard.get(HEALTH, Cookie=cookie).status == 200
        assert dashboard.get(HEALTH.replace("_", "%09_"), Cookie=cookie).status == 403

    assert b"totelake dashboard" in responses[0].read()


def test_address_with_the_key_sets_the_cookie_and_redirects_without_the_key(dashboard):
    """The redirect keeps the rest of the address, and stays on this host."""
    key = dashboard.cookie.partition("=")[2]

    response = dashboard.get(f"//evil.example/payments?key={key}&currency=GBP", Cookie=None)

    assert response.status == 303
    assert response.headers["Location"] == f"http://{dashboard.host}//evil.example/payments?currency=GBP"
    assert response.headers["Set-Cookie"] == f"{dashboard.cookie}; HttpOnly; Path=/; SameSite=lax"


def test_browser_is_started_with_a_file_that_only_its_user_can_read(dashboard, monkeypatch):
    """Other users can see the arguments of the browser's process, so these must not have the key."""
    addresses: list[str] = []
    ended = replace(dashboard.served, process=subprocess.Popen(["true"]))
    monkeypatch.setattr(server, "serving", lambda *_: nullcontext(ended))
    monkeypatch.setattr(webbrowser, "open", addresses.append)
    with pytest.raises(DashboardError, match="exit status 0"):
        cli_dashboard.serve(State(dashboard.log.parents[1]), None, browser=True)

    (address,) = map(urlsplit, addresses)
    assert (address.scheme, address.query) == ("file", "")
    assert dashboard.served.address in Path(address.path).read_text()
    assert Path(address.path).stat().st_mode & 0o777 == 0o600


def test_file_redirects_a_browser_to_the_dashboard(dashboard):
    """With the cookie set, so its pages are shown."""
    with window() as opened:
        opened.page.goto(dashboard.served.page.as_uri())
        expect(opened.page.locator(".state")).to_be_visible()

        assert opened.page.url == f"http://{dashboard.host}/"


def test_another_program_on_the_port_is_not_accepted_as_the_dashboard(tmp_path):
    """Other users can see the port in the process's arguments, and take it while the dashboard starts."""
    before, ended = set(psutil.Process().children()), threading.Event()

    def take() -> None:
        while not ended.is_set():
            for command in (child.cmdline() for child in set(psutil.Process().children()) - before):
                if "dashboards" in command:
                    with another_programs_page(int(command[-1])):
                        ended.wait()

    thread = threading.Thread(target=take)
    thread.start()
    try:
        with pytest.raises(DashboardError, match="did not start"), server.serving(State(tmp_path)):
            pass
    finally:
        ended.set()
        thread.join()


def test_key_is_in_no_arguments_and_no_log(dashboard):
    """And it is too long to be guessed."""
    process = psutil.Process(dashboard.served.process.pid)
    key = dashboard.cookie.partition("=")[2]

    assert len(key) > 40
    assert key not in " ".join(process.cmdline())
    assert key not in dashboard.log.read_text()


def test_dashboard_listens_on_loopback_only_despite_user_settings(dashboard):
    """On 127.0.0.1 only."""
    with pytest.raises(OSError, match=r"refused|assign"):
        socket.create_connection(("127.0.0.2", dashboard.port), timeout=5)

    addresses = {connection.laddr.ip for connection in psutil.Process(dashboard.served.process.pid).net_connections()}
    assert addresses == {"127.0.0.1"}


@contextmanager
def another_programs_page(port: int = 0) -> Iterator[str]:
    """Serve an empty page of another program during the block; yield its URL."""

    class Empty(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Empty) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{serving.server_port}"
        finally:
            serving.shutdown()


@pytest.fixture(scope="module")
def foreign_page() -> Iterator[str]:
    """Yield the URL of an empty page of another program."""
    with another_programs_page() as address:
        yield address


OPENS = """address => new Promise(done => {
    const socket = new WebSocket(address, ["streamlit"]);
    socket.onopen = () => done("open");
    socket.onerror = () => done("refused");
})"""
FRAME = """address => new Promise(done => {
    const frame = document.createElement("iframe");
    frame.onload = () => done("loaded");
    frame.src = address;
    document.body.append(frame);
})"""


def test_other_pages_in_a_browser_cannot_access_the_dashboard(dashboard, foreign_page):
    """Neither by DNS rebinding nor from another port, although the browser has the cookie."""
    with window("--host-resolver-rules=MAP evil.example 127.0.0.1") as opened:
        page = opened.page
        page.goto(dashboard.served.address)
        expect(page.locator(".state")).to_be_visible()
        assert page.evaluate(OPENS, f"ws://{dashboard.host}{STREAM}") == "open"
        assert opened.faults == []

        rebound = f"evil.example:{dashboard.port}"
        key = urlsplit(dashboard.served.address).query
        assert page.goto(f"http://{rebound}/?{key}").status == 403
        assert page.evaluate(OPENS, f"ws://{rebound}{STREAM}") == "refused"

        page.goto(foreign_page)
        assert page.evaluate(OPENS, f"ws://{dashboard.host}{STREAM}") == "refused"
        page.evaluate(FRAME, f"http://{dashboard.host}/")
        (frame,) = page.main_frame.child_frames
        assert frame.url.startswith("chrome-error:")
    assert dashboard.outside == []


def test_warehouse_text_is_shown_literally(postgres_server, tmp_path):
    """In charts, tooltips, filters and tiles: no Markdown, no HTML, no external image."""
    state = State(tmp_path)
    names = ("postgres", roles.OWNER, roles.READER, WAREHOUSE_OWNER, WAREHOUSE_READER)
    settings = SandboxSettings(1, postgres_server.port, dict.fromkeys(names, PASSWORD))
    settings.save(state)
    with psycopg.connect(superuser(postgres_server, "postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE warehouse OWNER {WAREHOUSE_OWNER}")
        try:
            with psycopg.connect(settings.warehouse_url) as owner:
                postgres.apply(owner)
                postgres.grant(owner)
                owner.execute(ROWS)
                owner.execute(LEDGER, (1, 1, 1, 1))
                owner.execute("UPDATE dim_currency SET currency_code = %s WHERE currency_id = 2", [HOSTILE])
                owner.execute("UPDATE dim_design SET design_name = %s WHERE design_id = 1", [HOSTILE])
            with server.serving(state) as served, window() as opened:
                page = opened.page
                page.goto(served.address)
                pills = page.get_by_test_id("stButtonGroup")
                expect(pills.get_by_text(HOSTILE_SHOWN, exact=True)).to_be_visible()
                expect(page.locator(".tile-label").filter(has_text=f"Revenue in {HOSTILE_SHOWN}")).to_be_visible()
                expect(page.locator(".tile-value").filter(has_text=HOSTILE_SHOWN)).to_be_visible()
                page.locator("[data-test-script-state=notRunning]").wait_for()
                page.get_by_role("combobox", name="Design").click()
                expect(page.get_by_role("option", name=HOSTILE_SHOWN)).to_be_visible()
                page.keyboard.press("Escape")
                wait_until(
                    lambda: HOSTILE_SHOWN in tooltip_of(page, ".st-key-card-sales-revenue_by_design", "design: ![x]")
                )
                assert page.locator("main img, [data-testid=stMain] img").count() == 0
                assert opened.faults == []
        finally:
            connection.execute("DROP DATABASE warehouse WITH (FORCE)")


def tooltip_of(page: Page, card: str, mark: str) -> str:
    """Return the tooltip of the first mark of a card's chart whose label contains `mark`."""
    page.locator(f"{card} svg .role-mark path[aria-label*='{mark}']").first.hover()
    page.wait_for_timeout(200)
    return " ".join(page.locator("#vg-tooltip-element").all_inner_texts())


def test_content_security_policy_blocks_external_content(dashboard):
    """A second protection in case text is interpreted as markup."""
    with window() as opened:
        opened.page.goto(dashboard.served.address)
        expect(opened.page.locator(".state")).to_be_visible()
        opened.page.evaluate("""() => new Promise(done => {
            const image = new Image();
            image.onload = image.onerror = done;
            image.src = "http://127.0.0.1:1/x.png";
        })""")

        assert any("Content Security Policy" in fault for fault in opened.faults)


def test_node_names_cannot_inject_graphviz_syntax():
    """Quotation marks and backslashes in names are escaped."""

    def dot_without_strings(name: str) -> str:
        nodes = (
            PipelineNode(name, "job", name, ActionState.FAILED),
            PipelineNode("b", "trigger", name, ActionState.WAITING),
        )
        drawn = graph.dot(PipelineWorkflow("w", None, nodes, ((name, "b"),)), "p", vertical=False)
        return re.sub(r'"(?:[^"\\]|\\.)*"', "", drawn)

    for name in ('a" [URL="http://evil.example"] "', "a\\", 'a\\" [x=1] \\"', "a\nb", "\u202ea"):
        assert dot_without_strings(name) == dot_without_strings("ingest")


@pytest.mark.parametrize("text", ["![x](http://evil.example/x.png)", ":red[x]", "$x$", "a\\b", "*x* `y` ~z~ <b>"])
def test_pill_labels_are_escaped_markdown(text):
    """Each Markdown character is escaped by a backslash, and nothing else is changed."""
    label = controls._escaped_markdown(text)

    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", label) == text
    assert re.search(r"(?<!\\)(?:\\\\)*[!\[\]()<>*_`$:~]", label) is None
