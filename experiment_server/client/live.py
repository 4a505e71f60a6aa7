"""The asynchronous client: one participant's place in a study, kept right over bad Wi-Fi."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine

from experiment_server.client.address import participant_index, server_url
from experiment_server.client.errors import StudyError
from experiment_server.client.known import Blocks, Connection, Happening, KnownState
from experiment_server.client.moves import Action, Move, Moves
from experiment_server.client.snapshot import Place, Snapshot
from experiment_server.client.values import JsonObject
from experiment_server.client.ways import NoAnswer, PlainWay, SocketWay

# A client to whom no socket is open for the former makes plain requests, one each of the latter.
_SOCKET_TIMEOUT_S = 3.0
_POLL_INTERVAL_S = 1.0

# The client opens a lost socket again after the former, then after twice as long, and so on up
# to the latter.
_RECONNECT_DELAYS_S = (0.25, 3.0)

_REFUSALS = frozenset(
    {"token-invalid", "token-missing", "not-allowed", "participant-unknown", "expansion-failed"}
)
_LATER = frozenset({"store-unavailable", "limit-reached", "internal-error"})


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
        self._known = KnownState(self._move_on)
        self._way: SocketWay | PlainWay | None = None
        self._plain: PlainWay | None = None
        self._socketless_since = 0.0
        self._moves = Moves()
        self._tasks: set[asyncio.Task[None]] = set()
        self._socket: SocketWay | None = None

    async def __aenter__(self) -> AsyncClient:
        self._known.begin()
        self._plain = PlainWay(self._url, self._participant, self._token)
        self._socketless_since = asyncio.get_running_loop().time()
        for work in (self._keep_socket(), self._poll(self._plain), self._send()):
            self._start(work)
        try:
            await self._known.first()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop taking part.

        Moves that still wait raise StudyError (`closed`), and what iterates over the blocks or the
        happenings ends.
        """
        self._known.closed = True
        self._way = None
        self._moves.refuse_all(_closed())
        self._known.wake()
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
        return self._known.snapshot

    @property
    def config(self) -> JsonObject | None:
        """The current block's config; None before the first block and after the last."""
        config: JsonObject | None = self.snapshot["config"]
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
        return Blocks(self._known)

    def happenings(self) -> AsyncIterator[Happening]:
        """All that is heard from now on, in order, until the client is closed."""
        return self._known.happenings()

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
        given = self._known.given or self.snapshot
        place, follows = self._moves.next_from(given)
        return await self._ask(Move(action, place=place, follows=follows))

    async def _move_on(self, place: Place) -> Snapshot:
        return await self._ask(Move("move-to-next", place=place))

    async def _ask(self, move: Move) -> Snapshot:
        if self._known.closed:
            raise _closed()
        if self._known.failure is not None:
            raise self._known.failure
        self._moves.add(move)
        self._known.wake()
        try:
            return self._known.give(await move.answer)
        finally:
            # Cancelled, nobody waits for it any more.
            self._moves.withdraw(move)

    async def _send(self) -> None:
        """Send what waits, in order, for as long as there is a way."""
        while True:
            while not self._moves or self._way is None:
                await self._known.change()
            move, way = self._moves.first, self._way
            try:
                members = await way.move(move)
            except StudyError as error:
                if error.code in _LATER:
                    await asyncio.sleep(_POLL_INTERVAL_S)
                else:
                    self._moves.refuse(move, error)
            except NoAnswer:
                # Nobody knows whether it was made: it is sent again, by its name.
                self._give_up(way)
            else:
                snapshot = self._known.take(members)
                self._moves.made(move, snapshot)

    async def _keep_socket(self) -> None:
        """Have a socket, and another one whenever it is lost."""
        given = {"participant": self._participant, "token": self._token}
        auth = {name: value for name, value in given.items() if value is not None}
        pause, longest = _RECONNECT_DELAYS_S
        # The library takes a cancellation for itself now and then, so that alone would not end it.
        while not self._known.closed:
            self._socket = socket = SocketWay(self._url, auth, self._pushed, self._give_up)
            try:
                await socket.open()
                pause = _RECONNECT_DELAYS_S[0]
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
            await asyncio.sleep(_POLL_INTERVAL_S)
            without = asyncio.get_running_loop().time() - self._socketless_since
            if isinstance(self._way, SocketWay) or without < _SOCKET_TIMEOUT_S:
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
                    self._known.take(members)
                self._reach(plain)

    def _pushed(self, socket: SocketWay, members: JsonObject) -> None:
        self._known.take(members)
        self._reach(socket)

    def _reach(self, way: SocketWay | PlainWay) -> None:
        if self._way is not way:
            self._way = way
            self._known.tell(Happening("connection", connection=self.connection))

    def _give_up(self, way: SocketWay | PlainWay) -> None:
        """Take a way for closed, if it is the one in use."""
        if self._way is not way:
            return
        self._way = None
        self._known.forget_order()
        if isinstance(way, SocketWay):
            self._socketless_since = asyncio.get_running_loop().time()
            way.drop()
        self._known.tell(Happening("connection", connection="none"))

    def _refused(self, error: StudyError) -> None:
        """The server does not let the app take part: not at all, or not any more."""
        if error.code in _REFUSALS:
            self._end_waiting(error)

    def _end_waiting(self, error: StudyError) -> None:
        self._known.refuse(error)
        self._moves.refuse_all(error)
        self._known.wake()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Say so where a task ends that should not: whoever waits for it would wait for ever."""
        if self._known.closed:
            return
        # A program that cancels all of its tasks has cancelled the client's.
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        failure = StudyError("client-failed", f"the client has stopped: {error!r}")
        failure.__cause__ = error
        self._known.failure = failure
        self._end_waiting(failure)


def _closed() -> StudyError:
    return StudyError("closed", "the app has stopped taking part")
