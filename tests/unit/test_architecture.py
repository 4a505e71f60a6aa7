"""docs/architecture.md: its drawing is current, and the functions that it names are there."""

import ast
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"
PACKAGE = ROOT / "experiment_server"
CLIENTS = ROOT / "clients" / "python" / "src" / "experiment_server_client"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = ROOT / "docs" / "draw_architecture.py"
    spec = importlib.util.spec_from_file_location("draw_architecture", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_drawing_is_current(script: ModuleType) -> None:
    page = PAGE.read_text("utf-8")
    assert script.with_drawing(page) == page, "run `python docs/draw_architecture.py`"


def test_a_page_without_a_place_for_the_drawing_is_refused(script: ModuleType) -> None:
    with pytest.raises(ValueError, match="0 places for a drawing"):
        script.with_drawing("# Nothing here\n")


def test_every_step_of_a_request_names_functions_that_are_there() -> None:
    named = re.findall(r"`([a-z_]+/[a-z_]+\.py)` `([A-Za-z_.]+)`", PAGE.read_text("utf-8"))
    assert len(named) > 8
    missing = [(path, name) for path, name in named if name not in _definitions(PACKAGE / path)]
    assert missing == []


def test_a_move_takes_at_most_eight_functions_in_at_most_six_files() -> None:
    steps = re.findall(r"^\| \d \| .* \| `(\S+)` `(\S+)` \|$", PAGE.read_text("utf-8"), re.M)
    assert 4 < len(steps) <= 8
    assert len({path for path, _ in steps}) <= 6


def test_no_module_is_longer_than_350_lines() -> None:
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in _modules()}
    assert {path.name: length for path, length in lengths.items() if length > 350} == {}


def test_any_stands_only_where_types_end() -> None:
    """Where a study's own values begin (`JsonValue`), and where libraries have no types."""
    lines = [line for path in _modules() for line in path.read_text("utf-8").splitlines()]
    assert sum(bool(re.search(r"\bAny\b", line)) for line in lines) < 40


def _modules() -> list[Path]:
    return sorted([*PACKAGE.rglob("*.py"), *CLIENTS.rglob("*.py")])


def _definitions(path: Path) -> set[str]:
    """The names that a module defines, with their classes before them; nested functions bare."""
    found: set[str] = set()

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            inner = prefix
            if isinstance(child, ast.ClassDef):
                found.add(prefix + child.name)
                inner = f"{prefix}{child.name}."
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                found.add(prefix + child.name)
                inner = ""
            visit(child, inner)

    visit(ast.parse(path.read_text("utf-8")), "")
    return found
