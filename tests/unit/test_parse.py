"""Broken studies: every problem is found and named, and nothing is ever raised."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiment_server.errors import StudyInvalid
from experiment_server.study.parse import parse

A = '[[blocks]]\nname="A"\n[blocks.config]\nx=1\n'
B = '[[blocks]]\nname="B"\n[blocks.config]\nx=2\n'
CALL = '[[blocks]]\nname="A"\n[blocks.config]\nx={{{}}}\n'


def configuration(text, *blocks):
    return f"[configuration]\n{text}\n" + "".join(blocks or (A, B))


TABLE = sorted((Path(__file__).parent / "broken").glob("*.toml"))


@pytest.mark.parametrize("path", TABLE, ids=lambda path: path.stem)
def test_a_mistake_is_told_in_exactly_these_words(path):
    text = path.read_text(encoding="utf-8")
    outcome = parse(text)
    rendered = [diagnostic.render(path.name, text) for diagnostic in outcome.diagnostics]
    expected = path.with_suffix(".txt").read_text(encoding="utf-8")
    assert "\n".join(rendered) + "\n" == expected
    assert (outcome.study is None) == ("error[" in expected)
    if outcome.study is None:
        with pytest.raises(StudyInvalid) as caught:
            outcome.require()
        assert caught.value.diagnostics == outcome.diagnostics


def test_the_table_of_mistakes_is_long_and_knows_every_code():
    assert len(TABLE) >= 40
    told = "".join(path.with_suffix(".txt").read_text(encoding="utf-8") for path in TABLE)
    source = Path(parse.__code__.co_filename).parent.glob("*.py")
    codes = set(
        re.findall(
            r'(?:error|warning|info)\(\s*"([a-z0-9-]+)"',
            "".join(path.read_text(encoding="utf-8") for path in source),
        )
    )
    assert {code for code in codes if f"[{code}]" not in told} == set()


def test_every_problem_is_found_in_one_run():
    outcome = parse(
        configuration(
            'order=["Q"]\ngroups_strategy="x"\ninit_blocks=["R"]\nrandom_seed="s"',
            '[[blocks]]\nname="A"\nextends="S"\n[blocks.config]\nx="$V"\n',
        )
    )
    found = sorted(item.code for item in outcome.diagnostics)
    assert found == [
        "block-unknown",
        "block-unknown",
        "block-unknown",
        "strategy-unknown",
        "type",
        "variable-unknown",
    ]


def test_an_heir_is_not_blamed_for_its_parents_mistake():
    parent = CALL.format('function_name="choices", args=[[]]')
    outcome = parse('[[blocks]]\nname="heir"\nextends="A"\n' + parent)
    assert [item.message[:9] for item in outcome.diagnostics] == ['block "A"']


def test_a_byte_order_mark_and_windows_line_ends_are_fine():
    assert parse("\ufeff" + A.replace("\n", "\r\n")).study is not None


def test_dates_reach_the_apps_as_text():
    study = parse(A.replace("x=1", "x=1979-05-27T07:32:00Z\ny=[1979-05-27]")).require()
    assert study.blocks["A"].config["x"] == "1979-05-27T07:32:00+00:00"
    assert study.blocks["A"].config["y"] == ["1979-05-27"]


def test_whole_numbers_name_blocks():
    assert parse("[configuration]\norder=[1,'1']\n[[blocks]]\nname=1\nconfig={}\n").study


lines = st.sampled_from(
    [
        "[configuration]", "[configuration.variables]", "[[blocks]]", "[blocks.config]",
        'name="A"', 'name="B"', "name=1", 'extends="A"', 'extends="B"', 'order=["A","B"]',
        'order=[["A"],["B","A"]]', "order={1=['A']}", 'groups_strategy="latin_square"',
        'within_groups_strategy="randomize"', 'x="$V"', "V=1", 'V="$W"', 'W=["$V"]',
        'y={function_name="choices",args=[[1,2]],params={unique=true}}', "config={}", "a=[[[]]]",
        "init_blocks=['A']", "final_blocks={1=['B']}", "z=nan", "\x00", "'", "groups=3",
    ]
)  # fmt: skip


@given(st.one_of(st.text(), st.lists(lines, max_size=25).map("\n".join)))
def test_any_text_is_a_study_or_has_errors(text):
    outcome = parse(text)
    errors = [item for item in outcome.diagnostics if item.severity == "error"]
    assert (outcome.study is None) == bool(errors)
    for item in outcome.diagnostics:
        assert item.render("study.toml").startswith("study.toml:")
