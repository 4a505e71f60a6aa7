"""`generate-config-json`: participants' blocks as JSON, without a server."""

from __future__ import annotations

import json
from pathlib import Path

import click

from experiment_server.cli.output import note
from experiment_server.errors import StudyFileUnreadable
from experiment_server.store.study_file import load_study
from experiment_server.study.expand import expand
from experiment_server.study.model import Config, Study


@click.command(
    name="generate-config-json",
    epilog="Examples: `experiment-server g study.toml -r 20 > blocks.jsonl`, "
    "`experiment-server g study.toml -i 7 -d blocks/`.",
)
@click.argument("config_file", type=click.Path(path_type=Path))
@click.option(
    "-i",
    "--participant-index",
    type=click.IntRange(min=1),
    metavar="N",
    help="Only participant N.",
)
@click.option(
    "-r",
    "--participant-range",
    type=click.IntRange(min=1),
    metavar="N",
    help="Participants 1 to N.",
)
@click.option(
    "-d",
    "--out-dir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write a file per participant, <study>-participant_<N>.json, into this folder "
    "instead of a line per participant to the terminal.",
)
def command(
    config_file: Path,
    participant_index: int | None,
    participant_range: int | None,
    out_dir: Path | None,
) -> None:
    """Expand CONFIG_FILE for participants, as a server would serve it to them."""
    if participant_index is None and participant_range is None:
        raise click.UsageError(
            "say for whom: -i 7 for participant 7, or -r 20 for participants 1 to 20"
        )
    if participant_index is not None and participant_range is not None:
        note(f"Both -i and -r are given; -r counts: participants 1 to {participant_range}.")
    study = load_study(config_file)
    first = participant_index if participant_range is None else 1
    chosen = range(first or 1, (participant_range or first or 1) + 1)
    for participant in chosen:
        configs = _configs(study, participant)
        if out_dir is None:
            click.echo(json.dumps(configs, ensure_ascii=False))
        else:
            _write(out_dir / f"{config_file.stem}-participant_{participant}.json", configs)
    if out_dir is not None:
        note(f"Wrote {len(chosen)} file{'s' if len(chosen) > 1 else ''} to {out_dir}")


def _configs(study: Study, participant: int) -> list[Config]:
    return [block.config for block in expand(study, participant)]


def _write(path: Path, configs: list[Config]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(configs, ensure_ascii=False, indent=2)
        path.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise StudyFileUnreadable(f"{path} cannot be written: {error.strerror}") from None
