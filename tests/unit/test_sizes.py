"""What the blocks of a participant take in memory is known before they are expanded."""

import pytest

from experiment_server.study.expand import expand
from experiment_server.study.parse import parse
from experiment_server.study.sizes import expected_values
from experiment_server.study.source import StudySource, TableFile

WORDS = "word,list\n" + "".join(f"w{number},{number % 2}\n" for number in range(300))


def counted(value):
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(counted, inside))


@pytest.mark.parametrize(
    "value",
    [
        "1",
        "[1, [2, { a = 3 }]]",
        '"$words"',
        '{ function_name = "rows", args = ["$words", { list = 1 }] }',
        '{ function_name = "cross", args = [{ a = [1, 2], b = [1, 2, 3] }, 20] }',
        '{ function_name = "sample", args = ["$words", 40] }',
        '{ function_name = "range", args = [500] }',
        '{ function_name = "gauss" }',
        '{ function_name = "choices", args = [["a", "b"]] }',
    ],
)
def test_the_values_of_a_block_are_expected_as_they_come(value):
    text = '[configuration.tables]\nwords = "words.csv"\n[[blocks]]\nname = "A"\n[blocks.config]\n'
    text += f"x = {value}\n"
    study = parse(StudySource(text, (TableFile("words.csv", WORDS),))).require()
    given = counted({"x": expand(study, 1)[0].config["x"]})
    assert study.blocks["A"].values == given


def test_a_list_of_drawn_length_counts_as_its_longest():
    k = '{ function_name = "randint", args = [1, 7] }'
    value = f'{{ function_name = "choices", args = {{ population = ["a", "b"], k = {k} }} }}'
    study = parse(f'[[blocks]]\nname = "A"\n[blocks.config]\nx = {value}\n').require()
    assert expected_values(study.blocks["A"].config["x"]) == 1 + 7
