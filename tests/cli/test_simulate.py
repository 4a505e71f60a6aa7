"""`simulate`: everybody takes part on a real server, only faster."""

import re
import sqlite3

import pytest
from click.testing import CliRunner

from experiment_server.cli.main import main


def simulate(study, *options):
    fast = ["--speed", "6000x", "--arrival-seconds", "60"]
    return CliRunner().invoke(main, ["simulate", str(study), *fast, *map(str, options)])


def test_everybody_goes_through_all_blocks(study_file):
    result = simulate(study_file, "-n", 6)
    assert result.exit_code == 0, result.output
    assert "Dashboard: http://127.0.0.1:" in result.output
    for name in ("Hello", "A", "B", "C", "D"):
        assert re.search(rf"{name} +│ +6 │", result.output), name
    assert "6 finished." in result.output
    assert "Who finished took" in result.output
    assert re.search(r"answered 95 of 100 moves within \d+ ms", result.output)
    assert not list(study_file.parent.glob("*.sqlite3")), "nothing is kept"


def test_some_drop_out_and_the_same_ones_with_the_same_seed(study_file):
    first, again, other = (
        simulate(study_file, "-n", 10, "--drop-out", 0.5, "--seed", seed) for seed in (1, 1, 2)
    )
    counts = [re.search(r"(\d+) finished, (\d+) dropped out", one.output) for one in (first, again)]
    assert counts[0].groups() == counts[1].groups()
    assert 0 < int(counts[0][2]) < 10
    assert other.exit_code == 0


def test_a_real_session_is_not_touched(study_file):
    database = study_file.with_suffix(".sqlite3")
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE kept (something)")
    before = database.read_bytes()
    assert simulate(study_file, "-n", 2).exit_code == 0
    assert database.read_bytes() == before


def test_what_they_did_is_kept_if_asked_in_a_new_database(study_file, tmp_path):
    kept = tmp_path / "kept.sqlite3"
    result = simulate(study_file, "-n", 3, "--trials", 2, "--keep", kept)
    assert result.exit_code == 0, result.output
    with sqlite3.connect(kept) as connection:
        query = "SELECT participant_index, block_id, count(*) FROM records GROUP BY 1, 2"
        counts = connection.execute(query).fetchall()
    assert counts == [(who, block, 2) for who in (1, 2, 3) for block in range(5)]
    assert CliRunner().invoke(main, ["events", str(kept), "--check"]).exit_code == 0
    before = kept.read_bytes()
    again = simulate(study_file, "-n", 3, "--keep", kept)
    assert (again.exit_code, kept.read_bytes()) == (1, before)
    assert "is there already" in again.output


@pytest.mark.parametrize("speed", ["fast", "0x", "-3", "inf", "nan"])
def test_a_speed_that_is_none_is_explained(study_file, speed):
    result = CliRunner().invoke(main, ["simulate", str(study_file), "--speed", speed])
    assert result.exit_code == 2
    assert "written like 20x" in result.output


def test_a_study_with_errors_is_not_rehearsed(tmp_path):
    study = tmp_path / "study.toml"
    study.write_text("order = 3", encoding="utf-8")
    result = CliRunner().invoke(main, ["simulate", str(study)])
    assert result.exit_code == 1
    assert "the study has errors" in result.output
