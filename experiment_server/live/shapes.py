"""What the wire carries, as JSON Schemas: the API description is made of them."""

from __future__ import annotations

from typing import Any, Final

Shape = dict[str, Any]

NUMBER: Final[Shape] = {"type": "number"}
INTEGER: Final[Shape] = {"type": "integer"}
TEXT: Final[Shape] = {"type": "string"}
BOOLEAN: Final[Shape] = {"type": "boolean"}
TIME: Final[Shape] = {"type": "string", "format": "date-time"}
CONFIG: Final[Shape] = {
    "type": "object",
    "description": "a block's config as the study file has it, with the server's keys",
    "additionalProperties": True,
}


def optional(shape: Shape) -> Shape:
    """A value that may be null."""
    return {"anyOf": [shape, {"type": "null"}]}


def listed(shape: Shape) -> Shape:
    """A list of values of one shape."""
    return {"type": "array", "items": shape}


def record(**members: Shape) -> Shape:
    """An object that has these members; clients pass over others, which later releases add."""
    return {"type": "object", "properties": members, "required": list(members)}


NAMES: Final = listed(TEXT)
NAME_REACHED: Final = record(name=TEXT)

_SUMMARY: Final[dict[str, Shape]] = {
    "participant_index": INTEGER,
    "active": BOOLEAN,
    "block_id": INTEGER,
    "block_name": TEXT,
    "blocks_count": INTEGER,
    "revision": INTEGER,
    "connected": INTEGER,
    "block_started_at": optional(TIME),
    "updated_at": TIME,
    "study": TEXT,
    "overridden": INTEGER,
}
ROW: Final = record(**_SUMMARY, block_names=NAMES)
SNAPSHOT: Final = record(
    **_SUMMARY,
    config=optional(CONFIG),
    overrides=listed(record(path=listed({}), value={}, file={})),
)
LENGTHS: Final = record(participant_index=INTEGER, config_length=INTEGER, configs_length=INTEGER)
LINK: Final = record(path=TEXT, urls=listed(TEXT), token=TEXT, expires_at=TIME)

DIAGNOSTIC: Final = record(
    code=TEXT,
    severity={"enum": ["error", "warning", "info"]},
    message=TEXT,
    hint=optional(TEXT),
    line=optional(INTEGER),
    column=optional(INTEGER),
    end_line=optional(INTEGER),
    end_column=optional(INTEGER),
)
STUDY: Final = record(
    name=TEXT,
    digest=TEXT,
    version=INTEGER,
    diagnostics=listed(DIAGNOSTIC),
    on_change=TEXT,
    versions=listed(record(version=INTEGER, digest=TEXT, loaded_at=TIME, reason=TEXT)),
)
VERIFIED: Final = record(
    ok=BOOLEAN,
    digest=TEXT,
    diagnostics=listed(DIAGNOSTIC),
    orders=listed(NAMES),
    affected=optional(
        record(reordered=listed(INTEGER), ended=listed(INTEGER), kept=listed(INTEGER))
    ),
)
DESIGN: Final = record(
    participants=INTEGER,
    conditions=NAMES,
    positions=listed(listed(INTEGER)),
    carry_over=listed(listed(INTEGER)),
    cells=listed(record(levels=CONFIG, participants=INTEGER)),
    repeats=INTEGER,
    balanced={"type": "object", "additionalProperties": BOOLEAN},
    better=listed(INTEGER),
    sentence=TEXT,
    orders=listed(NAMES),
)
ENTRY: Final = record(
    id=INTEGER,
    time=TIME,
    type=TEXT,
    participant_index=optional(INTEGER),
    data={"type": "object", "additionalProperties": True},
    previous=TEXT,
    hash=TEXT,
)
VISIT: Final = record(
    participant_index=INTEGER,
    visit=INTEGER,
    block_id=INTEGER,
    block_name=TEXT,
    study_version=optional(INTEGER),
    started_at=TIME,
    ended_at=optional(TIME),
    seconds=optional(NUMBER),
    left_to=optional(TEXT),
    moved_by=optional(TEXT),
)
PROBLEM: Final = record(
    type=TEXT, title=TEXT, status=INTEGER, code=TEXT, detail=TEXT, request_id=TEXT
)
