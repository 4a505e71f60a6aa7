"""A person chooses targets in all three ways, in a real browser, from begin to end."""

import csv
import shutil

import pytest
from playwright.sync_api import expect

from experiment_server.study.expand import block_order
from experiment_server.study.parse import parse
from tests.conftest import ROOT, server_running
from tests.e2e.conftest import screenshot

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


def test_somebody_takes_part_from_begin_to_end(server, window, tmp_path):
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
    files = sorted((tmp_path / "experiment-data" / "main" / "P001").iterdir())
    assert len(files) == 12
    with next(path for path in files if "choose-cross-small" in path.name).open() as file:
        rows = list(csv.DictReader(file))
    assert [row["target"] for row in rows] == [str(number) for number in range(1, 9)]
    assert all(int(row["ms"]) > 0 for row in rows)
