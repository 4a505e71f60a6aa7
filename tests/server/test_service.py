"""The live service when the store refuses: nothing is half done, and nobody waits in vain."""

import asyncio

import pytest

from experiment_server.errors import StoreUnavailable
from experiment_server.live.hub import Hub
from experiment_server.live.live import Live
from experiment_server.live.service import Service
from experiment_server.live.study import StudyDesk
from experiment_server.live.tasks import Tasks
from experiment_server.live.tokens import Tokens
from experiment_server.store import writer
from experiment_server.store.database import Place
from experiment_server.store.store import Commit, Store
from experiment_server.study.parse import parse
from tests.conftest import SMALL_STUDY


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
    opened = FullDisk(Place.of(":memory:"))
    yield opened
    await asyncio.to_thread(opened.close)


@pytest.fixture
async def live(store, tmp_path):
    tasks = Tasks()
    parsed = parse(SMALL_STUDY)
    service = Service(parsed.require(), store, Hub(), tasks)
    started = Live(
        service, StudyDesk(service, tmp_path / "study.toml", parsed), Tokens("key", "main")
    )
    await started.start()
    yield started
    await tasks.close()
    assert len(tasks) == 0


@pytest.fixture
def service(live):
    return live.service


async def outcomes(*requests):
    return await asyncio.gather(*requests, return_exceptions=True)


@pytest.mark.parametrize("refusals", [1, 7])
@pytest.mark.parametrize("grouped", [1, 3, 256])
async def test_moves_that_lined_up_behind_a_refused_one_start_over(
    service, store, refusals, grouped, monkeypatch
):
    monkeypatch.setattr(writer, "COMMITS_GROUPED", grouped)
    store.refusals = refusals
    moves = [service.move_to_block(1, number % 5) for number in range(100)]
    done = await outcomes(*moves)
    refused = [outcome for outcome in done if isinstance(outcome, StoreUnavailable)]
    moved = [outcome["revision"] for outcome in done if isinstance(outcome, dict)]
    assert len(refused) == refusals
    assert sorted(moved) == list(range(1, 101 - refusals))
    assert service.snapshot(1)["revision"] == 100 - refusals


async def test_a_refused_move_changes_nothing_and_the_next_one_works(service, store):
    before = service.snapshot(1)
    store.refusals = 1
    with pytest.raises(StoreUnavailable, match="disk is full"):
        await service.move_to_next(1)
    assert service.snapshot(1) == before
    assert (await service.move_to_next(1))["block_name"] == "Hello"


async def test_a_study_that_cannot_be_recorded_is_not_served_until_it_can(live, service, store):
    await service.move_to_block(1, 4)
    store.refusals = 1
    shorter = parse(SMALL_STUDY.replace('order = [["A", "B"], ["C", "D"]]', 'order = [["A"]]'))
    before = service.snapshot(1)
    with pytest.raises(StoreUnavailable):
        await live.desk.load(shorter, "changed on disk")
    assert service.snapshot(1) == before
    assert [item["code"] for item in live.desk.diagnostics()] == ["store-unavailable"]
    assert not live.desk.knows(shorter.text)
    await live.desk.load(shorter, "changed on disk")
    snapshot = service.snapshot(1)
    assert (snapshot["block_name"], snapshot["blocks_count"]) == ("END", 2)
    assert live.desk.served()["version"] == 2


async def test_new_participants_at_once_get_indices_of_their_own(service):
    added = await outcomes(*(service.new_participant() for _ in range(50)))
    assert sorted(added) == list(range(2, 52))


async def test_a_cancelled_request_leaves_the_truth_behind(service):
    request = asyncio.create_task(service.move_to_next(1))
    await asyncio.sleep(0)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert (await service.move_to_next(1))["block_name"] == "A"
