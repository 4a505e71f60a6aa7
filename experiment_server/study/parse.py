"""Parses TOML text into a `Study`, or reports all problems of the text."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from experiment_server.errors import StudyInvalid
from experiment_server.limits.study import STUDY_BLOCKS_MAX
from experiment_server.study.configuration import ConfigurationReader
from experiment_server.study.diagnostics import Diagnostic, Findings, shown
from experiment_server.study.document import read_document
from experiment_server.study.factors import CrossedBlocks, cross, read_between, read_levels
from experiment_server.study.keys import BLOCK, CONFIGURATION, FILE
from experiment_server.study.model import RESERVED_KEYS, Study
from experiment_server.study.positions import Path
from experiment_server.study.reading import SECTION, block_name, unknown_keys
from experiment_server.study.source import StudySource
from experiment_server.study.tables import read_tables
from experiment_server.study.templates import RawBlock, build_templates
from experiment_server.study.trial import try_out
from experiment_server.study.unwritten import report_unwritten
from experiment_server.wire.values import JsonValue

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parsed:
    """The result of parsing a study file: `study` is None if there is any error."""

    study: Study | None
    diagnostics: tuple[Diagnostic, ...]
    source: StudySource

    def require(self) -> Study:
        """The study; raises StudyInvalid, with all diagnostics, if there is none."""
        if self.study is not None:
            return self.study
        errors = [item for item in self.diagnostics if item.severity == "error"]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise StudyInvalid(
            f"the study has errors: {errors[0].message}{more}", self.diagnostics, self.source
        )


def parse(study: str | StudySource) -> Parsed:
    """Parse a study; a study without tables may be given as its text.

    This never raises: the result contains the problems of any text.
    """
    source = StudySource(study) if isinstance(study, str) else study
    try:
        return _parse(source)
    except MemoryError:
        found = Diagnostic(
            "study-too-large", "error", "reading the study takes more memory than there is"
        )
    except Exception as error:
        log.exception("reading a study failed")
        found = reader_failed(error)
    return Parsed(None, (found,), source)


def reader_failed(error: Exception) -> Diagnostic:
    """The diagnostic for an unexpected error in the parser itself."""
    return Diagnostic(
        "reader-failed",
        "error",
        f"the study cannot be read: {type(error).__name__} in experiment-server's reader",
        "this is a mistake in experiment-server: please report it together with the file; "
        "to go on, take back what was changed last in the file",
    )


def _parse(source: StudySource) -> Parsed:
    # Editors on Windows write a byte order mark first, which TOML does not allow.
    text_without_mark = source.text.removeprefix("\ufeff")
    findings = Findings(text_without_mark)
    document = read_document(text_without_mark, findings)
    study = None if document is None else _study(document, source, findings)
    if study is not None and not findings.has_errors:
        try_out(study, findings)
    return Parsed(None if findings.has_errors else study, findings.all(), source)


def read_blocks(text: str) -> Mapping[str, RawBlock]:
    """The raw blocks of a study without errors; each member of a family is a block."""
    findings = Findings(text)
    document = read_document(text.removeprefix("\ufeff"), findings) or {}
    levels = read_levels(document.get(SECTION, {}).get("factors", {}), findings)
    return cross(_raw_blocks(document.get("blocks"), findings), levels, findings).blocks


def _study(document: Mapping[str, JsonValue], source: StudySource, findings: Findings) -> Study:
    _report_misplaced(document, findings)
    configuration = document.get("configuration", {})
    if not isinstance(configuration, dict):
        findings.error(
            "type", "configuration has to be a table: write [configuration]", at=(SECTION,)
        )
        configuration = {}
    unknown_keys(configuration, CONFIGURATION, "[configuration]", findings, at=(SECTION,))
    levels = read_levels(configuration.get("factors", {}), findings)
    raw_blocks = _raw_blocks(document.get("blocks"), findings)
    crossed = cross(raw_blocks, levels, findings)
    between = read_between(configuration, levels, crossed, findings)
    variables = configuration.get("variables", {})
    if not isinstance(variables, dict):
        findings.error(
            "type",
            "variables has to be a table: write [configuration.variables]",
            at=(SECTION, "variables"),
        )
        variables = {}
    report_unwritten(raw_blocks, variables, findings)
    tables = read_tables(configuration, source, findings)
    templates = build_templates(crossed.blocks, variables, tables, findings)
    reader = ConfigurationReader(configuration, templates, crossed.families, between, findings)
    study = Study(
        digest=source.digest,
        blocks=templates,
        order=reader.order(),
        init_blocks=reader.end_blocks("init_blocks"),
        final_blocks=reader.end_blocks("final_blocks"),
        random_seed=reader.seed(),
        between=between,
    )
    _report_unused(study, crossed, findings)
    reader.report_cycle(study.order, study.ends)
    reader.hint_at_tree(study.order)
    return study


def _report_misplaced(document: Mapping[str, JsonValue], findings: Findings) -> None:
    known = {key: value for key, value in document.items() if key not in CONFIGURATION}
    unknown_keys(known, FILE, "the file", findings)
    for key, value in document.items():
        # A study that ignores its own order is worse than a study that does not run.
        if key in CONFIGURATION:
            hint = (
                "move it below the line [configuration]"
                if SECTION in document
                else "write [configuration] in a line above it"
            )
            findings.error(
                "key-misplaced",
                f'"{key}" stands outside [configuration], where it does nothing',
                f"write [configuration.{key}]" if isinstance(value, dict) else hint,
                at=(key,),
                key=True,
            )


def _report_unused(study: Study, crossed: CrossedBlocks, findings: Findings) -> None:
    used = {raw.extends for raw in crossed.blocks.values()}
    used |= study.order.names()
    for ends in study.ends:
        used.update(name for row in ends.rows for name in row)
    # If the order has an error, the blocks that it uses are unknown.
    if findings.has_errors:
        return
    for raw in crossed.blocks.values():
        if raw.name not in used:
            findings.warning(
                "block-unused",
                f"{raw.owner} is in no order, and no block extends it",
                "put it into order, init_blocks or final_blocks, or remove it",
                at=(*raw.at, "name"),
            )


def _raw_blocks(blocks: JsonValue, findings: Findings) -> list[RawBlock]:
    if blocks is None or blocks == []:
        findings.error(
            "blocks-missing", "the study has no blocks", "add one with [[blocks]]", at=("blocks",)
        )
        return []
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        findings.error(
            "type",
            "blocks has to be a list of tables: write [[blocks]] for each one",
            at=("blocks",),
        )
        return []
    if len(blocks) > STUDY_BLOCKS_MAX:
        findings.error(
            "study-too-large",
            f"the file has {len(blocks):,} blocks; more than {STUDY_BLOCKS_MAX:,} are not possible",
            "blocks that differ in a setting only can be one block with factors, and trials that "
            "an app goes through by itself a list in one block's config",
            at=("blocks",),
        )
        return []
    found = (_raw_block(block, number, findings) for number, block in enumerate(blocks, start=1))
    return [raw for raw in found if raw is not None]


def _raw_block(block: Mapping[str, JsonValue], number: int, findings: Findings) -> RawBlock | None:
    at: Path = ("blocks", number - 1)
    name = block_name(block.get("name"))
    if not name:
        problem = "has no name" if "name" not in block else "has a name that is no text"
        findings.error(
            "block-name",
            f"block {number} in the file {problem}",
            'add name = "..." to it',
            at=(*at, "name"),
        )
        return None
    where = f'block "{name}"'
    unknown_keys(block, BLOCK, where, findings, at=at)
    if not any(key in block for key in ("config", "extends", "factors")):
        findings.error(
            "block-empty",
            f"{where} has neither config nor extends",
            "add [blocks.config] below it, even if empty",
            at=(*at, "name"),
        )
    config = block.get("config", {})
    if not isinstance(config, dict):
        findings.error(
            "type",
            f"{where}: config has to be a table: write [blocks.config]",
            at=(*at, "config"),
        )
        config = {}
    for key in RESERVED_KEYS:
        if key in config:
            findings.warning(
                "key-reserved",
                f"{where}: the config's \"{key}\" is overwritten with the participant's own",
                "give it another name",
                at=(*at, "config", key),
                key=True,
            )
    extends = block_name(block.get("extends"))
    if "extends" in block and not extends:
        findings.error(
            "type", f"{where}: extends has to be the name of a block", at=(*at, "extends")
        )
    factors = block.get("factors", [])
    if not isinstance(factors, list) or not all(isinstance(factor, str) for factor in factors):
        findings.error("type", f"{where}: factors has to be a list of factors", at=(*at, "factors"))
        factors = []
    condition = block.get("condition", True)
    if not isinstance(condition, bool):
        findings.error(
            "type",
            f"{where}: condition has to be true or false, got {shown(condition)}",
            at=(*at, "condition"),
        )
    factors = tuple(dict.fromkeys(factors))
    return RawBlock(name, extends or None, config, at, factors, condition is not False)
