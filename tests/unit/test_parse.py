"""Broken studies: every problem is found and named, and nothing is ever raised."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiment_server.errors import StudyInvalid
from experiment_server.study.parse import parse

A = '[[blocks]]\nname="A"\n[blocks.config]\nx=1\n'
B = '[[blocks]]\nname="B"\n[blocks.config]\nx=2\n'
CALL = '[[blocks]]\nname="A"\n[blocks.config]\nx={{{}}}\n'
CHOICE = 'function_name="choices", args=[[1,2]]'


def configuration(text, *blocks):
    return f"[configuration]\n{text}\n" + "".join(blocks or (A, B))


BROKEN = [
    ("order = [", "toml-syntax", "not valid TOML", 1),
    ("x = " + "9" * 5000, "toml-syntax", "not valid TOML", None),
    ("x = " + "[" * 5000 + "]" * 5000, "toml-syntax", "not valid TOML", None),
    ("x = " + "[" * 90 + "]" * 90, "nesting-too-deep", "more than 64 deep", None),
    ("", "blocks-missing", "the study has no blocks", None),
    ("blocks = 3", "type", "list of tables", None),
    ("configuration = 3\n" + A, "type", "configuration has to be a table", None),
    (A + A, "block-duplicate", 'two blocks have the name "A"', None),
    ("[[blocks]]\nconfig={}", "block-name", "block 1 in the file has no name", None),
    ("[[blocks]]\nname=[]\nconfig={}", "block-name", "a name that is no text", None),
    ("[[blocks]]\nname='A'\n", "block-empty", "neither config nor extends", None),
    ("[[blocks]]\nname='A'\nconfig=3", "type", "config has to be a table", None),
    ("[[blocks]]\nname='A'\nextends=[]", "type", "extends has to be the name", None),
    (
        A + '[[blocks]]\nname="B"\nextends="Q"',
        "block-unknown",
        'block "B" extends the unknown block "Q"',
        None,
    ),
    (
        configuration('order=["A","Bee"]', A, B.replace('"B"', '"Beer"')),
        "block-unknown",
        'order names the unknown block "Bee"',
        None,
    ),
    (configuration('order=[["A"],["Q"]]'), "block-unknown", "order, group 2 names", None),
    (configuration('order={1=["Q"]}'), "block-unknown", "order.1 names the unknown", None),
    (configuration('init_blocks=["Q"]'), "block-unknown", "init_blocks names", None),
    (configuration('final_blocks={1=["Q"]}'), "block-unknown", "final_blocks.1 names", None),
    (configuration('order="A"'), "type", "order has to be a list of block names", None),
    (configuration("order=[1.5]"), "type", "1.5, which is no block name", None),
    (configuration("init_blocks=3"), "type", "init_blocks has to be a list", None),
    (configuration("order=[]"), "order-empty", "order is empty", None),
    (configuration('order=[["A"],[]]'), "order-empty", "order has an empty group", None),
    (configuration("order={}"), "order-empty", "order is an empty table", None),
    (configuration('order=["A",["B"]]'), "order-mixed", "mixes block names and lists", None),
    (configuration('order={1=["A"],3=["B"]}'), "order-keys", "participants 1 to 2", None),
    (configuration('order={a=["A"]}'), "order-keys", "got a", None),
    (
        configuration('order={1=["A"]}\ngroups_strategy="randomize"'),
        "strategy-on-table",
        'has to be "as_is"',
        None,
    ),
    (configuration('groups_strategy="latin"'), "strategy-unknown", "is no strategy", None),
    (configuration("groups_strategy=3"), "strategy-unknown", "groups_strategy is 3", None),
    (configuration('within_groups="random"'), "strategy-unknown", "within_groups is", None),
    (
        configuration('init_blocks_strategy="latin_square"'),
        "strategy-unknown",
        "init_blocks_strategy",
        None,
    ),
    (
        configuration('order=[["A","B"],["A"]]\nwithin_groups_strategy="latin_square"'),
        "groups-unequal",
        "groups of 2, 1 blocks",
        None,
    ),
    (configuration("random_seed=1.5"), "type", "random_seed has to be a whole number", None),
    (configuration("random_seed=true"), "type", "random_seed", None),
    (configuration("variables=3"), "type", "variables has to be a table", None),
    (
        configuration("variables={SPEED=1}", A.replace("x=1", 'x=["$SPED"]')),
        "variable-unknown",
        'block "A" uses the unknown variable "$SPED"',
        None,
    ),
    (
        configuration('variables={a="$b",b=["$a"]}'),
        "variable-cycle",
        "in a circle: a -> b -> a",
        None,
    ),
    (configuration('variables={a="$q"}'), "variable-unknown", 'variable "a" uses', None),
    (
        CALL.format('function_name="choises", args=[[1]]'),
        "function-unknown",
        'calls the unknown function "choises"',
        None,
    ),
    (CALL.format("function_name=3"), "function-unknown", "unknown function 3", None),
    (CALL.format('function_name="choices"'), "function-arguments", "population", None),
    (
        CALL.format('function_name="choices",args=[{function_name="choices",args=[[3]]},[1,2]]'),
        "function-arguments",
        "2 numbers for 1 values",
        None,
    ),
    (CALL.format(f"{CHOICE}, params=3"), "function-params", "params has to be a table", None),
    (CALL.format(f"{CHOICE}, params={{unique=1}}"), "function-params", "true or false", None),
    (
        configuration('order=["A","A","A"]', CALL.format(f"{CHOICE}, params={{unique=true}}")),
        "unique-exhausted",
        "only 0 of its values are left",
        None,
    ),
    (
        configuration(
            'order=["A","A"]\ninit_blocks={1=[],2=["A"]}',
            CALL.format(f"{CHOICE}, params={{unique=true}}"),
        ),
        "unique-exhausted",
        "participant 2: choices asks for 1 more",
        None,
    ),
    (A.replace("x=1", "x=inf"), "number-not-json", "blocks[0].config.x is inf", None),
    (A.replace("x=1", "x=[nan]"), "number-not-json", "config.x[0] is nan", None),
    (A.replace("x=1", f"x={2**63}"), "number-not-json", "does not fit into 64 bits", None),
]


@pytest.mark.parametrize(("text", "code", "message", "line"), BROKEN)
def test_a_broken_study_has_one_error_that_names_the_problem(text, code, message, line):
    outcome = parse(text)
    assert outcome.study is None
    [error] = [item for item in outcome.diagnostics if item.severity == "error"]
    assert error.code == code
    assert message in error.message
    assert error.line == line
    assert "\n" not in error.message
    with pytest.raises(StudyInvalid) as caught:
        outcome.require()
    assert caught.value.diagnostics == outcome.diagnostics


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


@pytest.mark.parametrize(
    ("text", "code", "hint"),
    [
        ("colour = 1\n" + A, "key-unknown", "known here: configuration, blocks"),
        (configuration('oder=["A"]'), "key-unknown", 'did you mean "order"?'),
        ('[[blocks]]\nname="A"\nextend="B"\nconfig={}\n', "key-unknown", '"extends"'),
        (CALL.format(f"{CHOICE}, parms={{}}"), "call-not-recognised", '"params"'),
        (CALL.format(f"{CHOICE}, params={{uniq=true}}"), "function-params", '"unique"'),
        (
            configuration('order=["A","B","A"]\ngroups_strategy="latin_square"'),
            "latin-square-odd",
            "multiple of 6",
        ),
    ],
)
def test_what_is_hardly_meant_is_a_warning_with_a_hint(text, code, hint):
    outcome = parse(text)
    assert outcome.study is not None
    [warning] = outcome.diagnostics
    assert (warning.code, warning.severity) == (code, "warning")
    assert hint in warning.hint


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
