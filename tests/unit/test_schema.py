"""The JSON Schema accepts what the parser accepts, and marks what an editor can know is wrong."""

from pathlib import Path

import jsonschema
import pytest
import tomli

from experiment_server.study.functions import FUNCTIONS
from experiment_server.study.model import Strategy
from experiment_server.study.parse import parse
from experiment_server.study.schema import json_schema

TESTS = Path(__file__).parents[1]
GOOD = [
    *(TESTS / "parity").glob("*.toml"),
    *(TESTS / "unit" / "designs").glob("*.toml"),
    *(TESTS.parent / "examples").glob("*/experiment.toml"),
    *(TESTS.parent / "experiment_server" / "cli").glob("**/*.toml"),
]
SHAPES = {
    "block-empty",
    "function-unknown",
    "key-unknown",
    "order-empty",
    "strategy-unknown",
    "type",
}
MISSHAPEN = [
    path
    for path in sorted((TESTS / "unit" / "broken").glob("*.toml"))
    if SHAPES & {item.code for item in parse(path.read_text(encoding="utf-8")).diagnostics}
]


@pytest.fixture(scope="module")
def validator():
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_studies_that_run_are_valid(validator, path):
    assert list(validator.iter_errors(tomli.loads(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize("path", MISSHAPEN, ids=lambda path: path.stem)
def test_mistakes_of_shape_are_invalid(validator, path):
    assert list(validator.iter_errors(tomli.loads(path.read_text(encoding="utf-8"))))


def test_every_strategy_and_function_is_offered():
    schema = json_schema()
    properties = schema["$defs"]["configuration"]["properties"]
    assert properties["groups_strategy"]["enum"] == [strategy.value for strategy in Strategy]
    offered = {choice["const"] for choice in schema["$defs"]["function"]["oneOf"]}
    assert offered == set(FUNCTIONS)
    for table in (schema, *schema["$defs"].values()):
        for key in table.get("properties", {}).values():
            assert key["description"]


@pytest.mark.parametrize(
    "group",
    [
        {"blocks": ["A"], "strategys": "randomize"},
        {"blocks": ["A"], "strategy": "latinsquare"},
        {"blocks": ["A"], "pick": 0},
        {"blocks": ["A"], "pick": "one"},
        {"blocks": ["A"], "each": ["size"]},
        {"blocks": ["A"], "label": 3},
        {"blocks": []},
        {"blocks": "A"},
        {"strategy": "randomize"},
        [["A"]],
    ],
    ids=str,
)
def test_a_mistake_in_a_group_is_invalid_at_any_depth(validator, group):
    good = {"blocks": ["A"], "strategy": "williams", "each": "size", "pick": 1, "label": "sizes"}
    for depth in range(4):
        study = {"blocks": [{"name": "A", "condition": False, "config": {}}]}
        for item, is_valid in ((good, True), (group, False)):
            order = [item]
            for _ in range(depth):
                order = ["A", {"blocks": order, "strategy": "randomize"}]
            study["configuration"] = {"order": ["A", *order]}
            assert validator.is_valid(study) == is_valid


@pytest.mark.parametrize(
    ("path", "is_valid"),
    [("words.csv", True), ("lists/words.JSONL", True), ("words.xlsx", False), (3, False)],
)
def test_tables_are_paths_of_csv_and_json_lines(validator, path, is_valid):
    study = {"configuration": {"tables": {"words": path}}, "blocks": [{"name": "A", "config": {}}]}
    assert validator.is_valid(study) is is_valid
