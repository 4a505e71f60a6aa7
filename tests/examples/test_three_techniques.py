"""A person chooses targets in all three ways, in a real browser, from begin to end."""

import shutil

import pytest
from playwright.sync_api import expect

from experiment_server.study.expand import block_order
from experiment_server.study.parse import parse
from tests.conftest import ROOT, server_running
from tests.e2e.conftest import screenshot
from tests.examples.conftest import tables, trials_by_block

EXAMPLE = ROOT / "examples" / "three-techniques"


@pytest.fixture
def server(tmp_path):
    study = tmp_path / "experiment.toml"
    shutil.copy(EXAMPLE / "experiment.toml", study)
    with server_running(study, "--app", EXAMPLE / "app") as running:
        yield running


def tap(page, x, y, _radius):
    page.mouse.click(x, y)


def cross(page, x, y, radius):
    page.mouse.move(x - radius - 8, y)
    page.mouse.down()
    page.mouse.move(x, y)
    page.mouse.move(x + radius + 8, y)
    page.mouse.up()


def rest(page, x, y, _radius):
    page.mouse.move(x, y)


def choose(page, technique, targets):
    for number in range(targets):
        target = page.get_by_test_id("target")
        box = target.bounding_box()
        place = page.evaluate("() => document.querySelector('.target').style.cssText")
        if number == 1 and technique == "cross":
            screenshot(page, "three-techniques")
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        {"tap": tap, "cross": cross, "rest": rest}[technique](page, x, y, box["width"] / 2)
        page.wait_for_function(
            "before => document.querySelector('.target')?.style.cssText !== before", arg=place
        )


def test_somebody_takes_part_from_begin_to_end(server, window):
    page = window.open(f"{server.url}/app/?participant=1")
    study = parse((EXAMPLE / "experiment.toml").read_text(encoding="utf-8")).require()
    body = page.locator("body")
    for name in block_order(study, 1):
        expect(body).to_have_attribute("data-block", name)
        kind, _, rest_of_name = name.partition("-")
        if kind in ("practice", "choose"):
            choose(page, rest_of_name.partition("-")[0], 4 if kind == "practice" else 8)
        elif kind == "questions":
            for question in page.locator("fieldset").all():
                question.get_by_label("5").check()
            page.get_by_role("button", name="Continue").click()
        else:
            page.get_by_role("button", name="Continue").click()
    expect(body).to_have_attribute("data-block", "END")
    expect(page.locator("main")).to_contain_text("You can close this page")
    trials = trials_by_block(server.url)
    assert {name: len(rows) for name, rows in trials.items()} == {
        name: 4 if name.startswith("practice") else 8
        for name in block_order(study, 1)
        if name.startswith(("practice", "choose"))
    }
    rows = trials["choose-cross-small"]
    assert [row["target"] for row in rows] == list(range(1, 9))
    assert all(row["ms"] > 0 and row["misses"] == 0 for row in rows)
    answers = tables(server.url)["answers"]
    assert [row["data"] for row in answers] == [
        {"question": question, "answer": 5} for question in ("easy", "again")
    ] * 3
