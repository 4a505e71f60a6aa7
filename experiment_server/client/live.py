"""The asynchronous client: one participant's place in a study, kept right over bad Wi-Fi."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any, Literal

from experiment_server.client.address import participant_index, server_url
from experiment_server.client.errors import StudyError
from experiment_server.client.moves import Action, Move, Moves
from experiment_server.client.snapshot import Place, Snapshot, Taken
from experiment_server.client.ways import Members, NoAnswer, PlainWay, SocketWay

Connection = Literal["socket", "rest", "none"]

# Where no socket is let through for this long, plain requests are made, this often. Seconds.
_SOCKET_WITHIN = 3.0
_POLLED_EVERY = 1.0

# A lost socket is opened again after this long, then after twice as long, and so on. Seconds.
_REOPENED_AFTER = (0.25, 3.0)

_REFUSALS = frozenset(
    {"token-invalid", "token-missing", "not-allowed", "participant-unknown", "expansion-failed"}
)
_LATER = frozenset({"store-unavailable", "limit-reached", "internal-error"})

# What tells a block from another one, and from the same one begun anew.
_BLOCK = ("block_id", "block_name", "block_started_at")


@dataclass(frozen=True, slots=True)
class Happening:
    """What an AsyncClient heard: `block`, `config`, `end` with a snapshot, or `connection`."""

    event: Literal["block", "config", "end", "connection"]
    snapshot: Snapshot | None = None
    connection: Connection = "none"


class AsyncClient:
    """Takes part in a study as one participant, over Socket.IO or, without a way for that, REST.

        async with AsyncClient("http://127.0.0.1:5000", participant=7) as client:
            await client.next()
            async for block in client.blocks():
                await show(block["block_name"], block["config"])
                await block.finish()

    Entering waits until the participant's state is known, however long the server takes to answer;
    it raises StudyError when the server refuses (`token-invalid`, `token-missing`, `not-allowed`,
    `participant-unknown`, `expansion-failed`). Moves are made once, however often their answers are
    lost; without a connection they wait for one, in order. A move that is cancelled is not sent any
    more.

    Raises StudyError for a URL or a participant that can be none (`address-invalid`,
    `participant-invalid`).
    """

    def __init__(
        self, url: str, participant: int | None = None, *, token: str | None = None
    ) -> None:
        self._url = server_url(url)
        self._participant = participant_index(participant)
        self._token = token
        self._snapshot: Snapshot | None = None
        self._given: Snapshot | None = None
        self._way: SocketWay | PlainWay | None = None
        self._plain: PlainWay | None = None
        self._socketless_since = 0.0
        self._epoch = 0
        self._moves = Moves()
        # Weak: who has stopped iterating, wherever that was, is told nothing more.
        self._listening: weakref.WeakSet[_Happenings] = weakref.WeakSet()
        self._changed = asyncio.Event()
        self._known: asyncio.Future[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._socket: SocketWay | None = None
        self._failure: StudyError | None = None
        self._closed = False

    async def __aenter__(self) -> AsyncClient:
        if self._known is not None:
            raise StudyError("closed", "a client takes part once: make another one")
        loop = asyncio.get_running_loop()
        self._known = loop.create_future()
        self._plain = PlainWay(self._url, self._participant, self._token)
        self._socketless_since = loop.time()
        for work in (self._keep_socket(), self._poll(self._plain), self._send()):
            self._start(work)
        try:
            await asyncio.shield(self._known)
        except BaseException:
            await self.close()
            raise
        self._given = self._snapshot
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop taking part.

        Moves that still wait raise StudyError (`closed`), and what iterates over the blocks or the
        happenings ends.
        """
        self._closed = True
        self._way = None
        self._moves.refuse_all(_closed())
        self._wake()
        if self._socket is not None:
            self._socket.drop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._plain is not None:
            await self._plain.close()

    @property
    def snapshot(self) -> Snapshot:
        """Where the participant is by now: the snapshot of the wire contract."""
        if self._snapshot is None:
            raise StudyError("not-ready", "the state is not known yet")
        return self._snapshot

    @property
    def config(self) -> dict[str, Any] | None:
        """The current block's config; None before the first block and after the last."""
        config: dict[str, Any] | None = self.snapshot["config"]
        return config

    @property
    def connection(self) -> Connection:
        """How the server is reached: over a socket, by plain requests, or not at all for now."""
        if self._way is None:
            return "none"
        return "socket" if isinstance(self._way, SocketWay) else "rest"

    def blocks(self) -> AsyncIterator[Snapshot]:
        """Each block that the participant is in, from the current one; ends after the last.

        A block that is begun anew comes again. Who takes long over one hears of the latest then,
        not of all that came between.
        """
        return _Blocks(self)

    def happenings(self) -> AsyncIterator[Happening]:
        """All that is heard from now on, in order, until the client is closed."""
        happenings = _Happenings(self)
        self._listening.add(happenings)
        return happenings

    async def next(self) -> Snapshot:
        """One block on from the one that the app was given last; returns where they are then.

        It is given blocks by `blocks` and `happenings`, by entering, and by the answers to its
        moves. Raises StudyError (`participant-elsewhere`) if somebody has moved the participant
        meanwhile: the client hears of that, and nothing is skipped.
        """
        return await self._step("move-to-next")

    async def previous(self) -> Snapshot:
        """One block back, like `next`."""
        return await self._step("move-to-previous")

    async def go_to(self, block_id: int) -> Snapshot:
        """To a block by its place in the participant's order, from 0."""
        return await self._ask(Move("move-to-block", block_id))

    async def _step(self, action: Action) -> Snapshot:
        given = self.snapshot if self._given is None else self._given
        place, follows = self._moves.next_from(given)
        return await self._ask(Move(action, place=place, follows=follows))

    async def _move_on(self, place: Place) -> Snapshot:
        return await self._ask(Move("move-to-next", place=place))

    async def _ask(self, move: Move) -> Snapshot:
        if self._closed:
            raise _closed()
        if self._failure is not None:
            raise self._failure
        self._moves.add(move)
        self._wake()
        try:
            return self._give(await move.answer)
        finally:
            # Cancelled, nobody waits for it any more.
            self._moves.withdraw(move)

    def _give(self, snapshot: Snapshot) -> Snapshot:
        """Hand a snapshot to the app, which goes on from the latest that it was given."""
        if self._given is None or snapshot.taken >= self._given.taken:
            self._given = snapshot
        return snapshot

    async def _send(self) -> None:
        """Send what waits, in order, for as long as there is a way."""
        while True:
            while not self._moves or self._way is None:
                await self._change()
            move, way = self._moves.first, self._way
            try:
                members = await way.move(move)
            except StudyError as error:
                if error.code in _LATER:
                    await asyncio.sleep(_POLLED_EVERY)
                else:
                    self._moves.refuse(move, error)
            except NoAnswer:
                # Nobody knows whether it was made: it is sent again, by its name.
                self._give_up(way)
            else:
                snapshot = self._take(members)
                self._moves.made(move, snapshot)

    async def _keep_socket(self) -> None:
        """Have a socket, and another one whenever it is lost."""
        given = {"participant": self._participant, "token": self._token}
        auth = {name: value for name, value in given.items() if value is not None}
        pause, longest = _REOPENED_AFTER
        # The library takes a cancellation for itself now and then, so that alone would not end it.
        while not self._closed:
            self._socket = socket = SocketWay(self._url, auth, self._pushed, self._give_up)
            try:
                await socket.open()
                pause = _REOPENED_AFTER[0]
                await socket.end()
            except StudyError as error:
                self._refused(error)
            except NoAnswer:
                pass  # nobody is there yet
            finally:
                await socket.close()
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)

    async def _poll(self, plain: PlainWay) -> None:
        """Ask over and over while there is no socket."""
        while True:
            await asyncio.sleep(_POLLED_EVERY)
            without = asyncio.get_running_loop().time() - self._socketless_since
            if isinstance(self._way, SocketWay) or without < _SOCKET_WITHIN:
                continue
            try:
                members = await plain.state()
            except StudyError as error:
                self._refused(error)
                continue
            except NoAnswer:
                self._give_up(plain)
                continue
            # A socket may have been faster, and knows better.
            if not isinstance(self._way, SocketWay):
                if members is not None:
                    self._take(members)
                self._reach(plain)

    def _pushed(self, socket: SocketWay, members: Members) -> None:
        self._take(members)
        self._reach(socket)

    def _reach(self, way: SocketWay | PlainWay) -> None:
        if self._way is not way:
            self._way = way
            self._tell(Happening("connection", connection=self.connection))

    def _give_up(self, way: SocketWay | PlainWay) -> None:
        """Take a way for closed, if it is the one in use."""
        if self._way is not way:
            return
        self._way = None
        self._epoch += 1
        if isinstance(way, SocketWay):
            self._socketless_since = asyncio.get_running_loop().time()
            way.drop()
        self._tell(Happening("connection", connection="none"))

    def _refused(self, error: StudyError) -> None:
        """The server does not let the app take part: not at all, or not any more."""
        if error.code in _REFUSALS:
            self._end_waiting(error)

    def _end_waiting(self, error: StudyError) -> None:
        if self._known and not self._known.done():
            self._known.set_exception(error)
        self._moves.refuse_all(error)
        self._wake()

    def _take(self, members: Members) -> Snapshot:
        """Take a snapshot in, from wherever it comes; one older than what is known tells nobody."""
        snapshot = Snapshot(members, Taken(self._epoch, members["revision"]), self._move_on)
        known = self._snapshot
        if known is not None and snapshot.taken < known.taken:
            return snapshot
        self._snapshot = snapshot
        if self._known and not self._known.done():
            self._known.set_result(None)
        if known is None or any(known[key] != snapshot[key] for key in _BLOCK):
            self._tell(Happening("block", snapshot))
            if snapshot.is_over:
                self._tell(Happening("end", snapshot))
        elif known["config"] != snapshot["config"]:
            self._tell(Happening("config", snapshot))
        return snapshot

    def _tell(self, happening: Happening) -> None:
        for happenings in self._listening:
            happenings.heard.append(happening)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()

    async def _change(self) -> None:
        """Wait until something has changed."""
        if self._failure is not None:
            raise self._failure
        self._changed.clear()
        await self._changed.wait()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Say so where a task ends that should not: whoever waits for it would wait for ever."""
        if self._closed:
            return
        # A program that cancels all of its tasks has cancelled the client's.
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        self._failure = StudyError("client-failed", f"the client has stopped: {error!r}")
        self._failure.__cause__ = error
        self._end_waiting(self._failure)


class _Blocks(AsyncIterator[Snapshot]):
    """Gives the app each block; a cancelled wait for one loses none."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._last: Place | None = None

    async def __anext__(self) -> Snapshot:
        while not self._client._closed:
            snapshot = self._client.snapshot
            if snapshot.is_over:
                break
            if snapshot["active"] and snapshot.place != self._last:
                self._last = snapshot.place
                return self._client._give(snapshot)
            await self._client._change()
        raise StopAsyncIteration


class _Happenings(AsyncIterator[Happening]):
    """Gives the app what is heard, in order; a cancelled wait loses nothing of it."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self.heard: deque[Happening] = deque()

    async def __anext__(self) -> Happening:
        while not self.heard:
            if self._client._closed:
                raise StopAsyncIteration
            await self._client._change()
        happening = self.heard.popleft()
        if happening.snapshot is not None:
            self._client._give(happening.snapshot)
        return happening


def _closed() -> StudyError:
    return StudyError("closed", "the app has stopped taking part")
