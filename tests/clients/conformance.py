"""Replays the scenarios of clients/conformance to a client, against a real server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import aiohttp

from experiment_server.server.app import Running, serving
from experiment_server.server.settings import Settings
from tests.conftest import ROOT, ServerProcess, server_running
from tests.waiting import PATIENCE

SCENARIOS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "clients" / "conformance").glob("*.json"))
}


def scenarios_of(client: str) -> list[str]:
    """The names of those that a client replays."""
    return [name for name, described in SCENARIOS.items() if client not in described.get("not", {})]


ADMIN = "the-experimenters-own"

STUDY = """
[configuration]
order = [["Welcome", "A", "B", "Thanks"]]
[[blocks]]
name = "Welcome"
config = { speed = 1 }
[[blocks]]
name = "A"
extends = "Welcome"
[[blocks]]
name = "B"
extends = "Welcome"
[[blocks]]
name = "Thanks"
extends = "Welcome"
"""

Mode = Literal["whole", "cut", "mute", "no-sockets", "held", "only-sockets", "half-open"]

# In these, plain requests wait for an answer that does not come.
HOLDING = ("held", "only-sockets")


@dataclass(frozen=True)
class Stranger:
    """Somebody on the way who answers in the server's place: a portal, or a gateway."""

    status: int
    content_type: str
    body: str
    leads_to: str | None = None

    def answer(self) -> bytes:
        """What they say to any request."""
        body = self.body.encode()
        location = "" if self.leads_to is None else f"Location: {self.leads_to}\r\n"
        head = (
            f"HTTP/1.1 {self.status} Not the server\r\nContent-Type: {self.content_type}\r\n"
            f"{location}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + body


@dataclass(eq=False)
class Link:
    """One connection of a client's, through to the server."""

    writer: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    dead: bool = False

    def abort(self) -> None:
        """End it, as when a cable is pulled and both sides are told."""
        self.writer.transport.abort()
        if self.server:
            self.server.transport.abort()


class Network:
    """What is between a client and a server, and fails as told."""

    def __init__(self) -> None:
        self.upstream = 0
        # Plain ones that were let through.
        self.requests = 0
        self._mode: Mode | Stranger = "whole"
        self._links: set[Link] = set()
        self._holds = 0
        self._misled = 0
        self._changed = asyncio.Condition()
        self._listening: asyncio.Server | None = None

    async def __aenter__(self) -> Network:
        self._listening = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.become("cut")
        if self._listening:
            self._listening.close()

    @property
    def url(self) -> str:
        """Where clients find it."""
        if self._listening is None:
            raise RuntimeError("it is not there yet")
        return f"http://127.0.0.1:{self._listening.sockets[0].getsockname()[1]}"

    async def become(self, mode: Mode | Stranger) -> None:
        """Fail in this way from now on."""
        self._mode = mode
        for link in self._links:
            if mode == "half-open":
                link.dead = True
            elif mode not in ("whole", "mute", "only-sockets"):
                link.abort()
        async with self._changed:
            self._changed.notify_all()

    async def holds(self, requests: int) -> None:
        """Wait until this many plain requests wait for an answer that does not come."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._holds >= requests)

    async def misleads(self, requests: int) -> None:
        """Wait until a stranger has answered this many plain requests more."""
        async with self._changed:
            enough = self._misled + requests
            await self._changed.wait_for(lambda: self._misled >= enough)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(writer)
        self._links.add(link)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._serve(reader, link)
        link.abort()
        self._links.discard(link)

    async def _serve(self, reader: asyncio.StreamReader, link: Link) -> None:
        if self._mode == "cut":
            return
        first = await reader.readuntil(b"\r\n")
        plain = b"/socket.io" not in first
        if isinstance(self._mode, Stranger):
            await self._mislead(reader, link, self._mode.answer(), plain)
            return
        if not plain:
            if self._mode in ("no-sockets", "held"):
                return
        elif self._mode in HOLDING:
            await self._hold()
            return
        there, link.server = await asyncio.open_connection("127.0.0.1", self.upstream)
        asked = self._count if plain else None
        if asked:
            asked(first)
        link.server.write(first)
        ways = (
            _pump(reader, link.server, lambda: link.dead, asked),
            _pump(there, link.writer, lambda: link.dead or self._mode == "mute"),
        )
        done, waiting = await asyncio.wait(
            [asyncio.ensure_future(way) for way in ways], return_when=asyncio.FIRST_COMPLETED
        )
        for task in waiting:
            task.cancel()
        await asyncio.gather(*done, *waiting, return_exceptions=True)

    async def _mislead(
        self, reader: asyncio.StreamReader, link: Link, answer: bytes, plain: bool
    ) -> None:
        await reader.readuntil(b"\r\n\r\n")
        link.writer.write(answer)
        await link.writer.drain()
        link.writer.close()
        await link.writer.wait_closed()
        async with self._changed:
            self._misled += plain
            self._changed.notify_all()

    def _count(self, data: bytes) -> None:
        self.requests += data.count(b" HTTP/1.1\r\n")

    async def _hold(self) -> None:
        async with self._changed:
            self._holds += 1
            self._changed.notify_all()
            await self._changed.wait_for(lambda: self._mode not in HOLDING)
            self._holds -= 1


async def _pump(
    source: asyncio.StreamReader,
    target: asyncio.StreamWriter,
    lost: Callable[[], bool],
    seen: Callable[[bytes], None] | None = None,
) -> None:
    while data := await source.read(65536):
        if seen:
            seen(data)
        if not lost():
            target.write(data)
            await target.drain()


@dataclass
class Harness:
    """A client's program, which does as it is told and tells what it hears."""

    process: asyncio.subprocess.Process
    heard: list[dict[str, Any]] = field(default_factory=list)
    more: asyncio.Event = field(default_factory=asyncio.Event)
    answers: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    killed: bool = False
    _revision: int = 0

    async def kill(self) -> None:
        """End it at once, with all of its processes; returns when they are gone."""
        self.killed = True
        os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()

    def limit_files(self, size: int) -> None:
        """Let it write no file that becomes larger than this, as if the device were full."""
        for process_id in self._processes():
            _, most = resource.prlimit(process_id, resource.RLIMIT_FSIZE)
            resource.prlimit(process_id, resource.RLIMIT_FSIZE, (size, most))

    def _processes(self) -> Iterator[int]:
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(ProcessLookupError):
                if os.getpgid(int(process.name)) == self.process.pid:
                    yield int(process.name)

    def ask(self, do: str, **more: Any) -> asyncio.Future[dict[str, Any]]:
        """Tell it to do something; the future has its answer."""
        number = len(self.answers)
        self.answers[number] = asyncio.get_running_loop().create_future()
        assert self.process.stdin is not None
        line = json.dumps({"id": number, "do": do, **more})
        self.process.stdin.write(line.encode() + b"\n")
        return self.answers[number]

    async def listen(self) -> None:
        """Take in what it says, until it ends."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            said = json.loads(line)
            assert "problem" not in said, said
            if "event" in said:
                state = said.pop("state", {})
                if said["event"] in ("block", "config", "end"):
                    assert state["revision"] >= self._revision, "revisions never go down"
                    self._revision = state["revision"]
                elif said.get("to") == "none":
                    self._revision = 0
                self.heard.append({**state, **said})
                self.more.set()
            else:
                self.answers[said["id"]].set_result(said)

    async def hears(self, wanted: dict[str, Any]) -> None:
        """Wait for an event, past others."""
        while True:
            while not self.heard:
                self.more.clear()
                await self.more.wait()
            event = self.heard.pop(0)
            if matches(event, wanted):
                return
            print("passed over", {key: event.get(key) for key in ("event", "to", "block_name")})


def matches(value: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether a value has these members; `config.speed` is one inside another."""

    def member(path: str) -> Any:
        inside: Any = value
        for key in path.split("."):
            inside = inside.get(key) if isinstance(inside, dict) else None
        return inside

    return all(member(path) == expected for path, expected in wanted.items())


@contextlib.asynccontextmanager
async def harness(*command: str, storage: Path) -> AsyncIterator[Harness]:
    """Start a client's harness, which keeps records in the folder `storage`."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**24,
        env={**os.environ, "STORAGE": str(storage)},
        # Node from PyPI is a program that starts Node: both have to end.
        start_new_session=True,
        # As here, a file over the limit is an error and no signal.
        restore_signals=False,
    )
    assert process.stdin is not None
    client = Harness(process)
    listening = asyncio.create_task(client.listen())
    try:
        yield client
        if not client.killed:
            client.ask("close")
            process.stdin.close()
            assert await asyncio.wait_for(process.wait(), PATIENCE) == 0, "it ends by itself"
        await listening
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        # It counts as gone once its pipes are closed and read to their ends.
        process.stdin.close()
        await asyncio.gather(listening, return_exceptions=True)
        await process.wait()


class Device:
    """What a participant holds: programs of one client, by name, with one folder for records.

    A device that `refuses` has a file in the folder's place.
    """

    def __init__(self, command: tuple[str, ...], storage: Path, *, refuses: bool = False) -> None:
        self._refuses = refuses
        self._command = command
        self._storage = storage
        self._stack = contextlib.AsyncExitStack()
        self._programs: dict[str, Harness] = {}

    async def __aenter__(self) -> Device:
        if self._refuses:
            self._storage.write_text("no folder")
        else:
            self._storage.mkdir()
        return self

    async def __aexit__(self, *error: Any) -> bool | None:
        return await self._stack.__aexit__(*error)

    async def program(self, name: str) -> Harness:
        """A program that runs; started now if none of the name does."""
        if name not in self._programs or self._programs[name].killed:
            starting = harness(*self._command, storage=self._storage)
            self._programs[name] = await self._stack.enter_async_context(starting)
        return self._programs[name]


class Replay:
    """One scenario, replayed to one client."""

    def __init__(
        self, scenario: dict[str, Any], folder: Path, network: Network, device: Device
    ) -> None:
        self._scenario = scenario
        self._device = device
        self._study = folder / "study.toml"
        self._study.write_text(STUDY, encoding="utf-8")
        self._network = network
        self._stack = contextlib.AsyncExitStack()
        self._port = 0
        self._later: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._recorded = 0
        self._running: Running | ServerProcess | None = None

    async def run(self) -> None:
        """Go through the steps; raises AssertionError with the one that did not hold."""
        try:
            await self._start()
            for number, step in enumerate(self._scenario["steps"]):
                try:
                    await self._step(step)
                except (AssertionError, asyncio.TimeoutError) as error:
                    raise AssertionError(f"step {number}, {step}: {error!r}") from error
        finally:
            await self._stack.aclose()

    async def _step(self, step: dict[str, Any]) -> None:
        if "client" in step:
            await self._tell(await self._program(step), step)
        elif "answer" in step:
            await self._answered(self._later[step["answer"]], step)
        elif "hears" in step:
            await asyncio.wait_for(
                (await self._program(step)).hears(step["hears"]), step.get("within", PATIENCE)
            )
        elif "unheard" in step:
            heard = (await self._program(step)).heard
            assert not [event for event in heard if matches(event, step["unheard"])]
        elif "network" in step:
            mode = step["network"]
            await self._network.become(Stranger(**mode) if isinstance(mode, dict) else mode)
        elif "asked" in step:
            before = self._network.requests
            await asyncio.sleep(step["asked"]["for"])
            assert self._network.requests - before <= step["asked"]["most"]
        elif "held" in step:
            await asyncio.wait_for(self._network.holds(step["held"]), PATIENCE)
        elif "misled" in step:
            await asyncio.wait_for(self._network.misleads(step["misled"]), PATIENCE)
        else:
            await self._serve(step)

    async def _program(self, step: dict[str, Any]) -> Harness:
        return await self._device.program(step.get("app", "first"))

    async def _tell(self, client: Harness, step: dict[str, Any]) -> None:
        more = dict(step.get("with", {}))
        more |= {name: step[name] for name in ("block_id", "of", "as", "within") if name in step}
        match step["client"]:
            case "kill":
                await client.kill()
                return
            case "start":
                # It has been started to be told this.
                return
            case "storage-full":
                client.limit_files(0)
                return
            case "storage-free":
                client.limit_files(resource.RLIM_INFINITY)
                return
            case "connect":
                more["url"] = self._filled(more.get("url", "{url}"))
                if str(more.get("token")).startswith("of participant 1"):
                    more["token"] = await self._token(more["token"])
            case "record":
                count = step.get("count", 1)
                more |= {"first": self._recorded, "count": count}
                if "size" in step:
                    more["data"] = {"text": "x" * step["size"]}
                if "error" not in step:
                    self._recorded += count
        answer = client.ask(step["client"], **more)
        if "later" in step:
            self._later[step["later"]] = answer
        else:
            await self._answered(answer, step)

    async def _token(self, described: str) -> str:
        """`of participant 1`, or `of participant 1 for 3 s`."""
        *_, last = described.removesuffix(" s").split()
        if " for " not in described:
            answer = await self._ask("GET", "participant-link/1")
            return str(answer["token"])
        assert isinstance(self._running, Running)
        now, valid = datetime.now(timezone.utc), timedelta(seconds=float(last))
        return self._running.session.tokens.participant(1, now, valid)

    async def _answered(self, answer: asyncio.Future[dict[str, Any]], step: dict[str, Any]) -> None:
        said = await asyncio.wait_for(asyncio.shield(answer), PATIENCE)
        assert said.get("error") == step.get("error"), said
        for words in step.get("says", []):
            assert self._filled(words) in said["message"], said
        assert matches(said.get("state") or {}, step.get("expect", {})), said

    def _filled(self, text: str) -> str:
        """The text with the network's address in it."""
        url = self._network.url
        return text.replace("{url}", url).replace("{host}", url.removeprefix("http://"))

    async def _serve(self, step: dict[str, Any]) -> None:
        who = step.get("participant")
        match step["server"]:
            case "move":
                await self._ask("POST", f"move-to-block/{who}/{step['to']}")
            case "add":
                await self._ask("PUT", f"add-participant/{who}")
            case "change":
                await self._ask("PATCH", f"config/{who}", step["patch"])
            case "is":
                await asyncio.wait_for(self._until(who, step["expect"]), PATIENCE)
            case "records":
                await asyncio.wait_for(self._until_recorded(who or 1, step), PATIENCE)
            case "stop":
                await self._stack.aclose()
            case "kill":
                assert isinstance(self._running, ServerProcess)
                self._running.kill()
                await self._stack.aclose()
            case "forget":
                for file in self._study.parent.glob("*.sqlite3*"):
                    file.unlink()
            case "start":
                await self._start()
            case other:
                raise ValueError(f"a server cannot {other}")

    async def _until(self, who: int | None, wanted: dict[str, Any]) -> None:
        while not matches(await self._ask("GET", f"state/{who}"), wanted):
            pass

    async def _until_recorded(self, who: int, step: dict[str, Any]) -> None:
        """Wait until exactly these records are there, or `least` of them."""
        path = f"results/{step.get('table', 'trials')}?participant={who}"
        while True:
            records = await self._ask("GET", path)
            numbers = sorted(record["data"]["i"] for record in records)
            if "least" in step:
                if len(numbers) >= step["least"]:
                    return
            elif len(numbers) >= step["count"]:
                assert numbers == list(range(step["count"])), "each is there, and once"
                blocks = {record["block_name"] for record in records}
                assert blocks == {step.get("block", *blocks)}, blocks
                return
            # Each look reads all of them.
            await asyncio.sleep(0.1)

    async def _start(self) -> None:
        if {"server": "kill"} in self._scenario["steps"]:
            # A process of its own, as only such a one can be killed.
            self._running = self._stack.enter_context(server_running(self._study))
            self._network.upstream = urlsplit(self._running.url).port or 0
            self._port = self._network.upstream
            return
        # In the test's own loop, on a real port: there are many scenarios.
        settings = Settings(self._study, port=self._port, **self._scenario.get("settings", {}))
        self._running = await self._stack.enter_async_context(serving(settings))
        self._port = urlsplit(self._running.url).port or 0
        self._network.upstream = self._port

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        guarded = "settings" in self._scenario
        headers = {"Authorization": f"Bearer {ADMIN}"} if guarded else {}
        url = f"http://127.0.0.1:{self._port}/api/{path}"
        async with aiohttp.request(method, url, json=body, headers=headers) as response:
            assert response.status == 200, await response.text()
            return await response.json()


async def replay(described: dict[str, Any], folder: Path, *command: str) -> None:
    """Replay a scenario to a client, by its harness."""
    refuses = described.get("storage") == "refused"
    storage = Device(command, folder / "device", refuses=refuses)
    async with Network() as network, storage as device:
        await Replay(described, folder, network, device).run()
