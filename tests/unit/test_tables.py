"""Tables from files: what is in a CSV or a JSON Lines text, or where it is wrong."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiment_server.study.csv_cells import CsvSyntaxError, read_rows
from experiment_server.study.expand import expand
from experiment_server.study.parse import parse
from experiment_server.study.source import StudySource, TableFile, digest_of
from experiment_server.study.tables import files_named_in, path_problem

STUDY = """
[configuration.tables]
words = "{}"
[[blocks]]
name = "learn"
[blocks.config]
words = "$words"
"""


def study(text, path="words.csv"):
    return parse(StudySource(STUDY.format(path), (TableFile(path, text),)))


def rows(text, path="words.csv"):
    return expand(study(text, path).require(), 1)[0].config["words"]


def test_cells_have_the_types_that_toml_would_give_them():
    text = (
        "a,b,c,d,e,f\n"
        '1,-2.5,true,false,chair,"12"\n'
        ' +3 , 1e3 ,"true",007,1_000,"say ""so"",\nplease"\n'
        "-9223372036854775808,0.0,nan,0x10,2026-01-01,\n"
    )
    assert rows(text) == [
        {"a": 1, "b": -2.5, "c": True, "d": False, "e": "chair", "f": "12"},
        {"a": 3, "b": 1000.0, "c": "true", "d": "007", "e": "1_000", "f": 'say "so",\nplease'},
        {"a": -(2**63), "b": 0.0, "c": "nan", "d": "0x10", "e": "2026-01-01"},
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_the_mark_of_windows_make_no_difference(end):
    assert rows(f"\ufeffword,list{end}chair,1{end}{end}lamp,{end}") == [
        {"word": "chair", "list": 1},
        {"word": "lamp"},
    ]


def test_json_lines_are_rows_and_nulls_are_keys_that_are_not_there():
    text = '{"word": "Stuhl", "at": [1, {"x": null}]}\n\n{"word": null, "list": 2}\n'
    assert rows(text, "words.jsonl") == [{"word": "Stuhl", "at": [1, {"x": None}]}, {"list": 2}]


def test_what_is_in_a_table_is_data():
    text = '{"word": "$words", "text": "$$x", "call": {"function_name": "choices", "args": [[1]]}}'
    assert rows(text, "words.jsonl") == [json.loads(text)]


def test_every_participant_has_rows_of_their_own():
    found = study("word\nchair\n").require()
    expand(found, 1)[0].config["words"][0]["word"] = "changed"
    assert expand(found, 1)[0].config["words"] == [{"word": "chair"}]


def test_a_digest_is_that_of_the_text_and_of_each_table():
    assert StudySource("x").digest == digest_of("x")
    one = StudySource("x", (TableFile("a.csv", "1"), TableFile("b.csv", "2")))
    written = f"{digest_of('x')}\n{digest_of('1')}  a.csv\n{digest_of('2')}  b.csv\n"
    assert one.digest == digest_of(written)
    others = [("y", "a.csv", "1"), ("x", "c.csv", "1"), ("x", "a.csv", "3")]
    digests = {StudySource(text, (TableFile(path, cell),)).digest for text, path, cell in others}
    assert len({one.digest, *digests}) == 4


def test_a_table_with_mistakes_causes_no_others():
    found = parse(
        StudySource(
            STUDY.format("words.csv").replace(
                '"$words"', '{ function_name = "sample", args = ["$words", 2] }'
            ),
            (TableFile("words.csv", "word,list\nchair\n"),),
        )
    )
    assert [item.code for item in found.diagnostics] == ["table-row"]


def test_tables_are_bounded(monkeypatch):
    monkeypatch.setattr("experiment_server.study.tables.EXPANDED_VALUES_MAX", 5)
    assert [item.code for item in study("a\n1\n2\n3\n").diagnostics] == ["study-too-large"]
    monkeypatch.setattr("experiment_server.study.tables.STUDY_MAX_BYTES", 7)
    assert [item.code for item in study("a\n1\n2\n3\n").diagnostics] == ["study-too-large"]
    monkeypatch.setattr("experiment_server.study.tables.STUDY_TABLES_MAX", 0)
    assert [item.code for item in study("a\n1\n").diagnostics] == ["study-too-large"]


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=5))
def test_what_python_writes_is_read_as_it_was(cells):
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(cells)
    # Python too keeps no line break within a cell apart from another.
    expected = [[cell.replace("\r\n", "\n").replace("\r", "\n") for cell in row] for row in cells]
    assert [[cell.text for cell in row] for row in read_rows(written.getvalue())] == expected


@given(st.text(alphabet='ab1",;\n\r\t ', max_size=40))
def test_any_text_is_rows_or_has_a_place_where_it_is_not(text):
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    places = []
    try:
        places += [(cell.line, cell.column) for row in read_rows(text) for cell in row]
    except CsvSyntaxError as broken:
        places.append((broken.line, broken.column))
    for line, column in places:
        assert 1 <= column <= len(lines[line - 1]) + 1


@given(st.text(max_size=60), st.sampled_from(["words.csv", "words.jsonl"]))
def test_any_table_is_read_or_its_mistakes_have_a_place(text, path):
    found = study(text, path)
    for item in found.diagnostics:
        assert item.file == path
        assert item.line is not None or item.code == "table-empty"
        item.render("study.toml", found.source)
    if found.study is not None:
        assert expand(found.study, 1)[0].config["words"]


@given(
    st.text(alphabet='word,1.5e"\n\r tru', max_size=60).map(lambda rest: f"word,list\n{rest}"),
)
def test_any_rows_below_a_header_are_read_or_have_a_place(text):
    found = study(text)
    for item in found.diagnostics:
        assert item.file == "words.csv"
        assert item.line is not None or item.code == "table-empty"


@pytest.mark.parametrize(
    "path",
    [
        "words.csv", "lists/words.csv", "Wörter.CSV", "a b.jsonl", "..words.csv", ".csv",
    ],
)  # fmt: skip
def test_paths_in_the_studys_folder_are_paths_of_tables(path):
    assert path_problem(path) is None


@pytest.mark.parametrize(
    "path",
    [
        "words.xlsx", "words", "", "/words.csv", "../words.csv", "lists/../../words.csv",
        "lists//words.csv", "./words.csv", "C:/words.csv", "lists\\words.csv", "a\nb.csv",
        "a\0.csv", "a\ud800.csv", "lists/..", "csv",
    ],
)  # fmt: skip
def test_other_paths_are_refused(path):
    assert path_problem(path) is not None


def test_a_study_names_as_many_files_as_it_may(monkeypatch):
    monkeypatch.setattr("experiment_server.study.tables.STUDY_TABLES_MAX", 2)
    named = "".join(f'table{number} = "{number}.csv"\n' for number in range(5))
    assert files_named_in(f"[configuration.tables]\n{named}") == ["0.csv", "1.csv"]
    assert files_named_in("[configuration.tables") == []
    assert files_named_in('configuration = "x"') == []
    assert files_named_in('[configuration]\ntables = ["a.csv"]') == []
