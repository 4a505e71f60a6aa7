"""The React hooks of the JavaScript client, in real React, in Chromium."""

import subprocess

import pytest

from tests.conftest import ROOT, need, server_running
from tests.e2e.test_dashboard import client_of

JS = ROOT / "clients" / "js"

PAGE = """<!doctype html>
<title>An app</title>
<link rel="icon" href="data:,">
<div id="app"></div>
<script type="module" src="react.js"></script>
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, node):
    """The page's script, as a bundler makes it of the package."""
    rolldown = ROOT / "web" / "node_modules" / "rolldown" / "bin" / "cli.mjs"
    for part in (JS / "dist" / "react.js", JS / "node_modules" / "react-dom", rolldown):
        need(str(part) if part.exists() else None, str(part.relative_to(ROOT)))
    folder = tmp_path_factory.mktemp("bundle")
    source = JS / "test" / "react.jsx"
    subprocess.run([node, rolldown, source, "--dir", folder, "--platform", "browser"], check=True)
    (folder / "index.html").write_text(PAGE, encoding="utf-8")
    return folder


@pytest.fixture
def server(bundle, study_file):
    with server_running(study_file, "--app", bundle) as running:
        yield running


def shows(page, element, text):
    """Wait until an element of the page has this text."""
    script = "([id, text]) => document.getElementById(id)?.textContent === text"
    page.wait_for_function(script, arg=[element, text])


@pytest.mark.parametrize("mode", ["", "?strict"])
def test_a_component_shows_the_block_and_its_config_and_each_change(server, window, mode):
    client = client_of(server.url)
    page = window.open(f"{server.url}/app/{mode}")
    shows(page, "place", "no study")
    page.evaluate("join()")
    shows(page, "place", "START, speed undefined")
    client.move_to_block(1, 1)
    shows(page, "place", "A, speed 1")
    changed = page.request.patch(f"{server.url}/api/config/1", data={"speed": 5})
    assert changed.ok
    shows(page, "place", "A, speed 5")
    for _ in range(4):
        client.move_to_next(1)
    shows(page, "place", "END, speed undefined")


def test_a_component_that_comes_late_shows_the_block_of_now(server, window):
    client = client_of(server.url)
    page = window.open(f"{server.url}/app/")
    page.evaluate("join()")
    client.move_to_block(1, 1)
    shows(page, "place", "A, speed 1")
    page.evaluate("showLate()")
    shows(page, "late", "A")
    client.move_to_next(1)
    shows(page, "late", "B")


def test_an_effect_of_a_block_runs_once_for_each_start_of_it(server, window):
    client = client_of(server.url)
    page = window.open(f"{server.url}/app/")
    page.evaluate("join()")
    client.move_to_block(1, 1)
    shows(page, "place", "A, speed 1")
    # Once it is connected again, the app gets a snapshot that says the same.
    page.evaluate("window.before = study.snapshot")
    page.context.set_offline(True)
    page.wait_for_function("study.connection === 'none'")
    page.context.set_offline(False)
    page.wait_for_function("study.snapshot !== before")
    page.evaluate("showLate()")
    shows(page, "late", "A")
    client.move_to_block(1, 1)
    page.wait_for_function("begun.length > 2")
    assert page.evaluate("begun") == ["START", "A", "A"]


def test_a_component_shows_the_number_of_unsent_records(server, window):
    client_of(server.url).move_to_block(1, 1)
    page = window.open(f"{server.url}/app/")
    page.evaluate("join()")
    shows(page, "place", "A, speed 1")
    page.context.set_offline(True)
    page.wait_for_function("study.connection === 'none'")
    page.evaluate("() => { for (let i = 0; i < 3; i++) study.record({ i }); }")
    shows(page, "unsent", "3")
    page.context.set_offline(False)
    shows(page, "unsent", "0")
