"""Parses studies in a worker process, so that no study can block or crash the server.

The process `python -m experiment_server.session.parse_worker` reads requests from its standard
input and writes answers to its standard output. `ParseWorker` starts the process and sends the
requests. If a study takes too long, it kills the process, and starts another for the next study.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pickle
import struct
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any, BinaryIO

import msgspec

from experiment_server.errors import StudyTooLarge
from experiment_server.limits.session import ORDERS_NAMES_MAX, ORDERS_PARTICIPANTS_MAX
from experiment_server.limits.study import STUDY_PARSE_MEMORY_MAX_BYTES, STUDY_PARSE_TIMEOUT_S
from experiment_server.study.balance import balance, usual_participants
from experiment_server.study.diagnostics import Diagnostic
from experiment_server.study.expand import block_order
from experiment_server.study.explain import explain
from experiment_server.study.model import Names, Study
from experiment_server.study.parse import Parsed, parse, reader_failed
from experiment_server.study.source import StudySource
from experiment_server.study.tables import files_named_in
from experiment_server.wire.explanations import ExplainedBlock
from experiment_server.wire.study import DesignReport

log = logging.getLogger(__name__)

_LENGTH = struct.Struct("!Q")

_parse = lru_cache(maxsize=2)(parse)


def _report(source: StudySource, participants: int | None) -> DesignReport:
    study = _parse(source).require()
    count = participants or usual_participants(study)
    orders = _orders(study, min(count, ORDERS_PARTICIPANTS_MAX))
    return msgspec.convert({**balance(study, count).as_dict(), "orders": orders}, DesignReport)


def _preview(source: StudySource, participants: int) -> tuple[Parsed, list[Names]]:
    parsed = _parse(source)
    return parsed, _orders(parsed.study, participants) if parsed.study else []


def _orders(study: Study, participants: int) -> list[Names]:
    orders: list[Names] = []
    left = ORDERS_NAMES_MAX
    for participant_index in range(1, participants + 1):
        order = block_order(study, participant_index)
        left -= len(order)
        if left < 0:
            break
        orders.append(order)
    return orders


def _explanation(
    source: StudySource, participant_index: int, row: int | None
) -> list[ExplainedBlock]:
    return list(explain(_parse(source), participant_index, row))


_TASKS: dict[str, Callable[..., object]] = {
    "report": _report,
    "preview": _preview,
    "files": files_named_in,
    "explanation": _explanation,
}


class ParseWorker:
    """Parses studies in another process, one at a time, each within a time limit.

    The process starts with the first request.
    """

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def files(self, text: str) -> list[str]:
        """The paths of the tables that a study's text names; none if the text cannot be parsed."""
        # Nearly all studies have no tables, and need not wait for the process.
        if "tables" not in text and "\\" not in text:
            return []
        try:
            files: list[str] = await self._ask("files", text)
        except StudyTooLarge:
            return []
        return files

    async def parse(self, source: StudySource) -> Parsed:
        """Parse a study as `study.parse.parse` does; report a timeout as an error of the study."""
        parsed, _ = await self.preview(source, 0)
        return parsed

    async def preview(self, source: StudySource, participants: int) -> tuple[Parsed, list[Names]]:
        """Parse a study, and list the block names of participants 1 to `participants`."""
        try:
            preview: tuple[Parsed, list[Names]] = await self._ask("preview", source, participants)
        except StudyTooLarge as error:
            found = Diagnostic("study-too-large", "error", error.detail)
            return Parsed(None, (found,), source), []
        except Exception as error:
            log.exception("the worker process failed to parse a study")
            return Parsed(None, (reader_failed(error),), source), []
        return preview

    async def report(self, source: StudySource, participants: int | None) -> DesignReport:
        """The design report of a study without errors, with the orders of the first participants.

        Raises StudyTooLarge.
        """
        report: DesignReport = await self._ask("report", source, participants)
        return report

    async def explanation(
        self, source: StudySource, participant_index: int, row: int | None
    ) -> list[ExplainedBlock]:
        """The origin of a participant's blocks and values, in a study without errors.

        Raises StudyTooLarge and ExpansionFailed.
        """
        blocks: list[ExplainedBlock] = await self._ask(
            "explanation", source, participant_index, row
        )
        return blocks

    async def close(self) -> None:
        """Kill the process."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _ask(self, task: str, *arguments: object) -> Any:
        async with self._turn:
            try:
                return await asyncio.wait_for(self._answer(task, arguments), STUDY_PARSE_TIMEOUT_S)
            except (asyncio.TimeoutError, asyncio.IncompleteReadError, ConnectionError):
                await self.close()
                raise StudyTooLarge(
                    f"reading the study takes more than {STUDY_PARSE_TIMEOUT_S:.0f} seconds, or "
                    "more memory than there is; it has to have fewer blocks, or draw fewer values"
                ) from None
            except asyncio.CancelledError:
                # The pending answer would be read as the answer to the next request.
                await self.close()
                raise

    async def _answer(self, task: str, arguments: tuple[object, ...]) -> Any:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                __name__,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
        requests, replies = self._process.stdin, self._process.stdout
        if requests is None or replies is None:
            raise ConnectionError("a process that was started with pipes has none")
        requests.write(_packed((task, arguments)))
        await requests.drain()
        (length,) = _LENGTH.unpack(await replies.readexactly(_LENGTH.size))
        answer, error = pickle.loads(await replies.readexactly(length))  # noqa: S301 - our own process
        if error is not None:
            raise error
        return answer


def _packed(value: object) -> bytes:
    body = pickle.dumps(value)
    return _LENGTH.pack(len(body)) + body


def _bound_memory() -> None:
    # Windows has no such limit; only the timeout bounds a study there.
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(
            resource.RLIMIT_AS, (STUDY_PARSE_MEMORY_MAX_BYTES, STUDY_PARSE_MEMORY_MAX_BYTES)
        )


def _serve(asked: BinaryIO, answers: BinaryIO) -> None:
    while len(head := asked.read(_LENGTH.size)) == _LENGTH.size:
        task, arguments = pickle.loads(asked.read(_LENGTH.unpack(head)[0]))  # noqa: S301 - our own
        answer: tuple[object, Exception | None]
        try:
            answer = _TASKS[task](*arguments), None
        except MemoryError:
            return
        except Exception as error:  # noqa: BLE001 - the server process raises it
            answer = None, error
        answers.write(_packed(answer))
        answers.flush()


if __name__ == "__main__":
    _bound_memory()
    with contextlib.suppress(KeyboardInterrupt):
        _serve(sys.stdin.buffer, sys.stdout.buffer)
