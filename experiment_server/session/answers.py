"""REST response bodies that are smaller than the Socket.IO acknowledgement, and their ETags."""

from __future__ import annotations

import hashlib

import msgspec

from experiment_server.wire.encoding import Encoded, to_json_bytes
from experiment_server.wire.replies import NameReached
from experiment_server.wire.snapshots import ParticipantSnapshot
from experiment_server.wire.values import Config

Snapshot = Encoded[ParticipantSnapshot]


def name_reached(snapshot: Snapshot) -> NameReached:
    """The name of the block after a move."""
    return NameReached(snapshot.value.block_name)


def block_id_reached(snapshot: Snapshot) -> int:
    """The id of the block after a move."""
    return snapshot.value.block_id


def config_reached(snapshot: Snapshot) -> Config | None:
    """The current block's config after a change."""
    return snapshot.value.config


def snapshot_tag(snapshot: Snapshot) -> str:
    """The ETag of a snapshot. The number of connected apps does not change it."""
    tagged = msgspec.structs.replace(snapshot.value, connected=0)
    return hashlib.sha256(to_json_bytes(tagged)).hexdigest()
