"""The events that the server pushes to sockets, with the type of each payload (None for none)."""

from __future__ import annotations

from collections.abc import Mapping

from experiment_server.wire.events import LogEntry
from experiment_server.wire.replies import ErrorInfo
from experiment_server.wire.results import ResultsChanged
from experiment_server.wire.snapshots import ParticipantRow, ParticipantSnapshot
from experiment_server.wire.study import Overview, StudyChanged, StudyChangedForApp

APP_EVENTS: Mapping[str, object] = {
    "state": ParticipantSnapshot,
    "block-changed": ParticipantSnapshot,
    "config-changed": ParticipantSnapshot,
    "study-changed": StudyChangedForApp,
    "problem": ErrorInfo,
    "server-shutdown": None,
}
"""The events for participants' apps."""

DASHBOARD_EVENTS: Mapping[str, object] = {
    "snapshot": Overview,
    "participants-changed": list[ParticipantRow],
    "participants-removed": list[int],
    "results-changed": ResultsChanged,
    "study-changed": StudyChanged,
    "event": list[LogEntry],
    "server-shutdown": None,
}
"""The events for dashboards. No operation removes participants yet; dashboards can show it."""
