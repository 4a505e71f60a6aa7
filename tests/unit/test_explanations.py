"""The explanation of a participant's blocks is of exactly what they get."""

from pathlib import Path

import pytest

from experiment_server.store.study_file import read_source
from experiment_server.study.expand import expand
from experiment_server.study.explain import explain
from experiment_server.study.model import RESERVED_KEYS
from experiment_server.study.parse import parse
from experiment_server.wire.explanations import ExplainedValue

TESTS = Path(__file__).parents[1]
STUDIES = [
    *sorted((TESTS / "parity").glob("*.toml")),
    *sorted((TESTS.parent / "examples").glob("*/experiment.toml")),
]

STUDY = """
[configuration]
init_blocks = ["hello"]
order = [
  "welcome",
  { each = "technique", strategy = "latin_square", label = "techniques", blocks = [
      "practice-{technique}",
      { strategy = "randomize", pick = 1, blocks = ["select-{technique}-{size}"] },
  ] },
]
random_seed = 3
[configuration.variables]
TRIALS = { first = 4, others = 12 }
[configuration.factors]
technique = ["ray", "hand"]
size = ["small", "large"]
[[blocks]]
name = "hello"
config = {}
[[blocks]]
name = "welcome"
config = {}
[[blocks]]
name = "practice-{technique}"
factors = ["technique"]
[blocks.config]
trials = "$TRIALS"
colour = { function_name = "choices", args = [["red", "green"]] }
[[blocks]]
name = "select-{technique}-{size}"
factors = ["technique", "size"]
extends = "practice-{technique}"
config.feedback = false
"""


def leaves(config, path=()):
    for key, value in config.items():
        if path or key not in RESERVED_KEYS:
            if isinstance(value, dict) and value:
                yield from leaves(value, (*path, key))
            else:
                yield ".".join((*path, key)), value


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_block_and_value_is_explained_as_it_is(path):
    parsed = parse(read_source(path))
    for participant in (1, 2, 7, 50):
        blocks = expand(parsed.require(), participant)
        explained = explain(parsed, participant)
        assert [item.name for item in explained] == [block.name for block in blocks]
        assert all(item.reasons for item in explained)
        for item, block in zip(explained, blocks, strict=True):
            told = {value.key: value.value for value in item.values}
            for key, value in leaves(block.config):
                shorter = next(
                    key.rsplit(".", cut)[0]
                    for cut in range(key.count(".") + 1)
                    if key.rsplit(".", cut)[0] in told
                )
                assert shorter != key or told[key] == value


def test_a_blocks_place_is_told_by_its_groups():
    hello, welcome, practice, select, *_ = explain(parse(STUDY), 2)
    assert hello.reasons == ("init_blocks",)
    assert welcome.reasons == ("as in the file",)
    assert practice.reasons == ("techniques: hand, 1 of 2 (latin_square, order 2 of 2)",)
    assert select.reasons[1].endswith("1 of 1 (shuffled)")


def test_a_value_names_its_block_variable_level_and_draw():
    select = explain(parse(STUDY), 2)[3]
    values = {value.key: value for value in select.values}
    assert values["feedback"] == ExplainedValue(("feedback",), False, select.name)
    assert values["size"].factor
    assert values["trials.first"].variable == "TRIALS"
    assert values["trials.first"].block == "practice-hand"
    assert values["colour"].function == "choices"


def test_a_list_names_what_is_drawn_inside_it():
    study = """
    [[blocks]]
    name = "A"
    [blocks.config]
    plain = [1, { a = 2 }]
    drawn = [1, { a = { function_name = "randint", args = [1, 6] } }]
    """
    [block] = explain(parse(study), 1)
    assert [value.function for value in block.values] == [None, "randint"]


def test_the_group_of_a_plain_order_is_told():
    study = """
    [configuration]
    order = [["A", "B"], ["C", "D"]]
    groups_strategy = "latin_square"
    within_groups_strategy = "latin_square"
    """ + "".join(f'[[blocks]]\nname = "{name}"\nconfig = {{}}\n' for name in "ABCD")
    explained = explain(parse(study), 4)
    assert [item.name for item in explained] == ["D", "C", "B", "A"]
    assert explained[0].reasons == (
        "group 2 of the file, 1 of 2 (latin_square, order 2 of 2)",
        "in it 1 of 2 (latin_square, order 2 of 2)",
    )
