"""Taking part in the reaction-time study: PsychoPy's loop, without its window."""

import itertools
import json
import shutil
import subprocess
import sys

import pytest

from experiment_server import Client
from tests.conftest import ROOT, server_running
from tests.examples.conftest import tables, trials_by_block
from tests.waiting import PATIENCE

EXAMPLE = ROOT / "examples" / "psychopy-reaction-time"


@pytest.fixture
def server(tmp_path):
    study = tmp_path / "experiment.toml"
    shutil.copy(EXAMPLE / "experiment.toml", study)
    with server_running(study) as running:
        yield running


def run(server, tmp_path, *arguments):
    command = [sys.executable, EXAMPLE / "reaction_time.py", "--url", server.url]
    return subprocess.run(
        [*command, "--storage", tmp_path / "unsent", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * PATIENCE,
    )


def test_what_was_shown_and_pressed_is_what_the_server_has(server, tmp_path):
    rest = Client(server.url)
    blocks = rest.get_all_configs(1)[1]
    done = run(server, tmp_path, "--participant", "1", "--no-window")
    assert done.returncode == 0, done.stderr
    assert rest.get_state(1)[1]["block_name"] == "END"
    shown = iter([json.loads(line) for line in done.stdout.splitlines()])
    results = trials_by_block(server.url)
    asked = [block for block in blocks if block["kind"] == "reactions"]
    assert list(results) == [block["name"] for block in asked]
    for block in asked:
        trials = block["trials"][: block.get("at_most")]
        opacity = block["opacities"][block["contrast"]]
        assert len(results[block["name"]]) == len(trials) == (6 if "at_most" in block else 24)
        for number, (trial, recorded) in enumerate(
            zip(trials, results[block["name"]], strict=True), 1
        ):
            seen = next(shown)
            assert seen["x"] == {"left": -0.4, "centre": 0, "right": 0.4}[trial["side"]]
            assert seen["opacity"] == opacity
            assert recorded["rt"] == pytest.approx(seen["rt"], abs=1e-4)
            assert recorded == {
                "trial": number,
                **trial,
                "key": seen["key"],
                "correct": seen["key"] == block["keys"][trial["side"]],
                "rt": recorded["rt"],
            }
    assert next(shown, None) is None
    trials = list(itertools.chain.from_iterable(results.values()))
    assert {trial["correct"] for trial in trials} == {True, False}
    assert None in {trial["key"] for trial in trials}
    levels = {
        (row["block_name"], row["factors"]["task"], row["factors"].get("contrast"))
        for row in tables(server.url)["trials"]
    }
    assert ("react-choice-faint", "choice", "faint") in levels
    assert ("practice-simple", "simple", None) in levels


def test_who_is_unknown_is_told_so(server, tmp_path):
    done = run(server, tmp_path, "--participant", "99", "--no-window")
    assert done.returncode == 1
    assert "participant 99" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_psychopy_the_program_says_what_to_do(server, tmp_path):
    done = run(server, tmp_path, "--participant", "1")
    assert done.returncode == 1
    assert "pip install psychopy" in done.stderr
