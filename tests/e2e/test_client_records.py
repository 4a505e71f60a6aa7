"""What web pages record with /client.js arrives, whatever happens to the tab and the server."""

import shutil
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Error

from tests.conftest import ROOT, need, server_running
from tests.e2e.test_dashboard import client_of
from tests.waiting import PATIENCE

PAGE = """<!doctype html>
<title>An app</title>
<link rel="icon" href="data:,">
<script type="module">
  import { connect } from "/client.js";
  window.study = await connect({ participant: 1 });
  window.storage = [];
  study.on("storage", (state) => storage.push(state));
  document.title = "ready";
</script>
"""

OFFLINE = "study.connection === 'none'"
RECORD = "([first, count]) => { for (let i = first; i < first + count; i++) study.record({ i }); }"


class Lab:
    """A server that can be killed and comes back at its address, and an app in its folder."""

    def __init__(self, study_file, app):
        self._arguments = (study_file, "--app", app)
        self._port = 0
        self._stack = ExitStack()

    def start(self):
        """Start it, at the same address as before."""
        running = server_running(*self._arguments, "-p", str(self._port))
        self._server = self._stack.enter_context(running)
        self.url = f"http://127.0.0.1:{urlsplit(self._server.url).port}"
        self._port = urlsplit(self.url).port

    def kill(self):
        """Pull the plug."""
        self._server.kill()

    def close(self):
        """End it."""
        self._stack.close()


@pytest.fixture
def lab(study_file, tmp_path):
    app = tmp_path / "app"
    app.mkdir()
    (app / "index.html").write_text(PAGE, encoding="utf-8")
    lab = Lab(study_file, app)
    lab.start()
    client_of(lab.url).move_to_block(1, 1)
    yield lab
    lab.close()


def ready(page):
    """Wait until its app takes part."""
    page.wait_for_function("document.title === 'ready'")
    return page


def another(page, lab):
    """One more tab of the same browser."""
    tab = page.context.new_page()
    tab.goto(f"{lab.url}/app/")
    return ready(tab)


def crash(page):
    """End the process that draws a tab."""
    with pytest.raises(Error):
        page.goto("chrome://crash")


def recorded(page, lab):
    """The numbers that the server has, in their order, and their blocks."""
    rows = page.request.get(f"{lab.url}/api/results/trials").json()
    return sorted(row["data"]["i"] for row in rows), {row["block_id"] for row in rows}


def until_recorded(page, lab, count):
    """Wait until the server has the numbers below this, each once."""
    end = time.monotonic() + PATIENCE
    while (found := recorded(page, lab)) != (list(range(count)), {1}):
        assert time.monotonic() < end, found
        page.wait_for_timeout(200)


def test_what_a_page_records_is_there_when_its_block_has_finished(lab, window):
    page = ready(window.open(f"{lab.url}/app/"))
    page.evaluate("window.shown = study.snapshot")
    page.evaluate("() => { for (let i = 0; i < 150; i++) shown.record({ i }); }")
    block = page.evaluate("shown.finish().then((block) => [block.block_id, study.unsent])")
    assert block == [2, 0]
    assert recorded(page, lab) == (list(range(150)), {1})


def test_records_survive_a_killed_server_and_a_crash_of_their_tab(lab, window):
    page = ready(window.open(f"{lab.url}/app/"))
    lab.kill()
    page.wait_for_function(OFFLINE)
    page.evaluate(RECORD, [0, 30])
    assert page.evaluate("study.flush({ timeout: 500 })") is False
    assert page.evaluate("study.unsent") == 30
    crash(page)
    lab.start()
    again = another(page, lab)
    assert again.evaluate("study.flush()") is True
    until_recorded(again, lab, 30)
    assert again.evaluate("study.unsent") == 0


def test_records_survive_a_reload(lab, window):
    page = ready(window.open(f"{lab.url}/app/"))
    lab.kill()
    page.wait_for_function(OFFLINE)
    page.evaluate(RECORD, [0, 10])
    page.evaluate("study.flush({ timeout: 500 })")
    # The app ends in order, with its records on the device.
    page.evaluate("study.close()")
    lab.start()
    page.reload()
    assert ready(page).evaluate("study.flush()") is True
    until_recorded(page, lab, 10)


def test_a_tab_sends_what_another_one_left_over(lab, window):
    page = ready(window.open(f"{lab.url}/app/"))
    other = another(page, lab)
    lab.kill()
    page.wait_for_function(OFFLINE)
    other.wait_for_function(OFFLINE)
    page.evaluate(RECORD, [0, 10])
    other.evaluate(RECORD, [10, 10])
    other.evaluate("study.flush({ timeout: 500 })")
    crash(other)
    lab.start()
    until_recorded(page, lab, 20)


def test_two_tabs_at_once_lose_nothing_and_send_nothing_twice(lab, window):
    page = ready(window.open(f"{lab.url}/app/"))
    other = another(page, lab)
    page.evaluate(RECORD, [0, 100])
    other.evaluate(RECORD, [100, 100])
    assert page.evaluate("study.flush()")
    assert other.evaluate("study.flush()")
    until_recorded(page, lab, 200)


def test_a_page_whose_records_are_refused_by_the_browser_says_so_and_sends_them(lab, window):
    page = ready(window.open(f"{lab.url}/app/"))
    page.add_init_script(
        "IDBFactory.prototype.open = () => { throw new DOMException('no', 'SecurityError'); }"
    )
    page.reload()
    ready(page).evaluate(RECORD, [0, 5])
    assert page.evaluate("study.flush()") is True
    assert page.evaluate("storage.map(({ durable }) => durable)") == [False]
    until_recorded(page, lab, 5)


def test_a_browser_without_room_says_so_and_sends_the_records(lab, window):
    page = ready(window.open(f"{lab.url}/app/"))
    devtools = page.context.new_cdp_session(page)
    devtools.send("Storage.overrideQuotaForOrigin", {"origin": lab.url, "quotaSize": 1})
    page.evaluate(RECORD, [0, 5])
    page.wait_for_function("storage.length > 0")
    assert page.evaluate("storage[0].durable") is False
    assert page.evaluate("study.flush()") is True
    until_recorded(page, lab, 5)


def test_a_page_that_goes_away_sends_what_waits_in_a_request_that_outlives_it(lab, window):
    page = ready(window.open(f"{lab.url}/app/"))
    with page.expect_request("**/api/results/1") as last:
        page.evaluate("() => { study.record({ i: 0 }); dispatchEvent(new Event('pagehide')); }")
    batch = last.value.post_data_json
    assert [record["data"] for record in batch["records"]] == [{"i": 0}]
    assert page.evaluate("study.flush()") is True
    # It was sent over the socket too.
    until_recorded(page, lab, 1)


JSPSYCH = """<!doctype html>
<title>An app</title>
<link rel="icon" href="data:,">
<script src="vendor/jspsych.js"></script>
<script src="vendor/html-keyboard-response.js"></script>
<script type="module">
  import { connect } from "/client.js";
  import { recordTrials } from "./package/jspsych.js";
  window.study = await connect({ participant: 1 });
  const stimuli = [0, 1, 2].map((i) => `trial ${i}`);
  CHANGES
  const jsPsych = initJsPsych({ on_data_update: RECORD });
  const type = jsPsychHtmlKeyboardResponse;
  await jsPsych.run(stimuli.map((stimulus, i) => ({ type, stimulus, data: DATA })));
  await study.flush();
  document.title = "ready";
</script>
"""

ONE_LINE = "(trial) => block.record(trial)"


def run_jspsych(lab, app, page, record=ONE_LINE, changes="", data="{ i }", after_first=None):
    """Answer three trials; returns what the server has of them."""
    package = ROOT / "clients" / "js" / "dist"
    need(str(package) if (package / "jspsych.js").exists() else None, "the client's build")
    shutil.copytree(package, app / "package")
    shutil.copytree(ROOT / "examples" / "jspsych-flanker" / "app" / "vendor", app / "vendor")
    changes = f"const block = study.snapshot; {changes}"
    text = JSPSYCH.replace("CHANGES", changes).replace("RECORD", record).replace("DATA", data)
    (app / "index.html").write_text(text, encoding="utf-8")
    page.goto(f"{lab.url}/app/")
    for trial in range(3):
        page.get_by_text(f"trial {trial}").wait_for()
        if trial == 1 and after_first:
            after_first()
        page.keyboard.press("f")
    ready(page)


def rows_of(page, lab, table="trials"):
    """The records that the server has in a table."""
    return page.request.get(f"{lab.url}/api/results/{table}").json()


RECORDERS = [ONE_LINE, "recordTrials(block)", "recordTrials(study)"]


@pytest.mark.parametrize("record", RECORDERS)
def test_each_trial_of_jspsych_is_a_record(lab, tmp_path, window, record):
    page = window.open(lab.url)
    run_jspsych(lab, tmp_path / "app", page, record)
    rows = rows_of(page, lab)
    assert [(row["data"]["i"], row["data"]["response"]) for row in rows] == [
        (trial, "f") for trial in range(3)
    ]
    assert [row["data"]["stimulus"] for row in rows] == ["trial 0", "trial 1", "trial 2"]
    assert all(row["data"]["rt"] >= 0 for row in rows)


def test_a_trial_of_jspsych_is_recorded_under_the_block_that_was_shown(lab, tmp_path, window):
    page = window.open(lab.url)

    def move():
        client_of(lab.url).move_to_next(1)
        page.wait_for_function("study.snapshot.block_id === 2")

    record = 'recordTrials(block, { table: "flanker" })'
    run_jspsych(lab, tmp_path / "app", page, record, after_first=move)
    rows = rows_of(page, lab, "flanker")
    assert [(row["data"]["i"], row["block_id"]) for row in rows] == [(0, 1), (1, 1), (2, 1)]


def test_a_long_stimulus_of_jspsych_is_cut_in_its_record(lab, tmp_path, window):
    page = window.open(lab.url)
    longer = 'stimuli[1] += `<img alt="" src="data:image/gif;base64,${"A".repeat(100_000)}">`;'
    run_jspsych(lab, tmp_path / "app", page, "recordTrials(block)", longer)
    stimuli = [row["data"]["stimulus"] for row in rows_of(page, lab)]
    assert [len(stimulus) for stimulus in stimuli] == [7, 1001, 7]
    assert stimuli[1].startswith("trial 1<img")
    assert stimuli[1].endswith("A\u2026")


def test_a_trial_of_jspsych_that_cannot_be_a_record_is_reported_and_the_others_go_on(
    lab, tmp_path, window
):
    page = window.open(lab.url)
    large = '{ i, drawing: i === 1 ? "A".repeat(100_000) : "" }'
    run_jspsych(lab, tmp_path / "app", page, "recordTrials(block)", data=large)
    assert [row["data"]["i"] for row in rows_of(page, lab)] == [0, 2]
    (error,) = window.errors
    window.errors.clear()
    assert "a record has at most 65,536" in error
