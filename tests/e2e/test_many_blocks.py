"""A study with more blocks than there are colours: no two of them look alike, in files neither."""

import xml.etree.ElementTree as ET

import pytest
from playwright.sync_api import expect

from tests.conftest import server_running
from tests.e2e.conftest import screenshot
from tests.e2e.test_dashboard import live

SVG = "{http://www.w3.org/2000/svg}"
BLOCKS = 40


@pytest.fixture
def study(tmp_path):
    """A server with a study of forty blocks in a row."""
    path = tmp_path / "forty.toml"
    blocks = (f'[[blocks]]\nname = "{at}"\nconfig = {{}}\n' for at in range(1, BLOCKS + 1))
    path.write_text("".join(blocks), encoding="utf-8")
    with server_running(path) as server:
        yield server


def fills(picture):
    """What each block's cell of the first participant is filled with; a pattern as it is drawn."""
    patterns = {}
    for made in picture.iter(f"{SVG}pattern"):
        drawn = [ET.tostring(part, encoding="unicode") for part in made]
        patterns[f"url(#{made.get('id')})"] = made.get("patternTransform") + "".join(drawn)
    cells = picture.find(f".//{SVG}g[@aria-label='cell']")
    found = [cell.get("fill") for cell in cells.iter(f"{SVG}rect")][:BLOCKS]
    return [patterns[fill] if fill.startswith("url") else fill for fill in found]


def test_no_two_blocks_look_alike(study, window):
    page = window.open(f"{study.url}/#/design")
    live(page)
    expect(page.get_by_test_id("orders-svg")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_test_id("orders-svg").click()
    saved = fills(ET.parse(download.value.path()).getroot())
    assert len(saved) == len(set(saved)) == BLOCKS
    screenshot(page, "forty-blocks")

    # The page's cells refer to patterns that are there, and lists paint blocks likewise.
    missing = page.evaluate(
        """() => [...document.querySelectorAll("[fill^='url(#']")]
            .filter((cell) => !document.getElementById(cell.getAttribute("fill").slice(5, -1)))
            .length"""
    )
    assert missing == 0
    page.goto(f"{study.url}/#/")
    page.get_by_test_id("participant-1").wait_for()
    painted = page.locator("[data-testid=participant-1] .strip .block").evaluate_all(
        """(all) => all.map((one) => getComputedStyle(one))
            .map((style) => style.backgroundColor + style.backgroundImage)"""
    )
    assert len(painted) == len(set(painted)) == BLOCKS
