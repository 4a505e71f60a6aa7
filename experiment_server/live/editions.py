"""The versions of the study: the one that is served, and those that participants keep."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from functools import lru_cache

from experiment_server.flow.overrides import overridden
from experiment_server.flow.participant import ParticipantState
from experiment_server.limits import EXPANSIONS_CACHED, ORDERS_CACHED
from experiment_server.store.records import StudyVersion
from experiment_server.study.expand import block_order, expand
from experiment_server.study.model import Block, Names, Study
from experiment_server.study.parse import parse

log = logging.getLogger(__name__)


class Editions:
    """Expands each participant's blocks from the version that they have."""

    def __init__(self, served: Study) -> None:
        self.served = served
        self.versions: list[StudyVersion] = []
        self._numbers: dict[str, int] = {}
        self._studies = {served.digest: served}
        self._expand = lru_cache(maxsize=EXPANSIONS_CACHED)(self._expand_anew)
        self._order = lru_cache(maxsize=ORDERS_CACHED)(self._order_anew)

    def add(self, version: StudyVersion) -> None:
        """Take a version into the list of those that were loaded."""
        self.versions.append(version)
        self._numbers[version.digest] = version.version

    def serve(self, study: Study) -> None:
        """Make a study the one that everybody has who keeps no other."""
        self.served = study
        self._studies[study.digest] = study

    def restore(self, versions: list[StudyVersion], states: Iterable[ParticipantState]) -> None:
        """Take up the versions of earlier runs, and those among them that participants keep."""
        for version in versions:
            self.add(version)
        texts = {version.digest: version.text for version in versions}
        for digest in {state.study for state in states if state.study} - self._studies.keys():
            study = parse(texts.get(digest, "")).study
            if study is None:
                log.error(
                    "version %s of the study, which participants keep, can no longer be read; "
                    "they get the one that is served",
                    digest[:8],
                )
            else:
                self._studies[digest] = study

    def last(self) -> StudyVersion | None:
        """The version that was loaded last, None before the first."""
        return self.versions[-1] if self.versions else None

    def study_of(self, state: ParticipantState) -> Study:
        """The study that a participant has."""
        return self._studies.get(state.study or "", self.served)

    def number_of(self, state: ParticipantState) -> int:
        """The number of the version that a participant has."""
        return self._numbers.get(self.study_of(state).digest, 0)

    def order(self, state: ParticipantState) -> Names:
        """The names of a participant's blocks."""
        return self._order(self.study_of(state).digest, state.participant_index)

    def order_in(self, study: Study, participant_index: int) -> Names:
        """The names of the blocks that a participant would have in a study."""
        return block_order(study, participant_index)

    def file_blocks(self, state: ParticipantState) -> tuple[Block, ...]:
        """A participant's blocks as the file has them; raises ExpansionFailed."""
        return self._expand(self.study_of(state).digest, state.participant_index)

    async def file_blocks_in(self, digest: str, participant_index: int) -> tuple[Block, ...]:
        """A participant's blocks as a version that was served once had them.

        Raises ExpansionFailed, and StudyInvalid for a version that this release cannot read.
        """
        if digest not in self._studies:
            texts = {version.digest: version.text for version in self.versions}
            parsed = await asyncio.to_thread(parse, texts.get(digest, ""))
            self._studies[digest] = parsed.require()
        return self._expand(digest, participant_index)

    def blocks(self, state: ParticipantState) -> tuple[Block, ...]:
        """A participant's blocks with their overrides; raises ExpansionFailed."""
        return overridden(self.file_blocks(state), state.overrides)

    def _expand_anew(self, digest: str, participant_index: int) -> tuple[Block, ...]:
        return expand(self._studies[digest], participant_index)

    def _order_anew(self, digest: str, participant_index: int) -> Names:
        return block_order(self._studies[digest], participant_index)
