"""The origin of a participant's blocks and of their values."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from experiment_server.wire.values import JsonValue


class ExplainedValue(Struct, frozen=True):
    """One value of a block, and its origin; the result of a function is one value."""

    path: Annotated[
        tuple[str, ...], Meta(description="The keys that lead to the value in the config.")
    ]
    value: JsonValue
    block: Annotated[
        str, Meta(description="The block that has it: this one, or one that it extends.")
    ]
    variable: Annotated[str | None, Meta(description="The variable that gives the value.")] = None
    factor: Annotated[bool, Meta(description="Whether it is the block's level of a factor.")] = (
        False
    )
    function: Annotated[str | None, Meta(description="The function that drew it.")] = None

    @property
    def key(self) -> str:
        """The keys of the path, joined with dots."""
        return ".".join(self.path)


class ExplainedBlock(Struct, frozen=True):
    """One block of a participant: the reasons for its position, and its values."""

    block_id: int
    name: str
    reasons: Annotated[
        tuple[str, ...],
        Meta(description="Its groups, from the outermost, with the participant's order in each."),
    ]
    values: tuple[ExplainedValue, ...]
