"""Serves the dashboard for as long as the command runs."""

import webbrowser

from dashboards import server
from local_aws.state import State
from ops.cli.screen import console
from ops.sandbox.errors import DashboardError


def serve(state: State, port: int | None, *, browser: bool) -> None:
    """Serve the dashboard of a local environment until Ctrl-C; raise `DashboardError` when its process ends."""
    with server.serving(state, port) as served:
        console.print(f"The dashboard is at {served.address} (Ctrl-C stops it)", soft_wrap=True)
        if browser:
            webbrowser.open(served.page.as_uri())
        status = served.process.wait()
    raise DashboardError(f"The dashboard ended with exit status {status}; see {state.logs / 'dashboard.log'}")
