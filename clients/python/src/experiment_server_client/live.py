"""The asynchronous client, which keeps a participant's state current on unreliable networks."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Coroutine

from experiment_server_client.address import participant_index, server_url
from experiment_server_client.errors import StudyError
from experiment_server_client.http_api import HttpApi
from experiment_server_client.known import Blocks, ClientEvent, Connection, KnownState
from experiment_server_client.moves import Action, Move, Moves
from experiment_server_client.record_files import storage_folder
from experiment_server_client.recorder import OnRecordProblem, Recorder
from experiment_server_client.records import RecordProblem
from experiment_server_client.snapshot import Place, RecordMethod, Snapshot
from experiment_server_client.transports import (
    ANSWER_TIMEOUT_S,
    NoAnswer,
    PollingTransport,
    SocketTransport,
)
from experiment_server_client.values import JsonObject

# If no socket is open for the first time, the client polls at the second interval.
_SOCKET_TIMEOUT_S = 3.0
_POLL_INTERVAL_S = 1.0

# The client reconnects a lost socket after the first delay, and doubles it up to the second.
_RECONNECT_DELAYS_S = (0.25, 3.0)

_REFUSALS = frozenset(
    {"token-invalid", "token-missing", "not-allowed", "participant-unknown", "expansion-failed"}
)
_RETRIED = frozenset({"store-unavailable", "limit-reached", "internal-error"})


class AsyncClient(RecordMethod):
    """Takes part in a study as one participant, over Socket.IO, or REST if sockets are blocked.

        async with AsyncClient("http://127.0.0.1:5000", participant=7) as client:
            await client.next()
            async for block in client.blocks():
                await show(block["block_name"], block["config"])
                await block.finish()

    Entering the context waits until the participant's state is known, without a timeout. It raises
    StudyError if the server refuses (`token-invalid`, `token-missing`, `not-allowed`,
    `participant-unknown`, `expansion-failed`). Each move is executed once, even if its answer is
    lost and the client repeats it. Without a connection, moves wait in a queue. A cancelled move
    is not sent.

    Records (`record`, `block.record`) are stored on the device, in the folder `storage`, by default
    `unsent-records` beside the script, and sent in the background. `on_record_problem` is called on
    the event loop; without it, problems are warnings.

    Raises StudyError for an invalid URL or participant (`address-invalid`, `participant-invalid`).
    """

    def __init__(
        self,
        url: str,
        participant: int | None = None,
        *,
        token: str | None = None,
        storage: str | os.PathLike[str] | None = None,
        on_record_problem: OnRecordProblem | None = None,
    ) -> None:
        self._url = server_url(url)
        self._participant = participant_index(participant)
        self._token = token
        # A thread sends records, so that they are also sent while the program blocks the loop.
        api = HttpApi(self._url, token, ANSWER_TIMEOUT_S, through_proxies=False)
        on_problem = None if on_record_problem is None else self._on_record_problem
        self._recorder = Recorder(api, storage_folder(storage), on_problem)
        self._on_problem = on_record_problem
        self._loop: asyncio.AbstractEventLoop | None = None
        self._known = KnownState(self._move_on, self._recorder)
        self._transport: SocketTransport | PollingTransport | None = None
        self._polling: PollingTransport | None = None
        self._without_socket_since = 0.0
        self._moves = Moves()
        self._tasks: set[asyncio.Task[None]] = set()
        self._socket: SocketTransport | None = None

    async def __aenter__(self) -> AsyncClient:
        self._known.start()
        self._loop = asyncio.get_running_loop()
        if self._participant is not None:
            self._recorder.start(self._participant)
        self._polling = PollingTransport(self._url, self._participant, self._token)
        self._without_socket_since = asyncio.get_running_loop().time()
        for work in (self._keep_socket(), self._poll(self._polling), self._send()):
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
        """Disconnect.

        Queued moves raise StudyError (`closed`), and iterations over blocks and happenings end.
        If records wait, they are sent for at most 3 seconds; the next start sends the others.
        """
        self._known.closed = True
        self._transport = None
        self._moves.refuse_all(_closed())
        self._known.wake()
        if self._socket is not None:
            self._socket.drop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._polling is not None:
            await self._polling.close()
        await asyncio.to_thread(self._recorder.close)

    @property
    def snapshot(self) -> Snapshot:
        """The participant's current snapshot, as in the wire contract."""
        return self._known.snapshot

    @property
    def config(self) -> JsonObject | None:
        """The current block's config; None before the first block and after the last."""
        config: JsonObject | None = self.snapshot["config"]
        return config

    @property
    def connection(self) -> Connection:
        """The current connection: `socket`, `rest` (polling), or `none`."""
        if self._transport is None:
            return "none"
        return "socket" if isinstance(self._transport, SocketTransport) else "rest"

    def blocks(self) -> AsyncIterator[Snapshot]:
        """Yield each block that the participant enters, from the current one to the last.

        A block that is started again is yielded again. If a program takes long with one block, the
        next one is the current block, and blocks in between are skipped.
        """
        return Blocks(self._known)

    def happenings(self) -> AsyncIterator[ClientEvent]:
        """Yield all later events in order, until the client is closed."""
        return self._known.events()

    async def next(self) -> Snapshot:
        """Move one block on from the block that the app got last; returns the new snapshot.

        The app gets blocks from `blocks` and `happenings`, at the start, and as answers to moves.
        Raises StudyError (`participant-elsewhere`) if somebody else has moved the participant in
        between, so that no block is skipped.
        """
        return await self._move_by_one("move-to-next")

    async def previous(self) -> Snapshot:
        """Move one block back, like `next`."""
        return await self._move_by_one("move-to-previous")

    async def go_to(self, block_id: int) -> Snapshot:
        """Move to a block by its position in the participant's order, from 0."""
        return await self._submit(Move("move-to-block", block_id))

    @property
    def unsent(self) -> int:
        """The number of records that wait on the device."""
        return self._recorder.unsent

    async def flush(self, timeout: float | None = None) -> bool:
        """Wait until no record waits, at most `timeout` seconds; whether none waits."""
        arrived = [asyncio.wrap_future(one) for one in self._recorder.all_arrived()]
        with contextlib.suppress(asyncio.TimeoutError):
            return all(await asyncio.wait_for(asyncio.gather(*arrived), timeout))
        return False

    def _record_context(self) -> Snapshot:
        return self._known.given

    async def _move_by_one(self, action: Action) -> Snapshot:
        place, follows = self._moves.next_from(self._known.given)
        return await self._submit(Move(action, place=place, follows=follows))

    async def _move_on(self, place: Place) -> Snapshot:
        return await self._submit(Move("move-to-next", place=place))

    async def _submit(self, move: Move) -> Snapshot:
        if self._known.closed:
            raise _closed()
        if self._known.failure is not None:
            raise self._known.failure
        self._moves.add(move)
        self._known.wake()
        try:
            return self._known.hand_over(await move.answer)
        finally:
            # If the call was cancelled, the move must not be sent.
            self._moves.remove(move)

    async def _send(self) -> None:
        """Send queued moves in order, while a transport is available."""
        while True:
            while not self._moves or self._transport is None:
                await self._known.change()
            move, transport = self._moves.first, self._transport
            try:
                members = await transport.move(move)
            except StudyError as error:
                if error.code in _RETRIED:
                    await asyncio.sleep(_POLL_INTERVAL_S)
                else:
                    self._moves.refuse(move, error)
            except NoAnswer:
                # The outcome is unknown, so the move is sent again with the same request id.
                self._stop_using(transport)
            else:
                snapshot = self._known.update(members)
                self._moves.answer(move, snapshot)

    async def _keep_socket(self) -> None:
        """Connect a socket, and reconnect when it is lost."""
        given = {"participant": self._participant, "token": self._token}
        auth = {name: value for name, value in given.items() if value is not None}
        pause, longest = _RECONNECT_DELAYS_S
        # The library sometimes swallows a cancellation, so the loop also checks `closed`.
        while not self._known.closed:
            self._socket = socket = SocketTransport(
                self._url, auth, self._on_snapshot, self._stop_using
            )
            try:
                await socket.open()
                pause = _RECONNECT_DELAYS_S[0]
                await socket.wait_until_ended()
            except StudyError as error:
                self._on_refusal(error)
            except NoAnswer:
                pass  # the server does not answer yet
            finally:
                await socket.close()
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)

    async def _poll(self, polling: PollingTransport) -> None:
        """Poll the state while there is no socket."""
        while True:
            await asyncio.sleep(_POLL_INTERVAL_S)
            without = asyncio.get_running_loop().time() - self._without_socket_since
            if isinstance(self._transport, SocketTransport) or without < _SOCKET_TIMEOUT_S:
                continue
            try:
                members = await polling.state()
            except StudyError as error:
                self._on_refusal(error)
                continue
            except NoAnswer:
                self._stop_using(polling)
                continue
            # A socket may have connected meanwhile; its state is newer.
            if not isinstance(self._transport, SocketTransport):
                if members is not None:
                    self._known.update(members)
                self._use(polling)

    def _on_snapshot(self, socket: SocketTransport, members: JsonObject) -> None:
        self._known.update(members)
        self._use(socket)

    def _use(self, transport: SocketTransport | PollingTransport) -> None:
        self._recorder.hurry()
        if self._transport is not transport:
            self._transport = transport
            self._known.publish(ClientEvent("connection", connection=self.connection))

    def _stop_using(self, transport: SocketTransport | PollingTransport) -> None:
        """Stop using a transport, if it is the current one."""
        if self._transport is not transport:
            return
        self._transport = None
        self._known.start_epoch()
        if isinstance(transport, SocketTransport):
            self._without_socket_since = asyncio.get_running_loop().time()
            transport.drop()
        self._known.publish(ClientEvent("connection", connection="none"))

    def _on_refusal(self, error: StudyError) -> None:
        """Fail if the server permanently refuses the app."""
        if error.code in _REFUSALS:
            self._fail_all(error)

    def _fail_all(self, error: StudyError) -> None:
        self._known.refuse(error)
        self._moves.refuse_all(error)
        self._known.wake()

    def _on_record_problem(self, problem: RecordProblem) -> None:
        """Call the app's function on the loop; the problem may come from another thread."""
        if self._loop is not None and self._on_problem is not None:
            # The program may have ended its loop.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._on_problem, problem)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Fail if a background task ends unexpectedly, so that nobody waits forever."""
        if self._known.closed:
            return
        # A program that cancels all its tasks also cancels the client's.
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        failure = StudyError("client-failed", f"the client has stopped: {error!r}")
        failure.__cause__ = error
        self._known.failure = failure
        self._fail_all(failure)


def _closed() -> StudyError:
    return StudyError("closed", "the client is closed")
