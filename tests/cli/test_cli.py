"""The command line, as a user types it."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from experiment_server.cli.main import COMMANDS, main
from tests.conftest import SMALL_STUDY


def run(*arguments, **options):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], **options)


@pytest.fixture
def study(study_file, monkeypatch):
    monkeypatch.chdir(study_file.parent)
    return study_file.name


def test_help_lists_every_command_with_its_aliases_and_imports_nothing_heavy():
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "experiment_server", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for command in COMMANDS:
        aliases = f" ({', '.join(command.aliases)})" if command.aliases else ""
        assert f"{command.name}{aliases}" in result.stdout
    imported = {line.split("|")[-1].strip() for line in result.stderr.splitlines()}
    heavy = {"aiohttp", "asyncio", "sqlalchemy", "alembic", "socketio", "rich", "tomli", "jinja2"}
    assert imported & heavy == set()
    assert "click" in imported


@pytest.mark.parametrize(
    "name", [name for command in COMMANDS for name in (command.name, *command.aliases)]
)
def test_every_command_and_alias_teaches(name):
    result = run(name, "--help")
    assert result.exit_code == 0
    assert "Usage: " in result.output


# new-config-file


@pytest.mark.parametrize("alias", ["new-config-file", "n", "new"])
def test_a_new_study_verifies_as_it_stands(tmp_path, alias):
    path = tmp_path / "made" / "study.toml"
    assert run(alias, path).exit_code == 0
    verified = run("verify", path)
    assert verified.exit_code == 0
    assert "warning" not in verified.output
    assert path.read_text(encoding="utf-8").count("#") > 20, "it is commented"


def test_a_folder_gets_a_new_config(tmp_path):
    assert run("new", tmp_path / "my-study").exit_code == 0
    assert (tmp_path / "my-study" / "new_config.toml").is_file()


def test_an_existing_file_is_never_overwritten(study):
    result = run("new", study)
    assert result.exit_code == 1
    assert "exists already" in result.output
    assert Path(study).read_text(encoding="utf-8") == SMALL_STUDY


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "notes").touch()
    result = run("new", tmp_path / "notes" / "study.toml")
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")


# verify-config-file


def test_verify_shows_the_orders_and_blocks_of_five_participants(study):
    result = run("verify", study)
    assert result.exit_code == 0
    assert "Orders of participants 1 to 5" in result.output
    lines = result.output.splitlines()
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines]
    assert ["1", "A", "C", "A", "C", "A"] in cells
    assert '  C      {"speed": 3}' in lines
    assert result.output.endswith("study.toml is valid.\n")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"D"]', '"Dee"]'), 'order, group 2 names the unknown block "Dee"'),
        (("speed = 3", 'speed = "$SPEED"'), 'uses the unknown variable "$SPEED"'),
        (('"latin_square"', '"latin"'), 'groups_strategy is "latin", which is no strategy'),
        (('name = "B"', 'name = "A"'), 'two blocks have the name "A"'),
        (("speed = 3", 'x = { function_name = "pick" }'), 'unknown function "pick"'),
        (("order = [[", "order = [[["), "not valid TOML"),
        (('["C", "D"]]', '["C"]]\nwithin_groups_strategy = "latin_square"'), "groups of one size"),
        (
            (
                "speed = 1",
                'x = { function_name = "choices", args = [[1]], params = {unique = true} }',
            ),
            "none of its values is left",
        ),
    ],
)
def test_a_mistake_gets_one_clear_message_and_exit_code_1(study, change, message):
    Path(study).write_text(SMALL_STUDY.replace(*change), encoding="utf-8")
    result = run("verify", study)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert f"{study}:" in result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.toml", None, "does not exist"),
        ("study.json", b"{}", "has to end with .toml"),
        ("latin1.toml", "name = 'größe'".encode("latin-1"), "not UTF-8"),
        ("folder.toml", "folder", "is a directory"),
    ],
)
@pytest.mark.parametrize("command", ["verify", "generate", "run"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, command, name, content, message):
    path = tmp_path / name
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    more = ["-i", "1"] if command == "generate" else []
    result = run(command, path, *more)
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert message in result.output


@pytest.mark.parametrize("command", [["generate", "-i", "1"], ["run", "-p", "0"]])
def test_a_broken_study_is_not_used(study, command):
    Path(study).write_text("[[blocks]]\nname='A'\n", encoding="utf-8")
    result = run(command[0], study, *command[1:])
    assert result.exit_code == 1
    assert "neither config nor extends" in result.stderr


def test_the_line_is_shown_and_what_is_wrong_is_underlined(study):
    Path(study).write_text(SMALL_STUDY.replace('"D"]', '"Dee"]'), encoding="utf-8")
    assert run("verify", study).stderr.splitlines() == [
        'study.toml:3:28: error[block-unknown]: order, group 2 names the unknown block "Dee"',
        '  3 | order = [["A", "B"], ["C", "Dee"]]',
        "    |                            ^^^^^",
        "  hint: the blocks are Hello, A, B, C, D",
        "study.toml has 1 error.",
    ]


def test_diagnostics_are_there_as_json(study):
    Path(study).write_text(SMALL_STUDY.replace("[configuration]", "[configuration]\noder = 1"))
    result = run("verify", study, "--format", "json")
    assert (result.exit_code, result.stderr) == (0, "")
    report = json.loads(result.stdout)
    assert (report["file"], report["ok"]) == ("study.toml", True)
    warning = next(item for item in report["diagnostics"] if item["severity"] == "warning")
    assert warning == {
        "code": "key-unknown",
        "severity": "warning",
        "message": '[configuration] has the unknown key "oder", which does nothing',
        "hint": 'did you mean "order"?',
        "line": 3,
        "column": 1,
        "end_line": 3,
        "end_column": 5,
        "file": None,
    }
    broken = run("verify", study, "--format", "json", "--strict")
    assert (broken.exit_code, json.loads(broken.stdout)["ok"]) == (1, False)


def test_strict_lets_warnings_fail_but_not_what_is_only_good_to_know(study):
    assert run("verify", study, "--strict").exit_code == 0
    Path(study).write_text(SMALL_STUDY.replace('order = [["A", "B"], ', "order = ["))
    result = run("verify", study, "--strict")
    assert result.exit_code == 1
    assert "study.toml has 2 warnings." in result.stderr


VARIED = SMALL_STUDY.replace(
    "speed = 1",
    'speed = { function_name = "choices", args = [[1, 2, 3, 4, 5, 6, 7, 8]] }\nkept = true',
)


def test_verify_shows_once_what_is_shared_and_beside_it_what_varies(study):
    Path(study).write_text(VARIED)
    lines = run("verify", study, "-n", 3).stdout.splitlines()
    place = lines.index('  A      {"kept": true}')
    assert re.fullmatch(r" +speed varies: 1: \[\d\]   2: \[\d\]   3: \[\d\]", lines[place + 1])


def test_verify_can_be_brief_or_show_every_block_of_everyone(study):
    Path(study).write_text(VARIED)
    brief, full = (run("verify", study, option).stdout for option in ("--brief", "--expand"))
    assert "Orders of participants 1 to 5" in brief
    assert "kept" not in brief
    assert full.count("Participant ") == 5
    assert full.count('"kept": true') == 4 * 5


def test_long_lists_are_shown_by_their_beginning(tmp_path):
    study = tmp_path / "study.toml"
    crossed = '{ function_name = "cross", args = [{ side = ["left", "right"] }, 20] }'
    config = f'same = "{"x" * 200}"\nshort = [{", ".join(["100"] * 20)}]\ntrials = {crossed}\n'
    study.write_text(f'[[blocks]]\nname = "A"\n[blocks.config]\n{config}', encoding="utf-8")
    for arguments in (("verify", str(study)), ("explain", str(study), "2")):
        shown = run(*arguments).stdout
        assert shown.count("... 38 more]") >= 1
        # Neither a long text nor a list that fits is cut.
        assert "x" * 200 in shown
        assert ", ".join(["100"] * 20) in shown
    assert "more]" not in run("verify", str(study), "--expand").stdout
    assert "more]" not in run("explain", str(study), "2", "--format", "json").stdout


def test_verify_shows_as_many_orders_as_asked_for(study):
    assert "Orders of participants 1 to 12" in run("verify", study, "-n", 12).stdout
    assert run("verify", study, "-n", 0).exit_code == 2


# generate-config-json


def test_generate_prints_a_line_of_json_per_participant(study):
    result = run("generate", study, "-r", 3)
    assert result.exit_code == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [[config["name"] for config in configs] for configs in lines] == [
        ["Hello", "A", "B", "C", "D"],
        ["Hello", "C", "D", "A", "B"],
        ["Hello", "A", "B", "C", "D"],
    ]
    assert lines[1][1] == {"speed": 3, "participant_index": 2, "name": "C", "block_id": 1}


def test_generate_writes_indented_files(study):
    assert run("g", study, "-i", 2, "-d", "out").exit_code == 0
    [path] = Path("out").iterdir()
    assert path.name == "study-participant_2.json"
    text = path.read_text(encoding="utf-8")
    assert text.startswith('[\n  {\n    "text": "hi",')
    [line] = run("generate", study, "-i", 2).stdout.splitlines()
    assert json.loads(text) == json.loads(line)


def test_generate_takes_ranges(study):
    lines = run("generate", study, "-r", "11-13").stdout.splitlines()
    assert [json.loads(line)[0]["participant_index"] for line in lines] == [11, 12, 13]


def test_generate_writes_rows_of_csv_with_nested_keys_dotted(study):
    nested = 'speed = 1\nplace = { x = 1, deep = { y = "a,b" } }\nlist = [1, "é"]\non = true'
    Path(study).write_text(SMALL_STUDY.replace("speed = 1", nested), encoding="utf-8")
    result = run("g", study, "-r", "2", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout_bytes.decode("utf-8"))))
    assert len(rows) == 10
    assert list(rows[0]) == [
        "participant_index", "name", "block_id",
        "text", "speed", "place.x", "place.deep.y", "list", "on",
    ]  # fmt: skip
    assert rows[1]["place.deep.y"] == "a,b"
    assert (rows[1]["list"], rows[1]["on"], rows[0]["speed"]) == ('[1,"é"]', "TRUE", "")
    assert run("g", study, "-r", "2", "--format", "csv", "-d", "out").exit_code == 0
    assert Path("out/study.csv").read_bytes() == result.stdout_bytes


def test_with_both_options_the_range_wins_and_generate_says_so(study):
    result = run("generate", study, "-i", 9, "-r", 2)
    assert len(result.stdout.splitlines()) == 2
    assert "-r counts: participants 1 to 2" in result.stderr


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["-i", "0"],
        ["-i", "x"],
        ["-r", "0"],
        ["-r", "5-2"],
        ["-r", "1-"],
        ["-r", "1-2-3"],
        ["-r", "²"],
        ["-i", "1", "--format", "xml"],
    ],
)
def test_generate_teaches_when_used_wrongly(study, options):
    result = run("generate", study, *options)
    assert result.exit_code == 2
    assert "Usage: " in result.stderr


def test_any_terminal_encoding_is_survived(study):
    Path(study).write_text(SMALL_STUDY.replace('"hi"', '"größe ✓"'), encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-m", "experiment_server", "verify", study],
        capture_output=True,
        env={
            **os.environ,
            "PYTHONIOENCODING": "ascii",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        },
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert b"Traceback" not in result.stderr
