"""Does what the scenarios of ../conformance say, and tells what it hears: see the README there."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

from experiment_server_client import AsyncClient, RecordProblem, StudyError
from experiment_server_client.known import ClientEvent
from experiment_server_client.snapshot import Snapshot


def say(**said: Any) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


async def walk(client: AsyncClient) -> Any:
    """Ask for the next block in the moment in which one is heard of, until the end."""
    moves = [asyncio.ensure_future(client.next())]
    async for heard in client.happenings():
        state = heard.snapshot
        if state is not None and state["block_id"] >= state["blocks_count"]:
            break
        if heard.event == "block":
            moves.append(asyncio.ensure_future(client.next()))
    return (await asyncio.gather(*moves))[-1]


class Harness:
    """One client, told by lines."""

    client: AsyncClient
    happenings: AsyncIterator[ClientEvent]
    listening: asyncio.Task[None]
    told: Snapshot

    def __init__(self) -> None:
        self.kept: dict[str, Snapshot] = {}

    async def connect(
        self, url: str, participant: int | None = None, token: str | None = None
    ) -> Any:
        """Take part."""
        client = AsyncClient(
            url,
            participant,
            token=token,
            storage=os.environ.get("STORAGE"),
            on_record_problem=self.hear_of,
        )
        self.client = await client.__aenter__()
        self.happenings = self.client.happenings()
        say(event="connection", to=self.client.connection)
        self.hear(ClientEvent("block", self.client.snapshot))
        await self.attend()
        return self.client.snapshot

    def hear(self, heard: ClientEvent) -> None:
        """Tell what is heard."""
        if heard.snapshot is None:
            say(event="connection", to=heard.connection)
        else:
            self.told = heard.snapshot
            say(event=heard.event, state=heard.snapshot)

    def hear_of(self, problem: RecordProblem) -> None:
        """Tell a problem with records."""
        events = {"set-aside": "refused", "storage": "storage"}
        if problem.kind in events:
            say(event=events[problem.kind], message=problem.message)

    async def attend(self) -> None:
        """Listen, from what was heard last."""

        async def listen() -> None:
            async for heard in self.happenings:
                self.hear(heard)

        self.listening = asyncio.create_task(listen())

    async def busy(self) -> None:
        """Listen to nothing for now."""
        self.listening.cancel()

    async def keep(self, **name: str) -> None:
        """Keep what was told last."""
        self.kept[name["as"]] = self.told

    async def next(self, of: str | None = None) -> Any:
        """Go on, or go on from a block that was kept."""
        return await (self.client if of is None else self.block(of)).next()

    async def finish(self, of: str) -> Any:
        """End a block that was kept."""
        return await self.block(of).finish()

    async def record(
        self,
        count: int = 1,
        first: int = 0,
        data: dict[str, Any] | None = None,
        table: str | None = None,
        of: str | None = None,
    ) -> None:
        """Record numbers or data, in the current block or one that was kept."""
        record = (self.client if of is None else self.block(of)).record
        for number in range(first, first + count):
            recorded = {"i": number} if data is None else data
            if table is None:
                record(recorded)
            else:
                record(table, recorded)

    async def flush(self, within: float | None = None) -> Any:
        """Wait until no record waits; how many wait."""
        await self.client.flush(within)
        return await self.unsent()

    async def unsent(self) -> Any:
        """How many records wait."""
        return {"unsent": self.client.unsent}

    def block(self, name: str) -> Snapshot:
        """A block that was kept."""
        return self.kept[name]

    async def follow(self) -> Any:
        """Go through the blocks as an app does; the last of them."""
        last = None
        async for last in self.client.blocks():
            say(event="follows", state=last)
        return last

    async def do(self, number: int, do: str, **parameters: Any) -> None:
        """Do one thing, and answer."""
        try:
            if do == "walk":
                state = await walk(self.client)
            elif do == "goTo":
                state = await self.client.go_to(**parameters)
            elif hasattr(self, do):
                state = await getattr(self, do)(**parameters)
            elif hasattr(self, "client"):
                state = await getattr(self.client, do)()
            else:
                state = None
        except StudyError as error:
            say(id=number, error=error.code, message=str(error))
        else:
            say(id=number, state=state)


async def main() -> None:
    """Read lines until there are no more."""
    harness = Harness()
    # A line may have a record that is too large.
    reader = asyncio.StreamReader(limit=2**20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    working = set()
    async for line in reader:
        asked = json.loads(line)
        task = asyncio.create_task(harness.do(asked.pop("id"), **asked))
        working.add(task)
        task.add_done_callback(working.discard)
    await asyncio.gather(*working)


asyncio.run(main())
