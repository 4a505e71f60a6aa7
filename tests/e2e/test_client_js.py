"""A participants' web page that needs no tools of its own: /client.js, from the server itself."""

import gzip

from playwright.sync_api import expect

from tests.conftest import server_running
from tests.e2e.test_dashboard import client_of

PAGE = """<!doctype html>
<title>An app</title>
<link rel="icon" href="data:,">
<h1 id="block"></h1>
<pre id="config"></pre>
<button id="next">Next</button>
<script type="module">
  import { connect } from "/client.js";
  const participant = Number(new URLSearchParams(location.search).get("participant"));
  const study = await connect({ participant });
  study.on("block", ({ block_name, config }) => {
    document.querySelector("#block").textContent = block_name;
    document.querySelector("#config").textContent = JSON.stringify(config);
  });
  document.querySelector("#next").onclick = () => study.next();
</script>
"""


def test_a_page_takes_part_with_a_few_lines(study_file, tmp_path, window):
    app = tmp_path / "app"
    app.mkdir()
    (app / "index.html").write_text(PAGE, encoding="utf-8")
    with server_running(study_file, "--app", app) as server:
        client_of(server.url).add_participant(2)
        page = window.open(f"{server.url}/app/?participant=2")
        expect(page.locator("#block")).to_have_text("START")
        page.locator("#next").click()
        expect(page.locator("#block")).to_have_text("Hello")
        expect(page.locator("#config")).to_contain_text('"text":"hi"')
        client_of(server.url).move_to_block(1, 2)
        expect(page.locator("#block")).to_have_text("C")


def test_the_client_is_small_beside_the_library(study_file, window):
    with server_running(study_file) as server:
        page = window.open(server.url)
        written = page.request.get(f"{server.url}/client.js").body()
    assert b"socket.io.esm" in written, "the library is a file of its own"
    assert len(gzip.compress(written)) < 15_000
