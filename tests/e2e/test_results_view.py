"""The Results view: numbers of records, the last ones as they come, and whose are missing."""

import json
import re
import urllib.request
from datetime import datetime, timezone

import pytest
from playwright.sync_api import expect

from experiment_server.participants.state import ParticipantState
from experiment_server.server.settings import Settings
from experiment_server.store.commits import Commit
from experiment_server.store.database import DatabaseAddress
from experiment_server.store.statements import Change
from experiment_server.store.store import Store
from tests.conftest import server_running
from tests.e2e.test_dashboard import client_of, live, row

SETTLED = 20_000
"""Milliseconds: a block that has just ended is not compared for five seconds."""


def record(url, participant, block, trials, *, table="trials", unsent=None, first=0, revision=1):
    """Records as an app sends them, with a report of what waits."""
    records = [
        {
            "record_id": f"{table}-{block}-{number}",
            "block_id": block,
            "revision": revision,
            "data": {"trial": number, "hand": {"x": number / 2}, "answer": f"answer {number}"},
        }
        for number in range(first, first + trials)
    ]
    body = {"table": table, "records": records}
    if unsent is not None:
        body["unsent"] = unsent
    request = urllib.request.Request(
        f"{url}/api/results/{participant}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:
        return json.load(response)


@pytest.fixture
def study(study_file):
    """Six participants who have ended the blocks Hello and A, or those in their place."""
    with server_running(study_file) as server:
        rest = client_of(server.url)
        for index in range(1, 7):
            if index > 1:
                rest.add_participant(index)
            rest.move_to_next(index)
        yield server


def opened(window, study, path="#/results", **options):
    page = window.open(f"{study.url}/{path}", **options)
    live(page)
    return page


def cell(page, participant, name):
    """The cell of a participant and a block name."""
    return row(page, participant).locator(f'td[aria-label*=", {name}:"]')


def ended(study, *trials):
    """Everybody ends Hello with so many records."""
    rest = client_of(study.url)
    for index, number in enumerate(trials, start=1):
        record(study.url, index, 0, number)
        rest.move_to_next(index)


def test_without_records_the_view_says_how_to_record(study, window):
    page = opened(window, study)
    expect(page.get_by_test_id("results-empty")).to_contain_text("block.record(")
    record(study.url, 2, 0, 3)
    expect(cell(page, 2, "Hello")).to_have_text("3")


def test_the_numbers_follow_what_apps_record(study, window):
    record(study.url, 1, 0, 4)
    page = opened(window, study)
    expect(page.get_by_test_id("table-trials")).to_have_text("trials 4")
    expect(cell(page, 1, "Hello")).to_have_text("4")
    expect(cell(page, 1, "Hello")).to_have_class(re.compile("running"))
    expect(cell(page, 3, "Hello")).to_have_text("0")
    expect(cell(page, 3, "A")).to_have_text("")
    record(study.url, 3, 0, 2)
    expect(cell(page, 3, "Hello")).to_have_text("2")
    expect(page.get_by_test_id("table-trials")).to_have_text("trials 6")
    record(study.url, 3, 0, 1, table="answers")
    page.get_by_test_id("table-answers").click()
    expect(page).to_have_url(re.compile("#/results/answers$"))
    expect(cell(page, 3, "Hello")).to_have_text("1")
    expect(cell(page, 1, "Hello")).to_have_text("0")
    # Whoever comes back to the address sees the same.
    page.reload()
    live(page)
    expect(cell(page, 3, "Hello")).to_have_text("1")


def test_the_last_records_come_by_themselves_with_their_data(study, window):
    record(study.url, 1, 0, 30)
    page = opened(window, study)
    latest = page.get_by_test_id("latest")
    expect(latest.locator("thead")).to_have_text(
        re.compile("Arrived.*Block.*trial.*hand.x.*answer")
    )
    rows = latest.locator("tbody tr")
    expect(rows).to_have_count(20)
    expect(rows.first).to_contain_text("answer 29")
    record(study.url, 2, 0, 1, first=77)
    expect(rows.first).to_contain_text("answer 77")
    expect(rows.first).to_contain_text("Hello")
    expect(rows.nth(1)).to_contain_text("answer 29")
    expect(rows).to_have_count(20)


def test_tables_are_downloaded_as_files_of_their_name(study, window, tmp_path):
    record(study.url, 1, 0, 3)
    page = opened(window, study)
    for kind, lines in (("csv", 4), ("jsonl", 3)):
        with page.expect_download() as download:
            page.get_by_test_id(f"results-{kind}").click()
        assert download.value.suggested_filename == f"trials.{kind}"
        download.value.save_as(tmp_path / kind)
        assert len((tmp_path / kind).read_text("utf-8").splitlines()) == lines
    expect(page.get_by_text("experiment-server export")).to_be_visible()


def test_a_block_that_ended_with_fewer_records_than_others_had_is_marked(study, window):
    ended(study, 10, 10, 10, 10, 4)
    record(study.url, 6, 0, 2)  # whose block still runs
    page = opened(window, study)
    few = cell(page, 5, "Hello")
    expect(few).to_have_class(re.compile("few"), timeout=SETTLED)
    expect(few).to_have_attribute(
        "aria-label",
        "Participant 5, Hello: 4 records, others had 10 (median of 4 participants)",
    )
    expect(page.locator(".few[data-column]")).to_have_count(1)
    expect(page.get_by_test_id("fewer")).to_contain_text("1 block ended with fewer records")
    page.get_by_role("button", name="Show only these").click()
    expect(page.locator("[data-testid=heatmap] tbody tr")).to_have_count(1)
    page.get_by_test_id("view-run").click()
    mark = row(page, 5).get_by_test_id("fewer-records")
    expect(mark).to_have_attribute("title", re.compile("Hello .trials.: 4 records, others had 10"))
    expect(page.get_by_test_id("fewer-records")).to_have_count(1)
    row(page, 5).get_by_test_id("open").click()
    records = page.get_by_test_id("drawer-records")
    expect(records.locator("tr").nth(1)).to_contain_text("Hello")
    expect(records.locator("tr").nth(1).locator("td.few")).to_contain_text("4")
    # What arrives late is no longer missing.
    record(study.url, 5, 0, 6, first=4)
    expect(page.get_by_test_id("fewer-records")).to_have_count(0, timeout=SETTLED)


def test_records_that_wait_on_the_device_are_said_and_no_warning(study, window):
    ended(study, 10, 10, 10, 10, 4)
    record(study.url, 5, 0, 0, unsent=6)
    page = opened(window, study, "#/")
    unsent = row(page, 5).get_by_test_id("unsent")
    expect(unsent).to_have_text("6 unsent")
    expect(unsent).to_have_attribute("title", re.compile("6 records wait on the device since .*20"))
    expect(row(page, 5).get_by_test_id("records")).to_have_attribute("title", "4 records")
    # A person with fewer records is marked: by then everybody was compared.
    record(study.url, 6, 0, 1)
    client_of(study.url).move_to_next(6)
    expect(row(page, 6).get_by_test_id("fewer-records")).to_be_visible(timeout=SETTLED)
    expect(row(page, 5).get_by_test_id("fewer-records")).to_have_count(0)
    row(page, 5).get_by_test_id("open").click()
    expect(page.get_by_test_id("drawer-unsent")).to_contain_text("6 records wait on the device")
    record(study.url, 5, 0, 6, first=4, unsent=0)
    expect(unsent).to_have_count(0)
    expect(page.get_by_test_id("drawer-unsent")).to_have_count(0)
    expect(row(page, 5).get_by_test_id("records")).to_have_attribute("title", "10 records")


def test_a_block_that_was_skipped_is_no_block_with_fewer_records(study, window):
    ended(study, 10, 10, 10, 10, 0)  # the fifth was there, and has nothing
    rest = client_of(study.url)
    rest.move_to_next(6)  # and so was the sixth
    rest.add_participant(7)
    rest.move_to_block(1, 7)  # never was in Hello
    page = opened(window, study, "#/")
    expect(row(page, 5).get_by_test_id("fewer-records")).to_be_visible(timeout=SETTLED)
    expect(row(page, 6).get_by_test_id("fewer-records")).to_be_visible(timeout=SETTLED)
    expect(row(page, 7).get_by_test_id("fewer-records")).to_have_count(0)


def test_cells_are_read_with_the_arrow_keys(study, window):
    record(study.url, 1, 0, 4)
    record(study.url, 2, 0, 5)
    page = opened(window, study)
    cell(page, 1, "Hello").focus()
    detail = page.get_by_test_id("heatmap-detail")
    expect(detail).to_have_text("Participant 1, Hello: 4 records; running")
    page.keyboard.press("ArrowDown")
    expect(detail).to_have_text("Participant 2, Hello: 5 records; running")
    page.keyboard.press("ArrowRight")
    expect(detail).to_contain_text("Participant 2, A: still to come")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(detail).to_contain_text("Participant 1, A")
    # One cell is reached by the tabulator key: the last one.
    expect(page.locator("[data-column][tabindex='0']")).to_have_count(1)
    expect(cell(page, 1, "A")).to_be_focused()


def test_thousands_are_there_in_parts(study_file, window):
    settings = Settings(study_file)
    store = Store(DatabaseAddress.of(settings.place), session=settings.session)
    now = datetime.now(timezone.utc)
    states = [ParticipantState(index, updated_at=now) for index in range(1, 5001)]
    store.commit(Commit([Change(state, None) for state in states])).result(timeout=60)
    store.close()
    with server_running(study_file) as server:
        record(server.url, 5000, 0, 3)
        page = opened(window, server)
        rows = page.locator("[data-testid=heatmap] tbody tr:not(.space)")
        expect(row(page, 1)).to_be_visible()
        assert rows.count() < 100
        page.locator(".heatmap").evaluate("box => box.scrollTo(0, box.scrollHeight)")
        expect(cell(page, 5000, "Hello")).to_have_text("3")
        assert rows.count() < 100
