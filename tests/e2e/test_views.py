"""Each view's main act, in a real browser against a real server."""

import csv
import gzip
import io
import json
import re
import urllib.request
import xml.etree.ElementTree as ET

import pytest
from playwright.sync_api import expect

from tests.conftest import SMALL_STUDY, server_running
from tests.e2e.test_dashboard import client_of, live, name_of, row, server  # noqa: F401


@pytest.fixture
def study(server):  # noqa: F811
    """A server with four participants: 1 at the start, 2 to 4 in blocks."""
    rest = client_of(server.url)
    for index in (2, 3, 4):
        rest.add_participant(index)
        rest.move_to_block(index - 1, index)
    return server


def opened(window, study, path="", **options):
    page = window.open(f"{study.url}/{path}", **options)
    live(page)
    return page


# Run


def test_a_move_can_be_taken_back_for_ten_seconds(study, window):
    page = opened(window, study)
    row(page, 2).get_by_test_id("next").click()
    expect(name_of(page, 2)).to_have_text("D")
    expect(page.get_by_test_id("toast")).to_contain_text("Participant 2 is in D.")
    page.get_by_test_id("undo").click()
    expect(name_of(page, 2)).to_have_text("C")
    expect(page.get_by_test_id("toast")).to_have_count(0)
    expect(page.get_by_text("Taken back for participant 2.")).to_be_visible()


def test_a_move_is_shown_before_the_answer_and_goes_back_when_it_is_refused(study, window):
    page = opened(window, study)
    # Somebody else is faster, and this page does not hear of it before it asks.
    held = []
    page.route_web_socket("**/socket.io/**", lambda ws: hold(ws, held))
    page.reload()
    live(page)
    held.append("participants-changed")
    client_of(study.url).move_to_block(4, 2)
    row(page, 2).get_by_test_id("next").click()
    expect(page.get_by_text("participant 2 is at block 4")).to_be_visible()
    expect(name_of(page, 2)).to_have_text("B")
    assert client_of(study.url).get_state(2)[1]["block_id"] == 4, "not moved from another place"


def hold(ws, held):
    """A connection on which some pushes are lost."""
    server_side = ws.connect_to_server()
    server_side.on_message(
        lambda message: None if any(name in message for name in held) else ws.send(message)
    )


def test_many_are_selected_and_moved_together_and_back(study, window):
    page = opened(window, study)
    row(page, 2).get_by_label("Select participant 2").click()
    row(page, 4).get_by_label("Select participant 4").click(modifiers=["Shift"])
    expect(page.get_by_test_id("bulk")).to_contain_text("3 selected")
    page.get_by_test_id("bulk-next").click()
    for index, name in ((2, "D"), (3, "C"), (4, "B")):
        expect(name_of(page, index)).to_have_text(name)
    expect(page.get_by_test_id("toast")).to_contain_text("3 participants were moved.")
    page.get_by_test_id("undo").click()
    expect(name_of(page, 3)).to_have_text("B")
    page.get_by_test_id("bulk-go-to").select_option("0")
    for index in (2, 3, 4):
        expect(name_of(page, index)).to_have_text("Hello")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("bulk")).to_have_count(0)


def test_the_list_is_filtered_and_sorted(study, window):
    page = opened(window, study)
    page.get_by_test_id("quick-waiting").click()
    expect(page.locator("[data-testid^=participant-]")).to_have_count(1 + 1)  # and the field
    expect(row(page, 1)).to_be_visible()
    page.get_by_test_id("quick-all").click()
    page.get_by_test_id("filter").fill("b")
    expect(row(page, 3)).to_be_visible()
    expect(page.get_by_test_id("shown")).to_have_text("1 of 4")
    client_of(study.url).move_to_next(3)
    expect(page.get_by_text("No participant matches the filters.")).to_be_visible()
    page.get_by_role("button", name="Clear filters").click()
    page.get_by_test_id("sort").select_option("progress")
    expect(page.locator("tbody th a").first).to_have_text("3")


def test_everything_goes_from_the_keyboard(study, window):
    page = opened(window, study)
    for key in "jj":
        page.keyboard.press(key)
    expect(row(page, 2)).to_have_class("away cursor")
    page.keyboard.press("n")
    expect(name_of(page, 2)).to_have_text("D")
    page.keyboard.press("u")
    expect(name_of(page, 2)).to_have_text("C")
    page.keyboard.press("x")
    expect(page.get_by_test_id("bulk")).to_contain_text("1 selected")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.get_by_test_id("filter")).to_be_focused()
    page.keyboard.type("n")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("filter")).to_have_value("")
    page.keyboard.press("?")
    expect(page.get_by_test_id("help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("help")).to_be_hidden()
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("drawer").get_by_role("heading", level=2)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("drawer")).to_have_count(0)


def test_many_are_added_at_once(study, window):
    page = opened(window, study)
    field = page.get_by_test_id("participant-number")
    for typed, count in (("20-24", "9"), ("+3", "12")):
        field.fill(typed)
        field.press("Enter")
        expect(page.get_by_test_id("total-participants")).to_have_text(count)
    expect(row(page, 27)).to_be_visible()
    field.fill("5-3")
    field.press("Enter")
    expect(page.get_by_text("3 is smaller than 5.")).to_be_visible()


def test_the_server_is_stopped_after_asking_once(study, window):
    page = opened(window, study)
    page.get_by_test_id("shutdown").click()
    expect(page.get_by_text("0 participants' apps are connected.")).to_be_visible()
    page.keyboard.press("Escape")
    assert client_of(study.url).get_state(1)[0], "nothing stops before it is confirmed"
    page.get_by_test_id("shutdown").click()
    page.get_by_test_id("confirm").click()
    expect(page.get_by_test_id("connection")).to_have_text("server stopped")
    assert study.process.wait(10) == 0


def test_the_first_page_is_small_and_the_rest_comes_with_its_view(study, window):
    loaded = {}
    page = opened(window, study, "#/log")
    page.on("response", lambda response: loaded.update({response.url: response}))

    def scripts():
        return {url: gzip.compress(loaded[url].body()) for url in loaded if url.endswith(".js")}

    page.goto("about:blank")
    page.goto(study.url)
    live(page)
    first = scripts()
    assert sum(map(len, first.values())) < 60_000
    page.get_by_test_id("view-design").click()
    page.locator("figure svg").first.wait_for()
    page.get_by_test_id("view-study").click()
    page.locator(".cm-content").wait_for()
    assert sum(map(len, scripts().values())) > 60_000
    assert len(scripts()) >= len(first) + 2


# Participant


def test_a_participants_config_is_changed_and_reset(study, window):
    page = opened(window, study, "#/participant/2")
    drawer = page.get_by_test_id("drawer")
    drawer.get_by_test_id("config-speed").click()
    drawer.get_by_test_id("config-input").fill("fast")
    drawer.get_by_test_id("config-save").click()
    expect(drawer.get_by_role("alert")).to_contain_text("written like 3")
    drawer.get_by_test_id("config-input").fill("9")
    drawer.get_by_test_id("config-input").press("Enter")
    expect(drawer.get_by_test_id("config-speed")).to_have_text("9")
    expect(drawer.get_by_text("in the study file:")).to_contain_text("3")
    expect(row(page, 2)).to_contain_text("changed config")
    assert client_of(study.url).get_config(2)[1]["speed"] == 9
    drawer.get_by_test_id("reset").click()
    expect(page.get_by_test_id("confirm")).to_have_text("Reset 1 participant")
    page.get_by_test_id("confirm").click()
    expect(drawer.get_by_test_id("config-speed")).to_have_text("3")
    expect(row(page, 2)).not_to_contain_text("changed config")


def test_a_change_of_one_value_is_taken_back(study, window):
    request = urllib.request.Request(
        f"{study.url}/api/config/2", data=b'{"speed": 5}', method="PATCH"
    )
    urllib.request.urlopen(request).close()
    page = opened(window, study, "#/participant/2")
    drawer = page.get_by_test_id("drawer")
    expect(drawer.get_by_test_id("config-speed")).to_have_text("5")
    drawer.get_by_role("button", name="Reset speed to the study file's value").click()
    expect(drawer.get_by_test_id("config-speed")).to_have_text("3")
    expect(row(page, 2)).not_to_contain_text("changed config")


def test_the_drawer_follows_its_participant(study, window):
    page = opened(window, study)
    row(page, 3).get_by_test_id("open").click()
    drawer = page.get_by_test_id("drawer")
    expect(drawer.get_by_test_id("drawer-block")).to_have_text("B")
    expect(drawer.get_by_test_id("timeline").locator("li.current")).to_contain_text("B")
    client_of(study.url).move_to_next(3)
    expect(drawer.get_by_test_id("drawer-block")).to_have_text("C")
    expect(drawer.get_by_test_id("timeline").locator("li.current")).to_contain_text("C")
    expect(drawer.get_by_test_id("timeline").locator("li").first).to_contain_text("B")
    drawer.get_by_test_id("drawer-undo").click()
    expect(drawer.get_by_test_id("drawer-block")).to_have_text("B")
    drawer.get_by_test_id("close").click()
    expect(drawer).to_have_count(0)
    page.goto(f"{study.url}/#/participant/99")
    expect(page.get_by_test_id("drawer")).to_contain_text("There is no participant 99.")


def test_the_link_in_the_drawer_lets_an_app_in(pointing_task, window):
    page = opened(window, pointing_task, "#/participant/1")
    page.get_by_text("Connect an app").click()
    link = page.get_by_test_id("connect-link")
    expect(page.get_by_label("The link as a QR code")).to_be_visible()
    app = window.open(link.get_attribute("href"))
    expect(row(page, 1).locator(".presence")).to_have_attribute("aria-label", "connected")
    page.get_by_test_id("drawer").get_by_test_id("next").click()
    expect(app.locator("body")).to_have_attribute("data-block", "welcome")


# Design


def test_the_design_is_shown_and_saved(study, window):
    page = opened(window, study, "#/design")
    expect(page.get_by_test_id("design-sentence")).to_contain_text("2 participants: not balanced")
    page.get_by_test_id("design-participants").fill("8")
    page.get_by_test_id("design-participants").press("Tab")
    expect(page.get_by_test_id("design-sentence")).to_contain_text("8 participants")
    expect(page.get_by_role("img", name="Position")).to_contain_text("4")
    with page.expect_download() as download:
        page.get_by_test_id("orders-svg").click()
    assert ET.parse(download.value.path()).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    with page.expect_download() as download:
        page.get_by_test_id("carry-over-png").click()
    assert download.value.path().read_bytes().startswith(b"\x89PNG")


# Study


def edit(page, old, new):
    """Replace a text in the editor, as typing does."""
    content = page.get_by_test_id("editor").locator(".cm-content")
    expect(content).to_contain_text(old)
    lines = content.locator(".cm-line").all_inner_texts()
    text = "\n".join(line.rstrip("\n") for line in lines)
    content.click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(text.replace(old, new))


def test_the_study_is_edited_checked_and_saved(study, window, study_file):
    page = opened(window, study, "#/study")
    edit(page, 'extends = "A"', 'extends = "Aha"')
    findings = page.get_by_test_id("findings")
    expect(findings).to_contain_text('extends the unknown block "Aha"')
    expect(page.locator(".cm-lintRange-error").first).to_be_visible()
    expect(page.get_by_test_id("save")).to_be_disabled()
    edit(page, 'extends = "Aha"', 'extends = "A"')
    edit(page, 'order = [["A", "B"], ["C", "D"]]', 'order = [["A", "B"], ["D", "C"]]')
    expect(page.get_by_test_id("save")).to_be_enabled()
    expect(findings).not_to_contain_text("unknown")
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("preview")).to_contain_text("Other blocks for participants 1, 2, 3")
    expect(page.get_by_test_id("confirm")).to_have_text("Save; other blocks for 4 participants")
    page.get_by_test_id("confirm").click()
    expect(page.get_by_test_id("edited")).to_have_text("no unsaved changes")
    assert '["D", "C"]' in study_file.read_text(encoding="utf-8")
    expect(page.get_by_test_id("versions").locator("li")).to_have_count(2)
    page.get_by_test_id("compare-1").click()
    expect(page.locator(".cm-deletedChunk")).to_contain_text('["C", "D"]')
    page.get_by_test_id("compare-1").click()
    expect(page.locator(".cm-deletedChunk")).to_have_count(0)
    page.get_by_test_id("restore-1").click()
    expect(page.get_by_test_id("edited")).to_have_text("unsaved changes")
    page.get_by_test_id("editor").locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+s")
    page.get_by_test_id("confirm").click()
    expect(page.get_by_test_id("edited")).to_have_text("no unsaved changes")
    assert study_file.read_text(encoding="utf-8") == SMALL_STUDY


def test_a_file_that_changes_under_the_editor_is_not_lost(study, window, study_file):
    page = opened(window, study, "#/study")
    edit(page, 'text = "hi"', 'text = "hello"')
    theirs = SMALL_STUDY.replace("speed = 3", "speed = 4")
    study_file.write_text(theirs, encoding="utf-8")
    expect(page.get_by_test_id("stale")).to_contain_text(
        "was changed on disk while you were editing"
    )
    expect(page.get_by_test_id("editor")).to_contain_text("hello")
    page.get_by_role("button", name="Load the file and discard my edits").click()
    expect(page.get_by_test_id("editor")).to_contain_text("speed = 4")
    expect(page.get_by_test_id("edited")).to_have_text("no unsaved changes")
    # Without an edit of one's own, the editor simply follows.
    study_file.write_text(SMALL_STUDY.replace("speed = 3", "speed = 5"), encoding="utf-8")
    expect(page.get_by_test_id("editor")).to_contain_text("speed = 5")


def test_the_editor_completes_what_the_schema_knows(study, window):
    page = opened(window, study, "#/study")
    content = page.get_by_test_id("editor").locator(".cm-content")
    content.locator(".cm-line", has_text="init_blocks").click()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.keyboard.type("rando")
    expect(page.locator(".cm-tooltip-autocomplete")).to_contain_text("random_seed")
    page.keyboard.press("Enter")
    page.keyboard.type("7\n")
    page.keyboard.type('within_groups_strategy = "lat')
    expect(page.locator(".cm-tooltip-autocomplete")).to_contain_text("latin_square")
    page.get_by_test_id("snippets").select_option(label="a block")
    expect(content).to_contain_text('name = "name"')


# Log


def test_the_log_is_live_filtered_and_downloaded(study, window):
    page = opened(window, study, "#/log")
    log = page.get_by_test_id("log")
    expect(log).to_contain_text("server started")
    expect(log.locator("tbody tr").first).to_contain_text("from START to A")
    client_of(study.url).move_to_next(2)
    expect(log.locator("tbody tr").first).to_contain_text("from C to D")
    page.get_by_test_id("log-filter").fill("2")
    expect(log.locator("tbody tr")).to_have_count(3)
    page.get_by_test_id("log-type").select_option("moved")
    expect(log.locator("tbody tr")).to_have_count(2)
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8"))))
    assert {item["participant_index"] for item in rows} == {"2"}
    page.get_by_test_id("log-filter").fill("")
    with page.expect_download() as download:
        page.get_by_role("link", name="JSON Lines").click()
    lines = download.value.path().read_text("utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == list(range(1, len(lines) + 1))


def test_a_participants_link_leads_other_devices_here_wherever_the_page_was_opened(
    study_file, window
):
    token = "an-admin-token-for-tests"
    with server_running(study_file, "--host", "0.0.0.0", "--admin-token", token) as running:
        base, _, login = running.url.partition("/login")
        page = window.open(f"http://127.0.0.1:{base.rpartition(':')[2]}/login{login}")
        expect(page.get_by_test_id("connection")).to_have_text("live")
        page.evaluate("location.hash = '#/participant/1'")
        link = page.get_by_test_id("connect-link")
        expect(link).to_have_attribute("href", re.compile(f"^{re.escape(base)}/login"))
