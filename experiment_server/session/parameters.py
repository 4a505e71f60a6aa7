"""The parameters of operations: each is a type, annotated with its description and bounds."""

from __future__ import annotations

from typing import Annotated

from experiment_server.limits.results import LATEST_RECORDS_MAX, RECORD_BATCH_MAX
from experiment_server.limits.session import (
    EVENT_ID_MAX,
    EVENTS_PAGE_MAX,
    ORDERS_PARTICIPANTS_MAX,
    PARTICIPANT_INDEX_MAX,
)
from experiment_server.limits.study import DESIGN_PARTICIPANTS_MAX
from experiment_server.session.operations import Location, Parameter, Requirement
from experiment_server.wire.results import ResultRecord
from experiment_server.wire.values import JsonObject

_QUERY, _OPTIONAL = Location.QUERY, Requirement.OPTIONAL

OwnParticipant = Annotated[
    int,
    Parameter(
        "the participant's index, 1 and up; by default the default participant",
        requirement=Requirement.OWN,
    ),
]
NewParticipant = Annotated[int, Parameter("the index to add, 1 and up")]
DesignRow = Annotated[
    int | None,
    Parameter(
        "the row of the design that they follow; left out, that of their index",
        location=_QUERY,
        requirement=_OPTIONAL,
        minimum=1,
        limit=PARTICIPANT_INDEX_MAX,
    ),
]
BlockId = Annotated[int, Parameter("the block's position in the participant's order, 0 and up")]
ConfigPatch = Annotated[
    JsonObject,
    Parameter(
        "new values for the current block's config, as a JSON merge patch (null removes a key)",
        location=Location.BODY,
    ),
]
StudyText = Annotated[str, Parameter("the whole study file, as TOML", location=Location.BODY)]
TableTexts = Annotated[
    JsonObject | None,
    Parameter(
        "texts of tables by their paths, in the place of those on disk",
        location=Location.BODY_MEMBER,
        requirement=_OPTIONAL,
    ),
]
EditedDigest = Annotated[
    str | None,
    Parameter(
        "the digest of the text that was edited, or of the study with its tables",
        location=Location.IF_MATCH,
        requirement=_OPTIONAL,
    ),
]
VersionNumber = Annotated[int, Parameter("the number of a study version, 1 and up", minimum=1)]
VersionIfAny = Annotated[
    int | None,
    Parameter(
        "the number of a study version; left out, the files on disk",
        location=_QUERY,
        requirement=_OPTIONAL,
        minimum=1,
        limit=PARTICIPANT_INDEX_MAX,
    ),
]
ListedOrders = Annotated[
    int,
    Parameter(
        "the number of participants whose orders are listed",
        location=_QUERY,
        requirement=_OPTIONAL,
        default=5,
        minimum=0,
        limit=ORDERS_PARTICIPANTS_MAX,
    ),
]
ReportedParticipants = Annotated[
    int | None,
    Parameter(
        "the number of participants in the report; by default a whole cycle of the orders, or 24",
        location=_QUERY,
        requirement=_OPTIONAL,
        minimum=1,
        limit=DESIGN_PARTICIPANTS_MAX,
    ),
]
OnlyParticipant = Annotated[
    int | None,
    Parameter(
        "only entries of this participant",
        location=_QUERY,
        requirement=_OPTIONAL,
        minimum=1,
        limit=PARTICIPANT_INDEX_MAX,
    ),
]
FormulaSafe = Annotated[
    bool,
    Parameter(
        "in CSV, put a ' before what a spreadsheet would execute as a formula; this changes texts "
        "that begin with =, +, - or @",
        location=_QUERY,
        requirement=_OPTIONAL,
        default=False,
    ),
]
TableName = Annotated[
    str,
    Parameter(
        "a table of results: up to 64 lower-case letters, digits, dashes and underscores",
        limit=64,
    ),
]
RecordedTable = Annotated[
    str,
    Parameter(
        "the table of results, trials unless named otherwise",
        location=Location.BODY_MEMBER,
        requirement=_OPTIONAL,
        default="trials",
        limit=64,
    ),
]
Records = Annotated[
    list[ResultRecord],
    Parameter(
        "the records, in their order; none for a report of `unsent` only",
        location=Location.BODY_MEMBER,
        limit=RECORD_BATCH_MAX,
    ),
]
Latest = Annotated[
    int | None,
    Parameter(
        "only so many records, those that arrived last, in this order",
        location=_QUERY,
        requirement=_OPTIONAL,
        minimum=1,
        limit=LATEST_RECORDS_MAX,
    ),
]
Unsent = Annotated[
    int | None,
    Parameter(
        "the number of records that still wait on the device after these, for the dashboard",
        location=Location.BODY_MEMBER,
        requirement=_OPTIONAL,
        minimum=0,
        limit=2**31 - 1,
    ),
]
AfterEntry = Annotated[
    int,
    Parameter(
        "only entries with a larger id",
        location=_QUERY,
        requirement=_OPTIONAL,
        default=0,
        minimum=0,
        limit=EVENT_ID_MAX,
    ),
]
BeforeEntry = Annotated[
    int | None,
    Parameter(
        "the last entries with a smaller id",
        location=_QUERY,
        requirement=_OPTIONAL,
        minimum=1,
        limit=EVENT_ID_MAX,
    ),
]
EntriesLimit = Annotated[
    int,
    Parameter(
        "the maximum number of entries",
        location=_QUERY,
        requirement=_OPTIONAL,
        default=100,
        minimum=1,
        limit=EVENTS_PAGE_MAX,
    ),
]
