"""Taking part in the pointing study, from the first page to the last, in a real browser."""

import subprocess

from playwright.sync_api import expect

from experiment_server import Client
from tests.conftest import ROOT
from tests.e2e.conftest import screenshot
from tests.examples.conftest import tables, trials_by_block


def block_is(page, name):
    expect(page.locator("body")).to_have_attribute("data-block", name)


def press_targets(page, movements):
    for _ in range(movements + 1):
        page.get_by_test_id("target").click()


def test_a_participant_takes_part_from_begin_to_end(pointing_task, window):
    host, _, port = pointing_task.url.removeprefix("http://").partition(":")
    rest = Client(host, port)
    order = [config["name"] for config in rest.get_all_configs()[1]]
    page = window.open(f"{pointing_task.url}/app/?participant=1")
    screenshot(page, "pointing-start")
    page.get_by_test_id("begin").click()
    for name in order:
        block_is(page, name)
        config = rest.get_config()[1]
        assert config["name"] == name, "the page shows what the server says"
        if config["kind"] == "text":
            if "consent" in config:
                page.get_by_test_id("consent").check()
        elif config["kind"] == "pointing":
            press_targets(page, config["movements"])
            expect(page.get_by_test_id("mean-time")).to_be_visible()
        else:
            for question in config["questions"]:
                choices = page.get_by_test_id(f"question-{question['id']}").locator(
                    "input[type=radio]"
                )
                if choices.count():
                    choices.first.check()
        screenshot(page, f"pointing-{config['kind']}-{config['block_id']}")
        page.get_by_test_id("continue").click()
    block_is(page, "END")
    expect(page.get_by_test_id("farewell")).to_contain_text("You may close this page")
    screenshot(page, "pointing-end")
    blocks = trials_by_block(pointing_task.url)
    pointing = [name for name in order if name not in ("welcome", "questionnaire", "thanks")]
    assert {name: len(movements) for name, movements in blocks.items()} == {
        name: 8 if name == "practice" else 26 for name in pointing
    }
    for movements in blocks.values():
        assert [movement["movement"] for movement in movements] == [*range(1, len(movements) + 1)]
        assert all(movement["hit"] for movement in movements), "the middle of a target is a hit"
    results = tables(pointing_task.url)
    assert [row["block_name"] for row in results["conditions"]] == pointing
    assert all(row["data"]["errors"] == 0 for row in results["conditions"])
    assert {row["block_name"] for row in results["answers"]} == {"questionnaire"}
    assert "1" in {row["data"]["answer"] for row in results["answers"]}


def test_the_page_follows_when_the_experimenter_moves_the_participant(pointing_task, window):
    host, _, port = pointing_task.url.removeprefix("http://").partition(":")
    rest = Client(host, port)
    page = window.open(f"{pointing_task.url}/app/?participant=1")
    block_is(page, "START")
    rest.move_to_block(2)
    block_is(page, "ring-260-56")
    press_targets(page, 3)
    screenshot(page, "pointing-task")
    page.reload()
    block_is(page, "ring-260-56")
    expect(page.get_by_role("progressbar")).to_have_js_property("value", 3)
    rest.move_to_block(8)
    block_is(page, "questionnaire")
    rest.move_to_block(9)
    page.get_by_test_id("continue").click()
    expect(page.get_by_test_id("farewell")).to_contain_text("You may close this page")
    movements = trials_by_block(pointing_task.url)["ring-260-56"]
    assert [movement["movement"] for movement in movements] == [1, 2, 3], "of a part not finished"


def test_an_unknown_participant_is_told_what_to_do(pointing_task, window):
    page = window.open(f"{pointing_task.url}/app/?participant=77")
    expect(page.get_by_test_id("refusal")).to_contain_text("77")
    page = window.open(f"{pointing_task.url}/app/?participant=P07")
    expect(page.get_by_test_id("refusal")).to_contain_text(
        'a whole number, 1 or more, and not "P07"'
    )


def test_the_measures_of_the_task_are_right(node):
    result = subprocess.run(
        [node, "--test", "examples/pointing-task/test/fitts.test.mjs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    assert "pass 11" in result.stdout
