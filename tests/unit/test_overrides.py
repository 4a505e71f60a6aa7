"""Changing a config by a patch, as algebra."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiment_server.errors import OverrideRefused, ParameterInvalid
from experiment_server.participants.overrides import (
    apply_overrides,
    apply_patch,
    checked_patch,
    make_patch,
    overridden_values,
    override_of,
    with_patch,
)
from experiment_server.study.model import Block

KEYS = st.sampled_from(["a", "b", "c"])
LEAVES = st.booleans() | st.integers(-2, 2) | st.floats(-2, 2) | st.text(max_size=2)
# A config has no null, as TOML has none; a patch may.
CONFIGS = st.dictionaries(
    KEYS,
    st.recursive(
        LEAVES,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner),
        max_leaves=6,
    ),
)
PATCHES = st.dictionaries(
    KEYS,
    st.recursive(
        LEAVES | st.none(),
        lambda inner: st.lists(LEAVES, max_size=2) | st.dictionaries(KEYS, inner),
        max_leaves=6,
    ),
)


def same(one, other):
    """Equal as JSON is: 1, 1.0 and true are three things."""
    return repr(sorted_deep(one)) == repr(sorted_deep(other))


def sorted_deep(value):
    if isinstance(value, dict):
        return {key: sorted_deep(value[key]) for key in sorted(value)}
    return [sorted_deep(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("config", "patch", "result"),
    # The examples of RFC 7396, appendix A, that are about objects.
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_patch_is_applied_as_the_standard_says(config, patch, result):
    assert apply_patch(config, patch) == result


@given(CONFIGS, CONFIGS)
def test_the_difference_makes_one_config_of_the_other(config, changed):
    assert same(apply_patch(config, make_patch(config, changed)), changed)


@given(CONFIGS)
def test_nothing_differs_from_itself(config):
    assert make_patch(config, config) == {}


@given(CONFIGS, st.lists(PATCHES, max_size=4))
def test_patches_one_after_the_other_are_kept_as_one(config, patches):
    blocks = [Block("A", None, config)]
    overrides, expected = (), config
    for patch in patches:
        overrides = with_patch(blocks, overrides, 0, patch)
        expected = apply_patch(expected, patch)
    assert same(apply_overrides(blocks, overrides)[0].config, expected)
    assert len(overrides) == (0 if same(expected, config) else 1)


@given(CONFIGS, PATCHES)
def test_what_is_said_to_be_changed_is_what_is_changed(config, patch):
    whole = make_patch(config, apply_patch(config, patch))
    for item in overridden_values(config, whole):
        before, after = config, apply_patch(config, whole)
        for key in item.path[:-1]:
            before, after = before.get(key, {}), after[key]
        last = item.path[-1]
        assert same(before.get(last) if isinstance(before, dict) else None, item.file)
        if item.value is None:
            assert last not in after
        else:
            assert same(after[last], item.value)


def test_an_override_follows_its_block_through_another_order():
    before = [Block(name, None, {"x": 0}) for name in ("A", "B", "A")]
    overrides = with_patch(before, (), 2, {"x": 5})
    after = [Block(name, None, {"x": 0}) for name in ("B", "A", "C", "A", "A")]
    assert [block.config["x"] for block in apply_overrides(after, overrides)] == [0, 0, 0, 5, 0]
    assert override_of(after, overrides, 3) == {"x": 5}
    assert override_of(after, overrides, 4) == {}
    gone = [Block("B", None, {"x": 0})]
    assert apply_overrides(gone, overrides) == tuple(gone)


@pytest.mark.parametrize("key", ["participant_index", "name", "block_id"])
def test_what_the_server_sets_is_not_changed(key):
    with pytest.raises(OverrideRefused, match=key):
        checked_patch({"x": 1, key: 5})
    assert checked_patch({"inner": {key: 5}}) == {"inner": {key: 5}}


@pytest.mark.parametrize(
    "patch",
    [None, [], "x", 3, {"x": float("nan")}, {"x": float("inf")}, {"x": b"bytes"}, {3: 4},
     {"x": {1: 2}}, {"x": [{"y": object()}]}],
)  # fmt: skip
def test_what_is_no_json_object_is_no_patch(patch):
    with pytest.raises(ParameterInvalid):
        checked_patch(patch)
