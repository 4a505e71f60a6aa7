"""What is told of where a participant's blocks and their values come from."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from experiment_server.wire.values import JsonValue


class ExplainedValue(Struct, frozen=True):
    """One value of a block, and where it comes from; what a function draws is one value."""

    path: Annotated[tuple[str, ...], Meta(description="The keys that lead to it in the config.")]
    value: JsonValue
    block: Annotated[str, Meta(description="Who wrote it: the block, or one that it extends.")]
    variable: Annotated[str | None, Meta(description="The variable that stands there.")] = None
    factor: Annotated[bool, Meta(description="Whether it is the block's level of a factor.")] = (
        False
    )
    function: Annotated[str | None, Meta(description="The function that drew it.")] = None

    @property
    def key(self) -> str:
        """The path as people write it, with dots."""
        return ".".join(self.path)


class ExplainedBlock(Struct, frozen=True):
    """One block of a participant: how it came to its place, and its values with their sources."""

    block_id: int
    name: str
    reasons: Annotated[
        tuple[str, ...],
        Meta(description="Its groups, from the outermost, with the participant's order in each."),
    ]
    values: tuple[ExplainedValue, ...]
