"""How long the server takes to answer a move when hundreds walk at once, as a ratio to one alone.

Run with `make bench`. The participants are those of `experiment-server simulate`: each connects as
an app does and takes their time.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from experiment_server.cli.simulated import SimulatedRun, SimulationTiming, take_part
from experiment_server_client.rest import Client
from tests.conftest import server_running

PARTICIPANTS = 300
BLOCKS = 10

# Blocks of a minute, twenty times as fast: three seconds each, and a hundred moves a second in all.
PACE = SimulationTiming(block=60, arrival=60, speed=20)


def main() -> None:
    """Print the ratios."""
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "study.toml"
        study.write_text(
            "".join(
                f'[[blocks]]\nname = "block{number}"\nconfig = {{ trials = {number} }}\n'
                for number in range(BLOCKS)
            ),
            encoding="utf-8",
        )
        with server_running(study) as server:
            host, _, port = server.url.removeprefix("http://").partition(":")
            client = Client(host, port)
            for index in range(2, PARTICIPANTS + 2):
                client.add_participant(index)
            alone = asyncio.run(walk(server.url, [1]))
            crowd = asyncio.run(walk(server.url, list(range(2, PARTICIPANTS + 2))))
    print(
        f"moves of {PARTICIPANTS} simulated participants, durable, answered within (one alone = 1)"
    )
    for name, share in (("median", 0.5), ("95 %", 0.95), ("99 %", 0.99)):
        one, all_of_them = (within(outcomes, share) for outcomes in (alone, crowd))
        print(f"  {name:<8}{1000 * all_of_them:8.1f} ms   {all_of_them / one:6.2f}")
    finished = sum(outcome.left == "finished" for outcome in crowd)
    waits = [len(outcome.answers) for outcome in crowd]
    print(f"  {finished} of {PARTICIPANTS} finished, {statistics.mean(waits):.0f} moves each")


async def walk(url: str, indices: list[int]) -> list[SimulatedRun]:
    """Let participants walk through the study at once."""
    return await asyncio.gather(*(take_part(url, index, PACE) for index in indices))


def within(outcomes: list[SimulatedRun], share: float) -> float:
    """The time within which this share of all moves was answered, in seconds."""
    answers = sorted(seconds for outcome in outcomes for seconds in outcome.answers)
    return answers[int(share * (len(answers) - 1))]


if __name__ == "__main__":
    main()
