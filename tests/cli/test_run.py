"""`run`, as a process: what it prints, what it keeps, and how it ends."""

import json
import os
import signal
import subprocess
import sys
import urllib.request

import pytest

from experiment_server import Client
from experiment_server.server.settings import Settings
from tests.conftest import ROOT, server_running
from tests.waiting import PATIENCE


def client(url):
    host, _, port = url.removeprefix("http://").partition(":")
    return Client(host, port)


def refused(*arguments):
    result = subprocess.run(
        [sys.executable, "-m", "experiment_server", "run", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    return result.stderr


def test_everyone_is_where_they_were_after_a_restart(study_file):
    with server_running(study_file) as server:
        ours = client(server.url)
        ours.add_participant(5)
        ours.move_to_block(3, 5)
        ours.move_to_next()
        before = [ours.get_state(index) for index in (1, 5)]
    with server_running(study_file) as server:
        ours = client(server.url)
        assert [ours.get_state(index) for index in (1, 5)] == before
        assert ours.get_config(5)[1]["name"] == "C"


def test_kill_right_after_an_acknowledged_move_loses_nothing(study_file):
    for moved in range(1, 5):
        with server_running(study_file) as server:
            assert client(server.url).move_to_next()[0] is True
            server.kill()
        with server_running(study_file) as server:
            assert client(server.url).get_state()[1]["block_id"] == moved - 1


def test_nothing_is_kept_in_memory(study_file):
    with server_running(study_file, "--database", ":memory:") as server:
        client(server.url).move_to_next()
    assert sorted(path.name for path in study_file.parent.iterdir()) == ["study.toml"]


def test_the_database_may_be_elsewhere(study_file, tmp_path):
    place = tmp_path / "elsewhere" / "places.db"
    with server_running(study_file, "--database", place) as server:
        client(server.url).move_to_next()
    assert place.exists()
    assert not study_file.with_suffix(".sqlite3").exists()


def test_a_second_server_on_the_same_study_says_why_it_does_not_start(study_file):
    with server_running(study_file) as server:
        message = refused(study_file, "-p", "0")
        assert "in use by another server" in message
        assert f"process {server.process.pid}" in message
        assert client(server.url).move_to_next()[0] is True


def test_what_may_be_chosen_is_taken_and_a_typo_is_named(study_file):
    chosen = ("--durability", "fast", "--on-change", "unstarted", "--session", "pilot")
    with server_running(study_file, *chosen) as server:
        with urllib.request.urlopen(f"{server.url}/api/study") as response:
            assert json.load(response)["on_change"] == "unstarted"
        assert client(server.url).move_to_next()[0] is True
    result = subprocess.run(
        [sys.executable, "-m", "experiment_server", "run", str(study_file), "--on-change", "al"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert "'al' is not one of all, unstarted, new" in result.stderr


def test_a_port_that_is_taken_is_named(study_file, tmp_path):
    with server_running(study_file) as server:
        port = server.url.rpartition(":")[2]
        message = refused(study_file, "-p", port, "--database", tmp_path / "other.db")
        assert f"cannot listen on 127.0.0.1 port {port}: address already in use" in message


def test_an_app_folder_without_a_page_is_named(study_file, tmp_path):
    assert "has no index.html" in refused(study_file, "--app", tmp_path)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "read the study"),
        (("--database", "{app}/kept.sqlite3"), "read its database"),
        (("--data", "{app}/kept"), "read its data"),
        (("--data", "{app}"), "read its data"),
        (("--data", "{app}/.."), "in {app}/.."),
    ],
)
def test_an_app_folder_with_what_is_nobodys_is_refused(study_file, tmp_path, more, said):
    app = tmp_path / "app"
    app.mkdir()
    (app / "index.html").write_text("<p>take part</p>", encoding="utf-8")
    if not more:
        study_file = study_file.rename(app / "study.toml")
    message = refused(study_file, "--app", app, *(item.format(app=app) for item in more))
    assert said.format(app=app) in message
    assert "Give --app" in message


def test_what_is_hidden_in_an_app_folder_stays_so(study_file, tmp_path):
    app = tmp_path / "app"
    for name in (".git/config", "a/.env", "a/b.js", ".hidden"):
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).write_text("content", encoding="utf-8")
    (app / "index.html").write_text("<p>take part</p>", encoding="utf-8")
    with server_running(study_file, "--app", app) as server:
        with urllib.request.urlopen(f"{server.url}/app/a/b.js") as response:
            assert response.read() == b"content"
        for path in (".git/config", ".git", "a/.env", "%2egit/config", "a%2f.env", ".hidden"):
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(f"{server.url}/app/{path}")
            assert caught.value.code == 404, path
            caught.value.close()


def test_a_login_link_is_not_printed_into_a_log(study_file):
    with server_running(study_file, "--host", "0.0.0.0") as server:
        assert server.url.endswith("/login")
        (place,) = study_file.parent.glob("*login-link*")
        assert place.stat().st_mode & 0o777 == 0o600
        link = place.read_text(encoding="utf-8").splitlines()[0]
        with urllib.request.urlopen(link) as response:
            assert response.status == 200
        token = link.partition("token=")[2]
        server.process.terminate()
        # Not `communicate`, which passes over what was read ahead with the line before.
        said = server.process.stdout.read()
        assert str(place) in said
        assert token not in said + server.errors
    assert not place.exists()


def test_a_login_link_is_shown_on_a_terminal(study_file):
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "experiment_server", "run", study_file, "-p", "0", "-h", "0.0.0.0"],
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as terminal, process:
        said = b""
        while b"REST:" not in said:
            said += terminal.read(1024)
        process.terminate()
    assert b"/login?token=" in said
    assert not list(study_file.parent.glob("*login-link*"))


def test_an_app_is_served_beside_the_study(study_file, tmp_path):
    app = tmp_path / "app"
    app.mkdir()
    (app / "index.html").write_text("<p>take part</p>", encoding="utf-8")
    (app / "task.js").write_text("1", encoding="utf-8")
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    with server_running(study_file, "--app", app) as server:
        for path in ("/app/", "/app", "/app/?participant=3"):
            with urllib.request.urlopen(server.url + path) as response:
                assert b"take part" in response.read()
                assert response.headers["Cache-Control"] == "no-cache"
        with urllib.request.urlopen(f"{server.url}/app/task.js") as response:
            assert "javascript" in response.headers["Content-Type"]
        for path in ("/app/../secret.txt", "/app/%2e%2e/secret.txt", "/app/..%2fsecret.txt"):
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(server.url + path)
            assert caught.value.code in (403, 404)
            caught.value.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_server_cleanly(study_file, number):
    with server_running(study_file) as server:
        server.process.send_signal(number)
        server.process.communicate(timeout=PATIENCE)
        errors = server.errors
        assert server.process.returncode == 0, errors
        assert "Traceback" not in errors


def test_shutdown_by_a_client_stops_the_server_cleanly(study_file):
    with server_running(study_file) as server:
        assert client(server.url).shutdown() == (True, None)
        server.process.communicate(timeout=PATIENCE)
        assert server.process.returncode == 0


def test_the_default_participant_is_asked_for(study_file):
    process = subprocess.Popen(
        [sys.executable, "-m", "experiment_server", "run", str(study_file), "-a", "-p", "0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    with process:
        process.stdin.write("0\n7\n")
        process.stdin.flush()
        url = next(line.split()[-1] for line in process.stdout if "Dashboard:" in line)
        with urllib.request.urlopen(f"{url}api/summary-data") as response:
            assert json.load(response)["participant_index"] == 7
        process.terminate()
        process.stdout.read()


def test_the_readme_shows_every_setting():
    from dataclasses import fields

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for field in fields(Settings):
        for flag in field.metadata.get("flags", ()):
            assert f"`{flag}" in text or f" {flag}" in text, f"README does not show {flag}"
