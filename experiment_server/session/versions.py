"""The study versions: the served one, and older ones that some participants keep."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Iterable

from experiment_server.errors import StudyInvalid
from experiment_server.limits.session import SEQUENCE_CACHE_MAX, SEQUENCE_CACHE_VALUES_MAX
from experiment_server.participants.blocks import BlockSequence
from experiment_server.participants.state import ParticipantState
from experiment_server.store.records import StudyVersion
from experiment_server.study.model import Study
from experiment_server.study.parse import parse

log = logging.getLogger(__name__)


class StudyVersions:
    """Gives each participant the blocks of their study version."""

    def __init__(self, served: Study) -> None:
        self.served = served
        self.all: list[StudyVersion] = []
        self._numbers: dict[str, int] = {}
        self._studies = {served.digest: served}
        self._sequences = SequenceCache()

    def add(self, version: StudyVersion) -> None:
        """Add a version to the list."""
        self.all.append(version)
        self._numbers[version.digest] = version.version

    def serve(self, study: Study) -> None:
        """Serve a study to all participants who do not keep an older version."""
        self.served = study
        self._studies[study.digest] = study

    def restore(self, versions: list[StudyVersion], states: Iterable[ParticipantState]) -> None:
        """Load the versions of earlier runs, and parse those that participants keep."""
        for version in versions:
            self.add(version)
        sources = {version.digest: version.source for version in versions}
        for digest in {state.study for state in states if state.study} - self._studies.keys():
            study = parse(sources.get(digest, "")).study
            if study is None:
                log.error(
                    "this release cannot read version %s of the study, which some participants "
                    "keep; they get the served version",
                    digest[:8],
                )
            else:
                self._studies[digest] = study

    @property
    def last(self) -> StudyVersion | None:
        """The latest version, None before the first."""
        return self.all[-1] if self.all else None

    @property
    def served_number(self) -> int:
        """The number of the latest version, 0 before the first."""
        return self.all[-1].version if self.all else 0

    def study_of(self, state: ParticipantState) -> Study:
        """The study that a participant gets."""
        return self._studies.get(state.study or "", self.served)

    def sequence(self, state: ParticipantState) -> BlockSequence:
        """The block sequence of a participant."""
        study = self.served if state.study is None else self.study_of(state)
        key = (study.digest, state.participant_index, state.row)
        found = self._sequences.get(key)
        if found is None:
            number = self._numbers.get(study.digest, 0)
            found = BlockSequence(study, number, state.participant_index, state.row)
            self._sequences.put(key, found)
        return found

    async def study_numbered(self, number: int) -> Study | None:
        """The study of a version by its number, None for one that cannot be read any more."""
        version = next((item for item in self.all if item.version == number), None)
        if version is None:
            return None
        with contextlib.suppress(StudyInvalid):
            await self.require(version.digest)
        return self._studies.get(version.digest)

    async def require(self, digest: str) -> None:
        """Parse an earlier version, unless that was done already.

        Raises StudyInvalid if this release cannot read it.
        """
        if digest not in self._studies:
            sources = {version.digest: version.source for version in self.all}
            parsed = await asyncio.to_thread(parse, sources.get(digest, ""))
            self._studies[digest] = parsed.require()

    def drop_cache(self) -> None:
        """Empty the cache."""
        self._sequences = SequenceCache()


SequenceKey = tuple[str, int, int | None]
"""A study's digest, a participant's index, and the participant's row of the design."""


class SequenceCache:
    """A least-recently-used cache of block sequences, bounded by their number and values.

    The bounds are large enough for all connected participants, so that a move of all participants
    expands no sequence again.
    """

    def __init__(self) -> None:
        self._cached: OrderedDict[SequenceKey, BlockSequence] = OrderedDict()
        self._values = 0

    def get(self, key: SequenceKey) -> BlockSequence | None:
        """The sequence of a key, None if it is not cached."""
        found = self._cached.get(key)
        if found is not None:
            self._cached.move_to_end(key)
        return found

    def put(self, key: SequenceKey, sequence: BlockSequence) -> None:
        """Add a sequence, and remove the least recently used ones beyond the bounds."""
        self._cached[key] = sequence
        self._values += sequence.values
        while len(self._cached) > 1 and (
            len(self._cached) > SEQUENCE_CACHE_MAX or self._values > SEQUENCE_CACHE_VALUES_MAX
        ):
            _, removed = self._cached.popitem(last=False)
            self._values -= removed.values
