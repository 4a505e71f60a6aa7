"""`design`: report what the orders balance, before the first participant arrives."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from experiment_server.cli.output import note
from experiment_server.errors import ExtraMissing, OutputUnwritable
from experiment_server.limits.study import DESIGN_PARTICIPANTS_MAX
from experiment_server.store.study_file import load_study
from experiment_server.study.balance import Balance, OrderReport, balance, usual_participants

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.console import Console
    from rich.table import Table

PICTURES = (".svg", ".png", ".pdf")

# Grey levels of a 256-colour terminal, from the smallest count to the largest, with a readable
# colour of text for each.
SHADES = ("on grey7", "on grey19", "on grey35", "black on grey54", "black on grey74")


def _picture(
    _context: click.Context, _parameter: click.Parameter, path: Path | None
) -> Path | None:
    if path is not None and path.suffix.lower() not in PICTURES:
        raise click.BadParameter(f"the name has to end in {', '.join(PICTURES)}")
    return path


@click.command(name="design")
@click.argument("config_file", type=click.Path(path_type=Path))
@click.option(
    "-n",
    "--participants",
    type=click.IntRange(1, DESIGN_PARTICIPANTS_MAX),
    metavar="N",
    help="For participants 1 to N; without it, for one whole cycle of the orders, or 24.",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_picture,
    metavar="FILE.svg|png",
    help="Also draw it, for a paper (needs the extra experiment-server[plot]).",
)
def command(
    config_file: Path, participants: int | None, output_format: str, plot: Path | None
) -> None:
    """Report how often each condition of CONFIG_FILE stands where, and after what.

    Position: how many participants have a condition first, second, ... Carry-over: how often a
    condition is followed at once by another. Init and final blocks, and blocks with condition =
    false, are left out. Where order has groups that are tables, each is reported by itself.
    """
    study = load_study(config_file)
    report = balance(study, participants or usual_participants(study))
    if output_format == "json":
        click.echo(json.dumps(report.as_dict(), ensure_ascii=False))
    else:
        _show(report)
    if plot is not None:
        _draw(report, plot)
        note(f"Wrote {plot}")


def _show(report: Balance) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 10_000
    for section in _sections(report):
        positions = [str(position) for position in range(1, len(section.positions[0]) + 1)]
        _table(console, section.of_position, section.items, positions, section.positions)
        _table(console, section.of_carry_over, section.items, section.items, section.carry_over)
    for cell in report.cells:
        levels = ", ".join(f"{factor} = {level}" for factor, level in cell.levels.items())
        console.out(f"{cell.participants:>5} participants in {levels}")
    if report.repeats:
        console.out(f"A condition follows itself {report.repeats} times.")
    click.secho(report.sentence, fg="green" if all(report.balanced.values()) else "yellow")


@dataclass(frozen=True, slots=True)
class _ReportSection:
    """One pair of tables or pictures of counts, with their titles."""

    name: str
    of_position: str
    of_carry_over: str
    items: Sequence[str]
    positions: Sequence[Sequence[int]]
    carry_over: Sequence[Sequence[int]]


def _sections(report: Balance) -> list[_ReportSection]:
    """The sections of a report: the conditions, or the groups of a tree, and then the factors."""
    sections = []
    if not report.groups and report.conditions:
        sections.append(
            _ReportSection(
                "",
                "Position: how many participants have the condition at each position",
                "Carry-over: how often the condition on the left is followed by the one above",
                report.conditions,
                report.positions,
                report.carry_over,
            )
        )
    for ordered in report.groups:
        sections.append(
            _section_of(
                ordered,
                f"{ordered.name} ({ordered.strategy}), position: how often each is met there",
                f"{ordered.name}, carry-over: how often the left one is followed by the one above",
            )
        )
    for ordered in report.factors:
        sections.append(
            _section_of(
                replace(ordered, name=f"factor {ordered.name}"),
                f"Factor {ordered.name}: how many participants meet the level first, second, ...",
                f"Factor {ordered.name}, from condition to condition: what follows what",
            )
        )
    return [section for section in sections if section.positions and section.positions[0]]


def _section_of(ordered: OrderReport, of_position: str, of_carry_over: str) -> _ReportSection:
    return _ReportSection(
        ordered.name,
        of_position,
        of_carry_over,
        ordered.items,
        ordered.positions,
        ordered.carry_over,
    )


def _draw_counts(
    axis: Axes,
    section: _ReportSection,
    label: str,
    columns: list[str],
    counts: Sequence[Sequence[int]],
) -> None:
    largest = max(max(row) for row in counts) or 1
    axis.imshow(counts, cmap="Blues", vmin=0, vmax=largest * 1.25)
    axis.set_xticks(range(len(columns)), columns, rotation=90 if label != "position" else 0)
    axis.set_yticks(range(len(section.items)), section.items)
    axis.set_xlabel(label)
    axis.tick_params(length=0)
    for y, row in enumerate(counts):
        for x, count in enumerate(row):
            dark = count > 0.7 * largest
            axis.text(
                x, y, str(count), ha="center", va="center", color="white" if dark else "black"
            )


def _table(
    console: Console,
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    counts: Sequence[Sequence[int]],
) -> None:
    from rich.table import Table
    from rich.text import Text

    console.out(title)
    table: Table = Table()
    table.add_column("")
    for column in columns:
        table.add_column(Text(column), justify="right")
    largest = max(max(row) for row in counts) or 1
    for name, row in zip(rows, counts, strict=True):
        cells = (Text(str(count), SHADES[count * (len(SHADES) - 1) // largest]) for count in row)
        table.add_row(Text(name), *cells)
    console.print(table)


def _draw(report: Balance, path: Path) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ExtraMissing(
            "--plot draws with matplotlib, which is not installed: "
            "pip install 'experiment-server[plot]'"
        ) from None
    sections = _sections(report)
    # A cell is large enough for its count; names need about a tenth of an inch per letter.
    widest = max(
        (len(section.positions[0]) + len(section.items) for section in sections), default=2
    )
    letters = 0.1 * max((len(item) for section in sections for item in section.items), default=1)
    heights = [0.45 * len(section.items) + letters + 1.2 for section in sections] or [1.0]
    figure = Figure(
        figsize=(0.45 * widest + 2 * letters + 3, sum(heights) + 0.6), layout="constrained"
    )
    rows = figure.subplots(len(heights), 2, height_ratios=heights, squeeze=False)
    for section, axes in zip(sections, rows, strict=False):
        positions = [str(at + 1) for at in range(len(section.positions[0]))]
        _draw_counts(axes[0], section, "position", positions, section.positions)
        _draw_counts(axes[1], section, "next", list(section.items), section.carry_over)
        axes[0].set_ylabel(section.name or "condition")
    figure.suptitle(report.sentence, fontsize="medium", wrap=True)
    try:
        # Without a date, the same design gives the same file.
        figure.savefig(path, dpi=200, metadata={"Date": None} if path.suffix == ".svg" else None)
    except OSError as error:
        raise OutputUnwritable(f"{path} cannot be written: {error.strerror}") from None
