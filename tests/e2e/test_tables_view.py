"""Tables in the Study view: shown, checked, saved, compared and restored with the study."""

import urllib.request

import pytest
from playwright.sync_api import expect

from tests.conftest import ROOT, need, server_running
from tests.e2e.conftest import screenshot
from tests.e2e.test_dashboard import live
from tests.e2e.test_pictures import AXE

STUDY = """
[configuration.tables]
words = "words.csv"
[[blocks]]
name = "learn"
[blocks.config]
seconds = 1
words = { function_name = "rows", args = ["$words", { list = 1 }] }
"""
WORDS = "word,list\nchair,1\nlamp,2\n"
FEWER = "word,list\nsky,1\n"


@pytest.fixture
def study_file(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(STUDY, encoding="utf-8")
    (tmp_path / "words.csv").write_text(WORDS, encoding="utf-8")
    return path


@pytest.fixture
def page(study_file, window):
    with server_running(study_file) as server:
        page = window.open(f"{server.url}/#/study")
        live(page)
        yield page


def write(page, text):
    """Have another text in the open file, as typing does."""
    page.get_by_test_id("editor").locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(text)


def file(page, name):
    return page.get_by_test_id("files").get_by_role("button", name=name)


def save(page):
    expect(page.get_by_test_id("save")).to_be_enabled()
    page.get_by_test_id("save").click()
    page.get_by_test_id("confirm").click()
    expect(page.get_by_test_id("edited")).to_have_text("no unsaved changes")


def test_a_table_is_edited_checked_saved_compared_and_restored(page, study_file):
    words = study_file.parent / "words.csv"
    content = page.get_by_test_id("editor").locator(".cm-content")
    expect(content).to_contain_text("[configuration.tables]")
    file(page, "words.csv").click()
    expect(content).to_contain_text("chair,1")
    write(page, "word,list\nchair,1\nlamp\n")
    expect(page.get_by_test_id("findings")).to_contain_text("error, words.csv, line 3")
    expect(page.locator(".cm-lintRange-error").first).to_be_visible()
    expect(page.get_by_test_id("save")).to_be_disabled()
    expect(file(page, "words.csv")).to_have_text("words.csv (1)")
    # From the study file, a finding leads back into the table.
    file(page, "study.toml").click()
    expect(content).to_contain_text("[configuration.tables]")
    expect(page.locator(".cm-lintRange-error")).to_have_count(0)
    page.get_by_test_id("findings").get_by_text("this row has").click()
    expect(content).to_contain_text("lamp")
    need_axe(page)
    screenshot(page, "study-table")
    write(page, FEWER)
    save(page)
    assert words.read_text("utf-8") == FEWER
    expect(page.get_by_test_id("versions").locator("li")).to_have_count(2)
    page.get_by_test_id("compare-1").click()
    expect(page.locator(".cm-deletedChunk").first).to_contain_text("chair,1")
    page.get_by_test_id("compare-1").click()
    page.get_by_test_id("restore-1").click()
    expect(content).to_contain_text("chair,1")
    save(page)
    assert words.read_text("utf-8") == WORDS
    assert study_file.read_text("utf-8") == STUDY


def need_axe(page):
    source = need(str(AXE) if AXE.exists() else None, "axe-core")
    page.evaluate((ROOT / source).read_text("utf-8"))
    outcome = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    assert [violation["id"] for violation in outcome["violations"]] == []


def test_a_participants_page_says_which_row_of_the_design_they_follow(page):
    base = page.url.partition("#")[0]
    page.goto(f"{base}#/participant/9")
    expect(page.get_by_test_id("drawer")).to_contain_text("There is no participant 9.")
    request = urllib.request.Request(f"{base}api/add-participant/9?row=2", method="PUT")
    urllib.request.urlopen(request).close()
    expect(page.get_by_test_id("design-row")).to_contain_text("follows row 2 of the design")
    page.goto(f"{base}#/participant/1")
    expect(page.get_by_test_id("drawer-block")).to_have_text("START")
    expect(page.get_by_test_id("design-row")).to_have_count(0)


def test_saving_the_study_alone_leaves_tables_as_they_are_on_disk(page, study_file):
    content = page.get_by_test_id("editor").locator(".cm-content")
    expect(content).to_contain_text("seconds = 1")
    write(page, STUDY.replace("seconds = 1", "seconds = 2"))
    save(page)
    write(page, STUDY.replace("seconds = 1", "seconds = 3"))
    save(page)
    assert "seconds = 3" in study_file.read_text("utf-8")
    assert (study_file.parent / "words.csv").read_text("utf-8") == WORDS


def test_a_table_that_changes_under_the_editor_is_not_lost(page, study_file):
    words = study_file.parent / "words.csv"
    content = page.get_by_test_id("editor").locator(".cm-content")
    file(page, "words.csv").click()
    # Without an edit of one's own, the editor follows.
    words.write_text(FEWER, encoding="utf-8")
    expect(content).to_contain_text("sky,1")
    write(page, WORDS)
    words.write_text("word,list\ntheirs,1\n", encoding="utf-8")
    expect(page.get_by_test_id("stale")).to_contain_text("was changed on disk")
    expect(content).to_contain_text("chair")
    page.get_by_role("button", name="Load the file and discard my edits").click()
    expect(content).to_contain_text("theirs,1")
    expect(page.get_by_test_id("edited")).to_have_text("no unsaved changes")


def test_a_broken_table_on_disk_is_shown_and_the_last_good_study_is_served(page, study_file):
    (study_file.parent / "words.csv").write_text("word,list\nchair\n", encoding="utf-8")
    expect(page.get_by_test_id("findings")).to_contain_text("error, words.csv, line 2")
    page.get_by_role("link", name="Run").click()
    expect(page.get_by_role("alert")).to_contain_text("words.csv, Line 2: this row has 1 cell")
    base = page.url.partition("#")[0]
    with urllib.request.urlopen(f"{base}api/all-configs/1") as response:
        assert b"chair" in response.read()
