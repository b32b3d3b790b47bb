"""A browser for the tests: one that is installed, with a page that notes what it should not do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import ConsoleMessage, Locator, Page, Request, expect, sync_playwright

from ops.cli import dashboard_images

_PATIENCE_SECONDS = 120
_AT_HOME = ("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")


@dataclass
class Window:
    """A page of a browser; `faults` are errors on it and in its console, and requests that left this machine."""

    page: Page
    faults: list[str] = field(default_factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        """Note an error in the console."""
        if message.type == "error":
            self.faults.append(f"console: {message.text}")

    def watch(self, request: Request) -> None:
        """Note a request to anywhere else."""
        if not request.url.startswith(_AT_HOME):
            self.faults.append(f"request: {request.url}")


@contextmanager
def window(*arguments: str) -> Iterator[Window]:
    """Open a browser, with these `arguments` besides the usual ones, and an empty page, as wide as a laptop."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=dashboard_images.browser(), args=[*dashboard_images.ARGUMENTS, *arguments]
        )
        opened = Window(browser.new_page(viewport={"width": 1440, "height": 900}))
        opened.page.set_default_timeout(_PATIENCE_SECONDS * 1000)
        expect.set_options(timeout=_PATIENCE_SECONDS * 1000)
        opened.page.on("console", opened.hear)
        opened.page.on("pageerror", lambda error: opened.faults.append(f"page: {error}"))
        opened.page.on("request", opened.watch)
        yield opened
        browser.close()


def said_by(card: Locator, what: str) -> set[str]:
    """Return what the marks of a card's charts say under the name `what`, such as Revenue."""
    labels = card.locator("svg [aria-label]").evaluate_all("marks => marks.map(mark => mark.ariaLabel)")
    return {said for label in labels for said in re.findall(rf"(?:^|; ){what}: ([^;]*)", label)}
