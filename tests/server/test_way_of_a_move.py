"""docs/architecture.md against a running server: the functions that a move really takes."""

from __future__ import annotations

import ast
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType

import aiohttp
import pytest

from experiment_server.server.app import serving
from experiment_server.server.settings import Settings
from tests.server.conftest import Listener

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "experiment_server"
QUEUE = "store/writer.py"
"""Runs any work in a transaction on a thread of its own, and knows nothing of moves."""

Function = tuple[str, str]
"""A file of the package, and a function's name in it."""


def steps() -> list[Function]:
    """The functions that the page lists, in its order."""
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| \d \| .* \| `(\S+)` `(\S+)` \|$", page, re.MULTILINE)
    return [(path, name.rpartition(".")[2]) for path, name in rows]


def function_of(code: CodeType) -> Function | None:
    """The function of the package that has this code, None for others."""
    path = Path(code.co_filename)
    if PACKAGE not in path.parents:
        return None
    return path.relative_to(PACKAGE).as_posix(), code.co_name


class Profile:
    """Notes each call of a listed function, with those that led to it from the one before."""

    def __init__(self, listed: list[Function]) -> None:
        self._listed = listed
        self._known: dict[CodeType, Function | None] = {}
        self.noting = False
        self.calls: list[Function] = []
        self.between: list[tuple[Function, list[Function]]] = []

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        if not self.noting or event != "call":
            return
        called = self._function(frame)
        if called not in self._listed or called in self.calls:
            return
        self.calls.append(called)
        between = []
        for caller in self._callers(frame):
            between.append(caller)
            if caller in self._listed:
                break
        self.between.append((called, between))

    def _callers(self, frame: FrameType) -> Iterator[Function]:
        while frame.f_back is not None:
            frame = frame.f_back
            function = self._function(frame)
            if function is not None:
                yield function

    def _function(self, frame: FrameType) -> Function | None:
        code = frame.f_code
        if code not in self._known:
            self._known[code] = function_of(code)
        return self._known[code]


@pytest.fixture
def profile() -> Iterator[Profile]:
    """Profiles this thread, and those that begin from now on."""
    noted = Profile(steps())
    threading.setprofile(noted)
    sys.setprofile(noted)
    yield noted
    sys.setprofile(None)
    threading.setprofile(None)  # type: ignore[arg-type]


async def noted_move(
    study_file: Path, profile: Profile, parameters: dict[str, str] | None = None
) -> None:
    """Have an app move over its socket, and the profile note the functions that are called."""
    async with serving(Settings(study_file, port=0)) as running:
        app = Listener("/")
        await app.client.connect(running.url, transports=["websocket"])
        await app.expect("state")
        # That the app has connected is logged in the background, by the same writer.
        await running.session.flush()
        profile.noting = True
        answer = await app.ask("move-to-next", parameters)
        await app.expect("block-changed")
        profile.noting = False
        await app.client.disconnect()
    assert answer["ok"]


async def test_a_move_takes_the_functions_that_the_page_lists(
    study_file: Path, profile: Profile
) -> None:
    await noted_move(study_file, profile)
    assert profile.calls == steps()
    for called, between in profile.between:
        # On the way to it are only parts of the step before and of this one, and the queue.
        files = {path for path, _ in between} - {QUEUE, called[0]}
        assert len(files) <= 1, f"{called} is reached by way of {between}"


async def test_over_rest_the_way_begins_elsewhere_and_is_the_same(
    study_file: Path, profile: Profile
) -> None:
    async with (
        serving(Settings(study_file, port=0)) as running,
        aiohttp.ClientSession(running.url) as http,
    ):
        await running.session.flush()
        profile.noting = True
        async with http.post("/api/move-to-next") as response:
            assert response.status == 200
        profile.noting = False
    # Nobody's socket is there to be told.
    assert profile.calls == steps()[1:-1]
    _, callers = profile.between[0]
    assert callers[0] == ("server/rest.py", "handle")


async def test_no_function_on_the_way_of_a_move_has_a_dictionary_in_its_signature(
    study_file: Path, profile: Profile
) -> None:
    await noted_move(study_file, profile, {"request_id": "3f0a"})
    way = {item for called, between in profile.between for item in (called, *between)}
    assert len(way) >= len(steps())
    loose = re.compile(r"\b([Dd]ict|Mapping|JsonObject|Any)\b")
    found = [
        (path, name, annotation)
        for path, name in sorted(way)
        for annotation in annotations(PACKAGE / path, name)
        if loose.search(annotation)
    ]
    assert found == []


def annotations(path: Path, name: str) -> list[str]:
    """The types in a function's signature; those of all functions of this name in a file."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            arguments = node.args
            for argument in (
                *arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs,
                arguments.vararg, arguments.kwarg,
            ):  # fmt: skip
                if argument is not None and argument.annotation is not None:
                    found.append(ast.unparse(argument.annotation))
            if node.returns is not None:
                found.append(ast.unparse(node.returns))
    return found
