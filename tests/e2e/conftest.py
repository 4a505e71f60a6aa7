"""A real browser on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.conftest import ROOT, ServerProcess, server_running

POINTING_TASK = ROOT / "examples" / "pointing-task"
SCREENSHOTS = Path(__file__).parent / "screenshots"

FLAGS = ("--no-sandbox", "--disable-quic", "--disable-background-networking")


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """The system's Chromium, without a window.

    Kept no longer than a module: while it is open, its event loop counts as running in this
    thread, and no test with a loop of its own could run.
    """
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield opened
        opened.close()


class Window:
    """Opens pages, and fails the test if one of them reports an error."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.errors: list[str] = []

    def open(self, url: str, **options: Any) -> Page:
        """A page at an address, in a browser profile of its own."""
        page = self._browser.new_context(**options).new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._note)
        page.goto(url)
        return page

    def _note(self, message: ConsoleMessage) -> None:
        # A page whose server has stopped, as some tests have it, looks for it again.
        if message.type == "error" and "ERR_CONNECTION_REFUSED" not in message.text:
            self.errors.append(message.text)


@pytest.fixture
def window(browser: Browser) -> Iterator[Window]:
    """Opens pages: `window.open(url, color_scheme="dark")`."""
    opened = Window(browser)
    yield opened
    for context in browser.contexts:
        context.close()
    assert opened.errors == []


@pytest.fixture
def pointing_task(tmp_path: Path) -> Iterator[ServerProcess]:
    """The example study with its app, as `make demo` serves it."""
    study = tmp_path / "experiment.toml"
    study.write_bytes((POINTING_TASK / "experiment.toml").read_bytes())
    with server_running(study, "--app", POINTING_TASK / "app") as server:
        yield server


def screenshot(page: Page, name: str) -> None:
    """Keep a picture of a page for people to look at."""
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")
