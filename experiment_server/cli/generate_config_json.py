"""`generate-config-json`: write participants' blocks, without a server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TextIO

import click

from experiment_server.cli.output import data_stream, note, progress
from experiment_server.errors import OutputUnwritable
from experiment_server.limits.session import PARTICIPANT_INDEX_MAX
from experiment_server.store.study_file import load_study
from experiment_server.study.expand import configs_json, expand
from experiment_server.study.model import RESERVED_KEYS, Config, Study
from experiment_server.wire.tables import csv_heading, csv_lines
from experiment_server.wire.values import JsonValue


class Participants(click.ParamType[range]):
    """`20` for participants 1 to 20, `11-20` for 11 to 20."""

    name = "range"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> range:
        """The participants, or a usage error."""
        first, dash, last = str(value).partition("-")
        if not dash:
            first, last = "1", first
        if not all(part.isascii() and part.isdigit() and len(part) < 12 for part in (first, last)):
            self.fail(f"{value!r} is neither a number like 20 nor a range like 11-20", param, ctx)
        if not 1 <= int(first) <= int(last) <= PARTICIPANT_INDEX_MAX:
            self.fail(f"{value!r} has no participants; they count from 1", param, ctx)
        return range(int(first), int(last) + 1)


@click.command(
    name="generate-config-json",
    epilog="Examples: `experiment-server g study.toml -r 20 > blocks.jsonl`, "
    "`experiment-server g study.toml -r 11-20 --format csv > blocks.csv`, "
    "`experiment-server g study.toml -i 7 -d blocks/`.",
)
@click.argument("config_file", type=click.Path(path_type=Path))
@click.option(
    "-i",
    "--participant-index",
    type=click.IntRange(1, PARTICIPANT_INDEX_MAX),
    metavar="N",
    help="Only participant N.",
)
@click.option(
    "-r",
    "--participant-range",
    type=Participants(),
    metavar="N|M-N",
    help="Participants 1 to N, or M to N.",
)
@click.option(
    "-d",
    "--out-dir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write files into this folder instead of to the terminal: "
    "<study>-participant_<N>.json for each, or one <study>.csv.",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["json", "csv"]),
    default="json",
    show_default=True,
    help="json: a line (or a file) per participant, with the list of their configs; "
    "csv: a row per participant and block, nested keys dotted.",
)
def command(
    config_file: Path,
    participant_index: int | None,
    participant_range: range | None,
    out_dir: Path | None,
    output_format: str,
) -> None:
    """Expand CONFIG_FILE for participants, as a server would serve it to them."""
    if participant_range is None:
        if participant_index is None:
            raise click.UsageError(
                "say for whom: -i 7 for participant 7, -r 20 for participants 1 to 20, or -r 11-20"
            )
        participant_range = range(participant_index, participant_index + 1)
    elif participant_index is not None:
        first, last = participant_range[0], participant_range[-1]
        note(f"Both -i and -r are given; -r counts: participants {first} to {last}.")
    study = load_study(config_file)
    participants = progress(participant_range, "Expanding", len(participant_range))
    if output_format == "csv":
        _csv(study, participants, config_file.stem, out_dir)
    elif out_dir is None:
        stdout = data_stream()
        for participant in participants:
            stdout.write(configs_json(study, participant) + "\n")
    else:
        for participant in participants:
            text = json.dumps(_configs(study, participant), ensure_ascii=False, indent=2)
            path = out_dir / f"{config_file.stem}-participant_{participant}.json"
            _write(path, partial(_write_line, text))
        count = len(participant_range)
        note(f"Wrote {count} file{'s' if count > 1 else ''} to {out_dir}")


def _configs(study: Study, participant: int) -> list[Config]:
    return [block.config for block in expand(study, participant)]


def _write_line(text: str, file: TextIO) -> None:
    file.write(f"{text}\n")


def _csv(study: Study, participants: Iterable[int], stem: str, out_dir: Path | None) -> None:
    def write(file: TextIO) -> None:
        columns = _columns(study)
        file.write(csv_heading(columns))
        for participant in participants:
            rows = (dict(_cells(config)) for config in _configs(study, participant))
            file.write(csv_lines(rows, columns))

    if out_dir is None:
        write(data_stream())
    else:
        _write(out_dir / f"{stem}.csv", write)
        note(f"Wrote {out_dir / f'{stem}.csv'}")


def _columns(study: Study) -> list[str]:
    """The columns for all participants, computed before the first is expanded."""
    keys = (key for block in study.blocks.values() for key, _ in _cells(dict(block.config)))
    settings = [key for key in dict.fromkeys(keys) if key not in RESERVED_KEYS]
    return [*RESERVED_KEYS, *settings]


def _cells(table: Config, before: str = "") -> Iterator[tuple[str, JsonValue]]:
    """The cells of a config; the names of nested keys are joined with dots."""
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _cells(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _write(path: Path, write: Callable[[TextIO], None]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            write(file)
    except OSError as error:
        raise OutputUnwritable(f"{path} cannot be written: {error.strerror}") from None
