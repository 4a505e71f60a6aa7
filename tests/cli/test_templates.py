"""The templates of `new-config-file`: each is a study that runs, and does what it says."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from experiment_server.cli import new_config_file
from experiment_server.cli.main import main
from experiment_server.cli.new_config_file import TEMPLATES
from experiment_server.study.balance import balance, usual_participants
from experiment_server.study.expand import expand
from experiment_server.study.parse import parse

FILES = Path(new_config_file.__file__).parent / "templates"


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def written(tmp_path):
    """Writes a template's study, and returns its text."""

    def write(name):
        path = tmp_path / f"{name}.toml"
        assert run("new-config-file", path, "--template", name).exit_code == 0
        return path.read_text(encoding="utf-8")

    return write


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_verifies_and_expands_for_everybody(written, tmp_path, name):
    text = written(name)
    strict = () if name == "questionnaires" else ("--strict",)
    verified = run("verify", tmp_path / f"{name}.toml", *strict)
    assert verified.exit_code == 0, verified.output
    study = parse(text).require()
    for participant in range(1, 25):
        assert len(expand(study, participant)) >= 4


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_multiple_that_a_template_names_balances_it(written, name):
    text = written(name)
    [named] = re.findall(r"plan for a multiple of (\d+) participants", text)
    study = parse(text).require()
    report = balance(study, int(named))
    assert usual_participants(study) == int(named)
    assert all(report.balanced.values()), report.sentence


def test_two_lists_cross_method_list_and_place():
    study = parse((FILES / "two-lists.toml").read_text(encoding="utf-8")).require()
    learned = [
        tuple(block.name for block in expand(study, participant) if "learn" in block.name)
        for participant in (1, 2, 3, 4)
    ]
    assert learned == [
        ("learn-silent-A", "learn-aloud-B"),
        ("learn-silent-B", "learn-aloud-A"),
        ("learn-aloud-B", "learn-silent-A"),
        ("learn-aloud-A", "learn-silent-B"),
    ]
    words = {block.name: block.config.get("words") for block in expand(study, 1)}
    assert "apple" in words["learn-silent-A"]
    assert "anchor" in words["learn-aloud-B"]


def test_verify_names_each_text_that_is_missing_in_the_questionnaires(written, tmp_path):
    text = written("questionnaires")
    path = tmp_path / "questionnaires.toml"
    missing = [item for item in parse(text).diagnostics if item.code == "text-unwritten"]
    lines = text.split("\n")
    assert [item.line for item in missing] == [
        at for at, line in enumerate(lines, 1) if '"TODO: ' in line
    ]
    assert len(missing) == 6 + 10 + 8
    refused = run("verify", path, "--strict", "--brief")
    assert refused.exit_code == 1
    assert "24 warnings" in refused.output
    path.write_text(re.sub(r'"TODO: [^"]*"', '"pasted"', text), encoding="utf-8")
    assert run("verify", path, "--strict", "--brief").exit_code == 0


def test_the_questionnaires_know_their_polarity():
    study = parse((FILES / "questionnaires.toml").read_text(encoding="utf-8")).require()
    configs = {block.name: block.config for block in expand(study, 1)}
    assert [item["reversed"] for item in configs["sus-old"]["items"]] == [False, True] * 5
    qualities = [item["quality"] for item in configs["ueq-s-old"]["items"]]
    assert qualities == ["pragmatic"] * 4 + ["hedonic"] * 4
    ends = {item["key"]: item["right"] for item in configs["nasa-tlx-old"]["items"]}
    assert ends["performance"] == "a poorer performance"
    assert ends["mental_demand"] == "more demand"


def test_help_and_an_unknown_name_list_every_template():
    assert {path.stem for path in FILES.glob("*.toml")} == set(TEMPLATES)
    told = run("new-config-file", "--help")
    unknown = run("new-config-file", "study.toml", "--template", "tow-lists")
    assert unknown.exit_code == 2
    assert 'did you mean "two-lists"?' in unknown.output
    for name in TEMPLATES:
        first = (FILES / f"{name}.toml").read_text(encoding="utf-8").split("\n")[0]
        line = re.compile(rf"^ +{name} +{re.escape(first.removeprefix('# '))}$", re.MULTILINE)
        for output in (told.output, unknown.output):
            assert line.search(output)
    assert max(map(len, told.output.splitlines())) <= 80


def test_nothing_is_written_for_an_unknown_template(tmp_path):
    path = tmp_path / "study.toml"
    assert run("new-config-file", path, "--template", "nothing-like-it").exit_code == 2
    assert not path.exists()
