"""Serves the dashboard on 127.0.0.1: `python -m dashboards PORT`, with the key in TOTELAKE_DASHBOARD_KEY."""

import os
import sys
from pathlib import Path

from starlette.middleware import Middleware
from streamlit.starlette import App

from dashboards import access
from dashboards.access import AccessControl
from local_aws.address import HOST

APP = Path(__file__).with_name("app.py")


def main() -> None:
    """Serve until SIGTERM; these options override the user's configuration of Streamlit."""
    port = int(sys.argv[1])
    key = os.environ["TOTELAKE_DASHBOARD_KEY"]
    app = App(APP, middleware=[Middleware(AccessControl, port, key)])
    app.run(
        config={
            "server.address": HOST,
            "server.port": port,
            "server.headless": True,
            "server.allowedHosts": list(access.HOSTS),
            "server.enableCORS": True,
            "server.enableXsrfProtection": True,
            "server.corsAllowedOrigins": [],
            "server.enableStaticServing": False,
            "server.enableAgentApi": False,
            "browser.serverAddress": HOST,
            "browser.gatherUsageStats": False,
            "global.developmentMode": False,
        }
    )


if __name__ == "__main__":
    main()
