"""The study file of a running study: loading its versions, refusing broken ones, saving edits."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from pathlib import Path
from typing import Any

from experiment_server.errors import (
    ExperimentServerError,
    PreconditionMissing,
    StoreUnavailable,
    StudyFileUnreadable,
    StudyStale,
    VersionUnknown,
)
from experiment_server.flow import participant as flow
from experiment_server.flow.events import Event, EventType
from experiment_server.flow.versions import Fit, Fits, OnChange, fit
from experiment_server.limits import DIAGNOSTICS_LOGGED
from experiment_server.live.hub import DASHBOARD, Message, participant_room
from experiment_server.live.reader import Reader
from experiment_server.live.requests import BY_SERVER, Request
from experiment_server.live.roster import Plan
from experiment_server.live.service import Service
from experiment_server.live.turns import in_turns
from experiment_server.store.records import StudyVersion
from experiment_server.store.study_file import StudyDraft, read_text
from experiment_server.study.diagnostics import Diagnostic
from experiment_server.study.model import Study
from experiment_server.study.parse import Parsed, digest_of, parse

AT_START, ON_DISK, SAVED = "start", "changed on disk", "saved"
"""Why a version was loaded."""

ANY_VERSION = "*"


class StudyDesk:
    """The file that a service's study comes from, and who gets what when it changes."""

    def __init__(
        self, service: Service, path: Path, parsed: Parsed, on_change: OnChange = OnChange.ALL
    ) -> None:
        self.path = path
        self._service = service
        self._on_change = on_change
        self._first = parsed
        self._diagnostics = parsed.diagnostics
        self._reader = Reader()
        self._loading = asyncio.Lock()
        self._saving = asyncio.Lock()
        # The text that was loaded or refused last: nothing is to be done about it any more.
        self._seen: str | None = None

    async def start(self) -> None:
        """Load the file as it was read at the start, as a new version if it is one."""
        await self.load(self._first, AT_START)

    async def stop(self) -> None:
        """End what reads studies."""
        await self._reader.close()

    @property
    def name(self) -> str:
        """What people call the study: its file's name."""
        return self.path.name

    def info(self) -> dict[str, Any]:
        """`{"name", "digest", "version", "diagnostics", "on_change", "versions"}`.

        `versions` lists what was loaded, `{"version", "digest", "loaded_at", "reason"}`.
        """
        return {
            **self.served(),
            "diagnostics": self.diagnostics(),
            "on_change": self._on_change.value,
            "versions": [
                {
                    "version": item.version,
                    "digest": item.digest,
                    "loaded_at": flow.timestamp(item.loaded_at),
                    "reason": item.reason,
                }
                for item in self._service.editions.versions
            ],
        }

    def served(self) -> dict[str, Any]:
        """`{"name", "digest", "version"}` of the version that is served."""
        version = self._service.editions.last()
        return {
            "name": self.name,
            "digest": self._service.editions.served.digest,
            "version": version.version if version else 0,
        }

    def diagnostics(self) -> list[dict[str, Any]]:
        """What was found in the text that was read last, whether it is served or not."""
        return [item.as_dict() for item in self._diagnostics]

    async def read(self) -> str:
        """The file's text as it is on disk; raises StudyFileUnreadable."""
        return await asyncio.to_thread(read_text, self.path)

    async def parse(self, text: str) -> Parsed:
        """What is in a text, without loading it. Never raises for what is in it."""
        return await self._reader.parse(text)

    async def verify(self, text: str, participants: int) -> dict[str, Any]:
        """What serving a text would mean: `{"ok", "digest", "diagnostics", "orders", "affected"}`.

        `orders` are the block names of participants 1 to `participants`, or of fewer where they
        have very many blocks; `affected` says who would
        be `reordered`, `ended` or `kept`, as `flow.versions.Fit` has it. Both are empty and None
        for a study with errors.
        """
        parsed, orders = await self._reader.preview(text, participants)
        study = parsed.study
        return {
            "ok": study is not None,
            "digest": digest_of(text),
            "diagnostics": [item.as_dict() for item in parsed.diagnostics],
            "orders": orders,
            "affected": (await self._fit_everybody(study)).report() if study else None,
        }

    async def design(self, participants: int | None) -> dict[str, Any]:
        """The design report of the served study, as `Reader.report` has it.

        None stands for as many participants as a whole cycle of the orders has.
        """
        last = self._service.editions.last()
        return await self._reader.report(last.text if last else "", participants)

    def version_text(self, version: int) -> str:
        """The text of a version that was served; raises VersionUnknown."""
        versions = self._service.editions.versions
        for item in versions:
            if item.version == version:
                return item.text
        raise VersionUnknown(f"there is no version {version}; the last one is {len(versions)}")

    def knows(self, text: str) -> bool:
        """Whether this text was loaded or refused already, and none since."""
        return text == self._seen

    async def load(self, parsed: Parsed, reason: str, request: Request = BY_SERVER) -> None:
        """Serve a changed study file; a broken one is reported and changes nothing.

        Raises StoreUnavailable, with nothing changed, if it cannot be recorded.
        """
        async with self._loading:
            if parsed.study is None:
                self._refused(parsed.diagnostics, digest_of(parsed.text), request)
                self._seen = parsed.text
                await self._tell_dashboards()
                return
            try:
                fitted = await self._record(parsed.study, parsed.text, reason, request)
            except StoreUnavailable as error:
                self._diagnostics = (_as_diagnostic(error),)
                await self._tell_dashboards()
                raise
            await self._loaded(parsed, fitted)

    async def _loaded(self, parsed: Parsed, fitted: Fit | None) -> None:
        self._diagnostics = parsed.diagnostics
        self._seen = parsed.text
        await self._tell(fitted)

    async def refuse(self, error: ExperimentServerError, request: Request = BY_SERVER) -> None:
        """Report that the study file cannot be read; the last good study keeps running."""
        self._refused((_as_diagnostic(error),), None, request)
        self._seen = None
        await self._tell_dashboards()

    async def save(
        self, text: str, made_from: str | None, request: Request = BY_SERVER
    ) -> dict[str, Any]:
        """Write the file and load it; `made_from` is the digest of the text that was edited.

        Raises PreconditionMissing without that, StudyStale if the file is another by now,
        StudyInvalid for a study with errors, and StoreUnavailable; nothing is written then.
        """

        async def work() -> dict[str, Any]:
            async with self._saving:
                saved = await self._save(text, made_from, request)
            # It is saved, also if its reply is not: a repeat finds the text there already.
            with contextlib.suppress(StoreUnavailable):
                await self._service.retries.keep(request, saved)
            return saved

        saved: dict[str, Any] = await self._service.retries.once(request, work)
        return saved

    async def _save(self, text: str, made_from: str | None, request: Request) -> dict[str, Any]:
        if made_from is None:
            raise PreconditionMissing(
                "say with If-Match which text was edited: the digest that GET /api/study/toml "
                "gives as its ETag"
            )
        parsed = await self.parse(text)
        study = parsed.require()
        on_disk = await self._digest_on_disk()
        # What is there already has been saved, perhaps by this very request.
        if made_from not in (on_disk, ANY_VERSION) and on_disk != digest_of(text):
            raise StudyStale(
                f"{self.name} was changed meanwhile, so it was not overwritten; read it again "
                "and put your changes into that"
            )
        draft = await asyncio.to_thread(StudyDraft, self.path, text)
        try:
            async with self._loading:
                # First the record, which a full or locked database refuses, then the file: what was
                # refused is never on disk, where it would be served. A server that ends in between
                # starts with the file as it was, as a version after the one that was not told of.
                fitted = await self._record(study, text, SAVED, request)
                await self._publish(draft)
                await self._loaded(parsed, fitted)
        finally:
            await asyncio.to_thread(draft.discard)
        return self.info()

    async def _publish(self, draft: StudyDraft) -> None:
        try:
            await asyncio.to_thread(draft.publish)
        except StoreUnavailable:
            # What is on disk counts: whoever watches the file serves it again.
            self._seen = None
            raise

    async def _digest_on_disk(self) -> str:
        try:
            return digest_of(await self.read())
        except StudyFileUnreadable:
            # Nothing there that could be lost: what is served is what people have edited.
            return self._service.editions.served.digest

    async def _record(self, study: Study, text: str, reason: str, request: Request) -> Fit | None:
        """Make a study the served one, with everybody fitted to it; None if it is already."""
        service, editions = self._service, self._service.editions
        last = editions.last()
        if last is not None and last.digest == study.digest:
            editions.serve(study)
            return None
        fitted = Fit()

        def planning() -> Plan:
            nonlocal fitted
            now = service.clock()
            fitted = known.all(service.roster.newest(index) for index in service.roster.indices())
            version = StudyVersion(last.version + 1 if last else 1, study.digest, text, now, reason)
            loaded = Event(
                EventType.STUDY_LOADED,
                now,
                data={
                    "version": version.version,
                    "digest": version.digest,
                    "reason": reason,
                    "on_change": self._on_change.value,
                    **fitted.report(),
                    # What those who are kept, and had the served version so far, stay with.
                    "kept_study": editions.served.digest,
                    **request.told(),
                },
            )
            ended = frozenset(fitted.ended)
            moves = [
                event
                for before, after in fitted.states
                if after.participant_index in ended
                for event in self._ended(before, after, version.version)
            ]
            return Plan(fitted.states, [loaded, *moves], version)

        async with service.roster.alone():
            if last is not None:
                self._restore_last(last)
            known = await self._fit_everybody(study)
            plan = await service.roster.make(planning)
            editions.serve(study)
            if plan.version:
                editions.add(plan.version)
        service.news.gather(entries=plan.written.entries)
        return fitted

    def _restore_last(self, last: StudyVersion) -> None:
        # At the start the served study is the new one; whom it changes is seen against the last.
        editions = self._service.editions
        if editions.served.digest != last.digest:
            before = parse(last.text).study
            if before is not None:
                editions.serve(before)

    async def _fit_everybody(self, study: Study) -> Fits:
        """How each participant fits into a study; made in turns, as there may be very many."""
        editions, roster = self._service.editions, self._service.roster
        now, served = self._service.clock(), editions.served.digest

        def fit_one(state: flow.ParticipantState) -> Fit:
            order_in = partial(editions.order_in, study)
            return fit([state], editions.order, order_in, served, self._on_change, now)

        fits = Fits(fit_one)
        async for index in in_turns(roster.indices()):
            fits.add(roster.newest(index))
        return fits

    def _ended(
        self, before: flow.ParticipantState, after: flow.ParticipantState, version: int
    ) -> list[Event]:
        request = Request(BY_SERVER.by, reason="the study became shorter")
        end = {"block_id": after.block_id, "block_name": flow.END_NAME}
        return self._service.history.moved(before, after, request, to=end, study_version=version)

    def _refused(
        self, diagnostics: tuple[Diagnostic, ...], digest: str | None, request: Request
    ) -> None:
        self._diagnostics = diagnostics
        errors = [item for item in diagnostics if item.severity == "error"]
        told = [
            {"code": item.code, "line": item.line, "message": item.message}
            for item in errors[:DIAGNOSTICS_LOGGED]
        ]
        data = {"digest": digest, "errors": len(errors), "first": told, **request.told()}
        self._service.history.log(Event(EventType.STUDY_REFUSED, self._service.clock(), data=data))

    async def _tell(self, fitted: Fit | None) -> None:
        """Tell the dashboards, and those participants whose study has changed."""
        if fitted is None:
            await self._tell_dashboards()
            return
        service = self._service
        kept = frozenset(fitted.kept)
        concerned = [index for index in service.connected_apps() if index not in kept]
        news = {"digest": service.editions.served.digest, "name": self.name}
        await service.news.publish(
            *(Message(participant_room(index), "study-changed", news) for index in concerned)
        )
        await self._tell_dashboards(**fitted.report())
        # As they are now: while the others were told, participants may have been moved.
        await service.news.announce("config-changed", map(service.roster.state, concerned))
        service.news.gather(changed=service.roster.indices())

    async def _tell_dashboards(self, **affected: Any) -> None:
        news = {**self.served(), "diagnostics": self.diagnostics(), **affected}
        await self._service.news.publish(Message(DASHBOARD, "study-changed", news))


def _as_diagnostic(error: ExperimentServerError) -> Diagnostic:
    return Diagnostic(error.code, "error", error.detail)
