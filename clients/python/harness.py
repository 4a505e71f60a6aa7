"""Does what the scenarios of ../conformance say, and tells what it hears: see the README there."""

import asyncio
import json
import sys
from typing import Any

from experiment_server import AsyncClient, StudyError


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

    client: AsyncClient | None = None
    listening: asyncio.Task[None] | None = None

    async def connect(
        self, url: str, participant: int | None = None, token: str | None = None
    ) -> Any:
        """Take part."""
        client = await AsyncClient(url, participant, token=token).__aenter__()
        self.client = client
        say(event="connection", to=client.connection)
        say(event="block", state=client.snapshot)
        self.listening = asyncio.create_task(self.listen(client))
        return client.snapshot

    async def listen(self, client: AsyncClient) -> None:
        """Tell what is heard."""
        async for heard in client.happenings():
            if heard.event == "connection":
                say(event="connection", to=heard.connection)
            else:
                say(event=heard.event, state=heard.snapshot)

    async def do(self, number: int, do: str, **parameters: Any) -> None:
        """Do one thing, and answer."""
        client = self.client
        try:
            if do == "connect":
                state = await self.connect(**parameters)
            elif client is None:
                state = None
            elif do == "walk":
                state = await walk(client)
            elif do == "close":
                state = await client.close()
            else:
                state = await getattr(client, {"goTo": "go_to"}.get(do, do))(**parameters)
        except StudyError as error:
            say(id=number, error=error.code)
        else:
            say(id=number, state=state)


async def main() -> None:
    """Read lines until there are no more."""
    harness = Harness()
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    working = set()
    async for line in reader:
        asked = json.loads(line)
        task = asyncio.create_task(harness.do(asked.pop("id"), **asked))
        working.add(task)
        task.add_done_callback(working.discard)
    await asyncio.gather(*working)
    if harness.listening:
        harness.listening.cancel()


asyncio.run(main())
