"""Overrides: an experimenter's changes of one participant's configs.

An override is a JSON merge patch (RFC 7396): its keys replace the config's keys, tables are merged
key by key, and null removes a key. The stored patch is the shortest one from the file's config to
the changed config, so a value that is set back leaves no override.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from experiment_server.errors import OverrideRefused, ParameterInvalid
from experiment_server.study.model import RESERVED_KEYS, Block
from experiment_server.study.values import problem
from experiment_server.wire.encoding import to_json_bytes
from experiment_server.wire.snapshots import OverriddenValue
from experiment_server.wire.values import Config, JsonObject, JsonValue

Patch = JsonObject
"""New values for a config, as a JSON merge patch."""


@dataclass(frozen=True, slots=True)
class Override:
    """A patch of one block of one participant.

    The block is identified by its name and by its occurrence: the number of blocks with this name
    before it in the participant's order. So it is found again if an edit of the file moves it.
    """

    block_name: str
    occurrence: int
    patch: Patch


Overrides = tuple[Override, ...]


def checked_patch(patch: JsonValue) -> Patch:
    """Check a patch and return it.

    Raises ParameterInvalid if it is not a JSON object with valid values, and OverrideRefused if
    it sets a key that the server adds to every config.
    """
    if not isinstance(patch, dict):
        raise ParameterInvalid("a change of a config has to be a JSON object of its new values")
    reserved = [key for key in RESERVED_KEYS if key in patch]
    if reserved:
        raise OverrideRefused(
            f"{', '.join(reserved)} cannot be changed, because the server sets it; nothing was "
            "changed"
        )
    if wrong := problem(patch, "the change"):
        raise ParameterInvalid(f"{wrong}; nothing was changed")
    return patch


def digest_of_overrides(overrides: Overrides) -> str:
    """The SHA-256 of a participant's overrides in hexadecimal, as the log has it."""
    return hashlib.sha256(to_json_bytes([asdict(item) for item in overrides])).hexdigest()


def apply_patch(config: JsonValue, patch: JsonValue) -> JsonValue:
    """Apply a patch to a config (RFC 7396, section 2)."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(config) if isinstance(config, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = apply_patch(result.get(key), value)
    return result


def make_patch(config: Mapping[str, JsonValue], changed: Mapping[str, JsonValue]) -> Patch:
    """The patch from `config` to `changed`; empty if they are equal."""
    patch: Patch = {key: None for key in config if key not in changed}
    for key, value in changed.items():
        if key not in config:
            patch[key] = value
            continue
        before = config[key]
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            if inner := make_patch(before, value):
                patch[key] = inner
        elif not _same(before, value):
            patch[key] = value
    return patch


def apply_overrides(blocks: Sequence[Block], overrides: Overrides) -> tuple[Block, ...]:
    """A participant's blocks with the overrides applied."""
    if not overrides:
        return tuple(blocks)
    return tuple(
        block._replace(config=apply_patch(block.config, override.patch)) if override else block
        for block, override in zip(blocks, _assigned(blocks, overrides), strict=True)
    )


def override_of(blocks: Sequence[Block], overrides: Overrides, block_id: int) -> Patch:
    """The patch of one block; empty if it has no override."""
    override = _assigned(blocks, overrides)[block_id] if overrides else None
    return override.patch if override else {}


def only_override(blocks: Sequence[Block], block_id: int, patch: Patch) -> Overrides:
    """The overrides with only this patch of one block."""
    if not patch:
        return ()
    return (Override(*_address(blocks, block_id), patch),)


def with_patch(
    blocks: Sequence[Block], overrides: Overrides, block_id: int, patch: Patch
) -> Overrides:
    """Add a patch of a block to the overrides; `blocks` are those of the study file.

    If an earlier patch sets the same key, the new patch wins.
    """
    block = blocks[block_id]
    address = _address(blocks, block_id)
    before = apply_patch(block.config, override_of(blocks, overrides, block_id))
    kept = tuple(
        override for override in overrides if (override.block_name, override.occurrence) != address
    )
    whole = make_patch(block.config, apply_patch(before, patch))
    return (*kept, Override(*address, whole)) if whole else kept


def overridden_values(config: Config, patch: Patch) -> list[OverriddenValue]:
    """The values that a patch changes."""
    return list(_compared(config, patch, ()))


def _compared(
    config: Mapping[str, JsonValue], patch: Mapping[str, JsonValue], path: tuple[str, ...]
) -> list[OverriddenValue]:
    found = []
    for key, value in patch.items():
        before = config.get(key)
        here = (*path, key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            found += _compared(before, value, here)
        else:
            found.append(OverriddenValue(list(here), value, before))
    return found


def _address(blocks: Sequence[Block], block_id: int) -> tuple[str, int]:
    name = blocks[block_id].name
    return name, sum(other.name == name for other in blocks[:block_id])


def _assigned(blocks: Sequence[Block], overrides: Overrides) -> list[Override | None]:
    known = {(item.block_name, item.occurrence): item for item in overrides}
    seen: dict[str, int] = {}
    assigned = []
    for block in blocks:
        occurrence = seen.get(block.name, 0)
        seen[block.name] = occurrence + 1
        assigned.append(known.get((block.name, occurrence)))
    return assigned


def _same(one: JsonValue, other: JsonValue) -> bool:
    # For Python, True and 1.0 equal 1; for an app that reads the config they differ.
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and bool(one == other)
