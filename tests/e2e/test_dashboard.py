"""The dashboard in a real browser: what it shows, how it steers, and that it needs no reload."""

import re
import urllib.request

import pytest
from playwright.sync_api import expect

from experiment_server import Client
from tests.conftest import SMALL_STUDY, server_running
from tests.e2e.conftest import screenshot


def client_of(url):
    host, _, port = url.removeprefix("http://").partition(":")
    return Client(host, port)


@pytest.fixture
def server(study_file):
    with server_running(study_file) as running:
        yield running


def row(page, index):
    return page.get_by_test_id(f"participant-{index}")


def name_of(page, index):
    return row(page, index).get_by_test_id("block-name")


def live(page):
    expect(page.get_by_test_id("connection")).to_have_text("live")


def test_the_page_is_right_before_the_socket_opens(server, browser):
    client_of(server.url).move_to_block(2)
    page = browser.new_context(java_script_enabled=True).new_page()
    page.route("**/socket.io/**", lambda route: route.abort())
    page.goto(server.url)
    expect(name_of(page, 1)).to_have_text("B")
    page.context.close()


def test_a_participant_is_moved_from_the_dashboard(server, window):
    page = window.open(server.url)
    live(page)
    row(page, 1).get_by_test_id("next").click()
    expect(name_of(page, 1)).to_have_text("Hello")
    row(page, 1).get_by_test_id("next").click()
    expect(name_of(page, 1)).to_have_text("A")
    row(page, 1).get_by_test_id("back").click()
    expect(name_of(page, 1)).to_have_text("Hello")
    row(page, 1).get_by_test_id("go-to").select_option("4")
    expect(name_of(page, 1)).to_have_text("D")
    row(page, 1).get_by_test_id("next").click()
    expect(name_of(page, 1)).to_have_text("END")
    expect(row(page, 1).get_by_test_id("next")).to_be_disabled()
    expect(page.get_by_test_id("toast")).to_contain_text("Participant 1 is in END.")
    assert client_of(server.url).get_state()[1]["block_name"] == "END"


def test_a_double_click_on_next_moves_once_per_answer(server, window):
    page = window.open(server.url)
    live(page)
    page.evaluate(
        "() => { const b = document.querySelector('[data-testid=next]'); b.click(); b.click(); }"
    )
    expect(page.get_by_test_id("toast")).to_contain_text("Participant 1 is in Hello.")
    assert client_of(server.url).get_state()[1]["revision"] == 1


def test_two_dashboards_see_each_others_moves_and_those_of_programs(server, window):
    pages = [window.open(server.url), window.open(f"{server.url}/index")]
    for page in pages:
        live(page)
    pages[0].get_by_test_id("new-participant").click()
    expect(name_of(pages[1], 2)).to_have_text("START")
    row(pages[1], 2).get_by_test_id("next").click()
    expect(name_of(pages[0], 2)).to_have_text("Hello")
    client_of(server.url).move_to_block(3, 2)
    for page in pages:
        expect(name_of(page, 2)).to_have_text("A")


def test_participants_are_added_by_number_and_refusals_are_shown(server, window):
    page = window.open(server.url)
    live(page)
    page.get_by_test_id("participant-number").fill("40")
    page.get_by_test_id("participant-number").press("Enter")
    expect(row(page, 40)).to_be_visible()
    page.get_by_test_id("participant-number").fill("40")
    page.get_by_test_id("participant-number").press("Enter")
    expect(page.get_by_text("participant 40 exists already")).to_be_visible()
    expect(page.get_by_test_id("total-participants")).to_have_text("2")


def test_moving_all_asks_once_and_names_how_many_it_moves(server, window):
    rest = client_of(server.url)
    for index in (2, 3):
        rest.add_participant(index)
    for index in (1, 2):
        rest.move_to_next(index)
    page = window.open(server.url)
    live(page)
    page.get_by_test_id("move-all").click()
    page.get_by_test_id("move-all-block").select_option("3")
    expect(page.get_by_test_id("move-all-confirm")).to_have_text("Move 2 participants")
    screenshot(page, "dashboard-move-all")
    page.keyboard.press("Escape")
    assert rest.get_state(1)[1]["block_id"] == 0, "nothing moves before it is confirmed"
    page.get_by_test_id("move-all").click()
    page.get_by_test_id("move-all-block").select_option("3")
    page.get_by_test_id("move-all-confirm").click()
    expect(name_of(page, 1)).to_have_text("C")
    expect(name_of(page, 2)).to_have_text("A")
    expect(name_of(page, 3)).to_have_text("START")


def test_presence_follows_a_participants_app(pointing_task, window):
    page = window.open(pointing_task.url)
    live(page)
    presence = row(page, 1).locator(".presence")
    expect(presence).to_have_attribute("aria-label", "not connected")
    app = window.open(f"{pointing_task.url}/app/?participant=1")
    expect(presence).to_have_attribute("aria-label", "connected")
    row(page, 1).get_by_test_id("next").click()
    expect(app.locator("body")).to_have_attribute("data-block", "welcome")
    app.get_by_test_id("consent").check()
    app.get_by_test_id("continue").click()
    expect(name_of(page, 1)).to_have_text("practice")
    app.close()
    expect(presence).to_have_attribute("aria-label", "not connected")


def test_a_broken_study_is_reported_on_the_open_page(server, window, study_file):
    page = window.open(server.url)
    live(page)
    good = study_file.read_text(encoding="utf-8")
    study_file.write_text(good.replace('"D"]', '"Dee"]'), encoding="utf-8")
    banner = page.get_by_test_id("study-errors")
    expect(banner).to_contain_text('names the unknown block "Dee"')
    row(page, 1).get_by_test_id("next").click()
    expect(name_of(page, 1)).to_have_text("Hello")
    screenshot(page, "dashboard-broken-study")
    study_file.write_text(good.replace('"Hello"', '"Hi"'), encoding="utf-8")
    expect(banner).to_be_hidden()
    expect(name_of(page, 1)).to_have_text("Hi")


def test_a_restarted_server_is_found_again_without_a_reload(study_file, browser):
    page = browser.new_context().new_page()
    with server_running(study_file) as server:
        port = server.url.rpartition(":")[2]
        page.goto(server.url)
        live(page)
        row(page, 1).get_by_test_id("next").click()
        expect(name_of(page, 1)).to_have_text("Hello")
    expect(page.get_by_role("alert")).to_contain_text("server was stopped")
    screenshot(page, "dashboard-stopped")
    with server_running(study_file, "--port", port):
        live(page)
        expect(page.get_by_role("alert")).to_have_count(0)
        row(page, 1).get_by_test_id("next").click()
        expect(name_of(page, 1)).to_have_text("A")
    page.context.close()


def test_text_from_the_study_is_never_html(tmp_path, window):
    nasty = '</script><img src=x onerror=\\"document.title=1\\">'
    study = tmp_path / "nasty.toml"
    study.write_text(f'[[blocks]]\nname = "{nasty}"\nconfig = {{}}\n', encoding="utf-8")
    with server_running(study) as server:
        client_of(server.url).move_to_next()
        page = window.open(server.url)
        live(page)
        expect(name_of(page, 1)).to_have_text(nasty.replace("\\", ""))
        assert page.title() == "nasty.toml - experiment-server"


def test_nothing_is_asked_for_again_and_again(server, window):
    page = window.open(server.url)
    live(page)
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    row(page, 1).get_by_test_id("next").click()
    expect(name_of(page, 1)).to_have_text("Hello")
    # The clock ticks in the page; three of its seconds pass without a request.
    expect(row(page, 1).locator("time")).to_have_text(re.compile("0:0[3-9]"))
    assert requests == []


def test_a_thousand_participants_are_shown_and_one_is_moved(study_file, window):
    with server_running(study_file, "--database", ":memory:") as server:
        rest = client_of(server.url)
        rest.add_participant(1000)
        for index in range(2, 1000):
            rest.add_participant(index)
        page = window.open(server.url)
        live(page)
        expect(page.get_by_test_id("total-participants")).to_have_text("1000")
        rest.move_to_block(4, 777)
        expect(row(page, 777)).to_have_count(0), "what cannot be seen is not there"
        page.get_by_test_id("filter").fill("777")
        expect(name_of(page, 777)).to_have_text("D")
        expect(page.get_by_test_id("shown")).to_have_text("1 of 1000")
        page.get_by_test_id("filter").fill("")
        page.evaluate("() => scrollTo(0, document.documentElement.scrollHeight)")
        expect(row(page, 1000)).to_be_in_viewport()
        row(page, 1000).get_by_test_id("next").click()
        expect(name_of(page, 1000)).to_have_text("Hello")


def test_a_new_version_says_who_is_concerned_and_who_differs_is_marked(study_file, window):
    with server_running(study_file, "--on-change", "unstarted") as server:
        ours = client_of(server.url)
        ours.add_participant(2)
        ours.move_to_block(1, 2)
        request = urllib.request.Request(
            f"{server.url}/api/config/2", data=b'{"speed": 5}', method="PATCH"
        )
        urllib.request.urlopen(request).close()
        page = window.open(server.url)
        live(page)
        expect(row(page, 2)).to_contain_text("changed config")
        expect(row(page, 1)).not_to_contain_text("changed config")
        study_file.write_text(
            SMALL_STUDY.replace('order = [["A", "B"], ["C", "D"]]', 'order = [["A"]]'),
            encoding="utf-8",
        )
        expect(page.get_by_role("status").filter(has_text="Version 2")).to_contain_text(
            "Other blocks for participant 1. Keeping their version: participant 2."
        )
        expect(row(page, 2)).to_contain_text("earlier version")
        expect(page.get_by_text("version 2 ·")).to_be_visible()
        screenshot(page, "new-version")
