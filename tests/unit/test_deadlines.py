"""One timer answers everybody who waits too long for a commit."""

import asyncio

import pytest

from experiment_server.errors import StoreUnavailable
from experiment_server.session import deadlines
from experiment_server.session.deadlines import CommitDeadlines
from tests.waiting import PATIENCE


async def test_who_waits_too_long_is_told_and_who_was_answered_is_left_alone(monkeypatch):
    monkeypatch.setattr(deadlines, "COMMIT_TIMEOUT_S", 0.01)
    limits: CommitDeadlines[str] = CommitDeadlines()
    answered, late, later = (asyncio.get_running_loop().create_future() for _ in range(3))
    limits.add(answered)
    limits.add(late)
    answered.set_result("kept")
    with pytest.raises(StoreUnavailable, match="has not answered in time"):
        await asyncio.wait_for(late, PATIENCE)
    limits.add(later)
    with pytest.raises(StoreUnavailable, match="has not answered in time"):
        await asyncio.wait_for(later, PATIENCE)
    assert answered.result() == "kept"


async def test_what_was_answered_is_let_go_before_its_time_is_over():
    limits: CommitDeadlines[str] = CommitDeadlines()
    for _ in range(100):
        future = asyncio.get_running_loop().create_future()
        limits.add(future)
        future.set_result("kept")
    assert len(limits) == 1
