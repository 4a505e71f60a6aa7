"""The Stroop task in a terminal: shows what the server says, and records every response.

    python examples/stroop-terminal/stroop.py --participant 1

Times are from the moment in which the word goes to the terminal to the moment in which the
key was read. Terminals draw when they like: good enough to see the effect, not to publish it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.align import Align
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from experiment_server import AsyncClient, StudyError
from experiment_server_client import Snapshot

CTRL_C = "\x03"


@contextlib.contextmanager
def one_key_at_a_time() -> Iterator[None]:
    """Have the terminal hand over each key as it is pressed, without showing it."""
    if sys.platform == "win32":
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def read_key() -> str:
    """Wait for a key; an empty text once there are no more."""
    if sys.platform == "win32":
        import msvcrt

        return msvcrt.getwch()
    return sys.stdin.read(1)


class Keyboard:
    """The keys that are pressed, each with its time: read in a thread, so that none waits."""

    def __init__(self) -> None:
        self._pressed: asyncio.Queue[tuple[str, float]] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and the program with it
            while key := read_key():
                self._loop.call_soon_threadsafe(
                    self._pressed.put_nowait, (key.lower(), time.perf_counter())
                )

    def forget(self) -> None:
        """Begin anew, without what was pressed until now."""
        while not self._pressed.empty():
            self._pressed.get_nowait()

    async def one_of(self, keys: str | None = None) -> tuple[str, float]:
        """The next key among these, or the next of all, and when it was pressed."""
        while True:
            key, pressed_at = await self._pressed.get()
            if key == CTRL_C:
                raise KeyboardInterrupt
            if keys is None or key in keys:
                return key, pressed_at


@dataclass
class Stroop:
    """One participant in front of one terminal."""

    client: AsyncClient
    keyboard: Keyboard
    console: Console = field(default_factory=Console)

    async def take_part(self) -> None:
        """From wherever the participant is to the end."""
        before = self.client.snapshot
        if before["block_id"] < 0:
            self.show("The study is about to begin.", "press any key")
            await self.unless_moved(before, self.any_key())
        async for block in self.client.blocks():
            config = block["config"]
            screen = self.words(block) if config["kind"] == "words" else self.text(config)
            await self.unless_moved(block, screen)
        if self.client.unsent:
            self.show("Your answers are being sent. Please leave this window open.")
            await self.client.flush()
        self.show("The study is over. You may close this window.")

    async def unless_moved(self, block: Snapshot, screen: Coroutine[Any, Any, None]) -> None:
        """Show a block to its end and go on, unless the experimenter moves the participant."""
        showing = asyncio.create_task(screen)
        moved = asyncio.create_task(self.moved_from(block))
        await asyncio.wait({showing, moved}, return_when=asyncio.FIRST_COMPLETED)
        moved.cancel()
        if not showing.done():
            showing.cancel()
            return
        showing.result()
        # Refused, if the experimenter was faster by a hair: then there is another block to show.
        with contextlib.suppress(StudyError):
            await block.finish()

    async def moved_from(self, block: Snapshot) -> None:
        """Wait until the participant is in another block, or in the same one anew."""
        happenings = self.client.happenings()
        if self.client.snapshot.place == block.place:
            async for heard in happenings:
                if heard.event == "block":
                    return

    async def text(self, config: dict[str, Any]) -> None:
        """Something to read."""
        self.show(f"[b]{config['title']}[/b]\n\n{config['text'].strip()}", "press any key")
        await self.any_key()

    async def words(self, block: Snapshot) -> None:
        """A part: word after word, each answered with a key or missed."""
        config = block["config"]
        self.show(
            f"[b]{config['title']}[/b]\n\nWhich colour is the ink? R, G, B or Y", "press any key"
        )
        await self.any_key()
        for trial, drawn in enumerate(config["trials"], 1):
            word, ink = drawn["stimulus"]["word"], drawn["stimulus"]["ink"]
            self.show("+")
            await asyncio.sleep(config["fixation"])
            shown_at = time.perf_counter()
            self.show(Text(word.upper(), style=f"bold {ink}"))
            key, took = "", None
            with contextlib.suppress(asyncio.TimeoutError):
                answer = self.keyboard.one_of("".join(config["keys"]))
                key, pressed_at = await asyncio.wait_for(answer, config["timeout"])
                took = round((pressed_at - shown_at) * 1000, 1)
            correct = config["keys"].get(key) == ink
            block.record(
                {
                    "trial": trial,
                    "word": word,
                    "ink": ink,
                    "key": key or None,
                    "correct": correct,
                    "rt_ms": took,
                }
            )

    async def any_key(self) -> None:
        """Wait for the participant."""
        await self.keyboard.one_of()

    def show(self, content: str | Text, hint: str = "") -> None:
        """Fill the terminal; what was pressed until now was meant for what it showed before."""
        self.keyboard.forget()
        text = Text.from_markup(content) if isinstance(content, str) else content
        panel = Panel(
            Align.center(text, vertical="middle"), subtitle=hint or None, padding=(1, 6), width=72
        )
        self.console.clear()
        self.console.print(Align.center(panel, vertical="middle", height=self.console.height - 1))


async def main() -> None:
    """Read the command line, and take part."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--url", default="http://127.0.0.1:5000", help="where the server is")
    parser.add_argument("--participant", type=int, help="whom to take part as")
    parser.add_argument("--token", help="what lets you in, where the server asks for it")
    parser.add_argument("--storage", type=Path, help="a folder for records that are not sent yet")
    given = parser.parse_args()
    try:
        async with AsyncClient(
            given.url, given.participant, token=given.token, storage=given.storage
        ) as client:
            with one_key_at_a_time():
                await Stroop(client, Keyboard()).take_part()
    except StudyError as error:
        sys.exit(f"Not let in: {error}")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
