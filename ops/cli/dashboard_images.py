"""Pictures of the dashboard for the documents: `python -m ops.cli.dashboard_images` makes a world and removes it.

With `--state` they are taken of a world that is up.
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
_HIGHEST = 4000
_SETTLING_MILLISECONDS = 3000  # charts take their new width after the window has


def main() -> None:
    """Take every page as a laptop shows it, and the first one as a phone does."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--state", type=Path, help="the folder of a world that is up; without it one is made")
    given = parser.parse_args().state
    FOLDER.mkdir(parents=True, exist_ok=True)
    with _world(given) as state, server.serving(state) as served, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser(), args=ARGUMENTS)
        for name in _PAGES:
            _take(chromium.new_page(), served.address, name, _LAPTOP, FOLDER / f"{name.lower()}.png")
        phone = chromium.new_page(device_scale_factor=2)
        _take(phone, served.address, "Sales", _PHONE, FOLDER / "phone.png", whole=False)
        chromium.close()


def browser() -> str | None:
    """Return the path of a browser that is installed, None for Playwright's own."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


@contextmanager
def _world(folder: Path | None) -> Iterator[State]:
    """Give the world in `folder`, or one that is made for the block: seeded, loaded twice, and reconciled."""
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
    """Write a picture of a page, the `whole` of it or what fits on the screen, in few enough colours to be small."""
    width, height = size
    page.set_viewport_size({"width": width, "height": height})
    page.goto(address)
    if name != _PAGES[0]:
        page.get_by_role("link", name=name).click()
    page.get_by_role("heading", name=name, exact=True, level=1).wait_for()
    page.locator("[data-testid=stVegaLiteChart] svg").first.wait_for()
    page.locator("[data-test-script-state=notRunning]").wait_for()
    if whole:
        all_of_it = page.locator("[data-testid=stMainBlockContainer]").evaluate("it => it.scrollHeight")
        page.set_viewport_size({"width": width, "height": min(all_of_it, _HIGHEST)})
    page.wait_for_timeout(_SETTLING_MILLISECONDS)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(_COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    page.close()


if __name__ == "__main__":
    main()
