"""The events that sockets are sent without asking, each with what it carries (None for nothing)."""

from __future__ import annotations

from collections.abc import Mapping

from experiment_server.wire.events import LogEntry
from experiment_server.wire.replies import ErrorInfo
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
"""What participants' apps are sent."""

DASHBOARD_EVENTS: Mapping[str, object] = {
    "snapshot": Overview,
    "participants-changed": list[ParticipantRow],
    "participants-removed": list[int],
    "study-changed": StudyChanged,
    "event": list[LogEntry],
    "server-shutdown": None,
}
"""What dashboards are sent. Nobody is removed yet; dashboards know what it would mean."""
