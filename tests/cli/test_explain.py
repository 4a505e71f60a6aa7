"""`experiment-server explain`, as a user types it."""

import json

from click.testing import CliRunner

from experiment_server.cli.main import main
from tests.unit.test_explanations import STUDY


def run(*arguments):
    return CliRunner().invoke(main, ["explain", *arguments])


def test_it_shows_where_blocks_and_values_come_from(tmp_path):
    study = tmp_path / "study.toml"
    study.write_text(STUDY, encoding="utf-8")
    shown = run(str(study), "2")
    assert shown.exit_code == 0
    assert "techniques: hand, 1 of 2 (latin_square, order 2 of 2)" in shown.stdout
    assert "drawn by choices, from practice-hand" in shown.stdout
    report = json.loads(run(str(study), "2", "--format", "json").stdout)
    assert report["participant"] == 2
    assert [block["block_id"] for block in report["blocks"]] == [*range(6)]


def test_a_participant_may_follow_another_row(tmp_path):
    study = tmp_path / "study.toml"
    study.write_text(STUDY, encoding="utf-8")
    own, other = run(str(study), "2").stdout, run(str(study), "1", "--row", "2").stdout
    assert own == other
    assert own != run(str(study), "1").stdout


def test_a_study_with_errors_has_nothing_to_explain(tmp_path):
    study = tmp_path / "study.toml"
    study.write_text("order = 3\n", encoding="utf-8")
    assert run(str(study), "2").exit_code == 1
    assert run(str(study), "0").exit_code == 2
