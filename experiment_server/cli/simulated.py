"""Simulated participants, who connect like an app and move through their blocks."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Literal

import aiohttp

from experiment_server_client.errors import StudyError
from experiment_server_client.live import AsyncClient
from experiment_server_client.snapshot import Snapshot

Ending = Literal["finished", "dropped out", "failed"]


@dataclass(frozen=True, slots=True)
class SimulationTiming:
    """The timing of simulated participants, in seconds of study time.

    Study time passes `speed` times as fast as real time. Block durations are log-normal with the
    median `block`; `spread` is the standard deviation of the logarithm. Arrivals are uniform in
    `arrival`. Each participant drops out with the probability `drop_out`, in a random block.
    """

    block: float = 60.0
    spread: float = 0.4
    arrival: float = 300.0
    drop_out: float = 0.0
    speed: float = 1.0
    seed: int = 0
    trials: int = 0
    """The number of records in each block, with values that are made up."""


@dataclass(slots=True)
class SimulatedRun:
    """The result of one simulated participant.

    `blocks` are block names with their seconds of study time. `answers` are the response times of
    the moves in seconds of real time.
    """

    participant: int
    left: Ending = "failed"
    blocks: list[tuple[str, float]] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    error: str = ""


async def take_part(
    url: str,
    participant: int,
    timing: SimulationTiming,
    *,
    token: str | None = None,
    on_block: Callable[[], None] = lambda: None,
) -> SimulatedRun:
    """Take part from the arrival to the end, or until the participant drops out. Never raises."""
    generator = random.Random(f"{timing.seed} {participant}")
    outcome = SimulatedRun(participant)
    await asyncio.sleep(generator.uniform(0, timing.arrival) / timing.speed)
    drops_out, last_fraction = generator.random() < timing.drop_out, generator.random()
    try:
        async with AsyncClient(url, participant, token=token) as client:
            if client.snapshot["block_id"] < 0:
                await _move_on(client.snapshot, outcome)
            last = int(last_fraction * client.snapshot["blocks_count"])
            async for block in client.blocks():
                on_block()
                if timing.trials:
                    await _record(url, participant, block, timing, token)
                started = time.monotonic()
                seconds = timing.block * generator.lognormvariate(0, timing.spread)
                await asyncio.sleep(seconds / timing.speed)
                if drops_out and block["block_id"] == last:
                    outcome.left = "dropped out"
                    return outcome
                await _move_on(block, outcome)
                took = (time.monotonic() - started) * timing.speed
                outcome.blocks.append((block["block_name"], took))
        outcome.left = "finished"
    except (StudyError, aiohttp.ClientError, OSError) as error:
        outcome.error = str(error)
    return outcome


async def _record(
    url: str, participant: int, block: Snapshot, timing: SimulationTiming, token: str | None
) -> None:
    """Send the records of a block: reaction times that depend on the block and the participant."""
    usual = 0.5
    for name in (block["block_name"], participant):
        usual *= random.Random(f"{timing.seed} trials {name}").uniform(0.8, 1.25)
    generator = random.Random(f"{timing.seed} {participant} {block['block_id']}")
    records = [
        {
            "record_id": f"simulated-{block['revision']}-{trial}",
            "block_id": block["block_id"],
            "revision": block["revision"],
            "recorded_at": datetime.now(timezone.utc).isoformat(),
            "data": {
                "trial": trial,
                "rt": round(usual * generator.lognormvariate(0, 0.2), 3),
                "correct": generator.random() < 0.9,
            },
        }
        for trial in range(1, timing.trials + 1)
    ]
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        aiohttp.ClientSession(url, headers=headers) as http,
        http.post(f"/api/results/{participant}", json={"records": records}) as answer,
    ):
        answer.raise_for_status()


async def _move_on(block: Snapshot, outcome: SimulatedRun) -> None:
    started = time.monotonic()
    try:
        await block.finish()
    except StudyError as error:
        # An experimenter may have moved the participant, which is not a failure.
        if error.code != "participant-elsewhere":
            raise
    outcome.answers.append(time.monotonic() - started)
