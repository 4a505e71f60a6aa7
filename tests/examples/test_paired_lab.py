"""A pair takes part, each in a browser of their own, both moved from the dashboard."""

import re
import shutil

import pytest
from playwright.sync_api import expect

from experiment_server import Client
from tests.conftest import ROOT, server_running
from tests.e2e.conftest import screenshot
from tests.examples.conftest import tables, trials_by_block

PAIRED = ROOT / "examples" / "paired-lab"


@pytest.fixture
def server(tmp_path):
    study = tmp_path / "experiment.toml"
    shutil.copy(PAIRED / "experiment.toml", study)
    with server_running(study, "--app", PAIRED / "app") as running:
        host, _, port = running.url.removeprefix("http://").partition(":")
        Client(host, port).add_participant(2)
        yield running


def test_a_pair_takes_part_from_begin_to_end(server, window):
    guide = window.open(f"{server.url}/app/?participant=1")
    follower = window.open(f"{server.url}/app/?participant=2")
    dashboard = window.open(server.url)
    for index in (1, 2):
        dashboard.get_by_label(f"Select participant {index}", exact=True).click()

    def both_are_in(name):
        for page in (guide, follower):
            expect(page.locator("body")).to_have_attribute("data-block", name)

    both_are_in("START")
    expect(follower.locator("main")).to_contain_text("Please wait")
    for name in ("welcome", "harbour", "forest", "town", "questions"):
        dashboard.get_by_test_id("bulk-next").click()
        both_are_in(name)
        if name in ("welcome", "questions"):
            continue
        expect(guide.locator("polyline.way")).to_have_count(1)
        field = follower.locator("svg")
        for x, y in ((300, 100), (400, 300), (500, 200)):
            field.click(position={"x": x, "y": y})
        if name == "harbour":
            screenshot(guide, "paired-guide")
            follower.reload()
            expect(follower.get_by_test_id("drawn")).to_have_attribute("points", points(4))
        follower.get_by_role("button", name="Take back").click()
        expect(follower.get_by_test_id("drawn")).to_have_attribute("points", points(3))
        screenshot(follower, f"paired-{name}")
    dashboard.get_by_test_id("bulk-next").click()
    both_are_in("END")
    expect(follower.locator("main")).to_contain_text("That was all")
    assert tables(server.url, 1) == {"trials": []}, "the guide draws nothing"
    blocks = trials_by_block(server.url, 2)
    assert list(blocks) == ["harbour", "forest", "town"]
    for changes in blocks.values():
        assert [(change["action"], change["point"]) for change in changes] == [
            ("draw", 1), ("draw", 2), ("draw", 3), ("take back", 3),
        ]  # fmt: skip
        assert all(0 < change[axis] < 100 for change in changes[:3] for axis in "xy")


def points(count):
    """So many points of a line, as SVG has them."""
    return re.compile(rf"^\S+( \S+){{{count - 1}}}$")
