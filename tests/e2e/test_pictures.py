"""Every view, light and dark, on a desktop and on a phone: for people to look at, and for axe."""

import urllib.request

import pytest
from playwright.sync_api import expect

from tests.conftest import ROOT, need
from tests.e2e.conftest import screenshot
from tests.e2e.test_dashboard import client_of, live, row
from tests.e2e.test_results_view import record

AXE = ROOT / "tests" / "clients" / "node" / "node_modules" / "axe-core" / "axe.min.js"
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
VIEWS = {
    "run": "#/",
    "results": "#/results",
    "participant": "#/participant/7",
    "design": "#/design",
    "study": "#/study",
    "log": "#/log",
}
# When a view is there as a whole.
READY = {
    "run": "[data-testid=participant-12]",
    "results": "[data-testid=latest] tbody tr",
    "participant": "[data-testid=timeline] li.current",
    "design": "figure:last-of-type svg",
    "study": "[data-testid=findings]",
    "log": "[data-testid=log]",
}


@pytest.fixture
def busy(pointing_task):
    """The pointing study in full swing: some are stuck, done, changed, or not there."""
    rest = client_of(pointing_task.url)
    for index in range(2, 25):
        rest.add_participant(index)
        for _ in range(index * 3 % 12 if index % 5 else 0):
            rest.move_to_next(index)
    rest.move_to_block(4, 7)
    for index in range(1, 25):
        for block in range(min(4, index % 7)):
            trials = 7 if index == 13 and block == 2 else 20
            record(pointing_task.url, index, block, trials, unsent=12 if index == 9 else 0)
    request = urllib.request.Request(
        f"{pointing_task.url}/api/config/7",
        data=b'{"movements": 10, "rest_text": "Take the headset off for a moment."}',
        method="PATCH",
    )
    urllib.request.urlopen(request).close()
    return pointing_task


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", SIZES)
def test_every_view_is_looked_at(busy, window, scheme, device):
    source = AXE.read_text("utf-8") if need(str(AXE) if AXE.exists() else None, "axe-core") else ""
    viewport = dict(zip(("width", "height"), SIZES[device], strict=True))
    window.open(f"{busy.url}/app/?participant=7")
    page = window.open(busy.url, color_scheme=scheme, viewport=viewport, reduced_motion="reduce")
    live(page)
    expect(row(page, 7).locator(".presence")).to_have_attribute("aria-label", "connected")
    found = {}
    for name, address in VIEWS.items():
        page.goto(f"{busy.url}/{address}")
        live(page)
        page.locator(READY[name]).first.wait_for()
        if name == "participant":
            page.get_by_text("Where it comes from").click()
            page.get_by_test_id("origins").wait_for()
        overflow = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, f"nothing sticks out sideways in {name}"
        screenshot(page, f"{name}-{device}-{scheme}")
        page.evaluate(source)
        outcome = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
        for violation in outcome["violations"]:
            nodes = [node["html"][:160] for node in violation["nodes"][:3]]
            found[f"{name}: {violation['id']}"] = nodes
    assert found == {}


def test_dialogs_are_looked_at(busy, window):
    page = window.open(busy.url)
    live(page)
    page.keyboard.press("?")
    screenshot(page, "help")
    page.keyboard.press("Escape")
    for index in (2, 3, 4):
        page.get_by_label(f"Select participant {index}", exact=True).click()
    page.get_by_test_id("bulk-next").click()
    expect(page.get_by_test_id("toast")).to_be_visible()
    screenshot(page, "selected")
    page.evaluate(AXE.read_text("utf-8"))
    outcome = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    assert [item["id"] for item in outcome["violations"]] == []
