"""`experiment-server design`, as a user types it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from experiment_server.cli.main import main

STUDY = """
[configuration]
order = ["near", "far", "high"]
groups_strategy = "williams"
[[blocks]]
name = "near"
config = {}
[[blocks]]
name = "far"
config = {}
[[blocks]]
name = "high"
config = {}
"""


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(STUDY, encoding="utf-8")
    return str(path)


def run(*arguments):
    return CliRunner().invoke(main, arguments)


def test_it_reports_on_one_whole_cycle_unless_told_otherwise(study):
    result = run("design", study)
    assert result.exit_code == 0
    assert "6 participants: balanced for position and carry-over." in result.stdout
    assert run("d", study, "-n", "7").stdout.strip().endswith("6 or 12 would balance more.")


def test_its_json_has_the_counts(study):
    report = json.loads(run("design", study, "--format", "json", "-n", "6").stdout)
    assert report["conditions"] == ["near", "far", "high"]
    assert report["positions"] == [[2, 2, 2]] * 3
    assert report["carry_over"] == [[0, 2, 2], [2, 0, 2], [2, 2, 0]]
    assert report["balanced"] == {"position": True, "carry_over": True}


def test_verify_shows_the_sentence(study):
    shown = run("verify", study, "--brief").stdout
    assert "Design for 6 participants: balanced for position and carry-over." in shown


@pytest.mark.parametrize(("name", "magic"), [("d.svg", b"<?xml"), ("d.png", b"\x89PNG")])
def test_it_draws_a_picture(study, tmp_path, name, magic):
    picture = tmp_path / name
    assert run("design", study, "--plot", str(picture)).exit_code == 0
    assert picture.read_bytes().startswith(magic)


def test_a_picture_of_an_unknown_kind_or_place_is_refused_in_words(study, tmp_path):
    kind = run("design", study, "--plot", str(tmp_path / "d.gif"))
    assert kind.exit_code == 2
    assert ".svg, .png" in kind.stderr
    place = run("design", study, "--plot", str(tmp_path / "nowhere" / "d.png"))
    assert place.exit_code == 1
    assert "cannot be written" in place.stderr


def test_without_matplotlib_it_says_what_to_install(study, tmp_path):
    program = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from experiment_server.cli.main import main; main()"
    )
    command = [sys.executable, "-c", program, "design", study, "--plot", str(tmp_path / "d.png")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "pip install 'experiment-server[plot]'" in result.stderr
    assert "Traceback" not in result.stderr
    assert not Path(tmp_path / "d.png").exists()
