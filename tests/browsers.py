"""A browser for the tests: the installed one, with a page that records errors and external requests."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import ConsoleMessage, Locator, Page, Request, expect, sync_playwright

from ops.cli import dashboard_images

_TIMEOUT_SECONDS = 120
_LOCAL_URLS = ("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")


@dataclass
class Window:
    """A page of a browser; `faults` are its errors, those of its console, and requests to other machines."""

    page: Page
    faults: list[str] = field(default_factory=list)

    def record_console_error(self, message: ConsoleMessage) -> None:
        """Record an error of the console in `faults`."""
        if message.type == "error":
            self.faults.append(f"console: {message.text}")

    def record_external_request(self, request: Request) -> None:
        """Record a request to another machine in `faults`."""
        if not request.url.startswith(_LOCAL_URLS):
            self.faults.append(f"request: {request.url}")


@contextmanager
def window(*arguments: str) -> Iterator[Window]:
    """Open a browser with an empty page, as wide as a laptop; `arguments` are added to the default ones."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=dashboard_images.browser(), args=[*dashboard_images.ARGUMENTS, *arguments]
        )
        opened = Window(browser.new_page(viewport={"width": 1440, "height": 900}))
        opened.page.set_default_timeout(_TIMEOUT_SECONDS * 1000)
        expect.set_options(timeout=_TIMEOUT_SECONDS * 1000)
        opened.page.on("console", opened.record_console_error)
        opened.page.on("pageerror", lambda error: opened.faults.append(f"page: {error}"))
        opened.page.on("request", opened.record_external_request)
        yield opened
        browser.close()


def chart_values(card: Locator, name: str) -> set[str]:
    """Return the values of the field `name`, such as Revenue, in the labels of a card's chart marks."""
    labels = card.locator("svg [aria-label]").evaluate_all("marks => marks.map(mark => mark.ariaLabel)")
    return {value for label in labels for value in re.findall(rf"(?:^|; ){name}: ([^;]*)", label)}
