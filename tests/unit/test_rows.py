"""The row of the design that a participant follows is apart from their index."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiment_server.store.study_file import load_study
from experiment_server.study.expand import expand
from experiment_server.study.explain import explain
from experiment_server.study.parse import parse

VECTORS = sorted((Path(__file__).parents[1] / "parity").glob("*.toml"))
INDICES = st.integers(1, 300)

EVERYTHING = """
[configuration]
order = [
  { each = "technique", strategy = "latin_square", blocks = [
    { strategy = "randomize", blocks = ["select-{technique}-{size}"] },
  ] },
]
init_blocks = { 1 = ["hello"], 2 = ["thanks"] }
final_blocks = ["hello", "thanks", "use-left", "use-right"]
final_blocks_strategy = "randomize"
between = ["hand"]
between_strategy = "block_randomize"
[configuration.factors]
technique = ["ray", "gaze", "touch"]
size = ["small", "large"]
hand = ["left", "right"]
[[blocks]]
name = "select-{technique}-{size}"
factors = ["technique", "size"]
[blocks.config]
trials = { function_name = "cross", args = [{ side = ["left", "right"] }, 4] }
[[blocks]]
name = "hello"
[blocks.config]
number = { function_name = "gauss" }
[[blocks]]
name = "thanks"
[blocks.config]
[[blocks]]
name = "use-{hand}"
factors = ["hand"]
"""


def without_index(blocks):
    return [(block.name, {**block.config, "participant_index": 0}) for block in blocks]


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_all_but_the_index_comes_from_the_row(path):
    study = load_study(path)
    for index, row in [(1, 1), (1, 7), (12, 3), (3, 12)]:
        given_out = expand(study, index, row)
        assert without_index(given_out) == without_index(expand(study, row))
        assert {block.config["participant_index"] for block in given_out} == {index}


@given(INDICES, INDICES)
def test_orders_cells_and_draws_come_from_the_row(index, row):
    parsed = parse(EVERYTHING)
    study = parsed.require()
    assert without_index(expand(study, index, row)) == without_index(expand(study, row))
    own, other = explain(parsed, row), explain(parsed, index, row)
    assert own == other


def test_a_row_counts_from_one():
    study = load_study(VECTORS[0])
    with pytest.raises(ValueError, match="count from 1"):
        expand(study, 1, 0)
