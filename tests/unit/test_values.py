"""What a value may be: JSON that JSON and MessagePack, JavaScript and C#, carry unchanged."""

import json

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiment_server.limits.study import STUDY_NESTING_MAX
from experiment_server.study.values import problem, text_problem


def nested(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "finding"),
    [
        ({"a": [0, "\ud800"]}, "patch.a[1] is not valid Unicode: its character 1"),
        ({"a": {"b": "x\0"}}, "patch.a.b has the character NUL"),
        ({"a": {"\udfff": 1}}, r"patch.a has the key '\udfff', which is not valid Unicode"),
        ({"\0": 1}, r"patch has the key '\x00', which has the character NUL"),
        ({3: 1}, "patch has the key 3, which is no text"),
        ({"a": 2**63}, "patch.a does not fit into 64 bits"),
        ({"a": -(2**63) - 1}, "patch.a does not fit into 64 bits"),
        ({"a": float("inf")}, "patch.a is inf"),
        ({"a": [float("nan")]}, "patch.a[0] is nan"),
        ({"a": b"x"}, "patch.a is of the type bytes"),
        ({"a": nested(STUDY_NESTING_MAX)}, f"is nested more than {STUDY_NESTING_MAX} deep"),
    ],
)
def test_what_some_client_could_not_read_is_named_with_its_place(value, finding):
    found = problem(value, "patch")
    assert finding in found
    found.encode("utf-8")


@pytest.mark.parametrize(
    "value",
    [None, True, "größe 🙂", 2**63 - 1, -(2**63), 1e308, [], {}, nested(STUDY_NESTING_MAX - 1)],
)
def test_what_every_client_reads_is_taken(value):
    assert problem({"a": value}, "patch") is None


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_whatever_is_taken_is_carried_unchanged_by_both(value):
    if problem(value, "it") is None:
        assert msgpack.unpackb(msgpack.packb(value)) == value
        assert json.loads(json.dumps(value, ensure_ascii=False, allow_nan=False)) == value


@given(st.text(st.characters()))
def test_a_text_is_taken_if_it_is_unicode_without_nul(text):
    try:
        text.encode("utf-8")
        fits = "\0" not in text
    except UnicodeEncodeError:
        fits = False
    assert (text_problem(text) is None) == fits
