"""The versions of the study: the one that is served, and those that participants keep."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Iterable

from experiment_server.limits import SEQUENCE_CACHE_MAX, SEQUENCE_CACHE_SETTINGS_MAX
from experiment_server.participants.blocks import BlockSequence
from experiment_server.participants.state import ParticipantState
from experiment_server.store.records import StudyVersion
from experiment_server.study.model import Study
from experiment_server.study.parse import parse

log = logging.getLogger(__name__)


class StudyVersions:
    """Gives every participant the blocks of the version that they have."""

    def __init__(self, served: Study) -> None:
        self.served = served
        self.all: list[StudyVersion] = []
        self._numbers: dict[str, int] = {}
        self._studies = {served.digest: served}
        self._sequences = SequenceCache()

    def add(self, version: StudyVersion) -> None:
        """Take a version into the list of those that were loaded."""
        self.all.append(version)
        self._numbers[version.digest] = version.version

    def serve(self, study: Study) -> None:
        """Make a study the one that everybody has who keeps no other."""
        self.served = study
        self._studies[study.digest] = study

    def restore(self, versions: list[StudyVersion], states: Iterable[ParticipantState]) -> None:
        """Take up the versions of earlier runs, and those among them that participants keep."""
        for version in versions:
            self.add(version)
        sources = {version.digest: version.source for version in versions}
        for digest in {state.study for state in states if state.study} - self._studies.keys():
            study = parse(sources.get(digest, "")).study
            if study is None:
                log.error(
                    "version %s of the study, which participants keep, can no longer be read; "
                    "they get the one that is served",
                    digest[:8],
                )
            else:
                self._studies[digest] = study

    @property
    def last(self) -> StudyVersion | None:
        """The version that was loaded last, None before the first."""
        return self.all[-1] if self.all else None

    @property
    def served_number(self) -> int:
        """The number of the version that was loaded last, 0 before the first."""
        return self.all[-1].version if self.all else 0

    def study_of(self, state: ParticipantState) -> Study:
        """The study that a participant has."""
        return self._studies.get(state.study or "", self.served)

    def sequence(self, state: ParticipantState) -> BlockSequence:
        """The blocks that a participant goes through."""
        study = self.served if state.study is None else self.study_of(state)
        key = (study.digest, state.participant_index, state.row)
        found = self._sequences.get(key)
        if found is None:
            number = self._numbers.get(study.digest, 0)
            found = BlockSequence(study, number, state.participant_index, state.row)
            self._sequences.put(key, found)
        return found

    async def require(self, digest: str) -> None:
        """Have a version at hand that was served once.

        Raises StudyInvalid for one that this release cannot read.
        """
        if digest not in self._studies:
            sources = {version.digest: version.source for version in self.all}
            parsed = await asyncio.to_thread(parse, sources.get(digest, ""))
            self._studies[digest] = parsed.require()

    def drop_cache(self) -> None:
        """Forget what can be worked out again."""
        self._sequences = SequenceCache()


SequenceKey = tuple[str, int, int | None]
"""A study's digest, a participant's index, and the row of the design that they follow."""


class SequenceCache:
    """Block sequences, the ones used last, bounded by their number and by their settings.

    The bounds hold every participant who is connected, so that moving all of them expands nobody
    anew.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[SequenceKey, BlockSequence] = OrderedDict()
        self._settings = 0

    def get(self, key: SequenceKey) -> BlockSequence | None:
        """The sequence of a key, if it is kept."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, key: SequenceKey, sequence: BlockSequence) -> None:
        """Keep a sequence, and forget those that were not used for the longest."""
        self._kept[key] = sequence
        self._settings += sequence.settings
        while len(self._kept) > 1 and (
            len(self._kept) > SEQUENCE_CACHE_MAX or self._settings > SEQUENCE_CACHE_SETTINGS_MAX
        ):
            _, forgotten = self._kept.popitem(last=False)
            self._settings -= forgotten.settings
