"""Takes the screenshots in docs/images: `python -m ops.cli.dashboard_images`, of a temporary local environment.

With `--state` of one that is running.
"""

import argparse
import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from dashboards import server
from local_aws.state import State
from ops.cli import demonstration, reconciliation
from ops.cli.screen import steps
from ops.deploy import build
from ops.sandbox import lifecycle

FOLDER = build.ROOT / "docs" / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]

_PAGES = ("Sales", "Purchases", "Payments", "Pipeline")
_LAPTOP, _PHONE = (1440, 900), (390, 844)
_COLOURS = 256
_MAX_HEIGHT = 4000
_SETTLING_MILLISECONDS = 3000  # charts are resized after the window


def main() -> None:
    """Take a screenshot of every page in the size of a laptop, and of the first one in the size of a phone."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "--state", type=Path, help="state folder of a running local environment; without it a temporary one"
    )
    folder = parser.parse_args().state
    FOLDER.mkdir(parents=True, exist_ok=True)
    with _sandbox(folder) as state, server.serving(state) as served, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser(), args=ARGUMENTS)
        for name in _PAGES:
            _take(chromium.new_page(), served.address, name, _LAPTOP, FOLDER / f"{name.lower()}.png")
        phone = chromium.new_page(device_scale_factor=2)
        _take(phone, served.address, "Sales", _PHONE, FOLDER / "phone.png", whole=False)
        chromium.close()


def browser() -> str | None:
    """Return the path of an installed browser, or None for Playwright's own."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


@contextmanager
def _sandbox(folder: Path | None) -> Iterator[State]:
    """Yield the local environment in `folder`, or a temporary one: seeded, loaded twice, and reconciled."""
    if folder is not None:
        state = State(folder.resolve())
        lifecycle.require(state)
        yield state
        return
    with tempfile.TemporaryDirectory(prefix="totelake-images-") as temporary:
        state = State(Path(temporary) / "state")
        try:
            demonstration.show(state)
            reconciliation.reconcile(state, lifecycle.require(state))
            yield state
        finally:
            with steps() as step:
                lifecycle.purge(state, step)


def _take(page: Page, address: str, name: str, size: tuple[int, int], file: Path, *, whole: bool = True) -> None:
    """Write a screenshot of a page, of the `whole` page or of the visible part, with few colours to keep it small."""
    width, height = size
    page.set_viewport_size({"width": width, "height": height})
    page.goto(address)
    if name != _PAGES[0]:
        page.get_by_role("link", name=name).click()
    page.get_by_role("heading", name=name, exact=True, level=1).wait_for()
    page.locator("[data-testid=stVegaLiteChart] svg").first.wait_for()
    page.locator("[data-test-script-state=notRunning]").wait_for()
    if whole:
        page_height = page.locator("[data-testid=stMainBlockContainer]").evaluate("it => it.scrollHeight")
        page.set_viewport_size({"width": width, "height": min(page_height, _MAX_HEIGHT)})
    page.wait_for_timeout(_SETTLING_MILLISECONDS)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(_COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    page.close()


if __name__ == "__main__":
    main()
