"""Participants that are not there: they connect as an app does, and walk through their blocks."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import aiohttp

from experiment_server.client.errors import StudyError
from experiment_server.client.live import AsyncClient
from experiment_server.client.snapshot import Snapshot

Left = Literal["finished", "dropped out", "failed"]


@dataclass(frozen=True, slots=True)
class Pace:
    """How participants take their time, in seconds of the study; it runs `speed` times as fast.

    Blocks take log-normal times with the median `block`; `spread` is the standard deviation of
    the logarithm. They arrive evenly spread over `arrival`. Each drops out with the probability
    `drop_out`, in a block that any of them may be.
    """

    block: float = 60.0
    spread: float = 0.4
    arrival: float = 300.0
    drop_out: float = 0.0
    speed: float = 1.0
    seed: int = 0


@dataclass(slots=True)
class SimulatedRun:
    """How it went for one of them.

    `blocks` are names with their seconds of the study, `answers` the seconds by the clock that the
    server took to answer each move.
    """

    participant: int
    left: Left = "failed"
    blocks: list[tuple[str, float]] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    error: str = ""


async def take_part(
    url: str,
    participant: int,
    pace: Pace,
    *,
    token: str | None = None,
    on_block: Callable[[], None] = lambda: None,
) -> SimulatedRun:
    """Take part from arrival to the end, or to where the participant drops out. Never raises."""
    chance = random.Random(f"{pace.seed} {participant}")
    outcome = SimulatedRun(participant)
    await asyncio.sleep(chance.uniform(0, pace.arrival) / pace.speed)
    drops_out, stays = chance.random() < pace.drop_out, chance.random()
    try:
        async with AsyncClient(url, participant, token=token) as client:
            if client.snapshot["block_id"] < 0:
                await _move_on(client.snapshot, outcome)
            last = int(stays * client.snapshot["blocks_count"])
            async for block in client.blocks():
                on_block()
                started = time.monotonic()
                seconds = pace.block * chance.lognormvariate(0, pace.spread)
                await asyncio.sleep(seconds / pace.speed)
                if drops_out and block["block_id"] == last:
                    outcome.left = "dropped out"
                    return outcome
                await _move_on(block, outcome)
                took = (time.monotonic() - started) * pace.speed
                outcome.blocks.append((block["block_name"], took))
        outcome.left = "finished"
    except (StudyError, aiohttp.ClientError, OSError) as error:
        outcome.error = str(error)
    return outcome


async def _move_on(block: Snapshot, outcome: SimulatedRun) -> None:
    asked = time.monotonic()
    try:
        await block.finish()
    except StudyError as error:
        # Somebody rehearses the steering as well.
        if error.code != "participant-elsewhere":
            raise
    outcome.answers.append(time.monotonic() - asked)
