"""The live service when the store refuses: nothing is half done, and nobody waits in vain."""

import asyncio
import random

import pytest

from experiment_server.errors import StoreUnavailable
from experiment_server.session import notifier
from experiment_server.session.hub import DASHBOARD, Hub
from experiment_server.session.requests import BY_SERVER
from experiment_server.session.session import StudySession
from experiment_server.session.tasks import Tasks
from experiment_server.session.tokens import Tokens
from experiment_server.store import jobs
from experiment_server.store.commits import Commit
from experiment_server.store.database import DatabaseAddress
from experiment_server.store.store import Store
from experiment_server.study.parse import parse
from experiment_server.wire.encoding import Encoded
from tests.conftest import SMALL_STUDY
from tests.waiting import PATIENCE


class FullDisk(Store):
    """A real store whose disk is full for the next few commits."""

    refusals = 0

    def send(self, commit, done):
        if not self.refusals:
            super().send(commit, done)
            return
        self.refusals -= 1
        # Told in its turn, as the writer would: after the commits that are already waiting.
        super().send(Commit(), lambda _: done(StoreUnavailable("the disk is full")))


@pytest.fixture
async def store():
    opened = FullDisk(DatabaseAddress.of(":memory:"))
    yield opened
    await asyncio.to_thread(opened.close)


@pytest.fixture
def hub():
    return Hub()


@pytest.fixture
async def session(store, hub, tmp_path):
    tasks = Tasks()
    started = StudySession(
        tmp_path / "study.toml", parse(SMALL_STUDY), store, hub, tasks, Tokens("key", "main")
    )
    await started.start()
    yield started
    await tasks.close()
    assert len(tasks) == 0


async def outcomes(*requests):
    return await asyncio.gather(*requests, return_exceptions=True)


@pytest.mark.parametrize("refusals", [1, 7])
@pytest.mark.parametrize("grouped", [1, 3, 256])
async def test_moves_that_lined_up_behind_a_refused_one_start_over(
    session, store, refusals, grouped, monkeypatch
):
    monkeypatch.setattr(jobs, "COMMIT_GROUP_MAX", grouped)
    store.refusals = refusals
    moves = [session.move_to_block(BY_SERVER, 1, number % 5) for number in range(100)]
    done = await outcomes(*moves)
    refused = [outcome for outcome in done if isinstance(outcome, StoreUnavailable)]
    moved = [item.value.revision for item in done if isinstance(item, Encoded)]
    assert len(refused) == refusals
    assert sorted(moved) == list(range(1, 101 - refusals))
    assert (await session.row(1)).revision == 100 - refusals


async def test_a_refused_move_changes_nothing_and_the_next_one_works(session, store):
    before = await session.row(1)
    store.refusals = 1
    with pytest.raises(StoreUnavailable, match="disk is full"):
        await session.move_to_next(BY_SERVER, 1)
    assert await session.row(1) == before
    assert (await session.move_to_next(BY_SERVER, 1)).value.block_name == "Hello"


async def test_a_study_that_cannot_be_recorded_is_not_served_until_it_can(session, store):
    await session.move_to_block(BY_SERVER, 1, 4)
    store.refusals = 1
    shorter = parse(SMALL_STUDY.replace('order = [["A", "B"], ["C", "D"]]', 'order = [["A"]]'))
    before = await session.row(1)
    with pytest.raises(StoreUnavailable):
        await session.study_file.load(shorter, "changed on disk")
    assert await session.row(1) == before
    assert [item.code for item in session.study_file.diagnostics()] == ["store-unavailable"]
    assert not session.study_file.is_processed(shorter.source)
    await session.study_file.load(shorter, "changed on disk")
    row = await session.row(1)
    assert (row.block_name, row.blocks_count) == ("END", 2)
    assert session.study_file.served().version == 2


async def test_new_participants_at_once_get_indices_of_their_own(session):
    added = await outcomes(*(session.new_participant(BY_SERVER) for _ in range(50)))
    assert sorted(added) == list(range(2, 52))


async def test_a_cancelled_request_leaves_the_truth_behind(session):
    request = asyncio.create_task(session.move_to_next(BY_SERVER, 1))
    await asyncio.sleep(0)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert (await session.move_to_next(BY_SERVER, 1)).value.block_name == "A"


async def test_nothing_changes_when_all_caches_are_dropped_at_any_moment(session):
    participants = [1, *[await session.new_participant(BY_SERVER) for _ in range(4)]]
    draws, running = random.Random(7), True

    async def drop():
        while running:
            session.drop_cache()
            for _ in range(draws.randrange(4)):
                await asyncio.sleep(0)

    async def walk(index):
        moved = []
        for _ in range(40):
            block_id = draws.randrange(5)
            snapshot = (await session.move_to_block(BY_SERVER, index, block_id)).value
            assert (snapshot.participant_index, snapshot.block_id) == (index, block_id)
            moved.append(snapshot.revision)
            seen = (await session.state(BY_SERVER, index)).value
            assert seen.revision >= snapshot.revision, "nobody reads what was before"
            if draws.random() < 0.2:
                await session.undo(BY_SERVER, index)
        return moved

    dropping = asyncio.create_task(drop())
    # Two walk for each participant, so that their moves race.
    walks = await asyncio.gather(*(walk(index) for index in participants * 2))
    running = False
    await dropping
    for index, first, second in zip(participants, walks[:5], walks[5:], strict=True):
        assert len({*first, *second}) == 80, "each move has a revision of its own"
        [*_, last] = [
            entry
            for entry in await session.events(BY_SERVER, 0, None, index, 1000)
            if entry.type == "moved"
        ]
        row = await session.row(index)
        assert (row.revision, row.block_id) == (last.data["revision"], last.data["to"]["block_id"])


class Rounds:
    """A transport that notes in which rounds of the event loop snapshots were delivered."""

    def __init__(self, wanted):
        self._loop = asyncio.get_running_loop()
        self._wanted = wanted
        self._round = 0
        self.told = []
        self.complete = asyncio.Event()
        self._tick()

    def _tick(self):
        self._round += 1
        if not self.complete.is_set():
            self._loop.call_soon(self._tick)

    def has_listeners(self, room):
        return room != DASHBOARD

    def deliver(self, message):
        self.told.append((self._round, message.payload.value.participant_index))
        if len(self.told) == self._wanted:
            self.complete.set()


async def test_others_are_served_while_everybody_is_told_that_they_were_moved(
    session, hub, monkeypatch
):
    monkeypatch.setattr(notifier, "LOOP_TURN_S", 0.0)
    people = [1, *[await session.new_participant(BY_SERVER) for _ in range(9)]]
    for index in people:
        await session.move_to_next(BY_SERVER, index)
    rounds = Rounds(len(people))
    hub.subscribe(rounds)
    await session.move_all_to_block(BY_SERVER, 2)
    await asyncio.wait_for(rounds.complete.wait(), PATIENCE)
    assert [index for _, index in rounds.told] == people
    assert len({number for number, _ in rounds.told}) == len(people)
