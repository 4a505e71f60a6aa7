"""What REST answers where that is less than a socket gets, and the names of answers' versions."""

from __future__ import annotations

import hashlib

import msgspec

from experiment_server.wire.encoding import Encoded, to_json_bytes
from experiment_server.wire.replies import NameReached
from experiment_server.wire.snapshots import ParticipantSnapshot
from experiment_server.wire.values import Config

Snapshot = Encoded[ParticipantSnapshot]


def name_reached(snapshot: Snapshot) -> NameReached:
    """The name of the block that a move led to."""
    return NameReached(snapshot.value.block_name)


def block_id_reached(snapshot: Snapshot) -> int:
    """The id of the block that a move led to."""
    return snapshot.value.block_id


def config_reached(snapshot: Snapshot) -> Config | None:
    """The current block's config after a change of it."""
    return snapshot.value.config


def snapshot_tag(snapshot: Snapshot) -> str:
    """Names the version of a snapshot; who else is connected makes no new one."""
    told = msgspec.structs.replace(snapshot.value, connected=0)
    return hashlib.sha256(to_json_bytes(told)).hexdigest()
