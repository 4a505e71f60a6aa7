"""Parses TOML text into a document, and converts its values to JSON types."""

from __future__ import annotations

from datetime import date, datetime, time

import tomli

from experiment_server.limits.study import STUDY_NESTING_MAX
from experiment_server.study.diagnostics import Diagnostic, Findings
from experiment_server.study.positions import Path
from experiment_server.study.values import inside, scalar_problem, text_problem
from experiment_server.wire.values import JsonObject, JsonValue


def read_document(text: str, findings: Findings) -> JsonObject | None:
    """The document of a TOML text in JSON types; None, after an error, if the text is invalid."""
    try:
        document = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        findings.add(_syntax_error(error, text))
        return None
    except RecursionError:
        _report_nesting(findings)
        return None
    except ValueError:
        # Python refuses to parse a number of more than some thousand digits.
        findings.error("number-not-json", "a number in the file has too many digits")
        return None
    if _nesting(document) > STUDY_NESTING_MAX:
        _report_nesting(findings)
        return None
    plain: JsonObject = _plain(document, "", (), findings)
    return plain


def _syntax_error(error: tomli.TOMLDecodeError, text: str) -> Diagnostic:
    message = getattr(error, "msg", str(error))
    line, column = getattr(error, "lineno", None), getattr(error, "colno", None)
    if line is not None and column is not None:
        written = text.split("\n")[line - 1] if line <= text.count("\n") + 1 else ""
        # The parser stops after a statement that it rejects, so this marks the whole statement.
        if column > len(written.rstrip()):
            column = len(written) - len(written.lstrip()) + 1
    hint = next((hint for part, hint in _SYNTAX_HINTS.items() if part in message), None)
    return Diagnostic("toml-syntax", "error", f"not valid TOML: {message}", hint, line, column)


_SYNTAX_HINTS = {
    "Unclosed array": "a list has no ] at its end, or a text in it lacks a quote",
    "Invalid value": 'text needs quotes, like "far"; true and false are written small',
    "Cannot overwrite": "this key is there already: remove one of the two",
    "twice": "this table is there already: put the two together",
    "Expected '=' after a key": 'a setting is written as key = value; put quotes around "odd keys"',
    "Unterminated string": "a text that begins here has no closing quote",
    "Illegal character": "a text that begins here has no closing quote",
}


def _report_nesting(findings: Findings) -> None:
    findings.error(
        "nesting-too-deep", f"lists and tables are nested more than {STUDY_NESTING_MAX} deep"
    )


def _nesting(value: JsonValue) -> int:
    depth, level = 0, [value]
    while level:
        level = inside(level)
        depth += 1
    return depth


def _plain(value: JsonValue, name: str, at: Path, findings: Findings) -> JsonValue:
    """The value in JSON types, because every participant's app gets it as JSON."""
    if isinstance(value, dict):
        for key in value:
            if wrong := text_problem(key):
                findings.error("text-not-json", f"the key {key!r} {wrong}", at=(*at, key))
        return {
            key: _plain(item, f"{name}.{key}" if name else key, (*at, key), findings)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [
            _plain(item, f"{name}[{index}]", (*at, index), findings)
            for index, item in enumerate(value)
        ]
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if wrong := scalar_problem(value):
        code = "text-not-json" if isinstance(value, str) else "number-not-json"
        hint = f'write it as text: "{value}"' if isinstance(value, float) else None
        findings.error(code, f"{name} {wrong}", hint, at=at)
        # Later steps must neither compute with such a number nor print it.
        return 0 if isinstance(value, int) else value
    return value
