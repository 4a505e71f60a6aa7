"""What is kept in memory of participants' blocks is bounded by their values."""

import asyncio
import gc
import weakref

from experiment_server.session import versions, views
from experiment_server.session.hub import Hub
from experiment_server.session.requests import BY_SERVER
from experiment_server.session.session import StudySession
from experiment_server.session.tasks import Tasks
from experiment_server.session.tokens import Tokens
from experiment_server.store.database import DatabaseAddress
from experiment_server.store.store import Store
from experiment_server.study.parse import parse

STUDY = """
[[blocks]]
name = "A"
[blocks.config]
trials = { function_name = "range", args = [1000] }
"""


async def test_blocks_with_many_values_are_held_for_a_few_participants_only(monkeypatch, tmp_path):
    monkeypatch.setattr(versions, "SEQUENCE_CACHE_VALUES_MAX", 5_000)
    monkeypatch.setattr(views, "SEQUENCE_CACHE_VALUES_MAX", 5_000)
    made = weakref.WeakSet()

    class Noted(versions.BlockSequence):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            made.add(self)

    monkeypatch.setattr(versions, "BlockSequence", Noted)
    store, tasks = Store(DatabaseAddress.of(":memory:")), Tasks()
    session = StudySession(
        tmp_path / "study.toml", parse(STUDY), store, Hub(), tasks, Tokens("key", "main")
    )
    await session.start()
    for index in range(2, 40):
        await session.add_participant(BY_SERVER, index, None)
    for index in range(2, 40):
        await session.move_to_next(BY_SERVER, index)
        config = (await session.config(BY_SERVER, index)).value
        assert config["trials"] == [*range(1000)]
    await asyncio.sleep(0)
    gc.collect()
    assert 0 < len(made) <= 12
    await tasks.close()
    await asyncio.to_thread(store.close)
