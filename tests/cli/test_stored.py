"""events, export, backup, sessions: a study's state from the command line."""

import csv
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import urllib.request

import pytest

from experiment_server import Client
from experiment_server.store import integrity, records
from experiment_server.store.check import check
from experiment_server.store.database import DatabaseAddress, session_id
from experiment_server.study.source import digest_of
from tests.conftest import SMALL_STUDY, server_running
from tests.waiting import PATIENCE


def run_cli(*arguments):
    command = [sys.executable, "-m", "experiment_server", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", timeout=PATIENCE, check=False
    )


def cli(*arguments, code=0):
    result = run_cli(*arguments)
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    return result.stdout if code == 0 else result.stderr


def client(server):
    host, _, port = server.url.removeprefix("http://").partition(":")
    return Client(host, port)


def patch(server, config):
    request = urllib.request.Request(
        f"{server.url}/api/config", json.dumps(config).encode(), method="PATCH"
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        assert answer.status == 200


def record(server, *trials, participant=2):
    records = [
        {"record_id": f"a-{trial}", "block_id": 0, "revision": 1, "data": {"rt": trial / 10}}
        for trial in trials
    ]
    request = urllib.request.Request(
        f"{server.url}/api/results/{participant}",
        json.dumps({"records": records}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        assert json.load(answer)["accepted"] == len(trials)


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """A study file that two participants took part in, in two sessions."""
    path = tmp_path_factory.mktemp("studied") / "study.toml"
    path.write_text(SMALL_STUDY, encoding="utf-8")
    for session in ("pilot", "main"):
        with server_running(path, "--session", session) as server:
            ours = client(server)
            ours.add_participant(2)
            ours.move_to_next()
            patch(server, {"speed": 7})
            ours.move_to_next(2)
            record(server, 1, 2, 3)
            ours.move_to_block(4, 2)
            if session == "main":
                ours.move_to_next(2)
    return path


@pytest.fixture
def database(studied, tmp_path):
    """A copy of the studied database, to be spoiled."""
    path = tmp_path / "copy.sqlite3"
    shutil.copy(studied.with_suffix(".sqlite3"), path)
    return path


def spoil(path, statement):
    connection = sqlite3.connect(path)
    changed = connection.execute(statement).rowcount
    connection.commit()
    connection.close()
    assert changed == 1


def test_events_are_shown_a_line_each(studied):
    lines = cli("events", studied).splitlines()
    assert "server started" in lines[0]
    assert any("participant 2   moved  0:Hello -> 4:B  by rest" in line for line in lines)
    assert any("participant 2   recorded  3 in trials  by rest" in line for line in lines)
    assert any("finished" in line for line in lines)
    assert all("participant 2" in line for line in cli("events", studied, "-i", "2").splitlines())
    assert not any("finished" in line for line in cli("events", studied, "--session", "pilot"))


def test_a_whole_log_is_proved_and_its_hash_can_be_noted(studied, database):
    noted = cli("events", database, "--check").strip()
    assert len(noted) == 64
    with server_running(studied, "--database", database) as server:
        client(server).move_to_next()
        assert cli("events", database, "--check", "--noted", noted).strip() != noted
    message = cli("events", database, "--session", "pilot", "--check", "--noted", noted, code=1)
    assert "does not contain the hash" in message


def problem_of(path, session):
    with integrity.open_for_reading(DatabaseAddress.of(path)) as connection:
        number = session_id(connection, session)
        return check(connection, number, records.all_entries(connection, number)).problem


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("UPDATE events SET data = replace(data, 'Hello', 'Hallo') WHERE id = 6 AND session_id = 2",
         "entry 6 was changed"),
        ("UPDATE events SET time = '2026-01-01T00:00:00.000Z' WHERE id = 2 AND session_id = 2",
         "entry 2 was changed"),
        ("UPDATE events SET participant_index = 2 WHERE id = 3 AND session_id = 2",
         "entry 3 was changed"),
        ("DELETE FROM events WHERE id = 5 AND session_id = 2", "entry 5 is missing"),
        ("DELETE FROM events WHERE id = 1 AND session_id = 2", "entry 1 is missing"),
        ("DELETE FROM events WHERE session_id = 2 AND id = (SELECT max(id) FROM events "
         "WHERE session_id = 2)", "the log ends at entry"),
        ("UPDATE events SET hash = previous WHERE id = 4 AND session_id = 2",
         "entry 4 was changed"),
        ("UPDATE participants SET block_id = 1 WHERE participant_index = 1 AND session_id = 2",
         "participant 1 stands at block 1"),
        ("DELETE FROM participants WHERE participant_index = 2 AND session_id = 2",
         "participant 2 is in the log, and is gone"),
        ("UPDATE participants SET ended = 0 WHERE participant_index = 2 AND session_id = 2",
         'participant 2 has the ended "False"'),
        ("UPDATE participants SET revision = 9 WHERE participant_index = 1 AND session_id = 2",
         'participant 1 has the revision "9"'),
        ("UPDATE participants SET study = 'x' WHERE participant_index = 1 AND session_id = 2",
         'participant 1 has the study "x"'),
        ("UPDATE participants SET overrides = replace(overrides, '7', '8') "
         "WHERE participant_index = 1 AND session_id = 2",
         "the overrides of participant 1 are not those"),
        ("UPDATE participants SET row = 9 WHERE participant_index = 1 AND session_id = 2",
         'participant 1 has the row "9"'),
        ("UPDATE participants SET overrides = NULL WHERE participant_index = 1 AND session_id = 2",
         "the overrides of participant 1 are not those"),
        ("UPDATE participants SET overrides = '[{\"block_name\": \"A\", \"occurrence\": 0, "
         "\"patch\": {}}]' WHERE participant_index = 2 AND session_id = 2",
         "the overrides of participant 2 are not those"),
        ("INSERT INTO participants SELECT session_id, 77, block_id, ended, revision, "
         "block_started_at, updated_at, overrides, study, row FROM participants "
         "WHERE participant_index = 1 AND session_id = 2",
         "participant 77 is stored, and the log does not know of them"),
        ("UPDATE study_versions SET text = replace(text, 'speed = 1', 'speed = 2') "
         "WHERE session_id = 2", "version 1 of the study was changed"),
        ("UPDATE study_versions SET tables = '[[\"a.csv\", \"x\"]]' WHERE session_id = 2",
         "version 1 of the study was changed"),
        ("UPDATE study_versions SET digest = 'x' WHERE session_id = 2",
         "version 1 of the study was changed"),
        ("DELETE FROM study_versions WHERE session_id = 2",
         "version 1 of the study is in the log, and is gone"),
        ("INSERT INTO study_versions SELECT session_id, 2, digest, text, loaded_at, reason, NULL "
         "FROM study_versions WHERE session_id = 2",
         "version 2 of the study is stored, and was never loaded"),
        ("UPDATE records SET data = '{\"rt\":0.5}' WHERE record_id = 'a-2' AND session_id = 2",
         "are not those that were sent"),
        ("UPDATE records SET block_id = 1 WHERE record_id = 'a-1' AND session_id = 2",
         "are not those that were sent"),
        ("UPDATE records SET participant_index = 1 WHERE record_id = 'a-1' AND session_id = 2",
         "records of participant 1"),
        ("DELETE FROM records WHERE record_id = 'a-3' AND session_id = 2",
         "are not those that were sent"),
        ("INSERT INTO records SELECT session_id, participant_index, 2, 0, table_name, 'a-9', "
         "block_id, revision, recorded_at, clock_offset_ms, data, received_at FROM records "
         "WHERE record_id = 'a-3' AND session_id = 2", "the log does not know of them"),
    ],
)  # fmt: skip
def test_whatever_is_changed_is_found(database, statement, finding):
    assert problem_of(database, "main") is None
    spoil(database, statement)
    assert finding in problem_of(database, "main")
    assert problem_of(database, "pilot") is None


def test_an_entry_that_is_made_up_is_found(database):
    spoil(
        database,
        "INSERT INTO events SELECT session_id, id + 100, time, type, participant_index, data, "
        "previous, hash FROM events WHERE id = 5 AND session_id = 2",
    )
    message = cli("events", database, "--check", code=1)
    assert "not intact" in message
    assert "is missing" in message


def test_export_writes_everything_and_overwrites_nothing(studied, tmp_path):
    out = tmp_path / "data"
    cli("export", studied, "--session", "pilot", "-d", out)
    log = [json.loads(line) for line in (out / "events.jsonl").read_text("utf-8").splitlines()]
    with (out / "events.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["id"]) for row in rows] == [entry["id"] for entry in log]
    assert [json.loads(row["data"]) for row in rows] == [entry["data"] for entry in log]
    with (out / "data" / "description-timings_data.csv").open(encoding="utf-8", newline="") as file:
        stays = [(row["participant_index"], row["block_name"]) for row in csv.DictReader(file)]
    assert stays == [("1", "Hello"), ("2", "Hello"), ("2", "B")]
    with (out / "data" / "description-participants_data.csv").open(
        encoding="utf-8", newline=""
    ) as file:
        places = [(row["participant_index"], row["block_id"]) for row in csv.DictReader(file)]
    assert places == [("1", "0"), ("2", "4")]
    with (out / "data" / "description-trials_data.csv").open(encoding="utf-8", newline="") as file:
        trials = [(row["block_name"], row["rt"], row["visit"]) for row in csv.DictReader(file)]
    assert trials == [("Hello", "0.1", "1"), ("Hello", "0.2", "1"), ("Hello", "0.3", "1")]
    assert digest_of((out / "study" / "1.toml").read_text("utf-8")) == digest_of(SMALL_STUDY)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert "is not empty" in cli("export", studied, "-d", out, code=1)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_backup_of_a_live_database_is_whole_and_serves(study_file, tmp_path):
    copy = tmp_path / "copy.sqlite3"
    with server_running(study_file) as server:
        ours = client(server)
        for number in range(20):
            ours.move_to_block(number % 5)
        cli("backup", study_file, copy)
        ours.move_to_block(0)
    cli("events", copy, "--check")
    with server_running(study_file, "--database", copy) as server:
        assert client(server).get_state()[1]["block_id"] == 4


@pytest.mark.parametrize("with_keys", [False, True])
def test_a_backup_has_the_keys_of_links_only_if_asked(study_file, tmp_path, with_keys):
    copy = tmp_path / "copy.sqlite3"
    with server_running(study_file):
        with sqlite3.connect(study_file.with_suffix(".sqlite3")) as connection:
            ((key,),) = connection.execute("SELECT signing_key FROM sessions")
        cli("backup", study_file, copy, *(["--with-keys"] if with_keys else []))
    if not with_keys:
        assert "which has no key" in cli("link", copy, 1, code=1)
    assert (key.encode() in copy.read_bytes()) == with_keys
    with server_running(study_file, "--database", copy), sqlite3.connect(copy) as connection:
        ((now,),) = connection.execute("SELECT signing_key FROM sessions")
    assert len(now) == len(key)
    assert (now == key) == with_keys


def test_a_backup_overwrites_nothing(studied, tmp_path):
    there = tmp_path / "there.sqlite3"
    there.write_text("precious")
    assert "is there already" in cli("backup", studied, there, code=1)
    assert there.read_text() == "precious"
    message = cli("backup", studied, tmp_path / "no" / "such.sqlite3", code=1)
    assert "could not be" in message


def test_postgresql_is_backed_up_with_its_own_tool(tmp_path):
    message = cli("backup", "postgresql://me@host/study", tmp_path / "copy", code=1)
    assert f"pg_dump --format=custom --file={tmp_path / 'copy'} postgresql://me@host/study" in (
        message
    )


def test_sessions_are_listed(studied):
    lines = cli("sessions", studied).splitlines()
    assert [line.split()[0] for line in lines] == ["session", "pilot", "main"]
    assert [line.split()[-3:] for line in lines[1:]] == [["2", "2", "0"], ["2", "2", "1"]]


@pytest.mark.parametrize("command", ["events", "sessions", "export", "backup"])
def test_a_study_that_never_ran_has_nothing_to_show(study_file, tmp_path, command):
    more = {"export": ["-d", tmp_path / "out"], "backup": [tmp_path / "copy"]}.get(command, [])
    assert "there is no database" in cli(command, study_file, *more, code=1)
    assert not study_file.with_suffix(".sqlite3").exists()


@pytest.mark.parametrize("command", ["events", "sessions"])
def test_a_file_that_is_no_database_is_named(tmp_path, command):
    path = tmp_path / "notes.sqlite3"
    path.write_text("not a database " * 100)
    assert "notes.sqlite3 cannot be read" in cli(command, path, code=1)


def test_a_session_that_is_not_there_is_named_with_those_that_are(studied):
    message = cli("events", studied, "--session", "mian", code=1)
    assert "no session 'mian'; there is pilot, main" in message


def test_a_session_with_a_strange_name_is_refused(study_file):
    message = cli("run", study_file, "-p", "0", "--session", "a/b", code=1)
    assert "'a/b' is no name for a session" in message


def test_noted_goes_with_check(studied):
    assert "--noted needs --check" in cli("events", studied, "--noted", "a" * 64, code=2)


@pytest.mark.parametrize("noted", ["", "abc", "a" * 63, "g" * 64])
def test_what_is_no_hash_proves_nothing(studied, noted):
    message = cli("events", studied, "--check", "--noted", noted, code=2)
    assert "64 hexadecimal digits" in message


@pytest.mark.parametrize("on_change", ["all", "unstarted", "new"])
def test_all_that_a_session_can_go_through_is_whole(tmp_path, on_change):
    study = tmp_path / "study.toml"
    shorter = SMALL_STUDY.replace('order = [["A", "B"], ["C", "D"]]', 'order = [["A"]]')
    for text in (SMALL_STUDY, shorter, SMALL_STUDY, shorter):
        study.write_text(text, encoding="utf-8")
        with server_running(study, "--on-change", on_change) as server:
            ours = client(server)
            ours.new_participant()
            ours.new_participant()
            newest = ours.new_participant()[1]
            ours.move_to_block(1, newest)
            ours.move_to_next(newest - 1)
            ours.move_to_next(newest - 1)
            ours.move_to_next(newest - 1)
    cli("events", study, "--check")


def upload(server, path, content):
    request = urllib.request.Request(f"{server.url}/api/files/{path}", content, method="PUT")
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        assert answer.status == 201


@pytest.fixture
def with_files(study_file):
    """A study with two uploaded files, and the folder of its session."""
    with server_running(study_file) as server:
        upload(server, "1/hand.csv", b"a,b\n1,2\n")
        upload(server, "1/trackers/eye.bin", b"\0" * 5000)
    return study_file, study_file.with_name("study-data") / "main"


def test_the_check_reads_uploaded_files(with_files):
    study, folder = with_files
    found = run_cli("events", study, "--check")
    assert (found.returncode, len(found.stdout.strip())) == (0, 64)
    assert "2 uploaded files" in found.stderr
    assert "SHA-256" in found.stderr
    (folder / "participant-1" / "by-hand.txt").write_text("x")
    assert (
        "does not know of: participant-1/by-hand.txt" in run_cli("events", study, "--check").stderr
    )
    assert any(
        "participant-1/hand.csv  8 bytes" in line for line in cli("events", study).split("\n")
    )


def test_a_file_that_is_stored_during_the_check_is_not_reported(study_file):
    folder = study_file.with_name("study-data") / "main" / "participant-1"
    with server_running(study_file) as server:
        upload(server, "1/empty.csv", b"")
        # The check has read the log, and waits here for the content of the file.
        (folder / "empty.csv").unlink()
        os.mkfifo(folder / "empty.csv")
        command = [sys.executable, "-m", "experiment_server", "events", study_file, "--check"]
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as checking:
            with (folder / "empty.csv").open("wb"):
                upload(server, "1/later.csv", b"a,b\n1,2\n")
            _, said = checking.communicate(timeout=PATIENCE)
    assert checking.returncode == 0, said
    assert "Intact: 1 uploaded files" in said
    assert "does not know" not in said


@pytest.mark.parametrize(("spoiled", "finding"), [
    (lambda path: path.write_bytes(b"\0" * 4999 + b"\1"), "eye.bin was changed"),
    (lambda path: path.write_bytes(b"\0" * 4999), "eye.bin was changed"),
    (lambda path: path.unlink(), "eye.bin is gone"),
])  # fmt: skip
def test_a_changed_or_missing_file_is_found(with_files, tmp_path, spoiled, finding):
    study, folder = with_files
    spoiled(folder / "participant-1" / "trackers" / "eye.bin")
    message = cli("events", study, "--check", code=1)
    assert "1 of 2 uploaded files" in message
    assert finding in message
    exported = run_cli("export", study, "-d", tmp_path / "out")
    assert exported.returncode == 0
    assert finding in exported.stderr


def test_files_elsewhere_are_compared_if_their_folder_is_named(with_files, tmp_path):
    study, folder = with_files
    copy = tmp_path / "elsewhere" / "copy.sqlite3"
    copy.parent.mkdir()
    backup = run_cli("backup", study, copy)
    assert f"2 files that apps uploaded are in {folder.parent}" in backup.stderr
    assert "Not compared: 2 uploaded files" in run_cli("events", copy, "--check").stderr
    moved = folder.parent.rename(tmp_path / "moved")
    assert "2 of 2 uploaded files" in cli("events", study, "--check", code=1)
    found = run_cli("events", copy, "--check", "--data", moved)
    assert (found.returncode, "Intact: 2 uploaded files" in found.stderr) == (0, True)
    assert "--data needs --check" in cli("events", study, "--data", moved, code=2)


def test_an_export_has_the_files_as_the_log_has_them(with_files, tmp_path):
    study, folder = with_files
    exported = run_cli("export", study, "-d", tmp_path / "out")
    assert "2 uploaded files" in exported.stderr
    assert "not as the log" not in exported.stderr
    copied = tmp_path / "out" / "files" / "participant-1" / "trackers" / "eye.bin"
    assert copied.read_bytes() == (folder / "participant-1" / "trackers" / "eye.bin").read_bytes()
