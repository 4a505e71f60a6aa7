"""A machine's clock may be set while a study runs; what has passed has passed."""

from datetime import datetime, timedelta, timezone

import aiohttp
import pytest

from experiment_server.server.app import serving
from experiment_server.server.settings import Settings
from experiment_server.session import clock
from experiment_server.session.requests import BY_SERVER
from tests.requests import read_json

HOUR = timedelta(hours=1)
NOON = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)


@pytest.fixture
def machine(monkeypatch):
    """The machine's clocks: `machine.passes(5)`, `machine.is_set(-3600)`."""

    class Machine:
        wall, passed = NOON, 100.0

        def passes(self, seconds):
            self.wall += timedelta(seconds=seconds)
            self.passed += seconds

        def is_set(self, seconds):
            self.wall += timedelta(seconds=seconds)

    clocks = Machine()
    monkeypatch.setattr(clock, "wall_clock", lambda: clocks.wall)
    monkeypatch.setattr(clock.time, "monotonic", lambda: clocks.passed)
    return clocks


def test_the_time_is_the_machines(machine):
    now = clock.Clock()
    for seconds in (0, 5, 0.001):
        machine.passes(seconds)
        assert now() == machine.wall


def test_a_clock_that_is_set_back_goes_on(machine):
    now = clock.Clock()
    machine.is_set(-3600)
    machine.passes(5)
    assert now() == NOON + timedelta(seconds=5)
    machine.passes(5)
    assert now() == NOON + timedelta(seconds=10)


def test_a_clock_that_is_set_right_again_is_right(machine):
    now = clock.Clock()
    machine.is_set(-3600)
    now()
    machine.passes(5)
    machine.is_set(3600)
    assert now() == machine.wall
    machine.is_set(60)
    assert now() == machine.wall


def test_a_clock_that_is_slowed_down_is_followed(machine):
    now = clock.Clock()
    for _ in range(100):
        machine.passes(10)
        machine.is_set(-0.005)  # as NTP slows it, at most
        assert now() == machine.wall
    machine.is_set(-0.5)
    assert now() == machine.wall + timedelta(seconds=0.5), "no time before one that was told"


async def timings(running):
    async with aiohttp.ClientSession(running.url) as http:
        return await read_json(http, "/api/timings")


async def test_a_stay_lasts_as_long_as_it_lasts(study_file, monkeypatch):
    async with serving(Settings(study_file, port=0)) as running:
        await running.session.move_to_next(BY_SERVER, 1)
        monkeypatch.setattr(clock, "wall_clock", lambda: datetime.now(timezone.utc) - HOUR)
        await running.session.move_to_next(BY_SERVER, 1)
        [stay, _] = await timings(running)
        assert 0 <= stay["seconds"] < 60
        assert stay["started_at"] <= stay["ended_at"]


async def test_a_clock_that_is_set_back_between_two_runs_makes_no_stay_negative(
    study_file, monkeypatch
):
    async with serving(Settings(study_file, port=0)) as running:
        await running.session.move_to_next(BY_SERVER, 1)
    monkeypatch.setattr(clock, "wall_clock", lambda: datetime.now(timezone.utc) - HOUR)
    async with serving(Settings(study_file, port=0)) as running:
        await running.session.move_to_next(BY_SERVER, 1)
        [stay, _] = await timings(running)
        assert stay["seconds"] == 0
