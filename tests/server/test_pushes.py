"""Every push is of the type that the table of pushes has for it: clients' types come from there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from experiment_server.wire.pushes import APP_EVENTS, DASHBOARD_EVENTS
from tests.conftest import SMALL_STUDY
from tests.server.conftest import Listener


async def hear(listener: Listener, heard: set[str], types: Mapping[str, object], last: str) -> Any:
    """Check what is heard up to an event."""
    while last not in heard:
        event, payload = await listener.next()
        if types[event] is None:
            assert payload is None
        else:
            msgspec.convert(payload, types[event])  # type: ignore[call-overload]
        heard.add(event)


async def test_every_push_is_of_its_type(connect, server, study_file):
    app, dashboard = await connect(), await connect("/dashboard")
    for_app: set[str] = set()
    for_dashboard: set[str] = set()
    await hear(app, for_app, APP_EVENTS, "state")
    await app.ask("move-to-next")
    await hear(app, for_app, APP_EVENTS, "block-changed")
    await app.ask("record", {"records": [], "unsent": 3})
    await hear(dashboard, for_dashboard, DASHBOARD_EVENTS, "results-changed")
    study_file.write_text(SMALL_STUDY + "\n# another version\n")
    await hear(app, for_app, APP_EVENTS, "config-changed")
    await hear(dashboard, for_dashboard, DASHBOARD_EVENTS, "study-changed")
    await hear(dashboard, for_dashboard, DASHBOARD_EVENTS, "event")
    server.session.stopping.set()
    assert for_app == {"state", "block-changed", "study-changed", "config-changed"}
    assert for_dashboard == set(DASHBOARD_EVENTS) - {"participants-removed", "server-shutdown"}
