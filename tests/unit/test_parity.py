"""The expansions of release 0.3.9 hold, value for value."""

import json
from pathlib import Path

import pytest

from experiment_server.study.expand import expand
from experiment_server.study.parse import parse

VECTORS = sorted((Path(__file__).parents[1] / "parity").glob("*.toml"))


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_a_study_expands_as_it_did_in_release_0_3_9(path):
    expected = json.loads(path.with_suffix(".expected.json").read_text(encoding="utf-8"))
    study = parse(path.read_text(encoding="utf-8")).require()
    assert len(expected) == 12
    for index, configs in expected.items():
        assert [block.config for block in expand(study, int(index))] == configs
