"""The rules of Psych-DS, as its schema and its validator have them (psych-ds.github.io).

No package registry has the validator, so these are the rules that it reports as errors.
"""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

_FILE_NAME = re.compile(r"([a-z]+-[a-zA-Z0-9]+)(_[a-z]+-[a-zA-Z0-9]+)*_data\.csv")
_OFFICIAL_KEYWORDS = {
    "study", "site", "subject", "session", "task", "condition", "trial", "stimulus", "description",
}  # fmt: skip
_CONTEXTS = {f"{scheme}://schema.org{end}" for scheme in ("http", "https") for end in ("", "/")}
_REQUIRED = ("name", "description", "variableMeasured")


def problems(folder: Path) -> list[str]:
    """The errors in a dataset, and the keywords that are not official; empty if it is valid."""
    try:
        described = json.loads((folder / "dataset_description.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        return [f"dataset_description.json: {error}"]
    found = [f"no {key}" for key in _REQUIRED if not described.get(key)]
    if described.get("@context") not in _CONTEXTS or described.get("@type") != "Dataset":
        found.append("not a Dataset of schema.org")
    files = [path for path in (folder / "data").rglob("*_data.csv") if path.is_file()]
    if not files:
        found.append("no data file in data/")
    known = {_name_of(variable, found) for variable in described.get("variableMeasured", ())}
    columns: set[str] = set()
    for path in files:
        if not _FILE_NAME.fullmatch(path.name):
            found.append(f"{path.name}: not made of keywords")
        keywords = {part.partition("-")[0] for part in path.name.split("_")[:-1]}
        found += [f"{path.name}: keyword {name}" for name in keywords - _OFFICIAL_KEYWORDS]
        columns |= set(_columns(path, found))
    found += [f"column {name!r} is not in variableMeasured" for name in columns - known]
    found += [f"variable {name!r} is no column" for name in known - columns]
    ignored = (folder / ".psychdsignore").read_text("utf-8").split()
    found += [
        f"{path.name} is neither in the specification nor ignored"
        for path in folder.iterdir()
        if path.name not in ("dataset_description.json", "README.md", "data", ".psychdsignore")
        and path.name not in ignored
        and f"{path.name}/" not in ignored
    ]
    return found


def _name_of(variable: object, found: list[str]) -> str:
    """The name of a variable, which is a text or a PropertyValue."""
    if isinstance(variable, dict):
        if variable.get("@type") != "PropertyValue":
            found.append(f"{variable} is no PropertyValue")
        variable = variable.get("name")
    if not isinstance(variable, str):
        found.append(f"a variable has the name {variable!r}")
    return str(variable)


def _columns(path: Path, found: list[str]) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        heading, *rows = csv.reader(file, strict=True)
    if not heading or len(set(heading)) != len(heading):
        found.append(f"{path.name}: columns are missing or twice there")
    found += [
        f"{path.name}: row {number} has {len(row)} columns"
        for number, row in enumerate(rows, 2)
        if len(row) != len(heading)
    ]
    if "row_id" in heading:
        ids = [row[heading.index("row_id")] for row in rows]
        if len(set(ids)) != len(ids):
            found.append(f"{path.name}: a row_id is twice there")
    return heading
