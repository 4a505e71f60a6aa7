"""Broken studies: every problem is found and named, and nothing is ever raised."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiment_server.errors import ExpansionFailed, StudyInvalid
from experiment_server.limits.study import (
    EXPANDED_CHARACTERS_MAX,
    ORDER_TABLE_NAMES_MAX,
    STUDY_BLOCKS_MAX,
    STUDY_VALUES_MAX,
)
from experiment_server.store.study_file import read_source
from experiment_server.study.expand import expand
from experiment_server.study.functions import FUNCTIONS
from experiment_server.study.parse import parse

A = '[[blocks]]\nname="A"\n[blocks.config]\nx=1\n'
B = '[[blocks]]\nname="B"\n[blocks.config]\nx=2\n'
CALL = '[[blocks]]\nname="A"\n[blocks.config]\nx={{{}}}\n'


HUGE = "0x" + "f" * 5000


def configuration(text, *blocks):
    return f"[configuration]\n{text}\n" + "".join(blocks or (A, B))


TABLE = sorted((Path(__file__).parent / "broken").glob("*.toml"))


@pytest.mark.parametrize("path", TABLE, ids=lambda path: path.stem)
def test_a_mistake_is_told_in_exactly_these_words(path):
    outcome = parse(read_source(path))
    rendered = [diagnostic.render(path.name, outcome.source) for diagnostic in outcome.diagnostics]
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


@pytest.mark.parametrize(
    "text",
    [
        configuration(f"random_seed = {HUGE}"),
        configuration(f"groups_strategy = {HUGE}"),
        configuration(f"order = [{HUGE}]"),
        configuration(f"[configuration.factors]\nsize = [{HUGE}]"),
        configuration(f"[configuration.variables]\nsize = {HUGE}"),
        CALL.format(f'function_name = "randint", args = [{HUGE}, 1]'),
        CALL.format(f'function_name = "choices", args = [[1]], id = {HUGE}'),
        CALL.format(f"function_name = {HUGE}"),
        CALL.format(f'function_name = "range", args = [-{2**63}, {2**63 - 1}]'),
    ],
)
def test_numbers_that_no_app_can_read_are_errors_wherever_they_stand(text):
    outcome = parse(text.replace("-0x", "0x"))
    assert outcome.study is None
    assert {item.code for item in outcome.diagnostics} & {"number-not-json", "function-arguments"}
    assert all(len(item.message) < 1000 for item in outcome.diagnostics)


@pytest.mark.parametrize("backwards", [False, True])
def test_variables_can_stand_in_each_other_in_a_chain_of_any_length(backwards):
    chain = ["v0 = 1", *(f'v{number} = "$v{number - 1}"' for number in range(1, 2000))]
    lines = "\n".join(reversed(chain) if backwards else chain)
    study = parse(f"[configuration.variables]\n{lines}\n" + A.replace("1", '"$v1999"')).require()
    assert study.blocks["A"].config == {"x": 1}


def test_variables_that_nest_too_deep_are_an_error():
    lines = "\n".join(f'v{number} = ["$v{number - 1}"]' for number in range(1, 2000))
    outcome = parse(f"[configuration.variables]\nv0 = 1\n{lines}\n" + A.replace("1", '"$v1999"'))
    assert outcome.study is None
    assert {item.code for item in outcome.diagnostics} == {"nesting-too-deep"}


def test_blocks_can_extend_each_other_in_a_chain_of_any_length():
    heirs = "".join(
        f'[[blocks]]\nname = "b{number}"\nextends = "b{number + 1}"\n' for number in range(2000)
    )
    study = parse(heirs + A.replace('"A"', '"b2000"')).require()
    assert study.blocks["b0"].config == {"x": 1}


FAMILY = (
    f'[[blocks]]\nname = "f{{f}}"\nfactors = ["f"]\n[configuration.factors]\nf = {[*range(2000)]}\n'
)


@pytest.mark.parametrize(
    "text",
    [
        "".join(f'[[blocks]]\nname = "b{number}"\nconfig = {{}}\n' for number in range(10_001)),
        FAMILY
        + "".join(f'[[blocks]]\nname = "{letter}{{f}}"\nfactors = ["f"]\n' for letter in "abcdeg"),
        f"[configuration]\norder = {['f{f}'] * 7}\n" + FAMILY,
        "[configuration.order]\n"
        + "".join(
            f'{number} = ["f{{f}}"]\n' for number in range(1, ORDER_TABLE_NAMES_MAX // 2000 + 2)
        )
        + FAMILY,
        f'[configuration.variables]\nlong = "{"x" * (EXPANDED_CHARACTERS_MAX // 4)}"\n'
        + "".join(f'[[blocks]]\nname = "b{number}"\nconfig.x = "$long"\n' for number in range(5)),
        f'[[blocks]]\nname = "parent"\nconfig.x = {[0] * (STUDY_VALUES_MAX // 10)}\n'
        + "".join(f'[[blocks]]\nname = "b{n}"\nextends = "parent"\n' for n in range(10)),
    ],
    ids=["blocks", "crossed", "order", "table", "text", "inherited"],
)
def test_a_study_that_would_fill_the_memory_is_an_error(text):
    assert STUDY_BLOCKS_MAX == 10_000
    outcome = parse(text)
    assert "study-too-large" in {
        item.code for item in outcome.diagnostics if item.severity == "error"
    }


class Mistake(Exception):
    pass


def fail(*_arguments):
    raise Mistake("of a programmer")


def test_a_mistake_in_the_reader_is_a_diagnostic(monkeypatch):
    monkeypatch.setitem(FUNCTIONS, "shuffle", replace(FUNCTIONS["shuffle"], bind=fail))
    outcome = parse(CALL.format('function_name = "shuffle", args = [[1, 2]]'))
    assert outcome.study is None
    assert [(item.code, item.severity) for item in outcome.diagnostics] == [
        ("reader-failed", "error")
    ]
    assert "Mistake" in outcome.diagnostics[0].message


def test_a_mistake_in_a_function_is_told_at_the_call(monkeypatch):
    text = CALL.format('function_name = "shuffle", args = [[1, 2]]')
    # A copy, for the study itself was made ready when it was tried out.
    study = replace(parse(text).require())
    monkeypatch.setitem(FUNCTIONS, "shuffle", replace(FUNCTIONS["shuffle"], draw=fail))
    with pytest.raises(ExpansionFailed, match=r"participant 1: shuffle failed: of a programmer"):
        expand(study, 1)
    [found] = parse(text).diagnostics
    assert (found.code, found.line) == ("function-failed", 4)


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
