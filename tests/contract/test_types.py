"""Clients' types against the structs that cross the network: each is declared once."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from experiment_server.wire.schema import schema_components
from experiment_server.wire.snapshots import ParticipantSnapshot

ROOT = Path(__file__).parents[2]
UNITY = ROOT / "clients" / "unity" / "Runtime" / "Core" / "Snapshot.cs"

# How C# reads a member, and what the schema has to say of it.
READ = {
    r'\(int\)raw\["(\w+)"\]': {"integer"},
    r'\(long\)raw\["(\w+)"\]': {"integer"},
    r'\(bool\)raw\["(\w+)"\]': {"boolean"},
    r'\(string\)raw\["(\w+)"\]': {"string"},
    r'Json\.Text\(raw, "(\w+)"\)': {"string", "null"},
    r'Json\.Member\(raw, "(\w+)"\) as JObject': {"object", "null"},
}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_types", ROOT / "web/generate_types.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", ["web/src/wire.ts", "clients/js/src/wire.ts"])
def test_the_typescript_types_are_current(script: ModuleType, path: str) -> None:
    expected: dict[Path, str] = script.files()
    assert (ROOT / path).read_text("utf-8") == expected[ROOT / path], "run `make protocol`"


def test_no_typescript_type_of_the_contract_is_written_by_hand(script: ModuleType) -> None:
    """A name that is generated is declared nowhere else; it is imported or exported on."""
    for wire in script.files():
        generated = set(re.findall(r"^export \w+ (\w+)", wire.read_text("utf-8"), re.MULTILINE))
        for source in wire.parent.rglob("*.ts*"):
            if source != wire:
                declared = re.findall(
                    r"^export (?:interface|type) (\w+)", source.read_text("utf-8"), re.MULTILINE
                )
                assert not generated & set(declared), source


def test_csharp_reads_the_snapshot_as_the_schema_has_it() -> None:
    read = {
        name: types
        for pattern, types in READ.items()
        for name in re.findall(pattern, UNITY.read_text("utf-8"))
    }
    assert set(re.findall(r'raw(?:\[|, )"(\w+)"', UNITY.read_text("utf-8"))) == set(read)
    assert {"participant_index", "row", "block_id", "config", "revision"} <= set(read)
    _, components = schema_components([ParticipantSnapshot])
    members = components["ParticipantSnapshot"]["properties"]
    for name, types in read.items():
        given = types_of(members[name])
        # What is never null may be read as if it could be.
        assert types - {"null"} == given - {"null"}, name
        assert given <= types, f"{name} may be null, and is read as if it could not"


def types_of(schema: dict[str, Any]) -> set[str]:
    if "anyOf" in schema:
        return set().union(*map(types_of, schema["anyOf"]))
    return {schema["type"]}
