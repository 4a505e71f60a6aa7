"""Taking part in the flanker study, in a real browser."""

import pytest
from playwright.sync_api import expect

from experiment_server import Client
from tests.conftest import ROOT, need, server_running
from tests.e2e.conftest import screenshot
from tests.examples.conftest import trials_by_block

FLANKER = ROOT / "examples" / "jspsych-flanker"


@pytest.fixture
def server(tmp_path):
    """The study, with fewer trials and a cross for no longer than a moment."""
    built = FLANKER / "app" / "vendor" / "jspsych.js"
    need(str(built) if built.exists() else None, "jsPsych in the flanker example")
    text = (FLANKER / "experiment.toml").read_text(encoding="utf-8")
    text = text.replace("FIXATION = 500", "FIXATION = 1")
    text = text.replace("repeat = 12", "repeat = 2")
    study = tmp_path / "experiment.toml"
    study.write_text(text, encoding="utf-8")
    with server_running(study, "--app", FLANKER / "app") as running:
        yield running


def block_is(page, name):
    expect(page.locator("body")).to_have_attribute("data-block", name)


def respond(page, trials, *, wrongly=False):
    for trial in range(trials):
        arrows = page.locator("[data-arrows]")
        middle = arrows.get_attribute("data-arrows")[2]
        if trial == 0 and trials > 1:
            screenshot(page, "flanker-trial")
        # The next trial has another element, also if it shows the same arrows.
        shown = arrows.element_handle()
        page.keyboard.press("ArrowLeft" if (middle == "<") != wrongly else "ArrowRight")
        shown.wait_for_element_state("hidden")


def test_a_participant_takes_part_from_begin_to_end(server, window):
    host, _, port = server.url.removeprefix("http://").partition(":")
    rest = Client(host, port)
    page = window.open(f"{server.url}/app/?participant=1")
    block_is(page, "welcome")
    screenshot(page, "flanker-welcome")
    page.get_by_role("button", name="Continue").click()
    for name in ("practice", "wide", "narrow"):
        block_is(page, name)
        page.get_by_role("button", name="Begin").click()
        respond(page, 8)
    block_is(page, "thanks")
    page.get_by_role("button", name="Finish").click()
    block_is(page, "END")
    expect(page.locator("main")).to_contain_text("Thank you")
    screenshot(page, "flanker-end")
    assert rest.get_state(1)[1]["block_name"] == "END"
    blocks = trials_by_block(server.url)
    assert {name: len(trials) for name, trials in blocks.items()} == {
        "practice": 8, "wide": 8, "narrow": 8,
    }  # fmt: skip
    trials = blocks["wide"]
    assert [trial["trial"] for trial in trials] == list(range(1, 9))
    assert {trial["correct"] for trial in trials} == {True}
    assert {trial["response"].lower() for trial in trials} == {"arrowleft", "arrowright"}
    assert sum(trial["congruent"] for trial in trials) == 4
    assert all(trial["rt"] > 0 for trial in trials)


def test_the_experimenter_moves_a_participant_in_the_middle_of_a_part(server, window):
    host, _, port = server.url.removeprefix("http://").partition(":")
    rest = Client(host, port)
    page = window.open(f"{server.url}/app/?participant=1")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Begin").click()
    respond(page, 3, wrongly=True)
    rest.move_to_block(3)
    block_is(page, "narrow")
    page.get_by_role("button", name="Begin").click()
    respond(page, 8)
    block_is(page, "thanks")
    page.get_by_role("button", name="Finish").click()
    expect(page.locator("main")).to_contain_text("You may close this window")
    blocks = trials_by_block(server.url)
    assert {name: len(trials) for name, trials in blocks.items()} == {"practice": 3, "narrow": 8}
    assert {trial["correct"] for trial in blocks["practice"]} == {False}


def test_who_may_not_take_part_is_told_so(server, window):
    page = window.open(f"{server.url}/app/?participant=77")
    expect(page.locator("main")).to_contain_text("participant 77")
