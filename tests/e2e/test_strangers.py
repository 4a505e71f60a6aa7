"""Pages of strangers in a real browser, and the way in through a login link."""

import http.server
import threading

import pytest
from playwright.sync_api import expect

from experiment_server import Client
from tests.cli.test_stored import cli
from tests.conftest import server_running
from tests.e2e.conftest import screenshot

ADMIN = "an-admin-token-for-tests"

# All that a page can try: it waits until each attempt has come to something.
EVIL = """<!doctype html><title>harmless</title>
<form id="form" method="post" target="frame" action="TARGET/api/move-to-next"></form>
<form id="stop" method="post" target="frame2" action="TARGET/api/shutdown"></form>
<iframe name="frame"></iframe><iframe name="frame2"></iframe>
<script type="module">
const tried = {};
const attempt = async (name, work) => {
  try { tried[name] = await work(); } catch (error) { tried[name] = "refused: " + error.name; }
};
const TEXT = { method: "POST", mode: "no-cors", headers: { "Content-Type": "text/plain" } };
await attempt("read", async () => (await fetch("TARGET/api/state")).status);
await attempt("post", async () => (await fetch("TARGET/api/move-to-next", TEXT)).type);
await attempt("cookies", async () =>
  (await fetch("TARGET/api/move-to-next", { ...TEXT, credentials: "include" })).type);
await attempt("put", async () =>
  (await fetch("TARGET/api/new-participant", { method: "PUT" })).status);
await attempt("patch", async () =>
  (await fetch("TARGET/api/config", { method: "PATCH", body: "{}" })).status);
await attempt("socket", () => new Promise((done, failed) => {
  const socket = new WebSocket("TARGET/socket.io/?EIO=4&transport=websocket".replace("http", "ws"));
  socket.onopen = () => done("open");
  socket.onerror = () => failed(new Error("closed"));
}));
for (const id of ["form", "stop"]) {
  const frame = document.getElementsByName(document.getElementById(id).target)[0];
  await attempt(id, () => new Promise((done) => {
    frame.onload = () => done("answered");
    document.getElementById(id).submit();
  }));
}
window.tried = tried;
</script>"""


def client_of(url):
    host, _, port = url.removeprefix("http://").partition(":")
    return Client(host, port)


@pytest.fixture
def evil_page():
    """A server on another port, whose page attacks the address in its query."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = EVIL.replace("TARGET", self.path.partition("?")[2]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


# The same machine by another port, another name of it, and a name that was pointed here.
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "evil.localhost"])
def test_a_strangers_page_can_neither_move_nor_stop_anything(study_file, browser, evil_page, host):
    with server_running(study_file) as server:
        page = browser.new_page()
        page.goto(f"http://{host}:{evil_page}/?{server.url}")
        page.wait_for_function("window.tried !== undefined")
        tried = page.evaluate("window.tried")
        assert tried["read"].startswith("refused")
        assert tried["put"].startswith("refused")
        assert tried["patch"].startswith("refused")
        assert tried["socket"].startswith("refused")
        page.close()
        ok, state = client_of(server.url).get_state()
        assert ok
        assert state["revision"] == 0
        assert client_of(server.url).new_participant() == (True, 2)


def test_a_name_that_was_pointed_here_gets_nothing(study_file, browser):
    with server_running(study_file) as server:
        port = server.url.rpartition(":")[2]
        page = browser.new_page()
        response = page.goto(f"http://evil.localhost:{port}/api/state")
        assert response.status == 403
        status = page.evaluate("fetch('/api/move-to-next', {method: 'POST'}).then(r => r.status)")
        assert status == 403
        page.close()
        assert client_of(server.url).get_state()[1]["revision"] == 0


def test_the_login_link_opens_the_dashboard_and_its_cookie_does_the_rest(study_file, browser):
    with server_running(study_file, "--host", "0.0.0.0", "--admin-token", ADMIN) as server:
        url = server.url.partition("/login")[0]
        context = browser.new_context()
        page = context.new_page()
        page.goto(url)
        expect(page.get_by_role("heading")).to_have_text("This study asks for a token")
        screenshot(page, "login")
        page.get_by_label("Token").fill("a-wrong-one")
        page.get_by_role("button").click()
        expect(page.get_by_text("not valid here")).to_be_visible()
        page.get_by_label("Token").fill(ADMIN)
        page.get_by_role("button").click()
        expect(page.get_by_test_id("connection")).to_have_text("live")
        page.get_by_test_id("participant-1").get_by_test_id("next").click()
        expect(page.get_by_test_id("participant-1").get_by_test_id("block-name")).to_have_text(
            "Hello"
        )
        assert page.evaluate("document.cookie") == ""
        context.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_strangers_page_cannot_make_the_experimenter_a_participant(
    study_file, browser, evil_page, host
):
    with server_running(study_file, "--host", "0.0.0.0", "--admin-token", ADMIN) as server:
        url = server.url.partition("/login")[0]
        link = cli("link", study_file, 1, "--url", url).strip()
        elsewhere = f"http://{host}:{evil_page}/?{url}"
        context = browser.new_context()
        page = context.new_page()
        page.goto(server.url)
        expect(page.get_by_test_id("connection")).to_have_text("live")
        page.goto(elsewhere)
        page.evaluate("link => { location.href = link }", link)
        expect(page.get_by_role("button", name="Continue as participant 1")).to_be_visible()
        page.goto(url)
        expect(page.get_by_test_id("connection")).to_have_text("live")
        context.close()
        # Who is nobody here yet is let in by a link on any page, as in a mail that a browser shows.
        context = browser.new_context()
        page = context.new_page()
        page.goto(elsewhere)
        page.evaluate("link => { location.href = link }", link)
        expect(page.get_by_text("participant 1")).to_be_visible()
        page.goto(f"{url}/api/state")
        expect(page.get_by_text('"participant_index":1')).to_be_visible()
        context.close()
