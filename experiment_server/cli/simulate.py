"""`simulate`: rehearse a study with simulated participants."""

from __future__ import annotations

import asyncio
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from experiment_server.cli.output import note
from experiment_server.errors import OutputUnwritable
from experiment_server.limits.results import RECORD_BATCH_MAX
from experiment_server.limits.session import PARTICIPANTS_MAX
from experiment_server.store.options import MEMORY, Durability

if TYPE_CHECKING:
    from experiment_server.cli.simulated import SimulatedRun, SimulationTiming
    from experiment_server.server.settings import Settings


def _speed(_context: click.Context, _parameter: click.Parameter, text: str) -> float:
    try:
        speed = float(text.lower().removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise click.BadParameter("it is written like 20x: how many times as fast as people")
    return speed


@click.command(
    name="simulate",
    epilog="Example: `experiment-server simulate my-study.toml -n 50 --speed 20x`, with the "
    "dashboard open at the address that it prints. Exit codes: 0 everybody went as far as they "
    "wanted, 1 somebody could not.",
)
@click.argument("config_file", type=click.Path(path_type=Path))
@click.option(
    "-n",
    "--participants",
    type=click.IntRange(1, PARTICIPANTS_MAX),
    default=24,
    show_default=True,
    metavar="N",
    help="Participants 1 to N take part.",
)
@click.option(
    "--speed", default="20x", show_default=True, callback=_speed, help="How many times as fast."
)
@click.option(
    "--block-seconds",
    type=click.FloatRange(0, min_open=True),
    default=60.0,
    show_default=True,
    help="How long most take for a block, at the speed of people.",
)
@click.option(
    "--arrival-seconds",
    type=click.FloatRange(0),
    default=300.0,
    show_default=True,
    help="Within how long they arrive.",
)
@click.option(
    "--drop-out",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="How many of them leave before the end: 0.1 is every tenth.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Another one, other times.")
@click.option(
    "--trials",
    type=click.IntRange(0, RECORD_BATCH_MAX),
    default=0,
    metavar="N",
    help="They record N trials in each block, with a made-up rt and correct, as the table trials.",
)
@click.option(
    "--keep",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Keep everything in this new database, for example to `export FILE` and try an analysis.",
)
@click.option("-p", "--port", type=click.IntRange(0, 65535), default=0, help="Any free one.")
@click.option("--stay", is_flag=True, help="Go on serving afterwards, until Ctrl+C.")
def command(
    config_file: Path,
    participants: int,
    speed: float,
    block_seconds: float,
    arrival_seconds: float,
    drop_out: float,
    seed: int,
    trials: int,
    keep: Path | None,
    port: int,
    stay: bool,
) -> None:
    """Rehearse CONFIG_FILE with participants that are not there.

    They connect as a headset would and walk through their blocks, on a server of their own that
    keeps nothing, or what they did in a database of its own: no real session is touched.
    """
    from experiment_server.cli.simulated import SimulationTiming
    from experiment_server.server.event_loop import run_loop
    from experiment_server.server.settings import Settings

    if keep is not None and keep.exists():
        raise OutputUnwritable(f"{keep} is there already, and was not overwritten")
    pace = SimulationTiming(block_seconds, 0.4, arrival_seconds, drop_out, speed, seed, trials)
    settings = Settings(
        config_file, port=port, database=str(keep or MEMORY), durability=Durability.FAST
    )
    try:
        outcomes = run_loop(_rehearse(settings, participants, pace, stay=stay))
    except KeyboardInterrupt:
        raise click.Abort from None
    if any(outcome.left == "failed" for outcome in outcomes):
        sys.exit(1)


async def _rehearse(
    settings: Settings, participants: int, pace: SimulationTiming, *, stay: bool
) -> list[SimulatedRun]:
    from experiment_server.cli.simulated import take_part
    from experiment_server.server.app import serving
    from experiment_server.session.requests import BY_SERVER

    async with serving(settings) as running:
        session = running.session
        for index in range(2, participants + 1):
            await session.add_participant(BY_SERVER, index)
        blocks = sum(row.blocks_count for row in await session.rows())
        click.echo(f"Dashboard: {running.url}/")
        with _ProgressBar(blocks) as step:
            outcomes = await asyncio.gather(
                *(
                    take_part(running.url, index, pace, on_block=step)
                    for index in range(1, participants + 1)
                )
            )
        _print_summary(outcomes)
        if stay:
            note("Still serving; Ctrl+C stops.")
            await session.stopping.wait()
        return outcomes


class _ProgressBar:
    """A progress bar over all blocks of all participants, shown only in a terminal."""

    def __init__(self, blocks: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("blocks begun", total=blocks)

    def __enter__(self) -> _ProgressBar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self) -> None:
        self._progress.advance(self._task)


def _print_summary(outcomes: list[SimulatedRun]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    table = Table(title="Time in each block, in seconds of the study", title_justify="left")
    table.add_column("block")
    for column in ("participants", "median", "shortest", "longest"):
        table.add_column(column, justify="right")
    times: dict[str, list[float]] = defaultdict(list)
    for outcome in outcomes:
        for name, seconds in outcome.blocks:
            times[name].append(seconds)
    for name, took in times.items():
        median = statistics.median(took)
        table.add_row(
            Text(name), str(len(took)), f"{median:.0f}", f"{min(took):.0f}", f"{max(took):.0f}"
        )
    console.print(table)
    whole = [
        sum(seconds for _, seconds in outcome.blocks)
        for outcome in outcomes
        if outcome.left == "finished"
    ]
    counts = {
        left: sum(outcome.left == left for outcome in outcomes)
        for left in ("finished", "dropped out", "failed")
    }
    click.echo(", ".join(f"{count} {left}" for left, count in counts.items() if count) + ".")
    if whole:
        click.echo(f"Who finished took {statistics.median(whole) / 60:.0f} minutes (median).")
    answers = sorted(seconds for outcome in outcomes for seconds in outcome.answers)
    if answers:
        late = answers[int(0.95 * (len(answers) - 1))]
        click.echo(f"The server answered 95 of 100 moves within {1000 * late:.0f} ms.")
    for outcome in outcomes:
        if outcome.error:
            click.secho(f"Participant {outcome.participant}: {outcome.error}", fg="red", err=True)
